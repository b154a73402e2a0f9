"""``roundsman plan solve``: files of the literature and the product's own, and hostile ones."""

import json
from collections.abc import Iterable
from contextlib import suppress
from math import isqrt
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.planning import vrptw
from cloud.planning.cli import main
from cloud.planning.files import MatrixRows, ProblemFile
from tests.planning.streets import day, order, street, van

SHARED = Path(__file__).parents[3] / "shared" / "data" / "vrptw"
FILES = sorted(SHARED.glob("*.txt"))
SMALL = """\
small

VEHICLE
NUMBER     CAPACITY
  3         10

CUSTOMER
CUST NO.   XCOORD.  YCOORD.    DEMAND    READY TIME  DUE DATE  SERVICE   TIME

    0      0         0          0          0       1000          0
    1      3         4          4          0        900         10
    2      6         8          4         50        900         10
    3      0         9          4          0        100         10
"""
NOWHERE = """{
  "problem": {"locations": [{"lat": 1, "lon": 0}], "vehicles": [], "jobs": []},
  "matrix": {"seconds": %s, "metres": [[0]]}
}"""


def solved(path: Path, *given: str) -> Any:
    result = CliRunner().invoke(main, ["solve", str(path), "--json", *given])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def refusal(tmp_path: Path, text: str | bytes, *given: str) -> str:
    file = tmp_path / "file"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = CliRunner().invoke(main, ["solve", str(file), "--seconds", "0.1", *given])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception
    return result.output


def checked_tenths(text: str, routes: Iterable[list[int]]) -> int:
    """The cost, by a reader and a clock of the test's own; every rule is asserted."""
    rows = [[int(word) for word in line.split()] for line in text.splitlines() if _is_row(line)]
    vehicles, capacity = next(row for row in rows if len(row) == 2)
    depot, *customers = [row for row in rows if len(row) == 7]
    known = {row[0]: row for row in customers}
    driven = list(routes)
    assert len(driven) <= vehicles
    assert sorted(number for route in driven for number in route) == sorted(known)
    cost = 0
    for route in driven:
        assert sum(known[number][3] for number in route) <= capacity
        here, clock = depot, 10 * depot[4]
        for number in route:
            there = known[number]
            cost += _way(here, there)
            clock = max(clock + _way(here, there), 10 * there[4])
            assert clock <= 10 * there[5]
            clock += 10 * there[6]
            here = there
        cost += _way(here, depot)
        assert clock + _way(here, depot) <= 10 * depot[5]
    return cost


def _is_row(line: str) -> bool:
    words = line.split()
    return bool(words) and all(word.isdigit() for word in words)


def _way(one: list[int], other: list[int]) -> int:
    return isqrt(100 * ((one[1] - other[1]) ** 2 + (one[2] - other[2]) ** 2))


def test_a_small_file_is_solved_to_the_best(tmp_path: Path) -> None:
    file = tmp_path / "small.txt"
    file.write_text(SMALL)
    found = solved(file, "--seconds", "0.3")
    assert round(10 * found["cost"]) == checked_tenths(SMALL, found["routes"])
    assert found["cost"] == 35.0
    assert sorted(map(sorted, found["routes"])) == [[1], [2, 3]]


def test_as_text_it_is_written_like_the_solutions_of_the_literature(tmp_path: Path) -> None:
    file = tmp_path / "small.txt"
    file.write_text(SMALL)
    result = CliRunner().invoke(main, ["solve", str(file), "--seconds", "0.2"])
    assert result.output.splitlines()[-1] == "Cost 35.0"
    assert "Route #1: " in result.output


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_files_of_the_literature_are_solved(file: Path) -> None:
    found = solved(file, "--seconds", "1" if file.stat().st_size < 10_000 else "4")
    assert round(10 * found["cost"]) == checked_tenths(file.read_text(), found["routes"])
    assert found["seconds"] < 60


