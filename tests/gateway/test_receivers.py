"""Two receivers in one van: hot failover and failback through the whole service."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.rig import Broker, Cloud, Line, Receiver, Van, wait_until
from wire import codec
from wire.events import ReceiverChosen
from wire.messages import Event, State

pytestmark = pytest.mark.slow


def choices(cloud: Cloud) -> list[tuple[str | None, str | None]]:
    """Every choice once, in the order of the stream: an event may come again."""
    told = {}
    for payload in cloud.heard["event"]:
        event = codec.decode(payload, Event)
        if isinstance(event.body, ReceiverChosen):
            told[event.seq] = (event.body.before, event.body.receiver)
    return [told[seq] for seq in sorted(told)]


def states(cloud: Cloud) -> list[State]:
    return [codec.decode(payload, State) for payload in cloud.heard["state"]]


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[tuple[Line, Line]]:
    pair = Line(tmp_path / "best"), Line(tmp_path / "spare")
    yield pair
    for line in pair:
        line.unplug()


def test_when_one_is_unplugged_the_other_takes_over_and_gives_back(
    tmp_path: Path, broker: Broker, cloud: Cloud, lines: tuple[Line, Line]
) -> None:
    best, spare = lines
    table = (
        f'kind = "serial"\nname = "best"\ndevice = "{best.device}"\n'
        f'[[receivers]]\nkind = "serial"\nname = "spare"\ndevice = "{spare.device}"'
    )
    van = Van(tmp_path / "van", broker.port, table)
    sources = [Receiver(best), Receiver(spare)]
    try:
        van.start()
        wait_until(lambda: states(cloud)[-1:] != [] and states(cloud)[-1].chosen == "best", "best")
        sources[0].stop()
        best.unplug()
        wait_until(lambda: states(cloud)[-1].chosen == "spare", "the spare takes over", 60)
        assert states(cloud)[-1].receiver == "ok"
        best.plug_in()
        sources[0] = Receiver(best, sources[1].ticks)
        wait_until(lambda: states(cloud)[-1].chosen == "best", "it gives back", 60)
        time.sleep(1)
        assert van.stop() == 0
    finally:
        for source in sources:
            source.stop()
        van.kill()
    # On a busy machine the spare may just have paused too, so none was chosen in between.
    assert [name for _, name in choices(cloud) if name][-3:] == ["best", "spare", "best"]
    moments = fix_times(cloud)
    assert moments == sorted(set(moments)), "no moment twice, none back in time"


def fix_times(cloud: Cloud) -> list[int]:
    fixes = {}
    for payload in cloud.heard["batch"]:
        batch = codec.decode_batch(payload)
        for index, fix in enumerate(batch.fixes):
            fixes[batch.first + index] = fix.fix_time_ms or 0
    return [fixes[seq] for seq in sorted(fixes)]
