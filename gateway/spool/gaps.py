"""What is given up is told: rows are taken out, and the event that says so goes with them.

All of it happens inside the transaction of a group commit, so that a gap is never told of rows that
are still there, nor rows taken out without one.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from gateway.spool import evicting
from gateway.spool.book import Book, GapReason, Lost
from gateway.spool.medium import Medium
from gateway.spool.pending import Pending
from gateway.spool.ranges import Span
from gateway.spool.rows import SEQS, Stream, base_id, kind_of
from gateway.stamp import Stamp

MAX_REFUSED: Final = 10_000


class Teller(NamedTuple):
    """Writes gaps into one group.

    Attributes:
        pending: where their events go.
        streams: what can be named, by the id of seq 0.
        boot: this start.
        stamp: now.
    """

    pending: Pending
    streams: Mapping[int, Stream]
    boot: int
    stamp: Stamp

    def tell(self, book: Book, gap: Lost, reason: GapReason) -> int:
        """Tell one gap; returns the id of the event that does."""
        stream = self.streams[gap.first - gap.first % SEQS]
        seq = self.pending.add_gap(stream.id, gap, reason, self.stamp)
        told = base_id("event", self.boot) + seq
        book.tellers[base_id(stream.kind, stream.boot)] = told
        return told


def set_aside(
    database: Medium, book: Book, teller: Teller, reason: GapReason, gone: Iterable[Span]
) -> bool:
    """Take out rows that the cloud has refused, or that decode to nothing.

    Returns:
        Whether any of them were still waited for.
    """
    is_changed = False
    for first, last in gone:
        lost = sum(book.count(*span) for span in book.settled.missing(first, last))
        if lost == 0:
            continue
        database.execute(
            "INSERT OR IGNORE INTO refused SELECT id, body FROM row WHERE id BETWEEN ? AND ?",
            (first, last),
        )
        teller.tell(book, Lost(first, last, lost), reason)
        book.settle(first, last)
        database.execute("DELETE FROM row WHERE id BETWEEN ? AND ?", (first, last))
        is_changed = True
    return is_changed


def bound_aside(database: Medium) -> None:
    """Keep the newest `MAX_REFUSED` of the rows that were set aside."""
    database.execute(
        "DELETE FROM refused WHERE id NOT IN (SELECT id FROM refused ORDER BY id DESC LIMIT ?)",
        (MAX_REFUSED,),
    )


def seal(database: Medium, book: Book, teller: Teller, given_up: list[Span]) -> None:
    """Tell what will never be sent; its rows stay where they are."""
    for first, last in given_up:
        teller.tell(book, Lost(first, last, last - first + 1), "sealed")
        book.settle(first, last)
    if given_up:
        events = [span for span in given_up if kind_of(span[0]) == "event"]
        evicting.tell_again(database, book, events)


def tell_due(book: Book, teller: Teller) -> None:
    """Tell what was thinned or dropped, and what is to be told anew."""
    for reason, gap in book.to_tell():
        book.told(gap.first, reason, teller.tell(book, gap, reason))
