"""What places tell the rest of the house, through the outbox."""

import msgspec

from cloud.fleet.calendar import Calendar
from cloud.places.areas import AccessArea


class AreaChanged(msgspec.Struct, frozen=True, kw_only=True):
    """An access area was drawn, changed or taken away; None is not there. No person is named."""

    before: AccessArea | None
    after: AccessArea | None


class PlaceHoursChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A place has other opening hours; None is at any time."""

    place_id: str
    address: str
    before: Calendar | None
    after: Calendar | None
