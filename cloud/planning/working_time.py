"""Use cases of working time: what other days leave of shifts, and what speaks against them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from cloud.fleet import shift_store
from cloud.fleet import store as fleet_store
from cloud.fleet.model import Shift, ShiftWarning
from cloud.fleet.service import require_depot
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.planning import policy_store, rest_store
from cloud.planning.policy import TenantPolicy
from cloud.planning.rest import LOOK_BACK_S, Allowed, Stretch, Telling, allowed, stretch_of


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

    def against(self, shift: Shift) -> list[ShiftWarning]:
        """What speaks against a shift as it stands, and by it against later ones of its driver."""
        if shift.state != "planned":
            return []
        with self._database.reading() as connection:
            until = shift.starts_at + LOOK_BACK_S
            later = shift_store.shifts_of_driver(
                connection, shift.tenant, shift.driver_id, shift.ends_at, until
            )
            shifts = {one.id: one for one in (shift, *later) if one.driver_id == shift.driver_id}
            desk = _Desk(connection, shift.tenant, self._clock.now_s(), shifts.values())
            told = list(desk.told())
            without = {one.shift.id: one for one in desk.told(left_out=shift.id)}
        own, *others = told
        found = list(own.warnings)
        for one in others:
            known = {warning.rule for warning in without[one.shift.id].warnings}
            found += [warning for warning in one.warnings if warning.rule not in known]
        return found


class _Desk:
    """Shifts of a company with what their drivers have worked, read at once."""

    def __init__(
        self, connection: Connection, tenant: str, now: float, shifts: Iterable[Shift]
    ) -> None:
        self._shifts = tuple(shifts)
        self._now = now
        self._policy: TenantPolicy = policy_store.policy_of(connection, tenant)
        self._zones = {one.id: one.zone for one in fleet_store.depots(connection, tenant)}
        known = fleet_store.drivers_of_shifts(connection, self._shifts)
        self._names = {one.id: one.name for one in known}
        starts = [one.starts_at for one in self._shifts] or [now]
        drivers = {one.driver_id for one in self._shifts}
        self._turns = rest_store.turns_of(
            connection, tenant, drivers, min(starts) - LOOK_BACK_S, max(starts) + 1
        )

    def told(self, left_out: str | None = None) -> Iterable[Working]:
        """Each with what is left of it, as if there were no shift ``left_out``."""
        begun = {one.shift_id for one in self._turns if one.route and one.route.first_seen}
        for shift in self._shifts:
            rules = self._policy.work_rules_at(shift.depot_id)
            stretches: list[Stretch] = []
            if rules is not None and rules.is_of_days:
                turns = [one for one in self._turns if one.shift_id != left_out]
                made = (stretch_of(one, self._now, rules) for one in turns)
                stretches = [one for one in made if one is not None]
            has_begun = shift.id in begun
            left = allowed(shift, stretches, rules, has_begun=has_begun)
            driver = self._names.get(shift.driver_id, shift.driver_id)
            telling = Telling(driver, self._zones[shift.depot_id], has_begun)
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
