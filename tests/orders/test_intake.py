"""An import takes every good row and tells of every bad one by field and remedy."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.fleet.hours import local_instant
from cloud.fleet.model import Depot
from cloud.foundation.errors import Invalid
from cloud.orders.intake import NewOrder, RefusedRow, read_csv
from cloud.orders.model import Span

DAY = date(2026, 11, 22)
DEPOT = Depot(
    tenant="main",
    id="la-serena",
    name="La Serena",
    zone="America/Santiago",
    lat=-29.9,
    lon=-71.25,
    shift_start="08:00",
    shift_end="18:00",
)
HEADER = (
    "reference,address,lat,lon,window_from,window_to,service_minutes,parcels,priority,"
    "recipient_name,recipient_phone,note\n"
)


def rows(text: str) -> list[NewOrder | RefusedRow]:
    return [row for _, row in read_csv(text, DEPOT, DAY)]


def the_refusal(line: str) -> RefusedRow:
    (row,) = rows(HEADER + line)
    assert isinstance(row, RefusedRow)
    return row


def test_a_whole_row_becomes_an_order_of_that_day() -> None:
    (order,) = rows(
        HEADER + 'A-1,"Balmaceda 12, La Serena",-29.9,-71.25,10:00,12:00,4,2,urgent,Eva,+56,gate\n'
    )
    assert isinstance(order, NewOrder)
    assert order.address == "Balmaceda 12, La Serena"
    assert order.window == Span(
        local_instant(DAY, "10:00", DEPOT.zone), local_instant(DAY, "12:00", DEPOT.zone)
    )
    assert (order.service_s, order.parcels, order.priority) == (240, 2, "urgent")


def test_only_place_and_address_are_needed() -> None:
    (order,) = rows("address,lat,lon\nBalmaceda 12,-29.9,-71.25\n")
    assert isinstance(order, NewOrder)
    assert (order.window, order.service_s, order.parcels, order.priority) == (
        None,
        None,
        1,
        "normal",
    )


def test_a_window_may_be_told_as_instants() -> None:
    (order,) = rows(
        "address,lat,lon,window_from,window_to\n"
        "B 1,-29.9,-71.2,2026-11-22T13:00:00Z,2026-11-22T12:00:00-03:00\n"
    )
    assert isinstance(order, NewOrder)
    assert order.window is not None
    assert order.window.end - order.window.begin == 2 * 3600


@pytest.mark.parametrize(
    ("line", "field", "problem"),
    [
        ("A,B 1,-29.9,-71.2,12:00,10:00,,,,,,\n", "window_to", "not after"),
        ("A,B 1,-29.9,-71.2,12:00,,,,,,,\n", "window_to", "empty"),
        ("A,B 1,-29.9,-71.2,noon,13:00,,,,,,\n", "window_from", "no time"),
        ("A,B 1,-29.9,-71.2,2026-11-22T10:00:00,13:00,,,,,,\n", "window_from", "no offset"),
        (
            "A,B 1,-29.9,-71.2,2026-11-25T10:00:00Z,2026-11-25T11:00:00Z,,,,,,\n",
            "window_from",
            "service date",
        ),
        ("A,,-29.9,-71.2,,,,,,,,\n", "address", "empty"),
        ("A,B 1,north,-71.2,,,,,,,,\n", "lat", "not a number"),
        ("A,B 1,nan,-71.2,,,,,,,,\n", "lat", "not within"),
        ("A,B 1,-29.9,-271.2,,,,,,,,\n", "lon", "not within"),
        ("A,B 1,-29.9,-71.2,,,,1.5,,,,\n", "parcels", "whole number"),
        ("A,B 1,-29.9,-71.2,,,,0,,,,\n", "parcels", "not within"),
        ("A,B 1,-29.9,-71.2,,,-3,,,,,\n", "service_minutes", "not within"),
        ("A,B 1,-29.9,-71.2,,,,,soon,,,\n", "priority", "neither"),
        ("A,B 1,-29.9,-71.2,,,,,,,,note,with,commas\n", "row", "more cells"),
    ],
)
def test_a_bad_cell_is_told_by_its_field_and_line(line: str, field: str, problem: str) -> None:
    refused = the_refusal(line)
    assert (refused.row, refused.field) == (2, field)
    assert problem in refused.problem
    assert refused.remedy


def test_good_rows_around_a_bad_one_are_kept() -> None:
    found = rows("address,lat,lon\nA,-29.9,-71.2\nB,x,-71.2\nC,-29.9,-71.2\n")
    assert [type(row) for row in found] == [NewOrder, RefusedRow, NewOrder]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'address' is missing"),
        ("address,lat\n", "'lon' is missing"),
        ("address,lat,lon,colour\n", "'colour' is not known"),
        ("address,lat,lon,lat\n", "stands twice"),
        ('address,lat,lon\n"open,1,2\n', "line"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(text: str, problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        rows(text)


def test_a_file_of_too_many_rows_says_so() -> None:
    with pytest.raises(Invalid, match="more than 10000 rows"):
        rows("address,lat,lon\n" + "A,-29.9,-71.2\n" * 10_001)


@given(st.text(max_size=300))
def test_any_text_gives_rows_or_a_refusal(text: str) -> None:
    try:
        found = rows("address,lat,lon,window_from,window_to,parcels\n" + text)
    except Invalid:
        return
    assert all(isinstance(row, NewOrder | RefusedRow) for row in found)
