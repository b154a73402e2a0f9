"""Whether the time of a command has come. Pure."""

from typing import Final, Literal

from gateway.stamp import Stamp
from wire.commands import COMMANDS
from wire.messages import Command

_HARMLESS: Final = frozenset({"ping", "replay", "collect-diagnostics"})
"""Done late they do no harm, so they wait for no clock."""


def due(command: Command, stamp: Stamp) -> Literal["now", "later", "expired"]:
    """Whether a command is done now.

    Only a clock that satellites or a time server have set can say that it has expired. Until there
    is one, a command that would harm when it is stale waits, and any other is done.
    """
    if stamp.is_proved:
        return "now" if command.expires_at_ms > stamp.now_ms else "expired"
    return "now" if command.name in _HARMLESS or command.name not in COMMANDS else "later"
