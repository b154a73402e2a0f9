"""The whole cloud on PostgreSQL: what vans and people say is kept there, also over its outages."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from cloud.cli import main
from cloud.foundation.broker_config import GatewayCredential
from cloud.foundation.clock import to_rfc3339
from cloud.foundation.layout import DataFolder
from cloud.foundation.ports import read_ports
from tests.cloud.conftest import BEFORE_WORK, DAY, DEPOT
from tests.parts.broker import wait_for
from tests.parts.postgres import Postgres
from tests.parts.served_cloud import ServedCloud, served_cloud
from tests.tracking.vans import NOON_MS, Van, batch

pytestmark = pytest.mark.slow

VAN = {"id": "van-1", "name": "One", "depot_id": DEPOT["id"], "capacity_parcels": 12}


def let_in(cloud: ServedCloud) -> Van:
    told = cloud.admin.post("/vehicles/van-1/gateway").json()
    fields = {name: told[name] for name in ("tenant", "van", "client_id", "username", "password")}
    return Van(read_ports(DataFolder(cloud.root).ports).mqtt, GatewayCredential(**fields))


def track(cloud: ServedCloud) -> list[str]:
    span = {"from": to_rfc3339(NOON_MS / 1000 - 60), "to": to_rfc3339(NOON_MS / 1000 + 600)}
    answer = cloud.admin.get("/vehicles/van-1/track", params={**span, "format": "csv"})
    assert answer.status_code == 200, answer.text
    return answer.text.splitlines()[1:]


def test_the_whole_cloud_keeps_its_word_over_an_outage(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    url = postgres_server.make()
    (tmp_path / "cloud.toml").write_text(f'[database]\nurl = "{url}"\n')
    with served_cloud(tmp_path, BEFORE_WORK) as cloud:
        api = cloud.admin
        assert api.post("/depots", json=DEPOT).status_code == 201
        assert api.post("/vehicles", json=VAN).status_code == 201
        order = {
            "depot_id": DEPOT["id"],
            "service_date": DAY,
            "address": "Balmaceda 100",
            "lat": -29.91,
            "lon": -71.252,
        }
        made = api.post("/orders", json=order)
        assert made.status_code == 201, made.text
        with let_in(cloud) as van:
            van.say("batch", batch(7, 0))
            wait_for(lambda: van.upto(7) == 9, "the first batch")
            postgres_server.stop()
            try:
                van.say("batch", batch(7, 10))
                wait_for(lambda: api.get("/health").status_code == 503, "somebody notices")
                assert api.get("/health/ready").status_code == 503
                time.sleep(1)
                assert van.upto(7) == 9, "nothing is acknowledged that is not committed"
            finally:
                postgres_server.start()
            wait_for(lambda: van.upto(7) == 19, "the batch that waited")
        wait_for(lambda: api.get("/health").status_code == 200, "all is well again")
        assert len(track(cloud)) == 20
        assert api.get(f"/orders/{made.json()['id']}").status_code == 200
    assert not list(tmp_path.glob("*.db"))


def test_the_command_line_writes_where_the_cloud_does(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    url = postgres_server.make_migrated(tmp_path / "template")
    (tmp_path / "cloud.toml").write_text(f'[database]\nurl = "{url}"\n')
    data = f"--data={tmp_path}"
    assert CliRunner().invoke(main, ["migrate", data]).exit_code == 0
    made = CliRunner().invoke(main, ["tenant", "add", "swift", data])
    assert made.exit_code == 0, made.output
    told = CliRunner().invoke(main, ["user", "list", "--tenant=swift", data])
    assert "admin" in told.output
    assert not list(tmp_path.glob("*.db"))
