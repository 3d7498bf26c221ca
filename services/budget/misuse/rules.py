"""Decisions about misuse cases: what must be named, and when a case may be closed."""

from enum import StrEnum

from shared.errors import Conflict, NotFound, Refusal, Stale
from shared.money import yuan_text


class Article(StrEnum):
    """Of the 财政违法行为处罚处分条例 (国务院令427): use against purpose, withholding by an office; fraud and misuse by who received it."""

    OFFICE_MISUSE = "6"
    RECIPIENT_FRAUD = "14"


class MisuseState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class NoSuchMisuseCase(NotFound):
    code = "misuse-case-not-found"
    title_en = "There is no such misuse case"
    title_zh = "未找到该违规案件"


class MisuseCaseStale(Stale):
    code = "misuse-case-stale"


class MisuseCaseClosed(Conflict):
    code = "misuse-case-closed"
    title_en = "The misuse case was closed before"
    title_zh = "该违规案件已办结"


class RecoveryOpen(Conflict):
    code = "recovery-open"
    title_en = "Money is still to be recovered"
    title_zh = "尚有资金未追回"
    remedy_en = "Take in what was ordered back; then close the case."
    remedy_zh = "请在追回款项全部到账后办结。"


class ArticleDoesNotFit(Refusal):
    code = "article-does-not-fit"
    title_en = "The article is about somebody else"
    title_zh = "所引条款与对象不符"


class PaidToSomebodyElse(Refusal):
    code = "paid-to-somebody-else"
    title_en = "The payment was not to whom the case is against"
    title_zh = "该笔支付与违规案件对象不符"


def check_article(article: Article, *, against_organisation: bool) -> None:
    """处罚处分条例 6 is about offices, 14 about enterprises and individuals."""
    if (article is Article.RECIPIENT_FRAUD) != against_organisation:
        raise ArticleDoesNotFit(
            "Article 14 is against an organisation that received money, article 6 against a jurisdiction's office.",
            detail_zh="第十四条适用于领取资金的单位，第六条适用于辖区有关机关。",
            pointer="/article",
        )


def check_recovery(*, is_theirs: bool, index: int) -> None:
    if not is_theirs:
        raise PaidToSomebodyElse(
            "Recover payments of the organisation or jurisdiction that the case is against.",
            detail_zh="只能追回案件对象名下的支付。",
            pointer=f"/recover/{index}/payment_order_id",
        )


def check_closing(state: MisuseState, *, open_fen: int, current_version: int, version: int) -> None:
    if state is MisuseState.CLOSED:
        raise MisuseCaseClosed("Look at its closing document.", detail_zh="请查看办结文件。")
    if open_fen:
        raise RecoveryOpen(
            f"{yuan_text(open_fen)} yuan ordered back are not received yet.",
            detail_zh=f"尚有{yuan_text(open_fen)}元未追回。",
            facts={"open_fen": open_fen},
        )
    if current_version != version:
        raise MisuseCaseStale(
            f"You sent version {version}; it is at version {current_version}.", detail_zh=f"您提交的版本为{version}，当前版本为{current_version}。"
        )
