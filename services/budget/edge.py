"""What the edges of every noun of the budget need: the act that a call or an event is, and the seal."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BeforeValidator, ConfigDict, Field

from services.budget.ledger.rules import EVENT, Act
from services.budget.policy import paying
from services.budget.policy.paying import Paying
from services.budget.sealing import Seal
from services.budget.settings import BudgetSettings
from shared.clock import Moment
from shared.db import Tx
from shared.document import canonical_document, canonical_reference
from shared.events import Event, encode
from shared.idempotency import Attempt
from shared.live import Live
from shared.visible import Visible

FiscalYear = Annotated[int, Field(strict=True, ge=2000, le=2999)]
Document = Annotated[str, BeforeValidator(canonical_document), Field(min_length=1, max_length=100)]
# Of somebody else: a bank's, a district's.
Reference = Annotated[str, BeforeValidator(canonical_reference), Field(min_length=1, max_length=60)]
# A few words are enough: those of a bank, or of an order that stays among officers.
Remark = Annotated[str, Field(min_length=1, max_length=500), Visible(1)]
# Ids of policy and city, as their files have them.
PolicyId = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[\x21-\x7e]+$")]
LineId = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[\x21-\x7e]+$")]
JurisdictionId = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[\x21-\x7e]+$")]
DryRun = Annotated[bool, Query(description="Answer the same and write nothing | 试算：结果相同，不写入")]


class _Rehearsed(Exception):
    """Takes a transaction back whose answer was all that was wanted."""


@asynccontextmanager
async def rehearsable(live: Live, *, dry_run: bool) -> AsyncIterator[Tx]:
    """The call's one transaction, committed when it leaves without an exception; a dry run is taken back instead."""
    try:
        async with live.transaction() as tx:
            yield tx
            if dry_run:
                raise _Rehearsed
    except _Rehearsed:
        return


def example(**body: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [body]})


def require_jurisdiction(live: Live, *, jurisdiction_id: str | None) -> None:
    """Raises UnknownJurisdiction."""
    if jurisdiction_id is not None:
        live.city.jurisdiction(jurisdiction_id)


async def current_paying() -> Mapping[str, Paying]:
    """By policy; a dependency, so that an app may be built that pays its awards another way."""
    return paying.current()


PayingNow: TypeAlias = Annotated[Mapping[str, Paying], Depends(current_paying)]


def act_of(once: Attempt, *, moment: Moment) -> Act:
    """The caller, its key and fingerprint stay in the journal for ever."""
    return Act(caller=once.caller.id, key=once.key, fingerprint=once.fingerprint, at=moment.at, on=moment.on)


def act_of_event(event: Event, *, key: UUID) -> Act:
    """An event stands in the books as the caller that it is; `key` is the proposal that it is about."""
    body = encode(event)
    assert body is not None, "only tombstones have no body"
    return Act(caller=f"{EVENT}{event.type}", key=str(key), fingerprint=hashlib.sha256(body).digest(), at=event.happened_at, on=event.happened_on)


def seal_of(live: Live) -> Seal:
    assert isinstance(live.settings, BudgetSettings), "the budget is built with its own settings"
    return Seal(live.settings.sealing_key(), live.settings.previous_sealing_keys())
