"""A gateway process on a serial line, with a real broker and a cloud that commits."""

import random
import time
from pathlib import Path

import pytest

from tests.gateway.rig import VAN, Broker, Cloud, Line, Receiver, Van, wait_until
from wire import codec
from wire.events import Gap
from wire.messages import Ack, Command, Event, Presence, Result, Route, State

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.usefixtures("receiver")]
NEVER_MS = 2**52


def assert_nothing_lost(cloud: Cloud, spooled: set[tuple[str, int]]) -> None:
    """What was ever seen in the spool is stored, and each stream is stored without a hole."""
    wait_until(lambda: spooled <= cloud.committed(), "what was in the spool is stored")
    stored = cloud.committed()
    for stream in {stream for stream, _ in stored}:
        seqs = sorted(seq for of, seq in stored if of == stream)
        assert seqs == list(range(len(seqs)))


def states(cloud: Cloud) -> list[State]:
    return [codec.decode(payload, State) for payload in cloud.heard["state"]]


def test_fixes_reach_the_cloud_and_leave_the_spool(cloud: Cloud, van: Van) -> None:
    van.start()
    wait_until(lambda: len(cloud.stored()) > 30, "fixes are stored")
    began_s = time.monotonic()
    assert van.stop() == 0
    assert time.monotonic() - began_s < 2
    presences = [codec.decode(payload, Presence).online for payload in cloud.heard["presence"]]
    assert presences == [True, False]
    assert cloud.repeated == 0
    assert_nothing_lost(cloud, van.spooled())
    assert [state.receiver for state in states(cloud)][-1] == "ok"


def test_the_live_lane_carries_the_newest_fix_within_its_pace(cloud: Cloud, van: Van) -> None:
    van.start()
    wait_until(lambda: cloud.count("live") > 2, "fixes are live")
    before, began_s = cloud.count("live"), time.monotonic()
    time.sleep(2)
    told = cloud.count("live") - before
    assert 1 < told <= (time.monotonic() - began_s) / 0.2 + 1
    fixes = [codec.decode_live(payload).fix for payload in cloud.heard["live"]]
    assert [fix.lat_e7 for fix in fixes] == sorted(fix.lat_e7 for fix in fixes)


def test_it_starts_and_keeps_fixes_while_the_broker_is_down(
    broker: Broker, cloud: Cloud, van: Van
) -> None:
    broker.kill()
    van.start()
    wait_until(lambda: "receiver ok" in van.log.read_text(), "it reads")
    time.sleep(3)
    van.kill()
    spooled = van.spooled()
    assert len(spooled) > 5
    broker.start()
    van.start()
    wait_until(lambda: spooled <= cloud.committed(), "the backlog is stored")
    assert van.stop() == 0
    assert 0 in {codec.decode(payload, Event).seq for payload in cloud.heard["event"]}


def test_kills_of_the_gateway_at_any_moment_lose_and_double_nothing(cloud: Cloud, van: Van) -> None:
    chance = random.Random(20261122)
    spooled: set[tuple[str, int]] = set()
    for _ in range(6):
        van.start()
        time.sleep(chance.uniform(0.4, 3.5))
        van.kill()
        if (van.data / "spool.db").exists():
            spooled |= van.spooled()
    assert len({stream for stream, _ in spooled}) >= 3
    van.start()
    wait_until(lambda: spooled <= cloud.committed(), "the rows of all starts are stored")
    wait_until(cloud.is_online, "the last one works")
    assert van.stop() == 0
    assert_nothing_lost(cloud, spooled)


def test_kills_of_the_broker_at_any_moment_lose_and_double_nothing(
    broker: Broker, cloud: Cloud, van: Van
) -> None:
    chance = random.Random(20261123)
    van.start()
    wait_until(lambda: cloud.count("batch") > 0, "the first batch has come")
    for _ in range(4):
        time.sleep(chance.uniform(0.2, 2))
        broker.kill()
        time.sleep(chance.uniform(0, 1.5))
        broker.start()
    van.kill()
    spooled = van.spooled()
    van.start()
    wait_until(lambda: spooled <= cloud.committed(), "what was spooled is stored", 60)
    assert van.stop() == 0
    assert_nothing_lost(cloud, spooled)


def test_a_puback_frees_nothing(cloud: Cloud, van: Van) -> None:
    van.start()
    wait_until(lambda: cloud.count("batch") > 0, "the cloud has answered once")
    cloud.is_answering = False
    so_far = cloud.count("batch")
    wait_until(lambda: cloud.count("batch") > so_far, "a batch has come")
    van.kill()
    spooled = van.spooled()
    assert len(spooled) > 10
    cloud.is_answering = True
    van.start()
    wait_until(lambda: spooled <= cloud.committed(), "all of it is stored in the end")


def test_what_stays_unacknowledged_is_sent_again(cloud: Cloud, van: Van) -> None:
    van.start()
    wait_until(lambda: cloud.count("batch") > 0, "the cloud has answered once")
    cloud.is_answering = False
    so_far = cloud.count("batch") + 1
    wait_until(lambda: cloud.count("batch") > so_far, "a batch has come")
    cloud.is_answering = True
    first = codec.decode_batch(cloud.heard["batch"][so_far])
    wait_until(
        lambda: (str(first.stream), first.first) in cloud.committed(), "it came again", timeout_s=15
    )


