"""What the days before leave of a driver's shift: daily and weekly rest, a week's work. Pure.

Work of one service date is one day, in however many shifts; rest lies between the days. The later
shift is bound by what came before it, never the other way round. Instants are seconds since 1970.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from math import inf
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from cloud.fleet.model import Shift
from cloud.planning.visiting import OVERTIME_S
from cloud.planning.working import NO_RULES, WorkRules

type RestRule = Literal["daily_rest", "rest_in_24_hours", "weekly_rest", "six_days", "week"]
"""The first and third let a shift begin later, the second and fourth end earlier."""
type Spans = tuple[tuple[float, float], ...]

DAY_S: Final = 86_400
SIX_DAYS_S: Final = 6 * DAY_S
LOOK_BACK_S: Final = 9 * DAY_S
"""So far back work matters: six days, the longest weekly rest before them, and the week."""
_FULL_S: Final = 300
"""The earliest begin is on five minutes, so that it does not move each second of a late evening."""
_LEAST_S: Final = 60
EARLY_BEGIN_S: Final = 4 * 3_600
"""Nobody sets out so long before a shift: what was seen then was seen in another one."""


class RouteProgress(NamedTuple):
    """How far a shift's route is.

    Attributes:
        planned_end: when the van is back, as planned. first_seen: when the driver first arrived
            anywhere; None is nowhere yet. last_seen: when the driver was last done with a stop.
        open_stops: how many are still to be done. end_leg_s: drive from the last stop back.
        breaks: planned, from and to.
    """

    planned_end: float
    first_seen: float | None
    last_seen: float | None
    open_stops: int
    end_leg_s: int
    breaks: Spans


class Turn(NamedTuple):
    """That somebody drives, or drove, a van in a shift.

    Attributes:
        begin, end: of that assignment; end None is open. starts_at, ends_at, breaks: of the shift.
        route: None when nothing is planned for it.
    """

    driver_id: str
    shift_id: str
    service_date: date
    begin: float
    end: float | None
    starts_at: float
    ends_at: float
    breaks: Spans
    route: RouteProgress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Work of a driver in one shift, waiting too, as it was, or as it is planned.

    ``work_s`` is its length without breaks.
    """

    driver_id: str
    shift_id: str
    service_date: date
    begins: float
    ends: float
    work_s: int


