"""Desired settings: checked as a whole, on trial until answered, rolled back, over any restart."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.control.desired import (
    MAX_STARTS,
    DesiredSettings,
    Standing,
    applied,
    confirmed,
    offered,
    restarted,
    rolled_back,
)
from gateway.settings import BrokerSettings, SerialSettings, Settings
from wire import codec
from wire.desired import BrokerPlace, DesiredError, DesiredValues, Keeping, Shift, read_values
from wire.messages import Desired

PATIENCE_S = 300.0


def desired(version: int, **values: Any) -> Desired:
    return Desired(settings=version, values=values)


def told(version: int, **values: Any) -> bytes:
    return codec.encode(desired(version, **values))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "desired.json"


def opened(path: Path, now_s: float = 0.0) -> DesiredSettings:
    return DesiredSettings(path, PATIENCE_S, now_s)


def is_on_trial(held: DesiredSettings) -> bool:
    return held.standing.trial is not None


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"live_evry_s": 1}, "live_evry_s"),
        ({"live_every_s": "1"}, "live_every_s"),
        ({"live_every_s": -1}, "live_every_s"),
        ({"is_metered": 1}, "is_metered"),
        ({"keeping": {"error_m": 0}}, "keeping.error_m"),
        ({"shifts": [{"from_ms": 5, "to_ms": 5}]}, r"shifts\[0\]"),
        ({"geofences": [{"geofence": "a", "points": [[1, 2]]}]}, r"geofences\[0\].radius_m"),
        ({"geofences": [{"geofence": "a", "points": [[1, 2], [3, 4]]}]}, r"geofences\[0\].points"),
        (
            {"geofences": [{"geofence": "a", "points": [[2**70, 2]], "radius_m": 5}]},
            r"geofences\[0\].points",
        ),
        ({"geofences": [{"geofence": "a", "points": [[1, 2]], "radius_m": 5}] * 2}, "geofences"),
        ({"broker": {"host": "broker.example", "port": 0}}, "broker.port"),
        ({"broker": {"host": "two words", "port": 1883}}, "broker.host"),
        ({"broker": {"host": "broker.example"}}, "broker"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(values: dict[str, Any], named: str) -> None:
    with pytest.raises(DesiredError, match=named) as refused:
        read_values(values)
    assert refused.value.remedy


def test_one_bad_value_keeps_all_of_them_out(path: Path) -> None:
    held = opened(path)
    assert not held.take(told(3, live_every_s=5, batch_wait_s=-1), 0)
    assert (held.version, held.values) == (0, DesiredValues())
    assert held.refused is not None
    assert held.refused[0] == 3
    assert "batch_wait_s" in held.refused[1]


def test_settings_hold_once_the_broker_has_answered(path: Path) -> None:
    held = opened(path)
    assert held.take(told(1, live_every_s=5), 0)
    assert (held.version, held.values.live_every_s) == (1, 5)
    held.answered("broker")
    assert not held.step(PATIENCE_S + 1)
    assert (opened(path).version, opened(path).standing.trial) == (1, None)


def test_settings_without_an_answer_are_rolled_back_and_never_tried_again(path: Path) -> None:
    held = opened(path)
    held.take(told(1, live_every_s=5), 0)
    held.answered("broker")
    held.take(told(2, live_every_s=9), 10)
    assert not held.step(10 + PATIENCE_S - 1)
    assert held.step(10 + PATIENCE_S)
    assert (held.version, held.values.live_every_s) == (1, 5)
    for again in (held, opened(path, 999)):
        assert not again.take(told(2, live_every_s=9), 1000)
        assert again.refused is not None
        assert again.refused[0] == 2
        assert "rolled back" in again.refused[1]


def test_a_roll_back_does_not_give_a_driver_away(path: Path) -> None:
    shift = {"from_ms": 1, "to_ms": 2}
    held = opened(path)
    held.take(told(1, live_every_s=9, shifts=[shift]), 0)
    assert held.step(PATIENCE_S)
    for again in (held, opened(path, 999)):
        assert (again.version, again.values.live_every_s) == (0, None)
        assert again.values.shifts == (Shift(from_ms=1, to_ms=2),)


def test_another_broker_is_proved_by_the_cloud_alone(path: Path) -> None:
    held = opened(path)
    held.take(told(1, broker={"host": "new.example", "port": 8883}), 0)
    held.answered("broker")
    assert is_on_trial(held)
    held.answered("cloud")
    assert not is_on_trial(held)
    assert held.values.broker == BrokerPlace(host="new.example", port=8883)


def test_settings_on_the_way_to_an_unproved_broker_need_the_cloud_too(path: Path) -> None:
    place = {"host": "new.example", "port": 8883}
    held = opened(path)
    held.take(told(1, broker=place), 0)
    held.take(told(2, broker=place, live_every_s=3), 1)
    held.answered("broker")
    assert held.standing.trial is not None


def test_settings_that_bring_the_gateway_down_are_rolled_back(path: Path) -> None:
    opened(path).take(told(1, live_every_s=5), 0)
    for _ in range(MAX_STARTS):
        assert opened(path).version == 1
    last = opened(path)
    assert last.version == 0
    assert last.refused is not None
    assert "starts" in last.refused[1]


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"settings":0,"values":{}}', b"\xff" * 99])
def test_what_has_no_version_changes_nothing(path: Path, payload: bytes) -> None:
    held = opened(path)
    with pytest.raises(codec.WireError):
        held.take(payload, 0)
    assert held.standing == Standing()


@pytest.mark.parametrize(
    "payload", [b'{"settings":4,"values":[]}', b'{"settings":4,"values":{},"v":9}']
)
def test_what_cannot_be_read_but_for_its_version_is_refused_by_it(
    path: Path, payload: bytes
) -> None:
    held = opened(path)
    assert not held.take(payload, 0)
    assert held.refused is not None
    assert held.refused[0] == 4


@pytest.mark.parametrize("left", [b"", b"{", b'{"settings":-1}', b'{"values":{"broker":5}}'])
def test_a_damaged_file_is_set_aside_and_the_vans_own_settings_hold(
    path: Path, left: bytes
) -> None:
    path.write_bytes(left)
    held = opened(path)
    assert (held.version, held.values) == (0, DesiredValues())
    assert path.with_name("desired.json.damaged").read_bytes() == left
    assert held.take(told(1, live_every_s=5), 0)


def test_a_medium_that_takes_nothing_changes_nothing(path: Path) -> None:
    held = opened(path)
    path.with_name(".desired.json.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        held.take(told(1, live_every_s=5), 0)
    assert held.version == 0
    path.with_name(".desired.json.new").rmdir()
    assert held.take(told(1, live_every_s=5), 1)


def test_a_roll_back_that_cannot_be_written_holds_and_is_written_later(path: Path) -> None:
    held = opened(path)
    held.take(told(1, live_every_s=5), 0)
    path.with_name(".desired.json.new").mkdir()
    assert held.step(PATIENCE_S)
    assert held.version == 0
    path.with_name(".desired.json.new").rmdir()
    held.step(PATIENCE_S + 60)
    assert opened(path).refused == held.refused


def test_what_is_desired_replaces_the_vans_own_and_nothing_else() -> None:
    own = Settings(
        tenant="main",
        van="van-1",
        data_dir="/nowhere",
        broker=BrokerSettings(
            host="own.example", port=1, client_id="0" * 32, username="u", password="p"
        ),
        receivers=(SerialSettings(device="/dev/none"),),
    )
    assert applied(own, DesiredValues()) == own
    values = read_values(
        {
            "live_every_s": 7,
            "is_metered": True,
            "keeping": {"is_all": True},
            "broker": {"host": "new.example", "port": 2},
        }
    )
    now = applied(own, values)
    assert (now.uplink.live_every_s, now.uplink.is_metered) == (7, True)
    assert now.uplink.batch_wait_s == own.uplink.batch_wait_s
    assert now.keeping == Keeping(is_all=True)
    assert (now.broker.host, now.broker.port) == ("new.example", 2)
    assert now.broker.client_id == own.broker.client_id


STEP = st.one_of(
    st.tuples(st.just("tell"), st.integers(1, 8), st.integers(-1, 3)),
    st.tuples(st.just("answer"), st.none(), st.none()),
    st.tuples(st.just("wait"), st.none(), st.none()),
    st.tuples(st.just("restart"), st.none(), st.none()),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=30))
def test_whatever_happens_only_what_was_answered_lasts(steps: list[tuple[str, Any, Any]]) -> None:
    """A restart is a kill: what is kept on disk is exactly the standing."""
    standing, newest, proved = Standing(), 0, Standing().values
    for what, version, pace in steps:
        match what:
            case "tell":
                standing = offered(standing, desired(version, live_every_s=pace))
            case "answer":
                standing = confirmed(standing)
                proved = standing.values
            case "wait":
                standing = rolled_back(standing, "no answer")
                assert standing.trial is None
            case _:
                standing = restarted(
                    msgspec.json.decode(msgspec.json.encode(standing), type=Standing)
                )
        assert standing.newest >= newest
        newest = standing.newest
        assert standing.values == proved
        assert standing.trial is None or standing.trial.settings > standing.settings
        assert standing.trial is None or standing.trial.settings != (standing.refused or (0,))[0]
        assert standing.settings == 0 or standing.settings != (standing.refused or (0,))[0]
