"""What a driver is told on the way, step by step: as structure for apps, as a sentence to be read.

The road engine names a manoeuvre by type and modifier (the step object of OSRM's HTTP API); here it
becomes one of few actions that a driver knows. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

type Action = Literal[
    "depart", "arrive", "turn", "keep", "straight", "merge", "roundabout", "u_turn", "ferry"
]
type Side = Literal["left", "right", ""]

_SHARP: Final = {"sharp left": "sharply ", "sharp right": "sharply "}
_SLIGHT: Final = {"slight left": "slightly ", "slight right": "slightly "}
_ORDINAL: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_ROUND: Final = frozenset({"roundabout", "rotary", "roundabout turn"})
_KEPT: Final = frozenset({"fork", "off ramp", "on ramp"})
_SILENT: Final = frozenset({"new name", "notification", "exit roundabout", "exit rotary"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Manoeuvre:
    """A step as the engine tells it."""

    kind: str
    modifier: str
    exit: int | None
    street: str
    towards: str
    metres: float
    seconds: float
    lat: float
    lon: float
    is_ferry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do.

    Attributes:
        side: of a turn, a fork, or the destination; empty where there is none.
        degree: ``sharply``, ``slightly`` or empty. exit: which one of a roundabout, from 1.
        street: driven on afterwards, empty when nameless. metres, seconds: until the next step.
        lat, lon: where it is to be done. text: the same as a sentence.
    """

    action: Action
    side: Side
    degree: str
    exit: int | None
    street: str
    metres: int
    seconds: int
    lat: float
    lon: float
    text: str


def steps(told: Sequence[Manoeuvre]) -> tuple[Step, ...]:
    """What a driver has to do, with what asks for nothing joined to the step before it."""
    found: list[Step] = []
    for one in told:
        if found and _asks_nothing(one):
            found[-1] = _longer(found[-1], one)
        else:
            found.append(_step(one))
    return tuple(found)


def _asks_nothing(one: Manoeuvre) -> bool:
    if one.is_ferry:
        return False
    if one.kind in _SILENT:
        return True
    return one.kind in {"continue", "turn"} and one.modifier == "straight"


def _longer(step: Step, one: Manoeuvre) -> Step:
    return Step(
        action=step.action,
        side=step.side,
        degree=step.degree,
        exit=step.exit,
        street=step.street,
        metres=step.metres + round(one.metres),
        seconds=step.seconds + round(one.seconds),
        lat=step.lat,
        lon=step.lon,
        text=step.text,
    )


def _step(one: Manoeuvre) -> Step:
    action, side = _action(one), _side(one.modifier)
    degree = (_SHARP | _SLIGHT).get(one.modifier, "").strip() if action == "turn" else ""
    exit_ = one.exit if action == "roundabout" else None
    return Step(
        action=action,
        side=side,
        degree=degree,
        exit=exit_,
        street=one.street,
        metres=round(one.metres),
        seconds=round(one.seconds),
        lat=one.lat,
        lon=one.lon,
        text=_sentence(action, side, degree, exit_, one),
    )


def _action(one: Manoeuvre) -> Action:  # noqa: PLR0911 - a table of cases
    if one.is_ferry:
        return "ferry"
    if one.kind == "depart":
        return "depart"
    if one.kind == "arrive":
        return "arrive"
    if one.modifier == "uturn":
        return "u_turn"
    if one.kind in _ROUND:
        return "roundabout"
    if one.kind == "merge":
        return "merge"
    if one.kind in _KEPT:
        return "keep"
    return "turn" if _side(one.modifier) else "straight"


def _side(modifier: str) -> Side:
    if modifier.endswith("left"):
        return "left"
    return "right" if modifier.endswith("right") else ""


def _sentence(  # noqa: C901, PLR0911 - a table of cases
    action: Action, side: Side, degree: str, exit_: int | None, one: Manoeuvre
) -> str:
    onto = f" onto {one.street}" if one.street else ""
    on = f" on {one.street}" if one.street else ""
    towards = f" towards {one.towards}" if one.towards else ""
    match action:
        case "depart":
            return f"Drive off{on}."
        case "arrive":
            return f"You have arrived{f', on the {side}' if side else ''}."
        case "u_turn":
            return f"Turn round{onto}."
        case "roundabout":
            which = _ORDINAL[exit_ - 1] if exit_ and exit_ <= len(_ORDINAL) else ""
            return f"At the roundabout take {f'the {which} exit' if which else 'your exit'}{onto}."
        case "merge":
            return f"Merge{f' to the {side}' if side else ''}{onto}{towards}."
        case "keep":
            return f"Keep {side or 'straight on'}{onto}{towards}."
        case "ferry":
            return f"Take the ferry{f' {one.street}' if one.street else ''}."
        case "turn":
            return f"Turn {f'{degree} ' if degree else ''}{side}{onto}{towards}."
        case "straight":
            return f"Continue{on}{towards}."
