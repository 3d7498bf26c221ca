"""What every file has in common: size, names, words and numbers. Each exception is listed with its reason, and leaves the list when it goes."""

import ast
import re
import tomllib
from pathlib import Path

from tests.contract.source import PRODUCT, ROOT, Function, Source, outside, python

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
BANNED_NAMES = frozenset({"base", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"})
BANNED_CLASS = re.compile(r"(Manager|Handler|Helper|Service)$|^Base")
CLASSES_NAMED_SO = {"shared/inbox.py: Handler": "what handles an event, in the words of every event library"}

ROLES = frozenset({"api", "clients", "commands", "consumers", "jobs", "queries", "rules", "tables"})
OF_A_SERVICE = frozenset({"main", "schema", "settings", "worker"})
FILES_BESIDE_ROLES = {
    "services/applications/paging.py": "the cursors of its notices and of its feed of changes",
    "services/applications/wire.py": "types of request bodies that several of its nouns share",
    "services/budget/bookkeeping.py": "read by an outsider with verify.py, without the service",
    "services/budget/edge.py": "the act that a booking is written for and the seal, for every edge of the budget",
    "services/budget/checkpoint_file.py": "read by the service and, with verify.py, by an outsider without the service",
    "services/budget/evidence/pack.py": "a ZIP is built from many files; it is neither HTTP nor a decision",
    "services/budget/evidence/sheets.py": "the workbooks of the pack",
    "services/budget/sealing.py": "the cipher of payees' accounts, used by two nouns and known to no other service",
    "services/budget/signing.py": "the signer of checkpoints, used by worker, pack and year close",
    "services/budget/spreadsheet.py": "reading and writing of sheets that people send, used by two nouns",
    "services/budget/verify.py": "the offline verifier: what an outsider runs with Python alone",
    "services/budget/writer.py": "the one writer of a process, held as long as it runs",
}

# The first argument is what is acted on; a transaction before it is the ground that the caller stands on.
GROUND = frozenset({"self", "cls", "tx"})
SECOND_BY_POSITION = {
    "services/applications/review/rules.py: check_may_decide": "reads as a sentence: check that this caller may decide as that decider",
    "services/applications/review/rules.py: is_same_person": "either way round",
    "services/notifications/policy/steps.py: check_every_step": "two sets of one kind, told apart by the name: told, silent",
    "services/notifications/portal/rules.py: progress_after": "reads as a sentence: progress after reporting these records",
    "services/registry/organisation/queries.py: contains": "reads as a sentence: column contains text",
    "shared/inbox.py: received": "what a record is made of, in the order of Received",
    "shared/auth.py: admit": "authenticator and request, as authenticate() of the same file has them",
    "shared/caller.py: require_creating_in": "reads as a sentence: require creating in",
    "shared/caller.py: require_reading_in": "reads as a sentence: require reading in",
    "shared/caller.py: require_scope": "reads as a sentence: require scope",
    "shared/jobs.py: run_jobs": "live and what runs on it, as a Job has it",
    "shared/process.py: serve": "the app and what it is served with, as uvicorn.run has them",
}

UNITLESS = frozenset({"amount", "limit", "timeout", "duration", "delay", "sum", "price", "cap", "ceiling"})
NAMED_WITHOUT_UNIT = {
    "services/registry/policy/catalogue.py: TimeLimit.amount": "its unit is the field beside it, as the law counts in days and in years"
}

CITY_FILE = ROOT / "deploy" / "city.toml"
DIVISION_CODE = re.compile(r"(?<!\d)3710\d\d")
CITY_LITERALS: dict[str, str] = {}


def own_names(source: Source) -> list[str]:
    return Path(source.name).stem.split("_")


def test_files_have_at_most_400_lines() -> None:
    assert [source.name for source in python(*PRODUCT, "tests") if source.text.count("\n") > FILE_LINES_MAX] == []


def test_functions_have_at_most_60_lines() -> None:
    def lines(function: Function) -> int:
        assert function.end_lineno is not None
        return function.end_lineno - function.lineno + 1

    too_long = [
        f"{source.name}: {each.name} has {lines(each)}"
        for source in python(*PRODUCT, "tests")
        for each in source.functions()
        if lines(each) > FUNCTION_LINES_MAX
    ]

    assert too_long == []


def test_no_file_or_folder_is_named_after_nothing() -> None:
    named = [source.name for source in python(*PRODUCT, "tests") if BANNED_NAMES & set(re.split(r"[/_.]", source.name))]

    assert named == []


def test_no_class_is_named_after_nothing() -> None:
    found = {
        f"{source.name}: {node.name}": "names no noun of the domain"
        for source in python(*PRODUCT)
        for node in source.all_of(ast.ClassDef)
        if BANNED_CLASS.search(node.name)
    }

    faults = outside(found, CLASSES_NAMED_SO)
    assert not faults, "\n".join(faults)


def test_role_files_are_a_closed_list() -> None:
    found: dict[str, str] = {}
    for source in python("services"):
        _, service, *rest = Path(source.name).parts
        is_policy_or_migration = rest[0] in {"policy", "migrations"}
        is_role = len(rest) == 2 and Path(rest[1]).stem in ROLES
        is_of_service = len(rest) == 1 and Path(rest[0]).stem in OF_A_SERVICE
        if not (is_policy_or_migration or is_role or is_of_service):
            found[source.name] = f"is neither a role of a noun nor a file that every service has ({service})"

    faults = outside(found, FILES_BESIDE_ROLES)
    assert not faults, "\n".join(faults)


def test_every_module_opens_with_what_lives_here() -> None:
    silent = [source.name for source in python(*PRODUCT, "tests") if source.text.strip() and not ast.get_docstring(source.tree)]

    assert silent == []


def is_endpoint(function: Function) -> bool:
    return any(re.search(r"\.(get|post|put|patch|delete)\(", ast.unparse(each)) for each in function.decorator_list)


def is_public(function: Function) -> bool:
    return not function.name.startswith("_") and not is_endpoint(function)


def top_level_functions(source: Source) -> list[Function]:
    """Functions and methods; what is defined inside a function is that function's own business."""
    bodies = [source.tree.body, *(node.body for node in source.tree.body if isinstance(node, ast.ClassDef))]
    return [node for body in bodies for node in body if isinstance(node, Function)]


def test_public_functions_take_names_from_the_second_argument_on() -> None:
    found: dict[str, str] = {}
    for source in python("services", "shared"):
        for each in filter(is_public, top_level_functions(source)):
            positional = [argument.arg for argument in (*each.args.posonlyargs, *each.args.args) if argument.arg not in GROUND]
            if len(positional) > 1:
                found[f"{source.name}: {each.name}"] = f"takes {', '.join(positional)} by position"

    faults = outside(found, SECOND_BY_POSITION)
    assert not faults, "\n".join(faults)


def test_names_of_money_and_time_end_with_their_unit() -> None:
    found: dict[str, str] = {}
    for source in python(*PRODUCT):
        for place, name in [*arguments(source), *fields(source), *columns(source)]:
            if name in UNITLESS and not (name == "limit" and source.name.endswith("/queries.py")):
                found[f"{source.name}: {place}.{name}"] = "which unit? (…_fen, …_days, …_s)"

    faults = outside(found, NAMED_WITHOUT_UNIT)
    assert not faults, "\n".join(faults)


def arguments(source: Source) -> list[tuple[str, str]]:
    """Numbers alone: what has a type of ours is no bare number, as paging's `limit: Limit`; the `limit` of a query is that of its page."""
    numbers = {"int", "float", "Decimal", "int | None", "float | None"}
    return [
        (function.name, argument.arg)
        for function in source.functions()
        for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        if argument.annotation is not None and ast.unparse(argument.annotation) in numbers
    ]


def fields(source: Source) -> list[tuple[str, str]]:
    return [
        (node.name, each.target.id)
        for node in source.all_of(ast.ClassDef)
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]


def columns(source: Source) -> list[tuple[str, str]]:
    """Columns of a Table, and those of a CREATE TABLE in a migration: a name, then a type in capitals."""
    named = [
        ("Column", str(node.args[0].value))
        for node in source.all_of(ast.Call)
        if ast.unparse(node.func).endswith("Column") and node.args and isinstance(node.args[0], ast.Constant)
    ]
    ddl = [("column", name) for name in re.findall(r"^\s+(\w+) (?:BIGINT|INT|INTEGER|NUMERIC|INTERVAL)\b", source.text, flags=re.MULTILINE)]
    return named + ddl


def test_the_city_is_named_in_data_alone() -> None:
    here = tomllib.loads(CITY_FILE.read_text(encoding="utf-8"))
    words = {here["city"]["name_zh"], here["city"]["name_zh"].removesuffix("市"), here["city"]["name_en"]}
    ids = {each["id"] for each in here["jurisdiction"]}
    names = {each["name_zh"] for each in here["jurisdiction"]}

    found: dict[str, str] = {}
    for source in python(*PRODUCT):
        said = source.text.casefold()
        literals = {node.value for node in source.all_of(ast.Constant) if isinstance(node.value, str)}
        for word in sorted({word.casefold() for word in words | names} | {*DIVISION_CODE.findall(source.text)}):
            if word in said:
                found[f"{source.name}: {word}"] = "belongs into deploy/city.toml, policy data or fixtures"
        for word in sorted(ids & literals):
            found[f"{source.name}: {word}"] = "is an id of this city's"

    faults = outside(found, CITY_LITERALS)
    assert not faults, "\n".join(faults)


def test_nothing_is_printed_and_nothing_is_left_to_do() -> None:
    printing = [
        f"{source.name}:{node.lineno}"
        for source in python("services", "shared")
        for node in source.all_of(ast.Call)
        if ast.unparse(node.func) in {"print", "pprint", "breakpoint"}
    ]
    undone = [source.name for source in python("services", "shared", "deploy") if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", source.text)]

    assert (printing, undone) == ([], [])
