"""What a receiver is to be set to, from a file and from the command line."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from gateway.errors import SettingsError

type Sentence = Literal["GGA", "GLL", "GNS", "GSA", "GSV", "RMC", "VTG", "ZDA"]
type Model = Literal[
    "portable", "stationary", "pedestrian", "automotive", "sea", "airborne_1g", "airborne_2g",
    "airborne_4g",
]  # fmt: skip
type Baud = Literal[4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600]

_SENTENCE_BYTES: Final[dict[Sentence, int]] = {
    "GGA": 82, "GLL": 60, "GNS": 82, "GSA": 5 * 70, "GSV": 16 * 70, "RMC": 82, "VTG": 50, "ZDA": 40,
}  # fmt: skip
"""Of one epoch of a receiver with five constellations."""
_INDICATOR_BYTES: Final = 140
_BITS_A_BYTE: Final = 10
_SHARE: Final = 0.9


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one receiver.

    Attributes:
        rate_hz: epochs a second. model: what the receiver assumes of the motion.
        target_baud: speed of the line afterwards; None leaves it.
        sentences: those to send; the others of the standard ones are switched off.
        indicators_every_s: how often jamming, spoofing and antenna are told; 0 is never.
    """

    rate_hz: Annotated[float, Meta(ge=1, le=10)] = 1.0
    model: Model = "automotive"
    target_baud: Baud | None = None
    sentences: Annotated[tuple[Sentence, ...], Meta(min_length=1)] = ("RMC", "GGA", "GSA")
    indicators_every_s: Annotated[float, Meta(ge=0, le=6)] = 2.0
    is_watching_interference: bool = True

    @property
    def bytes_a_second(self) -> int:
        """What the receiver will send at most."""
        sentences = sum(_SENTENCE_BYTES[kind] for kind in self.sentences) * self.rate_hz
        every_s = self.indicators_every_s
        return round(sentences + (_INDICATOR_BYTES / every_s if every_s else 0))


def read_profile(path: Path | None, overrides: dict[str, Any]) -> Profile:
    """The profile of a file, or the default one, with what the command line says instead.

    Raises:
        SettingsError: names the field and what to do.
    """
    values: dict[str, Any] = {}
    place = "the profile" if path is None else str(path)
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: not TOML: {error}") from error
    try:
        profile = msgspec.convert(values | overrides, Profile)
    except msgspec.ValidationError as error:
        text, _, field = str(error).partition(" - at `$.")
        raise SettingsError(f"{place}: {field.rstrip('`') or 'a key'}: {text}") from error
    if not {"RMC", "GGA"} <= set(profile.sentences):
        raise SettingsError(
            f"{place}: sentences: RMC tells date and speed, GGA altitude and satellites; name both"
        )
    return profile


def require_room(profile: Profile, baud: int) -> None:
    """Refuse a profile that asks for more than the line can carry.

    Raises:
        SettingsError: names the speed that would do.
    """
    if profile.bytes_a_second * _BITS_A_BYTE <= baud * _SHARE:
        return
    needed = profile.bytes_a_second * _BITS_A_BYTE / _SHARE
    enough = next((one for one in (38400, 57600, 115200, 230400) if one >= needed), 460800)
    raise SettingsError(
        f"target_baud: {profile.bytes_a_second} bytes a second do not fit into {baud} baud; "
        f"give --target-baud {enough}, a lower rate_hz or fewer sentences"
    )
