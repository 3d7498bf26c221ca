"""Double support: which lines are compared, and by what two cases are for the same."""

from dataclasses import replace
from uuid import UUID

from services.applications.claim.rules import Claim
from services.applications.matter.rules import Document, Matter, MatterKind, SameMatter, lines_to_compare, matters_of, told
from services.applications.policy.catalogue import Policy
from tests.fixtures.filings import FILED_ON, USCC

CLAIM = Claim(applicant_uscc=USCC)
PROOF, FORM = Document(kind="achievement_proof", sha256="a" * 64), Document(kind="application_form", sha256="b" * 64)


def test_lines_that_may_pay_for_the_same_are_compared_both_ways(policy: Policy) -> None:
    rule = policy.compared_lines_on(FILED_ON)

    assert lines_to_compare(rule, item_id="2023-15/8a") == {"2023-15/8b"}
    assert lines_to_compare(rule, item_id="2023-15/8b") == {"2023-15/8a"}
    assert lines_to_compare(rule, item_id="2023-15/2") == frozenset()


def test_a_case_is_for_its_project_its_park_and_year_and_what_its_own_documents_prove(policy: Policy) -> None:
    claim = replace(CLAIM, project_code="KP-1", park_code="P-1", support_year=2024)

    matters = matters_of(claim, documents=[PROOF, FORM], common=policy.evidence_on(FILED_ON).common, filed_on=FILED_ON)

    assert matters == {Matter(MatterKind.PROJECT, "KP-1"), Matter(MatterKind.PARK_YEAR, "P-1|2024"), Matter(MatterKind.DOCUMENT, PROOF.sha256)}


def test_a_park_without_a_year_of_support_counts_for_the_year_of_filing() -> None:
    matters = matters_of(replace(CLAIM, park_code="P-1"), documents=[], common=(), filed_on=FILED_ON)

    assert matters == {Matter(MatterKind.PARK_YEAR, "P-1|2025")}


def test_documents_that_everybody_hands_in_again_are_no_matter() -> None:
    assert matters_of(CLAIM, documents=[FORM], common=("application_form",), filed_on=FILED_ON) == frozenset()


def test_the_warning_names_the_other_case_what_is_shared_and_the_clause() -> None:
    same = SameMatter(application_id=UUID(int=1), case_number="C-1", item_id="2023-15/10", state="paid", by=(MatterKind.PROJECT, MatterKind.DOCUMENT))

    zh, en = told(same, clause="威人社发〔2023〕15号 三(二)")

    assert zh == "与案件C-1（2023-15/10）的项目编号、证明材料相同，请核对是否就同一事项重复享受支持（威人社发〔2023〕15号 三(二)）。"
    assert en == "Shares its project code, evidence with case C-1 (2023-15/10): see whether both ask for the same (威人社发〔2023〕15号 三(二))."
