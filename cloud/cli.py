"""``roundsman cloud``: serve, migrate, back up and restore, tenants and users."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import click

from cloud.foundation.errors import CloudError, Invalid
from cloud.foundation.layout import DataFolder
from cloud.foundation.logs import log_as
from cloud.people_cli import tenant, user

_DATA = click.option(
    "--data",
    "data",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder that holds everything of this Roundsman.",
)


class _BadConfiguration(click.ClickException):
    """Cannot work until somebody mends the configuration; systemd does not start it again."""

    exit_code = 78  # EX_CONFIG of sysexits.h


def _told(error: CloudError) -> click.ClickException:
    is_lasting = isinstance(error, Invalid)
    return (_BadConfiguration if is_lasting else click.ClickException)(error.detail)


@contextmanager
def _telling() -> Iterator[None]:
    """Errors that a person can act on, as one line."""
    try:
        yield
    except CloudError as error:
        raise _told(error) from error
    except OSError as error:
        raise click.ClickException(str(error)) from error


@click.group()
def main() -> None:
    """What runs at the depot: broker, ingest, web, planners, roads, learner."""


@main.command()
@_DATA
@click.option("--host", default="127.0.0.1", show_default=True, help="Where web listens.")
@click.option(
    "--port",
    default=8480,
    show_default=True,
    type=click.IntRange(1, 65_535),
    help="Its port.",
)
@click.option(
    "--role",
    default="all",
    show_default=True,
    type=click.Choice(
        ["all", "broker", "ingest", "roads", "planner", "quick_planner", "learner", "web"]
    ),
    help="Run one part alone, or supervise all.",
)
def serve(data: Path, host: str, port: int, role: str) -> None:
    """Run the cloud until it is stopped."""
    from cloud import roles
    from cloud.foundation.settings import load
    from cloud.stages import Serving

    log_as("cloud" if role == "all" else role)
    folder = DataFolder(data.resolve())
    try:
        serving = Serving(data=folder, settings=load(folder.settings), host=host, port=port)
        roles.run(role, serving)
    except CloudError as error:
        raise _told(error) from error


@main.command()
@_DATA
def migrate(data: Path) -> None:
    """Bring both databases to the form this version needs."""
    from cloud import roles
    from cloud.foundation.settings import load

    folder = DataFolder(data.resolve())
    try:
        roles.migrate(folder, "telemetry", "business", settings=load(folder.settings))
    except CloudError as error:
        raise _told(error) from error


@main.command()
@_DATA
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--no-check", is_flag=True, help="Do not try whether it can be restored.")
def backup(data: Path, file: Path, *, no_check: bool) -> None:
    """Write everything but the secrets to FILE; the cloud may run meanwhile.

    The backup is restored into scratch databases beside FILE and counted before it is called good.
    """
    from cloud import keeping

    with _telling():
        made = keeping.back_up(DataFolder(data.resolve()), file.resolve(), is_checked=not no_check)
    word = "written, not checked" if no_check else "written, restored and counted"
    click.echo(f"{file}: {made.rows:,} rows, {file.stat().st_size:,} bytes, {word}")
    click.echo(f"not in it: {DataFolder(data).secrets}; keep a copy of that folder elsewhere")


@main.command()
@_DATA
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Set aside what is there.")
def restore(data: Path, file: Path, *, replace: bool) -> None:
    """Bring back the backup FILE; the cloud must not run.

    It is restored into scratch databases and counted, and only then put in place.
    """
    from cloud import keeping

    with _telling():
        made = keeping.restore(DataFolder(data.resolve()), file, is_replacing=replace)
    click.echo(f"{data}: {made.rows:,} rows of {made.made_at}, counted and in place")


@main.group()
def deadletter() -> None:
    """What vans sent that could not be taken: look at it, try it again, or drop it."""


_TENANT = click.option(
    "--tenant", default="main", show_default=True, help="Of which company on this installation."
)
_VAN = click.option("--van", help="Of this van only.")


@deadletter.command("list")
@_DATA
@_TENANT
@_VAN
def list_letters(data: Path, tenant: str, van: str | None) -> None:
    """One line each: id, topic, bytes, reason."""
    from cloud import letters

    with _telling():
        for one in letters.every(DataFolder(data.resolve()), tenant, van):
            click.echo(f"{one.id}  {one.topic}  {one.payload_bytes} bytes  {one.reason}")


@deadletter.command("show")
@_DATA
@_TENANT
@click.argument("letter_id")
def show_letter(data: Path, tenant: str, letter_id: str) -> None:
    """The bytes of one, as they came."""
    from cloud import letters

    with _telling():
        click.echo(letters.content(DataFolder(data.resolve()), tenant, letter_id), nl=False)


@deadletter.command()
@_DATA
@_TENANT
@_VAN
@click.argument("letter_ids", nargs=-1)
def replay(data: Path, tenant: str, van: str | None, letter_ids: tuple[str, ...]) -> None:
    """Try some again, or all of a van or tenant; what still fails is left."""
    _work_letters("replay", data, tenant, van, letter_ids)


@deadletter.command()
@_DATA
@_TENANT
@_VAN
@click.argument("letter_ids", nargs=-1)
def drop(data: Path, tenant: str, van: str | None, letter_ids: tuple[str, ...]) -> None:
    """Forget some, or all of a van or tenant."""
    _work_letters("drop", data, tenant, van, letter_ids)


def _work_letters(
    what: Literal["replay", "drop"], data: Path, tenant: str, van: str | None, ids: tuple[str, ...]
) -> None:
    from cloud import letters

    with _telling():
        outcome = letters.work(DataFolder(data.resolve()), what, tenant=tenant, van=van, ids=ids)
    click.echo(f"{outcome.done} done, {outcome.left} left")
    for letter_id, reason in outcome.reasons.items():
        click.echo(f"{letter_id}  {reason}")


main.add_command(tenant)
main.add_command(user)

if __name__ == "__main__":
    main(prog_name="roundsman cloud")
