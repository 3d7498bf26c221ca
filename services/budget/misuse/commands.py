"""Writes about misuse cases: the freeze and the recovery that come with them. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import insert, text

from services.budget.allotment.rules import check_dated
from services.budget.clawback import commands as clawback
from services.budget.entry.commands import lock_books
from services.budget.freeze import commands as freeze
from services.budget.freeze.rules import Scope
from services.budget.ledger.rules import Act
from services.budget.misuse import queries, rules
from services.budget.misuse.rules import Article, MisuseState
from services.budget.misuse.tables import misuse_case
from services.budget.policy.catalogue import Catalogue
from shared.db import AnyRow, Tx
from shared.ids import new_id

RECOVERIES_PER_CASE_MAX = 100

_OPEN = insert(misuse_case)
_PAID_TO = text("""
SELECT o.id, r.applicant_uscc, r.jurisdiction_id FROM payment_order o JOIN reservation r USING (application_id, proposal_id)
WHERE o.id = ANY(CAST(:ids AS uuid[]))
""")
_CLOSE = text("""
UPDATE misuse_case SET state = 'closed', closing_document = :document, closed_by = :closed_by, closed_at = :at, version = version + 1 WHERE id = :id
""")


@dataclass(frozen=True, kw_only=True)
class NewCase:
    """Against an organisation or a jurisdiction, one of them; `authority` decided it and is to be asked."""

    uscc: str | None
    jurisdiction_id: str | None
    article: Article
    document: str
    authority: str
    reason: str
    found_on: date


@dataclass(frozen=True, kw_only=True)
class ToRecover:
    payment_order_id: UUID
    amount_fen: int


async def open_misuse_case(tx: Tx, new: NewCase, *, recover: Sequence[ToRecover], act: Act) -> AnyRow:
    """Record the decision, stop the money of whom it is against, and order back what it says; all of it or nothing."""
    assert len(recover) <= RECOVERIES_PER_CASE_MAX, f"{len(recover)} recoveries in one case"
    rules.check_article(new.article, against_organisation=new.uscc is not None)
    check_dated(new.found_on, on=act.on, pointer="/found_on")
    await lock_books(tx)
    frozen = await freeze.order_freeze(
        tx,
        scope=Scope.ORGANISATION if new.uscc is not None else Scope.JURISDICTION,
        uscc=new.uscc,
        jurisdiction_id=new.jurisdiction_id,
        document=new.document,
        authority=new.authority,
        reason=new.reason,
        ordered_on=new.found_on,
        act=act,
    )
    misuse_case_id = new_id()
    row: dict[str, object] = {
        "id": misuse_case_id,
        "uscc": new.uscc,
        "jurisdiction_id": new.jurisdiction_id,
        "article": new.article,
        "document": new.document,
    }
    row |= {"reason": new.reason, "found_on": new.found_on, "freeze_id": frozen.id, "state": MisuseState.OPEN}
    await tx.execute(_OPEN, {**row, "opened_by": act.caller, "opened_at": act.at, "version": 1})
    paid_to = {each.id: each for each in await tx.execute(_PAID_TO, {"ids": [each.payment_order_id for each in recover]})}
    for index, each in enumerate(recover):
        payment = paid_to.get(each.payment_order_id)
        is_theirs = payment is not None and new.uscc in (None, payment.applicant_uscc)
        is_theirs = is_theirs and payment is not None and new.jurisdiction_id in (None, payment.jurisdiction_id)
        rules.check_recovery(is_theirs=is_theirs, index=index)
        await clawback.order_clawback(
            tx,
            payment_order_id=each.payment_order_id,
            amount_fen=each.amount_fen,
            document=new.document,
            reason=new.reason,
            act=act,
            misuse_case_id=misuse_case_id,
        )
    return await queries.misuse_case_of(tx, misuse_case_id)


async def close_misuse_case(tx: Tx, misuse_case_id: UUID, *, version: int, document: str, act: Act, catalogue: Catalogue) -> AnyRow:
    """Once all was recovered; the freeze that came with it is lifted under the same document."""
    await lock_books(tx)
    found = await queries.misuse_case_of(tx, misuse_case_id)
    open_fen = found.ordered_fen - found.received_fen
    rules.check_closing(MisuseState(found.state), open_fen=open_fen, current_version=found.version, version=version)
    await tx.execute(_CLOSE, {"id": misuse_case_id, "document": document, "closed_by": act.caller, "at": act.at})
    await freeze.lift(tx, found.freeze_id, document=document, act=act, catalogue=catalogue)
    return await queries.misuse_case_of(tx, misuse_case_id)
