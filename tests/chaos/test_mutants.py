"""Each protection has a test that fails when the protection is taken out: patches are applied to a copy of the tree."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATCHES = Path(__file__).with_name("mutants")
SHARED = "tests/integration/shared"
TEST_RUN_LIMIT_S = 180
RUNS_AT_A_TIME = 2

# Patch → the test that must fail with it.
PROTECTED_BY = {
    # Alone, the inbox matters while a key is parked: otherwise "seq at most the last" knows the repeat too.
    "inbox_insert_dropped": f"{SHARED}/test_consumer.py::test_an_event_that_is_sent_twice_while_its_key_is_parked_is_parked_once_and_not_tried_again",
    # Both at once.
    "repeats_not_known": f"{SHARED}/test_events_flow.py::test_replaying_the_topic_changes_nothing",
    "two_relays_without_the_lock": f"{SHARED}/test_relay.py::test_of_two_relays_one_sends_and_the_other_stands_by",
    "offsets_committed_before_the_transaction": f"{SHARED}/test_consumer.py::test_an_end_in_the_middle_of_an_event_loses_nothing",
    "offsets_of_what_was_polled": f"{SHARED}/test_consumer.py::test_an_end_in_the_middle_of_an_event_loses_nothing",
    "relay_reads_ids_above_the_last": f"{SHARED}/test_relay.py::test_an_event_with_a_lower_id_that_is_committed_later_is_sent_too",
    "sequence_counted_per_aggregate": f"{SHARED}/test_outbox.py::test_several_aggregates_under_one_key_share_its_sequence",
}


def copy_tree(to: Path) -> Path:
    """What is in the checkout and not ignored."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    (to / ".jgo").symlink_to(ROOT / ".jgo")
    return to


def run_tests(tree: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    # Plugins that these tests do not use and that take seconds to load.
    lean = ["-p", "no:schemathesis", "-p", "no:hypothesispytest"]
    command = [sys.executable, "-m", "pytest", *lean, "-rfE", "--tb=line", "--show-capture=no", *tests]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=TEST_RUN_LIMIT_S, check=False)


def run_mutant(tree: Path, *, name: str) -> subprocess.CompletedProcess[str] | str:
    """The run of the protecting test in a patched copy, or why the patch does not apply."""
    copy_tree(tree)
    # Outside of any repository, or git would look for the paths in the checkout around it.
    outside = {"GIT_CEILING_DIRECTORIES": str(tree.parent)}
    command = ["git", "apply", "--verbose", str(PATCHES / f"{name}.patch")]
    applied = subprocess.run(command, cwd=tree, capture_output=True, text=True, env=outside, check=False)
    return applied.stderr if applied.returncode else run_tests(tree, PROTECTED_BY[name])


@pytest.fixture(scope="module")
def mutants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[subprocess.CompletedProcess[str] | str]]]:
    """All of them, some at a time: most of a run is waiting for processes to start."""
    folder: Path = tmp_path_factory.mktemp("mutants")
    with ThreadPoolExecutor(RUNS_AT_A_TIME) as pool:
        yield {name: pool.submit(run_mutant, folder / name, name=name) for name in PROTECTED_BY}


def test_every_patch_is_tried() -> None:
    assert {patch.stem for patch in PATCHES.glob("*.patch")} == set(PROTECTED_BY)


def test_without_a_patch_the_protecting_tests_pass(tmp_path: Path) -> None:
    ran = run_tests(copy_tree(tmp_path / "tree"), *dict.fromkeys(PROTECTED_BY.values()))

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", PROTECTED_BY)
def test_without_its_protection_a_test_fails(mutants: dict[str, Future[subprocess.CompletedProcess[str] | str]], name: str) -> None:
    ran = mutants[name].result()

    assert not isinstance(ran, str), f"{name}.patch no longer applies; make it anew against the product code:\n{ran}"
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[-1].startswith("1 failed"), ran.stdout
    assert "assert" in ran.stdout.lower(), f"it failed, but not by an assertion:\n{ran.stdout}"
