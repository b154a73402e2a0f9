"""``roundsman gateway``: what runs in the van. Each command loads only what it needs."""

import sys
from pathlib import Path
from typing import Final, TextIO

import click

from gateway.errors import GatewayError, SettingsError, SpoolError

EX_CONFIG: Final = 78
EX_TEMPFAIL: Final = 75

_COLOURS: Final = {"good": None, "plain": None, "skipped": None, "warning": "yellow", "bad": "red"}

_GIVEN_UP: Final = {
    "as_the_earlier": "given up; the cloud knows it as {van}'s gaps",
    "as_the_earlier_later": "given up; {van}'s gaps are handed in when the broker answers",
    "as_the_present": "given up; the van this box is in tells it when its gateway runs",
}

_config = click.option(
    "--config",
    "config",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The gateway's TOML file.",
)


class _Group(click.Group):
    """Turns the gateway's own errors into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            click.echo(f"roundsman gateway: {error}", err=True)
            sys.exit(EX_CONFIG)
        except GatewayError as error:
            click.echo(f"roundsman gateway: {error}", err=True)
            sys.exit(EX_TEMPFAIL)


@click.group(cls=_Group)
def main() -> None:
    """What runs in the van: read the receiver, keep every fix, publish."""


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def decode(file: Path) -> None:
    """Print one JSON object a line for each epoch of a recording that has a position.

    Sentences that are refused are told on standard error, with the field at fault.
    """
    from gateway.decode import Refusals, decoded_lines

    out, refusals, count = sys.stdout.buffer, Refusals(), 0
    for line in decoded_lines(file, refusals):
        out.write(line + b"\n")
        count += 1
    out.flush()
    for told in refusals.lines:
        click.echo(f"roundsman gateway: {told}", err=True)
    if refusals.count > len(refusals.lines):
        click.echo(f"roundsman gateway: {refusals.count} sentences refused in all", err=True)
    if count == 0:
        problem = "holds no epoch with a position; give NMEA 0183 as a receiver sends it"
        click.echo(f"roundsman gateway: {file}: {problem}", err=True)


@main.command()
@_config
def prepare(config: Path) -> None:
    """Make the spool's schema; does nothing when the spool is there."""
    import sqlite3

    from gateway import configuration
    from gateway.durable import is_of_medium
    from gateway.spool import schema
    from gateway.start import MEDIUM_FAILS

    chosen = configuration.load(config)
    try:
        schema.prepare(chosen.spool_file)
    except (OSError, sqlite3.Error) as error:
        problem = f"data_dir: {chosen.folder}: {error}; give a writable folder with room"
        if is_of_medium(error):
            click.echo(f"roundsman gateway: {problem}", err=True)
            sys.exit(MEDIUM_FAILS)
        raise SpoolError(problem) from error


@main.command()
@_config
def run(config: Path) -> None:
    """Run the gateway until SIGTERM or SIGINT."""
    from gateway import start

    start.run(config)


@main.command()
@_config
@click.option("--json", "is_json", is_flag=True, help="Print it as JSON.")
def status(config: Path, is_json: bool) -> None:  # noqa: FBT001 - click passes a flag so
    """Show on one screen how the gateway does; exit code 3 when it does not run."""
    import msgspec

    from gateway import configuration
    from gateway.operation.status import lines, report, shown

    chosen = configuration.load(config)
    configuration.require_readable(chosen)
    told = report(chosen)
    if is_json:
        click.echo(msgspec.json.encode(told))
    else:
        for mark, line in shown(lines(chosen, told)):
            click.secho(line, fg=_COLOURS[mark])
    sys.exit(told.exit_code)


@main.command()
@_config
@click.option("--json", "is_json", is_flag=True, help="Print it as JSON.")
def doctor(config: Path, is_json: bool) -> None:  # noqa: FBT001 - click passes a flag so
    """Look at all that a working van needs; exit code 1 with a warning, 2 with a failure."""
    import msgspec

    from gateway.doctor.examine import examine, exit_code, shown

    found = []
    for check in examine(config):
        found.append(check)
        for line in () if is_json else shown(check):
            click.secho(line, fg=_COLOURS[check.verdict])
    if is_json:
        click.echo(msgspec.json.encode(found))
    sys.exit(exit_code(found))


