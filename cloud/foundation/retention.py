"""Ending what has had its time: a bounded piece at a time, a few times a day."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import DBAPIError

_log = logging.getLogger(__name__)

PASS_EVERY_S: Final = 6 * 3_600.0
RETRY_S: Final = 60.0


async def end_old(what: str, end_piece: Callable[[], int]) -> None:
    """Work until cancelled; a database that fails is tried again.

    Args:
        what: is ended, for the log.
        end_piece: ends a piece, called in a thread; gives how much it was.
    """
    while True:
        try:
            while await asyncio.to_thread(end_piece):
                pass
        except DBAPIError as error:
            _log.warning("what is old cannot be ended", extra={"what": what, "reason": error.orig})
            await asyncio.sleep(RETRY_S)
        else:
            await asyncio.sleep(PASS_EVERY_S)
