"""How fast which lane goes: history takes what the link has, and the newest fix never waits."""

import heapq
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import UplinkSettings
from gateway.uplink.backoff import STEADY_S, Backoff, is_dead
from gateway.uplink.causes import cause_of, remedy
from gateway.uplink.pacing import Budget, LiveTurn, Pipe, Told, pace_of


class Wire:
    """A link of so many bytes a second with a buffer without end, and the broker behind it."""

    def __init__(self, bytes_a_second: float, round_trip_s: float) -> None:
        self._rate = bytes_a_second
        self._round_trip_s = round_trip_s
        self._free_at_s = 0.0

    def carry(self, size: int, now_s: float) -> float:
        """When the receipt of a message that is handed over now will be there."""
        self._free_at_s = max(self._free_at_s, now_s) + size / self._rate
        return self._free_at_s + self._round_trip_s

    def wait_s(self, now_s: float) -> float:
        """How long a live fix would wait behind what is under way."""
        return max(0.0, self._free_at_s - now_s)


def drain(wire: Wire, batch_bytes: int, total_bytes: int) -> tuple[float, list[float]]:
    """History as fast as the pipe lets it; its time, and what a fix would have waited meanwhile."""
    pipe = Pipe()
    receipts: list[tuple[float, int]] = []
    waits, now_s, sent, number, live_s = [], 0.0, 0, 0, 0.0
    while sent < total_bytes or receipts:
        while sent < total_bytes and pipe.may_send(now_s):
            size = min(batch_bytes, max(100, pipe.limit_bytes))
            number += 1
            heapq.heappush(receipts, (wire.carry(size, now_s), number))
            pipe.sent(number, size, now_s)
            sent += size
        at_s, confirmed = heapq.heappop(receipts)
        while live_s < at_s:
            waits.append(wire.wait_s(live_s))
            live_s += 0.1
        now_s = at_s
        pipe.confirmed(confirmed, now_s)
    return now_s, waits


@given(
    bytes_a_second=st.floats(8_000, 10_000_000),
    round_trip_s=st.floats(0.02, 1.0),
    batch_bytes=st.integers(500, 4_000),
)
def test_a_live_fix_waits_less_than_two_seconds_on_any_link(
    bytes_a_second: float, round_trip_s: float, batch_bytes: int
) -> None:
    took_s, waits = drain(Wire(bytes_a_second, round_trip_s), batch_bytes, 100_000)
    waits.sort()
    assert waits[int(len(waits) * 0.99)] < 2.0
    del took_s


@pytest.mark.parametrize("round_trip_s", [0.05, 0.15, 0.6])
@pytest.mark.parametrize("bytes_a_second", [4_000, 8_000, 30_000])
def test_history_takes_most_of_a_slow_link(bytes_a_second: float, round_trip_s: float) -> None:
    took_s, _ = drain(Wire(bytes_a_second, round_trip_s), 2_400, 400_000)
    assert 400_000 / took_s > 0.6 * bytes_a_second


def test_history_of_eight_hours_takes_seconds_on_a_long_fast_link() -> None:
    took_s, _ = drain(Wire(2_000_000, 0.15), 2_400, 240_000)
    assert took_s < 3


def test_a_receipt_that_never_comes_stops_history_for_a_while_and_not_for_ever() -> None:
    pipe = Pipe()
    pipe.sent(1, 100_000, 0.0)
    assert not pipe.may_send(1)
    assert pipe.oldest_s(20) == 20
    pipe.write_off(89)
    assert not pipe.may_send(89)
    pipe.write_off(91)
    assert pipe.may_send(91)
    pipe.confirmed(1, 92)
    assert pipe.oldest_s(100) == 0


@given(
    every_s=st.floats(0.5, 60),
    period_s=st.sampled_from([0.1, 0.2, 1.0]),
    noise=st.lists(st.floats(0, 0.04), min_size=50, max_size=200),
)
def test_a_position_is_never_older_than_asked_and_a_period(
    every_s: float, period_s: float, noise: list[float]
) -> None:
    turn, went = LiveTurn(), []
    taken_s: float | None = None
    for number, late_s in enumerate(noise):
        now_s = number * period_s + late_s
        taken_s = now_s
        if turn.is_due(taken_s, now_s, every_s):
            turn.went(taken_s, now_s)
            went.append(now_s)
    gaps = [later - earlier for earlier, later in itertools.pairwise(went)]
    assert all(gap >= every_s - 0.3 for gap in gaps)
    assert all(gap <= max(every_s, period_s) + period_s + 0.1 for gap in gaps)


