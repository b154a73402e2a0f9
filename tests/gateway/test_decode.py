"""``gateway decode`` against what gpsd made of the same bytes."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from gateway.decode import Refusals, decoded_lines
from gateway.fixes.epochs import EpochAssembler
from gateway.receivers.replay import recorded_epochs
from tests.gateway.recordings import (
    FOLDER,
    ON_PURPOSE,
    Position,
    gpsd_positions,
    recordings,
    without_counterpart,
)
from tests.gateway.rig import ROOT, epoch_bytes, sentence

needs_recordings = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"SKIPPED: the recordings of receivers are not in {FOLDER}"
)
FIELDS = {
    "lat",
    "lon",
    "mode",
    "speed_mps",
    "track_deg",
    "altitude_m",
    "satellites",
    "hdop",
    "time",
}


def decoded(recording: Path) -> set[Position]:
    lines = [json.loads(line) for line in decoded_lines(recording, Refusals())]
    return {(line["lat"], line["lon"]) for line in lines}


@needs_recordings
@pytest.mark.parametrize("recording", recordings(), ids=lambda path: path.name)
def test_every_position_printed_is_one_of_gpsds(recording: Path) -> None:
    assert without_counterpart(decoded(recording), gpsd_positions(recording)) == set()


@needs_recordings
@pytest.mark.parametrize("recording", recordings(), ids=lambda path: path.name)
def test_only_what_differs_on_purpose_is_missing(recording: Path) -> None:
    missing = without_counterpart(gpsd_positions(recording), decoded(recording))
    expected, reason = ON_PURPOSE.get(recording.name, (0, "nothing differs on purpose"))
    assert len(missing) == expected, f"{reason}: {missing}"


@needs_recordings
def test_at_least_98_percent_of_gpsds_positions_are_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = total = 0
    with capsys.disabled():
        print()
        for recording in recordings():
            theirs = gpsd_positions(recording)
            missing = without_counterpart(theirs, decoded(recording))
            found += len(theirs) - len(missing)
            total += len(theirs)
            reason = ON_PURPOSE.get(recording.name, (0, ""))[1]
            print(f"  {recording.name:34} {len(theirs) - len(missing):4}/{len(theirs):<4} {reason}")
        print(f"  all recordings {found}/{total} = {found / total:.2%}")
    assert found >= 0.98 * total


@needs_recordings
@pytest.mark.parametrize("recording", recordings(), ids=lambda path: path.name)
def test_a_recording_in_small_pieces_gives_the_same_epochs(recording: Path) -> None:
    data = recording.read_bytes()
    assembler = EpochAssembler()
    pieces = (data[start : start + 7] for start in range(0, len(data), 7))
    found = [epoch for piece in pieces for epoch in assembler.feed(piece)]
    assert [*found, *assembler.finish()] == list(recorded_epochs(recording))


@needs_recordings
@pytest.mark.parametrize("recording", recordings(), ids=lambda path: path.name)
def test_every_line_has_every_field_within_its_range(recording: Path) -> None:
    for text in decoded_lines(recording, Refusals()):
        line = json.loads(text)
        assert line.keys() == FIELDS
        assert line["mode"] in {2, 3}
        assert -90 <= line["lat"] <= 90
        assert -180 <= line["lon"] <= 180
        if line["time"] is not None:
            assert datetime.fromisoformat(line["time"]).utcoffset() is not None


@pytest.mark.slow
def test_the_command_prints_json_lines(tmp_path: Path) -> None:
    recording = tmp_path / "drive.nmea"
    recording.write_bytes(b"# a comment\n\xff\x00$GP" + b"".join(map(epoch_bytes, range(3))))
    printed = subprocess.run(
        [sys.executable, "-m", "roundsman", "gateway", "decode", recording],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.splitlines()
    assert [json.loads(line)["time"] for line in printed] == [
        "2026-03-02T08:00:00.000Z",
        "2026-03-02T08:00:00.100Z",
        "2026-03-02T08:00:00.200Z",
    ]
    assert json.loads(printed[0]) == {
        "time": "2026-03-02T08:00:00.000Z",
        "lat": 54.5,
        "lon": 25.266666667,
        "mode": 3,
        "speed_mps": 5.144,
        "track_deg": 0.0,
        "altitude_m": 112.0,
        "satellites": 9,
        "hdop": 0.9,
    }


def test_a_wrong_or_missing_checksum_is_told_by_name_and_the_rest_is_kept(tmp_path: Path) -> None:
    good = sentence("GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,,,A")
    wrong = good[:-4] + b"00\r\n"
    missing = good[:-5] + b"\r\n"
    later = sentence("GPRMC,123520,A,4807.038,N,01131.000,E,022.4,084.4,230394,,,A")
    recording = tmp_path / "some.nmea"
    recording.write_bytes(wrong + good + missing + b"noise $GPGSV,*zz\r\n" + later)
    refusals = Refusals()
    assert len(list(decoded_lines(recording, refusals))) == 2
    assert [told.split(": ")[1] for told in refusals.lines] == ["checksum", "checksum"]
    assert "*00 was sent" in refusals.lines[0]
    assert "missing" in refusals.lines[1]
