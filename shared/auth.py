"""Authentication of every route, before its body is read as JSON; a route says what it needs with may() or anyone()."""

import hashlib
import json
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeAlias

import httpx
import structlog
from fastapi import Depends, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from shared import clock
from shared.caller import Caller, require_scope
from shared.errors import Unauthenticated, Unavailable
from shared.settings import Settings
from shared.signature import EARLY_S_MAX, LATE_S_MAX, SignedCall, is_signed_by

log = structlog.get_logger()

TOKEN_ALGORITHMS = ["ES256", "EdDSA", "RS256"]
KEYS_KEPT_S = 300.0
TOKENS_KEPT_MAX = 10_000
# OpenID Connect Core 2: "It MUST NOT exceed 255 ASCII characters in length."
SUBJECT_CHARACTERS_MAX = 255
# How far the issuer's clock and this one may differ.
LEEWAY_S = 30
SECRET_BYTES_MIN = 32


class NotSigned(Unauthenticated):
    code = "not-signed"
    title_en = "Say who you are"
    title_zh = "请先验证身份"


class SignatureWrong(Unauthenticated):
    code = "signature-wrong"
    title_en = "The signature does not fit"
    title_zh = "签名不正确"
    remedy_en = "Compare your canonical text with the published vectors (deploy/clients/vectors.json)."
    remedy_zh = "请用公布的签名测试向量（deploy/clients/vectors.json）逐项核对签名原文。"


class SignatureLate(Unauthenticated):
    code = "signature-late"
    title_en = "The time stamp is outside the window"
    title_zh = "时间戳超出有效范围"
    remedy_en = "Set your clock and sign again; the same idempotency key may be used."
    remedy_zh = "请校准时钟后重新签名，可继续使用同一幂等键。"


class TokenRefused(Unauthenticated):
    code = "token-refused"
    title_en = "The token is not accepted"
    title_zh = "令牌无效"


class IssuerAway(Unavailable):
    code = "issuer-away"
    title_en = "The sign-in service cannot be reached"
    title_zh = "暂时无法连接统一身份认证服务"


# A text that a database holds: no control characters, no halves of surrogate pairs.
ClaimText: TypeAlias = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$")]


class StaffClaims(BaseModel):
    """What is used of a token. A claim of another shape is refused, never guessed at."""

    model_config = ConfigDict(frozen=True, strict=True)

    iss: str
    sub: Annotated[ClaimText, Field(max_length=SUBJECT_CHARACTERS_MAX)]
    roles: list[ClaimText] = []
    jurisdictions: list[ClaimText] = []


class SystemCaller(BaseModel):
    """One entry of CALLERS_FILE. `kind` is the channel by which its filings arrive: district, portal, bank."""

    # An error shows what was wrong with an entry and never what stood there: that may be a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    id: str = Field(pattern=r"^[a-z0-9-]{1,60}$")
    kind: str
    app_key: str = Field(min_length=1)
    secrets: tuple[SecretStr, ...] = Field(min_length=1, max_length=2)
    jurisdictions: tuple[str, ...] = Field(min_length=1)
    scopes: frozenset[str] = Field(min_length=1)

    @field_validator("secrets")
    @classmethod
    def _check_lengths(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(secret.get_secret_value().encode()) < SECRET_BYTES_MIN for secret in secrets):
            raise ValueError(f"each has at least {SECRET_BYTES_MIN} bytes")
        return secrets

    def caller(self) -> Caller:
        everywhere = "*" in self.jurisdictions
        return Caller(
            id=f"system:{self.id}",
            kind="system",
            channel=self.kind,
            scopes=self.scopes,
            jurisdictions=None if everywhere else frozenset(self.jurisdictions),
        )


def load_callers(file: Path | None, *, scopes_here: frozenset[str]) -> dict[str, SystemCaller]:
    """By app key; only callers with a scope at this service are mounted, so that another's key is unknown here.

    Raises ValueError, which names the entry, for one that could not be told from another or that nobody should be let in by.
    """
    if file is None:
        return {}
    entries: dict[str, SystemCaller] = {}
    for place, written in enumerate(json.loads(file.read_text()), start=1):
        entry = _read_entry(written, place=place)
        if (other := entries.setdefault(entry.app_key, entry)) is not entry:
            raise ValueError(f"{_entry_name(written, place=place)} has the app_key of {other.id}; each caller needs its own.")
    return {app_key: entry for app_key, entry in entries.items() if entry.scopes & scopes_here}


def _read_entry(written: Any, *, place: int) -> SystemCaller:
    try:
        return SystemCaller.model_validate(written)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors(include_input=False))
        raise ValueError(f"{_entry_name(written, place=place)} is refused: {faults}.") from error


