"""A box becomes a van's gateway, speaks by its certificate alone, and is shut out at once."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.gateway.rig import ROOT, Line, Receiver, Van, wait_until
from tests.parts.certified_cloud import certificates, certified_cloud, claim
from tests.parts.served_cloud import ServedCloud

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Box(Van):
    """A Raspberry Pi with a receiver and no identity yet."""

    def __init__(self, folder: Path, device: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data, self.config, self.log = folder / "data", folder / "gateway.toml", folder / "log"
        self.process = None
        self.config.write_text(
            f"""# this van's box
data_dir = "{self.data}"

[[receivers]]
kind = "serial"
device = "{device}"  # the roof antenna
[spool]
commit_every_s = 0.3
[uplink]
batch_fixes = 10
batch_wait_s = 0.5
live_every_s = 0.2
resend_after_s = 2.0
"""
        )

    def enrol(
        self, cloud: ServedCloud, token: str, *options: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "roundsman", "gateway", "enrol"),
                *("--config", str(self.config), "--url", cloud.url, *options),
            ],
            input=token,
            check=False,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def enrolled(self, cloud: ServedCloud, van: str) -> str:
        """Enrol the box for ``van``; the serial number of its certificate."""
        done = self.enrol(cloud, claim(cloud, van))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["van"] == van
        serial: str = json.loads(done.stdout)["serial"]
        return serial


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedCloud]:
    root = tmp_path_factory.mktemp("cloud")
    with certified_cloud(root, "van-1", "van-2", "van-3", "van-4") as served:
        yield served


@pytest.fixture
def box(tmp_path: Path, line: Line) -> Iterator[Box]:
    box = Box(tmp_path / "box", line.device)
    yield box
    box.kill()


def fixes_of(cloud: ServedCloud, van: str) -> int:
    """How many fixes the cloud has committed as this van's."""
    with closing(sqlite3.connect(f"file:{cloud.root}/telemetry.db?mode=ro", uri=True)) as reader:
        (count,) = reader.execute("SELECT count(*) FROM fix WHERE van = ?", (van,)).fetchone()
    return int(count)


def test_from_token_to_a_committed_fix_and_out_again(
    cloud: ServedCloud, box: Box, receiver: Receiver
) -> None:
    serial = box.enrolled(cloud, "van-1")
    assert certificates(cloud, "van-1")[serial] == "active"
    box.start()
    wait_until(lambda: fixes_of(cloud, "van-1") > 0, "a fix is committed", 60)

    assert cloud.admin.delete("/vehicles/van-1/gateway").status_code == 204
    wait_until(lambda: "Not authorized" in box.log.read_text(), "it is cut and kept out", 60)
    seen, connected = fixes_of(cloud, "van-1"), box.log.read_text().count("info: connected")
    box.kill()
    box.start()
    wait_until(lambda: box.log.read_text().count("Not authorized") > 1, "it is kept out", 60)
    assert fixes_of(cloud, "van-1") == seen
    assert box.log.read_text().count("info: connected") == connected == 1
