"""What fails beside the recording costs no fix."""

import errno
from pathlib import Path
from typing import Any

from gateway.enrolment.giving_up import GivenUp
from gateway.enrolment.renewal import Renewal
from gateway.enrolment.sealing import Delivering
from gateway.enrolment.tending import Tending
from tests.gateway.test_spool import NOW


class WornCard(Renewal):
    """A renewal whose every step the medium refuses."""

    def __init__(self) -> None:
        self.steps = 0

    def step(self, now_s: float, now_ms: int) -> None:
        self.steps += 1
        raise OSError(errno.EIO, "Input/output error")


class Idle(GivenUp):
    """Nothing is given up."""

    def __init__(self) -> None:
        self.steps = 0

    def step(self, *_: Any) -> None:
        self.steps += 1


def test_a_medium_that_fails_a_renewal_is_left_alone_for_a_minute(tmp_path: Path) -> None:
    renewal, idle = WornCard(), Idle()
    tending = Tending(renewal, Delivering(tmp_path / "gateway.toml", tmp_path), idle)
    for now_s in (100.0, 100.25, 159.0):
        tending.step(now_s, NOW, is_connected=True)
    assert (renewal.steps, idle.steps) == (1, 3), "what fails keeps nothing else from its turn"
    tending.step(161.0, NOW, is_connected=True)
    assert renewal.steps == 2
    tending.stop()
