"""What was set aside, for a person: listed, shown, tried again through intake, or dropped.

Ingest alone writes its database, so whoever wants something done lays an errand into the data
folder; ingest does it between its groups and lays the outcome beside it.
"""

import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, func, select

from cloud.foundation.database import Database
from cloud.foundation.errors import Invalid, NotFound, Unavailable
from cloud.foundation.files import private_folder, put, sync_folder
from cloud.foundation.layout import DataFolder
from cloud.tracking import store
from cloud.tracking.erasing import Erasing, Erasure
from cloud.tracking.intake import Arrived, Group, Intake
from cloud.tracking.store import SET_ASIDE
from wire import topics

MOST_AT_ONCE: Final = 10_000
"""Of one errand."""
_PIECE: Final = 50
"""Messages in one transaction; ingest looks for new ones in between."""
_TOLD: Final = 50
_LOOK_EVERY_S: Final = 0.5
_ANSWER_WITHIN_S: Final = 30.0
_FORGET_AFTER_S: Final = 3600.0


class Letter(NamedTuple):
    """One message that was set aside; ``id`` is the digest of its topic and content, in hex."""

    id: str
    topic: str
    payload_bytes: int
    reason: str
    received_at_ms: int


class Errand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="letters"):
    """What is to be done with letters of one tenant: those of a van, those named, or all."""

    what: Literal["replay", "drop"]
    tenant: str
    van: str | None = None
    ids: tuple[str, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an errand: how many are done, and those that are left, each with why."""

    done: int = 0
    left: int = 0
    reasons: dict[str, str] = {}


class DeadLetters:
    """Reads what is set aside, and has ingest do the rest."""

    def __init__(self, data: DataFolder, database: Database) -> None:
        self._data = data
        self._database = database

    def page(
        self, tenant: str, van: str | None = None, after: str = "", limit: int = 100
    ) -> list[Letter]:
        """Letters by id, those after the id ``after`` only.

        Raises:
            Invalid: a name that cannot be one.
        """
        with self._database.reading() as connection:
            return _letters(connection, _prefix(tenant, van), after, limit)

    def content(self, tenant: str, letter_id: str) -> tuple[Letter, bytes]:
        """One letter and the bytes that are kept of it.

        Raises:
            NotFound: there is none.
        """
        with self._database.reading() as connection:
            is_one = re.fullmatch("[0-9a-f]{64}", letter_id) is not None
            found = _letter(connection, _prefix(tenant, None), letter_id) if is_one else None
        if found is None:
            raise NotFound(f"dead letter {letter_id[:80]!r} is not known; list them first")
        return found

    def ask(self, errand: Errand, within_s: float = _ANSWER_WITHIN_S) -> Outcome:
        """Have the running ingest do ``errand``.

        Raises:
            Invalid: a name that cannot be one. NotFound: an id that is not there.
            Unavailable: ingest has not answered in time; it does the errand all the same.
        """
        _prefix(errand.tenant, errand.van)
        for one in errand.ids:
            self.content(errand.tenant, one)
        answer = have_done(self._data, errand, within_s)
        return msgspec.json.decode(answer, type=Outcome)


def have_done(
    data: DataFolder, errand: Errand | Erasure, within_s: float = _ANSWER_WITHIN_S
) -> bytes:
    """Have the running ingest do ``errand``; its outcome as JSON.

    Raises:
        Unavailable: ingest has not answered in time; it does the errand all the same.
    """
    folder = private_folder(_folder(data))
    name = f"{time.monotonic_ns()}"
    put(folder / f"{name}.ask", msgspec.json.encode(errand))
    sync_folder(folder)
    answer = folder / f"{name}.answer"
    end_s = time.monotonic() + within_s
    while not answer.exists():
        if time.monotonic() >= end_s:
            raise Unavailable("ingest: has not answered in time; see its health, and ask again")
        time.sleep(0.05)
    told = answer.read_bytes()
    answer.unlink()
    return told


class Errands:
    """Ingest's side: does what was laid into the data folder, a piece at a time."""

    def __init__(self, data: DataFolder, database: Database, intake: Intake) -> None:
        self._folder = _folder(data)
        self._database = database
        self._intake = intake
        self._open: tuple[Path, _Work | Erasing] | None = None

    @property
    def every_s(self) -> float:
        """How long to wait before the next piece, or the next look for an errand."""
        return _LOOK_EVERY_S if self._open is None else 0.0

    def work(self) -> bool:
        """Do one piece of one errand; False when there is none.

        Raises:
            DBAPIError: the database fails; the errand waits.
        """
        if self._open is None:
            self._open = self._next()
        if self._open is None:
            return False
        path, work = self._open
        if not work.step(self._database, self._intake):
            put(path.with_suffix(".answer"), msgspec.json.encode(work.outcome), is_durable=False)
            path.unlink(missing_ok=True)
            self._open = None
        return True

    def do(self, errand: Errand) -> Outcome:
        """All of ``errand`` at once, where no ingest runs beside."""
        work = _Work(errand)
        while work.step(self._database, self._intake):
            pass
        return work.outcome

    def _next(self) -> "tuple[Path, _Work | Erasing] | None":
        for path in sorted(self._folder.glob("*.ask")):
            try:
                errand = msgspec.json.decode(path.read_bytes(), type=Errand | Erasure)
                return path, Erasing(errand) if isinstance(errand, Erasure) else _Work(errand)
            except (msgspec.DecodeError, OSError):
                path.unlink(missing_ok=True)
        now_s = time.time()  # noqa: TID251 - compared with the file system's clock
        for path in self._folder.glob("*.answer"):
            with suppress(FileNotFoundError):  # whoever asked has just taken it
                if now_s - path.stat().st_mtime > _FORGET_AFTER_S:
                    path.unlink()
        return None


class _Work:
    """How far one errand has come."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._after = ""
        self._seen = 0
        self.outcome = Outcome()

    def step(self, database: Database, intake: Intake) -> bool:
        """Do a piece; False when nothing is left to do."""
        with database.reading() as connection:
            found = self._piece(connection)
        if not found or self._seen >= MOST_AT_ONCE:
            return False
        group, gone, reasons = Group(), list[bytes](), dict[str, str]()
        for letter, payload in found:
            reason = self._try(letter, payload, intake, group)
            if reason is None:
                gone.append(bytes.fromhex(letter.id))
            else:
                reasons[letter.id] = reason
        with database.writing() as connection:
            store.write(connection, group.writes)
            connection.execute(delete(SET_ASIDE).where(SET_ASIDE.c.digest.in_(gone)))
        intake.settle(group)
        intake.note_removed()
        before = self.outcome
        told = dict(list((before.reasons | reasons).items())[:_TOLD])
        self.outcome = Outcome(
            done=before.done + len(gone), left=before.left + len(reasons), reasons=told
        )
        self._after = found[-1][0].id
        self._seen += len(found)
        return True

    def _piece(self, connection: Connection) -> list[tuple[Letter, bytes]]:
        errand = self._errand
        prefix = _prefix(errand.tenant, errand.van)
        if errand.ids:
            ids = [one for one in sorted(errand.ids) if one > self._after][:_PIECE]
            found = (_letter(connection, prefix, one) for one in ids)
        else:
            some = _letters(connection, prefix, self._after, _PIECE)
            found = (_letter(connection, prefix, one.id) for one in some)
        return [one for one in found if one is not None]

    def _try(self, letter: Letter, payload: bytes, intake: Intake, group: Group) -> str | None:
        """None when the letter is done with."""
        if self._errand.what == "drop":
            return None
        arrived = Arrived(topic=letter.topic, payload=payload, received_at_ms=letter.received_at_ms)
        return intake.take_again(arrived, group)


def _folder(data: DataFolder) -> Path:
    return data.running / "errands"


def _prefix(tenant: str, van: str | None) -> str:
    """What the topics begin with.

    Raises:
        Invalid: a name that cannot be one.
    """
    try:
        if van is not None:
            return topics.up_all(tenant, van).removesuffix("+")
        return topics.up_all(tenant, "x").removesuffix("x/up/+")
    except topics.TopicError as error:
        raise Invalid.field("van", str(error), "give a van's id") from error


_COLUMNS: Final = (
    SET_ASIDE.c.digest,
    SET_ASIDE.c.topic,
    func.length(SET_ASIDE.c.payload).label("size"),
    SET_ASIDE.c.reason,
    SET_ASIDE.c.received_at_ms,
)


def _row(row: Any) -> Letter:
    return Letter(row.digest.hex(), row.topic, row.size, row.reason, row.received_at_ms)


def _below(prefix: str) -> Any:
    return (SET_ASIDE.c.topic >= prefix) & (SET_ASIDE.c.topic < prefix + "\U0010ffff")


def _letters(connection: Connection, prefix: str, after: str, limit: int) -> list[Letter]:
    wanted = select(*_COLUMNS).where(_below(prefix), SET_ASIDE.c.digest > _digest(after))
    rows = connection.execute(wanted.order_by(SET_ASIDE.c.digest).limit(limit))
    return [_row(row) for row in rows]


def _letter(connection: Connection, prefix: str, letter_id: str) -> tuple[Letter, bytes] | None:
    row = connection.execute(
        select(*_COLUMNS, SET_ASIDE.c.payload).where(
            _below(prefix), SET_ASIDE.c.digest == _digest(letter_id)
        )
    ).first()
    return None if row is None else (_row(row), row.payload)


def _digest(letter_id: str) -> bytes:
    try:
        return bytes.fromhex(letter_id)
    except ValueError:
        raise Invalid.field(
            "cursor", f"{letter_id[:80]!r} is not one", "take it from the list"
        ) from None
