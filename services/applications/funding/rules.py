"""What the officers do about a refusal of the budget that no further review can change."""

from typing import NamedTuple


class Remedy(NamedTuple):
    zh: str
    en: str


_DATA_DIFFER = Remedy(
    "资金系统没有该项目对应的资金，重新审核不能改变：请先由两系统管理员核对政策数据，更正后再提请；无法更正的，说明理由不予支持。",
    "The budget has no money for this item, and no review changes that: have the policy data of both systems compared and corrected before it is "
    "proposed again; if that cannot be done, refuse the case with its reason.",
)
_BEYOND_REVIEW = {
    "year-outside-term": Remedy(
        "提请年度不在资金期限内，重新审核不能改变：请市人社、市财政部门核对政策期限和结转资金，期限延长后方可再提请；无资金来源的，说明理由不予支持。",
        "The fiscal year is outside the fund's term, and no review changes that: propose it again only if the term is extended; where no money can "
        "come, refuse the case with its reason.",
    ),
    "unknown-line": _DATA_DIFFER,
    "unknown-policy": _DATA_DIFFER,
}


def remedy_for(reason_code: str | None) -> Remedy | None:
    """None where a new review may lead further: another sum, another year, an earlier proposal that is released."""
    return None if reason_code is None else _BEYOND_REVIEW.get(reason_code)
