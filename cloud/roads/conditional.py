"""At which hours of the week a van may drive into a street, by OpenStreetMap's signs. Pure.

Read is what most signs say: ``motor_vehicle:conditional=delivery @ (Mo-Fr 06:00-10:00; Sa
07:00-09:00)`` (https://wiki.openstreetmap.org/wiki/Conditional_restrictions), days and hours of a
week. Anything else, such as holidays, months, weights or residents' hours by name, is not guessed:
the street is as it would be without that sign, and the import tells how many there are.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from cloud.fleet.calendar import WEEKDAYS, Calendar, Hours, calendar_of

type Access = Calendar | Literal["as ever", "not understood"]
type Minutes = npt.NDArray[np.bool_]
"""Weekdays x minutes."""

ALLOWED: Final = frozenset({
    "yes", "permissive", "designated", "hov", "customers",
    "delivery", "destination", "private", "permit", "residents",
})  # fmt: skip
"""What lets a van in, as in ``van.lua``."""
_KEYS: Final = ("goods", "motorcar", "motor_vehicle", "vehicle", "access")
"""The most special one first."""
_HEAVY_KG: Final = 3_500
_DAYS: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_CLAUSE: Final = re.compile(r"\s*([a-z_]+)\s*@\s*(\([^()]*\)|[^();]+)\s*(?:;|$)")
_TIME: Final = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_DAY: Final = "(?:Mo|Tu|We|Th|Fr|Sa|Su)"
_RULE: Final = re.compile(
    rf"(?P<days>{_DAY}(?:-{_DAY})?(?:\s*,\s*{_DAY}(?:-{_DAY})?)*)?\s*"
    rf"(?P<hours>off|24/7|{_TIME.pattern}(?:\s*,\s*{_TIME.pattern})*)?"
)
_DAY_MIN: Final = 1_440


def access_hours(tags: Mapping[str, str], weight_kg: float) -> Access:
    """When a van of that weight may drive into a way with those tags.

    Returns:
        The hours of a week; ``as ever`` when no sign of hours is about vans or it changes nothing,
        ``not understood`` when one is that is of another form.
    """
    keys = _keys(weight_kg)
    special = next((at for at, key in enumerate(keys) if f"{key}:conditional" in tags), None)
    plain = next((at for at, key in enumerate(keys) if key in tags), None)
    if special is None or (plain is not None and plain < special):
        return "as ever"
    by_default = is_open_else(tags, weight_kg)
    minutes = _applied(tags[f"{keys[special]}:conditional"], is_open=by_default)
    if minutes is None:
        return "not understood"
    return "as ever" if (minutes == by_default).all() else _calendar(minutes)


def is_open_else(tags: Mapping[str, str], weight_kg: float) -> bool:
    """Whether vans may drive there when no sign of hours says otherwise."""
    if tags.get("highway") == "pedestrian":
        return False
    said = next((tags[key] for key in _keys(weight_kg) if key in tags), "yes")
    return said in ALLOWED


def _keys(weight_kg: float) -> tuple[str, ...]:
    return ("hgv", *_KEYS) if weight_kg > _HEAVY_KG else _KEYS


def _applied(sign: str, *, is_open: bool) -> Minutes | None:
    """What the clauses of a sign leave open, the later over the earlier; None when unreadable."""
    minutes = np.full((7, _DAY_MIN), is_open)
    at = 0
    while at < len(sign):
        clause = _CLAUSE.match(sign, at)
        if clause is None:
            return None
        then = read_week(clause[2].strip().removeprefix("(").removesuffix(")"))
        if then is None:
            return None
        minutes[then] = clause[1] in ALLOWED
        at = clause.end()
    return minutes


def read_week(text: str) -> Minutes | None:
    """The minutes of a week that hours such as ``Mo-Fr 06:00-10:00,18:00-20:00; Sa off`` name.

    A later rule takes the place of an earlier one on its days. None when they are of another form,
    or when it matters whether it does so for what goes on from the night before, which
    OpenStreetMap's specification leaves open.
    """
    own = np.zeros((7, _DAY_MIN), dtype=bool)
    nights = np.zeros((7, _DAY_MIN), dtype=bool)  # by the day on which they end
    ruled: list[list[int]] = []
    for rule in text.split(";"):
        read = _RULE.fullmatch(rule.strip())
        if read is None or not rule.strip():
            return None
        days = _days(read["days"]) if read["days"] else list(range(7))
        minutes = _spans(read["hours"] or "24/7")
        if minutes is None:
            return None
        today, tomorrow = minutes
        own[days] = today
        for day in days:
            nights[(day + 1) % 7] = tomorrow
        ruled.append(days)
    for day in range(7):
        first, last = (_last_of(ruled, one) for one in ((day - 1) % 7, day))
        if first != last and last is not None and (nights[day] & ~own[day]).any():
            return None
    return own | nights


def _last_of(ruled: Sequence[Sequence[int]], day: int) -> int | None:
    """The number of the rule that holds on a day; None when none does."""
    return max((number for number, days in enumerate(ruled) if day in days), default=None)


def _days(text: str) -> list[int]:
    found: list[int] = []
    for part in text.replace(" ", "").split(","):
        first, dash, last = part.partition("-")
        begin = _DAYS.index(first)
        count = (_DAYS.index(last) - begin) % 7 + 1 if dash else 1
        found += [(begin + ahead) % 7 for ahead in range(count)]
    return found


def _spans(text: str) -> tuple[Minutes, Minutes] | None:
    """Minutes of the day, and of the next one; None when a time is none."""
    both = np.zeros(2 * _DAY_MIN, dtype=bool)
    if text == "24/7":
        both[:_DAY_MIN] = True
    for one in _TIME.finditer(text):
        hour, minute, to_hour, to_minute = map(int, one.groups())
        begin, end = hour * 60 + minute, to_hour * 60 + to_minute
        if max(minute, to_minute) > 59 or begin >= _DAY_MIN or end > 2 * _DAY_MIN:
            return None
        both[begin : end if end > begin else end + _DAY_MIN] = True
    return both[:_DAY_MIN], both[_DAY_MIN:]


def _calendar(minutes: Minutes) -> Calendar:
    """The same as hours; what goes on over midnight is two spans that meet."""
    week: dict[str, list[Hours]] = {}
    for name, day in zip(WEEKDAYS, minutes, strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], day, [False]]).astype(np.int8)))
        week[name] = [
            Hours(_clock(begin), _clock(end % _DAY_MIN))
            for begin, end in edges.reshape(-1, 2).tolist()
        ]
    return calendar_of({name: week[name] for name in WEEKDAYS})


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
