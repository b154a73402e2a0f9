"""Whose the box is: the certificate it is known by, and what it holds of earlier vans."""

from collections.abc import Iterator
from pathlib import Path

from gateway.doctor import Check, good, skipped
from gateway.operation import belonging
from gateway.operation.belonging import Finding
from gateway.operation.health import Health


def certificate(folder: Path, running: Health | None, now_ms: int) -> Check:
    """How long the certificate of the box holds, and whether the next one comes."""
    if running is not None:
        one, is_connected = running.certificate, running.link.is_connected
    else:
        one, is_connected = belonging.certificate_on_disk(folder, now_ms), False
    if one is None:
        return skipped("certificate", "this box was never enrolled")
    return _check("certificate", belonging.judged_certificate(one, is_connected=is_connected))


def sealed(folder: Path, now_ms: int) -> Iterator[Check]:
    """What the box recorded for earlier vans and has not handed in."""
    found = belonging.sealed(folder, now_ms)
    if not found:
        yield good("sealed", "nothing waits of an earlier van")
    for one in found:
        yield _check("sealed", belonging.judged_sealed(one))


def _check(name: str, found: Finding) -> Check:
    return Check(name=name, verdict=found.verdict, told=found.told, remedy=found.remedy)
