"""Calls of one kind that arrive together are done together: one transaction and one commit for all that wait, no timer.

Under light load each call is alone; while one commit is under way the next calls gather, so load makes the portions larger, not the queue longer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.db import is_transient
from shared.errors import Unavailable

CallT = TypeVar("CallT")
ResultT = TypeVar("ResultT")

WAITING_MAX = 1_000


class TooManyWaiting(Unavailable):
    code = "too-many-waiting"
    title_en = "Too many calls are waiting"
    title_zh = "排队请求过多"


@dataclass
class Gathering(Generic[CallT, ResultT]):
    """`together` answers each call by itself: with a result, or with the exception that this call alone gets.

    What `together` raises says that the portion as a whole failed: then each of its calls is tried alone, so that one cannot spoil the others.
    """

    together: Callable[[Sequence[CallT]], Awaitable[Sequence[ResultT | Exception]]]
    portion_max: int
    _waiting: list[tuple[CallT, asyncio.Future[ResultT]]] = field(default_factory=list, init=False)
    _working: asyncio.Task[None] | None = field(default=None, init=False)

    async def take(self, call: CallT) -> ResultT:
        """The answer to this call, after its transaction was committed. Raises TooManyWaiting when the queue is full."""
        if len(self._waiting) >= WAITING_MAX:
            raise TooManyWaiting(f"{WAITING_MAX} calls are waiting.", detail_zh=f"已有{WAITING_MAX}个请求在排队。", retry_after_s=1)
        answer: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, answer))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            portion, self._waiting = self._waiting[: self.portion_max], self._waiting[self.portion_max :]
            await self._settle(portion)

    async def _settle(self, portion: Sequence[tuple[CallT, asyncio.Future[ResultT]]]) -> None:
        try:
            results = await self.together([call for call, _ in portion])
        except Exception as error:  # whatever it is, these calls wait for an answer; their edge sorts and logs it
            if len(portion) > 1:
                await self._settle_each(portion)
                return
            results = [error]
        for (_, answer), result in zip(portion, results, strict=True):
            _tell(answer, result)

    async def _settle_each(self, portion: Sequence[tuple[CallT, asyncio.Future[ResultT]]]) -> None:
        """One by one, up to a fault that is nobody's own: waiting for the same fault again would only hold up the rest."""
        for place, (call, answer) in enumerate(portion):
            try:
                (result,) = await self.together([call])
            except Exception as error:  # as above: it belongs to this call
                _tell(answer, error)
                if is_transient(error):
                    for _, behind in portion[place + 1 :]:
                        _tell(behind, error)
                    return
            else:
                _tell(answer, result)


def _tell(answer: asyncio.Future[ResultT], result: ResultT | Exception) -> None:
    # A caller that went away has cancelled its answer; what it asked for is done all the same.
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
