"""Daily reconciliation: what each day moved, and whether the books, the reservations, the orders and the documents agree."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from shared.errors import Refusal

DAYS_MAX = 31


class DaysUnfit(Refusal):
    code = "reconciliation-days-unfit"
    title_en = "Not days that can be reconciled"
    title_zh = "对账日期范围不符合要求"


class Check(StrEnum):
    """Two sums that have to be equal, from two places that know nothing of each other."""

    JOURNAL_BALANCES = "journal_balances"
    JOURNAL_ACCOUNTS = "journal_accounts"
    DEBITS_CREDITS = "debits_credits"
    JOURNAL_ROWS = "journal_rows"
    VOUCHERS = "vouchers"
    APPROPRIATED = "appropriated"
    RESERVED_CASES = "reserved_cases"
    RESERVED_HELD = "reserved_held"
    IN_TRANSIT_CASES = "in_transit_cases"
    IN_TRANSIT_ORDERS = "in_transit_orders"
    PAID_ORDERS = "paid_orders"
    TO_REMIT = "to_remit"


# What stands on the left and on the right of each.
SIDES: Mapping[Check, tuple[str, str, str]] = {
    Check.JOURNAL_BALANCES: ("余额核对", "all balances as kept | 账面余额合计", "the journal added up | 分录重新累加"),
    Check.JOURNAL_ACCOUNTS: ("逐户核对", "accounts kept | 账户数", "accounts that the journal adds up to | 与分录一致的账户数"),
    Check.DEBITS_CREDITS: ("借贷平衡", "accounts that money comes from | 来源类余额", "accounts where it is | 去向类余额"),
    Check.JOURNAL_ROWS: ("分录连续", "number of the last row | 末条序号", "rows there are | 实有分录数"),
    Check.VOUCHERS: ("凭证连续", "last numbers of all kinds | 各类末号合计", "vouchers there are | 实有凭证数"),
    Check.APPROPRIATED: ("批复核对", "books: appropriated | 账面年度批复", "documents less reversals | 批复文件减冲正"),
    Check.RESERVED_CASES: ("预留核对", "books: reserved | 账面已预留", "cases with money reserved | 已预留案件"),
    Check.RESERVED_HELD: ("分案核对", "cases with money reserved | 已预留案件数", "cases whose entries add up to it | 分录与预留相符的案件数"),
    Check.IN_TRANSIT_CASES: ("在途核对（案件）", "books: in transit | 账面在途", "cases being paid | 支付中的案件"),
    Check.IN_TRANSIT_ORDERS: ("在途核对（支付申请）", "books: in transit | 账面在途", "orders in transit | 在途支付申请"),
    Check.PAID_ORDERS: ("支付核对", "books: paid less recovered late | 账面已支付减上年追回", "orders paid less receipts | 已付申请减追回收款"),
    Check.TO_REMIT: ("待缴核对", "books: to be remitted | 账面上缴待缴", "recovered and not remitted | 追回尚未上缴"),
}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The two sums: of money in fen, else of things."""

    check: Check
    left: int
    right: int

    @property
    def is_equal(self) -> bool:
        return self.left == self.right


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What was booked on one day, in fen; the day is that of booking in the city's time."""

    vouchers: int = 0
    answers: int = 0
    ordered_fen: int = 0
    confirmed_fen: int = 0
    returned_fen: int = 0
    in_transit_grown_fen: int = 0


@dataclass(frozen=True, kw_only=True)
class Day:
    day: date
    moved: Moved
    in_transit_fen: int


def check_days(first: date, *, last: date, today: date) -> None:
    if not first <= last <= today or (last - first).days >= DAYS_MAX:
        raise DaysUnfit(
            f"{first} to {last} is asked for; at most {DAYS_MAX} days in their order, the last no later than today, {today}.",
            detail_zh=f"所查日期为{first}至{last}；应按先后填写，最多{DAYS_MAX}天，且不晚于今日{today}。",
            pointer="/first_day",
        )


def days_between(first: date, *, last: date, moved: Mapping[date, Moved], in_transit_fen: int) -> list[Day]:
    """Each day with what was in transit at its end; `in_transit_fen` is so now, and `moved` has every day from the first until now."""
    days: list[Day] = []
    for day in sorted({*moved, *(first + timedelta(days=n) for n in range((last - first).days + 1))}, reverse=True):
        found = moved.get(day, Moved())
        if first <= day <= last:
            days.append(Day(day=day, moved=found, in_transit_fen=in_transit_fen))
        in_transit_fen -= found.in_transit_grown_fen
    return days[::-1]


def is_balanced(checks: Iterable[Checked]) -> bool:
    return all(each.is_equal for each in checks)


def age_days(ordered_on: date, *, on: date) -> int:
    """Whole days since; 0 on the day itself."""
    return max(0, (on - ordered_on).days)


def checks_of(sums: Mapping[str, int]) -> Sequence[Checked]:
    """`sums` has both sides of every check under its name."""
    return [Checked(check=check, left=sums[f"{check}_left"], right=sums[f"{check}_right"]) for check in Check]
