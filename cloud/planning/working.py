"""How long a driver may work and drive, as each country says, and what of it a day has seen. Pure.

The numbers are data: a tenant takes a set of these, for all depots or one, or gives its own. What
binds from one day to the next is reckoned in `cloud.planning.rest`.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

type RuleSetName = Literal["none", "eu-van", "eu-lorry", "de-van", "de-lorry", "cl"]

type Limit = Annotated[int, Meta(ge=60, le=172_800)]
type WeekLimit = Annotated[int, Meta(ge=60, le=604_800)]
type Times = Annotated[int, Meta(ge=0, le=7)]
type Length = Annotated[int, Meta(ge=0, le=86_400)]

_MINUTE: Final = 60
_HOUR: Final = 3_600
_LEAST_DAY_S: Final = _MINUTE
"""A limit is no less; in so little time nobody is served."""


class WorkRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a day may ask of a driver; all in seconds, None is not limited.

    Everything from the begin of the shift is work, waiting too, but for breaks.

    Attributes:
        work_s: longest work without a break of ``break_s``.
        drive_s: longest driving without a break of ``drive_break_s``.
        long_s: a day with more work than this has breaks of ``long_break_s`` in all.
        least_s: what is shorter is no break, nor part of one.
        day_s: longest work of a day. day_drive_s: longest driving of a day.
        rest_s: least rest between the work of one service date and that of the next.
            short_rest_s: a shorter one that will do ``short_rests`` times between two weekly rests.
        is_rest_daily: the rest lies within 24 hours of the begin of the work before it, so that
            work which begins has to end in time for it.
        week_rest_s: a longer rest that has to begin within six times 24 hours of the begin of the
            first work after the one before.
        week_s: longest work from Monday to Sunday, by service dates.
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
    rest_s: Limit | None = None
    short_rest_s: Limit | None = None
    short_rests: Times = 0
    is_rest_daily: bool = False
    week_rest_s: Limit | None = None
    week_s: WeekLimit | None = None

    @property
    def is_of_days(self) -> bool:
        """Whether anything binds from one day to the next."""
        return (self.rest_s, self.week_rest_s, self.week_s) != (None, None, None)

    def within_day(self, day_s: int | None = None) -> "WorkRules":
        """What binds inside one day alone; with no more work than ``day_s``, when that is given."""
        most = [one for one in (self.day_s, day_s) if one is not None]
        return replace(
            self,
            day_s=max(_LEAST_DAY_S, min(most)) if most else None,
            rest_s=None,
            short_rest_s=None,
            short_rests=0,
            is_rest_daily=False,
            week_rest_s=None,
            week_s=None,
        )


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
_GERMAN_DAY: Final[dict[str, Any]] = {
    "work_s": 6 * _HOUR,
    "break_s": 30 * _MINUTE,
    "long_s": 9 * _HOUR,
    "long_break_s": 45 * _MINUTE,
    "least_s": 15 * _MINUTE,
    "day_s": 10 * _HOUR,
    "rest_s": 11 * _HOUR,
    "week_rest_s": 35 * _HOUR,
    "week_s": 60 * _HOUR,
}
_EU_DRIVING: Final[dict[str, Any]] = {
    "drive_s": 4 * _HOUR + 30 * _MINUTE,
    "drive_break_s": 45 * _MINUTE,
    "day_drive_s": 9 * _HOUR,
}
_EU_REST: Final[dict[str, Any]] = {
    "rest_s": 11 * _HOUR,
    "week_rest_s": 45 * _HOUR,
    "week_s": 60 * _HOUR,
}
RULE_SETS: Final[dict[RuleSetName, RuleSet]] = {
    one.name: one
    for one in (
        RuleSet(name="none", title="No limits", source="", rules=NO_RULES),
        RuleSet(
            name="eu-van",
            title="European Union, vehicles up to 3.5 t",
            source="Directive 2003/88/EC: article 3 (eleven hours of rest in each 24), article 5 "
            "(24 hours and those eleven once a week) and article 6 (48 hours a week, which may be "
            "averaged over four months and are kept each week here). Article 4 leaves the length "
            "of breaks to each state; none is in here.",
            rules=WorkRules(
                rest_s=11 * _HOUR,
                is_rest_daily=True,
                week_rest_s=35 * _HOUR,
                week_s=48 * _HOUR,
            ),
        ),
        RuleSet(
            name="eu-lorry",
            title="European Union, vehicles above 3.5 t",
            source="Regulation (EC) No 561/2006: article 7 (45 minutes after four and a half "
            "hours of driving, taken in one), article 6(1) (nine hours of driving a day, "
            "without the ten that are allowed twice a week), article 8(2) and (4) (eleven hours of "
            "rest in each 24, nine at most three times between two weekly rests) and article 8(6) "
            "(45 hours after six days at the latest, without the shorter ones). Directive "
            "2002/15/EC, article 4 (60 hours of work a week; the average of 48 over four months is "
            "not reckoned). From 1 July 2026 also above 2.5 t across borders.",
            rules=WorkRules(
                **_EU_DRIVING, **_EU_REST, is_rest_daily=True, short_rest_s=9 * _HOUR, short_rests=3
            ),
        ),
        RuleSet(
            name="de-van",
            title="Germany",
            source="Arbeitszeitgesetz: section 4 (30 minutes within six hours of work, 45 in all "
            "when it is more than nine, parts of 15 at least), section 3 (ten hours a day at "
            "most, on six days a week, which have to be evened out to eight), section 5(1) (eleven "
            "hours of rest after the day's work) and section 11(4) (with the free day of a week 35 "
            "hours in one).",
            rules=WorkRules(**_GERMAN_DAY),
        ),
        RuleSet(
            name="de-lorry",
            title="Germany, vehicles above 3.5 t",
            source="Arbeitszeitgesetz, sections 3, 4, 5 and 11, and Regulation (EC) No 561/2006, "
            "articles 6(1), 7 and 8, together; the shorter rests of article 8(4) are not taken.",
            rules=WorkRules(**(_GERMAN_DAY | _EU_DRIVING | _EU_REST), is_rest_daily=True),
        ),
        RuleSet(
            name="cl",
            title="Chile",
            source="Código del Trabajo: article 34 (the day is in two parts with half an hour "
            "between them, which is no work) and article 28 (ten hours a day at most). Article "
            "34 names no hour; five is half of the longest day. Article 22 and Ley 21.561 (42 "
            "hours a week since 26 April 2026, without overtime that was agreed; 40 from 26 April "
            "2028). Articles 36 and 38 (33 hours once a week, from nine in the evening before a "
            "free day to six in the morning after it). Article 25 bis (eight hours of rest in each "
            "24, of drivers between towns; no other article names a rest between two days).",
            rules=WorkRules(
                work_s=5 * _HOUR,
                break_s=30 * _MINUTE,
                day_s=10 * _HOUR,
                rest_s=8 * _HOUR,
                week_rest_s=33 * _HOUR,
                week_s=42 * _HOUR,
            ),
        ),
    )
}


def rules_of(chosen: RuleSetName | WorkRules) -> WorkRules:
    """The rules of a set, or those that were given."""
    return chosen if isinstance(chosen, WorkRules) else RULE_SETS[chosen].rules
