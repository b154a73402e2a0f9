"""Importing a city, from the real demo extract and from files that are none."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from cloud.roads.city import DRIVABLE, import_city, read_city
from cloud.roads.cli import main
from cloud.roads.engine import serve_argv
from cloud.roads.model import CityError, EngineMissing
from tests.parts.roads_engine import DEMO_EXTRACT, demo_city


@pytest.mark.slow
def test_the_streets_are_drawn_from_the_extract() -> None:
    drawn = json.loads((demo_city() / "streets.geojson").read_text())
    streets = drawn["features"]
    assert len(streets) == 19_846
    assert {street["properties"]["class"] for street in streets} <= DRIVABLE
    assert any(
        street["properties"].get("name") == "Avenida Francisco de Aguirre" for street in streets
    )
    west, south, east, north = read_city(demo_city()).bbox
    corners = [corner for street in streets for corner in street["geometry"]["coordinates"]]
    assert min(lon for lon, _ in corners) == west
    assert max(lon for lon, _ in corners) == east
    assert min(lat for _, lat in corners) == south
    assert max(lat for _, lat in corners) == north
    assert all(round(lon, 6) == lon and round(lat, 6) == lat for lon, lat in corners)


@pytest.mark.slow
def test_the_command_imports_and_replaces(tmp_path: Path) -> None:
    tmp_path = tmp_path / "a folder & its spaces"
    tmp_path.mkdir()
    asked = ["import", str(DEMO_EXTRACT), "--data", str(tmp_path)]
    shutil.copytree(demo_city(), tmp_path / "city")
    done = CliRunner().invoke(main, [*asked, "--name", "La Serena"])
    assert done.exit_code == 0, done.output
    facts = read_city(tmp_path / "city")
    assert facts.name == "La Serena"
    assert "OpenStreetMap" in facts.attribution
    assert facts.source == "coquimbo.osm.pbf"
    assert serve_argv(tmp_path / "city", 5000)[-1].startswith('"')
    assert sorted(path.name for path in tmp_path.iterdir()) == [".city.lock", "city"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["import", "nowhere.osm.pbf", "--data", str(tmp_path)])
    assert done.exit_code == 1
    assert "nowhere.osm.pbf: no such file" in done.output


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"hello", DEMO_EXTRACT.read_bytes()[:100_000]])
def test_a_foreign_or_cut_file_leaves_the_old_city(tmp_path: Path, content: bytes) -> None:
    city = tmp_path / "city"
    shutil.copytree(demo_city(), city)
    bad = tmp_path / "bad.osm.pbf"
    bad.write_bytes(content)
    with pytest.raises(CityError, match=r"download it again|no drivable street"):
        import_city(bad, city)
    assert read_city(city) == read_city(demo_city())
    assert serve_argv(city, 5000)
    assert not list(tmp_path.glob(".city.new"))


def test_another_format_is_refused_by_its_name(tmp_path: Path) -> None:
    wrong = tmp_path / "city.osm"
    wrong.write_text("<osm/>")
    with pytest.raises(CityError, match=r"\.osm\.pbf"):
        import_city(wrong, tmp_path / "city")


def test_what_is_not_imported_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="roundsman city import"):
        serve_argv(tmp_path / "city", 5000)
    with pytest.raises(CityError, match="roundsman city import"):
        read_city(tmp_path / "city")


@pytest.mark.slow
def test_the_engine_serves_on_loopback_only() -> None:
    argv = serve_argv(demo_city(), 5000)
    assert "--ip=127.0.0.1" in argv
    assert "--algorithm=mld" in argv
