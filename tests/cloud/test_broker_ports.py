"""Ports are chosen once and kept; the one that gateways hold never moves."""

import socket
from pathlib import Path
from random import Random

import pytest

from cloud.foundation.errors import Conflict, Invalid
from cloud.foundation.ports import Ports, is_free, keep_ports, read_ports

ALL = ("mqtt", "nats", "monitor", "roads")


def keep(path: Path, *taken: int, needed: tuple[str, ...] = ALL, seed: int = 1) -> Ports:
    return keep_ports(
        path,
        host="127.0.0.1",
        needed=needed,
        draw=Random(seed).choice,
        is_free=lambda _host, port: port not in taken,
    )


def test_they_are_chosen_apart_and_kept(tmp_path: Path) -> None:
    first = keep(tmp_path / "ports.json")
    assert len({first.mqtt, first.nats, first.monitor, first.roads}) == 4
    assert keep(tmp_path / "ports.json", seed=2) == first == read_ports(tmp_path / "ports.json")


def test_they_lie_below_the_range_of_outgoing_connections(tmp_path: Path) -> None:
    first = keep(tmp_path / "ports.json")
    assert all(20_000 <= port < 32_000 for port in (first.mqtt, first.nats, first.roads))


def test_a_taken_mqtt_port_is_an_error_that_names_it_and_the_remedy(tmp_path: Path) -> None:
    first = keep(tmp_path / "ports.json")
    with pytest.raises(Conflict, match=rf"mqtt: port {first.mqtt} .* stop that program, or change"):
        keep(tmp_path / "ports.json", first.mqtt)
    assert read_ports(tmp_path / "ports.json") == first


def test_a_taken_inner_port_is_chosen_anew_and_the_others_stay(tmp_path: Path) -> None:
    first = keep(tmp_path / "ports.json")
    second = keep(tmp_path / "ports.json", first.nats, seed=2)
    assert second.nats != first.nats
    assert (second.mqtt, second.monitor, second.roads) == (first.mqtt, first.monitor, first.roads)


def test_a_port_that_this_start_does_not_need_may_be_in_use(tmp_path: Path) -> None:
    first = keep(tmp_path / "ports.json")
    assert keep(tmp_path / "ports.json", first.mqtt, needed=("roads",)) == first


def test_a_damaged_file_is_told_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"mqtt": 0}')
    with pytest.raises(Invalid, match=r"ports\.json"):
        keep(tmp_path / "ports.json")
    with pytest.raises(Conflict, match="no ports yet"):
        read_ports(tmp_path / "none.json")


def test_free_means_that_nobody_listens() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not is_free("127.0.0.1", port)
    assert is_free("127.0.0.1", port)
    with pytest.raises(Invalid, match="address of this machine"):
        is_free("203.0.113.1", port)
