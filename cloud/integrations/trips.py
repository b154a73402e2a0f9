"""Trips, from what ingest has stored into the outbox, so that feed and webhooks tell of them.

Ingest writes its own database and web its own, so web looks for new trips every few seconds. A row
is seen by when it was received, which may be long before it was committed: each look goes back far
enough, and what was told is known by (van, stream, seq). After a restart the last minutes are told
again, under the ids that they had.
"""

from typing import Any, Final, Literal

import msgspec
from sqlalchemy import BigInteger, Column, Connection, String, Table, insert, select, update

from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import BUSINESS, Database
from cloud.foundation.looking import keep_looking
from cloud.foundation.outbox import Outbox
from cloud.integrations.events import TripTold
from cloud.tracking import store
from cloud.tracking.store import ReceivedEvent

_LOOK_EVERY_S: Final = 2.0
_BACK_MS: Final = 900_000
"""The longest that ingest is taken to hold a message before it commits it."""
_PAGE: Final = 500
_PHASES: Final[dict[str, Literal["started", "ended"]]] = {
    "trip_started": "started",
    "trip_ended": "ended",
}

integration_place = Table(
    "integration_place",
    BUSINESS,
    Column("name", String, primary_key=True),
    Column("received_at_ms", BigInteger, nullable=False),
)

type _Key = tuple[str, str, int, int]


def trip_told(row: ReceivedEvent) -> TripTold:
    """The event of the outbox for a stored event of a van."""
    fields: dict[str, Any] = msgspec.json.decode(row.body)
    return TripTold(
        vehicle_id=row.van,
        stream=str(row.stream),
        seq=row.seq,
        phase=_PHASES[row.kind],
        at_s=row.at_ms / 1000,
        received_at_s=row.received_at_ms / 1000,
        odometer_m=fields["odometer_m"],
        distance_m=fields.get("distance_m"),
        moving_s=fields.get("moving_s"),
        idling_s=fields.get("idling_s"),
    )


class Trips:
    """Tells each trip that is stored once in the life of the process, and at least once in all."""

    def __init__(
        self, telemetry: Database, business: Database, clock: Clock, events: Outbox
    ) -> None:
        self._telemetry = telemetry
        self._business = business
        self._clock = clock
        self._events = events
        self._told: dict[_Key, int] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        await keep_looking("trips", self.look, _LOOK_EVERY_S)

    def look(self) -> int:
        """Tell of what is new; returns how many trips that were. Starts with what comes next."""
        place_ms = self._place()
        after: ReceivedEvent | None = None
        count = 0
        while True:
            with self._telemetry.reading() as connection:
                page = store.events_received(
                    connection,
                    kinds=tuple(_PHASES),
                    since_ms=place_ms - _BACK_MS,
                    after=after,
                    limit=_PAGE,
                )
            count += self._tell([row for row in page if _key(row) not in self._told])
            if len(page) < _PAGE:
                break
            after = page[-1]
        self._forget()
        return count

    def _tell(self, rows: list[ReceivedEvent]) -> int:
        if not rows:
            return 0
        with self._business.writing() as connection:
            for row in rows:
                outbox.append(connection, row.tenant, self._clock.now_s(), trip_told(row))
            newest_ms = max(row.received_at_ms for row in rows)
            if newest_ms > _read_place(connection, newest_ms):
                _move_place(connection, newest_ms)
        self._told |= {_key(row): row.received_at_ms for row in rows}
        self._events.wake()
        return len(rows)

    def _place(self) -> int:
        now_ms = round(self._clock.now_s() * 1000) + _BACK_MS
        with self._business.reading() as connection:
            found = _read_place(connection, -1)
        if found >= 0:
            return found
        with self._business.writing() as connection:
            connection.execute(
                insert(integration_place).values(name="trips", received_at_ms=now_ms)
            )
        return now_ms

    def _forget(self) -> None:
        oldest_ms = max(self._told.values(), default=0) - 2 * _BACK_MS
        self._told = {key: at_ms for key, at_ms in self._told.items() if at_ms >= oldest_ms}


def _key(row: ReceivedEvent) -> _Key:
    return row.tenant, row.van, row.stream, row.seq


def _read_place(connection: Connection, default: int) -> int:
    found = connection.execute(
        select(integration_place.c.received_at_ms).where(integration_place.c.name == "trips")
    ).scalar()
    return default if found is None else int(found)


def _move_place(connection: Connection, received_at_ms: int) -> None:
    connection.execute(
        update(integration_place)
        .where(integration_place.c.name == "trips")
        .values(received_at_ms=received_at_ms)
    )
