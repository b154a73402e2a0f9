"""Every directed segment of the imported city: its nodes, where it lies, how long it takes.

Read from the road engine's own files, so that a pair of nodes here is one that the engine knows:
``.geometry`` holds the nodes, times and weights of each piece of street in both directions,
``.nbg_nodes`` their OpenStreetMap ids and coordinates. Both are tar archives of little-endian
columns; the packed ones hold values of a fixed number of bits without gaps, in blocks of 64.
"""

import tarfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from cloud.roads.engine import BASE
from cloud.roads.model import CityError

type Floats = npt.NDArray[np.float64]
type Longs = npt.NDArray[np.int64]
type Places = npt.NDArray[np.intp]

_EARTH_M: Final = 6_371_000.0
_DECISECONDS: Final = 10.0
_LEAST_LIKED: Final = 0.1
"""Of a segment of a metre, whose weight of a tenth of a second is half a rounding error."""
_CLOSED: Final = (1 << 22) - 1
"""Stands where a direction cannot be driven (INVALID_SEGMENT_DURATION of OSRM)."""


@dataclass(frozen=True, slots=False, eq=False, kw_only=True)
class Segments:
    """Columns, one place for each directed segment that can be driven, by (tail, head).

    The engine keeps a one-way street's other direction too; it has a place that nobody drives.

    Attributes:
        tail, head: OpenStreetMap ids of its nodes. lat, lon, to_lat, to_lon: degrees of both.
        metres: its length. seconds: by the travel profile, without what turns cost.
        liked: how gladly the profile takes it, as a share of its speed, 0 to 1; one value is that
            of all.
    """

    tail: Longs
    head: Longs
    lat: Floats
    lon: Floats
    to_lat: Floats
    to_lon: Floats
    metres: Floats
    seconds: Floats
    liked: Floats = field(default_factory=lambda: np.ones(1))

    def __len__(self) -> int:
        return len(self.tail)

    @cached_property
    def kmh(self) -> Floats:
        """The profile's speed."""
        return self.metres / np.maximum(self.seconds, 0.05) * 3.6

    def find(self, tail: Longs, head: Longs) -> Places:
        """The place of each pair; -1 where there is none."""
        at = np.searchsorted(self._keys, self._key(tail, head))
        at = np.minimum(at, len(self) - 1)
        is_there = (self.tail[at] == tail) & (self.head[at] == head)
        found: Places = np.where(is_there, at, -1)
        return found

    @cached_property
    def _nodes(self) -> Longs:
        return np.unique(np.concatenate([self.tail, self.head]))

    @cached_property
    def _keys(self) -> Longs:
        return self._key(self.tail, self.head)

    def _key(self, tail: Longs, head: Longs) -> Longs:
        """Ascends as the segments do; ids have too many bits for two of them in one number."""
        count = len(self._nodes)
        return np.searchsorted(self._nodes, tail) * count + np.searchsorted(self._nodes, head)


def read_segments(city: Path) -> Segments:
    """The segments of the imported ``city`` (the folder); a quarter of a second for a large city.

    Raises:
        CityError: none is imported there, or its files are of another form.
    """
    try:
        return _segments(_Tar(city / f"{BASE}.geometry"), _Tar(city / f"{BASE}.nbg_nodes"))
    except FileNotFoundError as error:
        raise CityError(
            f"{city}: no street network; run: roundsman city import FILE.osm.pbf "
            f"--data {city.parent}"
        ) from error
    except (OSError, KeyError, ValueError, IndexError, tarfile.TarError) as error:
        raise CityError(
            f"{city}: its segments cannot be read ({error}); import it again"
        ) from error


def count_of_nodes(city: Path) -> int:
    """Of how many pieces of street, each direction for itself, the network in a folder is made.

    Raises:
        CityError: it cannot be read.
    """
    try:
        column = _Tar(city / f"{BASE}.ebg").column("/common/number_of_edge_based_nodes", "<u4")
        return int(column[0])
    except (OSError, KeyError, ValueError, IndexError, tarfile.TarError) as error:
        raise CityError(f"{city}: its network cannot be read ({error}); import it again") from error


