"""Gateways from afar: settings desired and reported, commands and their answers."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from cloud.fleet.gateway_store import put_gateway
from cloud.foundation.broker_config import new_gateway_credential
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict
from cloud.gateways.model import CommandSent, next_version
from cloud.tracking import store
from cloud.tracking.intake import Arrived, Group, Intake
from cloud.tracking.model import Committed
from cloud.tracking.shelf import Shelf
from tests.cloud.conftest import Office
from tests.cloud.desk import NOW, TODAY, Desk, open_desk
from tests.gateway.rig import Line, Receiver, Van, wait_until
from wire import codec, topics
from wire.messages import MAX_RESULT_BYTES, Command, Desired, Result, State

SETTINGS = "/vehicles/van-1/settings"
COMMANDS = "/vehicles/van-1/commands"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    yield from _opened(tmp_path)


@pytest.fixture(scope="module")
def idle_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One at which nothing is ever accepted."""
    yield from _opened(tmp_path_factory.mktemp("idle"))


def _opened(folder: Path) -> Iterator[Desk]:
    desk = open_desk(folder)
    van = {"id": "van-1", "name": "One", "depot_id": "la-serena", "capacity_parcels": 9}
    assert desk.ask("POST", "/vehicles", json=van).status_code == 201
    yield desk
    desk.close()


def heard(telemetry: Database, tenant: str, *said: msgspec.Struct) -> None:
    """What a van publishes, stored as ingest does it."""
    intake = Intake(
        standing_of=lambda *_: "known",
        load=lambda _: Committed(),
        load_shelf=lambda *_: Shelf(0, 0),
        complain=lambda _: None,
        live=[],
    )
    group = Group()
    for one in said:
        kind = {"State": "state", "Result": "result"}[type(one).__name__]
        topic = topics.up(tenant, "van-1", kind)
        intake.take(
            Arrived(topic=topic, payload=codec.encode(one), received_at_ms=round(NOW * 1000)), group
        )
    group.writes.live = [store.live_values(row) for row in intake.take_unwritten()]
    with telemetry.writing() as connection:
        store.write(connection, group.writes)


def reporting(settings: int, refused: tuple[int, str] | None = None) -> State:
    return State(version="1", boot=1, receiver="ok", spooled=0, settings=settings, refused=refused)


def desire(desk: Desk, *, follow_shifts: bool = False, **values: Any) -> httpx.Response:
    return desk.ask("PUT", SETTINGS, json={"values": values, "follow_shifts": follow_shifts})


def told(desk: Desk) -> Desired:
    message = desk.gateways.desired_message("main", "van-1")
    assert message is not None
    return message


def test_nothing_is_desired_at_first(desk: Desk) -> None:
    assert desk.ask("GET", SETTINGS).json() == {"state": "own", "desired": None, "reported": None}


def test_each_change_counts_up_and_replaces_the_one_before(desk: Desk) -> None:
    desire(desk, live_every_s=5, is_metered=True)
    answer = desire(desk, live_every_s=9).json()
    assert (answer["state"], answer["desired"]["version"]) == ("pending", 2)
    assert told(desk) == Desired(settings=2, values={"live_every_s": 9})


def test_desired_and_reported_stand_side_by_side(desk: Desk) -> None:
    desire(desk, live_every_s=5)
    heard(desk.telemetry, "main", reporting(1))
    answer = desk.ask("GET", SETTINGS).json()
    assert (answer["state"], answer["reported"]["version"]) == ("in_force", 1)
    desire(desk, live_every_s=7)
    assert desk.ask("GET", SETTINGS).json()["state"] == "pending"
    heard(desk.telemetry, "main", reporting(1, (2, "rolled back: nobody answered")))
    answer = desk.ask("GET", SETTINGS).json()
    assert answer["state"] == "refused"
    assert "nobody answered" in answer["reported"]["refused"]["reason"]