class Strain(NamedTuple):
    """One rule that leaves less of a shift than was entered.

    Attributes:
        needed_s: rest that has to be, or work that may be.
        found_s: rest or work as the shift was entered.
        since: end of the work before; of what has to end, its begin.
    """

    rule: RestRule
    needed_s: int
    found_s: int
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What is left of a shift.

    Attributes:
        begins_at: it begins no earlier. ends_at: it ends no later.
        work_s: most work in it; None is not limited by other days.
        strains: the rules that take something of it.
    """

    begins_at: float
    ends_at: float
    work_s: int | None = None
    strains: tuple[Strain, ...] = ()

    @property
    def is_none(self) -> bool:
        """Whether nothing worth the name is left."""
        left_s = self.ends_at - self.begins_at
        return min(left_s, left_s if self.work_s is None else self.work_s) < _LEAST_S


def stretch_of(turn: Turn, now: float, rules: WorkRules) -> Stretch | None:
    """The work of a turn: what was, where the route tells it; else what is planned. None is none.

    Whoever is still out, comes back as planned, and not before now. A route that was driven before
    its shift began, by a telephone whose clock is wrong, was driven as planned.
    """
    ends = _end_of(turn, now)
    if turn.route is not None and ends <= turn.starts_at:
        ends = turn.route.planned_end
    return _worked(turn, ends, rules.least_s)


@lru_cache(8_192)
def _worked(turn: Turn, ends: float, least_s: int) -> Stretch | None:
    begins = max(turn.begin, turn.starts_at)
    if turn.end is not None and turn.end < turn.ends_at:  # handed over, or called off on the way
        ends = min(ends, turn.end)
    if ends <= begins:
        return None
    route = turn.route
    return Stretch(
        driver_id=turn.driver_id,
        shift_id=turn.shift_id,
        service_date=turn.service_date,
        begins=begins,
        ends=ends,
        work_s=_work_s(begins, ends, turn.breaks if route is None else route.breaks, least_s),
    )


def planned_work_s(route: RouteProgress, begins: float, rules: WorkRules) -> int:
    """Work of a route as it is planned, waiting too, when its day begins at ``begins``."""
    return _work_s(begins, max(begins, route.planned_end), route.breaks, rules.least_s)


def _work_s(begins: float, ends: float, breaks: Spans, least_s: int) -> int:
    rested_s = sum(
        max(0.0, min(end, ends) - max(begin, begins))
        for begin, end in breaks
        if end - begin >= least_s
    )
    return int(ends - begins - min(rested_s, ends - begins))


def _end_of(turn: Turn, now: float) -> float:
    route = turn.route
    if route is None:
        return turn.ends_at
    if route.first_seen is None:
        return route.planned_end
    back = (route.last_seen or route.first_seen) + route.end_leg_s
    if not route.open_stops:
        return back
    is_out = now < turn.ends_at + OVERTIME_S
    return max(back, route.planned_end, now if is_out else back)


def allowed(
    shift: Shift,
    before: Iterable[Stretch],
    rules: WorkRules | None,
    *,
    set_out: float | None = None,
) -> Allowed:
    """What the work before a shift leaves of it.

    Args:
        shift: to come, or on.
        before: work of its driver, in any order; what is not before it is left out.
        rules: None is not limited.
        set_out: when its van did, whether it might or not. Who was too early has begun then, and
            no week's hours are taken from who is out.
    """
    rules = rules or NO_RULES
    known = [
        one
        for one in sorted(before, key=lambda one: one.begins)
        if one.driver_id == shift.driver_id
        and one.shift_id != shift.id
        and one.begins < shift.starts_at
    ]
    same_day = _without_rest(known, shift, rules)
    days = _days((one for one in known if one not in same_day), rules)
    begins = min((one.begins for one in same_day), default=shift.starts_at)
    set_out = set_out if has_begun(shift, set_out) else None
    left, strains = shift.ends_at, list[Strain]()
    begins_at, late = _rested_before(shift, begins, days, rules)
    strains += late
    if set_out is not None:
        begins_at = min(begins_at, max(set_out, shift.starts_at))
    sets_out = begins if same_day else begins_at
    for strain in _to_rest_after(shift, sets_out, days, rules):
        strains.append(strain)
        length_s = SIX_DAYS_S if strain.rule == "six_days" else DAY_S - strain.needed_s
        left = min(left, strain.since + length_s)
    work_s, busy = _week(shift, known, rules)
    work_s = work_s if set_out is None else None
    of_date = [one.work_s for one in known if one.service_date == shift.service_date]
    if rules.day_s is not None and of_date:
        of_day_s = max(0, rules.day_s - sum(of_date))
        work_s = of_day_s if work_s is None else min(work_s, of_day_s)
    return Allowed(
        begins_at=begins_at,
        ends_at=max(begins_at, left),
        work_s=work_s,
        strains=(*strains, *busy),
    )


def has_begun(shift: Shift, set_out: float | None) -> bool:
    """Whether a van's setting out was in this shift, and not in another one of its day."""
    return set_out is not None and set_out >= shift.starts_at - EARLY_BEGIN_S


class _Worked(NamedTuple):
    """A day of work: from its first begin to its last end."""

    begins: float
    ends: float


