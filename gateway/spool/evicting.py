"""Making room in a full spool: the statements that carry out what thinning.py decides."""

import logging
from typing import Final

from gateway.spool.book import Book, whole
from gateway.spool.medium import Medium
from gateway.spool.ranges import Span
from gateway.spool.rows import SEQS, Kind, Row, is_readable, unchecked
from gateway.spool.schema import PAGE_BYTES
from gateway.spool.thinning import LEVELS, STRIDE, next_level
from wire import codec
from wire.events import Gap
from wire.messages import Event

logger = logging.getLogger(__name__)

ALWAYS_BYTES: Final = 4_000_000
"""The spool may have these, however little the medium has left: a day at 1 Hz and more."""

MAX_ID: Final = (1 << 63) - 1
_MAX_STEPS: Final = 50
_SHARE: Final = 0.02
"""Of the rows of an age, given up in one step."""

_MIN_ROWS: Final = 64
_MAX_ROWS: Final = 20_000
_MIN_PAGES: Final = 32


def page_limit(medium: Medium, max_bytes: int, keep_free_bytes: int) -> int:
    """How many pages may be in use.

    The file may not pass ``max_bytes`` nor grow into what the medium keeps for others; the place it
    has taken already stays its own, and so do `ALWAYS_BYTES`.
    """
    growth = max(0, medium.free_bytes() - keep_free_bytes)
    # Pages that are in the log alone, before a checkpoint, have their place too.
    taken = max(medium.taken_bytes() + growth, medium.pages() * PAGE_BYTES)
    return min(max_bytes, max(ALWAYS_BYTES, taken)) // PAGE_BYTES


def make_room(medium: Medium, book: Book, limit: int) -> None:
    """Give up rows, inside the caller's transaction, until fewer than ``limit`` pages are used."""
    used = medium.used_pages()
    if used <= limit:
        return
    goal = limit - max(_MIN_PAGES, limit // 100)
    for _ in range(_MAX_STEPS):
        if not (drop_acknowledged(medium, book, _MAX_ROWS) or _fade(medium, book)):
            return
        used = medium.used_pages()
        if used <= goal:
            return


def drop_acknowledged(medium: Medium, book: Book, limit: int, within: Span = (0, MAX_ID)) -> bool:
    """Delete the oldest acknowledged rows; whether there were any.

    Args:
        medium: the file.
        book: what it holds.
        limit: ids to go through at most.
        within: only these ids.
    """
    for first, last in book.kept.inside(*within):
        end = min(last, first + limit - 1)
        _delete(medium, book, first, end)
        book.kept = book.kept.without_span(first, end)
        return True
    return False


def _delete(medium: Medium, book: Book, first: int, last: int) -> None:
    medium.execute("DELETE FROM row WHERE id BETWEEN ? AND ?", (first, last))
    book.cut(first, last)


def extent_of(medium: Medium, base: int) -> Span | None:
    """The first and the last row of a stream, None without rows."""
    # Both in one query without the subqueries would read every row in between.
    first, last = medium.execute(
        "SELECT (SELECT min(id) FROM row WHERE id BETWEEN ?1 AND ?2),"
        " (SELECT max(id) FROM row WHERE id BETWEEN ?1 AND ?2)",
        (base, base + SEQS - 1),
    ).fetchone()
    return None if first is None else (first, last)


def _fade(medium: Medium, book: Book) -> bool:
    """Thin or drop the oldest positions that are due; events when there is none."""
    counts = book.levels()
    if sum(counts) == 0:
        return _drop_oldest(medium, book, "event", _chunk(book.waiting("event")), None)
    level = next_level(counts)
    rows = _chunk(counts[level])
    if level == LEVELS:
        return _drop_oldest(medium, book, "fix", rows, book.thinned.bounds[-1])
    bounds = (*book.thinned.bounds, 0)
    first = max(bounds[level], whole("fix")[0])
    upper = bounds[level - 1] if level else book.last("fix") + 1
    end = _id_at(medium, first, upper, rows)
    end -= end % STRIDE
    if end <= first:
        return _drop_oldest(medium, book, "fix", rows, None)
    _thin(medium, book, level + 1, (first, end))
    return True


def _chunk(count: int) -> int:
    return min(max(_MIN_ROWS, round(count * _SHARE)), _MAX_ROWS)


def _id_at(medium: Medium, first: int, end: int, offset: int) -> int:
    """The id of the row after the next ``offset`` from ``first`` on, or ``end``."""
    found = medium.execute(
        "SELECT id FROM row WHERE id >= ? AND id < ? ORDER BY id LIMIT 1 OFFSET ?",
        (first, end, offset),
    ).fetchone()
    return end if found is None else int(found[0])


def _thin(medium: Medium, book: Book, level: int, part: Span) -> None:
    """Keep of the rows from ``part[0]`` up to ``part[1]``, exclusive, each 2**level-th.

    They are written anew: SQLite gives no page back that is still half full.
    """
    first, end = part
    for span in _unsettled_by_stream(book, "fix", first, end - 1):
        book.give_up(*span, "thinned")
    left = medium.execute(
        "SELECT id, body FROM row WHERE id >= ? AND id < ? AND id % ? = 0",
        (first, end, 1 << level),
    ).fetchall()
    medium.execute("DELETE FROM row WHERE id >= ? AND id < ?", (first, end))
    medium.executemany("INSERT INTO row VALUES (?, ?)", left)
    book.thinned = book.thinned.raised(level, end)


def _drop_oldest(medium: Medium, book: Book, kind: Kind, rows: int, upper: int | None) -> bool:
    first, last = whole(kind)
    end = _id_at(medium, first, last if upper is None else upper, rows)
    gone = _unsettled_by_stream(book, kind, first, end - 1)
    for span in gone:
        book.drop(*span)
    if kind == "event":
        tell_again(medium, book, gone)
    _delete(medium, book, first, end - 1)
    return bool(gone)


def tell_again(medium: Medium, book: Book, gone: list[Span]) -> None:
    """A gap told by an event that is given up itself, in one of ``gone``, is untold again."""
    for first, last in gone:
        for row_id, body in medium.execute(
            "SELECT id, body FROM row WHERE id BETWEEN ? AND ?", (first, last)
        ):
            bare = unchecked(body, row_id)
            if bare is None or not is_readable(Row(row_id, bare)):
                continue
            event = codec.decode(bare, Event)
            if isinstance(event.body, Gap) and not book.untell(event.body):
                logger.error("a gap cannot be told again", extra={"stream": event.body.stream})


def _unsettled_by_stream(book: Book, kind: Kind, first: int, last: int) -> list[Span]:
    """Of each stream the waiting rows within ``first`` to ``last``, from the first to the last."""
    found: dict[int, Span] = {}
    for begin, end in book.unsettled(kind, first - 1):
        if begin > last:
            break
        base = begin - begin % SEQS
        found[base] = (found.get(base, (begin, end))[0], min(end, last))
    return list(found.values())
