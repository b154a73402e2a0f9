"""Certificate and sealed spools as ``status`` and ``doctor`` tell them, with what to do."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.configuration import load
from gateway.doctor import identity
from gateway.enrolment.credentials import Credentials, Held, Trouble
from gateway.operation import belonging
from gateway.operation.health import SealedHealth
from gateway.operation.status import Report, lines
from tests.gateway.test_giving_up import config, noted, seal
from tests.gateway.test_status import HEALTH, run

__all__ = ["config"]

DAY_MS = 86_400_000
HELD = Held(
    tenant="main",
    van="van-1",
    purpose="gateway",
    host="broker.example",
    port=8883,
    client_id="0" * 32,
    serial="3f9a12c4d5e6",
    issued_at_ms=0,
    expires_at_ms=360 * DAY_MS,
)
TROUBLE = Trouble("the cloud does not renew it", "look at the cloud's log")


@pytest.mark.parametrize(
    ("day", "problem", "is_connected", "found"),
    [
        (0, None, False, ("good", "3f9a12c4, 360 days left, renewed in 240 days", "")),
        (239, None, True, ("good", "3f9a12c4, 121 days left, renewed in 1 day", "")),
        (241, None, True, ("good", "3f9a12c4, 119 days left, being renewed now", "")),
        (
            241,
            None,
            False,
            (
                "warning",
                "3f9a12c4, 119 days left, time to renew it",
                "let the gateway run and reach the broker; it does it by itself",
            ),
        ),
        (
            241,
            TROUBLE,
            True,
            (
                "warning",
                "3f9a12c4, 119 days left, not renewed: the cloud does not renew it",
                "look at the cloud's log",
            ),
        ),
        (
            363,
            TROUBLE,
            True,
            (
                "bad",
                "3f9a12c4 expired 3 days ago",
                "look at the clock; if it is right, enrol the box again: roundsman gateway enrol",
            ),
        ),
    ],
)
def test_a_certificate_from_its_first_day_to_its_last(
    *, day: int, problem: Trouble | None, is_connected: bool, found: tuple[str, str, str]
) -> None:
    one = belonging.certificate(HELD, day * DAY_MS, problem)
    assert belonging.judged_certificate(one, is_connected=is_connected) == found


def test_the_screen_of_a_running_gateway_tells_both(config: Path) -> None:
    told = msgspec.structs.replace(
        HEALTH,
        certificate=belonging.certificate(HELD, 241 * DAY_MS, TROUBLE),
        sealed=(
            SealedHealth(tenant="main", van="van-2", fixes=7, events=2, has_certificate=True),
            SealedHealth(tenant="main", van="van-4", fixes=1, events=0),
            SealedHealth(tenant="main", van="van-5", is_given_up=True),
        ),
    )
    screen = lines(load(config), Report(running=told))
    assert [(line.mark, line.text) for line in screen if line.name == "certificate"] == [
        (
            "warning",
            (
                "3f9a12c4, 119 days left, not renewed: the cloud does not renew it; "
                "look at the cloud's log"
            ),
        )
    ]
    with_one, without, gone = [line for line in screen if line.name == "sealed"]
    assert (with_one.mark, without.mark, gone.mark) == ("warning", "warning", "good")
    assert "van-2 of main: 7 fixes and 2 events wait" in with_one.text
    assert "roundsman gateway deliver-sealed" in with_one.text
    assert "without a certificate" in without.text
    assert "claim of purpose backlog for van-4" in without.text
    assert "roundsman gateway enrol --sealed van-4" in without.text
    assert "roundsman gateway give-up-sealed van-4" in without.text
    assert "given up" in gone.text


def test_a_stranger_sees_neither_line(config: Path) -> None:
    names = {line.name for line in lines(load(config), Report(running=HEALTH))}
    assert not names & {"certificate", "sealed"}


def hold(data: Path, held: Held) -> None:
    """Lay a certificate's own note down, as `Credentials.add` does."""
    folder = data / "credentials" / held.serial
    folder.mkdir(parents=True)
    (folder / "certificate.json").write_bytes(msgspec.json.encode(held))
    (folder / "key.pem").write_text("key")


def everything(data: Path) -> dict[str, tuple[int, int, int]]:
    """Each path below a folder with size, time of change and inode."""
    found = {}
    for path in sorted([data, *data.rglob("*")]):
        stat = path.lstat()
        found[str(path)] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    return found


def test_without_a_gateway_both_are_read_from_the_disk_and_nothing_is_written(
    config: Path,
) -> None:
    data = load(config).folder
    far_ms = 4_102_444_800_000
    hold(data, msgspec.structs.replace(HELD, expires_at_ms=far_ms, issued_at_ms=far_ms - DAY_MS))
    Credentials(data).use(HELD.serial)
    noted(data, 7)
    before = everything(data)
    code, told = run("status", "--json", "--config", config)
    assert code == 3
    report: dict[str, Any] = json.loads(told)
    assert report["certificate"]["serial"] == HELD.serial
    assert report["certificate"]["renews_in_s"] < report["certificate"]["left_s"]
    assert [(one["van"], one["fixes"], one["events"]) for one in report["sealed"]] == [
        ("van-2", 30, 2),
        ("van-2", 0, 0),
    ]
    code, told = run("status", "--config", config)
    assert "30 fixes and 2 events wait, without a certificate" in told
    code, told = run("doctor", "--json", "--config", config)
    found = [one for one in json.loads(told) if one["name"] in {"certificate", "sealed"}]
    assert [one["verdict"] for one in found] == ["good", "warning", "good"]
    assert "give-up-sealed van-2" in found[1]["remedy"]
    assert everything(data) == before


def test_a_certificate_counts_for_what_is_sealed_until_it_expires(tmp_path: Path) -> None:
    seal(tmp_path)
    hold(tmp_path, msgspec.structs.replace(HELD, van="van-2"))
    usable = [belonging.sealed(tmp_path, day * DAY_MS)[0].has_certificate for day in (1, 359, 361)]
    assert usable == [True, True, False]


def test_a_sealed_spool_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    seal(tmp_path)
    (tmp_path / "sealed" / "main.van-2.1" / "spool.db").write_bytes(os.urandom(9_000))
    (check,) = identity.sealed(tmp_path, 0)
    assert check.verdict == "warning"
    assert "cannot be read" in check.told
    assert "deliver-sealed" in check.remedy


def test_doctor_says_of_a_box_without_them_that_there_are_none(tmp_path: Path) -> None:
    assert identity.certificate(tmp_path, None, 0).verdict == "skipped"
    (check,) = identity.sealed(tmp_path, 0)
    assert (check.verdict, check.told) == ("good", "nothing waits of an earlier van")


@pytest.mark.parametrize(
    ("day", "problem", "verdict"),
    [(1, None, "good"), (241, None, "good"), (241, TROUBLE, "warning"), (361, None, "bad")],
)
def test_doctor_judges_as_the_running_gateway_tells(
    tmp_path: Path, day: int, problem: Trouble | None, verdict: str
) -> None:
    running = msgspec.structs.replace(
        HEALTH, certificate=belonging.certificate(HELD, day * DAY_MS, problem)
    )
    check = identity.certificate(tmp_path, running, 0)
    assert check.verdict == verdict
    assert bool(check.remedy) == (verdict != "good")
