"""What has changed on the streets since it was told last. Pure.

What counts is what a rule does: one that is renamed, or comes again in a file of its name, is no
news.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Final

import msgspec

from cloud.roads.speeds import RoadRule

EVERY_TENANT: Final = ""
"""Whose news of the streets is: they are shared."""
_AT_ONCE: Final = 20
"""Rules in one event: a file may bring hundreds, each of hundreds of points."""


class StreetsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Closures and slow zones hold now, or no more, and the engine knows. No person is named.

    They are those of all companies, and concern the vans of all.
    """

    begun: tuple[RoadRule, ...] = ()
    ended: tuple[RoadRule, ...] = ()


def effect_of(rule: RoadRule) -> str:
    """What a rule does while it holds, as a digest: two that do the same have the same."""
    does = rule.kind, rule.points, rule.is_area, rule.kmh, rule.is_one_way
    return sha256(msgspec.json.encode(does)).hexdigest()[:32]


def by_effect(rules: Iterable[RoadRule]) -> dict[str, RoadRule]:
    """Rules by what they do; of several that do the same the first, without who drew it."""
    found: dict[str, RoadRule] = {}
    for rule in rules:
        found.setdefault(effect_of(rule), replace(rule, changed_by=""))
    return found


def changes(
    told: Mapping[str, RoadRule], holding: Mapping[str, RoadRule]
) -> Iterator[StreetsChanged]:
    """What is to be told, when ``told`` was known to hold and ``holding`` does now."""
    begun = [rule for effect, rule in holding.items() if effect not in told]
    ended = [rule for effect, rule in told.items() if effect not in holding]
    for at in range(0, len(begun), _AT_ONCE):
        yield StreetsChanged(begun=tuple(begun[at : at + _AT_ONCE]))
    for at in range(0, len(ended), _AT_ONCE):
        yield StreetsChanged(ended=tuple(ended[at : at + _AT_ONCE]))
