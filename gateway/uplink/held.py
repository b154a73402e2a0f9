"""What the medium does not take, sent out of memory while that lasts.

A row on the medium has a window that outlives the connection. These have none: what comes back
acknowledged leaves the memory, and what does not is sent again from the oldest on, ever more
rarely. The cloud knows a row it has twice.
"""

from typing import Final

import msgspec

from gateway.settings import UplinkSettings
from gateway.spool.rows import KINDS, Kind, Row, read_fix
from gateway.spool.store import Spool
from gateway.uplink.window import MAX_RESEND_S
from wire import codec
from wire.messages import Batch

_WAIT_S: Final = 10.0
"""So long fewer fixes than a batch wait for more: as long as a group does on a sound medium."""


class _Lane(msgspec.Struct):
    """Of one kind: up to which seq rows were sent, and when the oldest is sent again."""

    cursor: int = -1
    oldest: int = -1
    tries: int = 0
    resend_at_s: float = 0.0
    waits_since_s: float | None = None


class Held:
    """Which rows to send next out of memory.

    Args:
        settings: the pace. spool: holds the rows.
    """

    def __init__(self, settings: UplinkSettings, spool: Spool) -> None:
        self._settings = settings
        self._spool = spool
        self._wait_s = _WAIT_S
        self._lanes: dict[Kind, _Lane] = {kind: _Lane() for kind in KINDS}

    def again(self) -> None:
        """The connection is another: all that is not acknowledged goes once more."""
        self._lanes = {kind: _Lane() for kind in KINDS}

    def hurry(self) -> None:
        """Wait for no more fixes."""
        self._wait_s = 0.0

    def due(self, kind: Kind, now_s: float) -> list[Row]:
        """Rows for one message, without a hole between them; none while nothing is to be sent."""
        lane = self._lanes[kind]
        oldest = self._spool.held(kind, -1, 1)
        if not oldest:
            return []
        self._look(lane, oldest[0].seq, now_s)
        batch = self._settings.batch_fixes if kind == "fix" else 1
        room = lane.oldest + self._settings.window * batch - 1 - lane.cursor
        rows = self._spool.held(kind, lane.cursor, min(batch, max(room, 0)))
        if not rows or (len(rows) < batch and self._is_worth_waiting(lane, now_s)):
            return []
        return [row for at, row in enumerate(rows) if row.seq == rows[0].seq + at]

    def _look(self, lane: _Lane, oldest: int, now_s: float) -> None:
        if oldest != lane.oldest:
            lane.oldest, lane.tries = oldest, 0
            lane.resend_at_s = now_s + self._settings.resend_after_s
        elif lane.cursor >= oldest and now_s >= lane.resend_at_s:
            lane.cursor, lane.tries = oldest - 1, min(lane.tries + 1, 20)
            wait_s = self._settings.resend_after_s * 2**lane.tries
            lane.resend_at_s = now_s + min(wait_s, MAX_RESEND_S)
        lane.cursor = max(lane.cursor, oldest - 1)

    def _is_worth_waiting(self, lane: _Lane, now_s: float) -> bool:
        if lane.waits_since_s is None:
            lane.waits_since_s = now_s
        return now_s < lane.waits_since_s + self._wait_s

    def message(self, kind: Kind, rows: list[Row]) -> tuple[str, bytes]:
        """The kind and the payload of the message that carries ``rows``."""
        if kind == "event":
            return "event", rows[0].body
        fixes = tuple(read_fix(row.body) for row in rows)
        batch = Batch(stream=self._spool.own_stream(kind), first=rows[0].seq, fixes=fixes)
        return "batch", codec.encode_batch(batch)

    def went(self, kind: Kind, rows: list[Row]) -> None:
        """The connection has the message of ``rows``."""
        self._lanes[kind].cursor = rows[-1].seq
        self._lanes[kind].waits_since_s = None
