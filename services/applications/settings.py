"""Settings of applications: those that every service has, and the key that numbers of invoices and people are marked with."""

import base64
import binascii
import hashlib

from pydantic import SecretStr

from shared.settings import Profile, Settings

KEY_BYTES = 32


class ApplicationsSettings(Settings):
    """`mark_key` is base64 of 32 random bytes; the HTTP process cannot do without it in production.

    It is kept as long as payments are compared: under another key the same number has another mark. Whoever destroys it makes every mark
    that was ever sent a random number.
    """

    service: str = "applications"
    mark_key: SecretStr | None = None

    def marking_secret(self) -> bytes:
        """Raises ValueError when it is missing in production, or not what it should be."""
        if self.mark_key is None:
            if self.profile is Profile.PRODUCTION:
                raise ValueError(f"MARK_KEY is missing: base64 of {KEY_BYTES} random bytes")
            # A developer's machine keeps its database password, but not its port: marks stay the same after a restart.
            return hashlib.sha256(f"marks {self._database_password()}".encode()).digest()
        try:
            secret = base64.b64decode(self.mark_key.get_secret_value(), validate=True)
        except binascii.Error as error:
            raise ValueError("MARK_KEY is not base64") from error
        if len(secret) != KEY_BYTES:
            raise ValueError(f"MARK_KEY must be base64 of {KEY_BYTES} bytes")
        return secret

    def _database_password(self) -> str:
        return self.dsn.partition("://")[2].rpartition("@")[0].partition(":")[2]
