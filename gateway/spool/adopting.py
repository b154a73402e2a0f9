"""Becoming the next start of a spool: which earlier starts it goes on from, and what they left."""

import logging
from typing import Final, NamedTuple

from gateway.errors import SpoolError
from gateway.spool import evicting, starts
from gateway.spool.backfill import Correction
from gateway.spool.book import Book
from gateway.spool.medium import Medium
from gateway.spool.notes import Notes
from gateway.spool.repairing import Repair
from gateway.spool.rows import Kind, Stream
from gateway.spool.starts import Start

logger = logging.getLogger(__name__)

OWNER: Final = "/owner"
"""The note that says whose rows these are."""


class Adopted(NamedTuple):
    """What a start has taken over.

    Attributes:
        boot: its own ordinal.
        streams: of all starts of which something is left, by the id of their seq 0.
        corrections: what rows of earlier starts need, by the start's ordinal.
        book: what the rows of all of them are.
    """

    boot: int
    streams: dict[int, Stream]
    corrections: dict[int, Correction]
    book: Book


def adopt(medium: Medium, notes: Notes, repair: Repair, own: dict[Kind, int]) -> Adopted:
    """The start after the newest that the file, or one that was set aside, knows.

    Nothing is changed but what ``repair`` goes on with, so that it can be tried again.

    Args:
        medium: the file.
        notes: what is in it.
        repair: of the files that were set aside.
        own: ids of this start's streams.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    is_repairing = repair.restore()
    # All that may fail comes first: half an adoption would go on in an earlier start's stream.
    found = starts.read(medium, notes.recall(starts.NOTE))
    bases = [base for start in found for base in start.streams]
    extents = {base: evicting.extent_of(medium, base) for base in bases}
    book = Book()
    book.restore(notes.known)
    book.adopt({base: extent for base, extent in extents.items() if extent is not None})
    kept = [one for one in found if is_repairing or any(map(book.speaks_of, one.streams))]
    boot = 1 + max([repair.newest, *(start.boot for start in found)])
    kept.append(Start(boot, own["event"], own["fix"]))
    streams = {base: stream for one in kept for base, stream in one.streams.items()}
    for reason in book.know(streams.values()):
        logger.error("a gap of a forgotten start cannot be told", extra={"reason": reason})
    if not is_repairing:
        book.prune(())
    corrections = {one.boot: known for one in kept if (known := one.correction)}
    return Adopted(boot, streams, corrections, book)


def owner_in(notes: Notes) -> str | None:
    """The van whose rows these are; None in a spool that nobody has claimed."""
    owner = notes.recall(OWNER)
    return None if owner is None else owner.decode()


def claim(medium: Medium, notes: Notes, owner: str) -> None:
    """Say whose rows these are, with the next commit.

    Raises:
        SpoolError: they are another van's.
    """
    before = owner_in(notes)
    if before is None:
        notes.remember(OWNER, owner.encode())
    elif before != owner:
        raise SpoolError(
            f"van: the spool {medium.path} holds rows of {before}, not of {owner}; seal it under "
            "its own van, or correct the name"
        )
