"""The desk of these tests: applications in this process on a real database, fed with the events of the others, its jobs run by hand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx
from aiokafka.structs import ConsumerRecord

from services.applications.notice.jobs import close_notices
from services.applications.worker import consumer
from shared import inbox
from shared.events import HEADER_SEQ, Event, encode, envelope
from shared.events.budget import FundsReserved, MoneyEvent
from shared.events.registry import InstitutionRecorded, OrganisationRegistered
from shared.ids import new_id, new_id_text
from shared.live import Live
from tests.building import Announced, announced, fetch, move_business_clock
from tests.integration.applications.callers import CITY_REVIEWER, FINANCE, HUANCUI, JOINT_REVIEWER, OFFICER, USCC, filing
from tests.runtime import Database

PERMIT_FIRST_DAY = date(2022, 1, 1)
AMOUNT_FEN = 4_000_000


@dataclass
class Desk:
    client: httpx.AsyncClient
    database: Database
    folder: Path
    live: Live
    seqs: Counter[tuple[str, str]] = field(default_factory=Counter)
    offset: int = 0

    def move_clock(self, moment: str) -> None:
        move_business_clock(self.folder, datetime.fromisoformat(moment))

    async def rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await fetch(self.database, query, *arguments, service="applications")]

    async def announced(self) -> list[Announced]:
        return await announced(self.database, service="applications")

    async def told(self, application_id: str) -> list[str]:
        """The story of one case as announced, by the short names of its events."""
        return [each.type.split(".")[1] for each in await self.announced() if each.key == application_id]

    def record(self, event: Event) -> ConsumerRecord[Any, Any]:
        """The next record of the event's key, as the broker would hand it over."""
        self.seqs[event.topic, event.key()] += 1
        self.offset += 1
        made = envelope(event, event_id=new_id_text(), sent_at=event.happened_at.isoformat(), traceparent=None)
        made[HEADER_SEQ] = str(self.seqs[event.topic, event.key()])
        return ConsumerRecord(
            topic=event.topic,
            partition=0,
            offset=self.offset,
            timestamp=0,
            timestamp_type=0,
            key=event.key().encode(),
            value=encode(event),
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            headers=[(name, text.encode()) for name, text in made.items()],
        )

    async def hear(self, *events: Event) -> None:
        """One poll with these events."""
        await self.receive(*(self.record(event) for event in events))

    async def receive(self, *records: ConsumerRecord[Any, Any]) -> None:
        hearing = consumer(self.live.city)
        read = [inbox.read(record, topic=record.topic, consumer=hearing) for record in records]
        async with self.live.transaction() as tx:
            await inbox.receive(tx, consumer=hearing, records=read)

    async def know(self, uscc: str = USCC, *, kind: str = "enterprise", permit: bool = True) -> None:
        """The registry tells of an organisation, and of its permit."""
        moment = self.live.now()
        when: dict[str, Any] = {"happened_at": moment.at, "happened_on": moment.on}
        place: dict[str, Any] = {"jurisdiction_id": "huancui", "status": "active", "version": 1}
        events: list[Event] = [OrganisationRegistered(**when, uscc=uscc, kind=kind, name="环翠测试人力资源有限公司", **place)]
        if permit:
            fact: dict[str, Any] = {"basis": "permit", "number": "P-1", "scope": ("job_placement",), "first_day": PERMIT_FIRST_DAY}
            events.append(InstitutionRecorded(**when, institution_id=new_id(), uscc=uscc, **fact))
        await self.hear(*events)

    async def answer(self, kind: type[MoneyEvent], case: dict[str, Any], **more: object) -> None:
        """The budget's answer about the case's present proposal, or about the one named."""
        moment = self.live.now()
        fields = {
            "happened_at": moment.at,
            "happened_on": moment.on,
            "application_id": case["id"],
            "proposal_id": case["proposal_id"],
            "amount_fen": case["amount_fen"],
            "fiscal_year": moment.on.year,
            **more,
        }
        await self.hear(kind.model_validate(fields))

    async def file(self, row: dict[str, Any] | None = None, *, auth: httpx.Auth = HUANCUI) -> dict[str, Any]:
        answer = await self.client.post("/v1/applications", json=row or filing(), auth=auth)
        assert answer.status_code in (200, 201), answer.text
        filed: dict[str, Any] = answer.json()
        return filed

    async def decide(self, decisions: Sequence[dict[str, Any]], *, auth: httpx.Auth, officer: str | None = None) -> list[dict[str, Any]]:
        body = {"decisions": list(decisions), **({"officer": officer} if officer else {})}
        answer = await self.client.post("/v1/reviews", json=body, auth=auth)
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    async def approve(self, ids: Sequence[str], stage: str, *, auth: httpx.Auth, officer: str | None = None, **more: object) -> None:
        results = await self.decide(
            [{"application_id": each, "stage": stage, "verdict": "approve", **more} for each in ids], auth=auth, officer=officer
        )
        assert [each["status"] for each in results] == ["decided"] * len(ids), results

    async def propose(self, *ids: str, amount_fen: int = AMOUNT_FEN) -> None:
        """From filed to proposed, each stage by another person."""
        await self.approve(ids, "acceptance", auth=HUANCUI, officer="hc-0001")
        await self.approve(ids, "district", auth=HUANCUI, officer="hc-0002")
        await self.approve(ids, "city", auth=CITY_REVIEWER)
        await self.approve(ids, "joint", auth=FINANCE, amount_fen=amount_fen)
        await self.approve(ids, "joint", auth=JOINT_REVIEWER, amount_fen=amount_fen)

    async def get(self, application_id: str, *, auth: httpx.Auth = OFFICER) -> dict[str, Any]:
        answer = await self.client.get(f"/v1/applications/{application_id}", auth=auth)
        assert answer.status_code == 200, answer.text
        case: dict[str, Any] = answer.json()
        return case

    async def fund(self, application_id: str) -> dict[str, Any]:
        await self.answer(FundsReserved, await self.get(application_id), voucher="预留-1")
        return await self.get(application_id)

    async def open_notice(self, *ids: str) -> dict[str, Any]:
        answer = await self.client.post("/v1/notices", json={"applications": list(ids)}, auth=OFFICER)
        assert answer.status_code == 201, answer.text
        opened: dict[str, Any] = answer.json()
        return opened

    async def close_notices(self) -> int:
        return await close_notices(self.live)

    async def funded(self, reference: str = "row-1") -> dict[str, Any]:
        """A case whose money is reserved."""
        filed = await self.file(filing(reference))
        await self.propose(filed["application_id"])
        return await self.fund(filed["application_id"])

    async def on_notice(self, reference: str = "row-1") -> tuple[dict[str, Any], dict[str, Any]]:
        """A case on public notice, and the notice."""
        case = await self.funded(reference)
        opened = await self.open_notice(case["id"])
        return await self.get(case["id"]), opened

    async def confirmed(self, reference: str = "row-1") -> dict[str, Any]:
        case, opened = await self.on_notice(reference)
        self.move_clock(f"{opened['closes_on']}T12:00:00+08:00")
        await self.close_notices()
        return await self.get(case["id"])

    async def leave(
        self, case: dict[str, Any], verb: str = "withdraw", *, auth: httpx.Auth = HUANCUI, reason: str = "申报单位主动撤回"
    ) -> httpx.Response:
        headers = {"If-Match": f'"{case["version"]}"'}
        return await self.client.post(f"/v1/applications/{case['id']}:{verb}", json={"reason": reason}, headers=headers, auth=auth)

    async def counted(self) -> dict[str, int]:
        """Rows in each table that an act may write to, to see that nothing was written."""
        names = (
            "application",
            "step",
            "decision",
            "filed_version",
            "matter",
            "late_change",
            "notice",
            "notice_case",
            "objection",
            "stream",
            "outbox",
            "answer",
        )
        (row,) = await self.rows(f"SELECT {', '.join(f'(SELECT count(*) FROM {name}) AS {name}' for name in names)}")
        return row
