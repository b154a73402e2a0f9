"""Whose van the box is, kept in order beside the recording: what fails here costs no fix."""

import logging
from typing import Final

from gateway.enrolment.giving_up import GivenUp
from gateway.enrolment.renewal import Renewal
from gateway.enrolment.sealing import Delivering
from gateway.stamp import Stamp

logger = logging.getLogger(__name__)

_REST_S: Final = 60.0


class Tending:
    """Renews the certificate in time, and hands in or gives up what an earlier van left.

    Args:
        renewal, delivering, given_up: which do so.
    """

    def __init__(self, renewal: Renewal, delivering: Delivering, given_up: GivenUp) -> None:
        self.renewal = renewal
        self._delivering = delivering
        self._given_up = given_up
        self._rest_until_s = 0.0

    def step(self, now_s: float, stamp: Stamp, *, is_connected: bool) -> None:
        """Do what is due; a medium or a computer that has no room is left alone for a while.

        Raises:
            sqlite3.Error: the spool takes nothing.
        """
        if now_s < self._rest_until_s:
            return
        try:
            self.renewal.step(now_s, stamp.now_ms)
            self._delivering.step(now_s, is_connected=is_connected)
            self._given_up.step(now_s, stamp)
        except OSError as error:
            problem = {"problem": str(error)}
            logger.warning("neither renewed nor handed in for now", extra=problem)
            self._rest_until_s = now_s + _REST_S

    def stop(self) -> None:
        """End the handing in; what is not acknowledged stays sealed."""
        self._delivering.stop()
