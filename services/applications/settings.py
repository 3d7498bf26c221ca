"""Settings of applications: those that every service has, and the key that numbers of invoices and people are marked with."""

from pydantic import SecretStr

from shared.settings import Settings


class ApplicationsSettings(Settings):
    """`mark_key` is base64 of 32 random bytes; the HTTP process cannot do without it in production.

    It is kept as long as payments are compared: under another key the same number has another mark. Whoever destroys it makes every mark
    that was ever sent a random number.
    """

    service: str = "applications"
    mark_key: SecretStr | None = None

    def marking_secret(self) -> bytes:
        """Raises ValueError when it is missing in production, or not what it should be."""
        return self.key(self.mark_key, name="MARK_KEY", purpose="marks")
