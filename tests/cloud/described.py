"""Whether an answer is what the OpenAPI document says: the part of JSON Schema that it uses."""

from collections.abc import Iterator
from typing import Any

import httpx

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_KNOWN = {
    "$ref", "additionalProperties", "anyOf", "const", "default", "description", "enum", "format",
    "items", "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum",
    "prefixItems", "properties", "required", "title", "type", "$defs",
}  # fmt: skip


def undescribed(document: dict[str, Any], path: str, answer: httpx.Response) -> list[str]:
    """What of ``answer``, given at the document's ``path``, is not as the document says."""
    told = document["paths"][path][answer.request.method.lower()]["responses"]
    described = told.get(str(answer.status_code))
    if described is None:
        return [f"status {answer.status_code} is not described"]
    content = described.get("content")
    if content is None:
        return [] if not answer.content else ["a body that is not described"]
    media_type = answer.headers["content-type"].split(";")[0]
    if media_type not in content:
        return [f"{media_type} is not described"]
    return list(_wrong(document, content[media_type]["schema"], answer.json(), "$"))


def _wrong(root: dict[str, Any], schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
    assert set(schema) <= _KNOWN, f"{at}: {set(schema) - _KNOWN} is not checked yet"
    if "$ref" in schema:
        yield from _wrong(root, _referred(root, schema["$ref"]), value, at)
    elif "anyOf" in schema:
        if all(list(_wrong(root, one, value, at)) for one in schema["anyOf"]):
            yield f"{at}: {value!r} is none of what it may be"
    elif not _is_of(value, schema):
        yield f"{at}: {value!r} is not of {schema}"
    elif isinstance(value, dict):
        yield from _wrong_object(root, schema, value, at)
    elif isinstance(value, list):
        yield from _wrong_array(root, schema, value, at)


def _referred(root: dict[str, Any], reference: str) -> Any:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def _is_of(value: Any, schema: dict[str, Any]) -> bool:
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return False
    kind = schema.get("type")
    if isinstance(value, bool):
        return kind in {None, "boolean"}
    return kind is None or isinstance(value, _TYPES[kind])


def _wrong_object(
    root: dict[str, Any], schema: dict[str, Any], value: dict[str, Any], at: str
) -> Iterator[str]:
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}.{name} is missing"
    for name, inner in value.items():
        if name in properties:
            yield from _wrong(root, properties[name], inner, f"{at}.{name}")
        elif isinstance(others, dict):
            yield from _wrong(root, others, inner, f"{at}.{name}")
        else:
            yield f"{at}.{name} is not described"


def _wrong_array(
    root: dict[str, Any], schema: dict[str, Any], value: list[Any], at: str
) -> Iterator[str]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield f"{at}: {len(value)} items"
    fixed = schema.get("prefixItems", [])
    for index, inner in enumerate(value):
        if index < len(fixed):
            yield from _wrong(root, fixed[index], inner, f"{at}[{index}]")
        elif "items" in schema:
            yield from _wrong(root, schema["items"], inner, f"{at}[{index}]")
