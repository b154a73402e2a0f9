"""What has changed on the streets since it was told last. Pure.

What counts is what a rule does: one that is renamed, or comes again in a file of its name, is no
news.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from math import inf
from typing import Final

import msgspec

from cloud.roads.speeds import RoadRule

EVERY_TENANT: Final = ""
"""Whose news of the streets is: they are shared."""
_AHEAD: Final = "ahead:"
_AT_ONCE: Final = 20
"""Rules in one event: a file may bring hundreds, each of hundreds of points."""


class StreetsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Closures and slow zones hold now, or no more, and the engine knows. No person is named.

    They are those of all companies, and concern the vans of all. ``announced`` are those that will
    begin within a day; one that was announced and is called off has ``ended``.
    """

    begun: tuple[RoadRule, ...] = ()
    ended: tuple[RoadRule, ...] = ()
    announced: tuple[RoadRule, ...] = ()


def effect_of(rule: RoadRule) -> str:
    """What a rule does while it holds, as a digest: two that do the same have the same."""
    does = rule.kind, rule.points, rule.is_area, rule.kmh, rule.is_one_way
    return sha256(msgspec.json.encode(does)).hexdigest()[:32]


def by_effect(rules: Iterable[RoadRule]) -> dict[str, RoadRule]:
    """Rules by what they do; of several that do the same the longest, without who drew it."""
    found: dict[str, RoadRule] = {}
    for rule in sorted(rules, key=lambda one: -inf if one.until_s is None else -one.until_s):
        found.setdefault(effect_of(rule), replace(rule, changed_by=""))
    return found


def ahead(rules: Iterable[RoadRule]) -> dict[str, RoadRule]:
    """The same of rules that are announced, told apart from those that hold."""
    return {_AHEAD + effect: rule for effect, rule in by_effect(rules).items()}


def announced(told: Mapping[str, RoadRule]) -> dict[str, RoadRule]:
    """Those of what was told that are announced."""
    return {key: rule for key, rule in told.items() if key.startswith(_AHEAD)}


def times_of(told: Mapping[str, RoadRule]) -> dict[str, tuple[float | None, float | None]]:
    """When each of what is told begins and ends."""
    return {key: (rule.from_s, rule.until_s) for key, rule in told.items()}


def is_news(key: str, rule: RoadRule, told: Mapping[str, RoadRule]) -> bool:
    """Whether it was not told, or holds longer than was told; what is announced, at other times.

    One that holds and ends sooner is told when it ends.
    """
    before = told.get(key)
    if before is None:
        return True
    if key.startswith(_AHEAD):
        return times_of({key: before}) != times_of({key: rule})
    return before.until_s is not None and (rule.until_s is None or rule.until_s > before.until_s)


def changes(
    told: Mapping[str, RoadRule], now: Mapping[str, RoadRule], known: Container[str]
) -> Iterator[StreetsChanged]:
    """What is to be told, when ``told`` was and ``now`` is what holds and is announced.

    ``known``: what every rule does that there is; what is announced no more, and is among them, has
    begun, or begins later than it is looked.
    """
    new = {key: rule for key, rule in now.items() if is_news(key, rule, told)}
    coming = announced(new)
    begun = [rule for key, rule in new.items() if key not in coming]
    ended = [
        rule
        for key, rule in told.items()
        if key not in now and not (key.startswith(_AHEAD) and key.removeprefix(_AHEAD) in known)
    ]
    for some in _few(begun):
        yield StreetsChanged(begun=some)
    for some in _few(ended):
        yield StreetsChanged(ended=some)
    for some in _few(list(coming.values())):
        yield StreetsChanged(announced=some)


def _few(rules: Sequence[RoadRule]) -> Iterator[tuple[RoadRule, ...]]:
    for at in range(0, len(rules), _AT_ONCE):
        yield tuple(rules[at : at + _AT_ONCE])
