"""Rules of claims and certificates. Pure; instants are seconds since 1970, real time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from wire.enrolment import Purpose

CLAIM_S: Final = 24 * 3600.0
"""How long a claim token may be used."""
MOST_AT_ONCE: Final = 3
"""Certificates of one gateway in force: the present one, the next one, and one that was lost."""
_RENEWED_FROM: Final = 0.5
"""Part of a certificate's life that must be over before it is renewed; gateways ask when two thirds
are. A copied card renews no earlier, and a key that leaked opens nothing once that is over."""
_RENEWAL_EVERY: Final = 0.05
"""Part of the newest certificate's life that must be over before another one is given beside it,
for a box that has lost what it was given."""
_SETTLED_S: Final = 300.0
"""How long a box that was given another certificate may still ask with the one before."""

type ClaimState = Literal["open", "used", "expired", "revoked"]
type CertificateState = Literal["active", "backlog", "replaced", "retired", "revoked"]
"""``backlog``: may only hand in what was recorded. ``replaced``: another box has the van now.
``retired``: the same box has a newer one."""

IN_FORCE: Final[tuple[CertificateState, ...]] = ("active", "backlog")
SEALABLE: Final[tuple[CertificateState, ...]] = ("active", "replaced", "backlog")
"""A box that holds the key of one of these may still hand in what it recorded for that van."""


class GatewayLetIn(msgspec.Struct, frozen=True, kw_only=True):
    """The van ``vehicle_id`` has a gateway that was never told anything."""

    vehicle_id: str


class CopySuspected(msgspec.Struct, frozen=True, kw_only=True):
    """A box asks to be the gateway of ``vehicle_id`` with a certificate that is retired.

    The box that was given the next one does so no more: somebody has a copy of its card, or the
    copy was given the next one and this is the van's own.

    Attributes:
        serial: of the certificate, or of the newest that it can have been.
    """

    vehicle_id: str
    serial: str


class GatewayShutOut(msgspec.Struct, frozen=True, kw_only=True):
    """Boxes are the gateway of ``vehicle_id`` no more.

    Attributes:
        sessions: client ids of their MQTT sessions.
    """

    vehicle_id: str
    sessions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to enrol one box for one van, once.

    Attributes:
        fingerprint: SHA-256 of the token; the token itself is nowhere.
        used_by: fingerprint of the key that it was used with. serial: what that key was given.
    """

    tenant: str
    id: str
    vehicle_id: str
    purpose: Purpose
    fingerprint: str
    made_by: str
    made_at: float
    expires_at: float
    used_at: float | None = None
    used_by: str | None = None
    serial: str | None = None
    revoked_at: float | None = None

    def state(self, now: float) -> ClaimState:
        """What the claim is good for now."""
        if self.used_at is not None:
            return "used"
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if now >= self.expires_at else "open"

    def is_retry(self, key: str, now: float) -> bool:
        """Whether the key it was used with asks again: the first answer may not have arrived."""
        return self.used_by == key and self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayCertificate:
    """A certificate that was issued for a van. Only what stands here is let in.

    Attributes:
        key: fingerprint of its key. public: that key, DER. client_id: of its MQTT session.
        asked_again_at: when it was first seen that a box asks with it though it is retired.
    """

    tenant: str
    serial: str
    vehicle_id: str
    identity: str
    state: CertificateState
    key: str
    public: bytes
    client_id: str
    pem: str
    issued_at: float
    expires_at: float
    ended_at: float | None = None
    asked_again_at: float | None = None

    def is_in_force(self, now: float) -> bool:
        """Whether the broker lets its holder in."""
        return self.state in IN_FORCE and now < self.expires_at


def why_not_spend(claim: Claim, purpose: Purpose, van: str | None) -> str | None:
    """Why a box that expects ``purpose`` and ``van`` is given nothing for a claim; None when it is.

    Args:
        claim: that its token belongs to.
        purpose: what the box was told to become.
        van: whose it was told to become; None takes the claim's.
    """
    if van is not None and van != claim.vehicle_id:
        return f"the token is for {claim.vehicle_id} and not for {van}; make a claim for {van}"
    if purpose == claim.purpose:
        return None
    if claim.purpose == "backlog":
        return (
            f"the token only lets a box hand in what it recorded for {claim.vehicle_id}; run it "
            f"again with --sealed {claim.vehicle_id}, or make a claim of purpose gateway"
        )
    return (
        f"the token would make this box the gateway of {claim.vehicle_id} and shut out the one it "
        "has; make a claim of purpose backlog for --sealed"
    )


def left_as(before: GatewayCertificate, given: GatewayCertificate) -> CertificateState:
    """What a box's certificate becomes when the same box is ``given`` another by a claim."""
    is_same = (before.tenant, before.vehicle_id) == (given.tenant, given.vehicle_id)
    return "retired" if is_same else "backlog"


def session_of(known: list[GatewayCertificate], now: float) -> str | None:
    """Client id of the one box that is a van's gateway now; None when the van has none.

    Args:
        known: the van's certificates, the newest first.
        now: seconds since 1970.
    """
    active = (one for one in known if one.state == "active" and one.is_in_force(now))
    return next((one.client_id for one in active), None)


def shut_out(
    vehicle_id: str, ended: list[GatewayCertificate], by_password: str | None = None
) -> GatewayShutOut:
    """That the boxes with these certificates, or in this session, are the van's gateway no more."""
    sessions = {one.client_id for one in ended}
    if by_password is not None:
        sessions.add(by_password)
    return GatewayShutOut(vehicle_id=vehicle_id, sessions=tuple(sorted(sessions)))


def why_not_renew(known: list[GatewayCertificate], in_use: str, now: float) -> str | None:
    """Why a van is not given another certificate; None when it is.

    Args:
        known: those of the van that are in force.
        in_use: serial of the one it asks with.
        now: seconds since 1970.
    """
    active = [one for one in known if one.state == "active"]
    if in_use not in {one.serial for one in active}:
        return "the certificate it says it uses is not in force"
    if len(active) >= MOST_AT_ONCE:
        return f"it has {len(active)} certificates and uses none of the newer ones"
    used = next(one for one in active if one.serial == in_use)
    if now < used.issued_at + _RENEWED_FROM * (used.expires_at - used.issued_at):
        return f"not even {_RENEWED_FROM:.0%} of the life of the one it uses are over"
    newest = max(active, key=lambda one: one.issued_at)
    if now < newest.issued_at + _RENEWAL_EVERY * (newest.expires_at - newest.issued_at):
        return "its newest certificate is new"
    return None


def superseded(known: list[GatewayCertificate], in_use: str) -> list[GatewayCertificate]:
    """What the same box needs no more, now that it has connected with ``in_use``."""
    used = next((one for one in known if one.serial == in_use and one.state == "active"), None)
    if used is None:
        return []
    return [one for one in known if one.state == "active" and one.issued_at < used.issued_at]


def copied(
    retired: list[GatewayCertificate], refused: Mapping[str, float]
) -> list[GatewayCertificate]:
    """Those of ``retired`` that a box was refused with, though it should have the next one.

    Args:
        retired: certificates in this state.
        refused: by client id, when a box that holds a certificate of ours began to connect the last
            time that it was refused. Only who has a box's card knows its client id.
    """
    found: dict[str, GatewayCertificate] = {}
    for one in sorted(retired, key=lambda one: one.ended_at or 0.0):
        began_at = refused.get(one.client_id)
        if began_at is not None and began_at > (one.ended_at or 0.0) + _SETTLED_S:
            found[one.client_id] = one
    return [one for one in found.values() if one.asked_again_at is None]
