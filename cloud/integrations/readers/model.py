"""Who may read the feed, and what such a reader is told. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from cloud.foundation.broker_config import FeedReader
from wire import topics

MOST_READERS: Final = 200
"""Of one tenant that are let in at once."""
MAX_DAYS: Final = 825
DEFAULT_DAYS: Final = 365
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A third party on the feed; what it signs in with is the broker's to know.

    Attributes:
        carrier: the only one whose topics it may read; None reads the whole tenant's.
        expires_at: when its certificate ends; None for one with a password. Instants are seconds
            since 1970.
    """

    tenant: str
    id: str
    name: str
    carrier: str | None
    made_at: float
    made_by: str
    expires_at: float | None = None
    ended_at: float | None = None

    def state(self, now_s: float) -> Literal["let_in", "expired", "revoked"]:
        """How it stands with the broker."""
        if self.ended_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now_s:
            return "expired"
        return "let_in"

    @property
    def topic_filter(self) -> str:
        """What it may subscribe to, whole."""
        return topics.feed_all(self.tenant, self.carrier)


class FeedReaderEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A third party was shut out of the feed; ``session`` is its client id."""

    reader_id: str
    session: str


def by_hand(reader: FeedReader) -> list[str]:
    """What somebody has to do on a mosquitto of the fleet's own."""
    topic_filter = topics.feed_all(reader.tenant, reader.carrier)
    return [
        f"mosquitto_passwd -b PASSWORD_FILE {reader.username} {reader.password}",
        f"add to the acl_file: user {reader.username}",
        f"add to the acl_file: topic read {topic_filter}",
        "then send mosquitto a SIGHUP",
    ]
