"""Settings of notifications: those that every service has, and where the provincial portal is."""

from pydantic import AnyHttpUrl, SecretStr, model_validator

from shared.settings import Profile, Settings


class NotificationsSettings(Settings):
    """Without PORTAL_URL case records are kept and wait."""

    service: str = "notifications"

    portal_url: str | None = None
    portal_token: SecretStr | None = None

    @model_validator(mode="after")
    def check_portal(self) -> "NotificationsSettings":
        if (self.portal_url is None) != (self.portal_token is None):
            raise ValueError("PORTAL_URL and PORTAL_TOKEN come together: one without the other reaches no portal")
        if self.portal_url is not None:
            AnyHttpUrl(self.portal_url)
            if self.profile is Profile.PRODUCTION and not self.portal_url.startswith("https://"):
                raise ValueError("PORTAL_URL must be an https address under PROFILE=production: the records carry a token and a mobile number")
        return self
