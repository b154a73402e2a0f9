"""Tells the office of vans that should report and do not, and when they are heard again."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy.exc import DBAPIError

from cloud.foundation.clock import Clock, to_rfc3339
from cloud.tracking.live import Live
from cloud.tracking.memory import Known
from cloud.tracking.silence import Listening, listen
from cloud.tracking.stream import LiveStream

_log = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 1.0
DEFAULT_INTERVAL_S: Final = 4.0
"""How often a gateway tells where it is when nothing else is desired of it."""


class SilenceWatch:
    """Looks at every van once a second.

    Args:
        live: what is known of the vans.
        stream: where silence is told: ``van_silent``, ``van_heard``.
        on_shift: the vans of a tenant whose shift is on.
        intervals_s: by van, the pace that is desired of its live lane where it is not the default.
        clock: domain time; intervals are a gateway's own, in real time.
    """

    def __init__(
        self,
        live: Live,
        stream: LiveStream,
        *,
        on_shift: Callable[[str], frozenset[str]],
        intervals_s: Callable[[str], Mapping[str, float]],
        clock: Clock,
    ) -> None:
        self._live = live
        self._stream = stream
        self._on_shift = on_shift
        self._intervals_s = intervals_s
        self._clock = clock
        self._states: dict[tuple[str, str], Listening] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.look)
            except DBAPIError as error:
                _log.warning("shifts cannot be read; later", extra={"reason": str(error.orig)})
            await asyncio.sleep(_LOOK_EVERY_S)

    def look(self) -> None:
        """Look once."""
        for tenant in self._live.tenants():
            on_shift, intervals_s = self._on_shift(tenant), self._intervals_s(tenant)
            for van, known in self._live.known(tenant).items():
                interval_s = intervals_s.get(van, DEFAULT_INTERVAL_S)
                self._listen(tenant, van, known, interval_s, is_on_shift=van in on_shift)

    def _listen(
        self, tenant: str, van: str, known: Known, interval_s: float, *, is_on_shift: bool
    ) -> None:
        now_s = self._clock.now_s()
        state, change = listen(
            self._states.get((tenant, van), Listening()),
            heard_s=known.heard_s,
            is_due=_is_due(known, is_on_shift=is_on_shift),
            now_s=now_s,
            interval_s=max(interval_s, 1.0) * self._clock.speed,
        )
        self._states[tenant, van] = state
        self._live.set_silent(tenant, van, is_silent=state.silent_since_s is not None)
        if change is not None and known.heard_s is not None:
            told = {
                "vehicle_id": van,
                "at": to_rfc3339(now_s),
                "heard_at": to_rfc3339(known.heard_s),
            }
            self._stream.tell(tenant, change, told)


def _is_due(known: Known, *, is_on_shift: bool) -> bool:
    """A van with a gateway on a shift or with its ignition on, unless it says it is off duty."""
    if known.presence == "unknown" or (known.state is not None and not known.state.is_on_duty):
        return False
    return is_on_shift or known.is_ignited is True
