"""An engine that somebody else runs."""

from pathlib import Path

import msgspec
import pytest

from cloud.foundation.errors import Invalid
from cloud.foundation.layout import DataFolder
from cloud.foundation.ports import Ports
from cloud.foundation.settings import RoadsSettings, Settings, load
from cloud.roads.engine import engine_url
from cloud.stages import Serving, stages


def test_an_engine_elsewhere_is_asked_and_none_is_started(tmp_path: Path) -> None:
    file = tmp_path / "cloud.toml"
    file.write_text('[roads]\nurl = "http://10.1.2.3:5000/"\n')
    settings = load(file)
    assert engine_url(settings.roads.url, 4_000) == "http://10.1.2.3:5000"
    assert engine_url(None, 4_000) == "http://127.0.0.1:4000"
    assert "roads" not in started(tmp_path, settings)
    assert "roads" in started(tmp_path, Settings(roads=RoadsSettings()))


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cloud.toml"
    file.write_text('[roads]\nurl = "10.1.2.3:5000"\n')
    with pytest.raises(Invalid, match=r"roads\.url"):
        load(file)


def started(folder: Path, settings: Settings) -> list[str]:
    data = DataFolder(folder)
    data.ports.write_bytes(msgspec.json.encode(Ports(mqtt=1, nats=2, monitor=3, roads=4)))
    data.running.mkdir(exist_ok=True)
    serving = Serving(data=data, settings=settings, host="127.0.0.1", port=8480)
    return [part.name for stage in stages(serving) for part in stage]
