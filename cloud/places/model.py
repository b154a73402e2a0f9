"""A place of delivery. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A door with its address.

    Attributes:
        lat: of the door, degrees. lon: of the door, degrees.
        street: name of the nearest street; empty when it has none.
        street_distance_m: from the door to that street, metres.
    """

    tenant: str
    id: str
    address: str
    lat: float
    lon: float
    street: str
    street_distance_m: float
