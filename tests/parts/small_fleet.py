"""A small fleet with one of everything, made through the interface as an office makes it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

DAY: Final = "2099-12-30"
"""Not over yet, whatever day it is."""
ROLES: Final = ("dispatcher", "carrier", "viewer", "integrator")
_DEPOT: Final = {
    "id": "la-serena",
    "name": "La Serena",
    "zone": "America/Santiago",
    "lat": -29.9045,
    "lon": -71.2489,
}
_FENCE: Final = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [-71.25, -29.9]},
    "properties": {"name": "Yard", "radius_m": 80, "depot_id": "la-serena"},
}

type Post = Callable[[str, dict[str, Any]], dict[str, Any]]
"""What an administrator makes at a path below /api/v1; returns what was answered."""


@dataclass
class SmallFleet:
    """By the name of a path parameter an id that exists, and a token for each role but admin."""

    ids: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)


def furnish(post: Post) -> SmallFleet:
    """Make it in an empty cloud; needs neither streets nor a plan."""
    fleet = SmallFleet()
    carrier = {"carrier_id": "swift"}
    post("/carriers", {"id": "swift", "name": "Swift"})
    post("/depots", _DEPOT)
    van = {"id": "van-1", "name": "Van 1", "depot_id": "la-serena", "capacity_parcels": 9}
    post("/vehicles", van | carrier)
    driver = post("/drivers", {"id": "ana", "name": "Ana"} | carrier)
    fleet.tokens["driver"] = driver["token"]
    post("/drivers", {"id": "bea", "name": "Bea"} | carrier)
    pair = {"driver_id": "ana", "helper_ids": ["bea"]}
    post("/crews", {"id": "crew-1", "name": "Crew 1"} | pair)
    post("/gateways", {"id": "box-1", "name": "Box 1"})
    shift = {"vehicle_id": "van-1", "driver_id": "ana", "service_date": DAY}
    fleet.ids = {
        "carrier_id": "swift", "depot_id": "la-serena", "vehicle_id": "van-1", "driver_id": "ana",
        "crew_id": "crew-1", "gateway_id": "box-1", "service_date": DAY,
        "shift_id": post("/shifts", shift)["id"],
        "phone_id": post("/vehicles/van-1/phones", {"app": "traccar", "label": "Ana's"})["id"],
        "geofence_id": post("/geofences", _FENCE)["id"],
        "reader_id": post("/feed/readers", {"name": "Shop"})["id"],
        "webhook_id": post("/webhooks", _HOOK)["id"],
        "command_id": post("/vehicles/van-1/commands", {"name": "ping"})["id"],
    }  # fmt: skip
    for role in ROLES:
        reach = carrier if role == "carrier" else None
        user = post("/users", {"name": role, "role": role, "reach": reach})
        made = post("/tokens", {"name": role, "user_id": user["id"]})
        fleet.tokens[role] = made["token"]
    leaver = post("/users", {"name": "leaver", "role": "viewer"})
    fleet.ids["user_id"] = leaver["id"]
    spare = post("/tokens", {"name": "spare", "user_id": leaver["id"]})
    fleet.ids["token_id"] = spare["id"]
    return fleet


_HOOK: Final = {"name": "Shop", "url": "https://shop.example/", "kinds": ["order.status"]}
