"""A receiver that is open: whether it speaks, is silent, or says what nobody can read."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import main
from gateway.receivers.hearing import SILENT_AFTER_S, UNREADABLE_AFTER_S, Hearing, Listening
from tests.gateway.rig import Broker, Cloud, Line, Receiver, Van, sentence, wait_until
from wire import codec
from wire.messages import State

SPEAKS = Hearing("speaks")
SILENT = Hearing("silent", "power")
UNREADABLE = Hearing("unreadable", "speed")
STARTING = Hearing("starting")

QUIET = (0, 0)
NOISE = (40, 0)
NMEA = (300, 4)


def listening() -> Listening:
    return Listening(0.0, silent="power", unreadable="speed")


def told(ear: Listening, what: tuple[int, int], from_s: float, to_s: float) -> list[Hearing]:
    """What is told of each half second in which ``what`` came: bytes, and sentences among them."""
    halves = range(round(from_s * 2) + 1, round(to_s * 2) + 1)
    return [ear.heard(*what, half / 2) for half in halves]


def test_a_line_without_a_byte_is_silent_after_fifteen_seconds() -> None:
    ear = listening()
    assert set(told(ear, QUIET, 0, SILENT_AFTER_S)) == {STARTING}
    assert set(told(ear, QUIET, SILENT_AFTER_S, 3600)) == {SILENT}


def test_bytes_without_a_sentence_are_unreadable_after_fifteen_seconds() -> None:
    ear = listening()
    assert set(told(ear, NOISE, 0, UNREADABLE_AFTER_S)) == {STARTING}
    assert set(told(ear, NOISE, UNREADABLE_AFTER_S, 3600)) == {UNREADABLE}


def test_one_that_speaks_speaks_at_once_whatever_was_before() -> None:
    for before in (QUIET, NOISE):
        ear = listening()
        told(ear, before, 0, 100)
        assert ear.heard(*NMEA, 100.5) == SPEAKS


def test_one_that_gets_its_power_late_has_time_to_be_understood() -> None:
    ear = listening()
    told(ear, QUIET, 0, 3600)
    assert UNREADABLE not in told(ear, NOISE, 3600, 3600 + UNREADABLE_AFTER_S)
    assert ear.heard(*NMEA, 3620) == SPEAKS


def test_a_noise_now_and_then_changes_nothing() -> None:
    ear = listening()
    told(ear, NOISE, 0, 60)
    said = {
        one
        for minute_s in range(60, 1200, 30)
        for one in [*told(ear, QUIET, minute_s, minute_s + 29.5), ear.heard(*NOISE, minute_s + 30)]
    }
    assert said == {UNREADABLE}


@given(st.lists(st.tuples(st.floats(0.01, 40), st.sampled_from([QUIET, NOISE, NMEA]))))
def test_what_is_told_is_true_of_the_last_seconds(story: list[tuple[float, Any]]) -> None:
    ear = listening()
    now_s = bytes_at_s = read_at_s = 0.0
    has_spoken = False
    for lasted_s, what in story:
        now_s += lasted_s
        size_bytes, sentences = what
        bytes_at_s = now_s if size_bytes else bytes_at_s
        read_at_s = now_s if sentences else read_at_s
        has_spoken |= bool(sentences)
        match ear.heard(size_bytes, sentences, now_s):
            case Hearing("speaks"):
                assert has_spoken
                assert now_s - bytes_at_s <= SILENT_AFTER_S
            case Hearing("silent"):
                assert now_s - bytes_at_s > SILENT_AFTER_S
            case Hearing("unreadable"):
                assert now_s - read_at_s > UNREADABLE_AFTER_S
            case _:
                assert read_at_s < now_s


def newest(cloud: Cloud) -> str | None:
    heard = cloud.heard["state"]
    return codec.decode(heard[-1], State).receiver if heard else None


def doctor(config: Path) -> dict[str, Any]:
    done = CliRunner().invoke(main, ["doctor", "--json", "--config", str(config)])
    found: dict[str, Any] = {one["name"]: one for one in json.loads(done.output)}["receiver serial"]
    return found


def screen(config: Path) -> str:
    done = CliRunner().invoke(main, ["status", "--config", str(config)])
    return next(line for line in done.output.splitlines() if " receiver " in line)


@contextmanager
def repeating(say: Callable[[], None], every_s: float) -> Iterator[None]:
    stopping = threading.Event()

    def run() -> None:
        while not stopping.wait(every_s):
            say()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@pytest.mark.slow
def test_silence_noise_and_a_missing_position_are_told_apart_to_everyone(
    broker: Broker, cloud: Cloud, line: Line, van: Van
) -> None:
    van.config.chmod(0o600)
    van.start()
    wait_until(lambda: newest(cloud) == "silent", "the cloud knows that nothing comes", 60)
    wait_until(lambda: "serial: silent" in screen(van.config), "the screen says so")
    assert "its TX" in screen(van.config)
    found = doctor(van.config)
    assert (found["verdict"], found["told"]) == ("bad", "silent")
    assert "power" in found["remedy"]
    with repeating(lambda: line.write(b"\r\nOK\r\n+CREG: 1\r\n"), 0.2):
        wait_until(lambda: newest(cloud) == "unreadable", "nothing that can be read comes", 60)
        wait_until(lambda: "serial: unreadable" in screen(van.config), "the screen says so")
        found = doctor(van.config)
        assert (found["verdict"], found["told"]) == ("bad", "unreadable")
        assert "baud" in found["remedy"]
    with repeating(lambda: line.write(sentence("GNRMC,,V,,,,,,,,,,N,V")), 0.2):
        wait_until(lambda: newest(cloud) == "no_fix", "it speaks, without a position", 90)
        wait_until(lambda: "serial: no fix" in screen(van.config), "the screen says so")
        assert "view of the sky" in doctor(van.config)["remedy"]
    receiver = Receiver(line)
    try:
        wait_until(lambda: newest(cloud) == "ok", "it has a position", 60)
    finally:
        receiver.stop()
    assert van.stop() == 0


@pytest.mark.slow
def test_doctor_without_a_gateway_tells_silence_from_noise(
    broker: Broker, line: Line, van: Van
) -> None:
    van.config.chmod(0o600)
    found = doctor(van.config)
    assert (found["verdict"], found["told"][:6]) == ("bad", "silent")
    with repeating(lambda: line.write(b"\r\nOK\r\n"), 0.2):
        found = doctor(van.config)
    assert (found["verdict"], found["told"][:10]) == ("bad", "unreadable")
