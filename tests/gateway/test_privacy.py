"""All that a real gateway says off duty, byte by byte."""

import os
import re
import signal
import threading
import time
from collections.abc import Callable

import pytest

from gateway import configuration
from gateway.clock import Clock
from gateway.enrolment.sealing import Delivering
from gateway.inbox import Switched
from gateway.service import Service
from gateway.spool import schema
from gateway.start import receiver_of
from tests.gateway.rig import Broker, Cloud, Line, Receiver, Van, wait_until
from wire import codec
from wire.events import DoorMoved, DutyChanged, IgnitionSwitched
from wire.messages import Command, Desired, Event, State

pytestmark = pytest.mark.slow

COORDINATE = re.compile(
    rb"(?<!\d)(545\d{6}|2526\d{5})(?!\d)|54\.5|25\.26|5430\.|02516\.|\blat|\blon"
)
"""Where the line's van drives: 54° 30' north, 25° 16' east, in any of the forms in use."""


def desire(cloud: Cloud, settings: int, **values: object) -> None:
    told = codec.encode(Desired(settings=settings, values=values))
    cloud.tell("desired", told, retain=True)


def newest_state(cloud: Cloud) -> State | None:
    heard = cloud.heard["state"]
    return codec.decode(heard[-1], State) if heard else None


def settings_known(cloud: Cloud) -> int:
    state = newest_state(cloud)
    return 0 if state is None else state.settings


def is_on_duty(cloud: Cloud) -> bool | None:
    state = newest_state(cloud)
    return None if state is None else state.is_on_duty


def test_off_duty_no_byte_that_leaves_the_van_tells_where_it_is(
    cloud: Cloud, broker: Broker, line: Line, van: Van
) -> None:
    desire(cloud, 1, shifts=[])
    van.start()
    wait_until(lambda: settings_known(cloud) == 1, "the shifts are known")
    receiver = Receiver(line)
    try:
        wait_until(lambda: is_on_duty(cloud) is False, "it is off duty")
        diagnose = Command(id="c1", name="collect-diagnostics", expires_at_ms=2**52)
        cloud.tell("command", codec.encode(diagnose))
        replay = {"from_ms": 0, "to_ms": 2**52}
        cloud.tell(
            "command",
            codec.encode(Command(id="c2", name="replay", expires_at_ms=2**52, arguments=replay)),
        )
        wait_until(lambda: cloud.count("result") >= 2, "commands are answered")
        time.sleep(2)
        van.kill()
        van.start()
        wait_until(lambda: cloud.count("presence") > 2, "it is back")
        time.sleep(3)
        assert van.stop() == 0
        said = {kind: list(payloads) for kind, payloads in cloud.heard.items()}
        assert said["live"] == []
        assert said["batch"] == []
        for payloads in said.values():
            for payload in payloads:
                assert not COORDINATE.search(payload), payload
        events = {codec.decode(payload, Event) for payload in said["event"]}
        duties = [one.body for one in events if isinstance(one.body, DutyChanged)]
        assert [duty.is_on_duty for duty in duties] == [False]
        assert not COORDINATE.search(van.log.read_bytes())
        van.start()
        desire(cloud, 2, shifts=None)
        wait_until(lambda: cloud.count("live") > 0, "on duty again it tells where it is", 40)
        wait_until(lambda: cloud.count("batch") > 0, "and keeps it", 40)
    finally:
        receiver.stop()


DAY_MS = 1_772_438_400_000
"""2026-03-02 08:00 UTC, when the line's drive begins."""


def run_beside(service: Service, story: Callable[[], None]) -> None:
    """Run the gateway in this process, to whose inbox ``story`` has a way, and stop it after."""
    failed: list[BaseException] = []

    def told() -> None:
        try:
            story()
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            failed.append(error)
        os.kill(os.getpid(), signal.SIGTERM)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    teller = threading.Thread(target=told)
    teller.start()
    try:
        service.run()
    finally:
        teller.join()
        for number, handler in before.items():
            signal.signal(number, handler)
    for error in failed:
        raise error


def test_after_the_shift_no_byte_tells_where_the_van_is_though_its_receiver_was_unplugged(
    cloud: Cloud, line: Line, van: Van
) -> None:
    chosen = configuration.load(van.config)
    schema.prepare(chosen.spool_file)
    delivering = Delivering(van.config, chosen.folder)
    receivers = [receiver_of("receivers[0]", chosen.receivers[0])]
    service = Service(chosen, receivers, Clock(), delivering)
    desire(cloud, 1, shifts=[{"from_ms": DAY_MS, "to_ms": DAY_MS + 12_000}])
    since: dict[str, int] = {}

    def story() -> None:
        wait_until(lambda: settings_known(cloud) == 1, "the shifts are known", 60)
        receiver = Receiver(line)
        try:
            wait_until(lambda: cloud.count("live") > 2, "on duty it tells where it is", 60)
        finally:
            receiver.stop()
        wait_until(lambda: is_on_duty(cloud) is False, "the shift is over, by the time alone", 60)
        time.sleep(1)
        since.update({kind: cloud.count(kind) for kind in cloud.heard})
        for kind, name in (("door", "rear"), ("ignition", "ignition")):
            for is_on in (True, False):
                service._inbox.put(Switched(kind=kind, name=name, is_on=is_on))  # type: ignore[arg-type]
        wait_until(lambda: cloud.count("event") >= since["event"] + 6, "the inputs are told", 60)

    run_beside(service, story)
    said = [
        payload for kind, payloads in cloud.heard.items() for payload in payloads[since[kind] :]
    ]
    for payload in said:
        assert not COORDINATE.search(payload), payload
    later = [codec.decode(one, Event).body for one in cloud.heard["event"][since["event"] :]]
    assert {type(body) for body in later} >= {DoorMoved, IgnitionSwitched}
    assert (cloud.count("live"), cloud.count("batch")) == (since["live"], since["batch"])
