"""What gateways report of themselves, and how they answered commands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from cloud.foundation.database import Database
from cloud.tracking import store
from wire.messages import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A gateway's last ``up/state``, and when it came, seconds since 1970."""

    state: State
    received_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A gateway's answer to a command, and when it came, seconds since 1970."""

    status: Literal["done", "refused", "failed", "expired"]
    detail: str
    data: dict[str, Any] | None
    received_at_s: float


class Reports:
    """Reads what ingest has stored."""

    def __init__(self, telemetry: Database) -> None:
        self._telemetry = telemetry

    def reported(self, tenant: str, van: str) -> Reported | None:
        """What a gateway last said of itself; None when it never did, or says it in another way."""
        with self._telemetry.reading() as connection:
            found = store.state_of(connection, tenant, van)
        if found is None:
            return None
        text, received_at_ms = found
        try:
            state = msgspec.json.decode(text, type=State)
        except msgspec.DecodeError:
            return None
        return Reported(state=state, received_at_s=received_at_ms / 1000)

    def reporting(self, tenant: str) -> list[str]:
        """The vans whose gateways have ever said something of themselves."""
        with self._telemetry.reading() as connection:
            return store.with_state(connection, tenant)

    def answers(self, tenant: str, van: str, commands: Sequence[str]) -> dict[str, Told]:
        """The answers to some commands, by their ids."""
        with self._telemetry.reading() as connection:
            rows = store.results_of(connection, tenant, van, commands)
        return {
            row.command: Told(
                status=row.status,
                detail=row.detail,
                data=None if row.data is None else msgspec.json.decode(row.data),
                received_at_s=row.received_at_ms / 1000,
            )
            for row in rows
        }
