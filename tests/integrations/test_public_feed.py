"""A whole cloud and everything it tells third parties, held against what it says it tells."""

import json
import queue
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from standardwebhooks.webhooks import Webhook as Standard

from cloud.foundation.broker import GatewayCredential
from tests.cloud.conftest import BEFORE_WORK, DAY, DEPOT, Office
from tests.integrations.receiver import Answer, Receiver, receiver
from tests.parts.broker import wait_for
from tests.parts.certified_cloud import certified_cloud
from tests.parts.served_cloud import ServedCloud, served_cloud
from tests.tracking.vans import Van, fix
from wire import events, topics
from wire.messages import Event, Fix, Live, Presence

pytestmark = pytest.mark.slow
SECRETS = {
    "name": "Zaphod-Beeblebrox",
    "phone": "+56-9-4242-4242",
    "note": "gate-code-7391-behind-the-azaleas",
    "changed": "another-secret-word-8462",
    "reason": "the-customer-said-xyzzy",
    "address": "Calle-Escondida-1234",
}


YARD = (-299_000_000, -712_500_000)


def yard() -> dict[str, Any]:
    """A geofence whose name is nobody else's business."""
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [YARD[1] / 1e7, YARD[0] / 1e7]},
        "properties": {"name": SECRETS["name"], "radius_m": 150},
    }


class Third:
    """A third party, connected as the interface has told it."""

    def __init__(self, told: dict[str, Any], topic_filter: str | None = None) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self.news: queue.Queue[str] = queue.Queue()
        self.ends = 0
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=told["client_id"], protocol=paho.MQTTv311
        )
        if told["password"] is not None:
            self.client.username_pw_set(told["username"], told["password"])
        else:
            with tempfile.TemporaryDirectory() as folder:
                files = {}
                for part in ("authority", "certificate", "key"):
                    files[part] = Path(folder) / part
                    files[part].write_text(told[part])
                self.client.tls_set(
                    ca_certs=str(files["authority"]),
                    certfile=str(files["certificate"]),
                    keyfile=str(files["key"]),
                )
        self._filter = topic_filter or told["topic"]
        self.client.on_message = self._hear
        self.client.on_connect = lambda client, *_: client.subscribe(self._filter, qos=1)
        self.client.on_disconnect = self._end
        self.client.connect(told["broker"]["host"], told["broker"]["port"])
        self.client.loop_start()

    def _hear(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload), message.retain))

    def _end(self, *_: Any) -> None:
        self.ends += 1

    def channels(self, addresses: dict[str, str]) -> set[str]:
        """Which of the described channels something has come on."""
        return {channel_of(addresses, topic) for topic, _, _ in self.heard}

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def channel_of(addresses: dict[str, str], topic: str) -> str:
    """The described channel that a topic belongs to; there is exactly one."""
    found = [
        name
        for name, address in addresses.items()
        if re.fullmatch(re.sub(r"{[a-z]+}", "[^/]+", address), topic)
    ]
    assert len(found) == 1, (topic, found)
    return found[0]


@dataclass(frozen=True)
class House:
    """The cloud, its webhook's receiver, and the secret of the latter."""

    office: Office
    api: httpx.Client
    erp: Receiver
    secret: str


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root = tmp_path_factory.mktemp("feed")
    (root / "cloud.toml").write_text('[webhooks]\nallowed_networks = ["127.0.0.1"]\n')
    with served_cloud(root, BEFORE_WORK) as cloud, receiver(Answer(200)) as erp:
        api = cloud.admin
        made(api, "/depots", DEPOT)
        made(api, "/carriers", {"id": "swift", "name": "Swift"})
        for van, carrier in (("van-1", "own"), ("van-2", "swift")):
            body = {"id": van, "name": van, "depot_id": DEPOT["id"], "capacity_parcels": 12}
            made(api, "/vehicles", {**body, "carrier_id": carrier})
            driver = made(api, "/drivers", {"id": f"driver-of-{van}", "name": "Ana"})
            shift = {"vehicle_id": van, "driver_id": driver["id"], "service_date": DAY}
            made(api, "/shifts", shift)
        made(api, "/geofences", yard())
        hook = made(api, "/webhooks", {"name": "erp", "url": erp.url})
        yield House(Office(cloud, api, {}), api, erp, hook["secret"])