@main.command()
@_config
@click.option("--url", required=True, help="The cloud's web, such as https://fleet.example.")
@click.option(
    "--token-file",
    type=click.File("r"),
    default="-",
    help="Where the claim token stands; standard input by default.",
)
@click.option(
    "--ca", type=click.Path(dir_okay=False, path_type=Path), help="Authority to trust for --url."
)
@click.option("--fingerprint", help="SHA-256 of the certificate that --url shows.")
@click.option("--sealed", metavar="VAN", help="Only to hand in what was recorded for this van.")
def enrol(
    config: Path,
    url: str,
    token_file: TextIO,
    ca: Path | None,
    fingerprint: str | None,
    sealed: str | None,
) -> None:
    """Make this box the gateway of a van: a key made here, certified for a claim token.

    Run it again with the same token when it was interrupted.
    """
    from gateway.enrolment import enrol as enrolling
    from gateway.enrolment.asking import Cloud

    cloud = Cloud(url, ca_file=ca, fingerprint=fingerprint)
    token = token_file.readline(200)
    if sealed is None:
        held = enrolling.enrol(config, cloud, token)
    else:
        held = enrolling.enrol_sealed(config, cloud, token, sealed)
    click.echo(enrolling.as_json(held))


@main.command("new-key", hidden=True)
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), required=True)
def new_key(folder: Path) -> None:
    """Make a key and the request to have it certified; the service asks for it."""
    from gateway.enrolment import keys

    keys.make_key(folder)


@main.command("deliver-sealed")
@_config
def deliver_sealed(config: Path) -> None:
    """Hand in what this box recorded for an earlier van; the running service does so by itself."""
    from gateway import configuration, log
    from gateway.enrolment.delivery import deliver
    from gateway.enrolment.ownership import as_owner_of

    log.to_stderr()
    chosen = configuration.load(config)
    with as_owner_of(chosen.folder):
        is_done = deliver(chosen)
    if not is_done:
        sys.exit(EX_TEMPFAIL)


@main.command("give-up-sealed")
@click.argument("van")
@_config
@click.option("--yes", "is_sure", is_flag=True, help="Ask nothing.")
def give_up_sealed(van: str, config: Path, is_sure: bool) -> None:  # noqa: FBT001 - click passes a flag so
    """Never hand in what this box recorded for VAN, and tell the cloud that it is given up.

    It cannot be undone. What the cloud has acknowledged stays there.
    """
    from gateway import configuration, log
    from gateway.enrolment import giving_up
    from gateway.enrolment.ownership import as_owner_of
    from gateway.enrolment.sealing import SPOOL, alone_with_sealed
    from gateway.operation.left_behind import look

    chosen = configuration.load(config)
    log.to_stderr()
    with as_owner_of(chosen.folder), alone_with_sealed(chosen.folder):
        for tenant, name, folder in giving_up.sealed_of(chosen.folder, van):
            left = look(folder / SPOOL)
            waiting = left.problem or f"{left.fixes} fixes and {left.events} events wait"
            click.echo(f"{name} of {tenant}: {waiting}")
            if not is_sure:
                click.confirm("Give it up? It will never be handed in.", abort=True)
            way = giving_up.give_up(chosen, tenant, name, folder)
            click.echo(_GIVEN_UP[way].format(van=name))


@main.command("configure-receiver")
@click.option("--device", required=True, help="Its line, best a path below /dev/serial/by-id.")
@click.option("--profile", type=click.Path(dir_okay=False, path_type=Path), help="A TOML file.")
@click.option("--baud", type=int, help="Its speed now; found by asking when left out.")
@click.option("--rate", "rate_hz", type=float, help="Epochs a second, 1 to 10.")
@click.option("--model", help="What it assumes of the motion, such as automotive.")
@click.option("--target-baud", type=int, help="Its speed afterwards.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Only tell what would be set.")
def configure_receiver(
    device: str,
    profile: Path | None,
    baud: int | None,
    is_dry: bool,  # noqa: FBT001 - click passes a flag so
    **overrides: object,
) -> None:
    """Set a u-blox receiver up: rate, motion, sentences, speed, jamming and spoofing told.

    Ends with 1 when the receiver refuses or does not answer, with 78 when the profile is wrong.
    """
    from gateway.receivers.ublox.profile import read_profile
    from gateway.receivers.ublox.setup import Setup, SetupFailed

    given = {name: value for name, value in overrides.items() if value is not None}
    chosen = read_profile(profile, given)
    try:
        Setup(device, baud, chosen, click.echo).run(is_dry=is_dry)
    except SetupFailed as error:
        click.echo(f"roundsman gateway: {error}", err=True)
        sys.exit(1)
