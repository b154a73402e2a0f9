"""Rules that fail where none should: what they say is left out, and the rest goes on."""

from collections.abc import Callable
from typing import NamedTuple


class Failure(NamedTuple):
    """A rule that has failed over a fix, which no input should bring it to."""

    rule: str
    error: Exception


class Failures:
    """Catches what fails, so that it takes neither the fix nor what the other rules say."""

    def __init__(self) -> None:
        self._failures: list[Failure] = []

    def tried[R](
        self, rule: str, said: Callable[[], tuple[R, ...]], otherwise: tuple[R, ...] = ()
    ) -> tuple[R, ...]:
        """What ``rule`` says, or ``otherwise`` when it fails."""
        try:
            return said()
        except Exception as error:  # noqa: BLE001 - handed on by `taken`, and logged there
            self._failures.append(Failure(rule, error))
            return otherwise

    def taken(self) -> tuple[Failure, ...]:
        """The failures since the last call."""
        failures, self._failures = tuple(self._failures), []
        return failures
