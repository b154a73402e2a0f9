"""A copied card renews no sooner than the van, and one that took the van over is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.fleet.enrolment.model import (
    CertificateState,
    CopySuspected,
    GatewayCertificate,
    copied,
    why_not_renew,
)
from cloud.foundation.identity import TENANT
from cloud.foundation.settings import EmbeddedBroker
from cloud.integrations.office import live_event
from gateway.enrolment.credentials import Held
from tests.fleet.box import Box
from tests.fleet.test_enrolment import DAY_S, Office, office
from tests.parts.broker import wait_for
from wire.enrolment import Certificate, EnrolmentRequest, Renewal

__all__ = ["office"]


def certificate(
    serial: str,
    issued_at: float,
    life_s: float,
    *,
    state: CertificateState = "active",
    ended_at: float | None = None,
) -> GatewayCertificate:
    return GatewayCertificate(
        tenant=TENANT,
        serial=serial,
        vehicle_id="van-1",
        identity=f"urn:roundsman:gateway:main:van-1:{serial}",
        state=state,
        key=serial,
        public=b"",
        client_id="0" * 32,
        pem="",
        issued_at=issued_at,
        expires_at=issued_at + life_s,
        ended_at=ended_at,
    )


def asks_from(one: GatewayCertificate) -> float:
    """When the gateway begins to ask for the next one, seconds since 1970."""
    held = Held(
        tenant=one.tenant,
        van=one.vehicle_id,
        purpose="gateway",
        host="broker.example",
        port=8883,
        client_id=one.client_id,
        serial=one.serial,
        issued_at_ms=round(one.issued_at * 1000),
        expires_at_ms=round(one.expires_at * 1000),
    )
    return held.renews_at_ms / 1000


@given(life_s=st.floats(10.0, 1_000 * DAY_S), part=st.floats(0.0, 0.999))
def test_whoever_asks_waits_for_half_of_the_life_and_the_gateway_is_never_too_early(
    *, life_s: float, part: float
) -> None:
    one = certificate("a", 1_800_000_000.0, life_s)
    reason = why_not_renew([one], "a", one.issued_at + part * life_s)
    assert (reason is None) == (part >= 0.5) or abs(part - 0.5) < 1e-6
    assert why_not_renew([one], "a", asks_from(one)) is None


def test_a_box_that_lost_what_it_was_given_is_given_another_in_time() -> None:
    used = certificate("a", 0.0, 90 * DAY_S)
    asked_at = asks_from(used)
    lost = certificate("b", asked_at, 90 * DAY_S)
    assert why_not_renew([lost, used], "a", asked_at + DAY_S) == "its newest certificate is new"
    assert why_not_renew([lost, used], "a", asked_at + 5 * DAY_S) is None
    assert asked_at + 5 * DAY_S < used.expires_at


def test_a_certificate_lasts_a_quarter_of_a_year_unless_told_otherwise() -> None:
    assert EmbeddedBroker().certificate_days == 90


def renewed(office: Office, old: Box, ago_s: float) -> tuple[str, Certificate]:
    """The van's box was given the next certificate, and has used it; the first one, then that."""
    office.clock.ahead_s = -100 * DAY_S
    first = office.enrol(old)
    office.clock.ahead_s = -ago_s
    asked = Renewal(in_use=first.certificate.serial, csr=Box().request())
    given = office.enrolments.renew(TENANT, "van-1", asked)
    assert given is not None
    office.enrolments.renew(TENANT, "van-1", Renewal(in_use=given.serial))
    assert sorted(office.states("van-1")) == ["active", "retired"]
    office.clock.ahead_s = 0.0
    return first.certificate.serial, first.certificate


@contextmanager
def refused(office: Office, box: Box, folder: Path, told: Certificate) -> Iterator[None]:
    with box.session(folder, told.pem, told.authority, office.broker.port) as session:
        wait_for(session.saw("refused"), "the old certificate to be refused")
        assert "connected" not in session.events
        wait_for(lambda: bool(office.broker.access.refused_sessions()), "the broker to tell")
        yield


def test_a_box_that_still_asks_with_a_retired_certificate_is_told_once(
    office: Office, tmp_path: Path
) -> None:
    old = Box()
    serial, told = renewed(office, old, ago_s=600)
    office.enrolments.look_for_copies()
    assert office.suspected() == []
    with refused(office, old, tmp_path / "old", told):
        office.enrolments.look_for_copies()
        office.enrolments.look_for_copies()
    (event,) = office.suspected()
    assert event.body(CopySuspected) == CopySuspected(vehicle_id="van-1", serial=serial)
    assert live_event(event) == ("copy_suspected", {"vehicle_id": "van-1", "serial": serial})
    shown = {one.serial: one for one in office.enrolments.certificates(TENANT, "van-1")}
    assert [one for one in shown if shown[one].asked_again_at is not None] == [serial]


def test_a_box_that_was_given_the_next_one_just_now_is_no_copy(
    office: Office, tmp_path: Path
) -> None:
    old = Box()
    _, told = renewed(office, old, ago_s=0)
    with refused(office, old, tmp_path / "old", told):
        office.enrolments.look_for_copies()
    assert office.suspected() == []


def test_a_box_that_another_has_replaced_is_no_copy(office: Office, tmp_path: Path) -> None:
    old = Box()
    told = office.enrol(old).certificate
    office.clock.ahead_s = -600.0
    office.enrol(Box())
    office.clock.ahead_s = 0.0
    with refused(office, old, tmp_path / "old", told):
        office.enrolments.look_for_copies()
    assert office.suspected() == []


def test_an_owner_who_was_shut_out_by_a_copy_is_told_when_he_enrols_again(office: Office) -> None:
    old, new = Box(), Box()
    serial, _ = renewed(office, old, ago_s=600)
    csr = new.request()
    asked = EnrolmentRequest(
        token=office.token(), csr=csr, previous=old.proof(serial, csr), van="van-1"
    )
    given = office.enrolments.enrol(asked)
    assert office.enrolments.enrol(asked) == given
    (event,) = office.suspected()
    assert event.body(CopySuspected).serial == serial
    assert sorted(office.states("van-1")) == ["active", "replaced", "retired"], "the copy is out"


@pytest.mark.parametrize(
    ("began_at", "found"), [(None, []), (2_299.0, ["b"]), (2_301.0, ["c"]), (1_200.0, [])]
)
def test_of_several_the_newest_that_it_can_have_been_is_told(
    began_at: float | None, found: list[str]
) -> None:
    retired = [
        certificate(serial, ended_at - 500, 10_000, state="retired", ended_at=ended_at)
        for serial, ended_at in (("c", 2_000.0), ("a", 1_000.0), ("b", 1_500.0))
    ]
    refusals = {} if began_at is None else {"0" * 32: began_at}
    assert [one.serial for one in copied(retired, refusals)] == found
