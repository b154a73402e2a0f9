"""A day is lived to its end under any planner, and the same way each time."""

from dataclasses import dataclass, field, replace

import pytest

from sim.day import LivedDay, Task, attempted
from sim.geodesy import Point, distance_m
from sim.happenings import HOUR_S, QUIET, Errand, Rates, Script, script_of
from sim.opening import DEPOT, ZONE
from sim.streets import Streets
from sim.traffic import Traffic, TrafficTruth

EIGHT = 1_772_449_200.0  # 2026-03-02 08:00 in La Serena


@dataclass
class InOrder:
    """Loads all at the depot, then goes through the orders as they came; takes urgent ones last."""

    revision: int = 1
    waiting: list[Errand] = field(default_factory=list)
    given: dict[str, Errand] = field(default_factory=dict)
    has_loaded: set[str] = field(default_factory=set)
    off: set[str] = field(default_factory=set)
    done_orders: dict[str, bool] = field(default_factory=dict)
    stuck: list[str] = field(default_factory=list)
    calls: list[tuple[str, float]] = field(default_factory=list)

    def next_task(self, van: str, now_s: float) -> Task | None:
        if van not in self.has_loaded:
            self.has_loaded.add(van)
            return Task(f"load {van}", "pickup", (), DEPOT, None)
        if van not in self.given:
            if not self.waiting:
                return None
            self.given[van] = self.waiting.pop(0)
        errand = self.given[van]
        opens = errand.window[0] if errand.window else None
        return Task(errand.id, "delivery", (errand.id,), errand.door, opens)

    def arrived(self, van: str, task: Task, now_s: float) -> bool:
        self.given.pop(van, None)
        return task.kind == "pickup" or task.orders[0] not in self.off

    def done(self, van: str, task: Task, delivered: dict[str, bool], now_s: float) -> None:
        self.done_orders |= delivered

    def ordered(self, errand: Errand, now_s: float) -> None:
        self.waiting.append(errand)
        self.revision += 1

    def called_off(self, order: str, now_s: float) -> None:
        self.off.add(order)
        self.waiting = [one for one in self.waiting if one.id != order]

    def broke_down(self, van: str, point: Point, now_s: float) -> None:
        self.stuck.append(van)

    def called(self, what: str, now_s: float) -> None:
        self.calls.append((what, now_s))


