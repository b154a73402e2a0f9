"""All that a real gateway says off duty, byte by byte."""

import re
import time

import pytest

from tests.gateway.rig import Broker, Cloud, Line, Receiver, Van, wait_until
from wire import codec
from wire.events import DutyChanged
from wire.messages import Command, Desired, Event, State

pytestmark = pytest.mark.slow

COORDINATE = re.compile(rb"545\d{6}|2526\d{5}|54\.5|25\.26|5430\.|02516\.|\blat|\blon")
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
