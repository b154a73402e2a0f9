"""What the days before leave of a shift, whatever they were: the laws of rest, as laws."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloud.fleet.model import Shift
from cloud.planning.rest import (
    DAY_S,
    SIX_DAYS_S,
    Allowed,
    RouteProgress,
    Strain,
    Stretch,
    Telling,
    Turn,
    allowed,
    planned_work_s,
    stretch_of,
)
from cloud.planning.working import NO_RULES, RULE_SETS, WorkRules

HOUR = 3600
MONDAY = date(2026, 11, 23)
MIDNIGHT = 1_795_402_800.0  # of that Monday in Santiago
RULES = WorkRules(rest_s=11 * HOUR, week_rest_s=35 * HOUR, week_s=48 * HOUR)


def at(day: int, hour: float) -> float:
    return MIDNIGHT + day * DAY_S + hour * HOUR


def shift(day: int, start: float = 8, end: float = 18, name: str = "now") -> Shift:
    return Shift(
        tenant="main",
        id=name,
        vehicle_id="north-1",
        driver_id="ana",
        depot_id="north",
        service_date=MONDAY + timedelta(days=day),
        starts_at=at(day, start),
        ends_at=at(day, end),
    )


def worked(day: int, start: float = 8, end: float = 18, rested: float = 0) -> Stretch:
    return Stretch(
        driver_id="ana",
        shift_id=f"{day}-{start}",
        service_date=MONDAY + timedelta(days=day),
        begins=at(day, start),
        ends=at(day, end),
        work_s=int((end - start - rested) * HOUR),
    )


def rules_of(left: Allowed) -> list[str]:
    return [one.rule for one in left.strains]


def test_who_ends_late_begins_later_the_next_day() -> None:
    left = allowed(shift(1), [worked(0, 14, 23.5)], RULES)
    assert left.begins_at == at(1, 10.5)
    assert left.ends_at == at(1, 18)
    assert left.strains == (Strain("daily_rest", 11 * HOUR, int(8.5 * HOUR), at(0, 23.5)),)


def test_who_has_rested_begins_as_entered() -> None:
    left = allowed(shift(1), [worked(0)], RULES)
    assert (left.begins_at, left.ends_at, left.strains) == (at(1, 8), at(1, 18), ())


def test_two_shifts_of_one_date_are_one_day_without_a_rest_between() -> None:
    rules = replace_day(RULES, 10 * HOUR)
    left = allowed(shift(0, 14, 20), [worked(0, 7, 12)], rules)
    assert left.strains == ()
    assert left.begins_at == at(0, 14)
    assert left.work_s == 5 * HOUR


def replace_day(rules: WorkRules, day_s: int) -> WorkRules:
    return WorkRules(
        rest_s=rules.rest_s, week_rest_s=rules.week_rest_s, week_s=rules.week_s, day_s=day_s
    )


def test_after_six_days_the_weekly_rest_comes_first() -> None:
    six = [worked(day, 8, 14) for day in range(6)]
    sunday = allowed(shift(6), six, RULES)
    assert rules_of(sunday) == ["weekly_rest"]
    assert sunday.begins_at == at(6, 25)
    assert sunday.is_none
    monday = allowed(shift(7), six, RULES)
    assert monday.strains == ()


def test_a_night_ends_when_six_days_are_over() -> None:
    five = [worked(day, 8, 12) for day in range(5)]
    left = allowed(shift(5, 20, 34), five, RULES)
    assert left.ends_at == at(0, 8) + SIX_DAYS_S
    assert rules_of(left) == ["six_days"]


def test_a_week_has_so_many_hours_and_no_more() -> None:
    four = [worked(day, 8, 19, rested=0.5) for day in range(4)]
    friday = allowed(shift(4), four, RULES)
    assert friday.work_s == 6 * HOUR
    assert friday.strains == (Strain("week", 48 * HOUR, 52 * HOUR, at(0, 8)),)
    monday = allowed(shift(7), four, RULES)
    assert monday.work_s == 48 * HOUR


def test_nine_hours_will_do_three_times_between_weekly_rests() -> None:
    rules = RULE_SETS["eu-lorry"].rules
    nights = [worked(day, 8, 22.5) for day in range(3)]
    for day in (1, 2, 3):
        assert allowed(shift(day), nights[:day], rules).begins_at == at(day, 8)
    fourth = allowed(shift(4), [*nights, worked(3, 8, 22.5)], rules)
    assert fourth.begins_at == at(4, 9.5)
    assert "daily_rest" in rules_of(fourth)


def test_the_rest_lies_within_24_hours_where_the_rules_say_so() -> None:
    rules = RULE_SETS["eu-van"].rules
    left = allowed(shift(0, 6, 22), [], rules)
    assert left.ends_at == at(0, 19)
    assert rules_of(left) == ["rest_in_24_hours"]


def test_who_has_begun_all_the_same_keeps_the_begin_and_is_told_of() -> None:
    left = allowed(shift(1), [worked(0, 14, 23.5)], RULES, set_out=at(1, 8))
    assert left.begins_at == at(1, 8)
    assert rules_of(left) == ["daily_rest"]


def test_who_set_out_after_the_rest_keeps_it_and_the_hours_before_are_no_work() -> None:
    late = allowed(shift(1), [worked(0, 14, 23.5)], RULES, set_out=at(1, 12))
    assert late.begins_at == at(1, 10.5)
    early = allowed(shift(1), [worked(0, 14, 23.5)], RULES, set_out=at(1, 9))
    assert early.begins_at == at(1, 9)
    elsewhere = allowed(shift(1, 14, 22), [], RULES, set_out=at(1, 8))
    assert elsewhere == allowed(shift(1, 14, 22), [], RULES)


def test_a_day_begins_with_its_first_shift_and_ends_in_time_for_the_rest() -> None:
    rules = RULE_SETS["eu-van"].rules
    for set_out in (None, at(0, 16)):
        left = allowed(shift(0, 16, 22), [worked(0, 6, 10)], rules, set_out=set_out)
        assert (left.begins_at, left.ends_at) == (at(0, 16), at(0, 19))
        assert rules_of(left) == ["rest_in_24_hours"]


def test_eleven_hours_within_a_date_are_a_rest() -> None:
    rules = RULE_SETS["eu-van"].rules
    left = allowed(shift(0, 17, 24), [worked(0, 0, 6)], rules)
    assert (left.ends_at, left.strains) == (at(0, 24), ())


def test_a_week_that_is_used_up_takes_nothing_from_who_is_out() -> None:
    full = [worked(day, 7, 19) for day in range(4)]
    assert allowed(shift(4), full, RULES).work_s == 0
    out = allowed(shift(4), full, RULES, set_out=at(4, 8))
    assert out.work_s is None
    assert rules_of(out) == ["week"]
    told = Telling("Ana", "America/Santiago", has_begun=True).words(out.strains[0], shift(4), out)
    assert told.endswith("it has begun and is planned on. Let another driver take over.")


STRETCHES = st.lists(
    st.builds(
        lambda day, start, length: worked(day, start, start + length),
        st.integers(-9, 1),
        st.integers(0, 47).map(lambda half: half / 2),
        st.integers(1, 30).map(lambda half: half / 2),
    ),
    max_size=10,
)
SETS = st.sampled_from([one.rules for one in RULE_SETS.values()])


@given(STRETCHES, SETS, st.randoms())
def test_the_order_in_which_work_is_told_changes_nothing(
    before: list[Stretch], rules: WorkRules, random: object
) -> None:
    mixed = list(before)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    by_begin = sorted(before, key=lambda one: (one.begins, one.ends))
    assert allowed(shift(1), mixed, rules) == allowed(shift(1), by_begin, rules)


@given(STRETCHES, SETS)
@example([worked(0, 14, 23.5)], RULES)
def test_what_is_left_keeps_every_rule_it_was_told_by(
    before: list[Stretch], rules: WorkRules
) -> None:
    """Entered as it is left, a shift is told of nothing but of a week's hours."""
    entered = shift(1)
    left = allowed(entered, before, rules)
    assert entered.starts_at <= left.begins_at <= left.ends_at
    assert left.ends_at <= max(entered.ends_at, left.begins_at)
    if left.is_none:
        return
    kept = replace(entered, starts_at=left.begins_at, ends_at=left.ends_at)
    again = allowed(kept, before, rules)
    assert again.begins_at == left.begins_at
    assert set(rules_of(again)) <= {"week"}
    ends = [
        one.ends
        for one in before
        if one.service_date != entered.service_date and one.begins < entered.starts_at
    ]
    shortest = min(rules.rest_s or 0, rules.short_rest_s or DAY_S)
    if shortest and ends and all(one.service_date != entered.service_date for one in before):
        assert left.begins_at - max(ends) >= shortest


