"""The small types that messages are made of."""

from typing import Annotated, Literal

from msgspec import Meta

type Name = Annotated[str, Meta(pattern=r"^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$(?!\n)")]
type StreamId = Annotated[int, Meta(ge=0, lt=2**63)]
type StreamText = Annotated[str, Meta(pattern=r"^[0-9]{1,19}$(?!\n)")]
type Seq = Annotated[int, Meta(ge=0, lt=2**62)]
type EpochMs = Annotated[int, Meta(ge=-(2**53), le=2**53)]

type ClockQuality = Literal["none", "rtc", "ntp", "gnss"]
type FixSource = Literal["serial", "gpsd", "replay", "phone"]
