"""What the documents say of files, keys and figures is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.settings import Settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PLACEHOLDER = re.compile(r"^\s*(?:[A-Z]{3,}|TODO.*|TBD.*)\s*$|\|\s*[A-Z]{4,}\s*\|", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
ROW = re.compile(r"^\| (`.+?) \| (.*?) \|", re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_is_whole(document: Path) -> None:
    text = document.read_text()
    assert PLACEHOLDER.findall(text) == []
    missing = [link for link in LINK.findall(text) if not (document.parent / link).exists()]
    assert missing == []


def keys_of(kind: object) -> Iterator[tuple[str, object]]:
    """Each key of a table of the configuration and of those below it, with its default."""
    match msgspec.inspect.type_info(kind):
        case msgspec.inspect.StructType() as struct:
            yield from fields_of(struct)
        case _:
            raise AssertionError(kind)


def fields_of(struct: msgspec.inspect.StructType) -> Iterator[tuple[str, object]]:
    for field in struct.fields:
        below = list(structs_in(field.type))
        if not below:
            yield field.name, field.default
        for one in below:
            yield from fields_of(one)


def structs_in(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.StructType]:
    match kind:
        case msgspec.inspect.StructType():
            yield kind
        case msgspec.inspect.UnionType(types=types):
            for one in types:
                yield from structs_in(one)
        case msgspec.inspect.VarTupleType(item_type=item):
            yield from structs_in(item)
        case _:
            return


def test_every_key_of_the_configuration_is_told_with_its_default() -> None:
    told: dict[str, set[str]] = {}
    for keys, defaults in ROW.findall((ROOT / "docs" / "settings.md").read_text()):
        names = re.findall(r"`(\w+)`", keys)
        values = [part.strip().strip("`") for part in defaults.split(",")]
        for at, name in enumerate(names):
            told.setdefault(name, set()).add(values[at] if len(values) == len(names) else values[0])
    for name, default in keys_of(Settings):
        assert name in told, f"docs/settings.md says nothing of {name}"
        if isinstance(default, str | int | float) and name not in {"name", "kind"}:
            assert msgspec.json.encode(default).decode() in told[name], name
