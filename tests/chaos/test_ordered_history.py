"""Sixty-four clients, two writers, kills: every answer is what the journal, replayed in plain Python, gives at its place, in real-time order."""

import asyncio
import copy
import os
import random
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio

from tests.building import BUSINESS_NOW, fetch
from tests.chaos.served import Served, served
from tests.integration.budget.acting import AUDITOR, FINANCE, LINE, USCC, YEAR
from tests.integration.budget.machine_books import Books, Case, Refused, Row
from tests.integration.budget.machine_world import verify_journal
from tests.runtime import Database, TemplateDatabase

CLIENTS = 64
CALLS_PER_CLIENT = 8
WRITERS = 2
# A fault after so many answers each; enough for each kind to happen several times.
ANSWERS_BETWEEN_FAULTS = (35, 70)
FAULTS_MIN = 5
# Against hanging; a quarter of it is enough where the machine is not shared.
WITHIN_S = 120.0
PAUSE_S = 0.05
FIRST_FEN = 2_000_000
# Cases that several clients ask for: one gets each.
CONTESTED = 40
_END_SESSIONS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'budget' AND datname = current_database() AND application_name <> 'bell'
"""
_JOURNAL = """
SELECT seq, key, outcome, kind, voucher, dr, cr, j.amount_fen, j.fiscal_year, application_id, leg, place
FROM journal j LEFT JOIN reservation r USING (application_id, proposal_id) ORDER BY seq
"""


@dataclass
class Call:
    """What a client asked, when, and what it was told in the end."""

    path: str
    body: dict[str, Any]
    is_atomic: bool = False
    # At both writers at the same moment, under the one key.
    is_twin: bool = False
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    called_at: float = 0.0
    returned_at: float = 0.0
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    ranks: dict[UUID, int] = field(default_factory=dict)

    def act(self, books: Books) -> None:
        """The same in plain Python. Raises Refused."""
        if self.path == "/v1/appropriations":
            books.appropriate(year=YEAR, fen=self.body["amount_fen"])
        elif self.path == "/v1/allotments":
            books.allot(year=YEAR, line=LINE, place=None, fen=self.body["amount_fen"])
        else:
            states = books.propose([self._case(each) for each in self.body["awards"]]).values()
            if self.is_atomic and set(states) != {"reserved"}:
                raise Refused(409, "insufficient-budget", "not-all-reserved")

    def _case(self, award: dict[str, Any]) -> Case:
        application = UUID(award["application_id"])
        rank = self.ranks.get(application, 0)
        return Case(application, UUID(int=0), YEAR, award["line_id"], award["jurisdiction_id"], award["amount_fen"], rank=rank)


@dataclass
class Storm:
    """Clients and faults, on one seed; faults come after so many answers, not after so much time."""

    writers: list[Served]
    database: Database
    draw: random.Random
    calls: list[Call] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    answered: int = 0
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        plans = [list(self._planned()) for _ in range(CLIENTS)]
        disturbing = asyncio.create_task(self._disturb())
        try:
            await asyncio.gather(*(self._client(plan) for plan in plans))
        finally:
            disturbing.cancel()
            with suppress(asyncio.CancelledError):
                await disturbing

    def _planned(self) -> Iterator[Call]:
        for _ in range(CALLS_PER_CLIENT):
            kind = self.draw.choices(("reserve", "twin", "atomic", "appropriate", "allot"), weights=(60, 10, 20, 4, 6))[0]
            document = {"document": f"文{self.draw.random()}", "approved_on": "2025-01-20"}
            if kind == "appropriate":
                yield Call("/v1/appropriations", {"fiscal_year": YEAR, "amount_fen": self.draw.randrange(10_000, 90_000), **document})
            elif kind == "allot":
                yield Call("/v1/allotments", {"fiscal_year": YEAR, "line_id": LINE, "amount_fen": self.draw.randrange(1_000, 200_000), **document})
            else:
                awards = {each["application_id"]: each for each in (self._award() for _ in range(self.draw.randint(1, 3)))}
                body = {"policy_id": "2023-15", "fiscal_year": YEAR, "awards": list(awards.values())}
                yield Call("/v1/reservations", body, is_atomic=kind == "atomic", is_twin=kind == "twin")

    def _award(self) -> dict[str, Any]:
        contested = self.draw.random() < 0.1
        application = UUID(int=self.draw.randrange(1, CONTESTED) if contested else self.draw.getrandbits(120) + CONTESTED)
        return {
            "application_id": str(application),
            "case_number": f"P-{application.hex[-8:]}",
            "applicant_uscc": USCC,
            "line_id": self.draw.choices((LINE, "2023-15/2", "2023-15/99"), weights=(7, 2, 1))[0],
            "jurisdiction_id": self.draw.choice(("huancui", "wendeng")),
            "amount_fen": self.draw.choice((700, 1_300, 2_900, 5_100, 90_000)),
        }

    async def _client(self, plan: Sequence[Call]) -> None:
        for call in plan:
            self.calls.append(call)
            call.called_at = time.monotonic()
            places = range(WRITERS) if call.is_twin else (int(call.key, 16) % WRITERS,)
            answers = await asyncio.gather(*(self._until_told(call, place=place) for place in places))
            call.returned_at = time.monotonic()
            assert len({(answer.status_code, answer.content) for answer in answers}) == 1, "one key, two answers"
            call.status, call.answer = answers[0].status_code, answers[0].json()
            async with self._moved:
                self.answered += 1
                self._moved.notify_all()

    async def _until_told(self, call: Call, *, place: int) -> httpx.Response:
        """A lost reply, or one that says later, is resolved by asking again under the same key, at the other writer too."""
        url = f"{call.path}?atomic=true" if call.is_atomic else call.path
        while True:
            with suppress(httpx.TransportError):
                answer = await self.writers[place].client.post(url, json=call.body, headers={"Idempotency-Key": call.key}, auth=FINANCE)
                if answer.status_code != 503 and not (answer.status_code == 409 and answer.json()["code"] == "request-in-flight"):
                    assert answer.status_code in (200, 201, 409), answer.text
                    return answer
            place = (place + 1) % WRITERS
            await asyncio.sleep(PAUSE_S)

    async def _disturb(self) -> None:
        kinds = ("kill", "end_sessions")
        while True:
            until = self.answered + self.draw.randint(*ANSWERS_BETWEEN_FAULTS)
            async with self._moved:
                await self._moved.wait_for(lambda until=until: self.answered >= until)
            kind = kinds[len(self.faults) % len(kinds)]
            if kind == "kill":
                writer = self.draw.choice(self.writers)
                await writer.kill()
                await writer.start()
            else:
                await self._end_sessions()
            self.faults.append(kind)

    async def _end_sessions(self) -> None:
        admin = await asyncpg.connect(self.database.urls["postgres"])
        try:
            await admin.execute(_END_SESSIONS)
        finally:
            await admin.close()


@pytest_asyncio.fixture
async def writers(database: Database, template_database: TemplateDatabase, tmp_path: Path) -> AsyncIterator[list[Served]]:
    async with AsyncExitStack() as exits:
        port = template_database.server.port
        folders = [tmp_path / f"writer-{number}" for number in range(WRITERS)]
        for folder in folders:
            folder.mkdir()
        running = [await exits.enter_async_context(served(database, server_port=port, folder=folder, now=BUSINESS_NOW)) for folder in folders]
        await asyncio.gather(*(writer.start() for writer in running))
        yield running


@pytest.fixture
def seed() -> int:
    """HISTORY_SEED repeats what is asked and the order of faults; what they meet is not the same."""
    chosen = int(os.environ.get("HISTORY_SEED") or random.SystemRandom().randrange(10**6))
    print(f"\nHISTORY_SEED={chosen}")
    return chosen


async def test_every_answer_is_the_journals_at_its_place_and_places_keep_real_time(
    writers: list[Served], database: Database, seed: int, tmp_path: Path
) -> None:
    first = await writers[0].client.post("/v1/appropriations", json=_money(FIRST_FEN), headers={"Idempotency-Key": "first"}, auth=FINANCE)
    storm = Storm(writers, database, random.Random(seed))

    async with asyncio.timeout(WITHIN_S):
        await storm.run()

    exported = await writers[0].client.get("/v1/ledger/journal.ndjson", auth=AUDITOR)
    rows = await fetch(database, _JOURNAL, service="budget")
    beginning = Call("/v1/appropriations", _money(FIRST_FEN), key="first", status=first.status_code, answer=first.json())
    books = _replayed(rows, calls=[beginning, *storm.calls])
    told = [call.status for call in storm.calls]
    print(f"{len(rows)} rows, {len(told)} calls ({told.count(409)} refused), faults: {', '.join(storm.faults)}")
    assert len(storm.faults) >= FAULTS_MIN
    assert told.count(409) > 0
    _assert_told_right(rows, calls=storm.calls)
    _assert_real_time({(row["key"], row["seq"]) for row in rows}, calls=storm.calls)
    balances = await fetch(database, "SELECT account, balance_fen FROM balance WHERE balance_fen <> 0", service="budget")
    assert dict(balances) == books.shown()
    (head,) = await fetch(database, "SELECT last_seq, chain FROM head", service="budget")
    seq, chain = verify_journal(exported.content, folder=tmp_path)
    assert (seq, chain) == (head["last_seq"], head["chain"].hex()) == (len(rows), chain)


def _money(fen: int) -> dict[str, Any]:
    return {"fiscal_year": YEAR, "amount_fen": fen, "document": "财预指〔2025〕8号", "approved_on": "2025-01-20"}


def _replayed(rows: Sequence[asyncpg.Record], *, calls: Sequence[Call]) -> Books:
    """Every call once more, at the place that the journal gave it; what was refused for want of money, as of the row that its answer names."""
    by_key, refused = {call.key: call for call in calls}, dict[int, list[Call]]()
    for call in calls:
        if "as_of_seq" in call.answer:
            refused.setdefault(call.answer["as_of_seq"], []).append(call)
    for row in rows:
        if "awards" in by_key[row["key"]].body:
            rank = by_key[row["key"]].ranks.setdefault(row["application_id"], row["seq"])
            assert row["place"] == rank, "the rank of a case is the number of its row"
    books = Books(today=BUSINESS_NOW.date())
    for key, group in groupby(rows, key=lambda row: row["key"]):
        written = [Row(*list(row.values())[2:9]) for row in group]
        _assert_refused(refused.pop(len(books.journal), []), books=books)
        before = len(books.journal)
        by_key[key].act(books)
        assert books.journal[before:] == written, f"{by_key[key].path} at {before + 1}"
    _assert_refused(refused.pop(len(books.journal), []), books=books)
    assert not refused, "refused as of a row between those of one act"
    return books


def _assert_refused(calls: Sequence[Call], *, books: Books) -> None:
    for call in calls:
        with pytest.raises(Refused):
            call.act(copy.deepcopy(books))


def _assert_told_right(rows: Sequence[asyncpg.Record], *, calls: Sequence[Call]) -> None:
    """Each call has its rows once, and was told what they say; one that was refused has none."""
    kept: dict[str, list[asyncpg.Record]] = {}
    for row in rows:
        kept.setdefault(row["key"], []).append(row)
    outcomes = {"posted": "reserved", "waiting": "waiting", "refused": "refused"}
    for call in calls:
        mine = kept.get(call.key, [])
        assert (call.status == 409) == (mine == []), call
        if call.status == 200:
            shown = [(each["application_id"], each["status"], each["voucher"]) for each in call.answer["results"]]
            assert shown == [(str(row["application_id"]), outcomes[row["outcome"]], row["voucher"]) for row in mine if row["leg"] == 1]
        elif call.status == 201:
            assert call.answer["voucher"] == mine[0]["voucher"]


def _assert_real_time(numbered: Iterable[tuple[str, int]], *, calls: Sequence[Call]) -> None:
    """Who was answered before another called has lower numbers; who was refused saw at least what was answered before."""
    numbers: dict[str, list[int]] = {}
    for key, number in numbered:
        numbers.setdefault(key, []).append(number)
    ended = sorted((call.returned_at, max(numbers[call.key])) for call in calls if call.key in numbers)
    known, next_ended = 0, 0
    for call in sorted(calls, key=lambda each: each.called_at):
        while next_ended < len(ended) and ended[next_ended][0] < call.called_at:
            known = max(known, ended[next_ended][1])
            next_ended += 1
        first = min(numbers[call.key]) if call.key in numbers else call.answer.get("as_of_seq", known) + 1
        assert first > known, f"{call.path} was called when {known} was told, and has {first}"
