"""``roundsman city``: street networks."""

from pathlib import Path
from typing import Literal

import click


@click.group()
def main() -> None:
    """Street networks: import an OpenStreetMap extract."""


@main.command("import")
@click.argument("extract", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.osm.pbf")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="Data folder."
)
@click.option("--name", help="What to call the city; by default the file's name.")
def import_extract(extract: Path, data: Path, name: str | None) -> None:
    """Make DIR/city from an extract: the road engine's files, the drawn streets, the facts.

    For the measures of [van] in DIR/cloud.toml.
    """
    from cloud.foundation.errors import CloudError
    from cloud.foundation.layout import DataFolder
    from cloud.foundation.settings import load
    from cloud.roads.city import import_city

    folder = DataFolder(data)
    city = folder.city
    try:
        facts = import_city(
            extract,
            city,
            name=name,
            van=load(folder.settings).van,
            told=lambda text: click.echo(f"  {text} …"),
        )
    except CloudError as error:
        raise click.ClickException(str(error)) from error
    west, south, east, north = facts.bbox
    click.echo(f"{facts.name}: {south:.3f}..{north:.3f} N, {west:.3f}..{east:.3f} E, in {city}")


@main.command("speeds")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Data folder.",
)
@click.option(
    "--tenant", default="main", show_default=True, help="Of which company on this installation."
)
@click.option("--name", help="What to call it; by default the file's name. It replaces its like.")
def take_speeds(file: Path, data: Path, tenant: str, name: str | None) -> None:
    """Take speeds (.csv: from_node,to_node,kmh) or closures and slow zones (.geojson) from FILE.

    In force within half a minute when the cloud runs.
    """
    import getpass

    from cloud.foundation.clock import clock_of
    from cloud.foundation.database import Database
    from cloud.foundation.errors import CloudError
    from cloud.foundation.ids import random_id
    from cloud.foundation.layout import DataFolder
    from cloud.foundation.places import place_of
    from cloud.foundation.settings import load
    from cloud.roads.service import Traffic

    folder = DataFolder(data.resolve())
    kind: Literal["csv", "geojson"] = "csv" if file.suffix.lower() == ".csv" else "geojson"
    try:
        database = Database(place_of("business", folder, load(folder.settings)))
        try:
            traffic = Traffic(
                database,
                clock_of(folder.root),
                random_id,
                depots=lambda _: (),
                changed=lambda: None,
            )
            taken = traffic.take_file(
                tenant, name or file.name, kind, file.read_bytes(), getpass.getuser()
            )
        finally:
            database.close()
    except CloudError as error:
        raise click.ClickException(error.detail) from error
    click.echo(f"{file}: {taken.speeds} speeds, {taken.rules} closures and slow zones taken")
