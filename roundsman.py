"""The product's command line: gateway and cloud commands, each loaded only when it is called."""

import importlib
from importlib.util import find_spec
from typing import Final

import click

from wire import __version__

_GROUPS: Final = {
    "gateway": ("gateway.cli", "What runs in the van: read the receiver, keep every fix, publish."),
    "cloud": ("cloud.cli", "What runs at the depot: broker, ingest, web, planner, roads."),
    "plan": ("cloud.planning.cli", "Plans by hand: solve a file."),
    "import": ("cloud.orders.cli", "Files for a running cloud: orders."),
    "city": ("cloud.roads.cli", "Street networks: import an OpenStreetMap extract."),
}


def _installed() -> dict[str, tuple[str, str]]:
    return {name: told for name, told in _GROUPS.items() if find_spec(told[0].split(".")[0])}


class _LazyGroups(click.Group):
    """Lists every group without importing it, so that ``--help`` answers at once.

    A van has the gateway alone; what is not installed is no command.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*sorted(_installed()), *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _installed():
            return super().get_command(ctx, cmd_name)
        module, _ = _GROUPS[cmd_name]
        command = importlib.import_module(module).main
        assert isinstance(command, click.Command)  # noqa: S101 - a wiring mistake, not input
        _say_whole_sentences(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, text) for name, (_, text) in sorted(_installed().items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _say_whole_sentences(command: click.Command) -> None:
    """Let the list of a group tell the first paragraph of each command, which click cuts short."""
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        first, *_ = (below.help or "").split("\n\n")
        below.short_help = below.short_help or " ".join(first.split())
        _say_whole_sentences(below)


@click.group(cls=_LazyGroups)
@click.version_option(package_name=None, version=__version__, prog_name="roundsman")
def main() -> None:
    """Roundsman: open last-mile telematics and dispatch."""


if __name__ == "__main__":
    main(prog_name="roundsman")
