"""The one writer of a process: what arrives together is decided together, in memory, and written by one statement with one commit.

No timer: under light load a batch has one proposal, and load makes the batches larger. While one batch is being written, the next is decided on
the books as they will be then and sent after it. What the memory has wrong (another writer was faster, a case is known already) the database
refuses as a whole; then the batch is decided again behind the lock of the books, in halves down to the one that is at fault.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import asyncpg
import structlog

from services.budget.entry.commands import account_rows, entry_rows
from services.budget.entry.rules import Books, Entry, Written
from services.budget.policy.catalogue import Catalogue
from services.budget.proposal import commands
from services.budget.proposal.rules import Asked, Decisions, Picture, decide, is_plain_year
from shared import outbox
from shared.db import CONNECTION_LOST, Database, Tx, fetch, is_transient
from shared.gathering import TooManyWaiting

log = structlog.get_logger()

BATCH_MAX = 1_024
WAITING_MAX = 4_096
# Batches on their way at once, each on a connection of its own: one is written, and the next is there when its turn comes.
SENT_MAX = 2
# What waits is parted among the batches that may be on their way; fewer proposals than this are not worth a statement of their own.
PORTION_MIN = 16

# The rows of a proposal in the journal; none for one that had its answer before.
Told: TypeAlias = list[Entry]
Waiting: TypeAlias = tuple[Asked, asyncio.Future[Told]]

# The lock of the one who writes from memory, and how long it is kept while others may be waiting for it.
LEASE = 4_251
LEASE_S_MAX = 0.25
# A lock that anybody may take must not hold up money: without it the writers are slower, and as right as with it.
LEASE_WAIT_MS = 1_000

_APPEND_BATCH = "SELECT append_batch($1, $2, $3, $4, $5::entry_row[], $6::account_row[], $7, $8::event_row[])"


@dataclass
class Memory:
    """The books and the free money as they are once everything that was sent is written."""

    books: Books
    picture: Picture
    # Those that exist by then.
    accounts: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Prepared:
    """A batch that is decided and only has to be sent."""

    waiting: Sequence[Waiting]
    decisions: Decisions
    written: Sequence[Written]
    arguments: tuple[object, ...]


@dataclass
class Writer:
    """Held by a process for as long as it runs; `take` may be called by any number of tasks."""

    database: Database
    catalogue: Catalogue
    _waiting: list[Waiting] = field(default_factory=list, init=False)
    _memory: Memory | None = field(default=None, init=False)
    _working: asyncio.Task[None] | None = field(default=None, init=False)

    async def take(self, asked: Asked) -> Told:
        """The answers to a proposal's awards as the journal has them, after they were committed. Raises TooManyWaiting."""
        if len(self._waiting) >= WAITING_MAX:
            raise TooManyWaiting(f"{WAITING_MAX} proposals are waiting.", detail_zh=f"已有{WAITING_MAX}个请求在排队。", retry_after_s=1)
        told: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, told))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await told

    async def _work(self) -> None:
        """Until nobody waits. The connections are held meanwhile, and given back to the pool then."""
        while self._waiting:
            untold: list[Sequence[Waiting]] = []
            try:
                async with contextlib.AsyncExitStack() as stack:
                    await self._send_all(stack, untold=untold)
            except Exception as error:  # whatever it is, callers wait: they are settled one way or the other, each hearing what stands in its way
                log.info("writer_begins_again", reason=type(error).__name__)
                untold = untold or [self._next_batch(sent=0)]
            for batch in filter(None, untold):
                await self._settle(batch)

    async def _send_all(self, stack: contextlib.AsyncExitStack, *, untold: list[Sequence[Waiting]]) -> None:
        """Batch after batch until nobody waits, or one fails; then those behind it fail too, because they were decided on top of it.

        `untold` has the batches that nobody was answered of; what is still in it at the end is to be settled.
        """
        idle: list[Tx] = [await self._lease(stack)]
        until_s = time.monotonic() + LEASE_S_MAX
        sent: deque[tuple[Tx, asyncio.Task[bool]]] = deque()
        has_failed = False
        try:
            while True:
                if len(sent) < SENT_MAX and self._waiting and not has_failed and time.monotonic() < until_s:
                    batch = self._next_batch(sent=len(sent))
                    untold.append(batch)
                    prepared = await self._prepare(batch)
                    if prepared is None:
                        has_failed = True
                        continue
                    tx = idle.pop() if idle else await stack.enter_async_context(self.database.statement())
                    sent.append((tx, asyncio.create_task(self._send(prepared, tx=tx, untold=untold))))
                    # It is on its way before the next batch is decided.
                    await asyncio.sleep(0)
                    continue
                if not sent:
                    return
                tx, sending = sent.popleft()
                has_failed = not await sending or has_failed
                idle.append(tx)
                # Those who were told come with their next proposals before the next batch is cut.
                await asyncio.sleep(0)
        finally:
            await asyncio.gather(*(sending for _, sending in sent))

    async def _lease(self, stack: contextlib.AsyncExitStack) -> Tx:
        """Of several writers one writes at a time, for speed: two that do not know of each other would decide everything twice."""
        tx = await stack.enter_async_context(self.database.statement())
        ((is_free,),) = await fetch(tx, "SELECT pg_try_advisory_lock($1)", LEASE)
        if not is_free:
            is_free = await _wait_for_lease(tx)
            # Somebody else wrote while we waited.
            self._memory = None
        if is_free:
            stack.push_async_callback(_release, tx)
        return tx

    def _next_batch(self, *, sent: int) -> list[Waiting]:
        size = min(BATCH_MAX, len(self._waiting), max(PORTION_MIN, len(self._waiting) // (SENT_MAX - sent)))
        batch, self._waiting = self._waiting[:size], self._waiting[size:]
        return batch

    async def _prepare(self, batch: Sequence[Waiting]) -> Prepared | None:
        """Decide the batch; None where what it needs is more than the memory has."""
        asked = [each for each, _ in batch]
        if self._memory is None:
            self._memory = await self._look(asked)
        memory = self._memory
        if not all(is_plain_year(year, picture=memory.picture) for year in {each.proposal.fiscal_year for each in asked}):
            self._memory = None
            return None
        memory.picture.known.clear()
        memory.picture.used_keys.clear()
        memory.books.items.clear()
        before_seq, before_chain = memory.books.seq, memory.books.chain
        decisions = decide(asked, picture=memory.picture, catalogue=self.catalogue)
        written = memory.books.write(decisions.vouchers)
        events = outbox.rows_of(commands.events_of(decisions, written=written), traceparents=commands.traceparents_of(decisions))
        head = (before_seq, before_chain, memory.books.epoch, memory.books.booked_at)
        entries, accounts = entry_rows(written), account_rows(decisions.vouchers, known=memory.accounts)
        usccs = [answer.award.applicant_uscc for answer in decisions.journaled]
        return Prepared(batch, decisions, written, (*head, entries, accounts, usccs, events))

    async def _look(self, asked: Sequence[Asked]) -> Memory:
        async with self.database.snapshot() as tx:
            books, picture = await commands.read_picture(tx, asked, catalogue=self.catalogue)
        return Memory(books=books, picture=picture)

    async def _send(self, prepared: Prepared, *, tx: Tx, untold: list[Sequence[Waiting]]) -> bool:
        """Whether it is written, and everybody in it told."""
        try:
            await fetch(tx, _APPEND_BATCH, *prepared.arguments)
        except (asyncpg.PostgresError, *CONNECTION_LOST) as error:
            log.info("batch_decided_again", reason=type(error).__name__, size=len(prepared.waiting))
            return False
        _tell(prepared.waiting, prepared.decisions, written=prepared.written)
        untold[:] = [batch for batch in untold if batch is not prepared.waiting]
        self.database.bell.ring()
        return True

    async def _settle(self, batch: Sequence[Waiting]) -> None:
        """Behind the lock, from what the database has; halved until what fails is alone."""
        self._memory = None
        try:
            async with self.database.transaction() as tx:
                decisions, written = await commands.take_proposals(tx, [each for each, _ in batch], catalogue=self.catalogue)
        except Exception as error:  # whatever it is, these callers wait for an answer; their edge sorts and logs it
            if len(batch) > 1 and not is_transient(error):
                half = len(batch) // 2
                await self._settle(batch[:half])
                await self._settle(batch[half:])
                return
            for _, told in batch:
                if not told.done():
                    told.set_exception(error)
            return
        _tell(batch, decisions, written=written)


async def _wait_for_lease(tx: Tx) -> bool:
    """Whether it was had in time."""
    await fetch(tx, "SELECT set_config('lock_timeout', $1, false)", str(LEASE_WAIT_MS))
    try:
        await fetch(tx, "SELECT pg_advisory_lock($1)", LEASE)
    except asyncpg.LockNotAvailableError:
        return False
    finally:
        await fetch(tx, "RESET lock_timeout")
    return True


async def _release(tx: Tx) -> None:
    # A connection that is lost has lost its lock too.
    with contextlib.suppress(asyncpg.PostgresError, *CONNECTION_LOST):
        await fetch(tx, "SELECT pg_advisory_unlock($1)", LEASE)


def _tell(batch: Sequence[Waiting], decisions: Decisions, *, written: Sequence[Written]) -> None:
    answers: dict[int, Told] = {id(asked.proposal.proposal_id): [] for asked, _ in batch}
    for answer, row in zip(decisions.journaled, written, strict=True):
        answers[id(answer.asked.proposal.proposal_id)].append(row.entry)
    for asked, told in batch:
        # A caller that went away has cancelled its answer; what it asked for is done all the same.
        if not told.done():
            told.set_result(answers[id(asked.proposal.proposal_id)])
