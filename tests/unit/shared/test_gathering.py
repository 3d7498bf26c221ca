"""Calls done together: each gets its own answer, and none can spoil or hold up the others."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from shared.errors import NotFound
from shared.gathering import WAITING_MAX, Gathering, TooManyWaiting


def not_found(number: int) -> NotFound:
    return NotFound(f"{number} is not found.", detail_zh=f"未找到{number}。")


@dataclass
class Desk:
    """Doubles numbers; holds the first portion until it is opened. `refused` get a refusal, `spoiling` make their whole portion fail."""

    refused: frozenset[int] = frozenset()
    spoiling: frozenset[int] = frozenset()
    away: bool = False
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    portions: list[list[int]] = field(default_factory=list)

    async def together(self, calls: Sequence[int]) -> Sequence[int | Exception]:
        self.portions.append([*calls])
        await self.opened.wait()
        if self.away:
            raise ConnectionRefusedError
        if self.spoiling & set(calls):
            raise RuntimeError("a bug")
        return [not_found(call) if call in self.refused else 2 * call for call in calls]

    def gathering(self, *, portion_max: int = 100) -> Gathering[int, int]:
        return Gathering(together=self.together, portion_max=portion_max)


async def all_waiting(gathering: Gathering[int, int], numbers: Sequence[int]) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(gathering.take(number)) for number in numbers]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_what_arrives_while_one_is_done_is_done_together_and_each_gets_its_own() -> None:
    desk = Desk(refused=frozenset({3}))
    gathering = desk.gathering()
    first = await all_waiting(gathering, [1])
    others = await all_waiting(gathering, [2, 3, 4])

    desk.opened.set()
    answers = await asyncio.gather(*first, *others, return_exceptions=True)

    assert desk.portions == [[1], [2, 3, 4]]
    assert [type(answer) for answer in answers] == [int, int, NotFound, int]
    assert [answer for answer in answers if isinstance(answer, int)] == [2, 4, 8]


async def test_a_portion_has_an_upper_bound() -> None:
    desk = Desk()
    gathering = desk.gathering(portion_max=2)
    first = await all_waiting(gathering, [1])
    others = await all_waiting(gathering, [2, 3, 4])

    desk.opened.set()
    await asyncio.gather(*first, *others)

    assert desk.portions == [[1], [2, 3], [4]]


async def test_one_that_spoils_its_portion_fails_alone() -> None:
    desk = Desk(spoiling=frozenset({3}))
    gathering = desk.gathering()
    first = await all_waiting(gathering, [1])
    others = await all_waiting(gathering, [2, 3, 4])

    desk.opened.set()
    answers = await asyncio.gather(*first, *others, return_exceptions=True)

    assert [type(answer) for answer in answers] == [int, int, RuntimeError, int]


async def test_while_the_database_is_away_nobody_waits_for_the_others_tries() -> None:
    desk = Desk(away=True)
    gathering = desk.gathering()
    first = await all_waiting(gathering, [1])
    others = await all_waiting(gathering, [2, 3, 4])

    desk.opened.set()
    answers = await asyncio.gather(*first, *others, return_exceptions=True)

    assert [type(answer) for answer in answers] == [ConnectionRefusedError] * 4
    assert desk.portions == [[1], [2, 3, 4], [2]]


async def test_a_caller_that_goes_away_takes_nobody_with_it() -> None:
    desk = Desk()
    gathering = desk.gathering()
    (first,) = await all_waiting(gathering, [1])
    gone, stays = await all_waiting(gathering, [2, 3])

    gone.cancel()
    desk.opened.set()
    answers = await asyncio.gather(first, gone, stays, return_exceptions=True)

    assert [type(answer) for answer in answers] == [int, asyncio.CancelledError, int]


async def test_the_queue_has_an_end_and_takes_calls_again_once_it_is_shorter() -> None:
    desk = Desk()
    gathering = desk.gathering()
    waiting = [*await all_waiting(gathering, [1]), *await all_waiting(gathering, range(WAITING_MAX))]

    async with asyncio.timeout(1):
        with pytest.raises(TooManyWaiting):
            await gathering.take(7)
    desk.opened.set()
    await asyncio.gather(*waiting)

    assert await gathering.take(7) == 14
