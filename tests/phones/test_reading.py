"""What the apps send, read as positions; whatever they send, nothing breaks."""

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.foundation.given import Unacceptable
from cloud.phones import owntracks, traccar
from cloud.phones.model import Phone, Told, judged
from wire import codec
from wire.messages import Batch

NOW_MS = 1_764_000_000_000
PHONE = Phone(
    tenant="main",
    id="phone-1",
    vehicle_id="van-1",
    app="owntracks",
    label="Ana",
    stream=7,
    max_accuracy_m=200.0,
    is_only_on_shift=False,
    made_at=0.0,
    made_by="user-1",
)
OWNTRACKS = {
    "_type": "location",
    "lat": -29.9045,
    "lon": -71.2489,
    "tst": 1_764_000_000,
    "acc": 12,
    "alt": 28,
    "vel": 36,
    "cog": 270,
    "batt": 80,
    "tid": "an",
}
TRACCAR = {
    "device_id": "secret",
    "location": {
        "timestamp": "2025-11-24T16:00:00.000Z",
        "coords": {
            "latitude": -29.9045,
            "longitude": -71.2489,
            "accuracy": 12,
            "speed": 10,
            "heading": 270,
            "altitude": 28,
        },
        "is_moving": True,
        "battery": {"level": 0.8, "is_charging": False},
    },
}


def test_both_apps_tell_the_same_place_in_their_own_words() -> None:
    from_owntracks = owntracks.read(json.dumps(OWNTRACKS).encode())
    said = traccar.read_json(json.dumps(TRACCAR).encode())
    parameters = traccar.read_parameters(
        {
            "id": "secret",
            "lat": "-29.9045",
            "lon": "-71.2489",
            "timestamp": "1764000000",
            "speed": str(10 * 3600 / 1852),
            "bearing": "270",
            "altitude": "28",
            "accuracy": "12",
        }
    )
    told = [from_owntracks, *said.told, *parameters.told]
    assert said.token == parameters.token == "secret"
    fixes = [judged(one, PHONE, NOW_MS) for one in told if isinstance(one, Told)]
    assert len(fixes) == 3
    assert fixes[0] == fixes[1] == fixes[2]
    assert (fixes[0].lat_e7, fixes[0].lon_e7) == (-299_045_000, -712_489_000)
    assert (fixes[0].speed_cmps, fixes[0].course_ddeg, fixes[0].altitude_dm) == (1000, 2700, 280)
    assert fixes[0].source == "phone"


@pytest.mark.parametrize(
    "text", ["1764000000", "1764000000000", "2025-11-24T16:00:00Z", "2025-11-24 16:00:00"]
)
def test_an_instant_comes_in_each_form_that_the_protocol_knows(text: str) -> None:
    (told,) = traccar.read_parameters({"id": "x", "lat": "1", "lon": "2", "timestamp": text}).told
    assert isinstance(told, Told)
    assert told.at_s == 1_764_000_000


@pytest.mark.parametrize("kind", ["lwt", "transition", "waypoint", "status", "card", "steps"])
def test_other_messages_of_owntracks_tell_no_place(kind: str) -> None:
    assert owntracks.read(json.dumps({"_type": kind, "tst": 1}).encode()) is None


def test_an_empty_message_of_owntracks_tells_no_place() -> None:
    assert owntracks.read(b"") is None


def test_several_positions_may_come_at_once_and_a_bad_one_spoils_no_other() -> None:
    bad = {"timestamp": "soon", "coords": {"latitude": 1, "longitude": 2}}
    body = {"device_id": "x", "location": [TRACCAR["location"], bad, TRACCAR["location"]]}
    told = traccar.read_json(json.dumps(body).encode()).told
    assert [type(one) for one in told] == [Told, Unacceptable, Told]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"lat": 91}, "lat"),
        ({"lon": -181}, "lon"),
        ({"_type": "encrypted", "data": "x"}, "encrypted"),
        ({"tst": 1e300}, "time"),
        ({"lat": "north"}, "lat"),
    ],
)
def test_what_no_app_sends_is_named(change: dict[str, Any], word: str) -> None:
    with pytest.raises(Unacceptable, match=word):
        owntracks.read(json.dumps({**OWNTRACKS, **change}).encode())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"lat": 0.0, "lon": 0.0}, "0, 0"),
        ({"accuracy_m": 201.0}, "accuracy"),
        ({"accuracy_m": -1.0}, "accuracy"),
        ({"at_s": NOW_MS / 1000 + 3600}, "time"),
        ({"at_s": 12.0}, "time"),
    ],
)
def test_what_cannot_be_believed_is_not_taken(change: dict[str, Any], word: str) -> None:
    good: dict[str, Any] = {"at_s": NOW_MS / 1000, "lat": 1.0, "lon": 2.0}
    with pytest.raises(Unacceptable, match=word):
        judged(Told(**{**good, **change}), PHONE, NOW_MS)


def test_what_the_phone_does_not_know_is_left_open() -> None:
    told = Told(at_s=NOW_MS / 1000, lat=1, lon=2, speed_mps=-1, course_deg=-1, altitude_m=1e9)
    fix = judged(told, PHONE, NOW_MS)
    assert (fix.speed_cmps, fix.course_ddeg, fix.altitude_dm) == (None, None, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.binary(max_size=60) | JSON.map(lambda one: json.dumps(one).encode()))
def test_no_bytes_break_the_readers(payload: bytes) -> None:
    for read in (owntracks.read, traccar.read_json):
        with suppress(Unacceptable):
            read(payload)


@given(
    st.dictionaries(
        st.sampled_from(["id", "lat", "lon", "timestamp", "speed", "bearing", "valid", "location"]),
        st.text(max_size=12) | st.floats().map(str) | st.integers().map(str),
    )
)
def test_no_parameters_break_the_reader(given_: dict[str, str]) -> None:
    if not (given_.get("id") or ""):
        with pytest.raises(Unacceptable, match="id"):
            traccar.read_parameters(given_)
        return
    for told in traccar.read_parameters(given_).told:
        if isinstance(told, Told):
            assert math.isfinite(told.lat + told.lon + told.at_s)


@given(
    st.builds(
        Told,
        at_s=st.floats(NOW_MS / 1000 - 1e6, NOW_MS / 1000 + 200),
        lat=st.floats(-90, 90),
        lon=st.floats(-180, 180),
        accuracy_m=st.none() | st.floats(0, 200),
        speed_mps=st.none() | st.floats(),
        course_deg=st.none() | st.floats(),
        altitude_m=st.none() | st.floats(),
    )
)
def test_whatever_is_taken_fits_the_wire(told: Told) -> None:
    try:
        fix = judged(told, PHONE, NOW_MS)
    except Unacceptable:
        return
    batch = Batch(stream=1, first=0, fixes=(fix,))
    assert codec.decode_batch(codec.encode_batch(batch)) == batch