@given(STRETCHES, SETS, st.integers(0, 8))
def test_who_worked_longer_may_never_begin_earlier_nor_work_more(
    before: list[Stretch], rules: WorkRules, hours: int
) -> None:
    last = worked(0, 8, 12)
    longer = replace(last, ends=last.ends + hours * HOUR, work_s=last.work_s + hours * HOUR)
    one, other = (allowed(shift(1), [*before, each], rules) for each in (last, longer))
    if rules.week_rest_s is None or rules_of(one) == rules_of(other):
        assert other.begins_at >= one.begins_at
    assert (other.work_s or 0) <= (one.work_s or 0)


@given(STRETCHES)
def test_without_rules_nothing_is_taken(before: list[Stretch]) -> None:
    entered = shift(1)
    whole = Allowed(begins_at=entered.starts_at, ends_at=entered.ends_at)
    assert allowed(entered, before, None) == allowed(entered, before, NO_RULES) == whole


FAR = RouteProgress(at(0, 17), None, None, 9, 600, ((at(0, 12), at(0, 12.5)),))


def turn(route: RouteProgress | None = None, end: float | None = None) -> Turn:
    return Turn("ana", "s", MONDAY, at(0, 8), end or at(0, 18), at(0, 8), at(0, 18), (), route)


@pytest.mark.parametrize(
    ("route", "now", "ends"),
    [
        (None, at(-1, 8), at(0, 18)),
        (FAR, at(-1, 8), at(0, 17)),
        (FAR, at(1, 8), at(0, 17)),  # nobody has told anything
        (FAR._replace(first_seen=at(0, 9)), at(0, 15), at(0, 17)),
        (FAR._replace(first_seen=at(0, 9)), at(0, 18.5), at(0, 18.5)),  # is still out
        (FAR._replace(first_seen=at(0, 9), last_seen=at(0, 20)), at(1, 8), at(0, 20) + 600),
        (FAR._replace(first_seen=at(0, 9)), at(0, 19.5), at(0, 17)),  # long back, surely
        (FAR._replace(first_seen=at(0, 2), last_seen=at(0, 5), open_stops=0), at(0, 18),
         at(0, 17)),  # by a telephone whose clock is wrong
        (FAR._replace(first_seen=at(0, 9), last_seen=at(0, 15), open_stops=0), at(0, 16),
         at(0, 15) + 600),
    ],
)  # fmt: skip
def test_a_shift_ends_when_its_driver_was_back_and_till_then_as_planned(
    route: RouteProgress | None, now: float, ends: float
) -> None:
    found = stretch_of(turn(route), now, RULES)
    assert found is not None
    assert (found.begins, found.ends) == (at(0, 8), ends)


