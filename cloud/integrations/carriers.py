"""A carrier to which a third party is limited, as it must exist."""

from sqlalchemy import Connection

from cloud.fleet import kinds, register
from cloud.foundation.errors import Invalid


def require_known(connection: Connection, tenant: str, carrier: str | None) -> None:
    """Go on when there is no limit, or there is such a carrier.

    Raises:
        Invalid: there is none of that id.
    """
    if carrier is not None and register.find(connection, kinds.CARRIERS, tenant, carrier) is None:
        raise Invalid.field(
            "carrier_id", f"no carrier {carrier[:80]!r}", "GET /api/v1/carriers lists them"
        )
