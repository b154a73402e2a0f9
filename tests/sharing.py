"""How the tests of a run are shared out to its processes."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.units import unit_of


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # ships no types
    """Gives a process a file at a time, or more that belong together, in their order."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