def test_a_batch_that_the_cloud_refuses_stops_nothing_and_is_told(
    tmp_path: Path, broker: Broker, cloud: Cloud, line: Line
) -> None:
    van = Van(
        tmp_path / "van", broker.port, f'kind = "serial"\ndevice = "{line.device}"',
        resend_after_s=0.4,
    )  # fmt: skip
    try:
        van.start()
        wait_until(lambda: cloud.count("batch") > 1, "batches have come")
        last = codec.decode_batch(cloud.heard["batch"][-1])
        stream, poison = str(last.stream), last.first + 50
        cloud.refused.add((stream, poison))
        wait_until(lambda: bool(cloud.gaps), "the gap is told", timeout_s=40)
        wait_until(
            lambda: (stream, max(cloud.gaps[stream]) + 20) in cloud.committed(), "later ones"
        )
        assert poison in cloud.gaps[stream]
        told = [codec.decode(payload, Event).body for payload in cloud.heard["event"]]
        assert {body.reason for body in told if isinstance(body, Gap)} == {"refused"}
        assert van.stop() == 0
        assert_only_refused_are_missing(cloud, van, stream)
    finally:
        van.kill()


def assert_only_refused_are_missing(cloud: Cloud, van: Van, stream: str) -> None:
    stored = {seq for of, seq in cloud.committed() if of == stream}
    assert set(range(max(stored) + 1)) - stored == cloud.gaps[stream]
    assert not {seq for of, seq in van.spooled() if of == stream} & cloud.gaps[stream]


def test_garbage_from_the_cloud_stops_nothing(cloud: Cloud, van: Van) -> None:
    van.start()
    wait_until(lambda: cloud.count("batch") > 0, "the first batch has come")
    for kind in ("ack", "command", "route", "desired"):
        for payload in (b"", b"\xff\x00", b"{}", b"[" * 3000, b'{"v":2}', b'"text"'):
            cloud.tell(kind, payload, qos=0)
    cloud.tell("ack", codec.encode(Ack(stream="12345", upto=10**15)), qos=0)
    seen = cloud.count("batch")
    wait_until(lambda: cloud.count("batch") > seen + 2, "batches still come")
    assert van.stop() == 0
    assert_nothing_lost(cloud, van.spooled())


def results(cloud: Cloud) -> list[Result]:
    return [codec.decode(payload, Result) for payload in cloud.heard["result"]]


def test_a_command_is_answered_once_even_over_a_restart(cloud: Cloud, van: Van) -> None:
    van.start()
    wait_until(lambda: cloud.count("state") > 0, "it is connected")
    ping = codec.encode(Command(id="c1", name="ping", expires_at_ms=NEVER_MS))
    cloud.tell("command", ping)
    wait_until(lambda: cloud.count("result") == 1, "the answer")
    cloud.tell("command", ping)
    van.kill()
    cloud.tell("command", ping)
    van.start()
    cloud.tell("command", codec.encode(Command(id="c2", name="fly", expires_at_ms=NEVER_MS)))
    wait_until(lambda: "c2" in {result.command for result in results(cloud)}, "the refusal")
    # QoS 1: a kill between the sending and the broker's receipt has the same answer sent again.
    assert {(result.command, result.status) for result in results(cloud)} == {
        ("c1", "done"),
        ("c2", "refused"),
    }
    assert "fly" in results(cloud)[-1].detail


def test_the_retained_route_is_kept_and_told(cloud: Cloud, van: Van) -> None:
    cloud.tell("route", codec.encode(Route(route="r1", revision=4, stops=())), retain=True)
    van.start()
    wait_until(lambda: states(cloud)[-1:] != [] and states(cloud)[-1].route_revision == 4, "told")
    cloud.tell("route", codec.encode(Route(route="r1", revision=3, stops=())), retain=True)
    cloud.tell("route", codec.encode(Route(route="r1", revision=5, stops=())), retain=True)
    wait_until(lambda: states(cloud)[-1].route_revision == 5, "the higher one is told")
    assert 3 not in {state.route_revision for state in states(cloud)}
    kept = codec.decode((van.data / "route.json").read_bytes(), Route)
    assert kept.revision == 5


def test_an_unplugged_receiver_comes_back(cloud: Cloud, van: Van, tmp_path: Path) -> None:
    other = Line(tmp_path / "other")
    van.config.write_text(
        van.config.read_text().replace(str(tmp_path / "receiver"), str(other.device))
    )
    van.start()
    source = Receiver(other)
    try:
        wait_until(lambda: [state.receiver for state in states(cloud)][-1:] == ["ok"], "it reads")
    finally:
        source.stop()
        other.unplug()
    wait_until(lambda: states(cloud)[-1].receiver == "lost", "it says that it is lost")
    other.plug_in()
    source = Receiver(other)
    try:
        wait_until(lambda: states(cloud)[-1].receiver == "ok", "it reads again", timeout_s=8)
        assert van.stop() == 0
    finally:
        source.stop()
        other.unplug()


def test_two_gateways_never_share_a_spool(van: Van) -> None:
    first = van.start()
    wait_until(lambda: "the gateway runs" in van.log.read_text(), "the first works")
    second = van.start()
    assert second.wait(20) == 75
    assert "another gateway" in van.log.read_text()
    van.process = first
    assert van.stop() == 0


def test_a_van_that_dies_is_told_to_be_offline_by_its_will(cloud: Cloud, van: Van) -> None:
    van.start()
    wait_until(lambda: cloud.count("presence") == 1, f"{VAN} is online")
    van.kill()
    wait_until(lambda: cloud.count("presence") == 2, "the will has come")
    assert not codec.decode(cloud.heard["presence"][1], Presence).online
