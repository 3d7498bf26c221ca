"""Settings of the budget: those that every service has, and the key that payees' account numbers are sealed with."""

import base64
import binascii
import hashlib
from typing import Self

from pydantic import SecretStr, model_validator

from shared.settings import Profile, Settings

KEY_BYTES = 32


class BudgetSettings(Settings):
    """`payee_account_key` is base64 of 32 random bytes. The HTTP process cannot do without it in production; the worker never needs it."""

    service: str = "budget"
    payee_account_key: SecretStr | None = None

    @model_validator(mode="after")
    def check_payee_account_key(self) -> Self:
        if self.payee_account_key is not None and len(self.sealing_key()) != KEY_BYTES:
            raise ValueError(f"PAYEE_ACCOUNT_KEY must be base64 of {KEY_BYTES} bytes")
        return self

    def sealing_key(self) -> bytes:
        """Raises ValueError when it is missing in production."""
        if self.payee_account_key is None:
            if self.profile is Profile.PRODUCTION:
                raise ValueError(f"PAYEE_ACCOUNT_KEY is missing: base64 of {KEY_BYTES} random bytes")
            # A developer's machine keeps its database password, but not its port: what was sealed stays readable after a restart.
            return hashlib.sha256(f"payee accounts {self._database_password()}".encode()).digest()
        try:
            return base64.b64decode(self.payee_account_key.get_secret_value(), validate=True)
        except binascii.Error as error:
            raise ValueError("PAYEE_ACCOUNT_KEY is not base64") from error

    def _database_password(self) -> str:
        return self.dsn.partition("://")[2].rpartition("@")[0].partition(":")[2]
