"""The cast of the story: invented, valid, and what the story says it is."""

from collections import Counter

import pytest

from deploy.demo import cast
from deploy.demo.cast import Cast
from shared import city, uscc
from shared.errors import Refusal


@pytest.fixture(scope="module")
def players() -> Cast:
    return cast.load(city.load())


def test_three_hundred_institutions_stand_in_all_eight_jurisdictions(players: Cast) -> None:
    places = Counter(each.jurisdiction_id for each in players.institutions)

    assert len(players.institutions) == 300
    assert set(places) == {each.id for each in city.load().districts}
    assert len({each.uscc for each in players.institutions}) == len({each.name for each in players.institutions}) == 300


def test_every_code_passes_both_checks_and_carries_a_region_that_does_not_exist(players: Cast) -> None:
    for each in (*players.institutions, players.newcomer):
        assert uscc.check(each.uscc) == each.uscc
        assert uscc.inner_check_holds(each.uscc)
        assert each.uscc[2:4] == "99"


def test_the_batch_has_forty_rows_over_fourteen_lines_and_thirteen_ways_to_be_wrong(players: Cast) -> None:
    wrong = [row for row in players.filings if row.answer is not None]

    assert len(players.filings) == 40
    assert len({row.sent["item_id"] for row in players.good}) == 14
    assert len({row.wrong_zh for row in wrong}) == len(wrong) == 13


def test_a_wrong_check_character_is_wrong_and_a_full_width_code_is_read(players: Cast) -> None:
    code = players.institution("enterprise/1").uscc

    with pytest.raises(Refusal):
        uscc.check(cast.with_wrong_check_character(code))
    assert uscc.check(cast.in_full_width_lower_case(code)) == code
