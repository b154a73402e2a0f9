"""How large what a problem or a plan says may be, and in which units. Pure.

Instants are whole seconds since 1970 UTC, spans whole seconds, distances whole metres.
"""

from typing import Annotated, Final

from msgspec import Meta

type Id = Annotated[str, Meta(min_length=1, max_length=128)]
type Instant = Annotated[int, Meta(ge=0, le=2**40)]
type Seconds = Annotated[int, Meta(ge=0, le=1_000_000)]
type Metres = Annotated[int, Meta(ge=0, le=100_000_000)]
type Index = Annotated[int, Meta(ge=0, lt=20_000)]
type Count = Annotated[int, Meta(ge=0, le=1_000_000)]
type Grams = Annotated[int, Meta(ge=0, le=1_000_000_000)]
type Millilitres = Annotated[int, Meta(ge=0, le=1_000_000_000)]
type Word = Annotated[str, Meta(min_length=1, max_length=40)]
type Price = Annotated[float, Meta(ge=0, le=1e9)]
type Permille = Annotated[int, Meta(ge=0, le=1_000)]

NO_LIMIT: Final = 2**50
"""More than all jobs of a problem can weigh or take together."""
MAX_LOCATIONS: Final = 20_000
MAX_JOBS: Final = 10_000
