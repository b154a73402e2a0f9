"""Use cases of enrolment, one transaction each; then the broker is told who is let in.

What the broker keeps for a box that was shut out goes by the outbox, with the transaction.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection

from cloud.fleet import gateway_store, kinds, register
from cloud.fleet.enrolment import store
from cloud.fleet.enrolment.model import (
    CLAIM_S,
    SEALABLE,
    Claim,
    ClaimState,
    CopySuspected,
    GatewayCertificate,
    GatewayLetIn,
    copied,
    left_as,
    shut_out,
    superseded,
    why_not_renew,
    why_not_spend,
)
from cloud.fleet.gateway_access import GatewayAccess
from cloud.foundation import outbox
from cloud.foundation.broker import BrokerAccess
from cloud.foundation.clock import Clock
from cloud.foundation.database import Database
from cloud.foundation.errors import Conflict, Invalid, NotFound, NotSignedIn
from cloud.foundation.identity.model import Caller, fingerprint
from cloud.foundation.ids import NewId
from wire.enrolment import (
    Certificate,
    Enrolment,
    EnrolmentRequest,
    Previous,
    Purpose,
    Renewal,
    proof_of_previous,
)

if TYPE_CHECKING:  # takes a fifth of a second and 20 MB, which a broker with passwords can spare
    from cloud.foundation.authority import Authority, RequestedKey

log = logging.getLogger(__name__)

type NewHex = Callable[[int], str]


class Enrolments:
    """Who may be a van's gateway. Certificates live in real time, as TLS does."""

    def __init__(
        self,
        database: Database,
        real_time: Clock,
        broker: BrokerAccess,
        access: GatewayAccess,
        new_id: NewId,
        new_hex: NewHex,
    ) -> None:
        self._database = database
        self._real_time = real_time
        self._broker = broker
        self._access = access
        self._new_id = new_id
        self._new_hex = new_hex

    def make_claim(self, caller: Caller, vehicle_id: str, purpose: Purpose, token: str) -> Claim:
        """Let one box be enrolled for a van; an earlier claim that waits for the same ends.

        Raises:
            NotFound: no such van. Conflict: this broker takes no certificates.
        """
        self._require_certified()
        now = self._real_time.now_s()
        made = Claim(
            tenant=caller.tenant,
            id=self._new_id("claim"),
            vehicle_id=vehicle_id,
            purpose=purpose,
            fingerprint=fingerprint(token),
            made_by=caller.name,
            made_at=now,
            expires_at=now + CLAIM_S,
        )
        with self._database.writing() as connection:
            register.require(connection, kinds.VEHICLES, caller.tenant, vehicle_id)
            self._revoke_open(connection, made, store.claim.c.purpose == purpose)
            store.add_claim(connection, made)
        return made

    def claims(self, tenant: str, vehicle_id: str) -> list[tuple[Claim, ClaimState]]:
        """A van's claims, the newest first, each with its state.

        Raises:
            NotFound: no such van.
        """
        now = self._real_time.now_s()
        with self._database.reading() as connection:
            register.require(connection, kinds.VEHICLES, tenant, vehicle_id)
            found = store.claims(connection, tenant, vehicle_id)
        return [(one, one.state(now)) for one in found]

    def revoke_claim(self, tenant: str, vehicle_id: str, claim_id: str) -> None:
        """End a claim; one that was used gives its certificate no second time.

        Raises:
            NotFound: there is no such claim that could still be used.
        """
        with self._database.writing() as connection:
            now = self._real_time.now_s()
            this = store.claim.c.id == claim_id
            if not store.revoke_claims(connection, tenant, vehicle_id, now, this):
                raise NotFound(f"claim {claim_id[:80]!r} of {vehicle_id[:80]!r} is not open")

    def certificates(self, tenant: str, vehicle_id: str) -> list[GatewayCertificate]:
        """A van's certificates, the newest first.

        Raises:
            NotFound: no such van.
        """
        with self._database.reading() as connection:
            register.require(connection, kinds.VEHICLES, tenant, vehicle_id)
            return store.certificates(connection, tenant, vehicle_id)

    def enrol(self, asked: EnrolmentRequest) -> Enrolment:
        """Spend a claim token on the key of ``asked``; the same key may ask for the same again.

        Raises:
            NotSignedIn: there is no such token.
            Conflict: it was used, is over, or is for something else than was asked for.
            Invalid: the request proves no key. Unavailable: the broker does not take it in time.
        """
        self._require_certified()
        with self._database.reading() as connection:
            if store.claim_of(connection, fingerprint(asked.token)) is None:
                raise _unknown_token()
        key = _requested_key(asked.csr)
        authority = self._broker.authority
        with self._database.writing() as connection:
            now = self._real_time.now_s()
            claim = store.claim_of(connection, fingerprint(asked.token))
            if claim is None:
                raise _unknown_token()
            reason = why_not_spend(claim, asked.purpose, asked.van)
            if reason is not None:
                raise Conflict(reason)
            before = self._given_before(connection, claim, key, now)
            given = before or self._spend(connection, claim, key, authority, now)
            if asked.previous is not None and asked.previous.serial != given.serial:
                left = self._leave_behind(connection, given, asked.previous, asked.csr, now)
                if left is not None and left.state == "retired" and before is None:
                    self._suspect(connection, left)
        self._tell_broker()
        log.info("a gateway was enrolled", extra={"van": given.vehicle_id, "serial": given.serial})
        return self._enrolment(claim, given, authority)

    def renew(self, tenant: str, vehicle_id: str, asked: Renewal) -> Certificate | None:
        """Give the box that speaks as this van its next certificate, and end what it has replaced.

        Who asks is known by the broker, which lets only the van write to the van's topic.

        Returns:
            None when nothing was asked for, or nothing is given; the log says why.

        Raises:
            Invalid: the request proves no key.
        """
        key = None if asked.csr is None else _requested_key(asked.csr)
        authority = self._broker.authority
        with self._database.writing() as connection:
            now = self._real_time.now_s()
            known = store.certificates(connection, tenant, vehicle_id)
            known = [one for one in known if one.is_in_force(now)]
            old = superseded(known, asked.in_use)
            store.move_certificates(connection, old, "retired", now)
            known = [one for one in known if one not in old]
            given = None
            if key is not None:
                given = self._next(connection, known, asked.in_use, key, authority, now)
        if old or given is not None:
            self._tell_broker()
        return None if given is None else _told(given, authority)

    def revoke_gateway(self, tenant: str, vehicle_id: str) -> None:
        """Shut out every box of a van at once: certificates, password and open claims.

        Raises:
            NotFound: no such van.
        """
        with self._database.writing() as connection:
            now = self._real_time.now_s()
            register.require(connection, kinds.VEHICLES, tenant, vehicle_id)
            every = store.certificates(connection, tenant, vehicle_id)
            ended = [one for one in every if one.state != "revoked"]
            store.move_certificates(connection, ended, "revoked", now)
            store.revoke_claims(connection, tenant, vehicle_id, now)
            by_password = gateway_store.session_by_password(connection, tenant, vehicle_id)
            outbox.append(connection, tenant, now, shut_out(vehicle_id, every, by_password))
            gateway_store.drop_gateway(connection, tenant, vehicle_id)
        self._tell_revoked(ended)

    def revoke_certificate(self, tenant: str, vehicle_id: str, serial: str) -> None:
        """Shut out the box that holds one certificate.

        Raises:
            NotFound: the van has none of that serial number.
        """
        with self._database.writing() as connection:
            found = store.find_certificate_of(connection, tenant, vehicle_id, serial)
            if found is None:
                raise NotFound(f"certificate {serial[:80]!r} of {vehicle_id[:80]!r} is not known")
            now = self._real_time.now_s()
            store.move_certificates(connection, [found], "revoked", now)
            outbox.append(connection, tenant, now, shut_out(vehicle_id, [found]))
        self._tell_revoked([found])

    def look_for_copies(self) -> None:
        """Tell, once for each, of certificates that are retired and still asked with."""
        refused = self._broker.refused_sessions()
        with self._database.reading() as connection:
            found = copied(store.retired(connection, refused), refused)
        if found:
            with self._database.writing() as connection:
                for one in found:
                    self._suspect(connection, one)

    def _suspect(self, connection: Connection, asked: GatewayCertificate) -> None:
        if asked.asked_again_at is not None:
            return
        now = self._real_time.now_s()
        store.note_asked_again(connection, asked, now)
        told = CopySuspected(vehicle_id=asked.vehicle_id, serial=asked.serial)
        outbox.append(connection, asked.tenant, now, told)
        log.warning(
            "a box asks with a certificate that was replaced; if nobody put an older card into it, "
            "its card was copied: revoke the van's gateway and enrol its box with a new claim",
            extra={"van": asked.vehicle_id, "serial": asked.serial},
        )

    def let_in(self) -> None:
        """Tell the broker who is let in now; what has run out is not."""
        self._tell_broker()

    def _tell_revoked(self, ended: list[GatewayCertificate]) -> None:
        self._tell_broker()
        log.info("certificates were revoked", extra={"serials": [one.serial for one in ended]})

    def _tell_broker(self) -> None:
        self._access.let_in()

    def _require_certified(self) -> None:
        if not self._broker.is_certified:
            raise Conflict(
                "this broker takes no certificates; set embedded_broker.tls = true in cloud.toml "
                "and start again"
            )

    def _given_before(
        self, connection: Connection, claim: Claim, key: "RequestedKey", now: float
    ) -> GatewayCertificate | None:
        state = claim.state(now)
        if state == "open":
            return None
        if claim.serial is not None and claim.is_retry(key.fingerprint, now):
            found = store.find_certificate(connection, claim.serial)
            if found is not None and found.is_in_force(now):
                return found
        raise Conflict(f"the token is {state}; let an administrator make a new claim for the van")

    def _spend(
        self,
        connection: Connection,
        claim: Claim,
        key: "RequestedKey",
        authority: "Authority",
        now: float,
    ) -> GatewayCertificate:
        _require_new(connection, key)
        made = self._issue(
            authority,
            (claim.tenant, claim.vehicle_id),
            key,
            self._new_hex(16),
            is_backlog=claim.purpose == "backlog",
        )
        if claim.purpose == "gateway":
            before = store.certificates(connection, claim.tenant, claim.vehicle_id)
            others = [one for one in before if one.state == "active"]
            store.move_certificates(connection, others, "replaced", now)
            let_in = GatewayLetIn(vehicle_id=claim.vehicle_id)
            outbox.append(connection, claim.tenant, now, shut_out(claim.vehicle_id, others), let_in)
        store.add_certificate(connection, made)
        store.use_claim(connection, claim, key.fingerprint, made.serial, now)
        return made

    def _next(
        self,
        connection: Connection,
        known: list[GatewayCertificate],
        in_use: str,
        key: "RequestedKey",
        authority: "Authority",
        now: float,
    ) -> GatewayCertificate | None:
        for one in known:
            if one.key == key.fingerprint and one.state == "active":
                return one
        reason = why_not_renew(known, in_use, now)
        if reason is not None:
            log.warning("a renewal is refused", extra={"serial": in_use, "reason": reason})
            return None
        used = next(one for one in known if one.serial == in_use)
        _require_new(connection, key)
        van = (used.tenant, used.vehicle_id)
        made = self._issue(authority, van, key, used.client_id, is_backlog=False)
        store.add_certificate(connection, made)
        return made

    def _issue(
        self,
        authority: "Authority",
        van: tuple[str, str],
        key: "RequestedKey",
        client_id: str,
        *,
        is_backlog: bool,
    ) -> GatewayCertificate:
        lifetime = timedelta(days=self._broker.certificate_days)
        issued = authority.sign_gateway(*van, key, lifetime)
        return GatewayCertificate(
            tenant=van[0],
            vehicle_id=van[1],
            serial=issued.serial,
            identity=issued.identity,
            state="backlog" if is_backlog else "active",
            key=key.fingerprint,
            public=key.public,
            client_id=client_id,
            pem=issued.pem,
            issued_at=self._real_time.now_s(),
            expires_at=issued.expires_at,
        )

    def _leave_behind(
        self,
        connection: Connection,
        given: GatewayCertificate,
        previous: Previous,
        csr: str,
        now: float,
    ) -> GatewayCertificate | None:
        """What becomes of the certificate that the box has had until it was ``given`` another.

        Of another van: it may only hand in what the box recorded there. Of the same van: the box
        hands in with the new one, so the old key, which may have leaked, opens nothing any more.

        Returns:
            That certificate as it was before; None when it is not known here.

        Raises:
            Invalid: the box does not prove that it holds its key.
        """
        from cloud.foundation.authority import is_signed

        found = store.find_certificate(connection, previous.serial)
        if found is None:  # of another cloud, or newer than the backup this one was restored from
            extra = {"serial": previous.serial}
            log.info("the certificate that the box had before is not known here", extra=extra)
            return None
        message = proof_of_previous(previous.serial, csr)
        if not is_signed(found.public, message, bytes.fromhex(previous.signature)):
            raise Invalid.field(
                "previous",
                "is not proved to be held",
                "remove data_dir/credentials/current in the box and enrol it again; what it "
                "recorded for another van stays in it and waits for a claim of purpose backlog",
            )
        if found.state in SEALABLE and found.expires_at > now:
            store.move_certificates(connection, [found], left_as(found, given), now)
            outbox.append(connection, found.tenant, now, shut_out(found.vehicle_id, [found]))
        return found

    def _revoke_open(
        self, connection: Connection, made: Claim, *wanted: ColumnElement[bool]
    ) -> None:
        unused = store.claim.c.used_at.is_(None)
        store.revoke_claims(connection, made.tenant, made.vehicle_id, made.made_at, unused, *wanted)

    def _enrolment(
        self, claim: Claim, given: GatewayCertificate, authority: "Authority"
    ) -> Enrolment:
        address = self._broker.address_for_gateways()
        return Enrolment(
            tenant=given.tenant,
            van=given.vehicle_id,
            purpose=claim.purpose,
            host=address.host,
            port=address.port,
            client_id=given.client_id,
            certificate=_told(given, authority),
        )


def _requested_key(csr: str) -> "RequestedKey":
    from cloud.foundation.authority import read_request

    return read_request(csr)


def _told(given: GatewayCertificate, authority: "Authority") -> Certificate:
    return Certificate(
        serial=given.serial,
        pem=given.pem,
        authority=authority.certificate_pem(),
        issued_at_ms=round(given.issued_at * 1000),
        expires_at_ms=round(given.expires_at * 1000),
    )


def _require_new(connection: Connection, key: "RequestedKey") -> None:
    """A key belongs to one certificate: a copied one must not live on under another."""
    if store.is_certified(connection, key.fingerprint):
        raise Invalid.field("csr", "has a key that was certified before", "make a new key")


def _unknown_token() -> NotSignedIn:
    return NotSignedIn("the token is unknown; let an administrator make a claim for the van")