def _without_rest(known: Iterable[Stretch], shift: Shift, rules: WorkRules) -> list[Stretch]:
    """The work of a shift's date before it, back to the last daily rest in that date, if any."""
    found: list[Stretch] = []
    ended = -inf
    for one in known:
        if one.service_date != shift.service_date:
            continue
        found = [one] if _is_rest(one.begins - ended, rules) else [*found, one]
        ended = max(ended, one.ends)
    return [] if _is_rest(shift.starts_at - ended, rules) else found


def _is_rest(gap_s: float, rules: WorkRules) -> bool:
    """Whether what lies within a date is no pause of a day, but the rest between two."""
    return rules.rest_s is not None and gap_s >= rules.rest_s


def _days(known: Iterable[Stretch], rules: WorkRules) -> list[_Worked]:
    """The days in order; those that overlap, as a night and the morning after it, are one.

    ``known`` by their begin; a date in which there is a daily rest is two days.
    """
    of_date: dict[date, list[_Worked]] = {}
    for one in known:
        of = of_date.setdefault(one.service_date, [])
        if of and not _is_rest(one.begins - of[-1].ends, rules):
            of[-1] = _Worked(of[-1].begins, max(of[-1].ends, one.ends))
        else:
            of.append(_Worked(one.begins, one.ends))
    found: list[_Worked] = []
    for day in sorted(day for of in of_date.values() for day in of):
        if found and day.begins <= found[-1].ends:
            found[-1] = _Worked(found[-1].begins, max(found[-1].ends, day.ends))
        else:
            found.append(day)
    return found


class _Rests(NamedTuple):
    """The rests up to a day: since when work lasts without a weekly one, and shorter ones since.

    ``since`` None: the last weekly rest lasts until the day begins.
    """

    since: float | None
    short: int

    def next_s(self, rules: WorkRules) -> int:
        """How long the next daily rest has to be."""
        if rules.rest_s is None:
            return 0
        if rules.short_rest_s is not None and self.short < rules.short_rests:
            return min(rules.rest_s, rules.short_rest_s)
        return rules.rest_s


def _rests(begins: float, days: Sequence[_Worked], rules: WorkRules) -> _Rests:
    """The rests before a day that begins at an instant, the one just before it included."""
    long_s = SIX_DAYS_S if rules.week_rest_s is None else rules.week_rest_s
    since: float | None = None
    short = 0
    ended: float | None = None
    for begin, end in (*days, _Worked(begins, begins)):
        if ended is None or begin - ended >= long_s:
            since, short = begin, 0
        elif begin - ended < (rules.rest_s or 0):
            short += 1
        ended = end
    return _Rests(None if since == begins else since, short)


def _rested_before(
    shift: Shift, begins: float, days: Sequence[_Worked], rules: WorkRules
) -> tuple[float, list[Strain]]:
    """When the shift may begin after the rest before it, and what makes that later."""
    if not days:
        return shift.starts_at, []
    ended = days[-1].ends
    rests = _rests(days[-1].begins, days[:-1], rules)
    rule: RestRule = "daily_rest"
    needed_s = rests.next_s(rules)
    since = days[-1].begins if rests.since is None else rests.since
    is_weekly_due = max(begins, ended + needed_s) >= since + SIX_DAYS_S
    if rules.week_rest_s is not None and is_weekly_due:
        rule, needed_s = "weekly_rest", rules.week_rest_s
    earliest = _full(ended + needed_s)
    if not needed_s or begins - ended >= needed_s or earliest <= shift.starts_at:
        return shift.starts_at, []
    return earliest, [Strain(rule, needed_s, int(shift.starts_at - ended), ended)]


def _to_rest_after(
    shift: Shift, sets_out: float, days: Sequence[_Worked], rules: WorkRules
) -> Iterator[Strain]:
    """What rest has to follow earlier than the shift ends."""
    rests = _rests(sets_out, days, rules)
    since = sets_out if rests.since is None else rests.since
    if rules.week_rest_s is not None and since + SIX_DAYS_S < shift.ends_at:
        yield Strain("six_days", rules.week_rest_s, int(shift.ends_at - since), since)
    rest_s = rests.next_s(rules)
    if rules.is_rest_daily and rest_s and sets_out + DAY_S - rest_s < shift.ends_at:
        yield Strain("rest_in_24_hours", rest_s, int(shift.ends_at - sets_out), sets_out)


