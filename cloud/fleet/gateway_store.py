"""What the broker must know of gateways, in its table."""

from sqlalchemy import Connection, delete, select, update

from cloud.fleet.store import add
from cloud.fleet.tables import gateway
from cloud.foundation.broker_config import GatewayCredential


def put_gateway(connection: Connection, credential: GatewayCredential, created_at: float) -> None:
    """Store the credentials of a van's gateway in place of any earlier ones."""
    known = (gateway.c.tenant == credential.tenant) & (gateway.c.vehicle_id == credential.van)
    values = {
        "client_id": credential.client_id,
        "username": credential.username,
        "password": credential.password,
        "created_at": created_at,
    }
    if connection.execute(update(gateway).where(known).values(**values)).rowcount == 0:
        add(
            connection,
            gateway,
            {"tenant": credential.tenant, "vehicle_id": credential.van, **values},
        )


def drop_gateway(connection: Connection, tenant: str, vehicle_id: str) -> None:
    """Forget the password of a van's gateway."""
    connection.execute(
        delete(gateway).where(gateway.c.tenant == tenant, gateway.c.vehicle_id == vehicle_id)
    )


def session_by_password(connection: Connection, tenant: str, vehicle_id: str) -> str | None:
    """Client id of the gateway that has a password for this van; None when there is none."""
    known = (gateway.c.tenant == tenant) & (gateway.c.vehicle_id == vehicle_id)
    return connection.execute(select(gateway.c.client_id).where(known)).scalar()


def gateways(connection: Connection) -> list[GatewayCredential]:
    """What the broker must let in: every gateway of every tenant."""
    rows = connection.execute(select(gateway)).mappings()
    return [
        GatewayCredential(
            tenant=row["tenant"],
            van=row["vehicle_id"],
            client_id=row["client_id"],
            username=row["username"],
            password=row["password"],
        )
        for row in rows
    ]
