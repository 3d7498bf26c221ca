"""The Python of the repository as text and as trees, and exceptions to a rule that are refused once nothing needs them."""

import ast
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[2]
PRODUCT = ("services", "shared", "deploy")

Node = TypeVar("Node", bound=ast.AST)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One file; `name` is its path from the root of the repository."""

    name: str
    text: str
    tree: ast.Module

    @functools.cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    def all_of(self, kind: type[Node]) -> Iterator[Node]:
        return (node for node in self.nodes if isinstance(node, kind))

    def functions(self) -> Iterator[Function]:
        return (node for node in self.nodes if isinstance(node, Function))


def python(*folders: str) -> list[Source]:
    return [source for folder in folders for source in _parsed(folder)]


@functools.cache
def _parsed(folder: str) -> tuple[Source, ...]:
    files = sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)
    return tuple(Source(name=str(path.relative_to(ROOT)), text=text, tree=ast.parse(text)) for path in files for text in [path.read_text("utf-8")])


def outside(found: Mapping[str, object], exceptions: Mapping[str, str]) -> list[str]:
    """What was found and is no exception, and the exceptions that nothing needs any more: both must be empty."""
    surplus = [f"{name} is no exception any more: take it off the list" for name in exceptions if name not in found]
    return [f"{name}: {what}" for name, what in found.items() if name not in exceptions] + surplus
