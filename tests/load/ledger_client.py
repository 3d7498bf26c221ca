"""One process that loads the books: `python -m tests.load.ledger_client KIND SECONDS` prints what it did as JSON. DATABASE_URL says where."""

import asyncio
import gc
import hashlib
import json
import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import asyncpg
import uvloop

from deploy.local.stack import CITY_FILE
from services.budget import policy
from services.budget.ledger.rules import Act
from services.budget.proposal.rules import Asked, Award, Proposal
from services.budget.settings import BudgetSettings
from services.budget.worker import consumer
from services.budget.writer import Writer
from shared import city, inbox
from shared.db import Database, open_database
from shared.events import HEADER_ID, HEADER_SEQ, HEADER_TYPE
from shared.events.applications import AwardsProposed, ProposedAward
from shared.ids import new_id

CLIENTS = 64
POOL = 8
POLL_EVENTS = 500
# Made before the clock starts, so that the clock times the product and not its caller: more than can be taken.
MADE_A_SECOND = 30_000
TOPIC = AwardsProposed.topic
events: list[tuple[str, dict[str, str], bytes]] = []
proposals: list[Asked] = []
AT = datetime(2025, 9, 1, 1, 0, tzinfo=UTC)
LINES = [line.id for line in policy.current().funds[0].lines][:10]
PLACE = "huancui"
USCC = "91990000MA0000015Q"


@dataclass(frozen=True)
class Report:
    """`done` counts what was answered as reserved; the caller counts the rows."""

    done: int
    seconds: float
    p99_ms: float
    cpu_share: float


async def main(kind: str, *, seconds: float) -> Report:
    settings = BudgetSettings.model_validate(
        {"profile": "local", "database_url": os.environ["DATABASE_URL"], "kafka_bootstrap": "none", "city_file": CITY_FILE}
    )
    database = open_database(settings)
    load = {"writer": through_the_writer, "per_request": one_call_a_request, "events": from_events}[kind]
    make = range(round(MADE_A_SECOND * seconds))
    # The last is taken first, and ids rise as in life.
    if kind == "events":
        events.extend(reversed([proposed(number) for number in make]))
    if kind == "writer":
        proposals.extend(reversed([asked(number) for number in make]))
    # As every process of the product does.
    gc.collect()
    gc.freeze()
    stop_s, latencies_s = time.perf_counter() + seconds, list[float]()
    started_s, cpu_s = time.perf_counter(), time.process_time()
    done = await load(database, stop_s, latencies_s)
    taken_s = time.perf_counter() - started_s
    await database.engine.dispose()
    latencies_s.sort()
    p99_ms = latencies_s[int(len(latencies_s) * 0.99)] * 1_000 if latencies_s else 0.0
    return Report(done=done, seconds=taken_s, p99_ms=p99_ms, cpu_share=(time.process_time() - cpu_s) / taken_s)


async def clients(count: int, *, stop_s: float, latencies_s: list[float], act: Callable[[int], Awaitable[None]]) -> int:
    """Closed loop: each acts again as soon as it was answered."""

    async def client() -> int:
        done = 0
        while (began_s := time.perf_counter()) < stop_s:
            await act(done)
            latencies_s.append(time.perf_counter() - began_s)
            done += 1
        return done

    return sum(await asyncio.gather(*(client() for _ in range(count))))


async def through_the_writer(database: Database, stop_s: float, latencies_s: list[float]) -> int:
    """The writer of the product, in this process: journal with hash chain, balances, reservations, outbox."""
    writer = Writer(database=database, catalogue=policy.current())

    async def reserve(_number: int) -> None:
        (entry,) = await writer.take(proposals.pop())
        assert entry.outcome == "posted", entry

    return await clients(CLIENTS, stop_s=stop_s, latencies_s=latencies_s, act=reserve)


async def one_call_a_request(database: Database, stop_s: float, latencies_s: list[float]) -> int:
    """The yardstick: everything in one database function, called once a request over a pool; no hash, and the same rows."""
    url = database.engine.url.render_as_string(hide_password=False).replace("+asyncpg", "")
    pool = await asyncpg.create_pool(url, min_size=POOL, max_size=POOL)

    async def reserve(number: int) -> None:
        await pool.fetchval("SELECT yardstick_reserve($1, $2, $3, $4, $5)", new_id(), new_id(), LINES[number % len(LINES)], PLACE, 100 + number % 7)

    done = await clients(CLIENTS, stop_s=stop_s, latencies_s=latencies_s, act=reserve)
    await pool.close()
    return done


async def from_events(database: Database, stop_s: float, latencies_s: list[float]) -> int:
    """Polls of proposals with one award each, as the consumer takes them: inbox, answers and outbox in one transaction."""
    hearing, done = consumer(city.load(CITY_FILE)), 0
    while (began_s := time.perf_counter()) < stop_s and events:
        records = [inbox.received(TOPIC, 0, done + number, *events.pop(), consumer=hearing) for number in range(POLL_EVENTS)]
        async with database.transaction() as tx:
            await inbox.receive(tx, consumer=hearing, records=records)
        done += POLL_EVENTS
        latencies_s.append(time.perf_counter() - began_s)
    return done


def asked(number: int) -> Asked:
    award = Award(
        application_id=new_id(),
        case_number=f"LD-2025-{number:06d}",
        applicant_uscc=USCC,
        line_id=LINES[number % len(LINES)],
        jurisdiction_id=PLACE,
        amount_fen=100 + number % 7,
    )
    proposal = Proposal(proposal_id=new_id(), fiscal_year=2025, policy_id="2023-15", awards=(award,))
    fingerprint = hashlib.sha256(proposal.proposal_id.bytes).digest()
    return Asked(proposal, Act(caller="system:load", key=str(proposal.proposal_id), fingerprint=fingerprint, at=AT, on=AT.date()))


def proposed(number: int) -> tuple[str, dict[str, str], bytes]:
    """Key, headers and body of a proposal with one award, as the broker has them."""
    award = ProposedAward(
        application_id=new_id(),
        case_number=f"LD-2025-{number:06d}",
        applicant_uscc=USCC,
        line_id=LINES[number % len(LINES)],
        jurisdiction_id=PLACE,
        amount_fen=100 + number % 7,
    )
    event = AwardsProposed(happened_at=AT, happened_on=AT.date(), proposal_id=new_id(), fiscal_year=2025, policy_id="2023-15", awards=(award,))
    headers = {HEADER_ID: str(uuid.uuid4()), HEADER_TYPE: event.type, HEADER_SEQ: "1"}
    return event.key(), headers, event.model_dump_json(exclude_none=True).encode()


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(main(sys.argv[1], seconds=float(sys.argv[2]))))))
