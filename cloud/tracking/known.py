"""Which vans ingest hears: those with a source that is known, and none that is disabled."""

import logging
import time
from collections.abc import Callable, Set
from typing import Final, Literal, NamedTuple

from sqlalchemy.exc import DBAPIError

from cloud.foundation.broker import BrokerAccess

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 5.0
_STRANGER_EVERY_S: Final = 0.5
"""For a van that nobody knows, the register is read again so long after the last time already."""

type Standing = Literal["known", "unknown", "disabled"]
"""Whether a van is heard, and if not why."""

type Vans = Set[tuple[str, str]]
"""Tenant and id of each."""


class Register(NamedTuple):
    """What the fleet's register says of all tenants.

    Attributes:
        disabled: out of use, or retired: nothing of theirs is taken.
        by_phone: which web hands in positions of, gateway or none.
    """

    disabled: Vans = frozenset()
    by_phone: Vans = frozenset()


class KnownVans:
    """Tells how a van stands, as it was a few seconds ago.

    While the register cannot be read, what was read last stands.
    """

    def __init__(
        self,
        broker: BrokerAccess,
        read: Callable[[], Register] = Register,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``read``: the register as it is now; may raise DBAPIError."""
        self._broker = broker
        self._read = read
        self._monotonic_s = monotonic_s
        self._users_at_ns = -1
        self._let_in: Vans = frozenset()
        self._register = Register()
        self._read_at_s = float("-inf")
        self._is_readable = True

    def look(self) -> None:
        """Learn of the broker's users when they have changed, and of the register in any case."""
        changed_at_ns = self._broker.users_changed_at_ns
        if changed_at_ns != self._users_at_ns:
            self._let_in = self._broker.known_vans()
            self._users_at_ns = changed_at_ns
            self._look(0.0)
        self._look(_LOOK_EVERY_S)

    def __call__(self, tenant: str, van: str) -> Standing:
        """How ``van`` of ``tenant`` stands."""
        who = (tenant, van)
        standing = self._standing(who)
        if standing == "unknown" and self._look(_STRANGER_EVERY_S):
            standing = self._standing(who)
        return standing

    def _standing(self, who: tuple[str, str]) -> Standing:
        if who in self._register.disabled:
            return "disabled"
        is_known = who in self._let_in or who in self._register.by_phone
        return "known" if is_known else "unknown"

    def _look(self, after_s: float) -> bool:
        """Read the register if that was ``after_s`` ago or longer; whether it was read."""
        now_s = self._monotonic_s()
        if now_s - self._read_at_s < after_s:
            return False
        self._read_at_s = now_s
        try:
            self._register = self._read()
        except DBAPIError as error:
            if self._is_readable:
                _log.warning("the register cannot be read", extra={"reason": str(error)})
            self._is_readable = False
        else:
            self._is_readable = True
        return self._is_readable
