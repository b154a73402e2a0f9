"""What web and the learner say to each other: one JSON line there, one back."""

from typing import Final

import msgspec

KEPT_S: Final = 120 * 86_400
"""So long the hours are kept of which a pattern is learned."""
MAX_QUESTION_BYTES: Final = 4_000_000
MAX_ANSWER_BYTES: Final = 256_000_000


class Meet(msgspec.Struct, frozen=True, kw_only=True, tag="meet"):
    """What did these vans, by tenant and id, meet in a span of time (UTC seconds)?"""

    span_s: tuple[float, float]
    vans: tuple[tuple[str, str], ...]


class Learn(msgspec.Struct, frozen=True, kw_only=True, tag="learn"):
    """Learn the pattern of a week anew from all hours that are kept.

    Attributes:
        at_s: domain time; what is older counts less. zone: IANA name of the zone of the hours.
    """

    at_s: float
    zone: str


class Found(msgspec.Struct, frozen=True, kw_only=True, tag="found"):
    """What was met (`cloud.roads.learning.packed`)."""

    met: bytes


class Learned(msgspec.Struct, frozen=True, kw_only=True, tag="learned"):
    """The pattern lies in its file; of how many hours. None when nothing is kept."""

    hours: int


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """It cannot be told now."""

    reason: str


type Question = Meet | Learn
type Answer = Found | Learned | Refused