def test_the_products_own_form_is_solved_and_checked(tmp_path: Path) -> None:
    problem = day([van("van-1"), van("van-2")], [order(f"o{k}", k) for k in (5, 9, 20)], places=21)
    roads = street(range(21))
    rows = MatrixRows(
        seconds=tuple(map(tuple, roads.seconds.tolist())),
        metres=tuple(map(tuple, roads.metres.tolist())),
    )
    file = tmp_path / "day.json"
    file.write_bytes(msgspec.json.encode(ProblemFile(problem=problem, matrix=rows)))
    found = solved(file, "--seconds", "0.2")
    assert found["parts"]["drive_s"] == 40 * 60
    assert sorted(*found["routes"].values()) == ["o20", "o5", "o9"]
    without = tmp_path / "without.json"
    without.write_bytes(msgspec.json.encode(ProblemFile(problem=problem)))
    result = CliRunner().invoke(main, ["solve", str(without)])
    assert result.exit_code == 1
    assert "matrix: missing" in result.output
    assert "--roads" in result.output


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("  3         10", "  3", "line 5, vehicles"),
        ("  3         10", "  0         10", "line 5, vehicle number"),
        ("  3         10", "  3         ten", "line 5, capacity"),
        ("    1      3 ", "    1      nan", "line 11, x"),
        ("    1      3 ", "    1      1e300", "line 11, x"),
        ("    1      3 ", "    2      3 ", "line 12, number: 2 stands in line 11"),
        ("    1      3 ", "    -1      3 ", "line 11, number"),
        ("4          0        900         10", "4          0        900", "line 11, customer"),
        ("4         50        900", "4.5       50        900", "line 12, demand"),
        ("4         50        900", "11        50        900", "line 12, demand"),
        ("4         50        900", "4         950       900", "line 12, due date"),
        ("0        100         10", "0          8         10", "line 13, due date"),
        ("0        100         10", "0        100        999", "line 13, due date"),
        ("0        100         10", "0        999999999  10", "line 13, due date"),
    ],
)
def test_a_bad_value_is_named_with_its_line(tmp_path: Path, was: str, now: str, told: str) -> None:
    assert was in SMALL
    said = refusal(tmp_path, SMALL.replace(was, now, 1))
    assert told in said
    assert ";" in said


@pytest.mark.parametrize("text", ["", "\n\n", "name only", "VEHICLE\n", "a\nVEHICLE\n1 2\n"])
def test_a_file_without_customers_is_no_instance(tmp_path: Path, text: str) -> None:
    assert "Solomon" in refusal(tmp_path, text)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    assert "no text" in refusal(tmp_path, b"name\n\xff\xfe\x00")
    missing = CliRunner().invoke(main, ["solve", str(tmp_path / "none")])
    assert missing.exit_code == 1
    assert "No such file" in missing.output


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "truncated"),
        ("[]", "object"),
        ('{"problem": {}}', "locations"),
        ('{"problem": {"locations": [{"lat": 91, "lon": 0}]}}', "lat"),
        (NOWHERE % "[[0, 1]]", "matrix.seconds[0]"),
        (NOWHERE % "[[-1]]", "matrix.seconds"),
        ("[" * 100_000, "matrix"),
    ],
)
def test_bad_json_is_named_by_its_field(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, text)


def test_too_few_vehicles_are_told_with_who_is_left(tmp_path: Path) -> None:
    said = refusal(tmp_path, SMALL.replace("  3         10", "  1         10", 1))
    assert "customers not served: " in said or "carries 12, at most 10 fit" in said
    assert "more vehicles" in said


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789 .-eEnax\n\t", max_size=300))
def test_any_text_is_read_or_refused(said: str) -> None:
    for text in (said, SMALL + said, SMALL.replace("50", said, 1)):
        with suppress(vrptw.BadInstance):
            problem, matrix = vrptw.problem_of(vrptw.read(text))
            assert len(matrix.seconds) == len(problem.jobs) + 1


def test_the_check_of_the_format_finds_each_fault() -> None:
    instance = vrptw.read(SMALL)
    assert vrptw.faults(instance, [[1, 2], [3]]) == []
    assert "not served: 3" in vrptw.faults(instance, [[1, 2]])[0]
    assert "more than once" in vrptw.faults(instance, [[1, 2], [3, 1]])[0]
    assert "not in the file" in vrptw.faults(instance, [[1, 2], [3, 4]])[0]
    assert "4 routes" in vrptw.faults(instance, [[1], [2], [3], []])[0]
    assert "carries 12" in vrptw.faults(instance, [[3, 1, 2]])[0]
    late = vrptw.read(SMALL.replace("0        100         10", "0         20         10"))
    assert "customer 3 is served" in vrptw.faults(late, [[1, 3], [2]])[0]
