"""What a command asks for, read from its arguments, and whether its time has come. Pure."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from gateway.stamp import Stamp
from wire.messages import Command
from wire.refusal import in_words

_TRUSTED: Final = frozenset({"ntp", "gnss"})

type Instant = int | Annotated[str, Meta(max_length=64)]
"""Milliseconds since 1970, or RFC 3339."""


class Refused(ValueError):
    """A command cannot be done as it was told; names the field and the remedy."""


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
            Refused: one is no instant, or they are the wrong way round.
        """
        from_ms, to_ms = _instant_ms("from", self.from_), _instant_ms("to", self.to)
        if from_ms > to_ms:
            raise Refused("arguments.from: is after to; swap them")
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
            Refused: both are told, or none.
        """
        match self.live_every_s, self.hz:
            case float() as every_s, None:
                return every_s
            case None, float() as hz:
                return 1 / hz
            case _:
                raise Refused("arguments.live_every_s: give it or hz, one of the two")


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
_HARMLESS: Final = frozenset({"ping", "replay", "collect-diagnostics"})
"""Done late they do no harm, so they wait for no clock."""


def read(command: Command) -> Asked:
    """What ``command`` asks for.

    Raises:
        Refused: it is not known here, or an argument is wrong.
    """
    kind = COMMANDS.get(command.name)
    if kind is None:
        raise Refused(
            f"name: {command.name!r} is not a command of this gateway; "
            f"it knows {', '.join(COMMANDS)}"
        )
    try:
        asked: Asked = msgspec.convert(command.arguments, kind)
    except msgspec.ValidationError as error:
        field, problem, remedy = in_words(str(error), "")
        place = ".".join(filter(None, ("arguments", field)))
        raise Refused(f"{place}: {problem}; {remedy}") from error
    match asked:
        case Replay():
            _ = asked.span_ms
        case SetRate():
            _ = asked.every_s
        case _:
            pass
    return asked


def due(command: Command, stamp: Stamp) -> Literal["now", "later", "expired"]:
    """Whether a command is done now.

    Only a clock that satellites or a time server have set can say that it has expired. Until there
    is one, a command that would harm when it is stale waits, and any other is done.
    """
    if stamp.quality in _TRUSTED:
        return "now" if command.expires_at_ms > stamp.now_ms else "expired"
    return "now" if command.name in _HARMLESS or command.name not in COMMANDS else "later"


def _instant_ms(field: str, value: Any) -> int:
    if isinstance(value, int):
        if abs(value) > 2**53:
            raise Refused(f"arguments.{field}: is no instant; give milliseconds since 1970")
        return value
    try:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is not None:
            return round(instant.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        pass
    raise Refused(
        f"arguments.{field}: {value[:40]!r} is no instant with its zone; "
        "give one like 2026-03-02T08:00:00Z, or milliseconds since 1970"
    )
