"""How long a driver may work and drive, as each country says, and what of it a day has seen. Pure.

The numbers are data: a tenant takes a set of these, for all depots or one, or gives its own. They
bind the day; weeks and nights are the roster's business.
"""

from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

type RuleSetName = Literal["none", "eu-lorry", "de-van", "de-lorry", "cl"]

type Limit = Annotated[int, Meta(ge=60, le=172_800)]
type Length = Annotated[int, Meta(ge=0, le=86_400)]

_MINUTE: Final = 60
_HOUR: Final = 3_600


class WorkRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a day may ask of a driver; all in seconds, None is not limited.

    Everything from the begin of the shift is work, waiting too, but for breaks.

    Attributes:
        work_s: longest work without a break of ``break_s``.
        drive_s: longest driving without a break of ``drive_break_s``.
        long_s: a day with more work than this has breaks of ``long_break_s`` in all.
        least_s: what is shorter is no break, nor part of one.
        day_s: longest work of a day. day_drive_s: longest driving of a day.
    """

    work_s: Limit | None = None
    break_s: Length = 30 * _MINUTE
    drive_s: Limit | None = None
    drive_break_s: Length = 45 * _MINUTE
    long_s: Limit | None = None
    long_break_s: Length = 45 * _MINUTE
    least_s: Length = 15 * _MINUTE
    day_s: Limit | None = None
    day_drive_s: Limit | None = None


class Worked(msgspec.Struct, frozen=True, kw_only=True):
    """What of a driver's day is over, in seconds.

    Attributes:
        work_s, drive_s: since the last break long enough for each. day_s, day_drive_s: of the day.
        rest_s: breaks of the day.
    """

    work_s: Length = 0
    drive_s: Length = 0
    day_s: Length = 0
    day_drive_s: Length = 0
    rest_s: Length = 0

    def after(self, *, work_s: int, drive_s: int = 0) -> "Worked":
        """After so much more work, of which so much was driving."""
        return Worked(
            work_s=self.work_s + work_s,
            drive_s=self.drive_s + drive_s,
            day_s=self.day_s + work_s,
            day_drive_s=self.day_drive_s + drive_s,
            rest_s=self.rest_s,
        )

    def rested(self, rules: WorkRules, rest_s: int) -> "Worked":
        """After a standstill of so many seconds, which is a break when it is long enough."""
        if rest_s < rules.least_s:
            return self.after(work_s=rest_s)
        return Worked(
            work_s=0 if rest_s >= rules.break_s else self.work_s,
            drive_s=0 if rest_s >= rules.drive_break_s else self.drive_s,
            day_s=self.day_s,
            day_drive_s=self.day_drive_s,
            rest_s=self.rest_s + rest_s,
        )

    def is_allowed(self, rules: WorkRules) -> bool:
        """Whether nothing of it is more than the rules allow."""
        is_long = rules.long_s is not None and self.day_s > rules.long_s
        return (
            (rules.work_s is None or self.work_s <= rules.work_s)
            and (rules.drive_s is None or self.drive_s <= rules.drive_s)
            and (rules.day_s is None or self.day_s <= rules.day_s)
            and (rules.day_drive_s is None or self.day_drive_s <= rules.day_drive_s)
            and not (is_long and self.rest_s < rules.long_break_s)
        )


class RuleSet(msgspec.Struct, frozen=True, kw_only=True):
    """A country's rules with the text they come from, and how that was read."""

    name: RuleSetName
    title: str
    source: str
    rules: WorkRules


NO_RULES: Final = WorkRules()
_GERMAN_DAY: Final = {
    "work_s": 6 * _HOUR,
    "break_s": 30 * _MINUTE,
    "long_s": 9 * _HOUR,
    "long_break_s": 45 * _MINUTE,
    "least_s": 15 * _MINUTE,
    "day_s": 10 * _HOUR,
}
_EU_DRIVING: Final = {
    "drive_s": 4 * _HOUR + 30 * _MINUTE,
    "drive_break_s": 45 * _MINUTE,
    "day_drive_s": 9 * _HOUR,
}
RULE_SETS: Final[dict[RuleSetName, RuleSet]] = {
    one.name: one
    for one in (
        RuleSet(name="none", title="No limits", source="", rules=NO_RULES),
        RuleSet(
            name="eu-lorry",
            title="European Union, vehicles above 3.5 t",
            source="Regulation (EC) No 561/2006: article 7 (45 minutes after four and a half "
            "hours of driving, taken in one) and article 6(1) (nine hours of driving a day, "
            "without the ten that are allowed twice a week). From 1 July 2026 also above 2.5 t "
            "across borders.",
            rules=WorkRules(**_EU_DRIVING),
        ),
        RuleSet(
            name="de-van",
            title="Germany",
            source="Arbeitszeitgesetz: section 4 (30 minutes within six hours of work, 45 in all "
            "when it is more than nine, parts of 15 at least) and section 3 (ten hours a day at "
            "most, which have to be evened out to eight).",
            rules=WorkRules(**_GERMAN_DAY),
        ),
        RuleSet(
            name="de-lorry",
            title="Germany, vehicles above 3.5 t",
            source="Arbeitszeitgesetz, sections 3 and 4, and Regulation (EC) No 561/2006, "
            "articles 6(1) and 7, together.",
            rules=WorkRules(**_GERMAN_DAY, **_EU_DRIVING),
        ),
        RuleSet(
            name="cl",
            title="Chile",
            source="Código del Trabajo: article 34 (the day is in two parts with half an hour "
            "between them, which is no work) and article 28 (ten hours a day at most). Article "
            "34 names no hour; five is half of the longest day.",
            rules=WorkRules(work_s=5 * _HOUR, break_s=30 * _MINUTE, day_s=10 * _HOUR),
        ),
    )
}
RULE_SET_NAMES: Final[tuple[RuleSetName, ...]] = get_args(RuleSetName.__value__)


def rules_of(chosen: RuleSetName | WorkRules) -> WorkRules:
    """The rules of a set, or those that were given."""
    return chosen if isinstance(chosen, WorkRules) else RULE_SETS[chosen].rules