def test_a_restored_database_still_finds_a_version_that_the_van_looks_at() -> None:
    assert next_version(3, reporting(7)) == 8
    assert next_version(3, reporting(7, (9, "no"))) == 10
    assert next_version(3, None) == 4
    assert next_version(3, reporting(2**60, (2**60, "no"))) == 4


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"values": {"live_evry_s": 5}}, "values.live_evry_s"),
        ({"values": {"live_every_s": -5}}, "values.live_every_s"),
        ({"values": {"broker": {"host": "b", "port": 0}}}, "values.broker.port"),
        ({"values": {"shifts": []}, "follow_shifts": True}, "values.shifts"),
        ({"valeus": {}}, "values"),
    ],
)
def test_settings_that_the_van_would_refuse_are_refused_here(
    idle_desk: Desk, body: dict[str, Any], field: str
) -> None:
    answer = idle_desk.ask("PUT", SETTINGS, json=body)
    assert answer.status_code == 422
    assert field in [one["field"] for one in answer.json()["errors"]]
    assert idle_desk.gateways.desired_message("main", "van-1") is None


def test_a_van_that_follows_its_shifts_is_told_each_new_one(desk: Desk) -> None:
    desire(desk, follow_shifts=True, live_every_s=5)
    assert told(desk) == Desired(settings=1, values={"live_every_s": 5, "shifts": []})
    driver = desk.ask("POST", "/drivers", json={"id": "ana", "name": "Ana"})
    assert driver.status_code == 201
    shift = {"vehicle_id": "van-1", "driver_id": "ana", "service_date": TODAY}
    made = desk.ask("POST", "/shifts", json=shift).json()
    assert desk.gateways.follow_shifts() == 1
    assert desk.gateways.follow_shifts() == 0
    (span,) = told(desk).values["shifts"]
    assert told(desk).settings == 2
    assert span["to_ms"] - span["from_ms"] == 10 * 3_600_000
    assert made["starts_at"].startswith(TODAY)


def test_who_desires_over_a_version_that_is_gone_is_refused(desk: Desk) -> None:
    desire(desk, live_every_s=5)
    desire(desk, live_every_s=30)
    with pytest.raises(Conflict, match="version 2"):
        desk.gateways.desire(
            tenant="main",
            vehicle_id="van-1",
            values={"live_every_s": 5},
            is_following_shifts=True,
            changed_by="shifts",
            over=1,
        )
    assert told(desk).values == {"live_every_s": 30}


def test_a_van_that_does_not_follow_its_shifts_is_told_none(desk: Desk) -> None:
    desire(desk, live_every_s=5)
    assert desk.gateways.follow_shifts() == 0
    assert "shifts" not in told(desk).values


def test_a_command_waits_until_the_van_has_answered(desk: Desk) -> None:
    sent = desk.ask("POST", COMMANDS, json={"name": "replay", "arguments": {"from": 0, "to": 9}})
    assert sent.status_code == 202
    command = sent.json()
    assert command["status"] == "waiting"
    heard(
        desk.telemetry,
        "main",
        Result(command=command["id"], status="done", detail="2 fixes", data={"fixes": 2}),
        Result(command=command["id"], status="failed"),  # a repeat says nothing new
    )
    answer = desk.ask("GET", f"{COMMANDS}/{command['id']}").json()
    assert (answer["status"], answer["data"]) == ("done", {"fixes": 2})
    (listed,) = desk.ask("GET", COMMANDS).json()["items"]
    assert (listed["id"], listed["status"], listed["data"]) == (command["id"], "done", None)


def test_answers_of_one_van_are_bounded(desk: Desk) -> None:
    many = [Result(command=f"c-{at}", status="done") for at in range(store.MAX_RESULTS + 50)]
    heard(desk.telemetry, "main", *many)
    with desk.telemetry.reading() as connection:
        ids = [one.command for one in many]
        assert len(store.results_of(connection, "main", "van-1", ids)) == store.MAX_RESULTS


