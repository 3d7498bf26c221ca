"""What the registry announces, as it arrives at the broker."""

import asyncio
import json
from pathlib import Path

import httpx
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord

from shared import relay
from tests.building import settings_of
from tests.integration.registry.callers import HUANCUI, HUANCUI_USCC, permit, registration
from tests.runtime import Database, Topics

RECEIVE_LIMIT_S = 20


async def test_facts_and_contacts_go_out_in_order_on_their_own_topics_and_an_erased_contact_as_a_tombstone(
    registry: httpx.AsyncClient, database: Database, topics: Topics, tmp_path: Path
) -> None:
    contact = {"contact_name": "测试", "mobile": "13900001234"}
    await registry.post("/v1/organisations:import", json={"rows": [registration(institution=permit(), contact=contact)]}, auth=HUANCUI)
    await registry.post(f"/v1/organisations/{HUANCUI_USCC}/contact:erase", auth=HUANCUI)
    settings = settings_of("registry", database=database, folder=tmp_path)
    relaying = asyncio.create_task(relay.run(settings.model_copy(update={"kafka_bootstrap": topics.bootstrap, "kafka_prefix": topics.prefix})))

    try:
        facts = await received(topics, topic="registry.events", count=2)
        contacts = await received(topics, topic="registry.contacts", count=2)
    finally:
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)

    assert {record.key for record in facts + contacts} == {HUANCUI_USCC.encode()}
    assert [kind(record) for record in facts] == ["registry.organisation_registered.v1", "registry.institution_recorded.v1"]
    assert [kind(record) for record in contacts] == ["registry.contact_recorded.v1", "registry.contact_erased.v1"]
    assert (json.loads(contacts[0].value)["mobile"], contacts[1].value) == ("13900001234", None)


def kind(record: ConsumerRecord) -> str:
    return dict(record.headers)["ce_type"].decode()


async def received(topics: Topics, *, topic: str, count: int) -> list[ConsumerRecord]:
    consumer = AIOKafkaConsumer(f"{topics.prefix}{topic}", bootstrap_servers=topics.bootstrap, auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(RECEIVE_LIMIT_S):
        return [await consumer.getone() for _ in range(count)]