def _entry_name(written: Any, *, place: int) -> str:
    name = written.get("id") if isinstance(written, dict) else None
    return f"Entry {place} of CALLERS_FILE ({name or 'without id'})"


def load_roles(file: Path) -> dict[str, frozenset[str]]:
    """Role → scopes of this service, from its policy/roles.toml."""
    return {role: frozenset(scopes) for role, scopes in tomllib.loads(file.read_text())["roles"].items()}


@dataclass(frozen=True)
class Admitted:
    """Whom a token speaks for, and while its claims say so: from `first_s` to before `end_s`, in seconds since 1970."""

    caller: Caller
    first_s: float
    end_s: float


def _wall_s() -> int:
    return int(clock.wall().timestamp())


@dataclass
class Authenticator:
    """Turns a request into a Caller, or refuses with 401."""

    settings: Settings
    roles: Mapping[str, frozenset[str]]
    systems: Mapping[str, SystemCaller]
    now_s: Callable[[], int] = _wall_s
    _keys: KeySet | None = field(default=None, init=False)
    _keys_read_s: float = field(default=0.0, init=False)
    _signed: dict[bytes, dict[str, Any]] = field(default_factory=dict, init=False)
    _admitted: dict[bytes, Admitted] = field(default_factory=dict, init=False)

    async def authenticate(self, request: Request, *, body: bytes) -> Caller:
        if (app_key := request.headers.get("x-app-key")) is not None:
            return self._system(request, app_key=app_key, body=body)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            return await self._staff(token)
        raise NotSigned(
            "Sign the call (X-App-Key, X-Timestamp, X-Signature) or send a bearer token.",
            detail_zh="请对请求签名（X-App-Key、X-Timestamp、X-Signature）或提供Bearer令牌。",
        )

    def _system(self, request: Request, *, app_key: str, body: bytes) -> Caller:
        entry = self.systems.get(app_key)
        timestamp, signature = request.headers.get("x-timestamp", ""), request.headers.get("x-signature", "")
        call = SignedCall(
            audience=self.settings.service,
            method=request.method,
            # Latin-1 takes every byte: an address outside ASCII is wrongly signed, not a fault.
            raw_path=request.scope["raw_path"].decode("latin-1"),
            raw_query=request.scope["query_string"].decode("latin-1"),
            body=body,
            if_match=request.headers.get("if-match", ""),
            timestamp=timestamp,
            idempotency_key=request.headers.get("idempotency-key", ""),
        )
        # An unknown key is compared too, so that it takes as long as a wrong signature and says no more.
        secrets = [secret.get_secret_value() for secret in entry.secrets] if entry else ["unknown"]
        if not is_signed_by(call, signature=signature, secrets=secrets) or entry is None:
            raise SignatureWrong(
                "The app key is unknown or the signature does not match the call.", detail_zh="应用标识不存在，或签名与请求内容不一致。"
            )
        _check_window(timestamp)
        return entry.caller()

    async def _staff(self, token: str) -> Caller:
        keys = await self._key_set()
        known = hashlib.sha256(token.encode()).digest()
        admitted, now_s = self._admitted.get(known), self.now_s()
        if admitted is None or not admitted.first_s <= now_s < admitted.end_s:
            try:
                admitted = self._admit(self._signed_claims(token, known=known, keys=keys), now_s=now_s)
            except (JoseError, ValueError) as error:
                raise TokenRefused(
                    f"The token was refused: {type(error).__name__}. Sign in again.", detail_zh="令牌无效或已过期，请重新登录。"
                ) from error
            self._admitted[known] = admitted
        return admitted.caller

    def _signed_claims(self, token: str, *, known: bytes, keys: KeySet) -> dict[str, Any]:
        """A signature that was good stays good under the same keys."""
        if known not in self._signed:
            claims = _decoded(token, keys=keys)
            if len(self._signed) >= TOKENS_KEPT_MAX:
                self._forget()
            self._signed[known] = claims
        return self._signed[known]

    def _admit(self, claims: dict[str, Any], *, now_s: int) -> Admitted:
        """Claims that are right now stay so until their time is over: nothing else in them depends on when they are judged."""
        jwt.JWTClaimsRegistry(
            now=now_s,
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self.settings.staff_issuer or ""},
            aud={"essential": True, "value": self.settings.service},
            sub={"essential": True},
            exp={"essential": True},
        ).validate(claims)
        caller = self._staff_caller(StaffClaims.model_validate(claims))
        first_s = max(claims.get("nbf", 0), claims.get("iat", 0)) - LEEWAY_S
        return Admitted(caller=caller, first_s=first_s, end_s=claims["exp"] + LEEWAY_S)

    def _forget(self) -> None:
        self._signed.clear()
        self._admitted.clear()

    def _staff_caller(self, claims: StaffClaims) -> Caller:
        return Caller(
            id=f"staff:{claims.iss}|{claims.sub}",
            kind="staff",
            channel="window",
            scopes=frozenset[str]().union(*(self.roles.get(role, frozenset()) for role in claims.roles)),
            jurisdictions=None if "*" in claims.jurisdictions else frozenset(claims.jurisdictions),
        )

    async def _key_set(self) -> KeySet:
        if self._keys is None or time.monotonic() - self._keys_read_s > KEYS_KEPT_S:
            try:
                self._keys = _usable(await _read_keys(self.settings))
            except (httpx.HTTPError, OSError, JoseError, ValueError, RecursionError) as error:
                raise IssuerAway("The issuer's keys could not be read.", detail_zh="无法读取身份认证服务的公钥。", retry_after_s=5) from error
            self._keys_read_s = time.monotonic()
            self._forget()
        return self._keys


