"""A van whose gateway signs in by password: what is retained for it ends and begins with one."""

import queue
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud.foundation.layout import DataFolder
from tests.cloud.conftest import Office
from tests.parts.broker import held_by, wait_for
from wire import codec, topics
from wire.messages import Presence, Route

VANS = ("van-1", "van-2")


class Gateway:
    """A new gateway of a van, in a lasting session, and the routes that it is told."""

    def __init__(self, office: Office, van: str) -> None:
        told = office.api.post(f"/vehicles/{van}/gateway").json()
        self.routes: queue.Queue[Route] = queue.Queue()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=told["client_id"], clean_session=False
        )
        self._client.username_pw_set(told["username"], told["password"])
        self._client.on_message = self._hear
        self._client.connect(told["broker"]["host"], told["broker"]["port"])
        self._client.loop_start()
        wait_for(self._client.is_connected, f"{van} to connect")
        online = codec.encode(Presence(online=True))
        said = self._client.publish(topics.up("main", van, "presence"), online, 1, retain=True)
        said.wait_for_publish(10)
        self._client.subscribe(topics.down("main", van, "route"), qos=1)

    def _hear(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.routes.put(codec.decode(bytes(message.payload), Route))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.mark.slow
def test_the_next_gateway_of_a_van_is_told_its_route_again(office: Office) -> None:
    data = DataFolder(office.cloud.root)
    for number in range(6):
        office.order(address=f"Balmaceda {number}", lat=-29.91 - number / 2000)
    gateways = {van: Gateway(office, van) for van in VANS}
    routes = {route["vehicle_id"]: route["id"] for route in office.optimize()["routes"]}
    van, before = next((van, gateways[van]) for van in VANS if van in routes)
    assert before.routes.get(timeout=20).route == routes[van]
    retained = held_by(data).retained
    assert office.api.delete(f"/vehicles/{van}/gateway").status_code == 204
    wait_for(lambda: f"fleet.v1.main.{van}.dn.route" not in held_by(data).queues, "the session")
    # Its presence stays, and says that it is offline.
    wait_for(lambda: held_by(data).retained == retained - 1, "the route to be cleared")
    after = Gateway(office, van)
    again = after.routes.get(timeout=20)
    assert (again.route, bool(again.stops)) == (routes[van], True)
    for one in (*gateways.values(), after):
        one.close()
