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
from cloud.orders.model import Order, OrderChanged
from cloud.orders.store import DayOf
from cloud.orders.waiting import carried, next_dates
from cloud.planning import plan_store
from cloud.planning.rules import store as rule_store
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
                if _is_over(connection, key, require_depot(connection, key[0], key[1]), now)
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
        now = self._clock.now_s()
        with self._database.writing() as connection:
            depot = require_depot(connection, day[0], day[1])
            goal = _next_date(connection, day, depot.service_date(now))
            if goal is None:
                return 0
            found = order_store.waiting_of_day(connection, day, goal, _AT_ONCE)
            carry(connection, found, goal, depot.zone, now)
        return len(found)


def coming(connection: Connection, depot: Depot, service_date: date, now: float) -> list[Order]:
    """What waits on days before one that is planned, and comes to it: as it stands on its own day.

    What comes has had its chance: its day is over, or the plan of its day has left it out.
    """
    day = depot.tenant, depot.id, service_date
    today = depot.service_date(now)
    found: list[Order] = []
    for key in order_store.days_of_waiting(connection, service_date, day):
        if _next_date(connection, key, today) != service_date:
            continue
        waiting = order_store.waiting_of_day(connection, key, service_date)
        if not _is_over(connection, key, depot, now):
            left = plan_store.left_waiting(connection, *key)
            waiting = [order for order in waiting if order.id in left]
        found += waiting
    return found


def carry(
    connection: Connection, orders: Iterable[Order], goal: date, zone: str, now: float
) -> None:
    """Put orders that wait on a later service date, their rules with them; events tell of each."""
    gone: dict[DayOf, set[str]] = {}
    for order in orders:
        gone.setdefault((order.tenant, order.depot_id, order.service_date), set()).add(order.id)
        order_store.put_on_day(connection, carried(order, goal, zone))
        rule_store.follow(connection, order.tenant, order.id, goal)
        told = OrderChanged(
            order_id=order.id,
            depot_id=order.depot_id,
            service_date=goal.isoformat(),
            fields=("service_date",),
        )
        outbox.append(connection, order.tenant, now, told)
    for day, order_ids in gone.items():
        plan_store.leave_day(connection, *day, order_ids)


def _is_over(connection: Connection, day: DayOf, depot: Depot, now: float) -> bool:
    return is_over(day[2], depot, shift_store.shifts_of_day(connection, *day), now)


def _next_date(connection: Connection, day: DayOf, today: date) -> date | None:
    """The next service date of a depot on which somebody drives, for what waits on one."""
    tenant, depot_id, service_date = day
    first, last = next_dates(service_date, today)
    dates = shift_store.dates_with_shifts(connection, tenant, depot_id, first, last)
    return dates[0] if dates else None
