"""What ingest has against vans: told to the log once a minute, and to the office as it happens."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.layout import DataFolder
from cloud.tracking.intake import Complaint
from cloud.tracking.status import Complained, read_status

_log = logging.getLogger(__name__)

_SAY_AGAIN_AFTER_S: Final = 60.0
_KEPT: Final = 50
_LOOK_EVERY_S: Final = 2.0


class Complaints:
    """Ingest's side: says each complaint about each van once a minute at most."""

    def __init__(self, monotonic_s: Callable[[], float], real_now_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._real_now_s = real_now_s
        self._said_at_s: dict[tuple[str, str, str], float] = {}
        self._last: deque[Complained] = deque(maxlen=_KEPT)

    @property
    def last(self) -> tuple[Complained, ...]:
        """The last few, oldest first."""
        return tuple(self._last)

    def __call__(self, complaint: Complaint) -> None:
        """Say it, unless it was said a moment ago."""
        key = (complaint.sentence, complaint.tenant, complaint.van)
        now_s = self._monotonic_s()
        if now_s - self._said_at_s.get(key, -_SAY_AGAIN_AFTER_S) < _SAY_AGAIN_AFTER_S:
            return
        if len(self._said_at_s) > 10_000:
            self._said_at_s.clear()
        self._said_at_s[key] = now_s
        detail = complaint.detail
        _log.warning(
            complaint.sentence,
            extra={"tenant": complaint.tenant, "van": complaint.van, "detail": detail},
        )
        if complaint.van:
            at_s = max(self._real_now_s(), self._last[-1].at_s + 1e-3 if self._last else 0.0)
            self._last.append(
                Complained(
                    at_s=at_s,
                    tenant=complaint.tenant,
                    van=complaint.van,
                    sentence=complaint.sentence,
                    detail=detail[:300],
                )
            )


class ComplaintWatch:
    """Web's side: tells the office what ingest has come to say. ``tell``: tenant and payload."""

    def __init__(self, data: DataFolder, tell: Callable[[str, Mapping[str, object]], None]) -> None:
        self._data = data
        self._tell = tell
        self._told_upto_s = max((one.at_s for one in self._read()), default=0.0)

    def look(self) -> None:
        """Tell what is new."""
        for one in self._read():
            if one.at_s > self._told_upto_s:
                self._told_upto_s = one.at_s
                self._tell(
                    one.tenant,
                    {
                        "vehicle_id": one.van,
                        "complaint": one.sentence,
                        "detail": one.detail,
                        "at": to_rfc3339(one.at_s),
                    },
                )

    def _read(self) -> tuple[Complained, ...]:
        status = read_status(self._data)
        return () if status is None else status.complaints

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(_LOOK_EVERY_S)
