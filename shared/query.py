"""The query of an address: only names that the route knows, each once."""

from collections import Counter
from collections.abc import Iterable, Iterator

from fastapi.dependencies.models import Dependant

from shared.errors import FieldProblem, Invalid

NAMES_TOLD_MAX = 100
NAME_CHARACTERS_MAX = 100


def names_of(dependant: Dependant) -> frozenset[str]:
    """What the route and all that it depends on read of the query."""
    return frozenset(_names(dependant))


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for each in dependant.dependencies:
        yield from _names(each)


def refuse_odd_names(given: Iterable[str], *, known: frozenset[str]) -> None:
    """A filter that is misspelt would show everything, a misspelt dry_run would write. Raises Invalid, which names each."""
    wrong = [_problem(name, known=known) for name, times in Counter(given).items() if times > 1 or name not in known]
    if wrong:
        raise Invalid(wrong[:NAMES_TOLD_MAX])


def _problem(name: str, *, known: frozenset[str]) -> FieldProblem:
    shown = name[:NAME_CHARACTERS_MAX].replace("~", "~0").replace("/", "~1")
    if name in known:
        return FieldProblem(pointer=f"/query/{shown}", detail_en="It is given more than once.", detail_zh="同一查询参数重复出现")
    names = ", ".join(sorted(known))
    return FieldProblem(
        pointer=f"/query/{shown}",
        detail_en=f"There is no such parameter here; known are: {names or 'none'}.",
        detail_zh=f"不认识的查询参数，请核对名称；可用：{names or '无'}",
    )
