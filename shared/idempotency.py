"""Writes that may be repeated: the first answer is stored in the act's own transaction and given again byte for byte."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypeAlias

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from shared.caller import Caller
from shared.db import ByName, Tx, fetch
from shared.errors import Conflict, Malformed, Refusal
from shared.key import key_reused

KEY_CHARACTERS_MAX = 100


class KeyMissing(Malformed):
    code = "idempotency-key-missing"
    title_en = "Idempotency-Key is missing"
    title_zh = "缺少幂等键"
    remedy_en = "Send a new random Idempotency-Key with each new act, and the same one when you repeat a call."
    remedy_zh = "每次新办理使用新的随机 Idempotency-Key;重发同一请求时使用原来的键。"


class InFlight(Conflict):
    code = "request-in-flight"
    title_en = "The same request is being handled at this moment"
    title_zh = "相同请求正在处理中"
    remedy_en = "Repeat the call in a second with the same key."
    remedy_zh = "请一秒后用同一幂等键重试。"


_IS_KEPT = "SELECT true FROM answer WHERE caller = $1 AND key = $2"
# got = false: the same key is being handled right now. The insert in keep() judges again, because this snapshot may be older than the lock.
_FIRST_ANSWERS = """
SELECT pg_try_advisory_xact_lock(hashtextextended(w.caller || ' ' || w.key, 0)) AS got, fingerprint, status, headers::text, body
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (caller, key, place) LEFT JOIN answer a ON a.caller = w.caller AND a.key = w.key
ORDER BY place
"""
_KEEP = """
INSERT INTO answer (caller, key, fingerprint, status, headers, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::int[], $5::jsonb[], $6::bytea[]) ON CONFLICT DO NOTHING RETURNING caller, key
"""


@dataclass(frozen=True)
class Attempt:
    """One call of a write: its key, and the fingerprint of what was sent (method, path, query, body; not If-Match)."""

    caller: Caller
    key: str
    fingerprint: bytes

    async def first_answer(self, tx: Tx) -> Response | None:
        """The stored answer of an earlier call with this key; None when this is the first. Raises InFlight, KeyReused."""
        (answer,) = await first_answers(tx, [self])
        if isinstance(answer, Refusal):
            raise answer
        return answer

    async def keep(self, tx: Tx, view: BaseModel, *, status: int, headers: Mapping[str, str] | None = None) -> Response:
        """Render the answer inside the transaction, store its bytes, return it. Only 2xx: a refusal is judged again next time."""
        (response,) = await keep_answers(tx, [Answered(attempt=self, view=view, status=status, headers=headers or {})])
        return response

    async def is_kept(self, tx: Tx) -> bool:
        """Whether an answer is kept here under this key, whatever it was to."""
        return bool(await fetch(tx, _IS_KEPT, self.caller.id, self.key))


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What is to be kept and told of one attempt."""

    attempt: Attempt
    view: BaseModel
    status: int
    headers: Mapping[str, str]

    def rendered(self) -> "Rendered":
        """Only 2xx: a refusal is judged again next time."""
        assert 200 <= self.status < 300
        body = self.view.model_dump_json().encode()
        response = Response(body, status_code=self.status, headers=dict(self.headers), media_type="application/json")
        return Rendered(headers=json.dumps(dict(self.headers)), body=body, response=response)


class Rendered(NamedTuple):
    """An answer as it is stored, and as it is given."""

    headers: str
    body: bytes
    response: Response


async def first_answers(tx: Tx, attempts: Sequence[Attempt]) -> list[Response | Refusal | None]:
    """For each attempt its stored answer, the refusal that it gets instead (InFlight, KeyReused), or None: then it is the first."""
    rows = await fetch(tx, _FIRST_ANSWERS, [each.caller.id for each in attempts], [each.key for each in attempts])
    answers: list[Response | Refusal | None] = []
    seen: set[tuple[str, str]] = set()
    for attempt, row in zip(attempts, rows, strict=True):
        # Within one session the lock is got twice: of two attempts with one new key in one call the second is in flight.
        is_second = (attempt.caller.id, attempt.key) in seen and row["fingerprint"] is None
        seen.add((attempt.caller.id, attempt.key))
        is_in_flight = is_second or not row["got"]
        answers.append(_in_flight(attempt.key) if is_in_flight else None if row["fingerprint"] is None else stored_answer(attempt, row=row))
    return answers


