"""What was set aside of the vans' messages, over HTTP."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from cloud.foundation.clock import to_rfc3339
from cloud.foundation.identity import Caller, Gate
from cloud.tracking.deadletters import DeadLetters, Errand, Letter, Outcome

_MOST_SHOWN: Final = 4_000


class LetterItem(BaseModel):
    """One message that could not be taken: where it came, when, how long it is, and why."""

    id: str
    topic: str
    bytes: int
    reason: str
    received_at: str


class LetterBody(LetterItem):
    """One of them with the first 4,000 bytes of its content, in hex."""

    content_hex: str


class LetterPage(BaseModel):
    """Some of them by id, and the cursor of the next page when there are more."""

    items: list[LetterItem]
    next_cursor: str | None


class WhichLetters(BaseModel):
    """Those of a van, those named by ids, or all when neither is told."""

    vehicle_id: str | None = None
    ids: list[str] = Field(default=[], max_length=500)


class OutcomeBody(BaseModel):
    """How many were done, how many are left, and why, of the first 50 of these."""

    done: int
    left: int
    reasons: dict[str, str]


def routes(letters: DeadLetters, gate: Gate) -> APIRouter:
    """For administrators."""
    router = APIRouter(tags=["tracking"])
    admin = Annotated[Caller, Depends(gate.roles())]

    @router.get("/dead-letters")
    def listed(
        caller: admin,
        vehicle_id: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: Annotated[str, Query(max_length=64)] = "",
    ) -> LetterPage:
        """What was set aside, a page at a time."""
        found = letters.page(caller.tenant, vehicle_id, cursor, limit)
        following = found[-1].id if len(found) == limit else None
        return LetterPage(items=[_item(one) for one in found], next_cursor=following)

    @router.get("/dead-letters/{letter_id}")
    def shown(letter_id: str, caller: admin) -> LetterBody:
        """One of them with its content."""
        letter, content = letters.content(caller.tenant, letter_id)
        told = content[:_MOST_SHOWN].hex()
        return LetterBody(**_item(letter).model_dump(), content_hex=told)

    @router.post("/dead-letters/replay")
    def replayed(which: WhichLetters, caller: admin) -> OutcomeBody:
        """Try them again; what goes through is stored once, what still fails is left."""
        return _done(letters.ask(_errand("replay", caller.tenant, which)))

    @router.post("/dead-letters/drop")
    def dropped(which: WhichLetters, caller: admin) -> OutcomeBody:
        """Forget them."""
        return _done(letters.ask(_errand("drop", caller.tenant, which)))

    return router


def _errand(what: Literal["replay", "drop"], tenant: str, which: WhichLetters) -> Errand:
    return Errand(
        what=what,
        tenant=tenant,
        van=which.vehicle_id,
        ids=tuple(which.ids),
    )


def _item(letter: Letter) -> LetterItem:
    return LetterItem(
        id=letter.id,
        topic=letter.topic,
        bytes=letter.payload_bytes,
        reason=letter.reason,
        received_at=to_rfc3339(letter.received_at_ms / 1000),
    )


def _done(outcome: Outcome) -> OutcomeBody:
    return OutcomeBody(done=outcome.done, left=outcome.left, reasons=outcome.reasons)
