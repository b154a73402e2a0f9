"""Which of several receivers is used: laws over any course of events, then the rules by example."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.receivers.selection import Choice, Selection

NAMES = ("best", "spare", "last")
EARLY_S = 1000.0


def fixes(selection: Selection, name: str, *at_s: float) -> list[bool]:
    return [
        selection.took(name, is_fix=True, utc_ms=round(now_s * 1000), now_s=now_s) for now_s in at_s
    ]


def every(interval_s: float, from_s: float, to_s: float) -> list[float]:
    return [from_s + n * interval_s for n in range(int((to_s - from_s) / interval_s) + 1)]


def test_the_first_that_gives_a_fix_is_used_and_told() -> None:
    selection = Selection(NAMES)
    assert fixes(selection, "spare", EARLY_S) == [True]
    assert selection.chosen == "spare"
    assert selection.news() == [Choice(None, "spare", "spare gives fixes")]
    assert selection.news() == []


def test_another_takes_over_after_two_and_a_half_intervals_and_gives_back_after_ten_s() -> None:
    selection = Selection(NAMES)
    for at_s in every(1, 0, 10):
        assert fixes(selection, "best", at_s) == [True]
        assert fixes(selection, "spare", at_s + 0.1) == [False]
    assert fixes(selection, "spare", 11.1, 12.1, 12.6, 13.1) == [False, False, True, True]
    assert selection.news()[1:] == [Choice("best", "spare", "best gave no fix for 2.6 s")]
    used = {}
    for at_s in every(1, 14, 30):
        used[at_s] = fixes(selection, "best", at_s)[0]
        assert fixes(selection, "spare", at_s + 0.1) == [not used[at_s]]
    assert min(at_s for at_s, is_used in used.items() if is_used) == 24
    assert selection.chosen == "best"


def test_one_that_is_lost_is_left_at_once() -> None:
    selection = Selection(NAMES)
    fixes(selection, "best", 0.0)
    fixes(selection, "spare", 0.1)
    selection.lost("best", 0.2)
    assert selection.chosen == "spare"
    assert fixes(selection, "spare", 1.1) == [True]
    selection.lost("spare", 1.2)
    assert [choice.chosen for choice in selection.news()] == ["best", "spare", None]


def test_a_preferred_one_that_flickers_is_not_given_back_to() -> None:
    selection = Selection(NAMES)
    for at_s in every(1, 0, 60):
        fixes(selection, "spare", at_s)
        if at_s % 10 < 5:
            fixes(selection, "best", at_s + 0.1)
    assert selection.chosen == "spare"


def test_a_receiver_at_a_slow_pace_is_not_left_between_its_fixes() -> None:
    selection = Selection(NAMES)
    for at_s in every(1, 0, 60):
        if at_s % 3 == 0:
            fixes(selection, "best", at_s)
        fixes(selection, "spare", at_s + 0.2)
        selection.tick(at_s + 0.5)
    selection.news()
    for at_s in every(1, 61, 120):
        if at_s % 3 == 0:
            assert fixes(selection, "best", at_s) == [True]
        fixes(selection, "spare", at_s + 0.2)
        selection.tick(at_s + 0.5)
    assert selection.news() == []


def test_when_none_gives_any_it_is_told_once_after_a_minute() -> None:
    selection = Selection(NAMES)
    fixes(selection, "best", 0.0)
    for at_s in every(1, 1, 200):
        selection.tick(at_s)
    assert [choice.chosen for choice in selection.news()] == ["best", None]
    assert fixes(selection, "best", 201.0) == [True]


def test_an_epoch_without_a_fix_is_taken_of_the_chosen_or_of_the_preferred() -> None:
    selection = Selection(NAMES)
    none = {"is_fix": False, "utc_ms": None, "now_s": 0.0}
    assert selection.took("best", **none)  # type: ignore[arg-type]
    assert not selection.took("spare", **none)  # type: ignore[arg-type]
    fixes(selection, "spare", 1.0)
    assert selection.took("spare", **none)  # type: ignore[arg-type]
    assert not selection.took("best", **none)  # type: ignore[arg-type]


def test_a_clock_that_is_behind_is_believed_when_nothing_else_was_used_for_long() -> None:
    selection = Selection(NAMES)
    selection.took("best", is_fix=True, utc_ms=10**15, now_s=0.0)
    used = [
        selection.took("best", is_fix=True, utc_ms=round(at_s * 1000), now_s=at_s)
        for at_s in every(1, 1, 20)
    ]
    assert used == [False] * 10 + [True] * 10


def test_a_single_receiver_is_left_alone() -> None:
    selection = Selection(["only"])
    moments = [5, 4, 4, 100, 3]
    assert all(
        selection.took("only", is_fix=True, utc_ms=ms, now_s=float(n))
        for n, ms in enumerate(moments)
    )


def refused(selection: Selection, name: str, *at_s: float) -> list[bool]:
    return [
        selection.took(
            name, is_fix=True, is_believed=False, utc_ms=round(now_s * 1000), now_s=now_s
        )
        for now_s in at_s
    ]


def test_a_receiver_whose_fixes_are_refused_is_left_as_a_silent_one() -> None:
    selection = Selection(NAMES)
    for at_s in every(1, 0, 10):
        fixes(selection, "best", at_s)
        fixes(selection, "spare", at_s + 0.1)
    used = {}
    for at_s in every(1, 11, 20):
        refused(selection, "best", at_s)
        used[at_s] = fixes(selection, "spare", at_s + 0.1)[0]
    assert [at_s for at_s, is_used in used.items() if not is_used] == [11, 12]
    assert selection.news()[1:] == [
        Choice("best", "spare", "best gave no fix that is believed for 3.1 s")
    ]


def test_one_refused_fix_changes_nothing() -> None:
    selection = Selection(NAMES)
    for at_s in every(1, 0, 60):
        said = refused if at_s % 20 == 10 else fixes
        said(selection, "best", at_s)
        fixes(selection, "spare", at_s + 0.1)
        selection.tick(at_s + 0.5)
    assert [choice.chosen for choice in selection.news()] == ["best"]


def test_a_preferred_one_comes_back_only_after_ten_seconds_of_believed_fixes() -> None:
    selection = Selection(NAMES)
    for at_s in every(1, 0, 60):
        fixes(selection, "spare", at_s)
        said = refused if at_s % 8 == 0 else fixes
        said(selection, "best", at_s + 0.1)
    assert selection.chosen == "spare"
    for at_s in every(1, 61, 80):
        fixes(selection, "spare", at_s)
        fixes(selection, "best", at_s + 0.1)
    assert selection.chosen == "best"


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(["fix", "fix", "fix", "refused", "no fix", "lost", "nothing"]),
        st.floats(0, 3),
        st.integers(-2000, 500),
    ),
    max_size=200,
)


@given(events=EVENTS)
def test_no_moment_is_used_twice_and_none_goes_back_while_fixes_come(
    events: list[tuple[str, str, float, int]],
) -> None:
    selection = Selection(NAMES)
    now_s, used_s, used_ms = EARLY_S, EARLY_S, 0
    before: str | None = None
    for name, what, pause_s, delay_ms in events:
        now_s += pause_s
        utc_ms = round(now_s * 1000) + delay_ms
        match what:
            case "fix":
                if selection.took(name, is_fix=True, utc_ms=utc_ms, now_s=now_s):
                    assert name == selection.chosen
                    assert utc_ms > used_ms or now_s - used_s > 10
                    used_s, used_ms = now_s, utc_ms
            case "refused":
                before_it = selection.chosen
                refused(selection, name, now_s)
                assert selection.chosen == before_it
            case "no fix":
                selection.took(name, is_fix=False, utc_ms=utc_ms, now_s=now_s)
            case "lost":
                selection.lost(name, now_s)
                assert selection.chosen != name
            case _:
                selection.tick(now_s)
        for choice in selection.news():
            assert (choice.before, choice.chosen != choice.before) == (before, True)
            before = choice.chosen
        assert selection.chosen == before


SCHEDULE = st.lists(
    st.tuples(st.sampled_from([0.1, 0.2, 0.5, 1.0]), st.lists(st.floats(0, 60), max_size=6)),
    min_size=2,
    max_size=3,
)
"""Of each receiver its interval and the moments at which it begins and ends to give fixes."""


@given(schedule=SCHEDULE)
def test_while_any_receiver_gives_fixes_no_pause_outlasts_the_bound(
    schedule: list[tuple[float, list[float]]],
) -> None:
    selection = Selection(NAMES[: len(schedule)])
    given: list[tuple[float, str]] = []
    for name, (interval_s, turns_s) in zip(NAMES, schedule, strict=False):
        is_off = [sum(turn <= at_s for turn in turns_s) % 2 for at_s in every(interval_s, 0, 60)]
        moments = every(interval_s, 0, 60)
        given += [(at_s, name) for at_s, off in zip(moments, is_off, strict=True) if not off]
    used_s = 0.0
    for at_s, name in sorted(given):
        utc_ms = round(at_s * 1000)
        bound_s = max(track.bound_s for track in selection._tracks.values())
        is_used = selection.took(name, is_fix=True, utc_ms=utc_ms, now_s=at_s)
        assert is_used or at_s <= used_s + bound_s + 1e-9
        used_s = at_s if is_used else used_s
