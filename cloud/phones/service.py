"""Use cases of phones, one transaction each: what a phone is told is taken has been committed."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection

from cloud.fleet.roster import Roster
from cloud.fleet.service import Fleet
from cloud.fleet.store import is_out_of_use
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid, NotFound, NotSignedIn, Unavailable
from cloud.foundation.given import Unacceptable
from cloud.foundation.identity import Caller
from cloud.foundation.identity.model import fingerprint
from cloud.foundation.ids import NewId, random_secret
from cloud.phones import store
from cloud.phones.model import MOST_WAITING, App, Heard, Phone, Told, judged
from wire.messages import Fix

MOST_PHONES: Final = 20
"""Of one van."""


class Phones:
    """Phones that stand for the receivers of vans."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        fleet: Fleet,
        roster: Roster,
        new_id: NewId,
        new_stream: Callable[[], int],
    ) -> None:
        self._database = database
        self._clock = clock
        self._fleet = fleet
        self._roster = roster
        self._new_id = new_id
        self._new_stream = new_stream
        self._news: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def issue(
        self,
        caller: Caller,
        vehicle_id: str,
        *,
        app: App,
        label: str,
        max_accuracy_m: float,
        is_only_on_shift: bool,
    ) -> tuple[Phone, str]:
        """Let a phone speak for a van; returns it with its token, told this once.

        Raises:
            NotFound: no such van. Invalid: it has `MOST_PHONES` phones already.
        """
        self._fleet.vehicle(caller.tenant, vehicle_id)
        made = Phone(
            tenant=caller.tenant,
            id=self._new_id("phone"),
            vehicle_id=vehicle_id,
            app=app,
            label=label,
            stream=self._new_stream(),
            max_accuracy_m=max_accuracy_m,
            is_only_on_shift=is_only_on_shift,
            made_at=self._clock.now_s(),
            made_by=caller.user_id,
        )
        token = random_secret()
        with self._database.writing() as connection:
            if len(store.phones_of(connection, caller.tenant, vehicle_id)) >= MOST_PHONES:
                raise Invalid.field(
                    "vehicle_id", f"has {MOST_PHONES} phones", "end one that is not used any more"
                )
            store.add_phone(connection, made, fingerprint(token))
        return made, token

    def phones(self, tenant: str, vehicle_id: str) -> list[tuple[Phone, Heard]]:
        """The phones of a van, and what has come of each.

        Raises:
            NotFound: no such van.
        """
        self._fleet.vehicle(tenant, vehicle_id)
        with self._database.reading() as connection:
            return store.phones_of(connection, tenant, vehicle_id)

    def end(self, tenant: str, vehicle_id: str, phone_id: str) -> None:
        """Take a phone's token away; what it has handed in stays.

        Raises:
            NotFound: no such phone of this van, or it has ended.
        """
        with self._database.writing() as connection:
            if not store.end_phone(connection, tenant, vehicle_id, phone_id, self._clock.now_s()):
                raise NotFound(f"phone {phone_id[:80]!r} is not known of {vehicle_id[:80]!r}")

    def take(self, token: str, app: App, told: Sequence[Told | Unacceptable]) -> None:
        """Commit what a phone tells over HTTP; what cannot be believed is counted.

        Raises:
            NotSignedIn: the token is unknown, over, or of another app.
            Unavailable: too much of this phone waits; it sends the same again later.
        """
        with self._database.writing() as connection:
            found = store.by_fingerprint(connection, fingerprint(token))
            if found is None or found[0].app != app:
                raise NotSignedIn("the phone's token is unknown or over; set it up again")
            self._take(connection, *found, told)
        self._wake()

    def take_of(self, tenant: str, phone_id: str, told: Sequence[Told | Unacceptable]) -> bool:
        """The same for a phone that the broker knows; False when we do not.

        Raises:
            Unavailable: too much of this phone waits.
        """
        with self._database.writing() as connection:
            found = store.by_id(connection, tenant, phone_id)
            if found is None:
                return False
            self._take(connection, *found, told)
        self._wake()
        return True

    def _take(
        self,
        connection: Connection,
        phone: Phone,
        next_seq: int,
        waiting: int,
        told: Sequence[Told | Unacceptable],
    ) -> None:
        if waiting >= MOST_WAITING:
            raise Unavailable("too many positions of this phone wait; it keeps the next ones")
        now_s = self._clock.now_s()
        if is_out_of_use(connection, phone.tenant, phone.vehicle_id):
            told = [Unacceptable("vehicle_id: the van is disabled", "enable it first")] * len(told)
        fixes: list[Fix] = []
        problems: list[str] = []
        for one in told:
            try:
                fixes.append(self._judged(phone, one, round(now_s * 1000)))
            except Unacceptable as problem:
                problems.append(str(problem)[:300])
        known = store.known_places(connection, phone, [fix.recorded_at_ms for fix in fixes])
        by_place = {(fix.recorded_at_ms, fix.lat_e7, fix.lon_e7): fix for fix in fixes}
        fresh = [fix for place, fix in by_place.items() if place not in known]
        fresh.sort(key=lambda fix: fix.recorded_at_ms)
        store.add_fixes(connection, phone, next_seq, fresh, round(now_s * 1000))
        store.note_heard(connection, phone, taken=len(fresh), problems=problems, now_s=now_s)

    def _judged(self, phone: Phone, told: Told | Unacceptable, now_ms: int) -> Fix:
        if isinstance(told, Unacceptable):
            raise told
        fix = judged(told, phone, now_ms)
        if phone.is_only_on_shift and not self._is_on_shift(phone, told.at_s):
            raise Unacceptable("time: the van has no shift then", "give it one, or take always")
        return fix

    def _is_on_shift(self, phone: Phone, at_s: float) -> bool:
        shifts = self._roster.shifts_between(phone.tenant, at_s, at_s + 1)
        return any(one.vehicle_id == phone.vehicle_id for one in shifts)

    def hear_of_news(self, news: asyncio.Event) -> None:
        """Have ``news`` set, in the running loop, whenever something was taken."""
        self._news = (asyncio.get_running_loop(), news)

    def _wake(self) -> None:
        if self._news is not None and not self._news[0].is_closed():
            self._news[0].call_soon_threadsafe(self._news[1].set)
