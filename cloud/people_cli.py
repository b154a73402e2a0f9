"""``roundsman cloud tenant`` and ``user``: for who runs the installation, while it runs too.

Whoever can write the data folder may do everything, so there is no sign-in. What is done is in the
audit log of the tenant under the name of the machine's user.
"""

import getpass
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from cloud.foundation.errors import CloudError, Invalid, NotFound
from cloud.foundation.identity.model import ROLES, TENANT, Caller, Role, User, typed_name
from cloud.foundation.identity.people import NewUser, People
from cloud.foundation.identity.reach import EVERYTHING, Reach
from cloud.foundation.layout import DataFolder

_DATA = click.option(
    "--data",
    "data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="The folder that holds everything of this Roundsman.",
)
_TENANT = click.option("--tenant", default=TENANT, show_default=True, help="Whose user.")
_OFFICE: Final = [role for role in ROLES if role != "driver"]
_ROLE = click.Choice(_OFFICE)
_DEPOTS = click.option("--depot", "depots", multiple=True, help="Only this depot; may be repeated.")
_CARRIER = click.option("--carrier", help="Only this carrier's vans and what is on them.")
_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password; else one is made.")


@contextmanager
def _people(data: Path, tenant: str, action: str) -> Iterator[People]:
    """The use cases, over the folder's database; what they change is logged as ``action``."""
    from cloud import grants, roles
    from cloud.foundation.clock import RealClock
    from cloud.foundation.database import Database
    from cloud.foundation.identity import Identity, audit
    from cloud.foundation.ids import random_id
    from cloud.foundation.places import place_of
    from cloud.foundation.settings import load

    folder, clock = DataFolder(data.resolve()), RealClock()
    operator = Caller(tenant=tenant, user_id="operator", name=getpass.getuser(), role="admin")
    act = audit.Act(
        method="CLI", path=action, address="command line", action=action, caller=operator
    )
    try:
        settings = load(folder.settings)
        roles.migrate(folder, "business", settings=settings)
        place = place_of("business", folder, settings)
        database = Database(place, lambda connection: audit.record(connection, clock.now_s()))
        try:
            with audit.acting(act):
                identity = Identity(database, clock, random_id)
                yield People(database, identity, clock, random_id, grants.require_reach)
        finally:
            database.close()
    except CloudError as error:
        raise click.ClickException(error.detail) from error


@click.group()
def tenant() -> None:
    """Companies on this installation; each has its own users, vans and orders."""


@tenant.command("add")
@click.argument("tenant_id", metavar="ID")
@click.option("--name", help="What it is called; its ID when left out.")
@click.option("--admin", default="admin", show_default=True, help="Name of its administrator.")
@_DATA
def add_tenant(tenant_id: str, name: str | None, admin: str, data: Path) -> None:
    """Take a company in, with an administrator whose password and token are shown this once."""
    from cloud.fleet.model import require_id

    with _people(data, tenant_id, "cloud tenant add") as people:
        require_id("ID", tenant_id)
        login = people.add_tenant(tenant_id, name or tenant_id, admin)
    click.echo(f"tenant {tenant_id} is in; shown this once:")
    for what, value in login.items():
        click.echo(f"  {what}: {value}")


@tenant.command("list")
@_DATA
def list_tenants(data: Path) -> None:
    """Every company on this installation."""
    with _people(data, TENANT, "cloud tenant list") as people:
        for one in people.tenants():
            click.echo(f"{one.id}\t{one.name}")


@click.group()
def user() -> None:
    """Who may call, in which role, and how far. Drivers' logins come with the drivers."""


