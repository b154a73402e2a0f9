"""``gateway give-up-sealed``: what an earlier van recorded is never handed in, and that is told.

Where the box still has a certificate for the earlier van, each range that waits becomes a gap
``sealed`` in that van's own streams, and only these are handed in. Where it has none, or the broker
does not take it, nobody here may speak for the earlier van: then the van that the box is in now
tells it, with an event that names the earlier one.

The decision is one commit of the sealed spool, or one small file beside it. Before it, all is still
sealed; after it, the telling goes on by itself, over any kill.
"""

import logging
import secrets
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import msgspec

from gateway.clock import Clock
from gateway.durable import put_private, sync_folder
from gateway.enrolment.delivery import NotLetIn, NotNow, hand_in, lane_as, opened
from gateway.enrolment.sealing import (
    GIVEN_UP,
    SPOOL,
    clear,
    given_up_folders,
    remove,
    sealed_folders,
)
from gateway.errors import SettingsError, SpoolError
from gateway.settings import Settings
from gateway.spool.store import Spool
from gateway.stamp import Stamp
from wire.events import SealedGivenUp

logger = logging.getLogger(__name__)

type Way = Literal["as_the_earlier", "as_the_earlier_later", "as_the_present"]
"""How it is told: as the earlier van's gaps, at once or when the broker answers, or by an event of
the present van."""

_NOTE: Final = "given-up"
"""In a sealed spool: what was given up of it. In the present van's: what was told, by folder."""
_LOOK_EVERY_S: Final = 30.0
_CONNECT_WITHIN_S: Final = 20.0


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """`GIVEN_UP`: what the present van is to tell; ``id`` is another each time."""

    id: str
    told: SealedGivenUp


def sealed_of(folder: Path, van: str) -> list[tuple[str, str, Path]]:
    """Tenant, van and folder of what is sealed of a van.

    Raises:
        SettingsError: nothing is.
    """
    found = [one for one in sealed_folders(folder) if one[1] == van]
    if not found:
        raise SettingsError(
            f"VAN: nothing is sealed of {van}; roundsman gateway status tells of which vans"
        )
    return found


def give_up(
    settings: Settings, tenant: str, van: str, folder: Path, *, within_s: float = _CONNECT_WITHIN_S
) -> Way:
    """Give up what is sealed in ``folder``; the caller holds what is sealed.

    Args:
        settings: of the gateway.
        tenant: of the earlier van.
        van: its name.
        folder: one of `sealed_of`.
        within_s: how long the broker has to answer, or it is told later.

    Raises:
        SpoolError: it cannot be read, or the medium takes nothing; then it is still sealed.
    """
    try:
        try:
            with (
                lane_as(settings, tenant, van, within_s) as lane,
                opened(settings, folder) as spool,
            ):
                _decide(spool, tenant, van)
                is_told = hand_in(settings, spool, lane)
        except NotNow:
            with opened(settings, folder) as spool:
                _decide(spool, tenant, van)
            is_told = False
        except NotLetIn:
            with opened(settings, folder) as spool:
                told = _lost(spool, tenant, van)
            _leave_note(folder, told)
            return "as_the_present"
    except (OSError, sqlite3.Error) as error:
        raise SpoolError(
            f"data_dir: {folder}: {error}; it is still sealed, make room and try again"
        ) from error
    if not is_told:
        return "as_the_earlier_later"
    try:
        remove(folder, SPOOL)
    except OSError as error:
        raise SpoolError(
            f"data_dir: {folder}: {error}; all of it is told, and it is removed with the next "
            "handing in, once the medium allows it"
        ) from error
    return "as_the_earlier"


def _decide(spool: Spool, tenant: str, van: str) -> None:
    """Have only gaps wait; what they speak of is remembered in the same commit."""
    told = _lost(spool, tenant, van)
    if spool.recall(_NOTE) is None:
        spool.remember(_NOTE, msgspec.json.encode(told))
        spool.give_up(Clock().stamp())


def _lost(spool: Spool, tenant: str, van: str) -> SealedGivenUp:
    """What waits from before now; or what did when it was given up, of which gaps are left."""
    while spool.is_repairing:
        spool.tend(Clock().stamp())
        time.sleep(0.01)
    if spool.condition != "ok":
        raise SpoolError(
            f"data_dir: {spool.connection.path} cannot be written now; look at the medium, make "
            "room and try again"
        )
    before = spool.recall(_NOTE)
    if before is not None:
        return msgspec.json.decode(before, type=SealedGivenUp)
    waiting = spool.backlog()
    return SealedGivenUp(tenant=tenant, earlier_van=van, **waiting._asdict())


def _leave_note(folder: Path, told: SealedGivenUp) -> None:
    note = Note(id=secrets.token_hex(16), told=told)
    new = folder / f"{GIVEN_UP}.new"
    put_private(new, msgspec.json.encode(note))
    new.rename(folder / GIVEN_UP)
    sync_folder(folder)
    with suppress(OSError):  # whoever tells it tries again
        clear(folder, GIVEN_UP)


class GivenUp:
    """Has the present van tell, once each, what was given up of earlier ones.

    Args:
        folder: the gateway's own. spool: the present van's.
    """

    def __init__(self, folder: Path, spool: Spool) -> None:
        self._folder = folder
        self._spool = spool
        self._next_s = 0.0

    def step(self, now_s: float, stamp: Stamp) -> None:
        """Tell what is to be told; never waits.

        Raises:
            sqlite3.Error: the medium takes nothing; it is told later.
        """
        if now_s < self._next_s:
            return
        self._next_s = now_s + _LOOK_EVERY_S
        for _, _, folder in given_up_folders(self._folder):
            try:
                note = msgspec.json.decode((folder / GIVEN_UP).read_bytes(), type=Note)
            except (OSError, msgspec.DecodeError) as error:
                extra = {"folder": str(folder), "problem": str(error)}
                logger.warning("what was given up cannot be told", extra=extra)
                continue
            self._tell(f"{_NOTE}/{folder.name}", note, stamp)
            try:
                # Without its note a spool that stays would count as sealed again.
                remove(folder, GIVEN_UP)
            except OSError as error:
                extra = {"folder": str(folder), "problem": str(error)}
                logger.warning("what was given up cannot be removed yet", extra=extra)

    def _tell(self, key: str, note: Note, stamp: Stamp) -> None:
        """Commit the event together with the mark that it was told."""
        if self._spool.recall(key) != note.id.encode():
            self._spool.add_event(note.told, stamp)
            self._spool.remember(key, note.id.encode())
            logger.info("what was given up of an earlier van is told", extra={"id": note.id})
        self._spool.commit(stamp)
