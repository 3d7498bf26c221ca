"""What is not a measurement is not reported: rows that are missing, a generator that is the bottleneck, a start that failed."""

import asyncio

import pytest

from tests.load.cold_start import READY_LINE, read_until_ready
from tests.load.figures import NoMeasurement
from tests.load.filing import GENERATOR_CPU_SHARE_MAX, check
from tests.load.generator import Report


def report(*, answers: int = 100, cpu_share: float = 0.1) -> Report:
    return Report(answers=answers, seconds=1.0, latencies_us=[1_000] * answers, cpu_share=cpu_share)


def test_a_round_with_a_row_for_each_answer_counts() -> None:
    check(report(answers=100, cpu_share=GENERATOR_CPU_SHARE_MAX), made=100, name="filing-0")


@pytest.mark.parametrize("made", [99, 101, 0])
def test_a_round_whose_rows_are_not_its_answers_is_refused(made: int) -> None:
    with pytest.raises(NoMeasurement, match=f"100 filings were answered with 201, but the database has {made}"):
        check(report(answers=100), made=made, name="filing-0")


def test_what_was_answered_is_said_of_other_acts_than_filings() -> None:
    with pytest.raises(NoMeasurement, match="100 approvals were answered with 200, but the database has 99"):
        check(report(answers=100), made=99, name="orders-0", what="approvals were answered with 200")


def test_a_round_in_which_the_generator_was_busy_is_refused() -> None:
    with pytest.raises(NoMeasurement, match="may have measured itself"):
        check(report(cpu_share=GENERATOR_CPU_SHARE_MAX + 0.01), made=100, name="filing-0")


async def test_a_start_is_read_up_to_the_line_that_says_it_is_ready() -> None:
    output = asyncio.StreamReader()
    output.feed_data(f"  1.0 s  Kafka answers\n{READY_LINE}\nmore\n".encode())

    assert await read_until_ready(output) == ["  1.0 s  Kafka answers", READY_LINE]


async def test_a_start_that_ends_early_is_refused_with_what_it_said() -> None:
    output = asyncio.StreamReader()
    output.feed_data(b"  1.0 s  Kafka answers\nregistry-http ends right after its start\n")
    output.feed_eof()

    with pytest.raises(NoMeasurement, match="registry-http ends right after its start"):
        await read_until_ready(output)
