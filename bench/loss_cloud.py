"""The committing cloud as a process of its own, so that it can be killed in the middle of a commit.

It also stores what a naive van says, one that frees a message at the broker's receipt.
"""

import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from tests.gateway.rig import Cloud

NAIVE: Final = "naive"
_POISON_EACH: Final = 5_000


class RecordingCloud(Cloud):
    """Stores the numbers of the naive van beside the rest, and takes no batch with poison in it."""

    def _commit(self, rows: list[tuple[str, int, bytes]], *covered: int) -> None:
        if any((seq + 1) % _POISON_EACH == 0 for _, seq, _ in rows):
            self._acknowledge(rows[0][0])
        else:
            super()._commit(rows, *covered)

    def _take(self, kind: str, payload: bytes) -> None:
        if kind == "result":
            number = msgspec.json.decode(payload, type=int)
            self._store.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (NAIVE, number, b""))
        super()._take(kind, payload)


if __name__ == "__main__":
    RecordingCloud(Path(sys.argv[1]), int(sys.argv[2]))
    while True:
        time.sleep(60)
