"""How a telling ends: with 0 only when everything was as told."""

import asyncio
import io

import pytest
from rich.console import Console

from deploy.demo import notice_act
from deploy.demo.story import STOPPED_BY_SIGNAL, exit_code_of
from deploy.demo.telling import NotAsTold, require


def screen() -> Console:
    return Console(file=io.StringIO(), width=160)


async def as_told() -> None:
    require(1 + 1 == 2, zh="一加一等于二", en="one and one are two")


async def not_as_told() -> None:
    require(1 + 1 == 3, zh="一加一不等于三", en="one and one are not three")


async def interrupted() -> None:
    raise asyncio.CancelledError


def test_a_story_that_comes_out_as_told_ends_with_zero() -> None:
    assert exit_code_of(as_told(), out=screen()) == 0


def test_a_fact_that_is_not_as_told_ends_with_one_and_is_named() -> None:
    out = screen()

    code = exit_code_of(not_as_told(), out=out)

    assert code == 1
    assert isinstance(out.file, io.StringIO)
    assert "一加一不等于三" in out.file.getvalue()


def test_an_interrupted_story_ends_as_a_shell_expects_of_a_signal() -> None:
    assert exit_code_of(interrupted(), out=screen()) == STOPPED_BY_SIGNAL


def test_a_fact_is_required_in_both_languages() -> None:
    with pytest.raises(NotAsTold, match=r"账不平\nthe books do not balance"):
        require(False, zh="账不平", en="the books do not balance")


def test_the_strip_counts_five_working_days_over_national_day() -> None:
    notice = {"first_day": "2025-09-26", "closes_on": "2025-10-11"}

    strip = notice_act.calendar_strip(notice)

    assert "09-28①（周日调休上班）" in strip
    assert "休8天" in strip
    assert strip.index("10-10⑤") < strip.index("10-11期满确认")
