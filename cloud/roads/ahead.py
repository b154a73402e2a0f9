"""What will be closed or slow in the next day, and when other streets are open than usual. Pure.

The usual speeds of an hour hold with the rules that hold all day. A time at which others hold as
well has travel times of its own: a data set for each set of rules and class of hours. There are few
of them, the next ones first, because each costs an engine (docs/decisions/closures-ahead.md).
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import pairwise
from math import ceil
from typing import Final, NamedTuple

import msgspec

from cloud.roads.hours import Timetable, Week
from cloud.roads.news import effect_of
from cloud.roads.speeds import RoadRule

HORIZON_S: Final = 86_400
"""So far ahead it is looked."""
MOST_SETS: Final = 4
"""Data sets beside those of the usual hours."""
_SLACK_S: Final = 900
"""So much nearer than `HORIZON_S` what was told may end."""
NAME: Final = "ahead-"


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """From one instant to another, UTC seconds, the travel times are those of a data set."""

    begins_s: int
    ends_s: int
    data_set: str


class Foresight(msgspec.Struct, frozen=True, kw_only=True):
    """Every such span, in order and apart; between them the usual ones hold."""

    spans: tuple[Foreseen, ...] = ()


class Part(NamedTuple):
    """A span in which one class of hours and the same rules hold; None: nothing was learned."""

    begins_s: int
    ends_s: int
    number: int | None
    rules: tuple[RoadRule, ...]

    @property
    def kind(self) -> tuple[int | None, tuple[str, ...]]:
        """What tells its speeds from those of others."""
        return self.number, effects_of(self.rules)

    def named(self, made_of: object) -> Foreseen:
        """The same with the name of its data set, another one whenever it is made of other parts.

        ``made_of``: what else its speeds depend on.
        """
        digest = sha256(msgspec.json.encode((self.kind, made_of))).hexdigest()[:16]
        return Foreseen(begins_s=self.begins_s, ends_s=self.ends_s, data_set=NAME + digest)


def effects_of(rules: Iterable[RoadRule]) -> tuple[str, ...]:
    """What some rules do together."""
    return tuple(sorted({effect_of(rule) for rule in rules}))


def steady(rules: Iterable[RoadRule], at_s: float) -> tuple[RoadRule, ...]:
    """The rules that hold at an instant and until the horizon."""
    return tuple(
        rule
        for rule in rules
        if rule.holds(at_s) and (rule.until_s is None or rule.until_s >= at_s + HORIZON_S)
    )


def parts(
    rules: Sequence[RoadRule], week: Week | None, at_s: float, usual: Iterable[RoadRule]
) -> list[Part]:
    """When other rules hold than the ``usual`` ones, from an instant to the horizon, in order.

    Where there are more kinds of times than `MOST_SETS`, each set of rules gets the class of hours
    that holds longest in it; where there are more still, the next ones are given and not the later.

    Args:
        rules: every one there is.
        week: which class of hours holds when; None while nothing is learned.
        at_s: UTC seconds.
        usual: the rules that are in the usual speeds already.
    """
    begins, ends, known = int(at_s), int(at_s) + HORIZON_S, effects_of(usual)
    moments = {
        ceil(one) for rule in rules for one in (rule.from_s, rule.until_s) if one is not None
    }
    inner = {one for one in moments if begins < one < ends}
    found: list[Part] = []
    for begin, end in pairwise(sorted({begins, ends} | inner)):
        holding = tuple(rule for rule in rules if rule.holds(begin))
        if effects_of(holding) != known:
            found += _by_class(begin, end, week, holding)
    if len({one.kind for one in found}) > MOST_SETS:
        found = _at_longest(found)
    nearest = list(dict.fromkeys(one.kind for one in found))[:MOST_SETS]
    return [one for one in found if one.kind in nearest]


def says_as_much(told: Iterable[Foreseen], wanted: Iterable[Foreseen], at_s: float) -> bool:
    """Whether what was told before says what is wanted now, though its first and last edges moved.

    They are the instant at which it was made, and the horizon then.
    """
    begins, ends = int(at_s), int(at_s) + HORIZON_S - _SLACK_S
    both = [
        [
            (max(one.begins_s, begins), min(one.ends_s, ends), one.data_set)
            for one in some
            if one.ends_s > begins and one.begins_s < ends
        ]
        for some in (told, wanted)
    ]
    return both[0] == both[1]


def overlaid(usual: Timetable, spans: Iterable[tuple[int, int, int]]) -> Timetable:
    """A timetable in which other classes hold for some spans: (begins, ends, class), apart."""
    others = sorted(spans)
    edges = {edge for begins, ends, _ in others for edge in (begins, ends)}
    changes: list[int] = []
    classes: list[int] = []
    for at_s in sorted({*usual.changes, *edges}):
        number = next((one for begins, ends, one in others if begins <= at_s < ends), None)
        number = usual.class_at(at_s) if number is None else number
        if not classes or classes[-1] != number:
            changes.append(at_s)
            classes.append(number)
    return Timetable(changes=tuple(changes), classes=tuple(classes))


def _by_class(
    begin: int, end: int, week: Week | None, holding: tuple[RoadRule, ...]
) -> Iterable[Part]:
    if week is None:
        return [Part(begin, end, None, holding)]
    hours = week.timetable(begin, end)
    return [
        Part(begins, ends, number, holding)
        for begins, ends, number in zip(
            hours.changes, (*hours.changes[1:], end), hours.classes, strict=True
        )
    ]


def _at_longest(found: Sequence[Part]) -> list[Part]:
    """The same with one class of hours for each set of rules."""
    lasts: dict[tuple[str, ...], dict[int | None, int]] = {}
    for one in found:
        number, rules = one.kind
        of_rules = lasts.setdefault(rules, {})
        of_rules[number] = of_rules.get(number, 0) + one.ends_s - one.begins_s
    longest = {rules: max(of_rules, key=lambda n: of_rules[n]) for rules, of_rules in lasts.items()}
    return [one._replace(number=longest[effects_of(one.rules)]) for one in found]
