"""Which standing cases of compared lines are for the same, as far as the reader may know of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import func, select

from services.applications.application.queries import visible_to
from services.applications.application.tables import application
from services.applications.intake.rules import ENDED
from services.applications.matter.rules import MatterKind, SameMatter
from services.applications.matter.tables import matter
from shared.caller import Caller
from shared.db import Tx

SAME_MATTERS_MAX = 1_000
_SHOWN = (application.c.id, application.c.case_number, application.c.item_id, application.c.state)


async def same_matters(tx: Tx, *, lines: Mapping[UUID, frozenset[str]], caller: Caller) -> dict[UUID, Sequence[SameMatter]]:
    """By case, those of its compared lines; an ended case got nothing and is not shown. At most SAME_MATTERS_MAX in all."""
    if not any(lines.values()):
        return {}
    own, other = matter.alias("own"), matter.alias("other")
    statement = (
        select(own.c.application_id.label("of_id"), *_SHOWN, func.array_agg(own.c.kind.distinct()).label("kinds"))
        .join(other, (other.c.kind == own.c.kind) & (other.c.value == own.c.value) & (other.c.application_id != own.c.application_id))
        .join(application, application.c.id == other.c.application_id)
        .where(
            own.c.application_id.in_([application_id for application_id, compared in lines.items() if compared]),
            application.c.item_id.in_(sorted({line for compared in lines.values() for line in compared})),
            application.c.state.not_in(sorted(ENDED)),
            *visible_to(caller),
        )
        .group_by(own.c.application_id, application.c.id)
        .order_by(own.c.application_id, application.c.id)
        .limit(SAME_MATTERS_MAX)
    )
    found: dict[UUID, list[SameMatter]] = defaultdict(list)
    for row in await tx.execute(statement):
        if row.item_id in lines[row.of_id]:
            kinds = tuple(kind for kind in MatterKind if kind in row.kinds)
            same = SameMatter(application_id=row.id, case_number=row.case_number, item_id=row.item_id, state=row.state, by=kinds)
            found[row.of_id].append(same)
    return dict(found)
