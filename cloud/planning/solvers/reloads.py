"""Orders that a van under way fetches, as loads of a trip that begins where they lie. Pure.

A pair of visits (fetch, deliver) is searched far worse than a visit alone: each is moved by itself,
and a van that fetches five orders in one halt must find five pairs. So the depot where most of them
lie is told to PyVRP as one where vans load anew, and each order as one visit of a trip from there.
Each load dimension has a second one for what is fetched: it is full until the van has been at that
place, which keeps an order off a trip that begins elsewhere, and it has no more room than what is
aboard from the first leaves (docs/decisions/solvers.md).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Self

from cloud.planning.solvers.formulation import HORIZON_S, Formulation, Node
from cloud.planning.solvers.port import Sequences, Step

type Pair = tuple[Node, Node]


@dataclass(frozen=True, slots=True)
class Reloading:
    """What of a formulation is told as loads of further trips, and what stays a pair.

    Attributes:
        place: the location where vans load anew.
        fetched: pairs that are told as visits. pairs: all others.
        needs: for each van whether it must go there before it can deliver any of ``fetched``.
        room: of each van for what it fetches, beside what is aboard; as much at least as it
            takes where the search starts.
        loading_s: what a van that waits at its start for something takes to load it then.
        jobs: all that a van may load there, those included that it loads before it leaves.
    """

    place: int
    fetched: tuple[Pair, ...]
    pairs: tuple[Pair, ...]
    needs: tuple[bool, ...]
    room: tuple[tuple[int, ...], ...]
    loading_s: int
    jobs: frozenset[int]

    @classmethod
    def of(cls, form: Formulation, start: Sequences | None = None) -> Self | None:
        """None when nothing is fetched at a depot. ``start``: where the search starts."""
        depots = {place for van in form.problem.vehicles for place in (van.end, van.loads_at)}
        places = Counter(pair[0].place for pair in form.pairs if _may_be_loaded(pair))
        place = next((place for place, _ in places.most_common() if place in depots), None)
        if place is None:
            return None
        fetched = tuple(
            pair for pair in form.pairs if pair[0].place == place and _may_be_loaded(pair)
        )
        loaded = {node.step.job for node in (*form.singles, *(pair[1] for pair in fetched))}
        bare = cls(
            place=place,
            fetched=fetched,
            pairs=tuple(pair for pair in form.pairs if pair not in fetched),
            needs=tuple(
                not (van.loads_at_start and van.start == place) for van in form.problem.vehicles
            ),
            room=_room_beside(form),
            loading_s=max((van.loading_s for van in form.problem.vehicles), default=0),
            jobs=frozenset(at for at in loaded if form.problem.jobs[at].pickup == place),
        )
        return bare if start is None else replace(bare, room=bare.room_for(start))

    def room_for(self, start: Sequences) -> tuple[tuple[int, ...], ...]:
        """The room of each van, raised to what its fullest trip there takes."""
        loads = {delivery.step: self.load(pickup) for pickup, delivery in self.fetched}
        rooms: list[tuple[int, ...]] = []
        for van, steps in enumerate(start):
            room = self.room[van]
            taken = [0] * len(room)
            for step in self.trips(van, steps):
                if step is None:
                    taken = [0] * len(room)
                elif step in loads:
                    taken = [one + more for one, more in zip(taken, loads[step], strict=True)]
                    room = tuple(max(pair) for pair in zip(room, taken, strict=True))
            rooms.append(room)
        return tuple(rooms)

    def load(self, pickup: Node) -> tuple[int, ...]:
        """What a fetched order takes of that room; of parcels one at least, or it needs no trip."""
        return (max(1, pickup.load[0]), *pickup.load[1:])

    def visited(self) -> Iterator[Node]:
        """What is fetched, as visits of their own; loading is paid for at the door."""
        for pickup, delivery in self.fetched:
            yield replace(
                delivery,
                load=(*delivery.load, *self.load(pickup)),
                service_s=delivery.service_s + pickup.service_s,
                leaves_after=ready + self.loading_s if (ready := pickup.windows[0][0]) else 0,
            )

    def trips(self, van: int, steps: Sequence[Step]) -> list[Step | None]:
        """A van's visits as trips: None where it loads anew, and no visit for what it loads.

        A pair whose visits would be on two trips is left out: PyVRP takes none such.
        """
        trips = list(self._trips(van, steps))
        trip_of = dict(zip(trips, accumulate(step is None for step in trips), strict=True))
        torn = {
            pickup.step.job
            for pickup, delivery in self.pairs
            if trip_of.get(pickup.step) != trip_of.get(delivery.step)
        }
        return [step for step in trips if step is None or step.job not in torn]

    def _trips(self, van: int, steps: Sequence[Step]) -> Iterator[Step | None]:
        is_loading = not self.needs[van]
        for step in steps:
            if step.kind == "delivery" or step.job not in self.jobs:
                is_loading = False
                yield step
            elif not is_loading:
                is_loading = True
                yield None

    def visits(self, trips: Sequence[Step | None]) -> tuple[Step, ...]:
        """The way back: where a van loads anew it fetches what its next trip delivers."""
        steps: list[Step] = []
        for at, step in enumerate(trips):
            if step is not None:
                steps.append(step)
                continue
            for later in trips[at + 1 :]:
                if later is None:
                    break
                if later.kind == "delivery" and later.job in self.jobs:
                    steps.append(Step(later.job, "pickup"))
        return tuple(steps)


def _may_be_loaded(pair: Pair) -> bool:
    """Whether it may be fetched at any time from when it is ready."""
    return len(pair[0].windows) == 1 and pair[0].windows[0][1] >= HORIZON_S


def _room_beside(form: Formulation) -> tuple[tuple[int, ...], ...]:
    """What each van holds, less what is aboard."""
    vans = range(len(form.problem.vehicles))
    taken = [[0] * len(form.capacity[van]) for van in vans]
    numbers = {van.id: at for at, van in enumerate(form.problem.vehicles)}
    for node in form.singles:
        job = form.problem.jobs[node.step.job]
        if job.pickup is None and job.only_vehicle is not None:
            at = numbers[job.only_vehicle]
            taken[at] = [one + more for one, more in zip(taken[at], node.load, strict=True)]
    return tuple(
        tuple(there - gone for there, gone in zip(form.capacity[van], taken[van], strict=True))
        for van in vans
    )
