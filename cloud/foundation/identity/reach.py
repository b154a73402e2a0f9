"""What part of a tenant's business a grant covers: all of it, some depots, or one carrier. Pure."""

from dataclasses import dataclass
from typing import Final

from cloud.foundation.errors import Invalid, NotAllowed

MOST_DEPOTS: Final = 200
"""Depots that one grant may name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The part of a tenant's business that a grant covers; `EVERYTHING` when neither is given.

    A grant never names both: a carrier's people see the vans of their carrier and what is on those,
    wherever they drive; a depot's people see what belongs to their depots, whoever drives it.

    Attributes:
        depot_ids: only what belongs to one of these depots; None does not limit by depot.
        carrier_id: only this carrier's vans and what is on them; None does not limit by carrier.
    """

    depot_ids: frozenset[str] | None = None
    carrier_id: str | None = None

    def __post_init__(self) -> None:
        if self.depot_ids is not None and self.carrier_id is not None:
            raise Invalid.field(
                "reach", "names depots and a carrier", "limit by depots or by one carrier"
            )
        if self.depot_ids is not None and not 1 <= len(self.depot_ids) <= MOST_DEPOTS:
            raise Invalid.field(
                "reach.depot_ids",
                f"{len(self.depot_ids)} depots",
                f"name 1 to {MOST_DEPOTS}, or leave reach out for all",
            )

    @property
    def is_everything(self) -> bool:
        """Whether nothing limits it."""
        return self.depot_ids is None and self.carrier_id is None

    def holds(self, *, depot_id: str | None = None, carrier_id: str | None = None) -> bool:
        """Whether a thing of this depot, or of this carrier, is within reach.

        What has no depot or no carrier is within reach of no grant limited by it.
        """
        if self.depot_ids is not None:
            return depot_id in self.depot_ids
        if self.carrier_id is not None:
            return carrier_id == self.carrier_id
        return True


def require_depot_wide(reach: Reach) -> None:
    """Go on with what concerns a depot as a whole: its plans, and orders that no van has yet.

    Raises:
        NotAllowed: the grant covers one carrier only.
    """
    if reach.carrier_id is not None:
        raise NotAllowed("your grant covers one carrier; this takes one over the depot")


def require_depot_held(reach: Reach, depot_id: str | None) -> None:
    """Go on with a thing that is one depot's; with one that is all depots' (None) only who may all.

    Raises:
        NotAllowed: it is beyond ``reach``.
    """
    if not reach.holds(depot_id=depot_id):
        raise NotAllowed("your grant covers some depots only: name one of them in depot_id")


EVERYTHING: Final = Reach()
"""A grant over all of a tenant's business."""
