"""What is done, driven to or aboard is never moved, whatever a planner says."""

from dataclasses import replace

import pytest

from cloud.planning.day_plan import Route
from cloud.planning.keeping import faults
from tests.planning.days import EIGHT, HOUR, aboard, day, order, route, stop

DONE, NEXT, THEN = aboard("a", "van-1", "delivered"), aboard("b", "van-1"), aboard("c", "van-1")
FREE, OTHER = order("d", "planned"), aboard("e", "van-2")
PAST = stop("s0", DONE, state="done")
S1, S2, S3 = stop("s1", NEXT), stop("s2", THEN), stop("s3", FREE)
FETCH, S4 = stop("p3", FREE, kind="pickup"), stop("s4", OTHER)
VAN_2_PAST = stop("s5", aboard("f", "van-2", "delivered"), state="done")


def routes(van_1: list[object], van_2: list[object]) -> list[Route]:
    return [route("van-1", *van_1), route("van-2", *van_2)]  # type: ignore[arg-type]


GOOD = routes([PAST, S1, S2], [VAN_2_PAST, S4, FETCH, S3])
TODAY = day(DONE, NEXT, THEN, FREE, OTHER, now=EIGHT + HOUR, routes=GOOD)


def test_what_keeps_to_the_day_may_be_committed() -> None:
    assert faults(TODAY, GOOD) == []
    assert faults(TODAY, routes([PAST, S1, FETCH, S3, S2], [VAN_2_PAST, S4])) == []


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (routes([S1, S2], [VAN_2_PAST, S4, FETCH, S3]), "what it has done"),
        (routes([S1, PAST, S2], [VAN_2_PAST, S4, FETCH, S3]), "what it has done"),
        (routes([PAST, S2, S1], [VAN_2_PAST, S4, FETCH, S3]), "stop s1 is not its next"),
        (routes([PAST, S1, S2], [VAN_2_PAST, FETCH, S3, S4]), "stop s4 is not its next"),
        (routes([PAST, S1], [VAN_2_PAST, S4, FETCH, S3, S2]), "c, which is aboard another van"),
        (routes([PAST, S1, S2], [VAN_2_PAST, S4, S3, FETCH]), "d before it has fetched it"),
        (routes([PAST, S1, S2, FETCH, S3], [VAN_2_PAST, S4, FETCH, S3]), "d is delivered 2 times"),
        ([GOOD[1]], "van-1: what it has done"),
    ],
)
def test_what_moves_something_fixed_is_refused(bad: list[Route], told: str) -> None:
    assert told in "; ".join(faults(TODAY, bad))


def test_a_van_that_stands_at_a_stop_finishes_it_first() -> None:
    here = replace(S1, state="arrived", arrived_at=EIGHT + HOUR)
    today = day(DONE, NEXT, THEN, now=EIGHT + HOUR, routes=[route("van-1", PAST, here, S2)])
    assert faults(today, [route("van-1", PAST, here, S2)]) == []
    assert faults(today, [route("van-1", PAST, S2, here)])


def test_the_route_of_a_van_that_does_not_go_out_holds_nothing_up() -> None:
    today = day(DONE, NEXT, THEN, now=EIGHT + HOUR, routes=GOOD[:1], vans=("van-2",))
    assert faults(today, [route("van-1", PAST)]) == []
