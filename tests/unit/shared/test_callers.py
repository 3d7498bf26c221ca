"""CALLERS_FILE: an entry that would let in more, or others, than was meant is refused at the start and named; its secret is never shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.auth import SECRET_BYTES_MIN, SystemCaller, load_callers

SECRET = "s" * SECRET_BYTES_MIN
SCOPES_HERE = frozenset({"applications:file"})


def entry(name: str, **other: object) -> dict[str, Any]:
    fixed = {
        "id": name,
        "kind": "district",
        "app_key": f"key-of-{name}",
        "secrets": [SECRET],
        "jurisdictions": ["*"],
        "scopes": ["applications:file"],
    }
    return fixed | other


def loaded(folder: Path, *entries: object) -> dict[str, SystemCaller]:
    file = folder / "callers.json"
    file.write_text(json.dumps(entries))
    return load_callers(file, scopes_here=SCOPES_HERE)


def test_those_with_a_scope_here_are_mounted_by_their_app_keys(tmp_path: Path) -> None:
    callers = loaded(tmp_path, entry("one"), entry("two", secrets=[SECRET, SECRET[::-1]]), entry("elsewhere", scopes=["messages:read"]))

    assert {app_key: caller.id for app_key, caller in callers.items()} == {"key-of-one": "one", "key-of-two": "two"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"secrets": [""]}, "at least 32 bytes"),
        ({"secrets": [SECRET[1:]]}, "at least 32 bytes"),
        ({"secrets": [SECRET, SECRET[1:]]}, "at least 32 bytes"),
        ({"secrets": []}, "secrets: .*at least 1 item"),
        ({"app_key": ""}, "app_key: .*at least 1 character"),
        ({"jurisdictions": []}, "jurisdictions: .*at least 1 item"),
        ({"scopes": []}, "scopes: .*at least 1 item"),
        ({"secret": SECRET}, "secret: "),
    ],
)
def test_an_entry_that_is_not_whole_is_refused_by_name(tmp_path: Path, wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=rf"Entry 2 of CALLERS_FILE \(two\) is refused: .*{says}") as refused:
        loaded(tmp_path, entry("one"), entry("two", **wrong))

    assert SECRET[1:] not in f"{refused.value} {refused.value.__cause__}"


def test_the_bytes_of_a_secret_are_counted_not_its_characters(tmp_path: Path) -> None:
    callers = loaded(tmp_path, entry("one", secrets=["密" * 11]))

    assert callers.keys() == {"key-of-one"}
    with pytest.raises(ValueError, match="at least 32 bytes"):
        loaded(tmp_path, entry("one", secrets=["密" * 10]))


@pytest.mark.parametrize("scopes", [["applications:file"], ["messages:read"]], ids=["both here", "one elsewhere"])
def test_two_entries_with_one_app_key_are_refused_by_name(tmp_path: Path, scopes: list[str]) -> None:
    with pytest.raises(ValueError, match=r"Entry 2 of CALLERS_FILE \(two\) has the app_key of one; each caller needs its own"):
        loaded(tmp_path, entry("one"), entry("two", app_key="key-of-one", scopes=scopes))


@pytest.mark.parametrize("written", ["a text", [SECRET], {"app_key": "key"}])
def test_what_is_no_entry_is_refused_by_its_place(tmp_path: Path, written: object) -> None:
    with pytest.raises(ValueError, match=r"Entry 1 of CALLERS_FILE \(without id\) is refused"):
        loaded(tmp_path, written)