def made(api: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(path, json=body)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def a_day(house: House, has_crossed: Callable[[], bool]) -> None:
    """Vans drive and tell of it; orders come, are planned, changed and cancelled."""
    office, api = house.office, house.api
    recipient = {"name": SECRETS["name"], "phone": SECRETS["phone"]}
    orders = [
        office.order(
            address=f"{SECRETS['address']} {number}",
            lat=-29.91 - number / 2000,
            recipient=recipient,
            note=SECRETS["note"],
        )
        for number in range(8)
    ]
    office.order(parcels=13, recipient=recipient)  # no van takes so many
    office.optimize()
    assert office.plan()["unserved"], "one order cannot be served"
    api.patch(f"/orders/{orders[0]['id']}", json={"note": SECRETS["changed"]})
    cancelled = api.post(f"/orders/{orders[1]['id']}/cancel", json={"reason": SECRETS["reason"]})
    assert cancelled.status_code == 200, cancelled.text
    for van in ("van-1", "van-2"):
        drive(house, van, has_crossed)


def drive(house: House, van: str, has_crossed: Callable[[], bool]) -> None:
    told = house.api.post(f"/vehicles/{van}/gateway").json()
    credential = GatewayCredential(
        tenant="main",
        van=van,
        client_id=told["client_id"],
        username=told["username"],
        password=told["password"],
    )
    now_ms = round(BEFORE_WORK * 1000)
    ended = events.TripEnded(
        started_at_ms=now_ms - 600_000,
        at_ms=now_ms,
        odometer_m=5_000,
        distance_m=4_000,
        moving_s=500,
        idling_s=100,
        top_speed_cmps=1_300,
    )
    with Van(told["broker"]["port"], credential) as gateway:
        gateway.say("presence", Presence(online=True), retain=True)
        gateway.say("live", Live(fix=fix(1)), qos=0)
        gateway.say("event", Event(stream="77", seq=0, recorded_at_ms=now_ms, body=ended))
        on = events.IgnitionSwitched(is_on=True, at_ms=now_ms)  # from now on it should report
        gateway.say("event", Event(stream="77", seq=1, recorded_at_ms=now_ms, body=on))
        wait_for(lambda: gateway.upto(77) == 1, "the trip to be committed")
        if van == "van-2":
            come_into_the_yard(house, gateway, has_crossed)


def come_into_the_yard(house: House, gateway: Van, has_crossed: Callable[[], bool]) -> None:
    """It is seen a kilometre away, and then in the yard until that is told."""
    gateway.say("live", Live(fix=fix_now(house, YARD[0] + 90_000)), qos=0)

    def is_seen() -> bool:
        position = house.api.get(f"/vehicles/{gateway.name}/live").json()["position"]
        return position is not None and position["lat"] > -29.9

    wait_for(is_seen, "it to be seen")
    time.sleep(2.5)  # so that the watch over fences has looked as well

    def is_told() -> bool:
        gateway.say("live", Live(fix=fix_now(house, YARD[0])), qos=0)
        time.sleep(1)
        return has_crossed()

    wait_for(is_told, "it to be told in the yard", 40)


def fix_now(house: House, lat_e7: int) -> Fix:
    now = datetime.fromisoformat(house.api.get("/clock").json()["now"])
    at_ms = round(now.timestamp() * 1000)
    return msgspec.structs.replace(
        fix(1), recorded_at_ms=at_ms, fix_time_ms=at_ms, lat_e7=lat_e7, lon_e7=YARD[1]
    )


@pytest.fixture(scope="module")
def told(house: House) -> Iterator[dict[str, Any]]:
    """Everything that was published and posted in a day with every kind of news in it."""
    api = house.api
    assert api.put("/feed/options", json={"home_assistant": True}).status_code == 200
    document = httpx.get(f"{house.office.cloud.url}/api/v1/asyncapi.json").json()
    addresses = {name: one["address"] for name, one in document["channels"].items()}
    whole = Third(made(api, "/feed/readers", {"name": "all"}))
    swift = Third(made(api, "/feed/readers", {"name": "swift", "carrier_id": "swift"}))
    wait_for(whole.client.is_connected, "the third party to be let in")
    wait_for(swift.client.is_connected, "the other one to be let in")
    a_day(house, lambda: "geofence" in swift.channels(addresses))
    wait_for(lambda: whole.channels(addresses) == set(addresses), f"all of {set(addresses)}", 30)
    trips = [topics.feed("trip", tenant="main", carrier="swift", van="van-2")]
    wait_for(lambda: any(topic in trips for topic, _, _ in swift.heard), "the other trip", 30)
    wait_for(lambda: bool(silences(swift)), "the van that says nothing more to be told", 30)
    kinds = {
        f"roundsman.{one}.v1" for one in ("order.status", "route.revision", "trip", "geofence")
    }
    wait_for(lambda: kinds <= {json.loads(one.body)["type"] for one in house.erp.heard}, "posts")
    yield {"document": document, "addresses": addresses, "whole": whole, "swift": swift}
    whole.close()
    swift.close()


def silences(third: Third) -> list[dict[str, Any]]:
    """What it was told of silent vans."""
    found = [json.loads(told)["data"] for topic, told, _ in third.heard if "/exception/" in topic]
    return [one for one in found if one["problem"] == "van_silent"]


def test_a_van_that_falls_silent_is_told_once_on_its_carriers_topics(
    house: House, told: dict[str, Any]
) -> None:
    [silence] = silences(told["swift"])
    assert silence["van"] == "van-2"
    topic = topics.feed("exception", tenant="main", carrier="swift", exception=silence["exception"])
    assert [one[0] for one in told["whole"].heard].count(topic) == 1

    def posted() -> list[Any]:
        every = [json.loads(one.body) for one in house.erp.heard]
        return [one["data"] for one in every if one["subject"].endswith(silence["exception"])]

    wait_for(lambda: posted() == [silence], "it to be posted")


def test_every_message_is_as_the_document_says(told: dict[str, Any]) -> None:
    document = strict(told["document"])
    for topic, payload, _ in told["whole"].heard:
        if not payload:
            continue  # it clears what was retained
        channel = channel_of(told["addresses"], topic)
        message = document["components"]["messages"][channel]
        schema = {**message["payload"], "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(json.loads(payload))


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """The same, where a field that is not described is a fault too."""
    copied: dict[str, Any] = json.loads(json.dumps(document))
    for schema in copied["components"]["schemas"].values():
        if schema.get("type") == "object":
            schema["additionalProperties"] = False
    return copied


def test_no_recipient_enters_what_is_published_or_posted(
    house: House, told: dict[str, Any]
) -> None:
    published = [f"{topic} {payload.decode()}" for topic, payload, _ in told["whole"].heard]
    posted = [f"{one.headers} {one.body.decode()}" for one in house.erp.heard]
    assert published
    assert posted
    for text in (*published, *posted):
        for what, secret in SECRETS.items():
            assert secret.lower() not in text.lower(), what
    assert SECRETS["note"] in house.api.get("/orders").text + "".join(
        house.api.get(f"/orders/{one['id']}").text
        for one in house.api.get("/orders").json()["items"]
    ), "the secrets were really there"


def test_what_is_posted_is_what_is_published_and_signed(house: House, told: dict[str, Any]) -> None:
    published = {
        json.loads(payload)["id"]: payload
        for _, payload, _ in told["whole"].heard
        if b"specversion" in payload
    }
    for one in house.erp.heard:
        Standard(house.secret).verify(one.body, one.headers)
        event = one.headers["webhook-id"]
        assert event in published, "only what came before the reader was let in may be missing"
        assert json.loads(one.body) == json.loads(published[event])


def test_a_carriers_reader_hears_its_vans_orders_and_routes_only(told: dict[str, Any]) -> None:
    heard = {topic for topic, _, _ in told["swift"].heard}
    assert all(topic.startswith("feed/v1/main/swift/") for topic in heard)
    whole = {topic for topic, _, _ in told["whole"].heard if "/swift/" in topic}
    assert heard == whole
    assert topics.feed_position("main", "swift", "van-2") in heard


def test_last_positions_are_there_at_once_and_home_assistant_finds_them(
    house: House, told: dict[str, Any]
) -> None:
    late = Third(made(house.api, "/feed/readers", {"name": "late"}))
    trackers = "feed/v1/main/own/homeassistant/device_tracker/van-1/config"
    position = topics.feed_position("main", "own", "van-1")
    wait_for(lambda: {trackers, position} <= {topic for topic, _, _ in late.heard}, "them")
    assert all(is_retained for _, _, is_retained in late.heard)
    config = json.loads(next(payload for topic, payload, _ in late.heard if topic == trackers))
    assert config["json_attributes_topic"] == position
    assert house.api.put("/feed/options", json={"home_assistant": False}).status_code == 200
    late.close()
    again = [made(house.api, "/feed/readers", {"name": "later"})]

    def is_cleared() -> bool:
        looking = Third(again[0])
        wait_for(lambda: position in {topic for topic, _, _ in looking.heard}, "a position")
        topics_heard = {topic for topic, _, _ in looking.heard}
        looking.close()
        return trackers not in topics_heard

    wait_for(is_cleared, "the trackers to be cleared", 30)
    assert told


def test_revoking_cuts_off_at_once_and_is_listed(house: House) -> None:
    reader = made(house.api, "/feed/readers", {"name": "short"})
    third = Third(reader)
    wait_for(third.client.is_connected, "it to be let in")
    assert house.api.delete(f"/feed/readers/{reader['id']}").status_code == 204
    wait_for(lambda: third.ends > 0, "it to be cut off")
    third.close()
    listed = {one["id"]: one for one in house.api.get("/feed/readers").json()["items"]}
    assert listed[reader["id"]]["state"] == "revoked"
    assert not {"password", "client_id"} & set(listed[reader["id"]])
    assert house.api.delete(f"/feed/readers/{reader['id']}").status_code == 204
    unknown = house.api.post("/feed/readers", json={"name": "x", "carrier_id": "nobody"})
    assert unknown.json()["errors"][0]["field"] == "carrier_id"
    for wrong in ({"name": "x", "csr": "y"}, {"name": "x", "days": 3}):
        answer = house.api.post("/feed/readers", json=wrong)
        assert answer.json()["errors"][0]["field"] in wrong


def test_the_last_position_of_a_van_that_is_taken_out_of_use_is_cleared(
    house: House, told: dict[str, Any]
) -> None:
    position = topics.feed_position("main", "swift", "van-2")
    assert position in {topic for topic, _, _ in told["whole"].heard}
    off = house.api.patch("/vehicles/van-2", json={"is_active": False, "version": 1})
    assert off.status_code == 200, off.text
    cleared = (position, b"")
    wait_for(lambda: cleared in {one[:2] for one in told["whole"].heard}, "it to be cleared", 30)


def test_the_document_is_whole(told: dict[str, Any]) -> None:
    document = told["document"]
    jsonschema.Draft202012Validator(STRUCTURE).validate(document)
    for reference in references(document):
        assert resolve(document, reference) is not None, reference
    for name, channel in document["channels"].items():
        named = set(re.findall(r"{([a-z]+)}", channel["address"]))
        assert named == set(channel["parameters"]), name
    told_of = {one["channel"]["$ref"].split("/")[-1] for one in document["operations"].values()}
    assert told_of == set(document["channels"]) == set(topics.FEED_CHANNELS)
    for operation in document["operations"].values():
        for message in operation["messages"]:
            assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")


def references(value: Any) -> Iterator[str]:
    """Every ``$ref`` in a document."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def resolve(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


NAMED = "^[A-Za-z0-9_.-]+$"
REFERENCE = {
    "type": "object",
    "required": ["$ref"],
    "properties": {"$ref": {"type": "string", "pattern": "^#/"}},
    "additionalProperties": False,
}


def mapping(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "patternProperties": {NAMED: of}, "additionalProperties": False}


STRUCTURE = {
    "type": "object",
    "required": ["asyncapi", "info"],
    "additionalProperties": False,
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "defaultContentType": {"type": "string"},
        "info": {
            "type": "object",
            "required": ["title", "version"],
            "additionalProperties": False,
            "properties": {
                "title": {"type": "string"},
                "version": {"type": "string"},
                "description": {"type": "string"},
                "license": {
                    "type": "object",
                    "required": ["name"],
                    "additionalProperties": False,
                    "properties": {"name": {"type": "string"}, "url": {"type": "string"}},
                },
            },
        },
        "servers": mapping(
            {
                "type": "object",
                "required": ["host", "protocol"],
                "additionalProperties": False,
                "properties": {
                    "host": {"type": "string"},
                    "protocol": {"type": "string"},
                    "protocolVersion": {"type": "string"},
                    "description": {"type": "string"},
                    "variables": mapping(
                        {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                "default": {"type": "string"},
                                "description": {"type": "string"},
                            },
                        }
                    ),
                    "security": {"type": "array", "items": REFERENCE},
                },
            }
        ),
        "channels": mapping(
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "address": {"type": "string"},
                    "title": {"type": "string"},
                    "servers": {"type": "array", "items": REFERENCE},
                    "parameters": mapping(
                        {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {"description": {"type": "string"}},
                        }
                    ),
                    "messages": mapping(REFERENCE),
                },
            }
        ),
        "operations": mapping(
            {
                "type": "object",
                "required": ["action", "channel"],
                "additionalProperties": False,
                "properties": {
                    "action": {"enum": ["send", "receive"]},
                    "title": {"type": "string"},
                    "channel": REFERENCE,
                    "messages": {"type": "array", "items": REFERENCE},
                    "bindings": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "mqtt": {
                                "type": "object",
                                "additionalProperties": False,
                                "properties": {
                                    "qos": {"enum": [0, 1, 2]},
                                    "retain": {"type": "boolean"},
                                    "bindingVersion": {"const": "0.2.0"},
                                },
                            }
                        },
                    },
                },
            }
        ),
        "components": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "schemas": mapping({"type": "object"}),
                "messages": mapping(
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string"},
                            "title": {"type": "string"},
                            "contentType": {"type": "string"},
                            "payload": {"type": "object"},
                        },
                    }
                ),
                "securitySchemes": mapping(
                    {
                        "type": "object",
                        "required": ["type"],
                        "properties": {"type": {"enum": ["userPassword", "X509"]}},
                    }
                ),
            },
        },
    },
}
"""What AsyncAPI 3.0.0 lets stand where, as far as this document goes."""


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedCloud]:
    with certified_cloud(tmp_path_factory.mktemp("certified")) as cloud:
        yield cloud


def test_where_certificates_rule_a_reader_signs_in_with_one_and_goes_with_it(
    certified: ServedCloud,
) -> None:
    reader = made(certified.admin, "/feed/readers", {"name": "erp", "days": 30})
    assert (reader["username"], reader["password"]) == (None, None)
    assert reader["broker"]["tls"] is True
    third = Third(reader)
    wait_for(third.client.is_connected, "it to be let in")
    forbidden = third.client.subscribe("fleet/v1/#", qos=0)
    assert forbidden[0] == paho.MQTT_ERR_SUCCESS
    third.client.publish(topics.feed_position("main", "own", "van-1"), b"evil", 1, retain=True)
    third.close()
    again = Third(reader)
    wait_for(again.client.is_connected, "it to be let in again")
    assert certified.admin.delete(f"/feed/readers/{reader['id']}").status_code == 204
    wait_for(lambda: again.ends > 0, "it to be cut off")
    assert again.heard == []
    again.close()
