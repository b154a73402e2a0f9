"""Use cases of dispatchers' rules, one transaction each."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.ids import NewId
from cloud.orders.states import FINAL
from cloud.planning.reading import read_day
from cloud.planning.rules import store
from cloud.planning.rules.model import MOST_RULES, Rule, RuleChanged, RuleKind, against
from cloud.planning.rules.obstacles import obstacle
from cloud.planning.situation import Day, van_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRule:
    """A rule that somebody asks for; ``order_id`` of a pin or a ban only."""

    kind: RuleKind
    vehicle_id: str
    order_id: str | None
    note: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule in force, and what keeps it from being followed now; None when nothing does."""

    rule: Rule
    obstacle: str | None


class DayRules:
    """Pins, bans, locked routes and sequences of a day; the plan follows each change."""

    def __init__(
        self, database: Database, clock: Clock, events: outbox.Outbox, new_id: NewId
    ) -> None:
        self._database = database
        self._clock = clock
        self._events = events
        self._new_id = new_id

    def rules(self, tenant: str, depot_id: str, service_date: date) -> list[Standing]:
        """The rules of a day that are in force, the first made first.

        Raises:
            NotFound: no such depot.
        """
        with self._database.reading() as connection:
            day = self._day(connection, tenant, depot_id, service_date)
        return [Standing(rule, obstacle(day, rule)) for rule in day.rules]

    def lay_down(
        self, tenant: str, depot_id: str, service_date: date, new: NewRule, made_by: str
    ) -> Standing:
        """Lay down a rule; the plan follows.

        Raises:
            NotFound: no such depot. Invalid: van or order are not of this day, or too many rules.
            Conflict: another rule speaks against it, or the parcels are aboard another van.
        """
        with self._database.writing() as connection:
            day = self._day(connection, tenant, depot_id, service_date)
            rule = Rule(
                tenant=tenant,
                id=self._new_id("rule"),
                depot_id=day.depot.id,
                service_date=service_date,
                kind=new.kind,
                vehicle_id=new.vehicle_id,
                order_id=new.order_id,
                note=new.note,
                made_by=made_by,
                made_at=day.now,
            )
            _require_sense(day, rule)
            store.add(connection, rule)
            self._tell(connection, rule, f"{rule.in_words}, by {made_by}")
        self._events.wake()
        return Standing(rule, obstacle(day, rule))

    def lift(
        self, tenant: str, depot_id: str, service_date: date, rule_id: str, lifted_by: str
    ) -> None:
        """End a rule; the plan follows.

        Raises:
            NotFound: no such depot, or no such rule is in force.
        """
        with self._database.writing() as connection:
            day = self._day(connection, tenant, depot_id, service_date)
            rule = next((one for one in day.rules if one.id == rule_id), None)
            if rule is None:
                raise NotFound(f"rule {rule_id!r} is not in force on {service_date}")
            store.lift(connection, rule, day.now)
            self._tell(connection, rule, f"lifted by {lifted_by}: {rule.in_words}")
        self._events.wake()

    def _day(self, connection: Connection, tenant: str, depot_id: str, service_date: date) -> Day:
        now = self._clock.now_s()
        return read_day(connection, tenant, depot_id, service_date, now=now, positions={})

    def _tell(self, connection: Connection, rule: Rule, text: str) -> None:
        outbox.append(
            connection,
            rule.tenant,
            self._clock.now_s(),
            RuleChanged(
                depot_id=rule.depot_id,
                service_date=rule.service_date.isoformat(),
                rule_id=rule.id,
                text=text,
            ),
        )


def _require_sense(day: Day, rule: Rule) -> None:
    if len(day.rules) >= MOST_RULES:
        raise Invalid.field("kind", f"{MOST_RULES} rules are in force", "lift some first")
    van = day.vehicles.get(rule.vehicle_id)
    if van is None or not van.is_in_use:
        raise Invalid.field(
            "vehicle_id", f"{rule.vehicle_id!r} is no van in use", "name one of GET /vehicles"
        )
    if rule.is_of_route:
        if rule.order_id is not None:
            raise Invalid.field("order_id", f"a {rule.kind} is of a whole route", "leave it out")
        if day.plan.route_of(rule.vehicle_id) is None:
            raise Conflict(f"nothing is planned for {rule.vehicle_id}; plan the day first")
    else:
        _require_order(day, rule)
    news = against(rule, day.rules)
    if news is not None:
        raise Conflict(news)


def _require_order(day: Day, rule: Rule) -> None:
    order = day.orders.get(rule.order_id or "")
    if order is None:
        raise Invalid.field(
            "order_id",
            f"{rule.order_id!r} is no order of this depot and date",
            "name one of GET /orders of that day",
        )
    if order.state in FINAL:
        raise Conflict(f"order {order.id} is {order.state}, so nothing is left to plan")
    van = van_of(order)
    if van is not None and (van == rule.vehicle_id) == (rule.kind == "ban"):
        raise Conflict(f"the parcels of order {order.id} are aboard {van}, which delivers them")
    for locked in sorted(day.locked_vehicles):
        route = day.plan.route_of(locked)
        is_on = route is not None and any(order.id in stop.order_ids for stop in route.open_stops)
        if is_on and (locked == rule.vehicle_id) == (rule.kind == "ban"):
            raise Conflict(f"order {order.id} is on the locked route of {locked}; lift that first")
