"""What drivers are told on the way."""

import asyncio

import pytest

from cloud.roads.client import RoadsClient
from cloud.roads.guidance import Manoeuvre, steps
from tests.parts.roads_engine import RoadEngine
from tests.roads.test_keeper import HARBOUR, PLAZA


def told(kind: str, modifier: str = "", **more: object) -> Manoeuvre:
    whole = {
        "kind": kind, "modifier": modifier, "exit": None, "street": "Balmaceda", "towards": "",
        "metres": 100.0, "seconds": 10.0, "lat": 1.0, "lon": 2.0,
    } | more  # fmt: skip
    return Manoeuvre(**whole)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("manoeuvre", "text"),
    [
        (told("depart", "right"), "Drive off on Balmaceda."),
        (told("turn", "sharp left"), "Turn sharply left onto Balmaceda."),
        (told("end of road", "right", street=""), "Turn right."),
        (told("continue", "uturn"), "Turn round onto Balmaceda."),
        (
            told("roundabout", "right", exit=2),
            "At the roundabout take the second exit onto Balmaceda.",
        ),
        (told("rotary", "right", exit=11, street=""), "At the roundabout take your exit."),
        (told("merge", "slight left"), "Merge to the left onto Balmaceda."),
        (
            told("fork", "slight right", towards="Coquimbo"),
            "Keep right onto Balmaceda towards Coquimbo.",
        ),
        (told("off ramp", "", street=""), "Keep straight on."),
        (told("notification", "", is_ferry=True, street="Line 1"), "Take the ferry Line 1."),
        (told("arrive", "left"), "You have arrived, on the left."),
        (told("some new kind", "straight"), "Continue on Balmaceda."),
    ],
)
def test_each_manoeuvre_is_a_sentence(manoeuvre: Manoeuvre, text: str) -> None:
    (step,) = steps([manoeuvre])
    assert step.text == text


def test_what_asks_for_nothing_belongs_to_the_step_before() -> None:
    some = [told("depart"), told("new name"), told("turn", "straight"), told("turn", "left")]
    first, second = steps(some)
    assert (first.metres, first.seconds) == (300, 30)
    assert (second.action, second.side) == ("turn", "left")


@pytest.mark.slow
def test_steps_lead_from_begin_to_end_of_each_leg(engine: RoadEngine) -> None:
    async def ask() -> None:
        async with RoadsClient(engine.url) as roads:
            path = await roads.route([PLAZA, HARBOUR, PLAZA], with_steps=True)
            assert len(path.steps) == 2
            for leg, some in zip(path.legs, path.steps, strict=True):
                assert (some[0].action, some[-1].action) == ("depart", "arrive")
                assert sum(step.metres for step in some) == pytest.approx(leg.metres, rel=0.02)
                assert any(step.street for step in some)
            assert (await roads.route([PLAZA, HARBOUR])).steps == ()

    asyncio.run(ask())
