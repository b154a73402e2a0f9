"""Use cases of gateways from afar, one transaction each. What they tell goes by the outbox."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from cloud.fleet.gateway_access import GatewayAccess
from cloud.fleet.roster import Roster
from cloud.fleet.service import Fleet
from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound
from cloud.foundation.ids import NewId
from cloud.foundation.looking import keep_looking
from cloud.foundation.outbox import Outbox
from cloud.gateways import store
from cloud.gateways.model import (
    DEFAULT_EXPIRY_S,
    MAX_EXPIRY_S,
    Asked,
    CommandSent,
    SettingsDesired,
    Wanted,
    box_of,
    is_same_from,
    live_interval_s,
    next_version,
    require_command,
    require_values,
    spans,
)
from cloud.tracking.reports import Reported, Reports, Told
from wire.desired import Shift
from wire.messages import Command, Desired

MAX_COMMANDS: Final = 1000
"""Of one van that are remembered."""
_FOLLOW_EVERY_S: Final = 20.0
_AHEAD_S: Final = 14 * 86_400.0
_SYSTEM: Final = "shifts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A command, and the van's answer to it; None while there is none.

    Attributes:
        is_ended: without an answer, and the box that was asked is no longer the van's gateway.
    """

    asked: Asked
    answer: Told | None
    is_ended: bool = False