def _week(
    shift: Shift, known: Iterable[Stretch], rules: WorkRules
) -> tuple[int | None, tuple[Strain, ...]]:
    """Most work that the week leaves, and the strain when the shift is entered for more."""
    if rules.week_s is None:
        return None, ()
    week = shift.service_date.isocalendar()[:2]
    done = [one for one in known if one.service_date.isocalendar()[:2] == week]
    worked_s = sum(one.work_s for one in done)
    left_s = max(0, rules.week_s - worked_s)
    rested_s = sum(int(end - begin) for begin, end in shift.breaks if end - begin >= rules.least_s)
    asked_s = int(shift.ends_at - shift.starts_at) - rested_s
    if asked_s <= left_s:
        return left_s, ()
    first = min((one.begins for one in done), default=shift.starts_at)
    return left_s, (Strain("week", rules.week_s, worked_s + asked_s, first),)


def _full(instant: float) -> float:
    """The next full five minutes."""
    return -(-instant // _FULL_S) * _FULL_S


class Telling(NamedTuple):
    """How strains of a shift are told: by its driver's name, in the depot's zone."""

    driver: str
    zone: str
    has_begun: bool

    def words(self, strain: Strain, shift: Shift, left: Allowed) -> str:
        """Who, which rule, its figures, what it does to the plan, and what to do about it."""
        begins = self._clock(shift.starts_at)
        named = f"{self.driver}, shift of {begins} with {shift.vehicle_id},"
        return f"{named} {self._fact(strain)}: {self._effect(strain, left)}"

    def _fact(self, strain: Strain) -> str:
        needed, found = _hours(strain.needed_s), _hours(strain.found_s)
        since = self._clock(strain.since)
        match strain.rule:
            case "daily_rest":
                return f"works until {since}, {found} before this shift, and has to rest {needed}"
            case "weekly_rest":
                return (
                    f"works until {since}, {found} before this shift, and after six days has to "
                    f"have the weekly rest of {needed}"
                )
            case "rest_in_24_hours":
                return f"sets out {since} and has to rest {needed} within 24 hours of that"
            case "six_days":
                return f"works since {since} and after six days has to rest {needed}"
            case "week":
                return f"would work {found} in the week of this shift and may work {needed}"

    def _effect(self, strain: Strain, left: Allowed) -> str:
        other = "or give it to another driver"
        if left.is_none and not self.has_begun:
            return "nothing of it is planned. Give it to another driver, or cancel it."
        match strain.rule:
            case "daily_rest" | "weekly_rest":
                if self.has_begun and left.begins_at < strain.since + strain.needed_s:
                    return "it has begun all the same. Let another driver take over."
                return f"it is planned from {self._clock(left.begins_at)}. Begin it then, {other}."
            case "rest_in_24_hours" | "six_days":
                return f"it is planned until {self._clock(left.ends_at)}. End it then, {other}."
            case "week":
                if self.has_begun:
                    return "it has begun and is planned on. Let another driver take over."
                work = _hours(left.work_s or 0)
                return f"it is planned for {work} of work. Shorten it, {other}."

    def _clock(self, instant: float) -> str:
        """Such as "Wed 25 Nov 23:40"."""
        return datetime.fromtimestamp(instant, ZoneInfo(self.zone)).strftime("%a %d %b %H:%M")


def _hours(seconds: int) -> str:
    hours, minutes = divmod(max(0, seconds) // 60, 60)
    if hours == 0:
        return f"{minutes} min"
    return f"{hours} h" if minutes == 0 else f"{hours} h {minutes} min"
