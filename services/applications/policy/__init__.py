"""Loading the policy folders into one frozen catalogue; a wrong entry keeps the process from starting."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from services.applications.policy.catalogue import Catalogue, Item, MoneyStep, MoneyStepId, Policy
from services.applications.policy.entry import Entry, EntryT, all_in_force

DEFAULT_FOLDER = Path(__file__).parent

# File of a policy folder -> table in it -> field of Policy. Items have a file each.
_TABLES: Mapping[str, Mapping[str, str]] = {
    "referrals.toml": {"referral": "referrals"},
    "applicants.toml": {"kind": "applicant_kinds"},
    "evidence.toml": {"evidence": "evidence_lists"},
    "stages.toml": {"acceptance": "acceptances", "stage": "stages"},
    "notice.toml": {"notice": "notice_rules"},
    "money.toml": {"money_step": "money_steps"},
    "settings.toml": {each: each for each in ("support_years", "hand_over", "compared_lines")},
}
# Of these exactly one is in force on each day of the term.
_ONE_EACH_DAY = ("acceptances", "notice_rules", "evidence_lists", "support_years", "hand_over", "compared_lines")


class PolicyWrong(ValueError):
    """The policy data cannot be used; the message names the file or the entry. The process must not start."""


class UsedVersion(NamedTuple):
    """What is kept of each version that a case was pinned to; `last_used_on` is the newest first filing day."""

    version: str
    fingerprint: str
    last_used_on: date


def load(folder: Path = DEFAULT_FOLDER) -> Catalogue:
    """Read every policy under the folder: each has a folder of its own with a policy.toml."""
    policies = tuple(_read_policy(file.parent) for file in sorted(folder.glob("*/policy.toml")))
    if not policies:
        raise PolicyWrong(f"no <policy>/policy.toml in {folder}")
    return Catalogue(policies=policies)


def check_used_versions(catalogue: Catalogue, *, used: Iterable[UsedVersion]) -> None:
    """Refuse to start when a version that cases are pinned to was edited, removed, or ended before a case that uses it."""
    entries = {entry.version: entry for policy in catalogue.policies for entry in policy.entries()}
    for version, fingerprint, last_used_on in used:
        if version not in entries:
            raise PolicyWrong(f"{version} is used by cases and is gone: put it back and add a new version beside it")
        if entries[version].fingerprint != fingerprint:
            raise PolicyWrong(f"{version} is used by cases and was edited: restore it and add a new version beside it")
        if entries[version].last_day < last_used_on:
            raise PolicyWrong(f"{version} is used by a case filed on {last_used_on}: it cannot end before that day")


def _read_policy(folder: Path) -> Policy:
    head = _read_toml(folder / "policy.toml")
    policy_id = head.get("id")
    if policy_id != folder.name:
        raise PolicyWrong(f"{folder.name}/policy.toml holds the policy {policy_id!r}")
    known = {"policy.toml", *_TABLES}
    if strangers := sorted(file.name for file in folder.glob("*.toml") if file.name not in known):
        raise PolicyWrong(f"{folder.name}: {strangers[0]} is read by nobody")
    items = [_read_toml(file) for file in sorted((folder / "items").glob("*.toml"))]
    content: dict[str, object] = {"items": [_stamped(item, policy_id=policy_id, section="items") for item in items]}
    for name, fields in _TABLES.items():
        tables = _read_toml(folder / name)
        if tables.keys() - fields.keys():
            raise PolicyWrong(f"{folder.name}/{name}: unknown {sorted(tables.keys() - fields.keys())}")
        for table, field in fields.items():
            content[field] = [_stamped(row, policy_id=policy_id, section=field) for row in tables.get(table, [])]
    try:
        policy = Policy.model_validate_json(_canonical(content | _stamped(head, policy_id=policy_id, section="policy")))
        _check_whole(policy)
    except ValueError as wrong:
        raise PolicyWrong(f"{folder.name}: {wrong}") from wrong
    return policy


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as wrong:
        raise PolicyWrong(f"{file.parent.name}/{file.name}: {wrong}") from wrong


def _stamped(row: dict[str, Any], *, policy_id: str, section: str) -> dict[str, object]:
    """The row with where it stands and its fingerprint, neither of which a file may say itself."""
    ours = {"policy_id": policy_id, "section": section, "fingerprint": _fingerprint(row)}
    if said := sorted(row.keys() & ours.keys()):
        raise PolicyWrong(f"{policy_id}/{section}: {said[0]} is not for the file to say")
    return {**row, **ours}


def _fingerprint(row: Mapping[str, object]) -> str:
    """SHA-256 of what the file says, not of how: order, comments and spacing are free, and so is `last_day`, which a successor moves."""
    return hashlib.sha256(_canonical({key: value for key, value in row.items() if key != "last_day"}).encode()).hexdigest()


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_iso)


def _iso(value: object) -> str:
    # A TOML date-time is a date in Python, but no day.
    if type(value) is date:
        return value.isoformat()
    raise PolicyWrong(f"{value!r} is neither a day, a whole number nor a text")


def _check_whole(policy: Policy) -> None:
    """What no single entry can know of itself."""
    for entry in policy.entries():
        # Money moves by the budget law too; whatever else a policy decides, it decides by its own text.
        if not isinstance(entry, MoneyStep) and not entry.source.startswith(f"{policy.document_number} "):
            raise ValueError(f"{entry.version}: the source does not begin with {policy.document_number}")
        if entry.first_day < policy.first_day or entry.last_day > policy.last_day:
            raise ValueError(f"{entry.version}: outside the term {policy.first_day} to {policy.last_day}")
    _check_ids(policy)
    for field in ("items", "referrals", "applicant_kinds", "stages", "money_steps", *_ONE_EACH_DAY):
        _check_no_overlap(getattr(policy, field))
    for field in _ONE_EACH_DAY:
        _check_every_day(getattr(policy, field), policy=policy, what=field)
    for step_id in MoneyStepId:
        _check_every_day([step for step in policy.money_steps if step.id is step_id], policy=policy, what=f"money step {step_id}")
    for day in _days_of_change(policy):
        _check_stages(policy, on=day)
        for item in all_in_force(policy.items, on=day):
            _check_item(item, policy=policy, on=day)


def _check_ids(policy: Policy) -> None:
    for entry in (*policy.items, *policy.referrals):
        if not entry.id.startswith(f"{policy.id}/"):
            raise ValueError(f"{entry.id}: an item or referral of this policy begins with {policy.id}/")
    if both := {item.id for item in policy.items} & {referral.id for referral in policy.referrals}:
        raise ValueError(f"{sorted(both)[0]} is an item and a referral")
    compared = {line for entry in policy.compared_lines for group in entry.groups for line in group}
    if unknown := sorted(compared - {item.id for item in policy.items}):
        raise ValueError(f"compared_lines: {unknown[0]} is no item")


def _check_no_overlap(entries: Iterable[EntryT]) -> None:
    ordered = sorted(entries, key=lambda entry: (entry.id, entry.first_day))
    for earlier, later in pairwise(ordered):
        if earlier.id == later.id and later.first_day <= earlier.last_day:
            raise ValueError(f"{earlier.version} still runs when {later.version} begins: end it the day before")


def _check_every_day(entries: Iterable[Entry], *, policy: Policy, what: str) -> None:
    expected = policy.first_day
    for entry in sorted(entries, key=lambda entry: entry.first_day):
        if entry.first_day != expected:
            raise ValueError(f"{what}: exactly one must be in force on {min(entry.first_day, expected)}")
        expected = entry.last_day + timedelta(days=1)
    if expected != policy.last_day + timedelta(days=1):
        raise ValueError(f"{what}: none is in force on {expected}")


def _days_of_change(policy: Policy) -> Iterator[date]:
    """Every day of the term on which an entry begins or one has just ended: between them nothing changes."""
    days = {entry.first_day for entry in policy.entries()} | {entry.last_day + timedelta(days=1) for entry in policy.entries()}
    return iter(sorted(day for day in days if day <= policy.last_day))


def _check_stages(policy: Policy, *, on: date) -> None:
    stages = policy.stages_on(on)
    orders = [stage.order for stage in stages]
    if len(set(orders)) != len(orders):
        raise ValueError(f"two stages have the same order on {on}")
    if [stage.sets_amount for stage in stages] != [False] * (len(stages) - 1) + [True]:
        raise ValueError(f"the last stage, and only that, sets the amount; not so on {on}")


def _check_item(item: Item, *, policy: Policy, on: date) -> None:
    evidence = policy.evidence_on(on)
    if unknown := sorted({*item.evidence.required, *evidence.common} - evidence.kinds.keys()):
        raise ValueError(f"{item.version}: evidence {unknown[0]} has no title in evidence.toml on {on}")
    kinds = {kind.id for kind in all_in_force(policy.applicant_kinds, on=on)}
    if unknown := sorted(set(item.applicants.kinds) - kinds):
        raise ValueError(f"{item.version}: applicant kind {unknown[0]} is not known in applicants.toml on {on}")
