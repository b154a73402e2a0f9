"""The demo as a user runs it: real broker, cloud, gateways and streets, in a folder of its own."""

import re
import signal
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from tests.parts.running_demo import Running, assert_gone, demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]


def is_away(running: Running) -> bool:
    """Whether a van is some 200 m from its depot, on a street or where it waits for a window."""
    depot = running.get("depots")["items"][0]
    return any(
        abs(lat - depot["lat"]) + abs(lon - depot["lon"]) > 0.002
        for lat, lon in running.positions().values()
    )


def real_s_until_one_leaves(running: Running) -> float:
    """A day of few orders may begin late: vans wait at their depot until it is worth leaving."""
    clock = running.get("clock")
    planned = [van["route_id"] for van in running.get("vehicles")["items"] if van["route_id"]]
    routes = [running.get(f"routes/{route_id}") for route_id in planned]
    first = min(
        stop["planned_arrival"]
        for route in routes
        for stop in route["stops"]
        if stop["kind"] == "delivery"
    )
    ahead = datetime.fromisoformat(first) - datetime.fromisoformat(clock["now"])
    return max(0.0, ahead.total_seconds() / float(clock["speed"]))


def test_vans_move_and_a_demo_stops_goes_on_and_survives_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo(folder, "--vans", "2", "--orders", "24", "--speed", "100") as first:
        first.wait_until_ready()
        assert first.get("health")["status"] == "ok"
        assert len(first.get("orders?limit=100")["items"]) == 24
        first.wait_for("positions", lambda: len(first.positions()) == 2, within_s=30)
        within_s = 60 + real_s_until_one_leaves(first)
        first.wait_for("a van away from its depot", lambda: is_away(first), within_s)
        password, clock = first.facts()["logins"][0]["password"], first.get("clock")["now"]
        family = first.family()
        assert len(family) >= 8, "broker, roads, ingest, planner, web, supervisor, two gateways"
        assert first.end(signal.SIGINT) == 0, first.told
        assert_gone(family)
        assert password in first.told

    with demo(folder, "--speed", "20") as second:
        second.wait_until_ready()
        assert second.facts()["logins"][0]["password"] == password
        assert second.get("clock")["now"] >= clock
        assert second.get("clock")["now"] < f"{clock[:11]}23:59", "the same day goes on"
        assert len(second.get("orders?limit=100")["items"]) == 24
        family = second.family()
        second.end(signal.SIGKILL)
        assert_gone(family)

    with demo(folder, "--speed", "20") as third:
        third.wait_until_ready()
        assert third.get("health")["status"] == "ok"
        third.wait_for("positions", lambda: len(third.positions()) == 2, within_s=30)
        family = third.family()
        assert third.end(signal.SIGTERM) == 0
        assert_gone(family)


def test_two_demos_run_side_by_side_and_one_ends_by_itself(tmp_path: Path) -> None:
    arguments = ("--vans", "1", "--orders", "4", "--speed", "20")
    lasting = demo(tmp_path / "lasting", *arguments)
    short = demo(tmp_path / "short", *arguments, "--hours", "0.2")
    with lasting as one, short as two:
        one.wait_until_ready()
        two.wait_until_ready()
        assert one.facts()["url"] != two.facts()["url"]
        assert one.facts()["broker"]["port"] != two.facts()["broker"]["port"]
        assert one.get("health")["status"] == two.get("health")["status"] == "ok"

        assert two.process.wait(timeout=120) == 0, two.told
        assert re.search(r"0 delivered .* 4 open", two.told.splitlines()[-1]), two.told
        assert one.get("health")["status"] == "ok"
        assert one.end(signal.SIGINT) == 0


def test_a_killed_cloud_comes_back_and_people_are_told(tmp_path: Path) -> None:
    with demo(tmp_path / "demo", "--vans", "1", "--orders", "4", "--speed", "10") as running:
        running.wait_until_ready()
        supervisor = next(child for child in running.family() if "serve" in child.cmdline())
        helpers = supervisor.children(recursive=True)
        supervisor.kill()
        assert_gone(helpers)
        running.wait_for("notice", lambda: "cloud ended (SIGKILL)" in running.told, within_s=20)

        def is_healthy() -> bool:
            with suppress(httpx.HTTPError):
                return bool(running.get("health")["status"] == "ok")
            return False

        running.wait_for("health", is_healthy, within_s=90)
        assert running.end(signal.SIGINT) == 0
