"""What planning keeps of days long gone ends, and what is young or in force stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cloud.foundation.settings import Settings
from cloud.planning.ending import PlanRetention
from cloud.planning.job_store import job_row
from cloud.planning.proposal_store import proposal_row
from cloud.planning.rules.store import plan_rule
from tests.cloud.desk import NOW, open_desk
from tests.planning.office import PLAN, Office


class Later:
    """So many days later."""

    speed = 1.0

    def __init__(self, days: float) -> None:
        self._now_s = NOW + days * 86_400

    def now_s(self) -> float:
        return self._now_s

    async def sleep_until(self, instant_s: float) -> None:
        raise AssertionError("nobody sleeps here")


@pytest.fixture
def office(tmp_path: Path, kept_in: Settings) -> Iterator[Office]:
    desk = open_desk(tmp_path, kept_in)
    yield Office(desk)
    desk.close()


def test_old_plans_end_and_their_revisions_stay_without_their_sequences(office: Office) -> None:
    office.ask("POST", f"{PLAN}/optimize", 202, seconds=0.1)
    office.work()
    office.ask("PUT", "/planning/policy", 200, ask_above_moved=0)
    busier = max(office.sequences, key=lambda van: len(office.sequences[van]))
    order = office.sequences[busier][-1][0]
    ban = {"kind": "ban", "vehicle_id": busier, "order_id": order}
    lifted = office.ask("POST", f"{PLAN}/rules", 201, **ban)["id"]
    office.ask("DELETE", f"{PLAN}/rules/{lifted}", 204)
    kept = office.ask("POST", f"{PLAN}/rules", 201, **ban)["id"]
    office.ask("POST", f"/shifts/{office.shifts[busier]}/cancel", 200)
    office.replan("changed_shift")
    office.ask("POST", f"{PLAN}/optimize", 202)
    database = office.desk.database
    assert PlanRetention(database, 92, Later(91)).work() == 0
    assert PlanRetention(database, 92, Later(93)).work() >= 3
    assert PlanRetention(database, 92, Later(93)).work() == 0
    with database.reading() as connection:
        jobs = connection.execute(select(job_row.c.state)).scalars().all()
        rules = connection.execute(select(plan_rule.c.id)).scalars().all()
        proposals = connection.execute(select(func.count()).select_from(proposal_row)).scalar()
    assert (jobs, rules, proposals) == (["queued"], [kept], 0)
    assert office.ask("GET", f"{PLAN}/revisions", 200)["items"][0]["diff"]["added"]
    office.ask("GET", f"{PLAN}/comparison?from=1&to=1", 404)
