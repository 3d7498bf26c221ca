"""Writes about payees' accounts. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from sqlalchemy import ColumnElement, text, update
from sqlalchemy.dialects.postgresql import insert

from services.budget.ledger.rules import Act, require_whole_city
from services.budget.payee import rules
from services.budget.payee.rules import CURRENT, PayeeState
from services.budget.payee.tables import payee_account
from services.budget.sealing import MARK_BYTES, Seal
from shared.caller import Caller
from shared.db import AnyRow, Tx
from shared.ids import new_id

_JURISDICTION = text("""
SELECT jurisdiction_id FROM reservation WHERE application_id = :application_id AND jurisdiction_id IS NOT NULL ORDER BY place DESC LIMIT 1
""")
_INSERT = insert(payee_account).on_conflict_do_nothing().returning(payee_account)
_CONFIRM = text("""
UPDATE payee_account a SET state = 'confirmed', confirmed_by = :confirmed_by, confirmed_at = :at, version = version + 1
FROM (SELECT id FROM payee_account WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'entered' ORDER BY id FOR NO KEY UPDATE) AS entered
WHERE a.id = entered.id
""")
_RETURN = text("""
UPDATE payee_account a SET state = 'returned', version = version + 1
FROM (
    SELECT id FROM payee_account WHERE id = ANY(CAST(:ids AS uuid[])) AND state IN ('entered', 'confirmed') ORDER BY id FOR NO KEY UPDATE
) AS current
WHERE a.id = current.id
""")


# An account that is entered meanwhile has the present key already, and nothing else ever changes a sealed number.
_SEALED_EARLIER = text("""
SELECT id, number_sealed FROM payee_account
WHERE substring(number_sealed FROM 1 FOR CAST(:mark_bytes AS int)) <> :mark AND (CAST(:after_id AS uuid) IS NULL OR id > :after_id)
ORDER BY id LIMIT :rows_max
""")
_SEAL_ANEW = text("""
UPDATE payee_account a SET number_sealed = s.new
FROM unnest(CAST(:ids AS uuid[]), CAST(:old AS bytea[]), CAST(:new AS bytea[])) AS s (id, old, new) WHERE a.id = s.id AND a.number_sealed = s.old
""")


@dataclass(frozen=True, kw_only=True)
class Portion:
    """What sealing anew did in one transaction; `last_id` is where the next one goes on, None at the end."""

    sealed: int
    unreadable: Sequence[UUID]
    last_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class NewAccount:
    """Of one case, or of an organisation for all its cases: exactly one of the two is named."""

    application_id: UUID | None
    uscc: str | None
    account_name: str
    bank_name: str
    bank_code: str | None
    number: str = field(repr=False)


async def enter_account(tx: Tx, account: NewAccount, *, seal: Seal, caller: Caller, act: Act) -> AnyRow:
    """Enter an account in place of the one before it; it may be paid to when a second person has typed its number again."""
    jurisdiction_id = await _jurisdiction(tx, account, caller=caller)
    await tx.execute(update(payee_account).where(_is_of(account), payee_account.c.state.in_(CURRENT)).values(state=PayeeState.REPLACED))
    record_id = new_id()
    entered: AnyRow | None = (
        await tx.execute(
            _INSERT,
            {
                "id": record_id,
                "application_id": account.application_id,
                "uscc": account.uscc,
                "jurisdiction_id": jurisdiction_id,
                "account_name": account.account_name,
                "bank_name": account.bank_name,
                "bank_code": account.bank_code,
                "number_sealed": seal.close(account.number, record_id=record_id),
                "number_last_4": account.number[-4:],
                "state": PayeeState.ENTERED,
                "entered_by": act.caller,
                "entered_at": act.at,
                "version": 1,
            },
        )
    ).one_or_none()
    if entered is None:
        raise rules.EnteredAtOnce("Look at the account that was entered just now.", detail_zh="请先核对他人刚录入的账户。")
    return entered


async def confirm_accounts(tx: Tx, ids: Sequence[UUID], *, act: Act) -> None:
    """The caller compared the numbers; those confirmed before keep their first witness."""
    await tx.execute(_CONFIRM, {"ids": list(ids), "confirmed_by": act.caller, "at": act.at})


async def mark_returned(tx: Tx, ids: Sequence[UUID]) -> None:
    """The bank sent payments to these back: nothing more is paid to them until an account is entered and confirmed anew."""
    await tx.execute(_RETURN, {"ids": list(ids)})


async def seal_anew(tx: Tx, *, after_id: UUID | None, seal: Seal, rows_max: int) -> Portion:
    """Seal with the present key what an earlier one has sealed, the next `rows_max` by id. What no key opens stays as it is and is named."""
    rows = (await tx.execute(_SEALED_EARLIER, {"mark": seal.mark, "mark_bytes": MARK_BYTES, "after_id": after_id, "rows_max": rows_max})).all()
    anew: dict[UUID, tuple[bytes, bytes]] = {}
    unreadable: list[UUID] = []
    for row in rows:
        try:
            number = seal.open(row.number_sealed, record_id=row.id)
        except InvalidTag:
            unreadable.append(row.id)
        else:
            anew[row.id] = (row.number_sealed, seal.close(number, record_id=row.id))
    if anew:
        old, new = zip(*anew.values(), strict=True)
        await tx.execute(_SEAL_ANEW, {"ids": list(anew), "old": list(old), "new": list(new)})
    return Portion(sealed=len(anew), unreadable=unreadable, last_id=rows[-1].id if len(rows) == rows_max else None)


async def _jurisdiction(tx: Tx, account: NewAccount, *, caller: Caller) -> str | None:
    if account.application_id is None:
        require_whole_city(caller)
        return None
    found: str | None = (await tx.execute(_JURISDICTION, {"application_id": account.application_id})).scalar_one_or_none()
    if found is None or not caller.covers(found):
        # The same of another district's case: which district it is in is not told.
        raise rules.UnknownCase("No award of this case was ever proposed here.", detail_zh="该案件尚未提出资金安排。", pointer="/application_id")
    return found


def _is_of(account: NewAccount) -> ColumnElement[bool]:
    if account.application_id is not None:
        return payee_account.c.application_id == account.application_id
    return payee_account.c.uscc == account.uscc
