"""A signature that was checked is kept; what else a token says is judged at each call, and what differs in one character is another token."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, KeySet
from starlette.requests import Request

from shared.auth import KEYS_KEPT_S, LEEWAY_S, TOKENS_KEPT_MAX, Authenticator, IssuerAway, TokenRefused
from shared.caller import Caller
from tests.integration.shared.edge import ROLES, edge_settings
from tests.integration.shared.test_edge_callers import ISSUER, KEY, SECOND_KEY, token

NOON_S = int(time.time())
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture
def authenticator(tmp_path: Path) -> Authenticator:
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(KeySet([KEY, SECOND_KEY]).as_dict(private=False)))
    settings = edge_settings(database_url="postgresql+asyncpg://nobody:nothing@127.0.0.1:1/none", staff_jwks=str(keys), staff_issuer=ISSUER)
    return Authenticator(settings=settings, roles=ROLES, systems={})


def publish(authenticator: Authenticator, *keys: ECKey) -> None:
    """What the issuer shows from now on."""
    show(authenticator, json.dumps(KeySet(list(keys)).as_dict(private=False)))


def show(authenticator: Authenticator, text: str) -> None:
    Path(str(authenticator.settings.staff_jwks)).write_text(text)


async def called(authenticator: Authenticator, bearer: str) -> Caller:
    request = Request({"type": "http", "headers": [(b"authorization", f"Bearer {bearer}".encode("latin-1"))]})
    return await authenticator.authenticate(request, body=b"")


@pytest.mark.parametrize(
    "bearer",
    [
        token(exp=int(time.time()) - 60),
        token(nbf=int(time.time()) + 600),
        token(aud=["budget"]),
        token(iss="https://other.example.invalid"),
        token(sub=None),
        token(roles=7),
    ],
    ids=["expired", "not valid yet", "for another service", "of another issuer", "without a subject", "roles that are no list"],
)
async def test_a_token_whose_signature_is_known_is_refused_again_for_what_it_says(authenticator: Authenticator, bearer: str) -> None:
    for _ in range(3):
        with pytest.raises(TokenRefused):
            await called(authenticator, bearer)

    assert len(authenticator._signed) == 1


@pytest.mark.parametrize(
    ("claims", "taken_s", "refused_s"),
    [
        ({"exp": NOON_S}, NOON_S + LEEWAY_S - 1, NOON_S + LEEWAY_S),
        ({"exp": NOON_S + 0.5}, NOON_S + LEEWAY_S, NOON_S + LEEWAY_S + 1),
        ({"exp": NOON_S + 900, "nbf": NOON_S}, NOON_S - LEEWAY_S, NOON_S - LEEWAY_S - 1),
        ({"exp": NOON_S + 900, "iat": NOON_S}, NOON_S - LEEWAY_S, NOON_S - LEEWAY_S - 1),
        ({"exp": NOON_S + 900, "nbf": NOON_S - 9, "iat": NOON_S}, NOON_S - LEEWAY_S, NOON_S - LEEWAY_S - 1),
    ],
    ids=["its end", "its end between two seconds", "its beginning", "its making", "the later of two"],
)
async def test_a_token_that_was_taken_is_refused_when_the_clock_has_passed(
    authenticator: Authenticator, claims: dict[str, Any], taken_s: int, refused_s: int
) -> None:
    bearer, times = token(**claims), [taken_s, taken_s, refused_s, taken_s]
    authenticator.now_s = lambda: times.pop(0)

    before = [await called(authenticator, bearer) for _ in range(2)]
    with pytest.raises(TokenRefused):
        await called(authenticator, bearer)
    after = await called(authenticator, bearer)

    assert before == [after, after]


async def test_a_token_that_was_taken_is_refused_once_its_key_is_gone_and_taken_again_when_it_is_back(authenticator: Authenticator) -> None:
    good, by_the_second = token(), token(SECOND_KEY, header={"alg": "ES256", "kid": "two"})
    callers = [await called(authenticator, each) for each in (good, by_the_second)]

    publish(authenticator, SECOND_KEY)
    kept = await called(authenticator, good)
    authenticator._keys_read_s -= KEYS_KEPT_S
    with pytest.raises(TokenRefused):
        await called(authenticator, good)
    by_the_key_left = await called(authenticator, by_the_second)
    publish(authenticator, KEY, SECOND_KEY)
    authenticator._keys_read_s -= KEYS_KEPT_S

    assert [kept, by_the_key_left] == callers
    assert await called(authenticator, good) == kept


NO_KEYS = ["", "null", "[]", "5", "{}", "[" * 3_000, *(f'{{"keys": {keys}}}' for keys in ("null", "5", "{}", "[]", "[5, null, {}]"))]


@pytest.mark.parametrize("shown", NO_KEYS, ids=range(len(NO_KEYS)))
async def test_while_the_issuer_shows_no_key_that_can_be_used_staff_are_asked_to_come_back(authenticator: Authenticator, shown: str) -> None:
    show(authenticator, shown)

    with pytest.raises(IssuerAway):
        await called(authenticator, token())


UNUSABLE: list[object] = [
    {"kty": "EC", "crv": "SM2", "kid": "sm2", "x": "AA", "y": "AA"},
    {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    {"kty": "RSA", "n": "AA"},
    {"kty": ["EC"]},
    {"kid": "one"},
    "a key",
    None,
]


async def test_a_key_that_cannot_be_used_does_not_stand_in_the_way_of_the_others(authenticator: Authenticator) -> None:
    show(authenticator, json.dumps({"keys": [*UNUSABLE, KEY.as_dict(private=False), *UNUSABLE]}))

    assert (await called(authenticator, token())).id == f"staff:{ISSUER}|officer-1"
    with pytest.raises(TokenRefused):
        await called(authenticator, token(SECOND_KEY, header={"alg": "ES256", "kid": "two"}))


def _one_more(signature: str) -> str:
    return signature[:-1] + ALPHABET[(ALPHABET.index(signature[-1]) + 1) % 64]


ANOTHER_SPELLING: dict[str, Callable[[str, str, str], str]] = {
    "padded": lambda head, body, signature: f"{head}.{body}.{signature}==",
    "with a character that is no base64": lambda head, body, signature: f"{head}.{body}.!{signature}",
    "with other bits behind the last byte": lambda head, body, signature: f"{head}.{body}.{_one_more(signature)}",
    "with a letter beyond ASCII": lambda head, body, signature: f"{head}.{body}.{signature}\xe9",
    "with its claims padded": lambda head, body, signature: f"{head}.{body}=.{signature}",
    "with a fourth part": lambda head, body, signature: f"{head}.{body}.{signature}.",
    "cut short": lambda head, body, signature: f"{head}.{body}.{signature[:-2]}",
    "without its signature": lambda head, body, signature: f"{head}.{body}.",
}


@pytest.mark.parametrize("spelling", ANOTHER_SPELLING.values(), ids=ANOTHER_SPELLING.keys())
async def test_another_spelling_of_a_token_that_is_known_is_refused(authenticator: Authenticator, spelling: Callable[[str, str, str], str]) -> None:
    good = token()
    await called(authenticator, good)

    with pytest.raises(TokenRefused):
        await called(authenticator, spelling(*good.split(".")))


async def test_the_other_signature_of_the_same_claims_is_the_same_person(authenticator: Authenticator) -> None:
    """Of an ECDSA signature (r, s) the pair (r, n - s) is one too: it says nothing else, and is kept by itself."""
    good = token()
    head, body, signature = good.split(".")
    pair = base64.urlsafe_b64decode(signature + "==")
    turned = pair[:32] + (P256_ORDER - int.from_bytes(pair[32:], "big")).to_bytes(32, "big")
    other = f"{head}.{body}.{base64.urlsafe_b64encode(turned).decode().rstrip('=')}"

    callers = {await called(authenticator, each) for each in (good, other, good, other)}

    assert len(callers) == 1
    assert len(authenticator._signed) == 2


async def test_no_more_signatures_are_kept_than_the_bound_and_those_let_go_are_checked_again(authenticator: Authenticator) -> None:
    first, second = token(jti="first"), token(jti="second")
    before = await called(authenticator, first)
    authenticator._signed |= {number.to_bytes(32, "big"): {} for number in range(TOKENS_KEPT_MAX - 1)}
    assert len(authenticator._signed) == TOKENS_KEPT_MAX

    await called(authenticator, second)

    assert len(authenticator._signed) == 1
    assert len(authenticator._admitted) == 1
    assert await called(authenticator, first) == before


async def test_what_one_caller_makes_of_its_claims_changes_nobody_elses(authenticator: Authenticator) -> None:
    reader, writer = token(roles=["reader"]), token(roles=["registrar"])

    scopes = [(await called(authenticator, each)).scopes for each in (reader, writer, reader, writer)]

    assert scopes == [ROLES["reader"], ROLES["registrar"]] * 2
