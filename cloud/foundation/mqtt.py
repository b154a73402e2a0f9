"""How the cloud's own processes make an MQTT client; 3.1.1, the version every broker speaks."""

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from cloud.foundation.broker import BrokerAddress
from cloud.foundation.broker_config import BrokerLogin


def make_client(
    address: BrokerAddress,
    login: BrokerLogin,
    *,
    is_lasting: bool,
    acknowledges_by_hand: bool = False,
) -> paho.Client:
    """A client that is not connected yet.

    Args:
        address: for its TLS settings.
        login: who it is.
        is_lasting: the broker keeps its session and queue while it is away.
        acknowledges_by_hand: a message is acknowledged by ``client.ack`` and not by itself.
    """
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=login.client_id,
        clean_session=not is_lasting,
        protocol=paho.MQTTv311,
        reconnect_on_failure=True,
        manual_ack=acknowledges_by_hand,
    )
    if login.cert_file is None:
        client.username_pw_set(login.username, login.password)
    client.connect_timeout = 5.0
    if address.tls:
        client.tls_set(ca_certs=address.ca_file, certfile=login.cert_file, keyfile=login.key_file)
    return client
