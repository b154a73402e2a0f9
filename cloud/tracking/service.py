"""Where a van was: its track between two instants, whole or drawn with fewer fixes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final

import msgspec
from sqlalchemy import Connection

from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid
from cloud.tracking import history, lines, store, track
from cloud.tracking.blocks import Numbered
from cloud.tracking.formats import Drawn, Field, columns_of
from cloud.tracking.lines import Break, Lost
from cloud.tracking.track import Packed, Track
from wire.events import Gap

MAX_SPAN_S: Final = 31 * 86_400.0
MAX_FIXES: Final = 100_000
_FIRST_DAY_S: Final = -62_135_596_800.0
_AFTER_LAST_DAY_S: Final = 253_402_300_800.0
"""Years 1 to 9999, which RFC 3339 can tell; a van's broken clock may have told others."""
_PART_MS: Final = 86_400_000
"""What is read at a time."""
_BLOCKS: Final = 256
"""What is unpacked at a time."""
_MAX_GAPS: Final = 1_000
"""Gaps of a van that are looked at for one track, the earliest after its begin."""


def require_span(from_s: float, to_s: float) -> tuple[int, int]:
    """The span in ms, as far as it lies within the years that RFC 3339 can tell.

    Raises:
        Invalid: it is empty or longer than 31 days.
    """
    if from_s >= to_s:
        raise Invalid.field("from", "is not before to", "give an earlier from")
    if to_s - from_s > MAX_SPAN_S:
        raise Invalid.field("from", "is more than 31 days before to", "ask for a shorter span")
    return within_calendar(round(from_s * 1000), round(to_s * 1000))


