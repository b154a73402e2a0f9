"""Passwords that anybody tries first: refused for people, and for the service at its start. Pure.

Default keys have opened many peers (Traccar; ThingsBoard, CVE-2023-26462). A list of whole
passwords is never long enough, so a password is first stripped of what people put around a word:
``P@ssw0rd-2026!`` is ``password``.
"""

import re
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from cloud.foundation.errors import Invalid

MIN_CHARACTERS: Final = 10
MAX_CHARACTERS: Final = 200
_MIN_DIFFERENT: Final = 5
_MIN_SERVICE_CHARACTERS: Final = 8
_SECRET_FIELD: Final = re.compile(r"(^|_)(password|secret|token|key)$")
_LEET: Final = str.maketrans("@4$5!10379", "aassiioetg")
_FIRST_GUESSES: Final = """
    123 1234 abc abc123 abcd access admin administrator administrador artemis azerty baseball
    batman broker calvin changeit changeme changemenow changethis cisco clave client cloud
    companyname computer contrasena contraseña cookie correcthorsebatterystaple dallas database
    default demo demopassword dispatch dispatcher dragon driver example examplepassword flower
    football freedom gateway ginger god guest hallo hello hunter hunter2 iloveyou ingest internet
    jordan killer letmein local login lovely manager master masterkey matrix michael mongodb monkey
    mosquitto mqtt mqttpassword mqttuser mustang mypassword mysecret mysql nats ninja nopass none
    null oracle pass passphrase passport passw password passwort placeholder postgres postgresql
    princess public qazwsx qwer qwert qwerty qwertz rabbitmq raspberry raspberrypi redis replaceme
    replacethis root roundsman roundsmanpassword sample secret secretkey secretpassword senha server
    service shadow starwars sunshine super superman superuser supersecret sysadmin system telematics
    temp temporary tenant test tester testing testpassword thingsboard toor topsecret traccar
    tracker trustno trustno1 ubuntu undefined unknown user username vagrant van vehicle verysecret
    web welcome whatever willkommen wordpass xxx yourpassword yourpasswordhere yoursecret zaq12wsx
    zxcvbn zxcvbnm
"""
_WORDS: Final = frozenset(_FIRST_GUESSES.split())
_RUNS: Final = (
    "0123456789012345678901234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "1q2w3e4r5t6y7u8i9o0p",
)
_WORDLESS: Final = re.compile(r"[\W_]+")
_AROUND: Final = re.compile(r"^\d+|\d+$")


def is_known(secret: str) -> bool:
    """Whether this is one of the secrets that anybody tries first, in any of its usual dresses."""
    plain = _WORDLESS.sub("", secret.lower())
    if not plain:
        return True
    read = _WORDLESS.sub("", secret.lower().translate(_LEET))
    faces = {plain, read, _AROUND.sub("", plain), _WORDLESS.sub("", _undressed(secret))} - {""}
    return any(_is_first_guess(face) or _is_first_guess(_half(face)) for face in faces)


def _is_first_guess(face: str) -> bool:
    return face in _WORDS or _is_run(face) or _is_repeated(face)


def _undressed(secret: str) -> str:
    """Without the digits and marks at its end, then read as it is meant."""
    return re.sub(r"[\d\W_]+$", "", secret.lower()).translate(_LEET)


def _is_run(text: str) -> bool:
    return len(text) >= 3 and any(text in run or text[::-1] in run for run in _RUNS)


def _is_repeated(text: str) -> bool:
    return len(text) >= 3 and len(set(text)) <= 2


def _half(text: str) -> str:
    middle = len(text) // 2
    return text[:middle] if len(text) % 2 == 0 and text[:middle] == text[middle:] else text


def require_password(password: str, names: tuple[str, ...]) -> None:
    """A password that is fit for a person. ``names`` are what others know of its owner.

    Length counts, and what is known is refused (NIST SP 800-63B, 5.1.1.2); nobody has to mix kinds
    of characters or change it by the calendar.

    Raises:
        Invalid: it is too short or too long, or anybody would try it.
    """
    problem = None
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        problem = f"has {len(password)} characters"
    elif is_known(password) or len(set(password)) < _MIN_DIFFERENT:
        problem = "is one that anybody tries first"
    elif any(len(name) >= 3 and name.lower() in password.lower() for name in names):
        problem = "holds the user's name"
    if problem is not None:
        raise Invalid.field(
            "password",
            problem,
            f"use {MIN_CHARACTERS} to {MAX_CHARACTERS} characters, such as four unrelated words",
        )


def require_unknown(field: str, secret: str, username: str = "") -> None:
    """A secret of the service that strangers do not know.

    Raises:
        Invalid: it is empty or short, a default, or the same as ``username``.
    """
    problem = None
    if not secret:
        problem = "is empty"
    elif is_known(secret) or secret.lower() == username.lower():
        problem = "is a default that anybody tries first"
    elif len(secret) < _MIN_SERVICE_CHARACTERS:
        problem = f"has fewer than {_MIN_SERVICE_CHARACTERS} characters"
    if problem is not None:
        raise Invalid.field(
            field,
            problem,
            "give the other side a secret of its own, as from `openssl rand -hex 24`, "
            "and write it here",
        )


def require_unknown_in(place: str, settings: msgspec.Struct) -> None:
    """Settings in which every secret is one that strangers do not know.

    A secret is what a field is called so (``password``, ``…_secret``, ``…_token``, ``…_key``), and
    the password in a URL. So a setting that comes later is checked without being written here.

    Raises:
        Invalid: one is known; names the field below ``place``.
    """
    username = str(getattr(settings, "username", ""))
    for name in settings.__struct_fields__:
        value, field = getattr(settings, name), f"{place}{name}"
        if isinstance(value, msgspec.Struct):
            require_unknown_in(f"{field}.", value)
        elif isinstance(value, str) and _SECRET_FIELD.search(name):
            require_unknown(field, value, username)
        elif isinstance(value, str) and "://" in value:
            told = urlsplit(value)
            if told.password is not None:
                require_unknown(
                    f"{field} (its password)", unquote(told.password), told.username or ""
                )
