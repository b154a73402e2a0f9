"""Breaking off what is done for a job when something more urgent comes."""

import asyncio
from collections.abc import Coroutine


class GaveWay(Exception):
    """A search was broken off for something more urgent. Nothing has changed."""


class Yielding:
    """The word between who searches and who may need it to end; of one event loop."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._is_open = True

    def ask(self) -> bool:
        """Ask for the way; whether it is given for sure, and nothing comes of the search."""
        self._asked.set()
        return self._is_open

    async def unless_asked[T](self, work: Coroutine[None, None, T]) -> T:
        """The result of ``work``, which is ended when the way is asked for meanwhile, or was.

        Afterwards it is given no more, until something is searched again.

        Raises:
            GaveWay: it was asked for.
        """
        self._is_open = True
        working = asyncio.create_task(work, name="search")
        asked = asyncio.create_task(self._asked.wait(), name="give way")
        try:
            await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
            if self._asked.is_set():
                raise GaveWay
            self._is_open = False
            return working.result()
        finally:
            working.cancel()
            asked.cancel()
            await asyncio.gather(working, asked, return_exceptions=True)
