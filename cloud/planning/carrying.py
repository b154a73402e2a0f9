"""Carrying what waits to its next service date: when its day is over, or a later one is planned."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from cloud.fleet import shift_store
from cloud.fleet.model import Depot, Shift
from cloud.fleet.service import require_depot
from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.orders import store as order_store
from cloud.orders.model import OrderChanged
from cloud.orders.store import DayOf
from cloud.orders.waiting import MOST_DAYS, carried, next_day
from cloud.planning import rule_store, store
from cloud.planning.visiting import OVERTIME_S

log = logging.getLogger(__name__)

_PASS_EVERY_S: Final = 300.0
_RETRY_S: Final = 60.0
_AT_ONCE: Final = 500
"""Orders of one transaction."""


def is_over(day: date, depot: Depot, shifts: Iterable[Shift], now: float) -> bool:
    """Whether nobody drives on a service date any more: its last shift is over, or the date is."""
    ends = [shift.ends_at + OVERTIME_S for shift in shifts if shift.state == "planned"]
    return max(ends) <= now if ends else depot.service_date(now) > day


class Carrying:
    """Puts orders that may wait, and wait, on their next service date.

    Args:
        database: of the business.
        clock: domain time.
        events: are told of each order, so that a plan of its new day takes it in.
    """

    def __init__(self, database: Database, clock: Clock, events: outbox.Outbox) -> None:
        self._database = database
        self._clock = clock
        self._events = events

    async def run(self) -> None:
        """Look every few minutes until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.carry_from_days_over)
            except DBAPIError as error:
                log.warning("what waits cannot be carried on", extra={"reason": error.orig})
                await asyncio.sleep(_RETRY_S)
            else:
                await asyncio.sleep(_PASS_EVERY_S / self._clock.speed)

    def carry_from_days_over(self) -> int:
        """Carry what waits on days that are over; how many orders it was.

        Raises:
            DBAPIError: the database fails.
        """
        now = self._clock.now_s()
        yesterday = datetime.fromtimestamp(now, UTC).date() - timedelta(days=1)
        with self._database.reading() as connection:
            days = [
                key
                for key in order_store.days_of_waiting(connection, yesterday)
                if is_over(
                    key[2],
                    require_depot(connection, key[0], key[1]),
                    shift_store.shifts_of_day(connection, *key),
                    now,
                )
            ]
        return sum(self._carry(day) for day in days)

    def carry_before(self, tenant: str, depot_id: str, service_date: date) -> int:
        """Carry what waits on days before one that is about to be planned; how many it was.

        What a plan of its own day has left out has had its chance; a day to come that nobody has
        planned yet keeps its orders.

        Raises:
            DBAPIError: the database fails.
        """
        now = self._clock.now_s()
        with self._database.reading() as connection:
            today = require_depot(connection, tenant, depot_id).service_date(now)
            days = [
                key
                for key in order_store.days_of_waiting(
                    connection, today, (tenant, depot_id, service_date)
                )
                if key[2] < today or store.current_revision(connection, *key) > 0
            ]
        return sum(self._carry(day) for day in days)

    def _carry(self, day: DayOf) -> int:
        """A piece at a time, until all that can be is carried."""
        count = 0
        while moved := self._carry_some(day):
            count += moved
        if count:
            self._events.wake()
            told = {"depot": day[1], "date": day[2].isoformat(), "orders": count}
            log.info("orders that may wait were carried on", extra=told)
        return count

    def _carry_some(self, day: DayOf) -> int:
        tenant, depot_id, _ = day
        now = self._clock.now_s()
        moved = 0
        with self._database.writing() as connection:
            depot = require_depot(connection, tenant, depot_id)
            today = depot.service_date(now)
            dates = self._dates(connection, day, today)
            for order in order_store.waiting_of_day(connection, day, today, _AT_ONCE):
                goal = next_day(order, today, dates)
                if goal is None:
                    continue
                order_store.put_on_day(connection, carried(order, goal, depot.zone))
                rule_store.follow(connection, tenant, order.id, goal)
                told = OrderChanged(
                    order_id=order.id,
                    depot_id=depot_id,
                    service_date=goal.isoformat(),
                    fields=("service_date",),
                )
                outbox.append(connection, tenant, now, told)
                moved += 1
        return moved

    def _dates(self, connection: Connection, day: DayOf, today: date) -> list[date]:
        tenant, depot_id, service_date = day
        first = max(service_date + timedelta(days=1), today)
        last = service_date + timedelta(days=MOST_DAYS)
        return shift_store.dates_with_shifts(connection, tenant, depot_id, first, last)