def test_an_answer_that_is_too_long_is_set_aside(desk: Desk) -> None:
    heard(
        desk.telemetry,
        "main",
        Result(command="c-1", status="done", data={"log": "x" * MAX_RESULT_BYTES}),
    )
    with desk.telemetry.reading() as connection:
        assert store.results_of(connection, "main", "van-1", ["c-1"]) == []
        assert store.set_aside_of(connection, "main", "van-1")[0] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "fly"}, "name"),
        ({"name": "replay", "arguments": {"from": 9, "to": 0}}, "arguments.from"),
        ({"name": "set-rate", "arguments": {"for_s": 5}}, "arguments.live_every_s"),
        ({"name": "ping", "arguments": {"loud": True}}, "arguments.loud"),
        ({"name": "ping", "expires_in_s": 0}, "expires_in_s"),
        ({"name": "UP!"}, "name"),
    ],
)
def test_a_command_that_the_van_would_refuse_is_refused_here(
    idle_desk: Desk, body: dict[str, Any], field: str
) -> None:
    answer = idle_desk.ask("POST", COMMANDS, json=body)
    assert answer.status_code == 422
    assert field in [one["field"] for one in answer.json()["errors"]]
    assert idle_desk.ask("GET", COMMANDS).json() == {"items": []}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/vehicles/van-9/settings"),
        ("PUT", "/vehicles/van-9/settings"),
        ("POST", "/vehicles/van-9/commands"),
        ("GET", "/vehicles/van-9/commands"),
        ("GET", "/vehicles/van-1/commands/cmd-none"),
    ],
)
def test_what_is_not_known_is_not_found(idle_desk: Desk, method: str, path: str) -> None:
    bodies: dict[str, Any] = {"POST": {"name": "ping"}, "PUT": {"values": {}}, "GET": None}
    assert idle_desk.ask(method, path, json=bodies[method]).status_code == 404


@pytest.mark.slow
def test_the_whole_loop_from_the_office_into_a_van_and_back(office: Office, tmp_path: Path) -> None:
    made = office.api.post("/vehicles/van-1/gateway").json()
    line = Line(tmp_path / "receiver")
    receiver = Receiver(line)
    van = Van(
        tmp_path / "van", made["broker"]["port"], f'kind = "serial"\ndevice = "{line.device}"'
    )
    text = van.config.read_text()
    for name in ("client_id", "username", "password"):
        old = next(one for one in text.splitlines() if one.startswith(name))
        text = text.replace(old, f'{name} = "{made[name]}"')
    van.config.write_text(text)
    try:
        van.start()
        settings = {"values": {"live_every_s": 0.5, "is_metered": False}}
        assert office.api.put(SETTINGS, json=settings).json()["desired"]["version"] == 1
        wait_until(lambda: office.api.get(SETTINGS).json()["state"] == "in_force", "it took", 60)
        sent = office.api.post(COMMANDS, json={"name": "ping"}).json()
        where = f"{COMMANDS}/{sent['id']}"
        wait_until(lambda: office.api.get(where).json()["status"] == "done", "it answered", 60)
        sent = office.api.post(COMMANDS, json={"name": "collect-diagnostics"}).json()
        where = f"{COMMANDS}/{sent['id']}"
        wait_until(lambda: office.api.get(where).json()["status"] == "done", "it told", 60)
        assert office.api.get(where).json()["data"]["health"]["van"] == "van-1"
        assert van.stop() == 0
    finally:
        van.kill()
        receiver.stop()
        line.unplug()


def test_the_van_gets_the_command_that_was_asked_for(desk: Desk) -> None:
    sent = desk.ask("POST", COMMANDS, json={"name": "ping", "expires_in_s": 60}).json()
    asked = desk.gateways.command("main", "van-1", sent["id"]).asked
    assert asked.message() == Command(
        id=sent["id"], name="ping", expires_at_ms=round((NOW + 60) * 1000)
    )


def test_a_command_that_was_told_late_is_not_for_the_next_box(desk: Desk) -> None:
    first, second = (new_gateway_credential("main", "van-1", secrets.token_hex) for _ in "12")
    with desk.database.writing() as connection:
        put_gateway(connection, first, NOW)
    sent = desk.ask("POST", COMMANDS, json={"name": "ping"}).json()
    told = CommandSent(vehicle_id="van-1", command_id=sent["id"], session=first.client_id)
    assert desk.gateways.command_message("main", told) is not None
    with desk.database.writing() as connection:
        put_gateway(connection, second, NOW)
    assert desk.gateways.command_message("main", told) is None
    ended = desk.ask("GET", f"{COMMANDS}/{sent['id']}").json()
    assert ended["status"] == "ended"
    assert "send it again" in ended["detail"]
    (listed,) = desk.ask("GET", COMMANDS).json()["items"]
    assert listed["status"] == "ended"
    heard(desk.telemetry, "main", Result(command=sent["id"], status="done"))
    assert desk.ask("GET", f"{COMMANDS}/{sent['id']}").json()["status"] == "done"
