"""The live stream is limited like everything else: by the queries that limit lists and ids."""

from collections.abc import Mapping

import pytest

from cloud.grants import Held
from cloud.tracking.sight import FULL, Sight
from tests.identity.company import MAIN, Company


def sight(company: Company, name: str) -> Sight:
    return Held(company.database).sight(company.identity.caller(company.tokens[MAIN, name]))


def revision(part: str) -> dict[str, object]:
    """As the stream tells it, after a revision of both routes of a depot."""
    return {
        "depot_id": f"depot-{part}",
        "route_ids": ["route-north", "route-south"],
        "trigger": "urgent_order",
        "reason": "urgent order ref-north",
    }


def test_who_sees_everything_is_asked_nothing(company: Company) -> None:
    assert sight(company, "dispatcher") is FULL


@pytest.mark.parametrize(
    ("name", "mine", "others"),
    [("viewer of north", "north", "south"), ("carrier", "south", "north")],
)
def test_a_limited_client_sees_its_own_vans_and_orders(
    company: Company, name: str, mine: str, others: str
) -> None:
    limited = sight(company, name)
    assert limited.vans() == frozenset({f"van-{mine}"})
    for kind in ("order_id", "vehicle_id"):
        payload: Mapping[str, object] = {kind: company.ids[mine][kind], "state": "loaded"}
        assert limited.shown(payload) == payload
        assert limited.shown({kind: company.ids[others][kind]}) is None
    assert limited.shown({"webhook_id": "x"}) is None
    assert limited.shown({"depot_id": f"depot-{others}", "error": "x"}) is None


def test_what_happens_at_a_fence_is_told_to_who_may_see_the_fence(company: Company) -> None:
    def crossed(part: str) -> dict[str, object]:
        return {name: company.ids[part][name] for name in ("vehicle_id", "geofence_id")}

    assert sight(company, "viewer of north").shown(crossed("north")) == crossed("north")
    assert sight(company, "carrier").shown(crossed("south")) is None, "it is the company's own"


def test_of_a_revision_a_depot_sees_all_and_a_carrier_its_routes(company: Company) -> None:
    of_north, of_swift = sight(company, "viewer of north"), sight(company, "viewer of swift")
    assert of_north.shown(revision("north")) == revision("north")
    assert of_north.shown(revision("south")) is None
    assert of_swift.shown(revision("north")) == {
        "depot_id": "depot-north",
        "route_ids": ["route-south"],
        "trigger": "urgent_order",
        "reason": "urgent_order",
    }
    assert of_swift.shown({**revision("north"), "route_ids": ["route-north"]}) is None