class Gateways:
    """Settings desired of the boxes in the vans, and commands to them."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        fleet: Fleet,
        access: GatewayAccess,
        roster: Roster,
        reports: Reports,
        events: Outbox,
        new_id: NewId,
    ) -> None:
        self._database = database
        self._clock = clock
        self._fleet = fleet
        self._access = access
        self._roster = roster
        self._reports = reports
        self._events = events
        self._new_id = new_id

    def desire(
        self,
        *,
        tenant: str,
        vehicle_id: str,
        values: dict[str, Any],
        is_following_shifts: bool,
        changed_by: str,
        over: int | None = None,
    ) -> Wanted:
        """Desire other settings of a van's gateway; the ones before are replaced as a whole.

        Args:
            tenant: whose van.
            vehicle_id: the van.
            values: what is desired.
            is_following_shifts: whether the van's shifts are added and kept up to date.
            changed_by: who desires it.
            over: replace this version only.

        Raises:
            NotFound: no such van. Invalid: a value cannot be desired.
            Conflict: another version than ``over`` is desired by now.
        """
        self._fleet.vehicle(tenant, vehicle_id)
        require_values(values, is_following_shifts=is_following_shifts)
        reported = self._reports.reported(tenant, vehicle_id)
        now_s = self._clock.now_s()
        shifts = self._shifts(tenant, vehicle_id, now_s) if is_following_shifts else ()
        with self._database.writing() as connection:
            known = store.find_wanted(connection, tenant, vehicle_id)
            version = 0 if known is None else known.version
            if over is not None and version != over:
                raise Conflict(f"settings: version {version} is desired by now; read them again")
            what = Wanted(
                version=next_version(
                    version,
                    None if reported is None else reported.state,
                ),
                values=values,
                is_following_shifts=is_following_shifts,
                shifts=shifts,
                changed_at=now_s,
                changed_by=changed_by,
            )
            store.put_wanted(connection, tenant, vehicle_id, what)
            outbox.append(connection, tenant, now_s, SettingsDesired(vehicle_id=vehicle_id))
        self._events.wake()
        return what

    def wanted(self, tenant: str, vehicle_id: str) -> tuple[Wanted | None, Reported | None]:
        """What is desired of a van's gateway, and what it last reported of itself.

        Raises:
            NotFound: no such van.
        """
        self._fleet.vehicle(tenant, vehicle_id)
        with self._database.reading() as connection:
            known = store.find_wanted(connection, tenant, vehicle_id)
        return known, self._reports.reported(tenant, vehicle_id)

    def heard_of(self, tenant: str) -> dict[str, Wanted | None]:
        """What is desired of each van's gateway that has reported or of which something is."""
        with self._database.reading() as connection:
            found = store.wanted_of(connection, tenant)
        return {**dict.fromkeys(self._reports.reporting(tenant)), **dict(found)}

    def live_intervals_s(self, tenant: str) -> dict[str, float]:
        """How often a van should tell where it is, of each of which that is desired."""
        with self._database.reading() as connection:
            found = store.wanted_of(connection, tenant)
        paces = {van: live_interval_s(one.values) for van, one in found}
        return {van: pace for van, pace in paces.items() if pace is not None}

    def send(
        self,
        *,
        tenant: str,
        vehicle_id: str,
        name: str,
        arguments: dict[str, Any],
        expires_in_s: float = DEFAULT_EXPIRY_S,
        sent_by: str,
    ) -> Asked:
        """Send a command to a van's gateway, which does it once, unless it has expired by then.

        It is for the box that is the gateway now, and ends with it.

        Raises:
            NotFound: no such van. Invalid: there is no such command, or an argument is wrong.
        """
        self._fleet.vehicle(tenant, vehicle_id)
        if not 1 <= expires_in_s <= MAX_EXPIRY_S:
            raise Invalid.field(
                "expires_in_s", f"{expires_in_s:g} is not possible", f"use 1 to {MAX_EXPIRY_S:g}"
            )
        now_s = self._clock.now_s()
        command = Asked(
            id=self._new_id("cmd"),
            vehicle_id=vehicle_id,
            name=name,
            arguments=arguments,
            sent_at=now_s,
            expires_at=now_s + expires_in_s,
            sent_by=sent_by,
        )
        require_command(command.message())
        with self._database.writing() as connection:
            session = self._access.session(connection, tenant, vehicle_id)
            asked = replace(command, box=box_of(session))
            store.add_command(connection, tenant, asked, MAX_COMMANDS)
            sent = CommandSent(
                vehicle_id=vehicle_id,
                command_id=asked.id,
                session=session,
            )
            outbox.append(connection, tenant, now_s, sent)
        self._events.wake()
        return asked

    def command(self, tenant: str, vehicle_id: str, command_id: str) -> Answered:
        """One command with its answer.

        Raises:
            NotFound: no such van or command.
        """
        self._fleet.vehicle(tenant, vehicle_id)
        with self._database.reading() as connection:
            asked = store.find_command(connection, tenant, vehicle_id, command_id)
            session = self._access.session(connection, tenant, vehicle_id)
        if asked is None:
            raise NotFound(f"command {command_id[:80]!r} is not known of {vehicle_id!r}")
        answers = self._reports.answers(tenant, vehicle_id, [command_id])
        return _answered(asked, answers.get(command_id), session)

    def commands(self, tenant: str, vehicle_id: str, limit: int) -> list[Answered]:
        """The newest commands of a van, the newest first, with their answers but for the data.

        Raises:
            NotFound: no such van.
        """
        self._fleet.vehicle(tenant, vehicle_id)
        with self._database.reading() as connection:
            sent = store.commands(connection, tenant, vehicle_id, limit)
            session = self._access.session(connection, tenant, vehicle_id)
        answers = self._reports.answers(tenant, vehicle_id, [one.id for one in sent])
        return [_answered(one, answers.get(one.id), session) for one in sent]

    def desired_message(self, tenant: str, vehicle_id: str) -> Desired | None:
        """What the van is told on ``dn/desired``."""
        with self._database.reading() as connection:
            known = store.find_wanted(connection, tenant, vehicle_id)
        return None if known is None else Desired(settings=known.version, values=known.told())

    def command_message(self, tenant: str, sent: CommandSent) -> Command | None:
        """What the van is told on ``dn/command``; None when nobody should do it any more.

        It has expired, is forgotten, or the van has another gateway than it was sent to.
        """
        with self._database.reading() as connection:
            asked = store.find_command(connection, tenant, sent.vehicle_id, sent.command_id)
            session = self._access.session(connection, tenant, sent.vehicle_id)
        if asked is None or asked.expires_at <= self._clock.now_s() or session != sent.session:
            return None
        return asked.message()

    async def run(self) -> None:
        """Tell each van that follows its shifts when they have changed, until cancelled."""
        await asyncio.to_thread(self._tell_all)
        await keep_looking("shifts of vans", self.follow_shifts, _FOLLOW_EVERY_S)

    def _tell_all(self) -> None:
        """A broker that has lost what it retained gets it again at each start of ours."""
        now_s = self._clock.now_s()
        with self._database.writing() as connection:
            for tenant, vehicle_id in store.every_wanted(connection):
                outbox.append(connection, tenant, now_s, SettingsDesired(vehicle_id=vehicle_id))
        self._events.wake()

    def follow_shifts(self) -> int:
        """Desire the present shifts of each van that follows them; returns how many changed."""
        with self._database.reading() as connection:
            followers = store.followers(connection)
        now_s = self._clock.now_s()
        changed = 0
        for tenant, vehicle_id, known in followers:
            if is_same_from(now_s, known.shifts, self._shifts(tenant, vehicle_id, now_s)):
                continue
            with suppress(Conflict):  # somebody was quicker; the next round reads what they desire
                self.desire(
                    tenant=tenant,
                    vehicle_id=vehicle_id,
                    values=known.values,
                    is_following_shifts=True,
                    changed_by=_SYSTEM,
                    over=known.version,
                )
                changed += 1
        return changed

    def _shifts(self, tenant: str, vehicle_id: str, now_s: float) -> tuple[Shift, ...]:
        ahead = self._roster.shifts_between(tenant, now_s, now_s + _AHEAD_S)
        return spans((one.starts_at, one.ends_at) for one in ahead if one.vehicle_id == vehicle_id)


def _answered(asked: Asked, answer: Told | None, session: str | None) -> Answered:
    is_ended = answer is None and asked.is_ended(session)
    return Answered(asked=asked, answer=answer, is_ended=is_ended)
