"""What the reads of the books have in common over HTTP: as of which row, effective when, and an ETag that seals that row."""

from datetime import datetime
from typing import Annotated, Self, TypeAlias

from fastapi import Depends, Header, Query, Response
from pydantic import BaseModel

from services.budget.snapshot.rules import AsOf, Days, Snapshot
from shared.day import Day, Instant
from shared.paging import BIGINT_END


async def _as_of(
    as_of_seq: Annotated[int | None, Query(ge=1, lt=BIGINT_END, description="As the books stood after this row | 截至该分录")] = None,
    as_of_booked: Annotated[Instant | None, Query(description="As the books stood at this instant | 截至该记账时刻")] = None,
) -> AsOf:
    return AsOf(seq=as_of_seq, booked_at=as_of_booked)


async def _days(
    effective_from: Annotated[Day | None, Query(description="First effective day | 生效日自")] = None,
    effective_to: Annotated[Day | None, Query(description="Last effective day | 生效日至")] = None,
) -> Days:
    return Days(first=effective_from, last=effective_to)


async def _known_tags(
    if_none_match: Annotated[str, Header(max_length=1_000, description="ETag of the answer you have: 304 when it is still so | 已有结果的ETag")] = "",
) -> frozenset[str]:
    return frozenset(tag.strip().removeprefix("W/") for tag in if_none_match.split(","))


AsOfAsked: TypeAlias = Annotated[AsOf, Depends(_as_of)]
DaysAsked: TypeAlias = Annotated[Days, Depends(_days)]
KnownTags: TypeAlias = Annotated[frozenset[str], Depends(_known_tags)]


class SnapshotView(BaseModel):
    """The row that an answer is of: the last that it counts, and in `chain` the hash that seals all rows up to it."""

    as_of_seq: int
    as_of_booked_at: datetime
    chain: str

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        return cls(as_of_seq=snapshot.seq, as_of_booked_at=snapshot.booked_at, chain=snapshot.chain.hex())


def etag_of(snapshot: Snapshot) -> str:
    return f'"{snapshot.chain.hex()}"'


def unchanged(snapshot: Snapshot, *, known: frozenset[str]) -> Response | None:
    """The answer to somebody who has it: the same rows under the same address say the same."""
    tag = etag_of(snapshot)
    return Response(status_code=304, headers={"ETag": tag}) if tag in known else None


def sealed(view: BaseModel, *, snapshot: Snapshot) -> Response:
    return Response(view.model_dump_json(), media_type="application/json", headers={"ETag": etag_of(snapshot)})
