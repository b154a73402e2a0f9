"""Pure: a profile turned into the UBX messages that set it, for each generation of receiver.

Generations 9 and 10 take key and value pairs (CFG-VALSET), generation 8 a message for each subject.
The layouts are pyubx2's; the constants come from u-blox's interface descriptions.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pyubx2 import POLL, SET, UBXMessage

from gateway.fixes.sentences import fletcher
from gateway.receivers.ublox.profile import Model, Profile, Sentence

RAM: Final = 1
RAM_AND_BATTERY: Final = 3
ALL_LAYERS: Final = 7

_MODELS: Final[dict[Model, int]] = {
    "portable": 0, "stationary": 2, "pedestrian": 3, "automotive": 4, "sea": 5,
    "airborne_1g": 6, "airborne_2g": 7, "airborne_4g": 8,
}  # fmt: skip
_NMEA_CLASS: Final = 0xF0
_NMEA_IDS: Final[dict[Sentence, int]] = {
    "GGA": 0x00, "GLL": 0x01, "GSA": 0x02, "GSV": 0x03, "RMC": 0x04, "VTG": 0x05, "ZDA": 0x08,
    "GNS": 0x0D,
}  # fmt: skip
_NAV_STATUS: Final = (0x01, 0x03)
_MON_HW: Final = (0x0A, 0x09)

ASK_VERSION: Final[bytes] = UBXMessage("MON", "MON-VER", POLL).serialize()


class Request(NamedTuple):
    """One message that the receiver must acknowledge.

    Attributes:
        subject: what it sets, for the report. frame: as sent. kind: its class and id.
        is_optional: not every receiver has it, so a refusal is no failure.
    """

    subject: str
    frame: bytes
    is_optional: bool = False

    @property
    def kind(self) -> bytes:
        """Class and id, by which the acknowledgement names it."""
        return self.frame[2:4]


def settings_of(profile: Profile, generation: int, layers: int) -> list[Request]:
    """All but the speed of the line, in the order in which to send them."""
    return list(_modern(profile, layers) if generation >= 9 else _legacy(profile))


def speed_of(baud: int, generation: int, layers: int) -> Request:
    """The speed of the receiver's first serial port."""
    subject = f"speed {baud} baud"
    if generation >= 9:
        return _values(subject, layers, {"CFG_UART1_BAUDRATE": baud})
    message = UBXMessage(
        "CFG", "CFG-PRT", SET, portID=1, reserved2=16, charLen=3, parity=4, nStopBits=0,
        baudRate=baud, inUBX=1, inNMEA=1, inRTCM=1, outUBX=1, outNMEA=1,
    )  # fmt: skip
    return Request(subject, message.serialize())


def _modern(profile: Profile, layers: int) -> Iterator[Request]:
    yield _values(
        f"rate {profile.rate_hz:g} Hz",
        layers,
        {"CFG_RATE_MEAS": _period_ms(profile), "CFG_RATE_NAV": 1},
    )
    yield _values(f"model {profile.model}", layers, {"CFG_NAVSPG_DYNMODEL": _MODELS[profile.model]})
    every = _every(profile)
    for port in ("UART1", "USB"):
        sentences = {
            f"CFG_MSGOUT_NMEA_ID_{kind}_{port}": int(kind in profile.sentences)
            for kind in _NMEA_IDS
        }
        told = f"sentences {' '.join(profile.sentences)} on {port}"
        yield _values(told, layers, sentences, is_optional=port == "USB")
        indicators = {f"CFG_MSGOUT_UBX_{kind}_{port}": every for kind in ("MON_RF", "NAV_STATUS")}
        told = f"jamming, antenna and spoofing on {port}"
        yield _values(told, layers, indicators, is_optional=port == "USB")
        yield _values(
            f"the newer jamming and spoofing message on {port}",
            layers,
            {f"CFG_MSGOUT_UBX_SEC_SIG_{port}": every},
            is_optional=True,
        )
    yield _values(
        "watch for interference",
        layers,
        {"CFG_ITFM_ENABLE": int(profile.is_watching_interference)},
        is_optional=True,
    )


def _legacy(profile: Profile) -> Iterator[Request]:
    rate = UBXMessage("CFG", "CFG-RATE", SET, measRate=_period_ms(profile), navRate=1, timeRef=0)
    yield Request(f"rate {profile.rate_hz:g} Hz", rate.serialize())
    model = UBXMessage("CFG", "CFG-NAV5", SET, dyn=1, dynModel=_MODELS[profile.model])
    yield Request(f"model {profile.model}", model.serialize())
    for kind, number in _NMEA_IDS.items():
        is_on = kind in profile.sentences
        told = f"sentence {kind} {'on' if is_on else 'off'}"
        yield Request(told, _message_rate(_NMEA_CLASS, number, int(is_on)))
    every = _every(profile)
    yield Request("jamming and antenna", _message_rate(*_MON_HW, every))
    yield Request("spoofing", _message_rate(*_NAV_STATUS, every))
    watch = UBXMessage(
        "CFG", "CFG-ITFM", SET, bbThreshold=3, cwThreshold=15, algorithmBits=0x16B156,
        enable=int(profile.is_watching_interference), generalBits=0x31E, antSetting=0, enable2=0,
    )  # fmt: skip
    yield Request("watch for interference", watch.serialize(), is_optional=True)


def save_legacy() -> Request:
    """Have generation 8 keep everything in battery-backed memory, flash and EEPROM."""
    message = UBXMessage(
        "CFG", "CFG-CFG", SET, saveMask=b"\x1f\x1f\x00\x00", devBBR=1, devFlash=1, devEEPROM=1,
        devSpiFlash=1,
    )  # fmt: skip
    return Request("save", message.serialize())


def relayered(frame: bytes, layers: int) -> bytes:
    """The same CFG-VALSET for other layers of the receiver's memory."""
    covered = frame[2:7] + bytes([layers]) + frame[8:-2]
    return frame[:2] + covered + fletcher(covered)


def _values(
    subject: str, layers: int, values: dict[str, int], *, is_optional: bool = False
) -> Request:
    message = UBXMessage.config_set(layers, 0, list(values.items()))
    return Request(subject, message.serialize(), is_optional)


def _message_rate(message_class: int, number: int, every: int) -> bytes:
    message = UBXMessage(
        "CFG", "CFG-MSG", SET, msgClass=message_class, msgID=number, rateUART1=every, rateUSB=every
    )
    frame: bytes = message.serialize()
    return frame


def _period_ms(profile: Profile) -> int:
    return round(1000 / profile.rate_hz)


def _every(profile: Profile) -> int:
    """Every so many epochs; the receiver counts up to 255."""
    if not profile.indicators_every_s:
        return 0
    return min(255, max(1, round(profile.indicators_every_s * profile.rate_hz)))
