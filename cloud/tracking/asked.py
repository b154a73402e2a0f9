"""What is asked of tracking over HTTP: of which van, and from when to when."""

from collections.abc import Callable
from datetime import datetime

from cloud.foundation.errors import Invalid, NotFound
from wire import topics

type KnowsVan = Callable[[str, str], bool]
"""Whether a tenant has a van."""


def require_van(knows_van: KnowsVan, tenant: str, van: str) -> None:
    """Refuse what is no van of the tenant.

    Raises:
        Invalid: it is not even a name. NotFound: there is no such van.
    """
    try:
        topics.require_name("vehicle_id", van)
    except topics.TopicError as error:
        raise Invalid.field(
            "vehicle_id", f"{van[:80]!r} is not a name", "use 1 to 64 of a-z 0-9 - _"
        ) from error
    if not knows_van(tenant, van):
        raise NotFound(f"vehicle {van!r} is not known; GET /api/v1/vehicles lists them")


def span_s(
    from_: datetime | None, to: datetime | None, now_s: float, default_s: float
) -> tuple[float, float]:
    """From when to when, in seconds since 1970; up to now and ``default_s`` long if not told."""
    to_s = now_s if to is None else to.timestamp()
    return to_s - default_s if from_ is None else from_.timestamp(), to_s
