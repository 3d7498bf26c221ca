"""Which tests prove an entry of policy data: those that name it, those that go through its whole file, and the scenarios of its item."""

import ast
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.docs.policy_data import Entry
from deploy.local.folders import ROOT

TESTS = ROOT / "tests"
# Scenarios are applications': what a filing is answered.
SCENARIO_FOLDER = "tests/scenarios"
SCENARIO_SERVICE = "applications"
BY_HAND = TESTS / "contract" / "proofs.toml"


@dataclass(frozen=True)
class Proof:
    """A test or a scenario file, with the words that it says."""

    name: str
    literals: frozenset[str]
    docstring: str

    @property
    def file(self) -> str:
        return self.name.partition("::")[0]

    def says(self, entry: Entry) -> bool:
        """The entry's id is a word of the test, and the test is one of the service that has the entry."""
        is_of_service = entry.service in Path(self.file).parts or (self.file.startswith(SCENARIO_FOLDER) and entry.service == SCENARIO_SERVICE)
        return is_of_service and entry.has_own_id and entry.name in self.literals

    def goes_through(self, entry: Entry) -> bool:
        """The entry's file, or a folder that it is in, is named in the docstring."""
        return any(entry.path.startswith(word.strip(".,;")) for word in self.docstring.split() if word.startswith("services/"))


@dataclass(frozen=True)
class Proved:
    """`by` are tests that set out to prove an entry; `said_in` are files whose tests say its id."""

    by: frozenset[str]
    said_in: frozenset[str]

    def files(self) -> frozenset[str]:
        return self.said_in | {name.partition("::")[0] for name in self.by}


def proofs() -> list[Proof]:
    python = [proof for path in sorted(TESTS.rglob("test_*.py")) for proof in _tests_of(path)]
    return python + [_scenario(path) for path in sorted((ROOT / SCENARIO_FOLDER).rglob("*.toml"))]


def named_by_hand() -> list[tuple[str, str]]:
    """Entry (or file, or folder) and test: for tests that reach an entry without saying its id."""
    return [(each["entry"], each["test"]) for each in tomllib.loads(BY_HAND.read_text(encoding="utf-8"))["proof"]]


def proved(entry: Entry, *, among: list[Proof], by_hand: list[tuple[str, str]]) -> Proved:
    through = {proof.name for proof in among if proof.goes_through(entry)}
    return Proved(
        by=frozenset(through | {test for where, test in by_hand if reaches(where, entry=entry)}),
        said_in=frozenset(proof.file for proof in among if proof.says(entry)),
    )


def reaches(where: str, *, entry: Entry) -> bool:
    return where == entry.address or ("#" not in where and entry.path.startswith(where))


def _scenario(path: Path) -> Proof:
    cases = tomllib.loads(path.read_text(encoding="utf-8"))["case"]
    return Proof(name=str(path.relative_to(ROOT)), literals=frozenset(case["item"] for case in cases), docstring="")


def _tests_of(path: Path) -> Iterator[Proof]:
    module = ast.parse(path.read_text(encoding="utf-8"))
    said = {name: node for node in module.body for name in _defined(node)}
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            literals = frozenset(_literals(node, said=said, seen={node.name}))
            yield Proof(name=f"{path.relative_to(ROOT)}::{node.name}", literals=literals, docstring=ast.get_docstring(node) or "")


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _literals(node: ast.AST, *, said: Mapping[str, ast.stmt], seen: set[str]) -> Iterator[str]:
    """Texts in the node, and in what it uses of its own module: constants, tables of cases, fixtures."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value
        name = each.id if isinstance(each, ast.Name) else each.arg if isinstance(each, ast.arg) else ""
        if name in said and name not in seen:
            seen.add(name)
            yield from _literals(said[name], said=said, seen=seen)