def test_a_break_is_no_work_and_who_hands_over_works_till_then() -> None:
    found = stretch_of(turn(FAR), at(1, 8), RULES)
    assert found is not None
    assert found.work_s == 8.5 * HOUR
    handed_over = stretch_of(turn(FAR, end=at(0, 11)), at(1, 8), RULES)
    assert handed_over is not None
    assert (handed_over.ends, handed_over.work_s) == (at(0, 11), 3 * HOUR)


def test_a_plan_holds_the_work_that_later_days_will_count_of_it() -> None:
    found = stretch_of(turn(FAR), at(-1, 8), RULES)
    assert found is not None
    assert planned_work_s(FAR, at(0, 8), RULES) == found.work_s
    assert planned_work_s(FAR, at(0, 12.25), RULES) == 4.5 * HOUR
    assert planned_work_s(FAR, at(0, 18), RULES) == 0
    brief = FAR._replace(breaks=((at(0, 12), at(0, 12) + RULES.least_s - 1),))
    assert planned_work_s(brief, at(0, 8), RULES) == 9 * HOUR


def test_a_warning_names_driver_rule_figures_and_remedy() -> None:
    entered = shift(1)
    left = allowed(entered, [worked(0, 14, 23.5)], RULES)
    (only,) = left.strains
    told = Telling("Ana Rojas", "America/Santiago", has_begun=False).words(only, entered, left)
    assert told == (
        "Ana Rojas, shift of Tue 24 Nov 08:00 with north-1, works until Mon 23 Nov 23:30, "
        "8 h 30 min before this shift, and has to rest 11 h: it is planned from Tue 24 Nov 10:30. "
        "Begin it then, or give it to another driver."
    )
