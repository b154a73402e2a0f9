"""Whatever comes in is bounded: it is taken, or refused by field and remedy, and never breaks."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.foundation.body_limit import MAX_JSON_BYTES
from cloud.orders.api import IMPORT_PATH, MAX_CSV_BYTES
from tests.cloud.desk import TODAY, Desk, in_pieces, open_desk, run

JSON = {"content-type": "application/json"}
MOMENTS = st.datetimes(
    timezones=st.sampled_from(
        [UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12, minutes=-1))]
    )
).map(datetime.isoformat)
ODD = st.sampled_from(
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "9999-12-31",
        "0001-01-01",
        "1999-12-31",
        "2100-01-01",
        "2026-02-30",
        "2026-11-23T24:00:00Z",
        "+10000-01-01T00:00:00Z",
        "00:00",
        "23:59",
        "24:00",
        "253402300799",
        "-62135596800",
        "1e308",
        "NaN",
        "Infinity",
        "",
        "٢٠٢٦-11-23",
    ]
)
DATES = st.dates().map(lambda day: day.isoformat())
WHENS = ODD | MOMENTS | DATES


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    opened = open_desk(tmp_path_factory.mktemp("desk"))
    van = {"id": "van-1", "name": "Van", "depot_id": "la-serena", "capacity_parcels": 9}
    assert opened.ask("POST", "/vehicles", json=van).status_code == 201
    driver = {"id": "ana", "name": "Ana"}
    made = opened.ask("POST", "/drivers", json=driver)
    assert made.status_code == 201
    opened.login["driver"] = made.json()["token"]
    yield opened
    opened.close()


def fields_refused(answer: httpx.Response, status: int = 422) -> list[str]:
    """The fields of the problem that an answer must be; each has a remedy."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert all(one["problem"] and one["remedy"] for one in told["errors"])
    return [one["field"] for one in told["errors"]]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(first=WHENS, second=WHENS)
def test_no_moment_or_date_breaks_anything(desk: Desk, first: str, second: str) -> None:
    body = {"reason": "not_home", "outcome": "failed", "at": first}
    driver = {"Authorization": f"Bearer {desk.login['driver']}"}
    shift = {"vehicle_id": "van-1", "driver_id": "ana", "service_date": first}
    csv = f"address,lat,lon,window_from,window_to\nA,-29.9,-71.2,{first},{second}\n"
    answers = [
        desk.order(window={"from": first, "to": second}),
        desk.order(service_date=first),
        desk.file(csv),
        desk.file(csv, service_date=second),
        desk.ask("GET", "/orders", params={"service_date": first}),
        desk.ask("POST", "/shifts", json={**shift, "start": "22:00", "end": "06:00"}),
        desk.ask("POST", "/shifts", json={**shift, "start": second}),
        desk.ask("GET", f"/depots/la-serena/plans/{first or '-'}"),
        desk.ask("POST", f"/depots/la-serena/plans/{first or '-'}/optimize"),
        desk.ask("POST", "/stops/none/outcome", json=body, headers=driver),
        desk.ask("POST", "/stops/none/arrive", json={"at": first}, headers=driver),
    ]
    for answer in answers:
        assert answer.status_code < 500, (answer.request.url, first, second)


@pytest.mark.parametrize("year", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"])
def test_a_moment_outside_the_usable_years_is_told_by_its_field(desk: Desk, year: str) -> None:
    window = {"from": year, "to": "2026-11-23T12:00:00Z"}
    assert fields_refused(desk.order(window=window)) == ["window.from"]
    row = f"address,lat,lon,window_from,window_to\nA,-29.9,-71.2,{year},{year}\n"
    (refused,) = desk.file(row).json()["refused"]
    assert (refused["field"], refused["remedy"]) == (
        "window_from",
        "use a date from 2000 to 2099",
    )


def test_a_date_outside_the_usable_years_is_told_wherever_it_stands(desk: Desk) -> None:
    assert fields_refused(desk.order(service_date="9999-12-31")) == ["service_date"]
    timed = "address,lat,lon,window_from,window_to\nA,-29.9,-71.2,10:00,12:00\n"
    assert fields_refused(desk.file(timed, "9999-12-31")) == ["service_date"]
    plan = "/depots/la-serena/plans/9999-12-31"
    assert fields_refused(desk.ask("GET", plan)) == ["service_date"]


def test_a_date_before_yesterday_is_past(desk: Desk) -> None:
    assert desk.order(service_date="2026-11-22").status_code == 201
    assert fields_refused(desk.order(service_date="2026-11-21")) == ["service_date"]
    one = "address,lat,lon\nA,-29.9,-71.2\n"
    assert fields_refused(desk.file(one, "2026-11-21")) == ["service_date"]
    shift = {"vehicle_id": "van-1", "driver_id": "ana", "service_date": "2026-11-21"}
    assert fields_refused(desk.ask("POST", "/shifts", json=shift)) == ["service_date"]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"address": "  \t "}, "address"),
        ({"address": "Balmaceda\n12"}, "address"),
        ({"address": "Balmaceda \x00"}, "address"),
        ({"reference": "A\x1b[2J"}, "reference"),
        ({"recipient": {"name": "Eva\u2028Luna"}}, "recipient.name"),
        ({"note": "ring\x07"}, "note"),
        ({"lat": "NaN"}, "lat"),
        ({"lat": "Infinity"}, "lat"),
    ],
)
def test_a_text_or_number_that_no_form_takes_is_refused(
    desk: Desk, wanted: dict[str, Any], field: str
) -> None:
    assert fields_refused(desk.order(**wanted)) == [field]


