from pathlib import Path

import pytest

import sim
from sim.streets import Streets

EXTRACT = Path(sim.__file__).with_name("city") / "coquimbo.osm.pbf"


@pytest.fixture(scope="session")
def streets() -> Streets:
    return Streets.read(EXTRACT)
