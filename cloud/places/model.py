"""A place of delivery. Pure."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from cloud.fleet.calendar import Calendar

type PlaceKind = Literal["house", "flats", "shop", "office"]
PLACE_KINDS: Final[tuple[PlaceKind, ...]] = get_args(PlaceKind.__value__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A door with its address.

    Attributes:
        lat: of the door, degrees. lon: of the door, degrees.
        street: name of the nearest street; empty when it has none.
        street_distance_m: from the door to that street, metres.
        kind: what stands there; None is not known.
        hours: when somebody is there, in the local time of the depot; None is at any time.
    """

    tenant: str
    id: str
    address: str
    lat: float
    lon: float
    street: str
    street_distance_m: float
    kind: PlaceKind | None = None
    hours: Calendar | None = None
