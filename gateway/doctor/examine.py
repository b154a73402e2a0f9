"""``gateway doctor``: looks at everything that a working van needs, and says what to do."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from gateway import configuration, start
from gateway.doctor import Check, bad, files, identity, link, receivers, system
from gateway.errors import GatewayError
from gateway.operation.health import Health
from gateway.operation.status_socket import ask
from gateway.settings import Settings

_MARKS: Final = {"good": "●", "warning": "▲", "bad": "✗", "skipped": "○"}
_EXIT_CODES: Final = {"good": 0, "skipped": 0, "warning": 1, "bad": 2}


def examine(config: Path) -> Iterator[Check]:
    """Every check, as it is done; a configuration that cannot be used leaves the receivers."""
    try:
        chosen = configuration.load(config)
        configuration.require_readable(chosen)
    except GatewayError as error:
        yield bad("config", str(error), "mend it; only the receivers can be looked at before")
        for one in configuration.load_receivers(config):
            yield receivers.receiver(one, None, partial(start.receiver_of, one.name, one))
        return
    now_s = time.time()  # noqa: TID251 - as certificates and the kernel tell it
    running = _running(chosen)
    yield files.configuration(config, chosen)
    yield from files.certificates(chosen.broker, files.today(now_s))
    yield identity.certificate(chosen.folder, running, round(now_s * 1000))
    yield files.folder(chosen)
    yield from files.spool(chosen)
    yield from identity.sealed(chosen.folder, round(now_s * 1000))
    for at, one in enumerate(chosen.receivers):
        made = partial(start.receiver_of, f"receivers[{at}]", one)
        yield receivers.receiver(one, running, made)
    yield system.clock(now_s * 1000, running)
    yield from link.way_to_broker(chosen.broker, running)
    yield system.temperature()
    yield system.power()
    yield from system.parts(running)
    yield from system.service(running)
    yield from system.provisioned()


def _running(chosen: Settings) -> Health | None:
    answer = ask(chosen.folder)
    try:
        return None if not answer else msgspec.json.decode(answer, type=Health)
    except msgspec.DecodeError:
        return None


def shown(check: Check) -> list[str]:
    """A line for the terminal, and one with the remedy where there is one."""
    lines = [f"{_MARKS[check.verdict]} {check.name:<16} {check.told}"]
    if check.remedy:
        lines.append(f"  {'':<16} → {check.remedy}")
    return lines


def exit_code(checks: list[Check]) -> int:
    """0 when all is well, 1 with a warning, 2 when something does not work."""
    return max((_EXIT_CODES[check.verdict] for check in checks), default=0)