def doors(streets: Streets, count: int) -> list[Point]:
    near = [
        streets.point(tail)
        for tail, _ in sorted(streets.segments)
        if distance_m(streets.point(tail), DEPOT) < 4_000
    ]
    return near[:: len(near) // count][:count]


def script(streets: Streets, rates: Rates, *, vans: int = 2, seed: str = "s") -> Script:
    ordered = [
        Errand(
            id=f"order-{at}",
            door=door,
            window=(EIGHT + 3 * HOUR_S, EIGHT + 5 * HOUR_S) if at == 5 else None,
            service_s=180.0,
            parcels=1,
            known_s=EIGHT - HOUR_S,
        )
        for at, door in enumerate(doors(streets, 8))
    ]
    return script_of(
        seed=seed, begins_s=EIGHT, ends_s=EIGHT + 10 * HOUR_S, depot=DEPOT,
        vans=[f"van-{at}" for at in range(vans)], ordered=ordered,
        urgent_doors=doors(streets, 12), rates=rates,
    )  # fmt: skip


def live(streets: Streets, made: Script) -> tuple[LivedDay, InOrder]:
    planner = InOrder(waiting=[one for one in made.errands if one.known_s <= EIGHT])
    traffic = Traffic(zone=ZONE, seed="t", around=[DEPOT], truth=TrafficTruth())
    day = LivedDay(made, streets, traffic)
    day.live(planner)
    return day, planner


def test_every_order_is_tried_once_and_the_vans_come_home(streets: Streets) -> None:
    made = script(streets, QUIET)
    day, planner = live(streets, made)
    assert set(planner.done_orders) == {one.id for one in made.errands}
    for halt in day.halts:
        assert halt.left_s <= halt.arrived_s
        assert halt.done_s is not None
        assert halt.arrived_s <= halt.done_s
    assert day.driven_m > 0
    assert all(day.home_s(van) > EIGHT for van in made.vans)
    at_door = attempted(day.halts)
    assert at_door["order-5"] >= EIGHT + 3 * HOUR_S


def test_the_same_seed_lives_the_same_day(streets: Streets) -> None:
    def told(seed: str) -> list[tuple[str, float, float]]:
        day, _ = live(streets, script(streets, Rates(), seed=seed))
        return [(halt.task.stop_id, halt.arrived_s, halt.done_s or 0.0) for halt in day.halts]

    assert told("one") == told("one")
    assert told("one") != told("other")


def test_a_door_takes_what_it_takes_whoever_comes(streets: Streets) -> None:
    alone, _ = live(streets, script(streets, QUIET, vans=1))
    two, _ = live(streets, script(streets, QUIET, vans=2))

    def took(day: LivedDay) -> dict[str, float]:
        return {
            halt.task.stop_id: round((halt.done_s or 0) - halt.arrived_s, 3)
            for halt in day.halts
            if halt.task.kind == "delivery" and halt.task.opens is None
        }

    assert took(alone) == pytest.approx(took(two))


def test_what_happens_is_told_when_it_does(streets: Streets) -> None:
    made = script(streets, Rates(urgent=0.5, called_off=0.5, breakdown=1.0), vans=1)
    day, planner = live(streets, made)
    assert planner.stuck == ["van-0"]
    assert day.home_s("van-0") == 0.0
    assert all(halt.arrived_s <= made.breakdowns["van-0"] for halt in day.halts)
    urgent = [one for one in made.errands if one.is_urgent]
    assert urgent
    assert planner.revision == 1 + len(urgent)
    assert planner.off == {one.id for one in made.errands if one.called_off_s is not None}


def test_a_planner_is_called_when_it_asked_for_it(streets: Streets) -> None:
    made = script(streets, QUIET)
    planner = InOrder(waiting=list(made.errands))
    traffic = Traffic(zone=ZONE, seed="t", around=[DEPOT], truth=TrafficTruth())
    day = LivedDay(made, streets, traffic)
    day.call(EIGHT + 600, "later")
    day.call(EIGHT + 60, "soon")
    day.live(planner)
    assert planner.calls == [("soon", EIGHT + 60), ("later", EIGHT + 600)]


def test_a_van_is_stranded_on_the_day_that_has_one(streets: Streets) -> None:
    made = script(streets, Rates(urgent=0.0, called_off=0.0, breakdown=0.0, stranded=1))
    assert len(made.breakdowns) == 1
    assert script(streets, QUIET).breakdowns == {}


@dataclass
class Watching(InOrder):
    """Notes how far the vans have come whenever an order comes in."""

    day: LivedDay | None = None
    seen: list[tuple[float, float]] = field(default_factory=list)

    def ordered(self, errand: Errand, now_s: float) -> None:
        super().ordered(errand, now_s)
        assert self.day is not None
        for halt in self.day.halts:
            if halt.drive is not None and halt.left_s < now_s < halt.arrived_s:
                at = self.day.motion(halt.van, now_s)[1]
                self.seen.append((at, halt.drive.left(now_s - halt.left_s)))


def test_how_far_a_van_has_come_tells_nothing_of_when_it_will_be_there(streets: Streets) -> None:
    made = script(streets, Rates(urgent=1.0, called_off=0.0, breakdown=0.0))
    planner = Watching(waiting=[one for one in made.errands if one.known_s <= EIGHT])
    traffic = Traffic(zone=ZONE, seed="t", around=[DEPOT], truth=TrafficTruth())
    planner.day = LivedDay(made, streets, traffic)
    planner.day.live(planner)
    assert planner.seen
    assert all(at == left for at, left in planner.seen)


def test_who_stands_at_a_door_when_the_van_breaks_down_finishes_there(streets: Streets) -> None:
    quiet = script(streets, QUIET, vans=1)
    whole, _ = live(streets, quiet)
    at_door = next(one for one in whole.halts if one.task.kind == "delivery")
    assert at_door.done_s is not None
    breaks_s = (at_door.arrived_s + at_door.done_s) / 2
    day, planner = live(streets, replace(quiet, breakdowns={"van-0": breaks_s}))
    assert set(planner.done_orders) == {*at_door.task.orders}
    assert day.halts[-1].done_s == at_door.done_s
    assert planner.stuck == ["van-0"]