@user.command("add")
@click.argument("name")
@click.option("--role", type=_ROLE, required=True)
@_TENANT
@_DEPOTS
@_CARRIER
@_STDIN
@_DATA
def add_user(
    name: str,
    role: Role,
    tenant: str,
    depots: tuple[str, ...],
    carrier: str | None,
    *,
    password_stdin: bool,
    data: Path,
) -> None:
    """Let somebody in; a password that was made is shown this once."""
    password = _password(is_read=password_stdin)
    with _people(data, tenant, "cloud user add") as people:
        people.require_tenant(tenant)
        reach = _reach(depots, carrier)
        made = people.add(tenant, NewUser(name=name, role=role, reach=reach, password=password))
    click.echo(f"{typed_name(tenant, made.name)} may sign in as {made.role}")
    if not password_stdin:
        click.echo(f"password, shown this once: {password}")


@user.command("list")
@_TENANT
@_DATA
def list_users(tenant: str, data: Path) -> None:
    """Everybody who may call: name, role, how far, and whether disabled."""
    with _people(data, tenant, "cloud user list") as people:
        people.require_tenant(tenant)
        after: str | None = ""
        while after is not None:
            found, after = people.users(tenant, after, 500)
            for one in found:
                state = "active" if one.disabled_at is None else "disabled"
                name = typed_name(tenant, one.name)
                click.echo(f"{name}\t{one.role}\t{_told(one.reach)}\t{state}")


@user.command("change")
@click.argument("name")
@click.option("--role", type=_ROLE)
@_DEPOTS
@_CARRIER
@click.option("--everything", is_flag=True, help="Lift the limit to depots or a carrier.")
@click.option("--disable/--enable", "disable", default=None, help="Shut out at once, or let in.")
@_TENANT
@_DATA
def change_user(
    name: str,
    role: Role | None,
    depots: tuple[str, ...],
    carrier: str | None,
    *,
    everything: bool,
    disable: bool | None,
    tenant: str,
    data: Path,
) -> None:
    """Give a user another role or reach, or shut the user out; it holds from the next request."""
    with _people(data, tenant, "cloud user change") as people:
        limited = _reach(depots, carrier)
        if everything and not limited.is_everything:
            raise Invalid.field("--everything", "and a limit", "give one of them")
        reach = limited if everything or not limited.is_everything else None
        known = _known(people, tenant, name)
        changed = people.change(tenant, known.id, role=role, reach=reach, is_disabled=disable)
    state = "active" if changed.disabled_at is None else "disabled"
    click.echo(f"{name}: {changed.role}, {_told(changed.reach)}, {state}")


@user.command("password")
@click.argument("name")
@_STDIN
@_TENANT
@_DATA
def set_password(name: str, *, password_stdin: bool, tenant: str, data: Path) -> None:
    """Give a user another password; every session of the user ends."""
    password = _password(is_read=password_stdin)
    with _people(data, tenant, "cloud user password") as people:
        people.set_password(tenant, _known(people, tenant, name).id, password)
    told = "changed" if password_stdin else f"changed; shown this once: {password}"
    click.echo(f"password of {name} {told}")


@user.command("delete")
@click.argument("name")
@_TENANT
@_DATA
def delete_user(name: str, tenant: str, data: Path) -> None:
    """Forget a user; tokens and sessions end at once."""
    with _people(data, tenant, "cloud user delete") as people:
        people.delete(tenant, _known(people, tenant, name).id)
    click.echo(f"{name} is out")


def _known(people: People, tenant: str, name: str) -> User:
    people.require_tenant(tenant)
    found = people.by_name(tenant, name)
    if found is None:
        raise NotFound(f"user {name!r} is not known; `cloud user list` lists them")
    return found


def _password(*, is_read: bool) -> str:
    if is_read:
        return sys.stdin.readline().rstrip("\n")
    return secrets.token_urlsafe(15)


def _reach(depots: tuple[str, ...], carrier: str | None) -> Reach:
    if not depots and carrier is None:
        return EVERYTHING
    return Reach(depot_ids=frozenset(depots) or None, carrier_id=carrier)


def _told(reach: Reach) -> str:
    if reach.depot_ids is not None:
        return "depots " + ", ".join(sorted(reach.depot_ids))
    return "everything" if reach.carrier_id is None else f"carrier {reach.carrier_id}"
