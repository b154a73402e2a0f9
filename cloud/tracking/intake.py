"""What a message of a van means: rows to write, answers to give, and how the live state moves."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import msgspec

from cloud.tracking.blocks import whole, window
from cloud.tracking.history import ArrivedRow, Unread
from cloud.tracking.known import Standing
from cloud.tracking.model import (
    NOTHING_KEPT,
    Committed,
    Piece,
    StreamKey,
    TooManyHoles,
    happened_ms,
    is_believable,
    moment_ms,
    moves_live,
)
from cloud.tracking.reading import STREAMS_BELOW, Refused, Said, read
from cloud.tracking.shelf import Shelf, Totals
from cloud.tracking.store import LiveRow, Writes, quality_value
from wire import codec, topics
from wire.events import Gap
from wire.messages import (
    MAX_RESULT_BYTES,
    Batch,
    BatchEnvelope,
    Event,
    Fix,
    Live,
    Presence,
    Result,
    Resume,
    State,
)

_CACHED_STREAMS: Final = 20_000
FOLLOWED_AFTER_MS: Final = 3_000
"""A van of which no newer fix has come for so long is followed by its history."""
_REFUSED: Final = {
    "unknown": "refused a message of an unknown van",
    "disabled": "refused a message of a disabled van",
}
_parse_up: Final = lru_cache(20_000)(topics.parse_up)


class Arrived(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One message as the broker gave it. ``token`` is what the inbox acknowledges it by."""

    topic: str
    payload: bytes
    received_at_ms: int
    token: object = None


