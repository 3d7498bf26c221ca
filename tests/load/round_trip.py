"""The raw broker round trip: send with the relay's own producer and its acks, receive with a consumer, nothing in between."""

import asyncio
import os
import time
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from shared.relay import create_producer
from shared.settings import Settings
from tests.load.figures import NoMeasurement

TOPIC = "bench.round-trip"
# About the size of an application_filed event.
PAYLOAD = os.urandom(700)
LAST_RECORDS_LIMIT_S = 5.0


@dataclass
class RoundTrip:
    """Round trips at a fixed rate. A record counts from just before `send` until the consumer hands it over."""

    settings: Settings
    partitions: int
    sent_s: dict[bytes, float] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)

    async def measure(self, *, rate: int, seconds: float) -> list[float]:
        """The topic is declared some time before: the leaders of a new one are not known at once."""
        producer = create_producer(self.settings)
        # No group: the first poll costs no joining. Fetching is set as the services' consumer sets it.
        consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=self.settings.kafka_bootstrap, fetch_max_wait_ms=500, auto_offset_reset="latest")
        await producer.start()
        try:
            # Opens the connections.
            await asyncio.gather(*[await producer.send(TOPIC, PAYLOAD, partition=partition) for partition in range(self.partitions)])
            await consumer.start()
            await consumer.seek_to_end()
            receiving = asyncio.create_task(self._receive(consumer))
            try:
                await self._send(producer, rate=rate, seconds=seconds)
                await self._all_received()
            finally:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)
        finally:
            await asyncio.gather(producer.stop(), consumer.stop())
        return self.milliseconds

    async def declare_topic(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka_bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(TOPIC, self.partitions, 1)])
        except TopicAlreadyExistsError:
            pass
        finally:
            await admin.close()

    async def _send(self, producer: AIOKafkaProducer, *, rate: int, seconds: float) -> None:
        started_s = time.perf_counter()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started_s + number / rate - time.perf_counter()))
            key = str(number).encode()
            self.sent_s[key] = time.perf_counter()
            await producer.send_and_wait(TOPIC, PAYLOAD, key=key)

    async def _receive(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                received_s = time.perf_counter()
                self.milliseconds.extend((received_s - self.sent_s[record.key]) * 1_000 for record in records)

    async def _all_received(self) -> None:
        deadline_s = time.perf_counter() + LAST_RECORDS_LIMIT_S
        while len(self.milliseconds) < len(self.sent_s):
            if time.perf_counter() > deadline_s:
                raise NoMeasurement(f"{len(self.sent_s)} records were sent to the broker, {len(self.milliseconds)} came back.")
            await asyncio.sleep(0.02)
