"""Use cases of working time: what other days leave of shifts, and what speaks against them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from cloud.fleet import shift_store
from cloud.fleet import store as fleet_store
from cloud.fleet.model import Shift, ShiftWarning
from cloud.fleet.service import require_depot
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.identity.reach import Reach
from cloud.planning import policy_store, rest_store
from cloud.planning.rest import (
    LOOK_BACK_S,
    Allowed,
    Stretch,
    Telling,
    Turn,
    allowed,
    has_begun,
    stretch_of,
)
from cloud.planning.working import WorkRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A shift with what is left of it, and what takes the rest in words, by rule."""

    shift: Shift
    driver: str
    left: Allowed
    warnings: tuple[ShiftWarning, ...]


class WorkingTime:
    """What drivers may still work, by the rules of their depots."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def of_day(self, tenant: str, depot_id: str, service_date: date) -> list[Working]:
        """Every shift of a day that holds, by van, with what is left of it.

        Raises:
            NotFound: no such depot.
        """
        with self._database.reading() as connection:
            depot = require_depot(connection, tenant, depot_id)
            every = shift_store.shifts_of_day(connection, tenant, depot.id, service_date)
            shifts = [one for one in every if one.state == "planned"]
            return list(_Desk(connection, tenant, self._clock.now_s(), shifts).told())

    def against(self, shift: Shift, reach: Reach) -> list[ShiftWarning]:
        """What speaks against a shift as it stands, and by it against later ones of its driver.

        Of a later one that is not within reach no more is told than which rule.
        """
        if shift.state != "planned":
            return []
        with self._database.reading() as connection:
            (held,) = rest_store.as_held(connection, [shift])
            until = shift.starts_at + LOOK_BACK_S
            later = shift_store.shifts_of_driver(
                connection, shift.tenant, held.driver_id, shift.ends_at, until
            )
            shifts = {one.id: one for one in (shift, *later)}
            seen = shift_store.within_reach(connection, shift.tenant, shifts, reach)
            desk = _Desk(connection, shift.tenant, self._clock.now_s(), shifts.values())
            told = [one for one in desk.told() if one.shift.driver_id == held.driver_id]
            without = {one.shift.id: one for one in desk.told(left_out=shift.id)}
        own, *others = told
        found = list(own.warnings)
        for one in others:
            known = {warning.rule for warning in without[one.shift.id].warnings}
            news = [warning for warning in one.warnings if warning.rule not in known]
            found += news if one.shift.id in seen else [_elsewhere(shift, told) for told in news]
        return found


def _elsewhere(shift: Shift, told: ShiftWarning) -> ShiftWarning:
    """What is told of a shift that whoever asks may not see."""
    text = "a later shift of the driver, which you may not see, is cut short by this one"
    return ShiftWarning(rule=told.rule, shift_id=shift.id, text=f"{text} ({told.rule})")


class _Desk:
    """Shifts of a company with what their drivers have worked, read at once."""

    def __init__(
        self, connection: Connection, tenant: str, now: float, shifts: Iterable[Shift]
    ) -> None:
        self._shifts = rest_store.as_held(connection, tuple(shifts))
        self._now = now
        policy = policy_store.policy_of(connection, tenant)
        depots = {one.depot_id for one in self._shifts}
        self._rules = {one: policy.work_rules_at(one) for one in depots}
        self._zones = {one.id: one.zone for one in fleet_store.depots(connection, tenant)}
        known = fleet_store.drivers_of_shifts(connection, self._shifts)
        self._names = {one.id: one.name for one in known}
        starts = [one.starts_at for one in self._shifts] or [now]
        bound = [one for one in self._shifts if _is_of_days(self._rules[one.depot_id])]
        self._turns = rest_store.turns_of(
            connection,
            tenant,
            {one.driver_id for one in bound},
            min(starts) - LOOK_BACK_S,
            max(starts) + 1,
        )

    def told(self, left_out: str | None = None) -> Iterable[Working]:
        """Each with what is left of it, as if there were no shift ``left_out``."""
        set_out = {one.shift_id: one.route.first_seen for one in self._turns if one.route}
        turns = [one for one in self._turns if one.shift_id != left_out]
        worked = {
            rules: _worked_by(turns, self._now, rules)
            for rules in self._rules.values()
            if rules is not None and _is_of_days(rules)
        }
        for shift in self._shifts:
            rules = self._rules[shift.depot_id]
            before = {} if rules is None else worked.get(rules, {})
            out = set_out.get(shift.id)
            left = allowed(shift, before.get(shift.driver_id, ()), rules, set_out=out)
            driver = self._names.get(shift.driver_id, shift.driver_id)
            telling = Telling(driver, self._zones[shift.depot_id], has_begun(shift, out))
            yield Working(
                shift=shift,
                driver=driver,
                left=left,
                warnings=tuple(
                    ShiftWarning(
                        rule=one.rule, shift_id=shift.id, text=telling.words(one, shift, left)
                    )
                    for one in left.strains
                ),
            )


def _is_of_days(rules: WorkRules | None) -> bool:
    return rules is not None and rules.is_of_days


def _worked_by(turns: Iterable[Turn], now: float, rules: WorkRules) -> Mapping[str, list[Stretch]]:
    """The work of each driver, as a depot's rules tell what a break is."""
    worked: dict[str, list[Stretch]] = defaultdict(list)
    for turn in turns:
        stretch = stretch_of(turn, now, rules)
        if stretch is not None:
            worked[stretch.driver_id].append(stretch)
    return worked
