"""A real gateway that is set and asked from afar: over kills, to another broker and back."""

import random
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.rig import Broker, Cloud, Receiver, Van, wait_until
from tests.parts.ports import free_port
from wire import codec
from wire.messages import Command, Desired, Result, Route, State

pytestmark = pytest.mark.slow
NEVER_MS = 2**52
SEED = 20261124


def tell_settings(cloud: Cloud, version: int, **values: Any) -> None:
    cloud.tell("desired", codec.encode(Desired(settings=version, values=values)), retain=True)


def ask(cloud: Cloud, command: str, name: str, **arguments: Any) -> None:
    asked = Command(id=command, name=name, expires_at_ms=NEVER_MS, arguments=arguments)
    cloud.tell("command", codec.encode(asked))


def last_state(cloud: Cloud) -> State:
    return codec.decode(cloud.heard["state"][-1], State)


def has_in_force(cloud: Cloud, version: int) -> bool:
    return bool(cloud.heard["state"]) and last_state(cloud).settings == version


def refused(cloud: Cloud) -> tuple[int, str]:
    told = last_state(cloud).refused if cloud.heard["state"] else None
    return (0, "") if told is None else told


def answers(cloud: Cloud) -> list[Result]:
    return [codec.decode(payload, Result) for payload in cloud.heard["result"]]


def test_settings_are_in_force_at_once_and_after_a_kill(
    cloud: Cloud, van: Van, receiver: Receiver
) -> None:
    van.start()
    wait_until(lambda: cloud.count("live") > 3, "fixes are live", 60)
    tell_settings(cloud, 1, live_every_s=3600)
    wait_until(lambda: has_in_force(cloud, 1), "they are in force", 60)
    wait_until(lambda: "the settings hold" in van.log.read_text(), "they have proved themselves")
    before = cloud.count("live")
    time.sleep(2)
    assert cloud.count("live") <= before + 1
    van.kill()
    states = cloud.count("state")
    van.start()
    wait_until(lambda: cloud.count("state") > states, "it tells its state again", 60)
    assert last_state(cloud).settings == 1
    assert receiver.ticks > 0


def test_a_broker_that_is_not_there_is_left_again_even_over_a_kill(
    cloud: Cloud, van: Van, receiver: Receiver
) -> None:
    van.config.write_text(f"{van.config.read_text()}[control]\nrollback_after_s = 5\n")
    van.start()
    wait_until(cloud.is_online, "it is online", 60)
    tell_settings(cloud, 3, broker={"host": "127.0.0.1", "port": free_port()})
    wait_until(lambda: "settings told" in van.log.read_text(), "it took them", 60)
    van.kill()
    van.start()
    wait_until(lambda: refused(cloud)[0] == 3, "it has come back and says why", 90)
    assert "rolled back" in refused(cloud)[1]
    assert last_state(cloud).settings == 0
    stored = len(cloud.stored())
    wait_until(lambda: len(cloud.stored()) > stored, "fixes flow again", 60)
    assert van.log.read_text().count("settings told") == 1, "the retained ones are passed over"
    assert receiver.ticks > 0


def test_a_van_moves_to_another_broker_and_stays_there(
    cloud: Cloud, van: Van, receiver: Receiver, tmp_path: Path
) -> None:
    other = Broker(tmp_path / "other")
    other.start()
    there = Cloud(tmp_path / "other.db", other.port)
    try:
        van.start()
        wait_until(cloud.is_online, "it is online", 60)
        tell_settings(cloud, 1, broker={"host": "127.0.0.1", "port": other.port})
        wait_until(there.is_online, "it is online there", 60)
        wait_until(lambda: "the settings hold" in van.log.read_text(), "the cloud answered", 60)
        van.kill()
        stored = len(there.stored())
        van.start()
        wait_until(lambda: len(there.stored()) > stored, "it starts there", 60)
        assert has_in_force(there, 1)
        assert receiver.ticks > 0
    finally:
        van.kill()
        there.stop()
        other.kill()


def test_commands_are_done_once_over_kills_at_any_moment(
    cloud: Cloud, van: Van, receiver: Receiver
) -> None:
    chance = random.Random(SEED)
    van.start()
    wait_until(cloud.is_online, "it is online", 60)  # so that the broker keeps its session
    asked = []
    for round_ in range(5):
        for number in range(6):
            asked.append(f"c{round_}-{number}")
            name = chance.choice(["ping", "collect-diagnostics"])
            ask(cloud, asked[-1], name)
            time.sleep(chance.uniform(0, 0.08))
        van.kill()
        van.start()
        time.sleep(chance.uniform(0.3, 1.2))
    wait_until(
        lambda: {one.command for one in answers(cloud)} == set(asked), "each is answered", 90
    )
    assert {one.status for one in answers(cloud)} == {"done"}
    done = re.findall(r"command done command='([^']+)'", van.log.read_text())
    assert len(done) == len(set(done)), "none was done twice"
    assert receiver.ticks > 0


def test_a_replay_brings_acknowledged_fixes_again(
    cloud: Cloud, van: Van, receiver: Receiver
) -> None:
    van.start()
    wait_until(lambda: len(cloud.stored()) > 20, "fixes are stored", 60)
    wait_until(lambda: last_state(cloud).clock == "gnss", "its clock is trusted")
    assert cloud.repeated == 0
    ask(cloud, "again", "replay", **{"from": 0, "to": 2**50})
    wait_until(lambda: bool(answers(cloud)), "it is answered", 60)
    (answer,) = answers(cloud)
    assert isinstance(answer.data, dict)
    count = answer.data["rows"]
    assert count > 10
    wait_until(lambda: cloud.repeated >= count // 2, "they come again", 60)
    assert receiver.ticks > 0


def test_hostile_messages_change_nothing(cloud: Cloud, van: Van, receiver: Receiver) -> None:
    van.start()
    wait_until(cloud.is_online, "it is online", 60)
    for kind in ("desired", "command", "route"):
        for payload in (b"", b"\xff\xfe", b"[]", b"{" * 2000, b'{"v":7}', b'"' + b"x" * 500_000):
            cloud.tell(kind, payload)
    tell_settings(cloud, 2**60, live_every_s=1)
    tell_settings(cloud, 5, keeping={"is_all": "yes"})
    ask(cloud, "c-1", "replay", **{"from": "'; DROP TABLE row;--", "to": []})
    cloud.tell("route", codec.encode(Route(route="r1", revision=1, stops=())), retain=True)
    wait_until(lambda: refused(cloud)[0] == 5, "the readable ones are refused by version", 60)
    wait_until(lambda: [one.status for one in answers(cloud)] == ["refused"], "so is the command")
    wait_until(lambda: last_state(cloud).route_revision == 1, "the route that is well is taken")
    stored = len(cloud.stored())
    wait_until(lambda: len(cloud.stored()) > stored, "fixes flow all the while", 60)
    assert "Traceback" not in van.log.read_text()
    assert receiver.ticks > 0
    assert van.stop() == 0
