import statistics
from random import Random
from typing import Any

import pytest

from sim.drivers import is_home, next_stop, service_s


def stop(name: str, position: int, state: str = "open") -> dict[str, Any]:
    return {"id": name, "position": position, "state": state}


def route(*stops: dict[str, Any]) -> dict[str, Any]:
    return {"stops": list(stops)}


def next_name(*stops: dict[str, Any]) -> str | None:
    found = next_stop(route(*stops))
    return found["id"] if found else None


def test_the_next_stop_is_the_first_open_one() -> None:
    assert next_name(stop("c", 3), stop("a", 1, "done"), stop("b", 2)) == "b"


def test_a_stop_that_was_reached_is_finished_first() -> None:
    assert next_name(stop("urgent", 1), stop("reached", 2, "arrived")) == "reached"


def test_after_the_last_stop_there_is_none() -> None:
    assert next_name(stop("a", 1, "done")) is None
    assert next_name() is None


def test_service_takes_as_long_as_planned_on_average_and_sometimes_much_longer() -> None:
    rng = Random(1)
    times = [service_s(600.0, rng) for _ in range(20_000)]
    assert statistics.mean(times) == pytest.approx(600.0, rel=0.02)
    assert statistics.median(times) < 570.0
    assert max(times) <= 3000.0
    assert min(times) > 0.0


def test_few_are_not_at_home() -> None:
    rng = Random(2)
    away = sum(not is_home(rng) for _ in range(10_000)) / 10_000
    assert 0.03 < away < 0.07
