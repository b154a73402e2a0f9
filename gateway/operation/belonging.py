"""Whose the box is and was, as ``status`` and ``doctor`` tell it: certificate and sealed spools.

Nothing is written by looking.
"""

from pathlib import Path
from typing import Final, Literal, NamedTuple

from gateway.enrolment.credentials import Credentials, Held, Trouble, read_held
from gateway.enrolment.sealing import SPOOL, given_up_folders, sealed_folders
from gateway.operation.figures import span
from gateway.operation.health import CertificateHealth, SealedHealth
from gateway.operation.left_behind import look

_SHORT: Final = 8
"""Digits of a serial number by which a person knows it again."""


class Finding(NamedTuple):
    """One thing that was looked at; ``remedy`` is empty when there is nothing to do."""

    verdict: Literal["good", "warning", "bad"]
    told: str
    remedy: str = ""


def certificate(held: Held, now_ms: int, problem: Trouble | None = None) -> CertificateHealth:
    """How the certificate in use does, at ``now_ms``; ``problem`` as the renewal tells it."""
    return CertificateHealth(
        serial=held.serial,
        left_s=(held.expires_at_ms - now_ms) / 1000,
        renews_in_s=(held.renews_at_ms - now_ms) / 1000,
        problem=None if problem is None else problem.told,
        remedy="" if problem is None else problem.remedy,
    )


def certificate_on_disk(folder: Path, now_ms: int) -> CertificateHealth | None:
    """The certificate of a gateway that does not run; None when the box was never enrolled."""
    held = Credentials(folder).held()
    return None if held is None else certificate(held, now_ms)


def sealed(folder: Path, now_ms: int) -> tuple[SealedHealth, ...]:
    """What lies sealed in the data folder, the oldest first."""
    credentials = Credentials(folder)
    found = []
    for tenant, van, path in sealed_folders(folder):
        left = look(path / SPOOL)
        found.append(
            SealedHealth(
                tenant=tenant,
                van=van,
                fixes=left.fixes,
                events=left.events,
                has_certificate=_is_usable(credentials.of_van(tenant, van), now_ms),
                problem=left.problem,
            )
        )
    for tenant, van, _ in given_up_folders(folder):
        found.append(SealedHealth(tenant=tenant, van=van, is_given_up=True))
    return tuple(found)


def _is_usable(folder: Path | None, now_ms: int) -> bool:
    held = None if folder is None else read_held(folder)
    return held is not None and now_ms < held.expires_at_ms


def judged_certificate(one: CertificateHealth, *, is_connected: bool) -> Finding:
    """What to say of the certificate, and what to do about it."""
    name = one.serial[:_SHORT]
    if one.left_s <= 0:
        return Finding(
            "bad",
            f"{name} expired {span(-one.left_s)} ago",
            "look at the clock; if it is right, enrol the box again: roundsman gateway enrol",
        )
    left = f"{name}, {span(one.left_s)} left"
    if one.renews_in_s > 0:
        return Finding("good", f"{left}, renewed in {span(one.renews_in_s)}")
    if one.problem is not None:
        return Finding("warning", f"{left}, not renewed: {one.problem}", one.remedy)
    if is_connected:
        return Finding("good", f"{left}, being renewed now")
    return Finding(
        "warning",
        f"{left}, time to renew it",
        "let the gateway run and reach the broker; it does it by itself",
    )


def judged_sealed(one: SealedHealth) -> Finding:
    """What to say of one sealed folder, and what to do about it."""
    whose = f"{one.van} of {one.tenant}"
    give_up = f"give it up: roundsman gateway give-up-sealed {one.van}"
    if one.is_given_up:
        return Finding("good", f"{whose}: given up; this van's gateway tells it when it runs")
    if one.problem is not None:
        return Finding(
            "warning",
            f"{whose}: {one.problem}",
            f"have it repaired: roundsman gateway deliver-sealed; or {give_up}",
        )
    waiting = f"{whose}: {one.fixes} fixes and {one.events} events wait"
    if one.has_certificate:
        return Finding(
            "warning",
            f"{waiting}, with a certificate to hand them in",
            "let the gateway reach the broker, or run: roundsman gateway deliver-sealed",
        )
    return Finding(
        "warning",
        f"{waiting}, without a certificate to hand them in",
        f"make a claim of purpose backlog for {one.van} and run: roundsman gateway enrol "
        f"--sealed {one.van}; or {give_up}",
    )
