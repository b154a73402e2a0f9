"""Looking now and then whether there is something to do or to tell."""

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

_log = logging.getLogger(__name__)


async def keep_looking(what: str, look: Callable[[], object], every_s: float) -> None:
    """Look until cancelled; a database that fails is looked into again.

    Args:
        what: is looked at, for the log.
        look: looks once, called in a thread.
        every_s: how long is rested after each look.
    """
    while True:
        try:
            await asyncio.to_thread(look)
        except DBAPIError as error:
            _log.warning(
                "the database fails; looked at later",
                extra={"what": what, "reason": str(error.orig)},
            )
        await asyncio.sleep(every_s)