async def answer_together(
    tx: Tx,
    attempts: Sequence[Attempt],
    *,
    choose: Callable[[Sequence[int]], Sequence[int]],
    act: Callable[[Sequence[int]], Awaitable[Sequence[Answered | Refusal]]],
) -> list[Response | Exception]:
    """One answer an attempt, of many calls in one transaction: its first one again where there is one, else what `act` makes of it.

    Attempts go by their places. Of those that are left `choose` names which may be acted on together, at least the first of them.
    """
    answers: list[Response | Exception | None] = [*await first_answers(tx, attempts)]
    left = [place for place, answer in enumerate(answers) if answer is None]
    answered: dict[int, Answered] = {}
    while left:
        portion = choose(left)
        for place, made in zip(portion, await act(portion), strict=True):
            if isinstance(made, Refusal):
                answers[place] = made
            else:
                answered[place] = made
        left = [place for place in left if place not in answered and answers[place] is None]
    for place, response in zip(answered, await keep_answers(tx, list(answered.values())), strict=True):
        answers[place] = response
    assert None not in answers
    return [answer for answer in answers if answer is not None]


def stored_answer(attempt: Attempt, *, row: ByName) -> Response | Refusal:
    """Of a row of the table `answer` with the attempt's caller and key, its headers as text: the answer again, or KeyReused."""
    if row["fingerprint"] != attempt.fingerprint:
        return key_reused(attempt.key)
    headers = {**json.loads(row["headers"]), "Idempotency-Replayed": "true"}
    return Response(row["body"], status_code=row["status"], headers=headers, media_type="application/json")


async def keep_answers(tx: Tx, answered: Sequence[Answered]) -> list[Response]:
    """Render the answers inside the transaction and store their bytes.

    Raises InFlight when one of the keys was answered meanwhile, and KeyReused where the database knows a key from an act whose answer is kept
    elsewhere.
    """
    if not answered:
        return []
    rendered = [each.rendered() for each in answered]
    kept = await fetch(
        tx,
        _KEEP,
        [each.attempt.caller.id for each in answered],
        [each.attempt.key for each in answered],
        [each.attempt.fingerprint for each in answered],
        [each.status for each in answered],
        [each.headers for each in rendered],
        [each.body for each in rendered],
    )
    if len(kept) != len(answered):
        stored = {(row["caller"], row["key"]) for row in kept}
        missing = next(each.attempt for each in answered if (each.attempt.caller.id, each.attempt.key) not in stored)
        raise _in_flight(missing.key) if await missing.is_kept(tx) else key_reused(missing.key)
    return [each.response for each in rendered]


def _in_flight(key: str) -> InFlight:
    return InFlight(f"Key {key} is being handled.", detail_zh=f"幂等键 {key} 对应的请求正在处理。")


KeyHeader: TypeAlias = Annotated[
    str, Header(alias="Idempotency-Key", description="New for each act, the same when a call is repeated | 每次办理唯一，重发时不变")
]


async def attempt(request: Request, *, key: KeyHeader = "") -> Attempt:
    is_one = len(request.headers.getlist("Idempotency-Key")) == 1
    if not is_one or not key or len(key) > KEY_CHARACTERS_MAX or not key.isascii() or not key.isprintable():
        raise KeyMissing(
            f"Send one Idempotency-Key with 1 to {KEY_CHARACTERS_MAX} printable ASCII characters.",
            detail_zh=f"请提供一个1至{KEY_CHARACTERS_MAX}个可打印ASCII字符的 Idempotency-Key。",
        )
    digest = hashlib.sha256()
    for part in (request.method.encode(), request.scope["raw_path"], request.scope["query_string"], await request.body()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return Attempt(caller=request.state.caller, key=key, fingerprint=digest.digest())


Once: TypeAlias = Annotated[Attempt, Depends(attempt)]
