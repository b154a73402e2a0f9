"""How the cloud's own processes make an MQTT client; 3.1.1, the version every broker speaks."""

import logging
import threading
from typing import Final

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from cloud.foundation.broker import BrokerAddress
from cloud.foundation.broker_config import BrokerLogin

log = logging.getLogger(__name__)

_FORGET_WITHIN_S: Final = 5.0


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


def forget_session(address: BrokerAddress, login: BrokerLogin, client_id: str) -> bool:
    """Have the broker drop a session that nobody may use any more, with all that waits in it.

    A clean session under the same client id ends the lasting one before it (MQTT 3.1.1, 3.1.2.4).

    Returns:
        Whether the broker has taken it; if not, what waits stays until somebody else does this.
    """
    answered = threading.Event()
    answers: list[bool] = []
    client = make_client(
        address, msgspec.structs.replace(login, client_id=client_id), is_lasting=False
    )

    def on_connect(
        _client: paho.Client, _data: object, _flags: object, reason: ReasonCode, _: object
    ) -> None:
        answers.append(not reason.is_failure)
        answered.set()

    client.on_connect = on_connect
    try:
        client.connect(address.host, address.port)
    except (OSError, ValueError) as error:
        log.warning("a session could not be dropped", extra={"reason": str(error)})
        return False
    client.loop_start()
    answered.wait(_FORGET_WITHIN_S)
    client.disconnect()
    client.loop_stop()
    return answers == [True]
