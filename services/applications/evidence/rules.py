"""Decisions about evidence: what may be named as a document, and what an item still lacks."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from services.applications.policy.catalogue import Item, Policy
from shared.errors import Conflict, Refusal

EVIDENCE_BYTES_MAX = 50 * 1024 * 1024
EVIDENCE_PER_FILING_MAX = 40
NAME_CHARS_MAX = 200

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NOT_IN_A_NAME = re.compile(r"[/\\:\x00-\x1f\x7f]")


class TooMuchEvidence(Refusal):
    code = "too-much-evidence"
    title_en = "Too many documents in one application"
    title_zh = "材料份数过多"


class EvidenceKindUnknown(Refusal):
    code = "evidence-kind-unknown"
    title_en = "There is no such kind of document"
    title_zh = "没有该材料类型"


class EvidenceNameInvalid(Refusal):
    code = "evidence-name-invalid"
    title_en = "The name of the document cannot be used"
    title_zh = "材料文件名无效"


class EvidenceDigestInvalid(Refusal):
    code = "evidence-digest-invalid"
    title_en = "Not a SHA-256 digest"
    title_zh = "材料摘要值无效"


class EvidenceSizeInvalid(Refusal):
    code = "evidence-size-invalid"
    title_en = "The size of the document is out of bounds"
    title_zh = "材料大小超出范围"


class EvidenceMissing(Conflict):
    code = "evidence-missing"
    title_en = "Documents are missing"
    title_zh = "材料不齐"
    remedy_en = "Return the application once with all that is missing, or wait for the documents."
    remedy_zh = "请一次性告知需要补正的全部材料，或待材料补齐后再受理。"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A document named by the applicant; its content is uploaded later and must have this digest."""

    kind: str
    name: str
    sha256: str
    size_bytes: int


def check_evidence(evidence: Sequence[Evidence], *, policy: Policy, on: date) -> None:
    """Bounds and names of the documents; a missing one is no reason to refuse the filing."""
    if len(evidence) > EVIDENCE_PER_FILING_MAX:
        raise TooMuchEvidence(
            f"{len(evidence)} documents are named, at most {EVIDENCE_PER_FILING_MAX} are taken.",
            detail_zh=f"列出材料{len(evidence)}份，最多{EVIDENCE_PER_FILING_MAX}份。",
            pointer="/evidence",
        )
    known = policy.evidence_on(on).kinds
    for index, each in enumerate(evidence):
        where = f"/evidence/{index}"
        if each.kind not in known:
            raise EvidenceKindUnknown(
                f"There is no kind of document {each.kind!r}; `known` lists those there are.",
                detail_zh=f"没有材料类型{each.kind!r}，可用类型见known。",
                pointer=f"{where}/kind",
                facts={"known": list(known)},
            )
        _check_name(each.name, pointer=f"{where}/name")
        _check_digest(each.sha256, pointer=f"{where}/sha256")
        _check_size(each.size_bytes, pointer=f"{where}/size_bytes")


def missing_evidence(item: Item, *, policy: Policy, kinds: Iterable[str], on: date) -> tuple[str, ...]:
    """Kinds that the item needs and the application does not name, in the order of the policy."""
    named = set(kinds)
    return tuple(kind for kind in (*policy.evidence_on(on).common, *item.evidence.required) if kind not in named)


def check_complete(item: Item, *, policy: Policy, kinds: Iterable[str], on: date) -> None:
    """For acceptance: every document that the item needs is named."""
    missing = missing_evidence(item, policy=policy, kinds=kinds, on=on)
    if missing:
        titles = [policy.evidence_on(on).kinds[kind] for kind in missing]
        raise EvidenceMissing(
            f"{item.id} still needs: {'; '.join(title.title_en for title in titles)}.",
            detail_zh=f"{item.short_name_zh}还缺少：{'、'.join(title.title_zh for title in titles)}。",
            facts={"missing": list(missing)},
        )


def _check_name(name: str, *, pointer: str) -> None:
    if not 1 <= len(name) <= NAME_CHARS_MAX or name != name.strip() or name in {".", ".."} or _NOT_IN_A_NAME.search(name):
        raise EvidenceNameInvalid(
            f"A name has 1 to {NAME_CHARS_MAX} characters, no path, no control character and no space at its ends.",
            detail_zh=f"文件名为1至{NAME_CHARS_MAX}个字符，不含路径、控制字符，首尾不含空格。",
            pointer=pointer,
        )


def _check_digest(sha256: str, *, pointer: str) -> None:
    if not _SHA256.fullmatch(sha256):
        raise EvidenceDigestInvalid(
            "The digest is SHA-256 in 64 lower-case hexadecimal digits.", detail_zh="摘要值应为64位小写十六进制的SHA-256值。", pointer=pointer
        )


def _check_size(size_bytes: int, *, pointer: str) -> None:
    if not 1 <= size_bytes <= EVIDENCE_BYTES_MAX:
        raise EvidenceSizeInvalid(
            f"{size_bytes} bytes; a document has 1 to {EVIDENCE_BYTES_MAX} bytes (50 MiB).",
            detail_zh=f"材料大小为{size_bytes}字节，应为1至{EVIDENCE_BYTES_MAX}字节（50 MiB）。",
            pointer=pointer,
            facts={"bytes_max": EVIDENCE_BYTES_MAX},
        )
