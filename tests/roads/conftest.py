from collections.abc import Iterator

import pytest

from tests.parts.roads_engine import RoadEngine, roads_engine


@pytest.fixture(scope="package")
def engine() -> Iterator[RoadEngine]:
    with roads_engine() as running:
        yield running
