"""A gateway process over a link that cuts, stalls and lies, and a broker that dies and forgets."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.gateway.link_proxy import LinkProxy
from tests.gateway.rig import VAN, Broker, Cloud, Line, Van, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("receiver")]
PATIENCE_S = 60.0


@pytest.fixture
def link(broker: Broker) -> Iterator[LinkProxy]:
    link = LinkProxy(broker.port, delay_s=0.02)
    yield link
    link.stop()


@pytest.fixture
def far_van(tmp_path: Path, link: LinkProxy, line: Line) -> Iterator[Van]:
    place = f'kind = "serial"\ndevice = "{line.device}"'
    van = Van(tmp_path / "van", link.port, place, keepalive_s=5, resend_after_s=1.0)
    yield van
    van.kill()


def flows(cloud: Cloud) -> None:
    """Batches come, after whatever was done before."""
    seen = cloud.count("batch")
    wait_until(lambda: cloud.count("batch") > seen + 2, "batches come", PATIENCE_S)


def comes_another(cloud: Cloud) -> None:
    seen = cloud.count("batch")
    wait_until(lambda: cloud.count("batch") > seen, "another batch comes", PATIENCE_S)


def connects_again(link: LinkProxy, before: int) -> None:
    wait_until(lambda: len(link.connects_at_s) > before, "it connects again", PATIENCE_S)


def assert_all_of_it_arrives_once(cloud: Cloud, van: Van) -> None:
    """All that was spooled is stored, every stream without a hole, nothing was given up."""
    assert van.stop() == 0
    spooled = van.spooled()
    if not spooled <= cloud.committed():
        van.start()
        wait_until(lambda: spooled <= cloud.committed(), "what was spooled is stored", PATIENCE_S)
        van.kill()
    stored = cloud.stored()
    assert len(stored) == len({(stream, seq) for stream, seq, _ in stored})
    for stream in {stream for stream, _, _ in stored}:
        seqs = {seq for of, seq, _ in stored if of == stream}
        assert seqs == set(range(len(seqs)))
    assert cloud.gaps == {}


def open_files(van: Van) -> int:
    return len(list(Path(f"/proc/{van.pid()}/fd").iterdir()))


def test_cuts_in_mid_packet_lose_and_double_nothing(
    cloud: Cloud, link: LinkProxy, far_van: Van
) -> None:
    chance = random.Random(20261124)
    far_van.start()
    flows(cloud)
    before = open_files(far_van)
    for _ in range(2):
        connects = len(link.connects_at_s)
        link.cut_after(chance.randrange(1, 1500))
        connects_again(link, connects)
        flows(cloud)
    assert open_files(far_van) <= before + 1
    assert_all_of_it_arrives_once(cloud, far_van)


def test_an_end_that_only_one_side_said_is_taken_for_an_end(
    cloud: Cloud, link: LinkProxy, far_van: Van
) -> None:
    far_van.start()
    flows(cloud)
    connects = len(link.connects_at_s)
    link.half_close()
    connects_again(link, connects)
    flows(cloud)
    assert_all_of_it_arrives_once(cloud, far_van)


def test_a_link_that_takes_all_and_brings_nothing_is_found_dead(
    cloud: Cloud, link: LinkProxy, far_van: Van
) -> None:
    far_van.start()
    flows(cloud)
    connects = len(link.connects_at_s)
    link.is_silent = True
    connects_again(link, connects)
    link.heal()
    flows(cloud)
    assert_all_of_it_arrives_once(cloud, far_van)


def test_a_broker_that_forgets_everything_is_told_it_again(
    broker: Broker, cloud: Cloud, far_van: Van
) -> None:
    far_van.start()
    flows(cloud)
    cloud.is_answering = False
    comes_another(cloud)
    broker.wipe()
    cloud.is_answering = True
    flows(cloud)
    assert_all_of_it_arrives_once(cloud, far_van)


def test_a_session_that_somebody_ended_is_no_loss(
    cloud: Cloud, broker: Broker, far_van: Van
) -> None:
    far_van.start()
    flows(cloud)
    client_id = far_van.config.read_text().split('client_id = "')[1].split('"')[0]
    thief = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=True,
        protocol=MQTTProtocolVersion.MQTTv311,
    )
    thief.username_pw_set(VAN, "secret")
    thief.connect("127.0.0.1", broker.port)
    thief.loop_start()
    wait_until(thief.is_connected, "the session is another's")
    thief.disconnect()
    thief.loop_stop()
    flows(cloud)
    assert far_van.log.read_text().count("session_present=False") >= 2
    assert_all_of_it_arrives_once(cloud, far_van)


def test_what_the_broker_confirms_and_drops_stays_in_the_van_and_is_told(
    broker: Broker, cloud: Cloud, far_van: Van
) -> None:
    broker.forbid("batch")
    far_van.start()
    wait_until(lambda: cloud.count("event") > 0, "events come", PATIENCE_S)
    told = "the broker confirms rows that never reach the cloud"
    wait_until(lambda: told in far_van.log.read_text(), "it is told", PATIENCE_S)
    assert cloud.count("batch") == 0
    broker.forbid()
    flows(cloud)
    assert_all_of_it_arrives_once(cloud, far_van)


def test_a_slow_link_delays_history_and_not_the_newest_fix(
    cloud: Cloud, link: LinkProxy, far_van: Van
) -> None:
    link.refuse()
    far_van.start()
    wait_until(lambda: "receiver ok" in far_van.log.read_text(), "it reads")
    time.sleep(3)
    link.delay_s, link.bytes_a_second = 0.075, 8_000
    link.allow()
    flows(cloud)
    assert cloud.count("live") > 0
    assert_all_of_it_arrives_once(cloud, far_van)
