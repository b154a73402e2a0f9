"""A day in the simulated city without its processes: what happens, and how long it really takes.

The world of a day is drawn from a seed before anybody plans: what happens (``sim.happenings``), who
is not at home, how long each door takes. So one day can be lived again under another way of
planning, and differences are of the planning.

Who plans is met as drivers meet the product: asked for the next stop when a van is free, told of
what happened when it happened, and of nothing that is to come.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import exp
from random import Random
from typing import Final, Literal, NamedTuple, Protocol

from sim.drivers import is_home, service_s
from sim.driving import Drive
from sim.geodesy import Point, distance_m
from sim.happenings import HOUR_S, Errand, Script
from sim.streets import Path, Place
from sim.traffic import Traffic

_EARLY_S: Final = 300.0
_LOADING_S: Final = 12.0
"""For each parcel, as the demo's drivers take."""

_AT_PLACE_M: Final = 40.0
_DOOR_DEVIATION: Final = 0.3
"""How much doors differ from what was ordered for them, each time alike: an assumption."""

_LONGEST_S: Final = 18 * HOUR_S


class Task(NamedTuple):
    """What a driver is told to do next: fetch or deliver ``orders`` at ``point``.

    ``opens`` is when the door's window does; ``stop_id`` is how the planner calls it.
    """

    stop_id: str
    kind: Literal["pickup", "delivery"]
    orders: tuple[str, ...]
    point: Point
    opens: float | None


class Planner(Protocol):
    """Who plans the day; ``revision`` grows with each change of what vans are to do."""

    @property
    def revision(self) -> int:
        """Counts its plans."""
        ...

    def next_task(self, van: str, now_s: float) -> Task | None:
        """What a free van is to do; None when there is nothing for it now."""
        ...

    def arrived(self, van: str, task: Task, now_s: float) -> bool:
        """A van is at a stop; whether it is still to be served by this van."""
        ...

    def done(self, van: str, task: Task, delivered: dict[str, bool], now_s: float) -> None:
        """A stop is done; of each order whether it was handed over, or loaded."""
        ...

    def ordered(self, errand: Errand, now_s: float) -> None:
        """An order has come in."""
        ...

    def called_off(self, order: str, now_s: float) -> None:
        """An order was cancelled."""
        ...

    def broke_down(self, van: str, point: Point, now_s: float) -> None:
        """A van stands where it is for the rest of the day."""
        ...

    def called(self, what: str, now_s: float) -> None:
        """The instant has come for which `LivedDay.call` was asked."""
        ...


class Ways(Protocol):
    """Streets as drivers take them."""

    def nearest(self, point: Point) -> Place:
        """The street before a door."""
        ...

    def path(self, start: Place, end: Place) -> Path:
        """The quickest way when the streets are empty."""
        ...


@dataclass(slots=True)
class Halt:
    """One stop as it really went: when the van left for it, arrived, and was done."""

    van: str
    task: Task
    left_s: float
    drive: Drive | None
    arrived_s: float
    done_s: float | None = None
    delivered: dict[str, bool] = field(default_factory=dict)


@dataclass(slots=True)
class _Van:
    point: Point
    halt: Halt | None = None
    turn: int = 0
    is_idle: bool = False
    is_broken: bool = False
    driven_m: float = 0.0
    driven_s: float = 0.0
    home_s: float = 0.0


