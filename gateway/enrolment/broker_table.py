"""Writes who and where a gateway is into its configuration, and leaves the rest as it stands. Pure.

Comments, order and unknown layout are the owner's. What this cannot change without touching the
rest (a ``broker`` written inline) it refuses.
"""

import json
import re
import tomllib
from typing import Any, Final

from gateway.errors import SettingsError

_HEADER: Final = re.compile(r"^\s*\[")
_BROKER: Final = re.compile(r"^\s*\[\s*broker\s*\]\s*(#.*)?$")
_ROOT_KEY: Final = re.compile(r"^\s*(tenant|van)\s*=")
_REMEDY: Final = "write tenant and van at the top and [broker] as a table of its own"


def with_broker(text: str, names: dict[str, str], broker: dict[str, Any]) -> str:
    """``text`` with these top-level names and this ``[broker]`` table in place of those before.

    ``keepalive_s`` of the table before is kept.

    Raises:
        SettingsError: the text is no TOML, or its layout is not one this can change.
    """
    before = _parsed(text)
    kept = before.get("broker")
    if isinstance(kept, dict) and "keepalive_s" in kept:
        broker = {**broker, "keepalive_s": kept["keepalive_s"]}
    lines = [f"{key} = {json.dumps(value)}" for key, value in names.items()]
    root, rest = _without(text.splitlines())
    table = ["[broker]", *(f"{key} = {json.dumps(value)}" for key, value in broker.items())]
    made = "\n".join([*lines, *root, *table, "", *rest]).rstrip("\n") + "\n"
    expected = {**before, **names, "broker": broker}
    if _parsed(made) != expected:
        raise SettingsError(f"the configuration cannot be changed here; {_REMEDY}")
    return made


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the configuration is not TOML: {error}; {_REMEDY}") from error


def _without(lines: list[str]) -> tuple[list[str], list[str]]:
    """The lines before the first table, and those after, without what is written anew."""
    root: list[str] = []
    rest: list[str] = []
    is_root, is_broker = True, False
    for line in lines:
        if _HEADER.match(line):
            is_root, is_broker = False, _BROKER.match(line) is not None
        if is_broker:
            continue
        if is_root:
            if not _ROOT_KEY.match(line):
                root.append(line)
        else:
            rest.append(line)
    return root, rest
