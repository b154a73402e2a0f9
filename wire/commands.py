"""What ``dn/command`` may ask of a van, with its arguments; both sides refuse the same. Pure."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from wire.messages import Command
from wire.refusal import in_words

type Instant = int | Annotated[str, Meta(max_length=64)]
"""Milliseconds since 1970, or RFC 3339."""


class CommandError(ValueError):
    """A command cannot be done as it was told; names the field and the remedy."""

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        super().__init__(f"{field}: {problem}; {remedy}")
        self.field = field
        self.problem = problem
        self.remedy = remedy


class _Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An argument that is not known is a mistake of the writer."""


class Ping(_Asked, frozen=True, kw_only=True):
    """Say that you are there."""


class Replay(_Asked, frozen=True, kw_only=True):
    """Send the fixes between two instants once more, as far as they are still kept."""

    from_: Instant = msgspec.field(name="from")
    to: Instant

    @property
    def span_ms(self) -> tuple[int, int]:
        """Both instants in milliseconds since 1970.

        Raises:
            CommandError: one is no instant, or they are the wrong way round.
        """
        from_ms, to_ms = _instant_ms("from", self.from_), _instant_ms("to", self.to)
        if from_ms > to_ms:
            raise CommandError("arguments.from", "is after to", "swap them")
        return from_ms, to_ms


class SetRate(_Asked, frozen=True, kw_only=True):
    """Another pace of the live lane for a while: somebody watches."""

    for_s: Annotated[float, Meta(gt=0, le=86_400)]
    live_every_s: Annotated[float, Meta(ge=0, le=3600)] | None = None
    hz: Annotated[float, Meta(ge=0.001, le=20)] | None = None

    @property
    def every_s(self) -> float:
        """Seconds between two live fixes.

        Raises:
            CommandError: both are told, or none.
        """
        match self.live_every_s, self.hz:
            case float() as every_s, None:
                return every_s
            case None, float() as hz:
                return 1 / hz
            case _:
                raise CommandError(
                    "arguments.live_every_s", "or hz is needed", "give one of the two"
                )


class Reboot(_Asked, frozen=True, kw_only=True):
    """Restart the whole computer."""


class CollectDiagnostics(_Asked, frozen=True, kw_only=True):
    """Tell all that helps to find a fault from afar."""


type Asked = Ping | Replay | SetRate | Reboot | CollectDiagnostics

COMMANDS: Final[dict[str, type[Asked]]] = {
    "ping": Ping,
    "replay": Replay,
    "set-rate": SetRate,
    "reboot": Reboot,
    "collect-diagnostics": CollectDiagnostics,
}


def read(command: Command) -> Asked:
    """What ``command`` asks for.

    Raises:
        CommandError: it is not known here, or an argument is wrong.
    """
    kind = COMMANDS.get(command.name)
    if kind is None:
        raise CommandError(
            "name", f"{command.name!r} is no command of a gateway", f"use {', '.join(COMMANDS)}"
        )
    try:
        asked: Asked = msgspec.convert(command.arguments, kind)
    except msgspec.ValidationError as error:
        raise CommandError(*in_words(str(error), "arguments")) from error
    match asked:
        case Replay():
            _ = asked.span_ms
        case SetRate():
            _ = asked.every_s
        case _:
            pass
    return asked


def _instant_ms(field: str, value: Any) -> int:
    if isinstance(value, int):
        if abs(value) > 2**53:
            raise CommandError(
                f"arguments.{field}", "is no instant", "give milliseconds since 1970"
            )
        return value
    try:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is not None:
            return round(instant.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        pass
    raise CommandError(
        f"arguments.{field}",
        f"{value[:40]!r} is no instant with its zone",
        "give one like 2026-03-02T08:00:00Z, or milliseconds since 1970",
    )