def within_calendar(from_ms: int, to_ms: int) -> tuple[int, int]:
    """The part of a span that RFC 3339 can tell."""
    return max(from_ms, round(_FIRST_DAY_S * 1000)), min(to_ms, round(_AFTER_LAST_DAY_S * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """How a track is drawn.

    Attributes:
        fields: what is read of each fix beside its place and time.
        tolerance_m: no fix that is left out lies further from the line; None leaves none out.
        silent_s: a longer silence breaks the line.
    """

    fields: Sequence[Field] = ()
    tolerance_m: float | None = None
    silent_s: float = lines.SILENT_MS / 1000


class Tracks:
    """Reads what ingest has stored."""

    def __init__(self, telemetry: Database) -> None:
        self._telemetry = telemetry

    def track(
        self, tenant: str, van: str, span_ms: tuple[int, int], names: Sequence[str] = ()
    ) -> Track:
        """The van's fixes from one moment up to but without another; ``names``: columns of them.

        A van that never reported has an empty track.
        """
        with self._telemetry.reading() as connection:
            return read(connection, tenant, van, span_ms, names)

    def drawn(self, tenant: str, van: str, span_s: tuple[float, float], how: Drawing) -> Drawn:
        """The van's fixes from ``span_s[0]`` up to but without ``span_s[1]``, drawn as a whole.

        Raises:
            Invalid: the span is empty, longer than 31 days, or more than 100,000 fixes remain.
        """
        found: list[Drawn] = []
        count = 0
        for part in self.parts(tenant, van, span_s, how):
            found.append(part)
            count += len(part.track)
            if count > MAX_FIXES:
                raise Invalid.field(
                    "to",
                    f"more than {MAX_FIXES} fixes lie before it",
                    "ask for a shorter span, give a tolerance_m, or take csv or gpx",
                )
        return _whole(found, columns_of(how.fields))

    def parts(
        self, tenant: str, van: str, span_s: tuple[float, float], how: Drawing
    ) -> Iterator[Drawn]:
        """The same a day at a time, of any number of fixes.

        Raises:
            Invalid: at once, when the span is empty or longer than 31 days.
        """
        from_ms, to_ms = require_span(*span_s)
        return self._parts(tenant, van, (from_ms, to_ms), how)

    def _parts(
        self, tenant: str, van: str, span_ms: tuple[int, int], how: Drawing
    ) -> Iterator[Drawn]:
        names = columns_of(how.fields)
        with self._telemetry.reading() as connection:
            lost = lost_of(connection, tenant, van, span_ms[0])
        last = track.empty(names)
        for begin in range(*span_ms, _PART_MS):
            end = min(begin + _PART_MS, span_ms[1])
            with self._telemetry.reading() as connection:
                found = read(connection, tenant, van, (begin, end), names)
            if len(found):
                yield _drawn(last, found, lost, how)
                last = found.only(slice(-1, None))


def read(
    connection: Connection,
    tenant: str,
    van: str,
    span_ms: tuple[int, int],
    names: Sequence[str] = (),
) -> Track:
    """The fixes of a van in order, with ``span_ms[0]`` ≤ moment < ``span_ms[1]``.

    Raises:
        PackingError: what is stored is damaged.
    """
    found = read_spans(connection, tenant, {van: [span_ms]}, names)[van]
    return track.between(found, *span_ms)


def read_spans(
    connection: Connection,
    tenant: str,
    wanted: Mapping[str, Sequence[tuple[int, int]]],
    names: Sequence[str] = (),
) -> dict[str, Track]:
    """The fixes of some vans in order: all that lie in some spans of time, and others beside them.

    What is stored of all of them is unpacked together, as that costs less.

    Raises:
        PackingError: what is stored is damaged.
    """
    stored = history.stored_within(connection, tenant, wanted)
    packed = [(van, Packed(*row)) for van, one in stored.items() for row in one.blocks]
    found: dict[str, list[Track]] = {van: [] for van in wanted}
    for at in range(0, len(packed), _BLOCKS):
        some = packed[at : at + _BLOCKS]
        unpacked = track.unpacked([one for _, one in some], names)
        begin = 0
        for van, those in groupby(some, key=itemgetter(0)):
            end = begin + sum(one.fixes for _, one in those)
            found[van].append(unpacked.only(slice(begin, end)))
            begin = end
    return {van: _joined(found[van], stored[van].arrived, names) for van in wanted}


def _joined(
    found: Sequence[Track],
    arrived: Sequence[tuple[int, Sequence[Numbered]]],
    names: Sequence[str],
) -> Track:
    late = track.of_arrived(arrived, names)
    for one in found:
        late = track.without(late, one)
    return track.joined([*found, late], names)


def lost_of(connection: Connection, tenant: str, van: str, from_ms: int) -> list[Lost]:
    """What the van has told will never come; thinning leaves no hole."""
    return lost_of_vans(connection, tenant, [van], from_ms).get(van, [])


def lost_of_vans(
    connection: Connection, tenant: str, vans: Sequence[str], from_ms: int
) -> dict[str, list[Lost]]:
    """The same of some vans, by van."""
    found: dict[str, list[Lost]] = {}
    for van, body in store.gaps_since(connection, tenant, vans, from_ms, _MAX_GAPS * len(vans)):
        one = msgspec.json.decode(body, type=Gap)
        if one.reason != "thinned":
            found.setdefault(van, []).append(Lost(int(one.stream), one.first, one.last, one.reason))
    return found


def _drawn(last: Track, found: Track, lost: Sequence[Lost], how: Drawing) -> Drawn:
    """``found``, which follows on the fix ``last`` (or on none), drawn."""
    silent_ms = round(how.silent_s * 1000)
    whole = track.joined([last, found], tuple(found.columns)[len(track.ALWAYS) :])
    breaks = lines.breaks(whole, lost, silent_ms)
    fixes, skipped = len(found), len(last)
    if how.tolerance_m is not None:
        kept = lines.simplified(whole, how.tolerance_m, [one.place for one in breaks]).nonzero()[0]
        whole = whole.only(kept)
        breaks = [one._replace(place=int(kept.searchsorted(one.place))) for one in breaks]
    shifted = [one._replace(place=one.place - skipped) for one in breaks]
    return Drawn(whole.only(slice(skipped, None)), shifted, fixes)


def _whole(parts: Sequence[Drawn], names: Sequence[str]) -> Drawn:
    breaks: list[Break] = []
    begin = 0
    for part in parts:
        breaks += [one._replace(place=one.place + begin) for one in part.breaks]
        begin += len(part.track)
    whole = track.joined([part.track for part in parts], names)
    return Drawn(whole, breaks, sum(part.fixes for part in parts))
