"""Windows that are only preferred: by form and file, and beside what was promised."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.foundation.errors import Invalid
from cloud.foundation.settings import Settings
from cloud.orders.changing import window_after_change
from cloud.orders.model import Promise, Span, promise_span, served_within
from cloud.planning.policy import TenantPolicy
from cloud.planning.posing import problem_of
from tests.cloud.desk import open_desk
from tests.planning.days import EIGHT, HOUR, day, order
from tests.planning.office import PLAN, Office

TEN = {"from": "2026-11-23T13:00:00.000Z", "to": "2026-11-23T15:00:00.000Z"}
NOON = {"from": "2026-11-23T15:00:00.000Z", "to": "2026-11-23T16:00:00.000Z"}
WISH = Span(EIGHT + 2 * HOUR, EIGHT + 4 * HOUR)
SOFT = replace(order("a", window=WISH), window_kind="soft")


@pytest.fixture
def office(tmp_path: Path, kept_in: Settings) -> Iterator[Office]:
    desk = open_desk(tmp_path, kept_in)
    yield Office(desk)
    desk.close()


def field(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["field"]


def test_form_and_file_say_which_window_is_soft(office: Office) -> None:
    desk = office.desk
    assert desk.order().json()["window_kind"] == "hard"
    assert desk.order(window=TEN, window_kind="soft").json()["window_kind"] == "soft"
    header = "address,lat,lon,window_from,window_to,window_kind,kind\n"
    place = "Balmaceda 1,-29.91,-71.252"
    rows = [
        f"{place},10:00,12:00,soft,\n",
        f"{place},10:00,12:00,,\n",
        f"{place},,,soft,\n",
        f"{place},10:00,12:00,firm,\n",
        f"{place},10:00,12:00,soft,return\n",
    ]
    report = desk.file(header + "".join(rows)).json()
    kinds = [desk.ask("GET", f"/orders/{one}").json()["window_kind"] for one in report["order_ids"]]
    assert kinds == ["soft", "hard"]
    assert [(one["row"], one["field"]) for one in report["refused"]] == [
        (4, "window_kind"), (5, "window_kind"), (6, "window_kind"),
    ]  # fmt: skip
    assert field(desk.order(window_kind="soft")) == (422, "window_kind")
    assert field(desk.order(window=TEN, window_kind="soft", kind="return")) == (422, "window_kind")
    assert field(desk.order(window=TEN, window_kind="firm")) == (422, "window_kind")


def test_a_wish_is_priced_until_something_is_promised_and_then_the_promise_holds(
    office: Office,
) -> None:
    made = office.desk.order(window=TEN, window_kind="soft").json()
    path = f"/orders/{made['id']}"
    wider = office.desk.ask("PATCH", path, json={"window": NOON}).json()
    assert (wider["window"], wider["window_kind"]) == (NOON, "soft")
    office.ask("PATCH", path, 200, window=TEN)
    office.replan("optimize")
    planned = office.ask("GET", path, 200)
    assert TEN["from"] <= planned["promise"]["original"]["from"]
    assert planned["promise"]["original"]["to"] <= TEN["to"]
    revision = office.ask("GET", f"{PLAN}/revisions", 200)["items"][-1]
    assert revision["prices"]["lateness"] == 0
    soft = office.desk.ask("PATCH", path, json={"window": NOON, "window_kind": "soft"})
    assert field(soft) == (422, "window_kind")
    changed = office.ask("PATCH", path, 200, window=NOON)
    assert (changed["window_kind"], changed["promise"]["current"]) == ("hard", NOON)


def test_the_policy_prices_what_comes_after_a_wish() -> None:
    (job,) = problem_of(day(SOFT), {}, TenantPolicy(late_soft_s=0.25)).jobs
    assert (job.late_s, job.may_be_late) == (0.25, True)
    told = Span(WISH.end + HOUR, WISH.end + 3 * HOUR)
    promised = replace(SOFT, promise=Promise(told, told))
    (job,) = problem_of(day(promised), {}, TenantPolicy(late_soft_s=0.25)).jobs
    assert (job.late_s, job.may_be_late) == (None, True)
    assert (job.windows[0].opens, job.windows[0].closes) == (told.begin, told.end)


@given(st.integers(0, 8 * 3600))
def test_what_is_promised_of_a_wish_holds_the_planned_service_and_is_kept_to(after_s: int) -> None:
    """Planned within the wish it is promised within it; planned later, around that later time."""
    service = WISH.begin + after_s
    span = promise_span(service, SOFT.window)
    assert span.begin <= service <= span.end
    assert (span.end <= WISH.end) == (service <= WISH.end)
    assert served_within(replace(SOFT, promise=Promise(span, span))) == span


def test_a_wish_that_becomes_hard_is_told() -> None:
    told = Span(WISH.end + HOUR, WISH.end + 3 * HOUR)
    promised = replace(SOFT, promise=Promise(told, told))
    asked = window_after_change(promised, None, "hard", is_window_given=False)
    assert (asked.window, asked.kind) == (WISH, "hard")
    assert asked.promise == Promise(told, WISH)
    with pytest.raises(Invalid, match="window_kind"):
        window_after_change(promised, None, "soft", is_window_given=False)
    none = window_after_change(SOFT, None, None, is_window_given=True)
    assert (none.window, none.kind) == (None, "hard")