class _Tar:
    """One of the engine's archives."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def column(self, name: str, kind: str) -> npt.NDArray[np.generic]:
        """A plain column."""
        with tarfile.open(self._path, "r:") as archive:
            member = archive.extractfile(archive.getmember(name))
            if member is None:
                raise KeyError(name)
            found: npt.NDArray[np.generic] = np.frombuffer(member.read(), dtype=kind)
            return found

    def packed(self, name: str) -> Longs:
        """A packed column."""
        count = int(self.column(f"{name}/number_of_elements.meta", "<u8")[0])
        return unpacked(self.column(f"{name}/packed", "<u8").astype(np.uint64), count)


def unpacked(words: npt.NDArray[np.uint64], count: int) -> Longs:
    """``count`` values out of 64-bit words in which they lie without gaps, 64 to a block."""
    if not count:
        return np.zeros(0, dtype=np.int64)
    bits = len(words) // -(-count // 64)
    begins = np.arange(count, dtype=np.uint64) * np.uint64(bits)
    word, offset = begins >> np.uint64(6), begins & np.uint64(63)
    low = words[word] >> offset
    following = words[np.minimum(word + np.uint64(1), np.uint64(len(words) - 1))]
    high = np.where(offset > 0, following << ((np.uint64(64) - offset) & np.uint64(63)), 0)
    mask = np.uint64((1 << bits) - 1)
    values: Longs = ((low | high.astype(np.uint64)) & mask).astype(np.int64)
    return values


def _segments(geometry: _Tar, nodes: _Tar) -> Segments:
    data = "/common/segment_data"
    index = geometry.column(f"{data}/index", "<u4").astype(np.int64)
    node = geometry.column(f"{data}/nodes", "<u4").astype(np.int64)
    forward = geometry.packed(f"{data}/forward_durations")
    reverse = geometry.packed(f"{data}/reverse_durations")
    chosen = geometry.packed(f"{data}/forward_weights"), geometry.packed(f"{data}/reverse_weights")
    ids = nodes.packed("/common/nbn_data/osm_node_ids")
    fixed = nodes.column("/common/nbn_data/coordinates", "<i4").astype(np.float64)
    places = fixed.reshape(-1, 2) / 1e6
    is_first = np.zeros(len(node) + 1, dtype=bool)
    is_first[index] = True
    one = np.flatnonzero(~is_first[1 : len(node)])  # each but the last of its street, and the next
    other = one + 1
    tails, heads = np.concatenate([one, other]), np.concatenate([other, one])
    lasts = np.concatenate([forward[other], reverse[one]])
    counts = np.concatenate([chosen[0][other], chosen[1][one]])
    # Where a sign or a light stands a node comes twice, with nothing between.
    is_driven = (lasts < _CLOSED) & (ids[node[tails]] != ids[node[heads]])
    tails, heads = node[tails[is_driven]], node[heads[is_driven]]
    order = np.lexsort((ids[heads], ids[tails]))
    tails, heads = tails[order], heads[order]
    lasts, counts = lasts[is_driven][order], counts[is_driven][order]
    (lon, lat), (to_lon, to_lat) = places[tails].T, places[heads].T
    return Segments(
        tail=ids[tails],
        head=ids[heads],
        lat=lat,
        lon=lon,
        to_lat=to_lat,
        to_lon=to_lon,
        metres=_metres(lat, lon, to_lat, to_lon),
        seconds=lasts / _DECISECONDS,
        liked=np.clip(lasts / np.maximum(counts, 1), _LEAST_LIKED, 1.0),
    )


def _metres(lat: Floats, lon: Floats, to_lat: Floats, to_lon: Floats) -> Floats:
    north = np.radians(to_lat - lat)
    east = np.radians(to_lon - lon) * np.cos(np.radians((lat + to_lat) / 2))
    away: Floats = _EARTH_M * np.hypot(north, east)
    return away
