"""What ``cloud.toml`` may say, and how it is told that something in it is wrong."""

from pathlib import Path

import pytest

from cloud.foundation.errors import Invalid
from cloud.foundation.settings import OwnBroker, Settings, load


def test_without_a_file_everything_runs_here(tmp_path: Path) -> None:
    assert load(tmp_path / "cloud.toml") == Settings()
    assert Settings().embedded_broker.listen == "127.0.0.1"


def test_a_fleet_names_its_own_broker(tmp_path: Path) -> None:
    (tmp_path / "cloud.toml").write_text(
        '[broker]\nhost = "mqtt.example"\nport = 8883\nusername = "u"\n'
        'password = "7f3kq9vx2m"\ntls = true\n'
    )
    assert load(tmp_path / "cloud.toml").broker == OwnBroker(
        host="mqtt.example", port=8883, username="u", password="7f3kq9vx2m", tls=True
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('[broker]\nhost = "x"\nusername = "u"\n', "password"),
        ('[broker]\nhost = "x"\nusername = "u"\npassword = "7f3kq9vx2m"\nprot = 1\n', "prot"),
        (
            '[broker]\nhost = "x"\nusername = "u"\npassword = "7f3kq9vx2m"\nport = 70000\n',
            r"\$.broker.port",
        ),
        ('[embedded_broker]\nlisten = "a b"\n', "listen"),
        ("[brocker]\n", "brocker"),
        ("not toml", "cloud.toml"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, text: str, names: str) -> None:
    (tmp_path / "cloud.toml").write_text(text)
    with pytest.raises(Invalid, match=names):
        load(tmp_path / "cloud.toml")


@pytest.mark.parametrize(
    "password", ["", "changeme", "password", "admin", "Mosquitto1", "u", "7f3"]
)
def test_nothing_starts_with_a_secret_that_anybody_tries_first(
    tmp_path: Path, password: str
) -> None:
    (tmp_path / "cloud.toml").write_text(
        f'[broker]\nhost = "mqtt.example"\nusername = "u"\npassword = "{password}"\n'
    )
    with pytest.raises(Invalid, match=r"cloud\.toml: broker\.password: .*; give the other side"):
        load(tmp_path / "cloud.toml")