def test_a_fix_that_came_too_early_goes_later_when_no_other_comes() -> None:
    turn = LiveTurn()
    turn.went(0.0, 0.0)
    assert not turn.is_due(2.0, 2.0, 4.0)
    assert not turn.is_due(2.0, 4.0, 4.0)
    assert turn.is_due(2.0, 4.3, 4.0)
    turn.went(2.0, 4.3)
    assert not turn.is_due(6.0, 6.0, 4.0)


@given(
    rate=st.integers(100, 10_000),
    sizes=st.lists(st.integers(1, 5_000), min_size=1, max_size=60),
)
def test_history_spends_no_more_than_its_budget(rate: int, sizes: list[int]) -> None:
    budget, now_s, spent = Budget(0.0), 0.0, 0
    for size in sizes:
        while not budget.has_some(rate, now_s):
            now_s += 0.1
        budget.spend(size)
        spent += size
        assert spent <= rate * (now_s + 1) + size
    assert budget.has_some(None, now_s)


def test_a_metered_link_makes_waits_longer_and_never_shorter() -> None:
    pace = pace_of(UplinkSettings(is_metered=True, batch_wait_s=5000, live_every_s=1))
    assert (pace.live_every_s, pace.batch_wait_s) == (30, 5000)
    assert pace_of(UplinkSettings(live_every_s=1)).live_every_s == 1


def test_a_count_is_told_when_it_has_doubled_halved_or_ended_and_not_too_often() -> None:
    told = Told(least_s=60, usual=3)
    assert not told.is_due(0, 0)
    assert told.is_due(5, 0)
    told.told(5, 0)
    assert not told.is_due(500, 59)
    assert not told.is_due(9, 60)
    assert told.is_due(10, 60)
    assert told.is_due(0, 60)


def test_what_waits_for_the_next_batch_is_no_news() -> None:
    told = Told(usual=600)
    assert not any(told.is_due(count, 100.0 * count) for count in range(601))
    assert told.is_due(601, 0)


def test_vans_that_fail_together_come_back_apart_and_ever_more_slowly() -> None:
    first, second = Backoff(lambda: 0.0), Backoff(lambda: 0.99)
    waits = [first.wait_s("unreachable") for _ in range(8)]
    assert waits == [0.5, 1, 2, 4, 8, 15, 15, 15]
    assert second.wait_s("unreachable") > 0.9


def test_a_refusal_is_tried_again_more_slowly_than_an_outage() -> None:
    refused, away = Backoff(lambda: 1.0), Backoff(lambda: 1.0)
    assert sum(refused.wait_s("refused") for _ in range(10)) > 1800
    assert sum(away.wait_s("unreachable") for _ in range(10)) < 240


def test_only_a_connection_that_held_ends_a_row_of_failures() -> None:
    backoff = Backoff(lambda: 1.0)
    for _ in range(5):
        backoff.wait_s("lost", held_s=STEADY_S / 2)
    assert backoff.wait_s("lost", held_s=STEADY_S / 2) == 10
    assert backoff.wait_s("lost", held_s=STEADY_S) == 1


@pytest.mark.parametrize(
    ("raised", "cause"),
    [
        ("socket.gaierror(-2, 'Name or service not known')", "name"),
        ("'ü'.encode('idna') and UnicodeError('label too long')", "name"),
        ("ConnectionRefusedError(111, 'refused')", "unreachable"),
        ("TimeoutError('timed out')", "unreachable"),
        ("ssl.SSLCertVerificationError(1, 'expired')", "tls"),
        ("ssl.SSLError(1, 'handshake failure')", "tls"),
        ("FileNotFoundError(2, 'no such file')", "tls"),
    ],
)
def test_each_failure_has_its_cause_and_a_remedy(raised: str, cause: str) -> None:
    import socket
    import ssl

    error = eval(raised, {"socket": socket, "ssl": ssl})  # noqa: S307 - written above
    assert cause_of(error) == cause
    assert remedy(cause_of(error))


def test_a_dead_link_is_found_within_a_minute_by_default() -> None:
    assert not is_dead(54, 45)
    assert is_dead(56, 45)
