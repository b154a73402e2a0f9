"""When the reception has really changed: what a receiver says of it, debounced."""

from typing import Final

import msgspec

from wire.events import Antenna, Jamming, ReceptionChanged, Spoofing
from wire.values import Name

_EPOCHS: Final = 3
_LASTS_MS: Final = 3_000


class Reception(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the receiver in use says of its reception."""

    receiver: Name
    jamming: Jamming = "unknown"
    spoofing: Spoofing = "unknown"
    antenna: Antenna = "unknown"


class ReceptionWatch:
    """Tells a change once it has lasted, so that an indicator that flickers tells nothing."""

    def __init__(self) -> None:
        self.latest: Reception | None = None
        self._other: Reception | None = None
        self._since_ms = 0
        self._epochs = 0

    def take(self, reception: Reception, now_ms: int) -> ReceptionChanged | None:
        """The change that is certain now; a receiver of which nothing is known is none."""
        if reception == self.latest:
            self._other = None
            return None
        if reception != self._other:
            self._other, self._since_ms, self._epochs = reception, now_ms, 0
        self._epochs += 1
        if self._epochs < _EPOCHS or abs(now_ms - self._since_ms) < _LASTS_MS:
            return None
        was, self.latest, self._other = self.latest, reception, None
        if was is None and reception == Reception(receiver=reception.receiver):
            return None
        return ReceptionChanged(
            receiver=reception.receiver,
            at_ms=self._since_ms,
            jamming=reception.jamming,
            spoofing=reception.spoofing,
            antenna=reception.antenna,
        )
