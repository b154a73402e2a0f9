"""Whose van the box is, kept in order beside the recording: what fails here costs no fix."""

import logging
from collections.abc import Callable
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
        self._rest_until_s: dict[str, float] = {}

    def step(self, now_s: float, stamp: Stamp, *, is_connected: bool) -> None:
        """Do what is due; what finds no room is left alone for a while, and keeps nothing else.

        Raises:
            sqlite3.Error: the spool takes nothing.
        """
        self._try("renewing", now_s, lambda: self.renewal.step(now_s, stamp.now_ms))
        self._try(
            "handing in",
            now_s,
            lambda: self._delivering.step(now_s, is_connected=is_connected),
        )
        self._try("giving up", now_s, lambda: self._given_up.step(now_s, stamp))

    def _try(self, what: str, now_s: float, step: Callable[[], None]) -> None:
        if now_s < self._rest_until_s.get(what, 0.0):
            return
        try:
            step()
        except OSError as error:
            extra = {"part": what, "problem": str(error)}
            logger.warning("what belongs to the box is not tended for now", extra=extra)
            self._rest_until_s[what] = now_s + _REST_S

    def stop(self) -> None:
        """End the handing in; what is not acknowledged stays sealed."""
        self._delivering.stop()
