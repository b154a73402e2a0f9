"""The way to the broker, step by step: its name, its port, TLS, its welcome."""

import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from gateway.doctor import Check, bad, good, skipped
from gateway.operation.health import Health
from gateway.settings import BrokerSettings
from gateway.uplink.causes import cause_of, remedy

_WITHIN_S: Final = 10.0


def way_to_broker(broker: BrokerSettings, running: Health | None) -> Iterator[Check]:
    """Each step until one fails; a running gateway that is connected has proved them all."""
    if running is not None and running.link.is_connected:
        told = f"the running gateway is connected to {running.link.broker}"
        yield good("broker", told)
        return
    try:
        places = socket.getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        yield bad("dns", f"{broker.host}: {error}", "check broker.host and the name server")
        return
    addresses = sorted({str(place[4][0]) for place in places})
    yield good("dns", f"{broker.host} is {', '.join(addresses)}")
    try:
        with socket.create_connection((broker.host, broker.port), _WITHIN_S) as plain:
            yield good("tcp", f"port {broker.port} answers")
            if broker.tls:
                yield _handshake(broker, plain)
            else:
                yield skipped("handshake", "without TLS")
    except OSError as error:
        yield bad("tcp", f"{broker.host}:{broker.port}: {error}", remedy(cause_of(error)))
        return
    yield _welcome(broker)


def _handshake(broker: BrokerSettings, plain: socket.socket) -> Check:
    try:
        context = ssl.create_default_context(cafile=broker.ca_file)
        if broker.cert_file is not None:
            context.load_cert_chain(broker.cert_file, broker.key_file)
        with context.wrap_socket(plain, server_hostname=broker.host) as secured:
            return good("handshake", f"{secured.version()} with {broker.host}")
    except (OSError, ValueError) as error:
        return bad("handshake", str(error), remedy("tls"))


def _welcome(broker: BrokerSettings) -> Check:
    """Sign in under another client id, so that no running gateway loses its session."""
    import paho.mqtt.client as mqtt

    from gateway.uplink.link import client_of

    answers: list[Any] = []
    own = msgspec.structs.replace(broker, client_id=secrets.token_hex(16))
    client = client_of(own, is_lasting=False)
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.append(reason)
    try:
        client.connect(broker.host, broker.port, broker.keepalive_s)
        until_s = time.monotonic() + _WITHIN_S
        while not answers and time.monotonic() < until_s:
            if client.loop(0.2) != mqtt.MQTT_ERR_SUCCESS:
                break
    except (OSError, ValueError) as error:
        return bad("welcome", str(error), remedy(cause_of(error)))
    finally:
        client.disconnect()
        client.loop(0.2)
    if not answers:
        return bad("welcome", "the broker closed, or did not answer", remedy("refused"))
    if answers[0].is_failure:
        return bad("welcome", f"the broker says: {answers[0]}", remedy("refused"))
    return good("welcome", "the broker lets this van in")
