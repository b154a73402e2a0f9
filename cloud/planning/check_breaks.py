"""The independent check of breaks and working time: the day told again, minute by minute. Pure.

It shares no code with what places the breaks: it goes along a route and adds up work and driving.
"""

from collections.abc import Iterator

from cloud.planning.problem import Vehicle
from cloud.planning.solution import PlannedBreak, PlannedRoute, Violation, Visit
from cloud.planning.working import WorkRules


def check_breaks(van: Vehicle, route: PlannedRoute) -> Iterator[Violation]:
    """Every rule about breaks, pauses and working time that a route breaks."""
    if not route.visits:
        return
    found = list(_places(van, route))
    yield from found
    if not found:
        yield from _pauses(van, route)
        if van.work_rules is not None:
            yield from _Day(van, van.work_rules, route).broken()


def _places(van: Vehicle, route: PlannedRoute) -> Iterator[Violation]:
    """Each break lies where the van stands, while it neither drives nor serves."""
    if not route.breaks:
        return
    where, free_at = van.start, van.available_from
    for number in range(len(route.visits) + 1):
        visit = route.visits[number] if number < len(route.visits) else None
        arrival = route.ends_at if visit is None else visit.arrival
        leg_s = route.end_leg_s if visit is None else visit.leg_s
        mine = sorted(
            (each for each in route.breaks if each.before == number), key=lambda each: each.begins
        )
        at_door = [each for each in mine if visit is not None and each.begins >= arrival]
        before = [each for each in mine if each not in at_door]
        yield from _in_turn(van, before, where, free_at, arrival - leg_s)
        if visit is not None:
            yield from _in_turn(van, at_door, visit.location, arrival, visit.start)
            where, free_at = visit.location, max(free_at, visit.departure)
    if any(each.before > len(route.visits) for each in route.breaks):
        yield _broken(van, "a break belongs to no visit")


def _in_turn(
    van: Vehicle, breaks: list[PlannedBreak], where: int, begin: int, end: int
) -> Iterator[Violation]:
    for each in breaks:
        if each.location != where:
            yield _broken(van, f"a break is at {each.location}, and the van stands at {where}")
        if each.begins < begin or each.ends > end or each.ends <= each.begins:
            yield _broken(
                van, f"no break fits from {each.begins} to {each.ends}, only {begin} to {end}"
            )
        begin = each.ends


def _pauses(van: Vehicle, route: PlannedRoute) -> Iterator[Violation]:
    busy = [(route.ends_at - route.end_leg_s, route.ends_at)]
    for visit in route.visits:
        busy.append((visit.arrival - visit.leg_s, visit.arrival))
        if not _is_loading(van, visit, route):
            busy.append((visit.start, visit.departure))
    for begins, ends in van.pauses:
        if any(one < ends and begins < other for one, other in busy if one < other):
            yield _broken(van, f"it drives or serves in its pause from {begins} to {ends}")


def _is_loading(van: Vehicle, visit: Visit, route: PlannedRoute) -> bool:
    first = next((each for each in route.visits if each.location != van.start), None)
    return van.loads_at_start and (first is None or visit.departure <= first.arrival)


class _Day:
    """The counters of one driver, set forth from break to break."""

    def __init__(self, van: Vehicle, rules: WorkRules, route: PlannedRoute) -> None:
        self._van = van
        self._rules = rules
        self._route = route
        self._work_s = van.worked.work_s
        self._drive_s = van.worked.drive_s
        self._day_s = van.worked.day_s
        self._rest_s = van.worked.rest_s
        self._drives = [
            *((visit.arrival, visit.leg_s) for visit in route.visits),
            (route.ends_at, route.end_leg_s),
        ]

    def broken(self) -> Iterator[Violation]:
        rules, at = self._rules, self._van.available_from
        for each in sorted(self._route.breaks, key=lambda each: each.begins):
            length = each.ends - each.begins
            yield from self._go_on(at, each.begins)
            at = each.ends
            if length < rules.least_s:
                self._work(length)
                continue
            self._rest_s += length
            self._work_s = 0 if length >= rules.break_s else self._work_s
            self._drive_s = 0 if length >= rules.drive_break_s else self._drive_s
        yield from self._go_on(at, self._route.ends_at)
        yield from self._whole()

    def _go_on(self, begin: int, end: int) -> Iterator[Violation]:
        """Work from ``begin`` to ``end``, and drive what is driven in it."""
        rules = self._rules
        self._work(end - begin)
        self._drive_s += sum(leg_s for arrival, leg_s in self._drives if begin < arrival <= end)
        if rules.work_s is not None and self._work_s > rules.work_s:
            yield _broken(
                self._van, f"at {end} it has worked {self._work_s} s without a break", "work"
            )
        if rules.drive_s is not None and self._drive_s > rules.drive_s:
            yield _broken(
                self._van, f"at {end} it has driven {self._drive_s} s without a break", "work"
            )

    def _work(self, seconds: int) -> None:
        self._work_s += seconds
        self._day_s += seconds

    def _whole(self) -> Iterator[Violation]:
        rules, van = self._rules, self._van
        driven_s = van.worked.day_drive_s + sum(leg_s for _, leg_s in self._drives)
        if rules.day_s is not None and self._day_s > rules.day_s:
            yield _broken(van, f"the day has {self._day_s} s of work", "work")
        if rules.day_drive_s is not None and driven_s > rules.day_drive_s:
            yield _broken(van, f"the day has {driven_s} s of driving", "work")
        is_long = rules.long_s is not None and self._day_s > rules.long_s
        if is_long and self._rest_s < rules.long_break_s:
            yield _broken(van, f"so long a day has {self._rest_s} s of breaks only", "work")


def _broken(van: Vehicle, text: str, rule: str = "break") -> Violation:
    return Violation(rule=rule, text=f"{van.id}: {text}", vehicle=van.id)
