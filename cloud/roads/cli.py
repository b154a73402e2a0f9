"""``roundsman city``: street networks."""

from pathlib import Path

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
    """Make DIR/city from an extract: the road engine's files, the drawn streets, the facts."""
    from cloud.foundation.layout import DataFolder
    from cloud.roads.city import import_city
    from cloud.roads.model import CityError

    city = DataFolder(data).city
    try:
        facts = import_city(extract, city, name=name, told=lambda text: click.echo(f"  {text} …"))
    except CityError as error:
        raise click.ClickException(str(error)) from error
    west, south, east, north = facts.bbox
    click.echo(f"{facts.name}: {south:.3f}..{north:.3f} N, {west:.3f}..{east:.3f} E, in {city}")
