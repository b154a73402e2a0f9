"""What phones have told reaches the history once, over any break: real broker, real ingest."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.foundation.database import Database
from cloud.foundation.errors import Unavailable
from cloud.foundation.identity.model import fingerprint
from cloud.integrations.publisher import Publisher
from cloud.phones import store
from cloud.phones.lane import PhoneLane
from cloud.phones.model import Phone, Told
from cloud.phones.service import Phones
from cloud.tracking.history import fixes_between
from tests.cloud.desk import NOW, StillClock, run
from tests.parts.broker import EmbeddedBroker, embedded_broker
from tests.parts.migrated import migrate
from tests.tracking.test_ingest import IngestProcess

pytestmark = pytest.mark.slow

PHONE = Phone(
    tenant="main",
    id="phone-1",
    vehicle_id="van-1",
    app="owntracks",
    label="Ana",
    stream=7,
    max_accuracy_m=200.0,
    is_only_on_shift=False,
    made_at=NOW,
    made_by="user-1",
)


class Office:
    """The web process as far as phones need it, its lane stepped by hand."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        data = broker.data
        migrate(data, "business", "telemetry")
        self.business, self.telemetry = Database(data.business), Database(data.telemetry)
        self.phones = Phones(self.business, StillClock(), None, None, str, lambda: 7)  # type: ignore[arg-type]
        self.publisher = Publisher(broker.access)
        self.now_s = 0.0
        with self.business.writing() as connection:
            store.add_phone(connection, PHONE, fingerprint("token"))
        self.restart()

    def restart(self) -> None:
        """Forget what a kill of web would forget."""
        self.lane = PhoneLane(
            phones=self.phones,
            business=self.business,
            telemetry=self.telemetry,
            clock=StillClock(),
            publish=self.publisher.publish,
            monotonic_s=lambda: self.now_s,
        )

    def hear(self, count: int, begin: int = 0) -> None:
        told = [Told(at_s=NOW - 9000 + at, lat=1.0, lon=2.0) for at in range(begin, begin + count)]
        self.phones.take("token", "owntracks", told)

    async def settle(self, steps: int = 400) -> bool:
        """Step until nothing waits; False when something still does."""
        for _ in range(steps):
            try:
                if not await self.lane.step():
                    return True
            except Unavailable:
                pass
            await asyncio.sleep(0.02)
        return False

    def moments(self) -> list[int]:
        """Of the fixes in the van's history, seconds after the first."""
        with self.telemetry.reading() as connection:
            rows = fixes_between(connection, "main", "van-1", 0, round(NOW * 1000), 10_000)
        return [round(row.at_ms / 1000 - NOW + 9000) for row in rows]

    def close(self) -> None:
        self.publisher.stop()
        self.business.close()
        self.telemetry.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with embedded_broker(tmp_path) as broker:
        yield broker  # the van has no gateway: ingest knows it by its phone


@pytest.fixture
def office(broker: EmbeddedBroker) -> Iterator[Office]:
    office = Office(broker)
    office.publisher.start()
    yield office
    office.close()


@pytest.fixture
def ingest(broker: EmbeddedBroker) -> Iterator[IngestProcess]:
    process = IngestProcess(broker)
    yield process
    process.stop()


def test_what_a_phone_tells_becomes_the_vans_history(office: Office, ingest: IngestProcess) -> None:
    ingest.start()
    office.hear(700)
    assert run(office.settle())
    assert office.moments() == list(range(700))


def test_nothing_is_lost_or_doubled_over_kills(office: Office, ingest: IngestProcess) -> None:
    office.hear(50)
    assert not run(office.settle(steps=5))
    office.restart()
    office.hear(50, begin=50)
    assert not run(office.settle(steps=5))
    ingest.start()
    ingest.kill()
    ingest.start()
    office.now_s += 61
    assert run(office.settle())
    assert office.moments() == list(range(100))


def test_a_phone_that_sends_all_again_adds_nothing(office: Office, ingest: IngestProcess) -> None:
    ingest.start()
    for _ in range(2):
        office.hear(10)
        assert run(office.settle())
    assert office.moments() == list(range(10))