def _decoded(token: str, *, keys: KeySet) -> dict[str, Any]:
    """The claims of a token whose signature is good. Raises JoseError, ValueError."""
    try:
        return jwt.decode(token, keys, algorithms=TOKEN_ALGORITHMS).claims
    except (TypeError, RecursionError) as error:
        # Anybody may send a header that is JSON and no object, or `crit` that is no list: the library takes both for what they should be.
        raise ValueError("the token is of no shape that can be read") from error


async def _read_keys(settings: Settings) -> Any:
    if settings.staff_jwks is None:
        raise TokenRefused("This service has no issuer of staff tokens.", detail_zh="本服务未配置工作人员身份认证。")
    if settings.staff_jwks.startswith("https://"):
        async with httpx.AsyncClient(timeout=5) as client:
            return (await client.get(settings.staff_jwks)).raise_for_status().json()
    return json.loads(Path(settings.staff_jwks).read_text())  # noqa: ASYNC240 - a small local file, read every five minutes


def _usable(told: Any) -> KeySet:
    """Those of the issuer's keys that can be used. Raises ValueError where there is none.

    RFC 7517 5: a key that is not understood, misses a member or is out of range is ignored, as an SM2 key beside the others would be.
    """
    listed = told.get("keys") if isinstance(told, dict) else None
    keys: list[Key] = []
    for each in listed if isinstance(listed, list) else []:
        try:
            keys.append(JWKRegistry.import_key(each))
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("issuer_key_ignored", error=type(error).__name__)
    if not keys:
        raise ValueError("the issuer shows no key that can be used")
    return KeySet(keys)


def _check_window(timestamp: str) -> None:
    """Raises SignatureLate with the server's time. `timestamp` is in whole seconds since 1970."""
    now_s = int(clock.wall().timestamp())
    age_s = now_s - int(timestamp) if timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 else None
    if age_s is None or not -EARLY_S_MAX <= age_s <= LATE_S_MAX:
        raise SignatureLate(
            f"X-Timestamp must be at most {LATE_S_MAX} s old and {EARLY_S_MAX} s ahead; the server's time is {now_s}.",
            detail_zh=f"X-Timestamp 最多早于服务器时间{LATE_S_MAX}秒、晚于{EARLY_S_MAX}秒；服务器当前时间为 {now_s}。",
            facts={"server_time": now_s},
        )


@dataclass(frozen=True)
class Permission:
    """What a route needs. SecuredRoute authenticates first; this only hands the caller on (async: a plain function would go to a thread)."""

    scope: str

    # Read by the route class before anything of the request is parsed.
    needs_caller: ClassVar[bool] = True

    async def __call__(self, request: Request) -> Caller:
        caller: Caller = request.state.caller
        return caller


@dataclass(frozen=True)
class Anyone:
    """A route that needs no caller, and says so."""

    needs_caller: ClassVar[bool] = False

    async def __call__(self) -> None:
        return None


def may(scope: str) -> Any:
    """`caller: Annotated[Caller, may("noun:verb")]`: default deny, the scope in plain sight on the route."""
    return Depends(Permission(scope))


def anyone() -> Any:
    return Depends(Anyone())


async def admit(authenticator: Authenticator, request: Request, *, permission: Permission, body: bytes) -> None:
    """Who, then whether they may; the answer to both comes before the content is looked at."""
    caller = await authenticator.authenticate(request, body=body)
    require_scope(caller, permission.scope)
    request.state.caller = caller
