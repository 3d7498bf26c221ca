"""Settings of the budget: those that every service has, and the keys that payees' account numbers are sealed with."""

from pathlib import Path
from typing import Self

from pydantic import SecretStr, model_validator

from shared.settings import Settings, key_bytes

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
        present = None if self.payee_account_key is None else self.sealing_key()
        previous = self.previous_sealing_keys()
        if self.payee_account_previous_keys is not None and present is None:
            raise ValueError("PAYEE_ACCOUNT_PREVIOUS_KEYS without PAYEE_ACCOUNT_KEY: name the key that takes their place")
        if len(previous) > PREVIOUS_KEYS_MAX:
            raise ValueError(f"PAYEE_ACCOUNT_PREVIOUS_KEYS must be at most {PREVIOUS_KEYS_MAX} keys")
        if present in previous:
            raise ValueError("PAYEE_ACCOUNT_PREVIOUS_KEYS names the present key")
        return self

    def sealing_key(self) -> bytes:
        """Raises ValueError when it is missing in production, or not what it should be."""
        return self.key(self.payee_account_key, name="PAYEE_ACCOUNT_KEY", purpose="payee accounts")

    def checkpoint_seed(self) -> bytes:
        """Raises ValueError when it is missing in production, or not what it should be."""
        return self.key(self.checkpoint_key, name="CHECKPOINT_KEY", purpose="checkpoints")

    def previous_sealing_keys(self) -> tuple[bytes, ...]:
        """Raises ValueError for what is not a key."""
        if self.payee_account_previous_keys is None:
            return ()
        written = self.payee_account_previous_keys.get_secret_value()
        return tuple(key_bytes(each.strip(), name="PAYEE_ACCOUNT_PREVIOUS_KEYS") for each in written.split(",") if each.strip())
