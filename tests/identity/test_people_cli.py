"""Tenants and users by the command line, on the folder of a cloud that is serving."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cloud.cli import main
from tests.identity.company import GOOD_PASSWORD, MAIN, Company

type Run = Callable[..., Result]


@pytest.fixture
def cloud(company: Company) -> Run:
    """Runs ``roundsman cloud …`` on the folder of the company."""
    place = company.database.place
    assert isinstance(place, Path)
    folder = str(place.parent)

    def run(*words: str, given: str | None = None) -> Result:
        return CliRunner().invoke(main, [*words, "--data", folder], input=given)

    return run


def test_a_tenant_has_an_administrator_of_its_own_who_sees_nothing_of_others(
    cloud: Run, company: Company
) -> None:
    told = cloud("tenant", "add", "acme", "--name", "Acme Ltd", "--admin", "boss")
    assert told.exit_code == 0, told.output
    shown = dict(re.findall(r"^  (\w+): (\S+)$", told.output, re.MULTILINE))
    assert shown["name"] == "acme/boss"
    assert "acme\tAcme Ltd" in cloud("tenant", "list").output
    login = {"name": shown["name"], "password": shown["password"]}
    assert company.ask("POST", "/api/v1/session", None, login).status == 204
    users = company.ask("GET", "/api/v1/users", shown["api_token"]).json["items"]
    assert [one["name"] for one in users] == ["boss"]
    entry = company.ask("GET", "/api/v1/audit", shown["api_token"]).json["items"][-1]
    assert (entry["action"], entry["address"]) == ("cloud tenant add", "command line")
    again = cloud("tenant", "add", "acme")
    assert (again.exit_code, "acme" in again.output) == (1, True)
    bad = cloud("tenant", "add", "A/b")
    assert (bad.exit_code, "ID: 'A/b' is not a name" in bad.output) == (1, True)


def test_a_user_is_let_in_limited_shut_out_and_forgotten(cloud: Run, company: Company) -> None:
    words = ("user", "add", "nia", "--role", "viewer", "--password-stdin")
    told = cloud(*words, "--depot", "depot-north", given=f"{GOOD_PASSWORD}\n")
    assert told.exit_code == 0, told.output
    login = {"name": "nia", "password": GOOD_PASSWORD}
    assert company.ask("POST", "/api/v1/session", None, login).status == 204
    assert "nia\tviewer\tdepots depot-north\tactive" in cloud("user", "list").output
    moved = cloud("user", "change", "nia", "--role", "carrier", "--carrier", "swift", "--disable")
    assert moved.output == "nia: carrier, carrier swift, disabled\n"
    assert company.ask("POST", "/api/v1/session", None, login).status == 401
    cloud("user", "change", "nia", "--enable", "--role", "viewer", "--everything")
    assert "nia\tviewer\teverything\tactive" in cloud("user", "list").output
    made = re.search(r"shown this once: (\S+)", cloud("user", "password", "nia").output)
    assert made is not None
    login["password"] = made[1]
    assert company.ask("POST", "/api/v1/session", None, login).status == 204
    assert cloud("user", "delete", "nia").exit_code == 0
    assert "nia" not in cloud("user", "list").output
    log = company.as_((MAIN, "admin"), "GET", "/audit?limit=3").json["items"]
    assert log[0]["action"] == "cloud user delete"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("user", "add", "x", "--role", "viewer", "--tenant", "nobody"), "tenant 'nobody'"),
        (("user", "add", "x", "--role", "viewer", "--depot", "nowhere"), "reach.depot_ids"),
        (("user", "add", "x", "--role", "carrier"), "reach.carrier_id"),
        (("user", "add", "x", "--role", "driver"), "driver"),
        (("user", "change", "nobody", "--disable"), "user 'nobody' is not known"),
        (("user", "delete", "admin"), "last administrator"),
    ],
)
def test_what_cannot_be_is_refused_and_named(cloud: Run, words: tuple[str, ...], told: str) -> None:
    result = cloud(*words)
    assert result.exit_code != 0
    assert told in result.output
    assert "Traceback" not in result.output


def test_a_password_that_anybody_tries_first_is_refused_here_too(cloud: Run) -> None:
    words = ("user", "add", "x", "--role", "viewer", "--password-stdin")
    assert "anybody tries first" in cloud(*words, given="Password2026\n").output
