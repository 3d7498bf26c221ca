"""What can have happened to a case in the budget."""

from collections.abc import Mapping
from enum import StrEnum

from shared.errors import NotFound


class Happened(StrEnum):
    """`ANSWERED` is an answer of the journal that moved nothing; `NOTED` is what the reservation's history keeps."""

    POSTED = "posted"
    ANSWERED = "answered"
    NOTED = "noted"
    ACCOUNT_ENTERED = "account_entered"
    ACCOUNT_CONFIRMED = "account_confirmed"
    ORDER_MADE = "order_made"
    ORDER_CHECKED = "order_checked"
    ORDER_APPROVED = "order_approved"
    BANK_SAID = "bank_said"
    LATE_PAYMENT_DECIDED = "late_payment_decided"
    HANDED_DOWN = "handed_down"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    CLAWBACK_ORDERED = "clawback_ordered"
    CLAWBACK_RECEIVED = "clawback_received"


TITLE_ZH: Mapping[Happened, str] = {
    Happened.POSTED: "记账",
    Happened.ANSWERED: "未动资金的答复",
    Happened.NOTED: "预留状态变动",
    Happened.ACCOUNT_ENTERED: "录入收款账户",
    Happened.ACCOUNT_CONFIRMED: "复核收款账户",
    Happened.ORDER_MADE: "支付申请（经办）",
    Happened.ORDER_CHECKED: "支付申请（复核）",
    Happened.ORDER_APPROVED: "支付申请（审批）",
    Happened.BANK_SAID: "银行回执",
    Happened.LATE_PAYMENT_DECIDED: "退回后到账的认定",
    Happened.HANDED_DOWN: "指标下达",
    Happened.FROZEN: "暂停拨付",
    Happened.UNFROZEN: "恢复拨付",
    Happened.CLAWBACK_ORDERED: "责令追回",
    Happened.CLAWBACK_RECEIVED: "追回到账",
}


class NoSuchCase(NotFound):
    code = "case-not-found"
    title_en = "The budget knows no such case"
    title_zh = "资金管理中没有该案件"
