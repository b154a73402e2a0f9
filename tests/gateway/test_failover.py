"""Two receivers of one van, of which the preferred one goes wrong: through the service's rules."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from gateway import configuration
from gateway.clock import Clock
from gateway.enrolment.sealing import Delivering
from gateway.inbox import Taken
from gateway.service import Service
from gateway.spool import schema
from gateway.spool.rows import read_fix
from gateway.start import receiver_of
from tests.gateway.test_settings import GOOD, written
from tests.gateway.tracks import START_MS, epoch_of, fix_at
from wire.messages import Fix

TWO = """
name = "roof"
[[receivers]]
kind = "serial"
name = "dash"
device = "/dev/serial/by-id/other"
[keeping]
is_all = true
"""
MPS = 10.0
WRONG_FROM_S = 60
type Wrong = Callable[[int], Fix]


class Van:
    """The service of a van with two receivers, fed by hand, with a clock that stands still."""

    def __init__(self, folder: Path, began_s: float = 0.0) -> None:
        config = written(folder, GOOD.replace("/tmp/roundsman-none", str(folder)) + TWO)  # noqa: S108
        chosen = configuration.load(config)
        schema.prepare(chosen.spool_file)
        self.now_s = began_s
        self.clock = Clock(lambda: START_MS / 1000, lambda: self.now_s)
        receivers = [
            receiver_of(f"receivers[{at}]", one) for at, one in enumerate(chosen.receivers)
        ]
        self.service = Service(chosen, receivers, self.clock, Delivering(config, chosen.folder))
        self.spool = self.service._spool
        self.spool.begin(fixes=1, events=2, version="test", stamp=self.clock.stamp())
        self.chosen: dict[float, str | None] = {}

    def hear(self, receiver: str, fix: Fix, at_s: float) -> None:
        self.now_s = at_s
        self.service._hear(Taken(receiver, epoch_of(fix), at_s))
        self.service._tell_choice(at_s)
        self.chosen[at_s] = self.service._selection.chosen

    def drive(self, wrong: Wrong, to_s: int, *, wrong_to_s: int = 10**9) -> None:
        """Second by second to the east; the roof's receiver is ``wrong`` from the first minute."""
        for s in range(to_s):
            is_wrong = WRONG_FROM_S <= s < wrong_to_s
            self.hear("roof", wrong(s) if is_wrong else right(s), s)
            self.hear("dash", right(s + 0.1), s + 0.1)

    def kept(self) -> list[Fix]:
        self.service._recorder.flush()
        self.spool.commit(self.clock.stamp())
        return [read_fix(row.body) for row in self.spool.rows_after("fix", -1, 10_000)]


def right(s: float) -> Fix:
    return fix_at(s, MPS * s, speed_mps=MPS, course_deg=90)


def frozen(s: int) -> Fix:
    return fix_at(s, MPS * WRONG_FROM_S, speed_mps=MPS, course_deg=90)


def jumping(s: int) -> Fix:
    return fix_at(s, s * s * 7919 % 90_000, s * s * 104_729 % 90_000, speed_mps=MPS)


def of_another_day(s: int) -> Fix:
    return fix_at(s + 86_400, MPS * s, speed_mps=MPS, course_deg=90)


@pytest.fixture
def van(tmp_path: Path) -> Iterator[Van]:
    van = Van(tmp_path)
    yield van
    van.spool.close()


@pytest.mark.parametrize("wrong", [frozen, jumping, of_another_day])
def test_a_receiver_that_is_not_believed_gives_way_and_comes_back(van: Van, wrong: Wrong) -> None:
    van.drive(wrong, 300, wrong_to_s=240)
    assert {van.chosen[s] for s in range(10, WRONG_FROM_S)} == {"roof"}
    assert {van.chosen[s] for s in range(WRONG_FROM_S + 12, 240)} == {"dash"}
    assert {van.chosen[s] for s in range(260, 300)} == {"roof"}
    kept = van.kept()
    assert abs(van.clock.now_ms(0.0) - START_MS) <= 1000
    moments_s = [((fix.fix_time_ms or 0) - START_MS) / 1000 for fix in kept]
    assert max(later - one for one, later in pairwise(moments_s)) < 10
    assert moments_s == sorted(set(moments_s))
    odometer_m = van.service._recorder.logbook.odometer_m
    assert odometer_m == pytest.approx(300 * MPS, rel=0.05)


def test_a_change_between_two_that_agree_is_no_break_of_the_way(van: Van) -> None:
    for s in range(40):
        if s < 20:
            van.hear("roof", right(s), s)
        van.hear("dash", fix_at(s + 0.1, MPS * s + 4, 3, speed_mps=MPS), s + 0.1)
    assert van.chosen[39.1] == "dash"
    assert van.service._recorder.logbook.odometer_m == pytest.approx(390, abs=15)


def test_a_change_to_one_that_sees_the_van_elsewhere_drives_no_way_there(van: Van) -> None:
    for s in range(40):
        if s < 20:
            van.hear("roof", right(s), s)
        van.hear("dash", fix_at(s + 0.1, MPS * s, 5_000, speed_mps=MPS), s + 0.1)
    assert van.chosen[39.1] == "dash"
    assert van.service._recorder.logbook.odometer_m < 400


def test_before_the_first_connection_offline_counts_from_the_start_of_the_gateway(
    tmp_path: Path,
) -> None:
    van = Van(tmp_path, began_s=86_400)
    link = van.service._operation.vitals.health(86_430).link
    van.spool.close()
    assert (link.is_connected, link.since_s) == (False, 30)
