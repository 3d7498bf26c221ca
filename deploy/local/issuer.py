"""A stand-in for the staff sign-in: a key of this machine, its public half for the services, and tokens for named officers."""

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import ECKey

from deploy.local.folders import write_private
from deploy.postgres.roles import SERVICES

ALGORITHM = "ES256"
# Reserved for documentation: nobody can own this name, so no real token can carry it.
ISSUER = "https://staff.example.invalid"
VALID_S = 12 * 3600


@dataclass(frozen=True)
class Issuer:
    """Mints tokens that a service accepts whose STAFF_JWKS is `jwks_file` and whose STAFF_ISSUER is `name`."""

    key: ECKey
    jwks_file: Path
    name: str = ISSUER

    def token(self, subject: str, *, name: str, roles: Sequence[str], jurisdictions: Sequence[str], valid_s: int = VALID_S) -> str:
        """`jurisdictions` are ids, or ["*"] for all of them."""
        now_s = int(time.time())
        claims = {
            "iss": self.name,
            "sub": subject,
            "name": name,
            "aud": list(SERVICES),
            "roles": list(roles),
            "jurisdictions": list(jurisdictions),
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + valid_s,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode({"alg": ALGORITHM, "kid": self.key.kid}, claims, self.key, algorithms=[ALGORITHM])


def issuer_in(folder: Path) -> Issuer:
    """The issuer of a profile; its key is made once."""
    key_file, jwks_file = folder / "issuer.json", folder / "jwks.json"
    if not key_file.exists():
        made = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM, "kid": str(uuid.uuid4())}, private=True)
        write_private(key_file, json.dumps(made.as_dict(private=True)))
    key = ECKey.import_key(json.loads(key_file.read_text(encoding="utf-8")))
    write_private(jwks_file, json.dumps({"keys": [key.as_dict(private=False)]}))
    return Issuer(key=key, jwks_file=jwks_file)
