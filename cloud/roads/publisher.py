"""Keeps the engine's speeds as people and vans say they are."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from sqlalchemy.exc import DBAPIError

from cloud.foundation import outbox
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.roads import store
from cloud.roads.ahead import NAME, Foreseen, Foresight, effects_of, parts, says_as_much, steady
from cloud.roads.generations import stamp
from cloud.roads.hours import Week
from cloud.roads.keeper import NOW
from cloud.roads.model import CityError, RoadsUnavailable
from cloud.roads.news import (
    EVERY_TENANT,
    ahead,
    announced,
    by_effect,
    changes,
    effect_of,
    times_of,
)
from cloud.roads.publishing import SpeedDesk
from cloud.roads.segments import Floats, Segments, read_segments
from cloud.roads.speed_files import SpeedFile, speeds_of
from cloud.roads.speeds import (
    RoadRule,
    layer_of,
    lines,
    next_change,
    share_within,
    speeds_now,
    told_by,
)
from cloud.roads.timed import data_set

_log = logging.getLogger(__name__)

_ELSEWHERE: Final = "the engine of [roads] url takes its speeds from whoever runs it"
_LOOK_EVERY_S: Final = 20.0
_REST_S: Final = 50.0
_REST_TIMES: Final = 30.0
"""What vans meet comes into force so seldom that pricing takes 3 % of a core at most; what
people draw does at once, and at the time they gave it."""
_SETTLE_S: Final = 0.1
"""Several changes at once are one set of speeds."""


type _Drawn = tuple[tuple[str, ...], tuple[tuple[str, float], ...]]
"""What rules do, and files by name and when they came."""
type Learned = Callable[[Segments, float, Floats], Sequence[Floats]]
"""Gives factors of now over travel times as they are told (`cloud.roads.speeds.told_by`)."""


def _nothing_learned(_segments: Segments, _at_s: float, _told: Floats) -> Sequence[Floats]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """The usual factors of each class of hours over the profile's; ``version`` is of them.

    ``over``: gives such a factor over what is told of streets (`Pattern.over`).
    """

    version: int
    week: Week
    factors: tuple[Floats, ...]
    over: Callable[[Floats, Floats], Floats]


type Usual = Callable[[Segments, float], Hours | None]


def _no_hours(_segments: Segments, _at_s: float) -> Hours | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What the engine was last told.

    Attributes:
        at: domain time; None before the first. seconds: from the decision until it held.
        changed, closed: segments that differ from the profile, and that nobody may drive.
        problem: why newer speeds are not in force; empty when they are.
    """

    at: float | None = None
    seconds: float = 0.0
    changed: int = 0
    closed: int = 0
    problem: str = ""


class _Composed(NamedTuple):
    """What the engine is to be told of which city, and the rules in it."""

    city: str
    told: bytes
    changed: int
    closed: int
    rules: tuple[RoadRule, ...]
    drawn: str


