"""An instant is told as the standard library tells it."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloud.foundation.clock import to_rfc3339


@given(st.floats(-62_135_596_800, 253_402_300_799))
@example(1_700_000_000.9999996)
@example(-0.0000004)
@example(0.9999999)
def test_an_instant_has_milliseconds_and_utc(instant_s: float) -> None:
    told = datetime.fromtimestamp(instant_s, UTC).isoformat(timespec="milliseconds")
    assert to_rfc3339(instant_s) == told.replace("+00:00", "Z")


@pytest.mark.parametrize("instant_s", [float("nan"), float("inf"), 1e18, -1e12])
def test_an_instant_outside_the_calendar_is_refused(instant_s: float) -> None:
    with pytest.raises((ValueError, OverflowError, OSError)):
        to_rfc3339(instant_s)
