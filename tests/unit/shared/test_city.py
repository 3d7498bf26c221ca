"""The city file: its eight districts, and what a wrong file is told."""

from datetime import date
from pathlib import Path

import pytest

from shared import city as city_file
from shared.city import DEFAULT_FILE, UnknownJurisdiction

city = city_file.load()
TODAY = date(2025, 9, 10)


def test_the_city_is_read_from_data() -> None:
    assert (city.id, city.name_zh, city.code, city.case_prefix, city.timezone) == ("weihai", "威海市", "371000", "WH", "Asia/Shanghai")
    assert city.jurisdiction(city.id).kind == "city"


def test_the_eight_districts_have_their_codes_and_number_segments() -> None:
    assert {each.id: (each.code, each.number_segment) for each in city.districts} == {
        "huancui": ("371002", "371002"),
        "wendeng": ("371003", "371003"),
        "rongcheng": ("371082", "371082"),
        "rushan": ("371083", "371083"),
        "gaoqu": ("371071", "371071"),
        "jingqu": ("371072", "371072"),
        "lingang": ("371073", "371073"),
        "nanhai": (None, "3710NH"),
    }


@pytest.mark.parametrize(
    ("jurisdiction_id", "human_resources_zh"),
    [("weihai", "威海市人力资源和社会保障局"), ("gaoqu", "火炬高技术产业开发区科技创新局"), ("nanhai", "南海新区党群与人力资源部")],
)
def test_each_jurisdiction_names_its_own_bureaus(jurisdiction_id: str, human_resources_zh: str) -> None:
    assert city.jurisdiction(jurisdiction_id).bureaus.human_resources_zh == human_resources_zh


def test_the_wire_code_has_twelve_digits_and_the_one_without_a_code_uses_its_statistics_code() -> None:
    assert city.wire_code("huancui") == "371002000000"
    assert city.wire_code("nanhai") == "371003000000"


def test_a_shared_statistics_code_still_belongs_to_its_owner_alone() -> None:
    assert city.jurisdiction_for_code("371003", on=TODAY).id == "wendeng"


def test_the_former_code_is_known_until_its_last_day_and_never_issued() -> None:
    last_day, day_after = date(2014, 1, 24), date(2014, 1, 25)

    assert city.jurisdiction_for_code("371081", on=last_day).id == "wendeng"
    assert city.jurisdiction_for_code("371003", on=day_after).id == "wendeng"
    for code, day in (("371081", day_after), ("371003", last_day)):
        with pytest.raises(UnknownJurisdiction):
            city.jurisdiction_for_code(code, on=day)
    assert "371081" not in {city.wire_code(each.id)[:6] for each in city.jurisdictions}


def test_a_jurisdiction_is_known_from_its_first_day() -> None:
    assert city.jurisdiction_for_code("371002", on=date(1987, 6, 15)).id == "huancui"
    with pytest.raises(UnknownJurisdiction):
        city.jurisdiction_for_code("371002", on=date(1987, 6, 14))


def test_an_unknown_jurisdiction_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownJurisdiction) as refused:
        city.jurisdiction("nowhere")

    assert refused.value.facts == {"known": [each.id for each in city.jurisdictions]}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('timezone = "Asia/Shanghai"', 'timezone = "Asia/Weihai"'),
        ('case_prefix = "WH"', 'case_prefix = "wh"'),
        ('case_prefix = "WH"', 'case_prefix = "WH"\nmayor = "?"'),
        ('id = "huancui"', 'id = "wendeng"'),
        ('id = "huancui"', 'id = "环翠"'),
        ('code = "371002"', 'code = "371003"'),
        ('code = "371002"', 'code = "371081"'),
        ('code = "371002"', "code = 371002"),
        ('code = "371002"', ""),
        ('statistics_code = "371003"', 'code = "371004"\nstatistics_code = "371003"'),
        ('number_segment = "3710NH"', 'number_segment = "371003"'),
        ("last_day = 2014-01-24", 'last_day = "2014-01-24"'),
        ("first_day = 1987-06-15", "first_day = 1987-06-15\nlast_day = 1987-06-14"),
        ('kind = "new_area"', 'kind = "city"'),
        ('kind = "new_area"', 'kind = "town"'),
        ("[city]", "[town]"),
    ],
)
def test_a_wrong_city_file_is_refused(tmp_path: Path, right: str, wrong: str) -> None:
    text = DEFAULT_FILE.read_text(encoding="utf-8")
    file = tmp_path / "city.toml"
    assert right in text
    file.write_text(text.replace(right, wrong, 1), encoding="utf-8")

    with pytest.raises(ValueError):
        city_file.load(file)


def test_another_city_is_another_file(tmp_path: Path) -> None:
    file = tmp_path / "city.toml"
    file.write_text(
        """
[city]
id = "elsewhere"
name_zh = "某市"
name_en = "Elsewhere"
code = "990000"
case_prefix = "EW"
timezone = "Asia/Shanghai"
[[jurisdiction]]
id = "elsewhere"
name_zh = "某市"
kind = "city"
code = "990000"
number_segment = "990000"
first_day = 2020-01-01
last_day = 2020-12-31
bureaus = { human_resources_zh = "甲局", finance_zh = "乙局", development_zh = "丙局" }
""",
        encoding="utf-8",
    )

    elsewhere = city_file.load(file)

    assert elsewhere.districts == ()
    assert elsewhere.jurisdiction_for_code("990000", on=date(2020, 12, 31)).id == "elsewhere"
    with pytest.raises(UnknownJurisdiction):
        elsewhere.jurisdiction_for_code("990000", on=date(2021, 1, 1))