def test_texts_are_stripped_and_a_note_may_have_lines(desk: Desk) -> None:
    made = desk.order(address="  Balmaceda 1 ", note="first\n\tsecond\n", reference=" T-1 ")
    told = made.json()
    assert (told["address"], told["note"], told["reference"]) == (
        "Balmaceda 1",
        "first\n\tsecond",
        "T-1",
    )


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ('X,"Balmaceda\n12",-29.9,-71.2,', "address"),
        ("X,Balmaceda\x00,-29.9,-71.2,", "address"),
        (f"{'X' * 101},B 1,-29.9,-71.2,", "reference"),
        ("X,B 1,-29.9,-71.2,ring\x07", "note"),
    ],
)
def test_a_file_s_texts_obey_the_same_rule(desk: Desk, row: str, field: str) -> None:
    (refused,) = desk.file(f"reference,address,lat,lon,note\n{row}\n").json()["refused"]
    assert (refused["row"] >= 2, refused["field"]) == (True, field)


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"address": }',
        b"[" * 30_000,
        b'{"lat": ' + b"9" * 5_000 + b"}",
        b'{"address": "\xff\xfe"}',
    ],
)
def test_a_body_that_cannot_be_read_is_told_as_the_body(desk: Desk, content: bytes) -> None:
    assert fields_refused(desk.ask("POST", "/orders", content=content, headers=JSON)) == ["body"]


@pytest.mark.parametrize("content", [b'{"\\ud800": 1}', b'{"address": "\\ud800"}', b'"\\ud800"'])
def test_half_a_character_breaks_nothing(desk: Desk, content: bytes) -> None:
    assert fields_refused(desk.ask("POST", "/orders", content=content, headers=JSON))


def test_a_body_that_says_it_is_too_long_is_not_read(desk: Desk) -> None:
    long = b'{"a": "' + b"x" * MAX_JSON_BYTES + b'"}'
    answer = desk.ask("POST", "/orders", is_known=False, content=long, headers=JSON)
    assert fields_refused(answer, 413) == ["body"]
    file = b"x" * (MAX_CSV_BYTES + 1)
    answer = desk.ask("POST", IMPORT_PATH, is_known=False, content=file)
    assert fields_refused(answer, 413) == ["body"]


def test_a_body_that_turns_out_too_long_is_read_no_further(desk: Desk) -> None:
    came: list[int] = []
    pieces = in_pieces(b"x" * 16_384, 1_000, came)
    answer = desk.ask("POST", "/orders", is_known=False, content=pieces, headers=JSON)
    assert fields_refused(answer, 413) == ["body"]
    assert len(came) <= MAX_JSON_BYTES // 16_384 + 1


def test_nobody_s_file_is_read_before_they_are_known(desk: Desk) -> None:
    came: list[int] = []
    pieces = in_pieces(b"x" * 16_384, 200, came)
    query = {"depot_id": "la-serena", "service_date": TODAY}
    answer = desk.ask("POST", IMPORT_PATH, is_known=False, params=query, content=pieces)
    assert (answer.status_code, came) == (401, [])


def test_a_long_file_passes_where_a_long_form_does_not(desk: Desk) -> None:
    rows = "".join(f"Long street {number},-29.9,x\n" for number in range(4_000))
    assert len(rows) > MAX_JSON_BYTES
    assert len(desk.file("address,lat,lon\n" + rows).json()["refused"]) == 4_000


def test_wrong_passwords_are_slowed_down(desk: Desk) -> None:
    async def tries() -> list[httpx.Response]:
        async with desk.client(is_known=False) as client:
            wrong = {"name": "somebody", "password": "guess"}
            return [await client.post("/session", json=wrong) for _ in range(6)]

    answers = run(tries())
    assert [one.status_code for one in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    fields_refused(answers[-1], 429)
    other = {"name": "admin", "password": desk.login["password"]}
    assert desk.ask("POST", "/session", is_known=False, json=other).status_code == 204