class SpeedPublisher:
    """Composes the layers and tells the engine when they have changed.

    Args:
        desk: of the engine on this machine; None when it runs elsewhere and takes no speeds.
        hours: what was learned of each class of hours.
        factors: what was learned: travel time over what is told, by segment, NaN where nothing is
            known; asked for with the segments and the domain time, off the event loop.
        events: which closures and slow zones began and ended is told by them, once, over restarts.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        city: Path,
        desk: SpeedDesk | None,
        factors: Learned = _nothing_learned,
        hours: Usual = _no_hours,
        events: outbox.Outbox | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._city = city
        self._desk = desk
        self._factors = factors
        self._hours = hours
        self._events = events or outbox.Outbox(database)
        self._holding: tuple[RoadRule, ...] | None = None
        self._hours_told: tuple[str, int, _Drawn] | None = None
        self._coming: list[RoadRule] | None = None
        self._foreseen: tuple[Foreseen, ...] | None = None
        self._rules_in_city: dict[tuple[str, str], bool] = {}
        self._segments: tuple[str, Segments] | None = None
        self._next_s = 0.0
        self._changes_s: float | None = None
        self._told: tuple[str, bytes] = ("", b"")
        self._waker = asyncio.Event()
        self._is_asked = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self.in_force = InForce(problem="" if desk else _ELSEWHERE)

    def wake(self) -> None:
        """Look now whether speeds have changed; safe from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ask)

    def _ask(self) -> None:
        self._is_asked = True
        self._waker.set()

    def look(self) -> None:
        """More was learned: look now, if what was learned last is in force long enough."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._waker.set)

    async def run(self) -> None:
        """Work until cancelled."""
        self._loop = asyncio.get_running_loop()
        desk = self._desk
        while desk is not None:
            is_asked, self._is_asked = self._is_asked, False
            try:
                if is_asked or self._loop.time() >= self._next_s or self._has_changed():
                    await self.publish(desk)
                    await self.publish_hours(desk)
                    await self.publish_ahead(desk)
            except (CityError, RoadsUnavailable) as error:
                self._failed(error.detail)
            except DBAPIError as error:
                self._failed(f"the database does not answer: {error.orig}")
            await self._tell_or_later()
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._waker.wait()
                await asyncio.sleep(_SETTLE_S)
            except TimeoutError:
                continue
            finally:
                self._waker.clear()

    async def _tell_or_later(self) -> None:
        try:
            await self.tell()
        except DBAPIError as error:
            _log.warning("news of streets waits", extra={"reason": str(error.orig)})

    def _has_changed(self) -> bool:
        """Whether a closure or slow zone has begun or ended since it was last looked at."""
        return self._changes_s is not None and self._clock.now_s() >= self._changes_s

    async def publish(self, desk: SpeedDesk) -> None:
        """Tell the engine when it does not have the speeds of now.

        Raises:
            CityError: no city is imported. RoadsUnavailable: the old speeds hold.
        """
        loop = asyncio.get_running_loop()
        begun, at_s = loop.time(), self._clock.now_s()
        city, wanted, changed, closed, rules, drawn = await asyncio.to_thread(self._compose, at_s)
        if (city, wanted) != self._told and (wanted or not desk.is_plain(NOW)):
            await desk.publish(NOW, wanted, drawn)
            self._told = city, wanted
            self._next_s = loop.time() + max(_REST_S, _REST_TIMES * (loop.time() - begun))
            self.in_force = InForce(
                at=at_s, seconds=round(loop.time() - begun, 3), changed=changed, closed=closed
            )
            _log.info("new speeds", extra={"segments": changed, "closed": closed})
        elif self.in_force.problem:
            self.in_force = InForce(at=at_s, changed=changed, closed=closed)
        self._holding = rules

    async def tell(self) -> None:
        """Tell of the rules that the engine knows of since the last time, or no more.

        What was told is kept: what began or ended while nothing ran is told at the next start.
        """
        if self._holding is not None and await asyncio.to_thread(self._tell, self._holding):
            self._events.wake()

    def _tell(self, rules: Sequence[RoadRule]) -> bool:
        holding, coming = by_effect(rules), self._coming
        with self._database.reading() as connection:
            told = store.told(connection)
            known = {effect_of(rule) for rule in store.rules(connection)}
        now = holding | (announced(told) if coming is None else ahead(coming))
        if times_of(told) == times_of(now):
            return False
        with self._database.writing() as connection:
            told = store.told(connection)
            store.put_told(connection, told, now)
            news = changes(told, now, known)
            outbox.append(connection, EVERY_TENANT, self._clock.now_s(), *news)
        return True

    async def publish_hours(self, desk: SpeedDesk) -> None:
        """Tell the engine what each class of hours is like, when that has changed.

        It does when more was learned, and when a speed file, or a closure or slow zone that holds
        for a day and longer, comes or goes: that holds in each class.

        Raises:
            CityError: no city is imported. RoadsUnavailable: the old ones hold.
        """
        at_s = self._clock.now_s()
        city, segments = await asyncio.to_thread(self._city_segments)
        hours = await asyncio.to_thread(self._hours, segments, at_s)
        if hours is None:
            return
        known, files = await asyncio.to_thread(self._known)
        said = steady(known, at_s), files
        state = city, hours.version, _drawn(*said)
        if state == self._hours_told:
            return
        for number, factor in enumerate(hours.factors):
            learned = partial(hours.over, factor)
            told = await asyncio.to_thread(_layered, segments, *said, learned)
            await desk.publish(data_set(number), lines(segments, told), _word(city, state[2]))
        await asyncio.to_thread(desk.write_week, hours.week)
        self._hours_told = state

    async def publish_ahead(self, desk: SpeedDesk) -> None:
        """Tell the engine of the times of the next day at which other streets are open than usual.

        Each kind of time is a data set of its own (`cloud.roads.ahead`), kept while it is needed.

        Raises:
            CityError: no city is imported. RoadsUnavailable: what was told last holds.
        """
        at_s = self._clock.now_s()
        city, segments = await asyncio.to_thread(self._city_segments)
        hours = await asyncio.to_thread(self._hours, segments, at_s)
        known, files = await asyncio.to_thread(self._known)
        known = await asyncio.to_thread(self._in_city, city, segments, known)
        usual = [one for one in known if one.holds(at_s)] if hours is None else steady(known, at_s)
        wanted = parts(known, None if hours is None else hours.week, at_s, usual)
        made_of = city, None if hours is None else hours.version, _drawn((), files)
        named = {part.named(made_of).data_set: part for part in wanted}
        spans = tuple(part.named(made_of) for part in wanted)
        coming = [one for part in wanted for one in part.rules if (one.from_s or 0.0) > at_s]
        served = await asyncio.to_thread(desk.served, NAME)
        is_told = self._foreseen is not None and says_as_much(self._foreseen, spans, at_s)
        if is_told and named.keys() == set(served):
            self._coming = coming
            return
        for name, part in named.items():
            if name not in served:
                learned = None
                if hours is not None:
                    factor = hours.factors[part.number or 0]
                    learned = partial(hours.over, factor)
                told = await asyncio.to_thread(_layered, segments, part.rules, files, learned)
                await desk.publish(name, lines(segments, told))
        await asyncio.to_thread(desk.write_foresight, Foresight(spans=spans))
        for name in served:
            if name not in named:
                await desk.drop(name)
        self._foreseen, self._coming = spans, coming

    def _in_city(self, city: str, segments: Segments, rules: Sequence[RoadRule]) -> list[RoadRule]:
        """The rules that any street of the city is in; what is elsewhere needs no travel times."""
        before = self._rules_in_city
        found: dict[tuple[str, str], bool] = {}
        for rule in rules:
            key = city, effect_of(rule)
            is_in = before.get(key)
            found[key] = bool((share_within(segments, rule) > 0).any()) if is_in is None else is_in
        self._rules_in_city = found
        return [rule for rule in rules if found[city, effect_of(rule)]]

    def _failed(self, reason: str) -> None:
        self._is_asked = True  # what people have drawn is tried again at the next look
        if reason != self.in_force.problem:
            _log.warning("new speeds are not in force", extra={"reason": reason})
        old = self.in_force
        self.in_force = InForce(
            at=old.at, seconds=old.seconds, changed=old.changed, closed=old.closed, problem=reason
        )

    def _compose(self, at_s: float) -> "_Composed":
        city, segments = self._city_segments()
        rules, files = self._said(at_s)
        layers = _layers(segments, files)
        factors = self._factors(segments, at_s, told_by(segments, layers))
        kmh = speeds_now(segments, layers=layers, factors=factors, rules=rules)
        told, drawn = lines(segments, kmh), _word(city, _drawn(rules, files))
        return _Composed(city, told, told.count(b"\n"), int((kmh == 0).sum()), rules, drawn)

    def _said(self, at_s: float) -> tuple[tuple[RoadRule, ...], list[SpeedFile]]:
        """The rules that hold, and the files."""
        known, files = self._known()
        self._changes_s = next_change(known, at_s)
        return tuple(one for one in known if one.holds(at_s)), files

    def _known(self) -> tuple[list[RoadRule], list[SpeedFile]]:
        """Every rule, and the files."""
        with self._database.reading() as connection:
            return store.rules(connection), store.speed_files(connection)

    def _city_segments(self) -> tuple[str, Segments]:
        """The segments of the city that is imported now."""
        now = stamp(self._city)
        if self._segments is None or self._segments[0] != now:
            self._segments = now, read_segments(self._city)
        return self._segments


def _drawn(rules: Sequence[RoadRule], files: Sequence[SpeedFile]) -> _Drawn:
    """What people say of the streets, to see when they say something else."""
    return effects_of(rules), tuple((one.name, one.changed_at) for one in files)


def _word(city: str, drawn: _Drawn) -> str:
    """The same in few letters."""
    return sha256(msgspec.json.encode((city, drawn))).hexdigest()[:16]


def _layers(segments: Segments, files: Sequence[SpeedFile]) -> list[Floats]:
    return [layer_of(segments, speeds_of(file))[0] for file in files]


def _layered(
    segments: Segments,
    rules: Sequence[RoadRule],
    files: Sequence[SpeedFile],
    learned: Callable[[Floats], Floats] | None,
) -> Floats:
    """Speeds by files, by what was ``learned`` over what they tell, and by rules."""
    layers = _layers(segments, files)
    factors = [] if learned is None else [learned(told_by(segments, layers))]
    return speeds_now(segments, layers=layers, factors=factors, rules=rules)
