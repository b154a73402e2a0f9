"""The travel profile of a van: our rules (``van.lua``) with the measures of this fleet's vans."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cloud.foundation.settings import VanMeasures
from cloud.roads.engine import profiles

RULES: Final = Path(__file__).with_name("van.lua")


def write_profile(folder: Path, van: VanMeasures, opened: Iterable[int] = ()) -> Path:
    """Write the profile into ``folder``, for the largest van that has to get through.

    Args:
        folder: where to.
        van: the largest.
        opened: ids of ways that are closed to vans but for some hours of the week.

    Raises:
        EngineMissing: osrm-bindings is not installed here.
    """
    library = str(profiles()).replace("\\", "\\\\").replace('"', '\\"')
    ways = ", ".join(f"[{way}] = true" for way in opened)
    head = (
        f'package.path = "{library}/?.lua;" .. package.path\n'
        'Set, Sequence = require("lib/set"), require("lib/sequence")\n'
        f"local van = {{ height_m = {van.height_m}, width_m = {van.width_m}, "
        f"length_m = {van.length_m}, weight_kg = {van.weight_kg}, top_kmh = {van.top_kmh} }}\n"
        f"local opened = {{ {ways} }}\n"
    )
    path = folder / "van.lua"
    path.write_text(head + RULES.read_text())
    return path