class LivedDay:
    """Lives one day under one planner."""

    def __init__(self, script: Script, streets: Ways, traffic: Traffic) -> None:
        self.script = script
        self.halts: list[Halt] = []
        self._streets = streets
        self._traffic = traffic
        self._vans = {van: _Van(script.depot) for van in script.vans}
        self._errands = {one.id: one for one in script.errands}
        self._events: list[tuple[float, int, str, str, int]] = []
        self._order = count()

    @property
    def driven_m(self) -> float:
        """By all vans, the ways home included."""
        return sum(van.driven_m for van in self._vans.values())

    @property
    def driven_s(self) -> float:
        """Seconds at the wheel of all vans."""
        return sum(van.driven_s for van in self._vans.values())

    def home_s(self, van: str) -> float:
        """When a van was back; 0 when it never left or broke down."""
        return self._vans[van].home_s

    def motion(self, van: str, at_s: float) -> tuple[Point, float]:
        """Where a van is, and the share of its way that lies ahead (0 while it stands)."""
        it = self._vans[van]
        halt = it.halt
        if halt is None or halt.drive is None or at_s >= halt.arrived_s:
            return it.point if halt is None else halt.task.point, 0.0
        motion = halt.drive.at(at_s - halt.left_s)
        return (motion.lat, motion.lon), halt.drive.left(at_s - halt.left_s)

    def way_left(self, van: str, stop_id: str, at_s: float) -> float:
        """The share of the way to a stop that lies ahead; 1 when the van has not left for it."""
        halt = self._vans[van].halt
        return self.motion(van, at_s)[1] if halt and halt.task.stop_id == stop_id else 1.0

    def call(self, at_s: float, what: str) -> None:
        """Let the planner be called at an instant."""
        self._at(at_s, "call", what)

    def live(self, planner: Planner) -> None:
        """From the begin of the shift until every van is home.

        Raises:
            RuntimeError: the planner never comes to an end.
        """
        self._expect()
        revision = planner.revision
        while self._events:
            at_s, _, what, name, turn = heappop(self._events)
            if at_s > self.script.begins_s + _LONGEST_S:
                raise RuntimeError("the day does not end; a planner gives the same stop again")
            self._happen(planner, at_s, what, name, turn)
            if planner.revision != revision:
                revision = planner.revision
                self._wake(at_s)
        for name, van in self._vans.items():
            if not van.is_broken and self._has_left(name):
                self._drive_home(name, van)

    def _expect(self) -> None:
        for one in self.script.errands:
            if one.known_s > self.script.begins_s:
                self._at(one.known_s, "ordered", one.id)
            if one.called_off_s is not None:
                self._at(one.called_off_s, "called off", one.id)
        for van, at_s in self.script.breakdowns.items():
            self._at(at_s, "broke down", van)
        for van in self.script.vans:
            self._at(self.script.begins_s, "free", van)

    def _happen(self, planner: Planner, at_s: float, what: str, name: str, turn: int) -> None:
        match what:
            case "ordered":
                planner.ordered(self._errands[name], at_s)
            case "called off":
                planner.called_off(name, at_s)
            case "broke down":
                self._break_down(planner, name, at_s)
            case "call":
                planner.called(name, at_s)
            case _ if turn != self._vans[name].turn:
                return  # it was woken, or broke down, meanwhile
            case "free":
                self._ask(planner, name, at_s)
            case "arrive":
                self._arrive(planner, name, at_s)
            case _:
                self._finish(planner, name, at_s)

    def _ask(self, planner: Planner, name: str, at_s: float) -> None:
        van = self._vans[name]
        task = planner.next_task(name, at_s)
        van.is_idle = task is None
        if task is None:
            return
        drive = self._drive(name, van.point, task, at_s)
        if task.opens is not None:
            known_s = self._estimated_s(van.point, task, at_s)
            leave_s = task.opens - _EARLY_S - known_s
            if leave_s > at_s + 1.0:
                van.is_idle = True  # waits where it is; asked again when something has happened
                self._at(leave_s, "free", name)
                return
        arrived_s = at_s if drive is None else at_s + drive.lasts_s
        van.halt = Halt(name, task, at_s, drive, arrived_s)
        self.halts.append(van.halt)
        self._at(arrived_s, "arrive", name)

    def _arrive(self, planner: Planner, name: str, at_s: float) -> None:
        van = self._vans[name]
        halt = van.halt
        if halt is None:
            raise RuntimeError(f"{name} arrives nowhere")
        if halt.drive is not None:
            van.driven_m += halt.drive.distance_m
            van.driven_s += halt.drive.lasts_s
        van.point = halt.task.point
        if planner.arrived(name, halt.task, at_s):
            self._at(self._done_at(halt, at_s), "done", name)
        else:
            halt.done_s, van.halt = at_s, None
            self._at(at_s, "free", name)

    def _done_at(self, halt: Halt, at_s: float) -> float:
        errands = [self._errands[order] for order in halt.task.orders]
        if halt.task.kind == "pickup":
            return at_s + _LOADING_S * sum(one.parcels for one in errands)
        wanted = [one for one in errands if one.called_off_s is None or one.called_off_s > at_s]
        if not wanted:
            return at_s
        begin_s = at_s if halt.task.opens is None else max(at_s, halt.task.opens)
        return begin_s + sum(self._service_s(one) for one in wanted)

    def _service_s(self, errand: Errand) -> float:
        door = Random(f"door {errand.door}").gauss(0.0, _DOOR_DEVIATION)
        return service_s(errand.service_s * exp(door), self._luck(f"service {errand.id}"))

    def _finish(self, planner: Planner, name: str, at_s: float) -> None:
        van = self._vans[name]
        halt = van.halt
        if halt is None:
            raise RuntimeError(f"{name} is done with nothing")
        halt.done_s = at_s
        halt.delivered = {order: self._succeeds(halt, order) for order in halt.task.orders}
        van.halt = None
        planner.done(name, halt.task, halt.delivered, at_s)
        if not van.is_broken:
            self._at(at_s, "free", name)

    def _succeeds(self, halt: Halt, order: str) -> bool:
        errand = self._errands[order]
        if errand.called_off_s is not None and errand.called_off_s <= halt.arrived_s:
            return False
        return halt.task.kind == "pickup" or is_home(self._luck(f"home {order}"))

    def _break_down(self, planner: Planner, name: str, at_s: float) -> None:
        """It drives no more; who stands at a door finishes there on foot."""
        van = self._vans[name]
        van.point, left = self.motion(name, at_s)
        van.is_broken, van.is_idle = True, False
        stands_at_door = van.halt is not None and at_s >= van.halt.arrived_s
        if not stands_at_door:
            van.turn += 1  # whatever it was to do next
        if van.halt is not None and not stands_at_door:
            if van.halt.drive is not None:
                van.driven_m += van.halt.drive.distance_m * (1.0 - left)
                van.driven_s += at_s - van.halt.left_s
            self.halts.remove(van.halt)
            van.halt = None
        planner.broke_down(name, van.point, at_s)

    def _wake(self, at_s: float) -> None:
        """Whoever waits looks at the plan again."""
        for name, van in self._vans.items():
            if van.is_idle and not van.is_broken:
                self._at(at_s, "free", name)

    def _at(self, at_s: float, what: str, name: str) -> None:
        turn = 0
        if name in self._vans and what in {"free", "arrive", "done"}:
            self._vans[name].turn += 1
            turn = self._vans[name].turn
        heappush(self._events, (at_s, next(self._order), what, name, turn))

    def _drive(self, name: str, start: Point, task: Task, at_s: float) -> Drive | None:
        here, there = self._streets.nearest(start), self._streets.nearest(task.point)
        if distance_m(here.point, there.point) < _AT_PLACE_M:
            return None
        luck = self._luck(f"{name} to {there.point}")
        return Drive(
            self._streets.path(here, there), rng=luck, traffic=self._traffic, leaves_s=at_s
        )

    def _estimated_s(self, start: Point, task: Task, at_s: float) -> float:
        """What a driver who knows the town and its traffic expects; not this drive's own luck."""
        drive = self._drive("anybody", start, task, at_s)
        return 0.0 if drive is None else drive.lasts_s

    def _has_left(self, name: str) -> bool:
        return any(halt.van == name for halt in self.halts)

    def _drive_home(self, name: str, van: _Van) -> None:
        last_s = max(halt.done_s or 0.0 for halt in self.halts if halt.van == name)
        home = Task("home", "pickup", (), self.script.depot, None)
        drive = self._drive(name, van.point, home, last_s)
        van.home_s = last_s + (drive.lasts_s if drive else 0.0)
        van.driven_m += drive.distance_m if drive else 0.0
        van.driven_s += drive.lasts_s if drive else 0.0

    def _luck(self, of: str) -> Random:
        return Random(f"{self.script.seed} {of}")


def attempted(halts: Iterable[Halt]) -> dict[str, float]:
    """When the service of each order that was tried began, seconds since 1970."""
    return {
        order: max(halt.arrived_s, halt.task.opens or 0.0)
        for halt in halts
        if halt.task.kind == "delivery"
        for order in halt.delivered
    }
