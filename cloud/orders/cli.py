"""``roundsman import``: hand files to a running cloud, as any other system would."""

from datetime import datetime
from pathlib import Path
from typing import Final

import click

_LIMIT_S: Final = 120.0


@click.group()
def main() -> None:
    """Files for a running cloud: orders."""


@main.command("orders")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--depot", required=True, metavar="ID", help="Where their parcels lie.")
@click.option(
    "--date", "day", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Their service date."
)
@click.option(
    "--url", default="http://127.0.0.1:8480", show_default=True, help="Where the cloud answers."
)
@click.option(
    "--token",
    envvar="ROUNDSMAN_TOKEN",
    required=True,
    help="Of an administrator or dispatcher; better in ROUNDSMAN_TOKEN, where no list shows it.",
)
def import_orders(file: Path, depot: str, day: datetime, url: str, token: str) -> None:
    """Take every good row of a CSV FILE of orders, and tell of every bad one.

    Ends with 1 when a row was refused; the good ones are taken all the same.
    """
    import httpx

    try:
        answer = httpx.post(
            f"{url.rstrip('/')}/api/v1/orders/import",
            params={"depot_id": depot, "service_date": f"{day:%Y-%m-%d}"},
            content=file.read_bytes(),
            headers={"content-type": "text/csv", "authorization": f"Bearer {token}"},
            timeout=_LIMIT_S,
        )
        told = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise click.ClickException(
            f"--url: no cloud answers at {url} ({error}); start it, or name where it is"
        ) from error
    if answer.is_error:
        raise click.ClickException(_reason(told))
    for row in told["refused"]:
        where = f"{file}:{row['row']}: {row['field']} {row['value']!r}"
        click.echo(f"{where} {row['problem']}; {row['remedy']}", err=True)
    click.echo(f"{told['imported']} orders taken, {len(told['refused'])} rows refused")
    if told["refused"]:
        raise SystemExit(1)


def _reason(problem: dict[str, object]) -> str:
    """What the cloud says against the whole file."""
    return str(problem.get("detail") or problem.get("title") or "the cloud refused the file")
