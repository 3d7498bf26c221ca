"""Settings of the budget: those that every service has, and the keys that payees' account numbers are sealed with."""

import base64
import binascii
import hashlib
from pathlib import Path
from typing import Self

from pydantic import SecretStr, model_validator

from shared.settings import Profile, Settings

KEY_BYTES = 32
PREVIOUS_KEYS_MAX = 4


class BudgetSettings(Settings):
    """`payee_account_key` is base64 of 32 random bytes. The HTTP process cannot do without it in production; the worker needs it to seal anew.

    `payee_account_previous_keys` are up to four keys of the same kind with commas between them: they open what they sealed until the worker
    has sealed everything with the present key.
    """

    service: str = "budget"
    payee_account_key: SecretStr | None = None
    payee_account_previous_keys: SecretStr | None = None
    # Base64 of the 32 random bytes that checkpoints are signed with; the worker cannot do without in production.
    checkpoint_key: SecretStr | None = None
    # Where each checkpoint is written once more, for others to keep: a folder that this service may add to and not change.
    witness_folder: Path | None = None

    @model_validator(mode="after")
    def check_payee_account_keys(self) -> Self:
        if self.payee_account_key is not None and len(self.sealing_key()) != KEY_BYTES:
            raise ValueError(f"PAYEE_ACCOUNT_KEY must be base64 of {KEY_BYTES} bytes")
        if self.payee_account_previous_keys is None:
            return self
        previous = self.previous_sealing_keys()
        if self.payee_account_key is None:
            raise ValueError("PAYEE_ACCOUNT_PREVIOUS_KEYS without PAYEE_ACCOUNT_KEY: name the key that takes their place")
        if len(previous) > PREVIOUS_KEYS_MAX or any(len(key) != KEY_BYTES for key in previous):
            raise ValueError(f"PAYEE_ACCOUNT_PREVIOUS_KEYS must be at most {PREVIOUS_KEYS_MAX} keys, each base64 of {KEY_BYTES} bytes")
        if self.sealing_key() in previous:
            raise ValueError("PAYEE_ACCOUNT_PREVIOUS_KEYS names the present key")
        return self

    def sealing_key(self) -> bytes:
        """Raises ValueError when it is missing in production."""
        if self.payee_account_key is None:
            if self.profile is Profile.PRODUCTION:
                raise ValueError(f"PAYEE_ACCOUNT_KEY is missing: base64 of {KEY_BYTES} random bytes")
            # A developer's machine keeps its database password, but not its port: what was sealed stays readable after a restart.
            return hashlib.sha256(f"payee accounts {self._database_password()}".encode()).digest()
        return _key(self.payee_account_key.get_secret_value(), name="PAYEE_ACCOUNT_KEY")

    def checkpoint_seed(self) -> bytes:
        """Raises ValueError when it is missing in production, or not what it should be."""
        if self.checkpoint_key is None:
            if self.profile is Profile.PRODUCTION:
                raise ValueError(f"CHECKPOINT_KEY is missing: base64 of {KEY_BYTES} random bytes")
            return hashlib.sha256(f"checkpoints {self._database_password()}".encode()).digest()
        seed = _key(self.checkpoint_key.get_secret_value(), name="CHECKPOINT_KEY")
        if len(seed) != KEY_BYTES:
            raise ValueError(f"CHECKPOINT_KEY must be base64 of {KEY_BYTES} bytes")
        return seed

    def previous_sealing_keys(self) -> tuple[bytes, ...]:
        if self.payee_account_previous_keys is None:
            return ()
        written = self.payee_account_previous_keys.get_secret_value()
        return tuple(_key(each.strip(), name="PAYEE_ACCOUNT_PREVIOUS_KEYS") for each in written.split(",") if each.strip())

    def _database_password(self) -> str:
        return self.dsn.partition("://")[2].rpartition("@")[0].partition(":")[2]


def _key(written: str, *, name: str) -> bytes:
    try:
        return base64.b64decode(written, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{name} is not base64") from error
