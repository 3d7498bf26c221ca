"""The table of clause, rule and test, and the list of assumptions: committed, current, and without a rule that no test reaches."""

import ast

from deploy.docs.pages import difference
from deploy.docs.policy import pages, unproved
from deploy.docs.policy_data import Assumption, Entry, entries
from deploy.docs.proofs import Proof, named_by_hand, proved, reaches
from tests.contract.source import ROOT


def entry(*, name: str = "4b", service: str = "applications", file: str = "2023-15/items/4b.toml") -> Entry:
    return Entry(
        service=service,
        file=file,
        table="item",
        name=name,
        has_own_id=True,
        title="",
        first_day=None,
        last_day=None,
        source="法 1: 词",
        values=(),
        assumptions=(),
    )


def test_the_committed_table_and_list_are_those_of_the_data() -> None:
    told = [difference(path, text, command="deploy.docs.policy") for path, text in pages().items()]

    assert not any(told), "\n\n".join(each for each in told if each)


def test_every_rule_has_a_test() -> None:
    without = unproved()

    assert not without, "\n".join([*without, "Write the test; if there is one that does not say the id, name it in tests/contract/proofs.toml."])


def test_every_assumption_says_why() -> None:
    def is_reasoned(assumption: Assumption) -> bool:
        return len(assumption.why) > 20

    assumed = [(each.address, assumption) for each in entries() for assumption in each.assumptions]

    assert len(assumed) > 100
    assert [address for address, assumption in assumed if not is_reasoned(assumption)] == []


def test_what_is_named_by_hand_exists() -> None:
    def is_there(test: str) -> bool:
        file, _, name = test.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8")) if (ROOT / file).exists() else ast.Module(body=[], type_ignores=[])
        return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name for node in tree.body)

    by_hand = named_by_hand()

    assert [test for _, test in by_hand if not is_there(test)] == []
    assert [where for where, _ in by_hand if not any(reaches(where, entry=each) for each in entries())] == []


def test_a_test_that_says_the_id_proves_it_for_its_own_service_alone() -> None:
    of_applications = Proof(name="tests/unit/applications/test_a.py::test_a", literals=frozenset({"4b"}), docstring="")
    of_budget = Proof(name="tests/unit/budget/test_a.py::test_a", literals=frozenset({"4b"}), docstring="")

    found = proved(entry(), among=[of_applications, of_budget], by_hand=[])

    assert found.files() == {"tests/unit/applications/test_a.py"}


def test_a_test_that_says_nothing_of_the_rule_does_not_prove_it() -> None:
    silent = Proof(name="tests/unit/applications/test_a.py::test_a", literals=frozenset({"4", "4bc"}), docstring="Goes through 4b.")

    assert proved(entry(), among=[silent], by_hand=[]).files() == frozenset()


def test_a_docstring_that_names_the_folder_proves_each_file_in_it() -> None:
    through = Proof(
        name="tests/contract/test_a.py::test_a", literals=frozenset(), docstring="Goes through services/applications/policy/2023-15/items/."
    )

    assert proved(entry(), among=[through], by_hand=[]).by == {"tests/contract/test_a.py::test_a"}
    assert proved(entry(file="2023-15/notice.toml"), among=[through], by_hand=[]).by == frozenset()
