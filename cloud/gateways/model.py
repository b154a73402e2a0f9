"""What is desired of a van's gateway, and what it was asked to do, as values. Pure."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final, Literal

import msgspec

from cloud.foundation.errors import Invalid
from wire.commands import CommandError
from wire.commands import read as read_command
from wire.desired import DesiredError, Shift, read_values
from wire.messages import Command, State

MAX_SHIFTS: Final = 100
MAX_VERSION: Final = 2**53
"""No van was ever told this one; one that claims to have it is not believed."""
DEFAULT_EXPIRY_S: Final = 3600.0
MAX_EXPIRY_S: Final = 7 * 86_400.0

type Outcome = Literal["waiting", "done", "refused", "failed", "expired", "ended"]


METERED_LIVE_S: Final = 30.0
"""Where data is dear a gateway tells where it is no more often."""


class SettingsDesired(msgspec.Struct, frozen=True, kw_only=True):
    """Other settings are desired of the gateway of ``vehicle_id``."""

    vehicle_id: str


class CommandSent(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway of ``vehicle_id`` was asked to do something once.

    Attributes:
        session: client id of the box that was the gateway then, or None. Another box that has
            the van by now is not asked: it is the one that somebody looked at that should do it.
    """

    vehicle_id: str
    command_id: str
    session: str | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is desired of one gateway.

    Attributes:
        version: counts up. values: as they go to the van, without its shifts.
        is_following_shifts: off duty no coordinate leaves the van; its shifts here say when.
        shifts: those that were told last.
        changed_at: seconds since 1970. changed_by: the user's id.
    """

    version: int
    values: dict[str, Any]
    is_following_shifts: bool
    shifts: tuple[Shift, ...]
    changed_at: float
    changed_by: str

    def told(self) -> dict[str, Any]:
        """The values of ``dn/desired``."""
        if not self.is_following_shifts:
            return self.values
        return self.values | {"shifts": [msgspec.to_builtins(one) for one in self.shifts]}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A command that was sent; instants are seconds since 1970.

    Attributes:
        box: for which, as `box_of` tells; None where that was not written down.
    """

    id: str
    vehicle_id: str
    name: str
    arguments: dict[str, Any]
    sent_at: float
    expires_at: float
    sent_by: str
    box: str | None = None

    def is_ended(self, session: str | None) -> bool:
        """Whether the box that it was sent to is no longer the van's, so that nobody does it.

        Args:
            session: client id of the van's gateway now; None when it has none.
        """
        return self.box is not None and self.box != box_of(session)

    def message(self) -> Command:
        """As the van gets it."""
        return Command(
            id=self.id,
            name=self.name,
            arguments=self.arguments,
            expires_at_ms=round(self.expires_at * 1000),
        )


def box_of(session: str | None) -> str:
    """Which box is meant: by its session, told by no more than its hash; empty for none."""
    return "" if session is None else sha256(session.encode()).hexdigest()


def require_values(values: dict[str, Any], *, is_following_shifts: bool) -> None:
    """Check desired values as the van will.

    Raises:
        Invalid: names the field.
    """
    if is_following_shifts and "shifts" in values:
        raise Invalid.field(
            "values.shifts", "is told by follow_shifts", "leave it out, or follow_shifts"
        )
    try:
        read_values(values)
    except DesiredError as error:
        raise Invalid.field(f"values.{error.field}", error.problem, error.remedy) from error


def require_command(command: Command) -> None:
    """Check a command as the van will.

    Raises:
        Invalid: names the field.
    """
    try:
        read_command(command)
    except CommandError as error:
        raise Invalid.field(error.field, error.problem, error.remedy) from error


def next_version(known: int, reported: State | None) -> int:
    """A version that the van looks at, even when this database was restored from an older one."""
    if reported is None:
        return known + 1
    told = (reported.settings, 0 if reported.refused is None else reported.refused[0])
    return max(known, 0, *(one for one in told if one < MAX_VERSION)) + 1


def spans(shifts: Iterable[tuple[float, float]]) -> tuple[Shift, ...]:
    """Shifts as the van knows them, from begin and end in seconds since 1970, by time."""
    told = (Shift(from_ms=round(begin * 1000), to_ms=round(end * 1000)) for begin, end in shifts)
    return tuple(sorted(told, key=lambda shift: shift.from_ms))[:MAX_SHIFTS]


def is_same_from(now_s: float, told: Sequence[Shift], current: Sequence[Shift]) -> bool:
    """Whether the van knows all shifts that are not over; past ones need no new version."""
    now_ms = now_s * 1000
    return [one for one in told if one.to_ms > now_ms] == [
        one for one in current if one.to_ms > now_ms
    ]


def live_interval_s(values: dict[str, Any]) -> float | None:
    """Between two live fixes, by what is desired; None where nothing is said of it."""
    told = values.get("live_every_s")
    pace_s = float(told) if isinstance(told, int | float) else None
    if values.get("is_metered") is True:
        return max(pace_s or 0.0, METERED_LIVE_S)
    return pace_s
