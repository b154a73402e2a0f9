"""What an API token is good for. Pure.

A scope is ``<part>:read`` or ``<part>:write``: the part is the tag under which the route stands in
the OpenAPI document, and the method tells which of the two it is. So no route can be without one,
and none has to say it twice. To write includes to read.
"""

from collections.abc import Collection, Iterable
from typing import Final

from cloud.foundation.errors import Invalid

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""


def scope_of(tag: str, method: str) -> str:
    """The scope that a route asks for."""
    return f"{tag}:{'read' if method in SAFE_METHODS else 'write'}"


def covers(held: frozenset[str] | None, asked: str) -> bool:
    """Whether a token that holds these scopes may do what asks for ``asked``; None holds all."""
    if held is None or asked in held:
        return True
    tag, _, kind = asked.partition(":")
    return kind == "read" and f"{tag}:write" in held


def require_scopes(
    wanted: Iterable[str] | None, *, known_tags: Collection[str], maker: frozenset[str] | None
) -> frozenset[str] | None:
    """The scopes of a new token, when its maker's own go as far.

    Raises:
        Invalid: there is no such scope, none is wanted, or the maker's token lacks one.
    """
    if wanted is None:
        if maker is not None:
            raise Invalid.field(
                "scopes", "is missing, and your own token is limited", "name scopes it holds"
            )
        return None
    chosen = frozenset(wanted)
    known = {f"{tag}:{kind}" for tag in known_tags for kind in ("read", "write")}
    unknown = sorted(chosen - known)
    if unknown or not chosen:
        raise Invalid.field(
            "scopes",
            f"there is no scope {unknown[0][:40]!r}" if unknown else "is empty",
            f"use some of {', '.join(sorted(known))}, or leave it out",
        )
    beyond = sorted(one for one in chosen if not covers(maker, one))
    if beyond:
        raise Invalid.field("scopes", f"your own token lacks {beyond[0]}", "leave it out")
    return chosen