@dataclass(slots=True)
class Group:
    """What one transaction writes, and whom it lets be answered."""

    writes: Writes = field(default_factory=Writes)
    answers: dict[StreamKey, Committed] = field(default_factory=dict)
    shelves: dict[tuple[str, str], Shelf] = field(default_factory=dict)
    aside: Totals | None = None


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that a person should hear of: a fixed sentence, who, and what."""

    sentence: str
    tenant: str
    van: str
    detail: str = ""


def _still_refused(said: Said, payload: bytes) -> str | None:
    """Why a message cannot be taken although it can be read."""
    match said:
        case Refused(reason=reason):
            return reason
        case BatchEnvelope():
            try:
                codec.decode_batch(payload)
            except codec.WireError as error:
                return str(error)
        case Result() if len(payload) > MAX_RESULT_BYTES:
            return f"result: {len(payload)} bytes; at most {MAX_RESULT_BYTES}"
        case Event(body=Gap(first=first, last=last)) if first > last:
            return "gap: first is after last"
        case _:
            pass
    return None


class Intake:
    """Turns messages into a `Group`. Holds what is committed and the live state, by value only.

    What a group commits counts only when it is settled, after the transaction; a group that could
    not be built to its end is thrown away.
    """

    def __init__(
        self,
        *,
        standing_of: Callable[[str, str], Standing],
        load: Callable[[StreamKey], Committed],
        load_shelf: Callable[[str, str], Shelf],
        load_aside: Callable[[], Totals] = Totals,
        complain: Callable[[Complaint], None],
        live: list[LiveRow],
    ) -> None:
        self._standing_of = standing_of
        self._load = load
        self._load_shelf = load_shelf
        self._load_aside = load_aside
        self._complain = complain
        self._live = {(row.tenant, row.van): row for row in live}
        self._change = max((row.change for row in live), default=0)
        self._committed: dict[StreamKey, Committed] = {}
        self._aside: Totals | None = None
        self._unwritten: set[tuple[str, str]] = set()
        self._moved: set[tuple[str, str]] = set()
        self._followed_ms: dict[tuple[str, str], int] = {}

    def take(self, arrived: Arrived, group: Group) -> None:
        """Add what ``arrived`` says to ``group`` and to the live state.

        A message of the live lane adds nothing to ``group``, whatever it says.
        """
        try:
            topic = _parse_up(arrived.topic)
        except topics.TopicError as error:
            self._complain(Complaint("dropped a message of nobody's topic", "", "", str(error)))
            return
        if not arrived.payload and topic.kind in topics.RETAINED_UP:
            return  # it clears what was retained, and says nothing
        said = read(topic.kind, arrived.payload)
        standing = self._standing_of(topic.tenant, topic.van)
        if standing != "known" and not self._is_farewell(topic, said):
            self._complain(Complaint(_REFUSED[standing], topic.tenant, topic.van))
            return
        self._act(arrived, topic, said, group)

    def take_again(self, arrived: Arrived, group: Group) -> str | None:
        """Take what was set aside once more; None when it has gone through, or why it has not.

        What is stored already is not stored again, and an old word moves no newer state.
        """
        try:
            topic = _parse_up(arrived.topic)
        except topics.TopicError as error:
            return str(error)
        standing = self._standing_of(topic.tenant, topic.van)
        if standing != "known":
            return f"the van is {standing}"
        said = read(topic.kind, arrived.payload)
        if (reason := _still_refused(said, arrived.payload)) is not None:
            return reason
        if not self._is_superseded(topic, said, arrived.received_at_ms):
            self._act(arrived, topic, said, group)
        return self._uncommitted(topic, said, group)

    def _uncommitted(self, topic: topics.UpTopic, said: Said, group: Group) -> str | None:
        """Why what ``said`` should have committed is not, if it is not."""
        match said:
            case BatchEnvelope(stream=stream):
                first, last = said.covered
            case Event(seq=seq):
                stream, first, last = int(said.stream), seq, seq
            case _:
                return None
        is_held = self._answer(StreamKey(topic.tenant, topic.van, stream), group).holds(first, last)
        return None if is_held else "its stream has too many holes for now"

    def _is_superseded(self, topic: topics.UpTopic, said: Said, received_at_ms: int) -> bool:
        row = self._row(topic)
        match said:
            case State():
                return row.state_at_ms is not None and row.state_at_ms >= received_at_ms
            case Presence():
                return row.presence_at_ms is not None and row.presence_at_ms >= received_at_ms
            case _:
                return False

    def note_removed(self) -> None:
        """Less is set aside than before; how much is asked for again."""
        self._aside = None

    def _is_farewell(self, topic: topics.UpTopic, said: Said) -> bool:
        """Whether a van goes offline that was known: its will comes when it is shut out already."""
        is_gone = isinstance(said, Presence) and not said.online
        return is_gone and (topic.tenant, topic.van) in self._live

    def _act(self, arrived: Arrived, topic: topics.UpTopic, said: Said, group: Group) -> None:
        match said:
            case BatchEnvelope():
                self._take_batch(arrived, topic, said, group)
            case Event():
                self._take_event(arrived, topic, said, group)
            case Resume(streams=streams):
                for stream in streams:
                    if int(stream) < STREAMS_BELOW:
                        self._answer(StreamKey(topic.tenant, topic.van, int(stream)), group)
            case Refused():
                self._set_aside(arrived, said, topic, group)
            case Result():
                self._take_result(arrived, topic, said, group)
            case _:
                self._take_live(arrived, topic, said)

    def look_into(self, stored: Unread, group: Group) -> Batch | None:
        """Move the live state by a stored batch; None when it goes aside with ``group`` instead.

        A batch whose fixes cannot be unpacked stays committed, and nothing is kept of it.
        """
        key = stored.key
        topic = topics.UpTopic(key.tenant, key.van, "batch")
        try:
            batch = codec.decode_batch(stored.body)
        except codec.WireError as error:
            arrived = Arrived(
                topic=topics.up(*topic),
                payload=stored.body,
                received_at_ms=stored.received_at_ms,
            )
            self._set_aside(arrived, Refused(str(error)), topic, group)
            lost = self._answer(key, group).losing(stored.first, stored.last)
            group.writes.streams[key] = group.answers[key] = lost
            return None
        self._move_by(topic, batch, stored.received_at_ms)
        return batch

    def follow(self, stored: Sequence[ArrivedRow]) -> None:
        """Move vans whose live lane says nothing by their newest of what was just committed.

        What is stored is looked into when nothing else comes; under a load that lasts that is
        never, and then live messages are dropped first. One batch of a van is unpacked in
        `FOLLOWED_AFTER_MS`.
        """
        for (tenant, van), row in {(one.tenant, one.van): one for one in stored}.items():
            now_ms = row.received_at_ms
            if now_ms - self._heard_ms((tenant, van)) < FOLLOWED_AFTER_MS:
                continue
            self._followed_ms[tenant, van] = now_ms
            with suppress(codec.WireError):  # `look_into` sets it aside
                self._move_by(
                    topics.UpTopic(tenant, van, "batch"), codec.decode_batch(row.body), now_ms
                )

    def _heard_ms(self, who: tuple[str, str]) -> int:
        """When the van last moved, or was last looked for in its history."""
        row = self._live.get(who)
        moved_ms = None if row is None else row.received_at_ms
        return max(moved_ms or 0, self._followed_ms.get(who, 0))

    def _move_by(self, topic: topics.UpTopic, batch: Batch, now_ms: int) -> None:
        believable = [fix for fix in batch.fixes if is_believable(moment_ms(fix), now_ms)]
        if believable:
            self._move(topic, max(believable, key=moment_ms), now_ms)

    def _take_batch(
        self, arrived: Arrived, topic: topics.UpTopic, batch: BatchEnvelope, group: Group
    ) -> None:
        """Keep of a batch what is not kept yet, each part of it as a row with the batch's bytes."""
        key = StreamKey(topic.tenant, topic.van, batch.stream)
        before = self._answer(key, group)
        covered = batch.covered
        news = before.news(*covered, batch.step)
        if not news or not self._add(key, before, (*covered, batch.step), group):
            return
        for one in news:
            part = whole(batch) if one == covered else window(batch, *one)
            if part is not None:
                row = ArrivedRow(*key, *part, arrived.received_at_ms, arrived.payload)
                group.writes.arrived.append(row)

    def _take_event(
        self, arrived: Arrived, topic: topics.UpTopic, event: Event, group: Group
    ) -> None:
        key = StreamKey(topic.tenant, topic.van, int(event.stream))
        body = event.body
        if isinstance(body, Gap):
            if body.first > body.last:
                refused = Refused("gap: first is after last", key.stream, event.seq, event.seq)
                self._set_aside(arrived, refused, topic, group)
                return
            if not self._commit_gap(topic, body, group):
                return
        if self._commit(key, event.seq, event.seq, group):
            fields = msgspec.to_builtins(body)
            group.writes.events.append(
                (
                    *key,
                    event.seq,
                    event.recorded_at_ms,
                    quality_value(event.quality),
                    fields.pop("type"),
                    msgspec.json.encode(fields).decode(),
                    arrived.received_at_ms,
                    happened_ms(fields.get("at_ms"), event.recorded_at_ms, arrived.received_at_ms),
                )
            )

    def _take_result(
        self, arrived: Arrived, topic: topics.UpTopic, result: Result, group: Group
    ) -> None:
        if len(arrived.payload) > MAX_RESULT_BYTES:
            reason = f"result: {len(arrived.payload)} bytes; at most {MAX_RESULT_BYTES}"
            self._set_aside(arrived, Refused(reason), topic, group)
            return
        data = result.data
        group.writes.results.append(
            (
                topic.tenant,
                topic.van,
                result.command,
                result.status,
                result.detail,
                None if data is msgspec.UNSET else msgspec.json.encode(data).decode(),
                arrived.received_at_ms,
            )
        )

    def _commit_gap(self, topic: topics.UpTopic, gap: Gap, group: Group) -> bool:
        """Whether the gap can be told; what was kept of a thinned range is still to come."""
        if gap.reason == "thinned":
            return True
        key = StreamKey(topic.tenant, topic.van, int(gap.stream))
        self._commit(key, gap.first, gap.last, group)
        return group.answers[key].holds(gap.first, gap.last)

    def _take_live(
        self, arrived: Arrived, topic: topics.UpTopic, said: Live | State | Presence
    ) -> None:
        row = self._row(topic)
        match said:
            case Live(fix=fix):
                self._move(topic, fix, arrived.received_at_ms)
            case State():
                told = codec.encode(said).decode()
                if told != row.state:
                    self._change_row(topic, row, state=told, state_at_ms=arrived.received_at_ms)
            case Presence(online=is_online):
                if is_online != row.is_online:
                    self._change_row(
                        topic, row, is_online=is_online, presence_at_ms=arrived.received_at_ms
                    )

    def _move(self, topic: topics.UpTopic, fix: Fix, received_at_ms: int) -> None:
        row = self._row(topic)
        if moves_live(row.fix, fix, received_at_ms):
            self._change_row(topic, row, fix=fix, received_at_ms=received_at_ms)
            self._moved.add((topic.tenant, topic.van))

    def _row(self, topic: topics.UpTopic) -> LiveRow:
        key = (topic.tenant, topic.van)
        return self._live.get(key) or LiveRow(tenant=topic.tenant, van=topic.van)

    def _change_row(self, topic: topics.UpTopic, row: LiveRow, **changed: Any) -> None:
        self._change += 1
        key = (topic.tenant, topic.van)
        self._live[key] = msgspec.structs.replace(row, change=self._change, **changed)
        self._unwritten.add(key)

    def _set_aside(
        self, arrived: Arrived, refused: Refused, topic: topics.UpTopic, group: Group
    ) -> None:
        """Keep it for a person to look at, as far as there is room; the flow goes on either way."""
        who = (topic.tenant, topic.van)
        if topic.kind == "live":  # never history, and its group is not written
            self._complain(Complaint("dropped a live message", *who, refused.reason[:300]))
            return
        if who not in group.shelves:
            group.shelves[who] = self._load_shelf(*who)
        digest = hashlib.sha256(arrived.topic.encode() + b"\0" + arrived.payload).digest()
        if group.aside is None:
            self._aside = self._aside or self._load_aside()
            group.aside = self._aside.copy()
        place = group.shelves[who].put(digest, arrived.payload, group.aside)
        self._complain(Complaint(place.sentence, *who, refused.reason[:300]))
        if place.payload is not None:
            row = (digest, arrived.topic, place.payload, refused.reason[:1000])
            group.writes.set_aside.append((*row, arrived.received_at_ms))
        if refused.stream is not None:
            key = StreamKey(topic.tenant, topic.van, refused.stream)
            self._commit(key, refused.first, refused.last, group)

    def _commit(self, key: StreamKey, first: int, last: int, group: Group) -> bool:
        """Count the range as committed with ``group``; False when it is refused for now."""
        before = self._answer(key, group)
        if before.holds(first, last):
            return True
        return self._add(key, before, (first, last, NOTHING_KEPT), group)

    def _add(self, key: StreamKey, before: Committed, piece: Piece, group: Group) -> bool:
        try:
            after = before.adding(*piece)
        except TooManyHoles as error:
            self._complain(Complaint("refused seqs for now", key.tenant, key.van, str(error)))
            return False
        group.writes.streams[key] = group.answers[key] = after
        return True

    def _answer(self, key: StreamKey, group: Group) -> Committed:
        committed = group.answers.get(key) or self._committed.get(key)
        if committed is None:
            committed = self._load(key)
        group.answers[key] = committed
        return committed

    def forget_place(self, tenant: str, van: str, keeps: Callable[[Fix], bool]) -> LiveRow | None:
        """Forget a van's newest fix unless it stays; its row without one, or None when it does."""
        row = self._live.get((tenant, van))
        if row is None or (row.fix is not None and keeps(row.fix)):
            return None
        if row.fix is None:
            return row
        self._change += 1
        bare = msgspec.structs.replace(row, fix=None, received_at_ms=None, change=self._change)
        self._live[tenant, van] = bare
        self._moved.discard((tenant, van))
        return bare

    def settle(self, group: Group) -> None:
        """``group`` is written: what it commits is committed."""
        self._aside = group.aside or self._aside
        for key, committed in group.answers.items():
            self._committed.pop(key, None)
            self._committed[key] = committed
        while len(self._committed) > _CACHED_STREAMS:
            del self._committed[next(iter(self._committed))]

    def has_unwritten(self) -> bool:
        """Whether live rows wait to be written."""
        return bool(self._unwritten)

    def take_unwritten(self) -> list[LiveRow]:
        """The live rows that changed since the last call, to be written."""
        rows = [self._live[key] for key in self._unwritten]
        self._unwritten.clear()
        return rows

    def take_moved(self) -> list[LiveRow]:
        """The vans that moved since the last call, to be told on the feed."""
        rows = [self._live[key] for key in self._moved]
        self._moved.clear()
        return rows
