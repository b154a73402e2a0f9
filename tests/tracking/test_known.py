"""Whom ingest hears, from the fleet's own register and routes to what it says of a refused van."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy.exc import OperationalError

from cloud.foundation.files import private_folder
from cloud.foundation.layout import DataFolder
from cloud.foundation.settings import load
from cloud.tracking.known import KnownVans, Register
from cloud.tracking.status import read_status
from tests.cloud.desk import Desk, open_desk
from tests.parts.broker import wait_for
from tests.parts.mosquitto import Mosquitto, mosquitto
from tests.parts.ports import free_port
from tests.tracking.test_ingest import IngestProcess
from tests.tracking.vans import Van, batch
from wire.messages import Presence

DISABLED, UNKNOWN = "refused a message of a disabled van", "refused a message of an unknown van"


class ChangingRegister:
    """A register that changes, and that cannot always be read."""

    def __init__(self) -> None:
        self.now = Register()
        self.is_away = False
        self.reads = 0

    def read(self) -> Register:
        self.reads += 1
        if self.is_away:
            raise OperationalError("SELECT", None, Exception("away"))
        return self.now


class World:
    """Known vans over a broker's users, a register and a clock."""

    def __init__(self) -> None:
        self.register = ChangingRegister()
        self.users: Any = SimpleNamespace(
            users_changed_at_ns=1, known_vans=lambda: frozenset({("main", "van-1")})
        )
        self.now_s = 100.0
        self.known = KnownVans(cast(Any, self.users), self.register.read, lambda: self.now_s)
        self.known.look()

    def standing(self, van: str) -> str:
        return self.known("main", van)


def test_a_van_is_known_by_its_gateway_or_by_its_phone_and_not_when_it_is_disabled() -> None:
    world = World()
    assert (world.standing("van-1"), world.standing("van-2")) == ("known", "unknown")
    world.register.now = Register(by_phone={("main", "van-2")})
    world.now_s += 0.5
    assert world.standing("van-2") == "known"
    assert world.known("other", "van-2") == "unknown"
    both = {("main", "van-1"), ("main", "van-2")}
    world.register.now = Register(disabled=both, by_phone=both)
    world.now_s += 5
    world.known.look()
    assert (world.standing("van-1"), world.standing("van-2")) == ("disabled", "disabled")


def test_a_van_that_the_broker_lets_in_no_more_is_looked_up_at_once() -> None:
    world = World()
    world.register.now = Register(disabled={("main", "van-1")})
    world.users.users_changed_at_ns, world.users.known_vans = 2, frozenset
    world.known.look()
    assert world.standing("van-1") == "disabled"


def test_strangers_do_not_have_the_register_read_for_each_message() -> None:
    world = World()
    before = world.register.reads
    for place in range(1_000):
        world.now_s += 0.001
        world.standing(f"stranger-{place}")
    assert world.register.reads - before <= 2


def test_while_the_register_cannot_be_read_what_was_read_last_stands() -> None:
    world = World()
    world.register.now = Register(disabled={("main", "van-3")}, by_phone={("main", "van-2")})
    world.now_s += 5
    world.known.look()
    world.register.is_away = True
    world.now_s += 5
    world.known.look()
    told = [world.standing(f"van-{number}") for number in (1, 2, 3, 4)]
    assert told == ["known", "known", "disabled", "unknown"]


RULES = """user cloud
topic readwrite fleet/v1/#
topic readwrite feed/#
pattern write fleet/v1/main/%u/up/+
pattern read fleet/v1/main/%u/dn/+
"""
"""As whoever keeps a broker of the fleet's own may write them: they go on letting everybody in."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    words = {"cloud": "word-of-the-cloud", "van-1": "v-word", "van-9": "s-word"}
    with mosquitto(tmp_path / "mosquitto", free_port(), words, RULES) as broker:
        yield broker


@pytest.fixture
def desk(tmp_path: Path, broker: Mosquitto) -> Iterator[Desk]:
    data = DataFolder(private_folder(tmp_path / "data"))
    data.settings.write_text(
        f'[broker]\nhost = "127.0.0.1"\nport = {broker.port}\n'
        'username = "cloud"\npassword = "word-of-the-cloud"\n'
    )
    desk = open_desk(data.root, load(data.settings))
    yield desk
    desk.close()


def change(desk: Desk, **values: Any) -> None:
    version = desk.ask("GET", "/vehicles/van-1").json()["version"]
    answer = desk.ask("PATCH", "/vehicles/van-1", json={"version": version, **values})
    assert answer.status_code == 200, answer.text


@pytest.mark.slow
def test_a_van_that_the_office_disables_is_refused_as_disabled_until_it_is_enabled(
    tmp_path: Path, broker: Mosquitto, desk: Desk
) -> None:
    van = {"id": "van-1", "name": "One", "depot_id": "la-serena", "capacity_parcels": 9}
    assert desk.ask("POST", "/vehicles", json=van).status_code == 201
    told = desk.ask("POST", "/vehicles/van-1/gateway")
    assert told.status_code == 201, told.text

    def login(name: str, word: str) -> Any:
        return SimpleNamespace(
            tenant="main", van=name, client_id=name.encode().hex().ljust(32, "0"),
            username=name, password=word,
        )  # fmt: skip

    data = DataFolder(tmp_path / "data")
    ingest = IngestProcess(SimpleNamespace(data=data)).start()  # type: ignore[arg-type]

    def complaints() -> list[tuple[str, str]]:
        status = read_status(data)
        return [] if status is None else [(one.van, one.sentence) for one in status.complaints]

    try:
        with (
            Van(broker.port, login("van-1", "v-word")) as van_1,
            Van(broker.port, login("van-9", "s-word")) as stranger,
        ):
            van_1.say("presence", Presence(online=True), retain=True)
            van_1.say("batch", batch(7, 0))
            wait_for(lambda: van_1.upto(7) == 9, "the van's batch")
            change(desk, is_active=False)
            van_1.say("batch", batch(7, 10))
            wait_for(lambda: complaints() == [("van-1", DISABLED)], "the complaint")
            stranger.say("batch", batch(8, 0))
            wait_for(lambda: ("van-9", UNKNOWN) in complaints(), "the other complaint")
            assert (van_1.upto(7), stranger.acks) == (9, {})
            change(desk, is_active=True)
            van_1.say("batch", batch(7, 10))  # it has it still
            wait_for(lambda: van_1.upto(7) == 19, "the batch, now")
        assert ingest.stored("van-1") == [(7, seq) for seq in range(20)]
    finally:
        ingest.stop()
