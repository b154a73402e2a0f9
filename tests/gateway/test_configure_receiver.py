"""``gateway configure-receiver`` against a simulated u-blox of each generation."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.errors import SettingsError
from gateway.receivers.ublox.profile import Profile, read_profile, require_room
from gateway.receivers.ublox.session import next_frame
from gateway.receivers.ublox.setup import Setup, SetupFailed
from tests.gateway import ubx
from tests.gateway.rig import ROOT, Line
from tests.gateway.ublox import Ublox

pytestmark = pytest.mark.slow
AUTOMOTIVE = ROOT / "firmware_config" / "ublox" / "automotive.toml"
WANTED = {"RMC", "GGA", "GSA"}

ANSWER_S = 0.35

type Make = Callable[..., Ublox]


@pytest.fixture
def make(line: Line) -> Iterator[Make]:
    made = []

    def make(generation: int, *, baud: int = 9600) -> Ublox:
        made.append(Ublox(line, generation, baud=baud))
        return made[-1]

    yield make
    for receiver in made:
        receiver.stop()


def configure(line: Line, *, baud: int | None = 9600, is_dry: bool = False) -> list[str]:
    told: list[str] = []
    profile = read_profile(AUTOMOTIVE, {"rate_hz": 5})
    Setup(str(line.device), baud, profile, told.append, ANSWER_S).run(is_dry=is_dry)
    return told


def assert_set(settings: dict[str, object]) -> None:
    assert settings["baud"] == 115200
    assert settings["rate_ms"] == 200
    assert settings["model"] == 4
    assert {kind for kind in ("RMC", "GGA", "GSA", "GSV", "GLL", "VTG", "ZDA", "GNS")
            if settings[kind]} == WANTED  # fmt: skip


MODERN = ("CFG_MSGOUT_UBX_MON_RF_UART1", "CFG_MSGOUT_UBX_NAV_STATUS_UART1")


@pytest.mark.parametrize(
    ("generation", "indicators"), [(8, ("0a09", "0103")), (9, MODERN), (10, MODERN)]
)
def test_each_generation_is_set_and_keeps_it_over_a_power_cut(
    generation: int, indicators: tuple[str, ...], line: Line, make: Make
) -> None:
    receiver = make(generation)
    told = configure(line)
    assert f"generation {generation}, at 9600 baud" in told[0]
    assert told[1] == "speed 115200 baud: done, the receiver is heard at it"
    assert told[-1] == "heard: GGA GSA RMC"
    assert_set(receiver.memory)
    receiver.cut_power()
    assert_set(receiver.memory)
    assert [receiver.memory[name] for name in indicators] == [10, 10], "every two seconds"
    assert receiver.memory["CFG_ITFM_ENABLE"] == 1


def test_lost_answers_are_asked_for_again(line: Line, make: Make) -> None:
    receiver = make(9)
    receiver.loses = 3
    told = configure(line)
    assert_set(receiver.saved)
    assert not [text for text in told if "no answer" in text]


def test_the_speed_is_found_by_asking(line: Line, make: Make) -> None:
    make(10, baud=38400)
    assert "at 38400 baud" in configure(line, baud=None)[0]


def test_a_receiver_without_flash_keeps_it_in_its_battery(line: Line, make: Make) -> None:
    receiver = make(10)
    receiver.has_flash = False
    told = configure(line)
    assert "this receiver has no flash: kept only while its battery lasts" in told
    assert_set(receiver.saved)


@pytest.mark.parametrize(("generation", "refused"), [(9, "CFG_NAVSPG_DYNMODEL"), (8, "CFG-NAV5")])
def test_a_refusal_is_told_with_a_remedy_and_the_rest_is_set(
    generation: int, refused: str, line: Line, make: Make
) -> None:
    receiver = make(generation)
    receiver.refused = {refused}
    told: list[str] = []
    profile = read_profile(AUTOMOTIVE, {"rate_hz": 5})
    setup = Setup(str(line.device), 9600, profile, told.append, ANSWER_S)
    with pytest.raises(SetupFailed, match="1 settings were not taken"):
        setup.run(is_dry=False)
    assert [text for text in told if "refused; the receiver does not take it" in text]
    assert told[-1] == "heard: GGA GSA RMC"


def test_one_that_lacks_what_is_optional_is_set_all_the_same(line: Line, make: Make) -> None:
    receiver = make(9)
    receiver.refused = {"CFG_ITFM_ENABLE", "CFG_MSGOUT_UBX_SEC_SIG_UART1"}
    told = configure(line)
    assert "watch for interference: this receiver has none" in told
    assert_set(receiver.saved)


def test_a_speed_that_the_cable_cannot_carry_leaves_the_old_one(line: Line, make: Make) -> None:
    receiver = make(9)
    receiver.cannot_speak_at = {115200}
    with pytest.raises(SetupFailed, match="not heard at 115200 baud"):
        configure(line)
    assert receiver.saved["baud"] == 9600


def test_nothing_that_answers_is_told_with_a_remedy(line: Line, make: Make) -> None:
    make(9).is_deaf = True
    with pytest.raises(SetupFailed, match="no u-blox receiver answers at 9600 baud; check"):
        configure(line)


def test_a_dry_run_changes_nothing(line: Line, make: Make) -> None:
    receiver = make(9)
    before = dict(receiver.memory)
    told = configure(line, is_dry=True)
    assert receiver.memory == before
    assert receiver.asked == []
    assert "rate 5 Hz: would be set" in told


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rate_hz = 50", "rate_hz"),
        ('model = "rocket"', "model"),
        ("speed = 5", "unknown field `speed`"),
        ('sentences = ["GSA"]', "RMC tells date"),
        ("rate_hz = [", "not TOML"),
    ],
)
def test_a_wrong_profile_names_the_field(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=problem):
        read_profile(path, {})


def test_a_profile_that_does_not_fit_the_line_names_the_speed_that_would() -> None:
    require_room(Profile(), 9600)
    with pytest.raises(SettingsError, match="--target-baud 115200"):
        require_room(Profile(rate_hz=10), 9600)
    require_room(Profile(rate_hz=10), 115200)


def test_the_command_reports_and_ends_with_its_code(line: Line, make: Make, tmp_path: Path) -> None:
    receiver = make(10)
    command = [
        sys.executable, "-m", "roundsman", "gateway", "configure-receiver",
        "--device", str(line.device), "--baud", "9600",
    ]  # fmt: skip

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more], cwd=ROOT, capture_output=True, text=True, check=False
        )

    good = run("--profile", str(AUTOMOTIVE), "--rate", "2")
    assert (good.returncode, good.stderr) == (0, "")
    assert "rate 2 Hz: done" in good.stdout
    assert receiver.saved["rate_ms"] == 500
    silent = run()
    assert silent.returncode == 1
    assert "no u-blox receiver answers at 9600 baud" in silent.stderr
    assert run("--rate", "99").returncode == 78


def test_frames_are_found_between_sentences_and_broken_heads() -> None:
    frame = ubx.mon_hw(1, 2)
    broken = b"\xb5b\x06\x01\xff\xff$GNRMC,1*00\r\n\xb5b\x06"
    found, rest = next_frame(broken + frame + b"$GN")
    assert found == (b"\x0a\x09", frame[6:-2])
    assert next_frame(rest) == (None, b"N")
