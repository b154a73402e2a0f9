"""Which fields of a thing are told: the query parameter ``fields``, for every list alike."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict

from cloud.foundation.errors import Invalid

_MOST: Final = 1_000
_SHOWN: Final = 80


def _require_names_alone(schema: dict[str, Any], model: type["Selectable"]) -> None:
    """In the document only what is always told is required."""
    schema["required"] = list(model.always)


class Selectable(BaseModel):
    """A thing in a list of which a caller may ask for some fields only.

    Attributes:
        always: fields that are told whether asked for or not: they say which thing it is.
    """

    model_config = ConfigDict(json_schema_extra=_require_names_alone)
    always: ClassVar[tuple[str, ...]] = ("id",)


type FieldsQuery = Annotated[
    str | None,
    Query(
        max_length=_MOST,
        description="Names with commas between: of each thing only these are told, and its id.",
    ),
]


def chosen(text: str | None, item: type[Selectable]) -> frozenset[str] | None:
    """The fields of ``item`` that are asked for; None for all of them.

    Raises:
        Invalid: one is not known; names it.
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in item.model_fields:
            raise Invalid.field(
                "fields",
                f"{name[:_SHOWN]!r} is not known",
                f"use some of {', '.join(item.model_fields)}",
            )
    return frozenset(names) | frozenset(item.always)


def selected[T: BaseModel](told: T, fields: frozenset[str] | None) -> T | Response:
    """``told`` with only ``fields`` of each thing in its list of items, or of itself if it is one.

    It is as it was when ``fields`` is None.
    """
    if fields is None:
        return told
    include: dict[str, Any] = dict.fromkeys(type(told).model_fields, True)
    if isinstance(told, Selectable):
        include = dict.fromkeys(fields, True)
    else:
        include["items"] = {"__all__": set(fields)}
    return Response(told.model_dump_json(include=include), media_type="application/json")


def only[T](row: Mapping[str, T], fields: frozenset[str] | None) -> dict[str, T]:
    """``row`` with only ``fields``, in its own order; whole when that is None."""
    return {name: value for name, value in row.items() if fields is None or name in fields}
