"""Rows that are sent again, documents as metadata, and terms in working days."""

from dataclasses import replace
from datetime import date

import pytest

from services.applications.deadline.rules import Deadline, deadline, is_overdue, recompute
from services.applications.evidence.rules import (
    EVIDENCE_BYTES_MAX,
    EVIDENCE_PER_FILING_MAX,
    EvidenceDigestInvalid,
    EvidenceKindUnknown,
    EvidenceMissing,
    EvidenceNameInvalid,
    EvidenceSizeInvalid,
    TooMuchEvidence,
    check_complete,
    check_evidence,
)
from services.applications.intake.rules import ENDED, State
from services.applications.policy.catalogue import Policy
from services.applications.row.rules import KnownRow, RowConflict, RowEnded, RowVerdict, judge_row, row_fingerprint
from shared.workdays import Calendar
from tests.fixtures.filings import FILED_ON, OTHER_USCC, USCC, document

CONTENT = {"item_id": "2023-15/2", "requested_fen": 1, "evidence": [{"kind": "invoices"}]}
CHANGED = {**CONTENT, "requested_fen": 2}
KNOWN = KnownRow(applicant_uscc=USCC, fingerprint=row_fingerprint(CONTENT), state=State.FILED)


def test_an_unknown_row_is_new() -> None:
    assert judge_row(None, applicant_uscc=USCC, fingerprint=row_fingerprint(CONTENT)) is RowVerdict.NEW


def test_the_order_of_fields_says_nothing_and_every_value_does() -> None:
    assert row_fingerprint(dict(reversed(CONTENT.items()))) == row_fingerprint(CONTENT)
    assert row_fingerprint(CHANGED) != row_fingerprint(CONTENT)
    assert row_fingerprint({"requested_fen": 1}) != row_fingerprint({"requested_fen": "1"})


@pytest.mark.parametrize("state", list(State))
def test_the_same_content_is_unchanged_in_every_state(state: State) -> None:
    assert judge_row(replace(KNOWN, state=state), applicant_uscc=USCC, fingerprint=row_fingerprint(CONTENT)) is RowVerdict.UNCHANGED


@pytest.mark.parametrize("state", sorted(set(State) - ENDED))
def test_a_change_is_a_next_version_before_acceptance_and_for_the_officer_after_it(state: State) -> None:
    before_acceptance = state in (State.FILED, State.RETURNED)

    verdict = judge_row(replace(KNOWN, state=state), applicant_uscc=USCC, fingerprint=row_fingerprint(CHANGED))

    assert verdict is (RowVerdict.NEXT_VERSION if before_acceptance else RowVerdict.IN_REVIEW)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_a_change_after_the_end_is_refused(state: State) -> None:
    with pytest.raises(RowEnded):
        judge_row(replace(KNOWN, state=state), applicant_uscc=USCC, fingerprint=row_fingerprint(CHANGED))


def test_another_applicant_under_the_same_row_is_a_conflict_and_is_not_named() -> None:
    with pytest.raises(RowConflict) as refused:
        judge_row(KNOWN, applicant_uscc=OTHER_USCC, fingerprint=row_fingerprint(CONTENT))

    assert USCC not in refused.value.detail_en + refused.value.detail_zh


@pytest.mark.parametrize("size_bytes", [1, EVIDENCE_BYTES_MAX])
def test_a_document_has_one_byte_to_50_mebibytes(policy: Policy, size_bytes: int) -> None:
    check_evidence([replace(document("invoices"), size_bytes=size_bytes)], policy=policy, on=FILED_ON)


@pytest.mark.parametrize("size_bytes", [0, EVIDENCE_BYTES_MAX + 1])
def test_an_empty_or_larger_document_is_refused(policy: Policy, size_bytes: int) -> None:
    with pytest.raises(EvidenceSizeInvalid) as refused:
        check_evidence([document("invoices"), replace(document("invoices"), size_bytes=size_bytes)], policy=policy, on=FILED_ON)

    assert refused.value.problems[0].pointer == "/evidence/1/size_bytes"


@pytest.mark.parametrize("name", ["a", "发票 2025.pdf", "名" * 200])
def test_a_plain_name_is_taken(policy: Policy, name: str) -> None:
    check_evidence([replace(document("invoices"), name=name)], policy=policy, on=FILED_ON)


@pytest.mark.parametrize("name", ["", " ", "a ", "..", "../a.pdf", "c:\\a.pdf", "a/b", "a\x00b", "a\nb", "名" * 201])
def test_a_name_with_a_path_or_out_of_bounds_is_refused(policy: Policy, name: str) -> None:
    with pytest.raises(EvidenceNameInvalid):
        check_evidence([replace(document("invoices"), name=name)], policy=policy, on=FILED_ON)


@pytest.mark.parametrize("sha256", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "０" * 64])
def test_a_digest_is_64_lower_case_hexadecimal_digits(policy: Policy, sha256: str) -> None:
    with pytest.raises(EvidenceDigestInvalid):
        check_evidence([replace(document("invoices"), sha256=sha256)], policy=policy, on=FILED_ON)


def test_an_unknown_kind_is_refused_with_the_known_ones(policy: Policy) -> None:
    with pytest.raises(EvidenceKindUnknown) as refused:
        check_evidence([document("selfie")], policy=policy, on=FILED_ON)

    assert refused.value.facts["known"] == list(policy.evidence_on(FILED_ON).kinds)


def test_40_documents_are_taken_and_41_are_not(policy: Policy) -> None:
    check_evidence([document("invoices")] * EVIDENCE_PER_FILING_MAX, policy=policy, on=FILED_ON)

    with pytest.raises(TooMuchEvidence):
        check_evidence([document("invoices")] * (EVIDENCE_PER_FILING_MAX + 1), policy=policy, on=FILED_ON)


def test_acceptance_names_all_that_is_missing_at_once(policy: Policy) -> None:
    item = next(item for item in policy.items if item.id == "2023-15/2")
    kinds = [*policy.evidence_on(FILED_ON).common, *item.evidence.required]

    check_complete(item, policy=policy, kinds=kinds, on=FILED_ON)
    with pytest.raises(EvidenceMissing) as refused:
        check_complete(item, policy=policy, kinds=kinds[2:], on=FILED_ON)

    assert refused.value.facts == {"missing": kinds[:2]}
    assert "申请表" in refused.value.detail_zh


def test_what_the_registry_knows_is_not_asked_for_again(policy: Policy) -> None:
    assert not {"business_licence", "registration_certificate", "permit", "filing"} & policy.evidence_on(FILED_ON).kinds.keys()


def test_a_term_counts_working_days_from_the_next_one(calendar: Calendar) -> None:
    kept = deadline(working_days=5, from_day=date(2026, 2, 10), calendar=calendar)

    assert kept == Deadline(working_days=5, from_day=date(2026, 2, 10), due_on=date(2026, 2, 24))
    assert not is_overdue(kept, on=date(2026, 2, 24))
    assert is_overdue(kept, on=date(2026, 2, 25))


def test_a_term_past_the_published_calendar_is_kept_without_a_day_and_computed_later(calendar: Calendar) -> None:
    first_year = replace(calendar, years=calendar.years[:1], workdays=tuple(day for day in calendar.workdays if day.year == calendar.years[0].year))
    from_day = date(calendar.years[0].year, 12, 29)

    kept = deadline(working_days=10, from_day=from_day, calendar=first_year)

    assert kept == Deadline(working_days=10, from_day=from_day, due_on=None)
    assert not is_overdue(kept, on=date(2099, 1, 1))
    assert recompute(kept, calendar=calendar).due_on == calendar.add_workdays(from_day, count=10)
