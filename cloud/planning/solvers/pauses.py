"""Pauses that all vans have together, cut out of the day, for a search that knows none. Pure.

What is before a pause stays where it is, and what is behind it moves up by its length, windows and
shifts alike. A drive that a pause falls into takes no longer then; a service that it falls into is
mended by the clock afterwards.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from cloud.planning.problem import Problem, Window


def without_common_pauses(problem: Problem) -> Problem:
    """The problem without its pauses, where they are the same for every van; else as it is."""
    pauses = problem.vehicles[0].pauses if problem.vehicles else ()
    if not pauses or any(van.pauses != pauses for van in problem.vehicles):
        return problem

    def moved(instant: int) -> int:
        return instant - sum(max(0, min(instant, ends) - begins) for begins, ends in pauses)

    def within(windows: Sequence[Window]) -> tuple[Window, ...]:
        told: list[Window] = []
        for window in windows:
            opens, closes = moved(window.opens), moved(window.closes)
            if told and opens <= told[-1].closes:
                opens = told.pop().opens
            told.append(Window(opens=opens, closes=closes))
        return tuple(told)

    return replace(
        problem,
        vehicles=tuple(
            replace(
                van,
                available_from=moved(van.available_from),
                shift_end=moved(van.shift_end),
                pauses=(),
            )
            for van in problem.vehicles
        ),
        jobs=tuple(
            replace(
                job,
                windows=within(job.windows),
                pickup_windows=within(job.pickup_windows),
                ready_from=None if job.ready_from is None else moved(job.ready_from),
                late_until=None if job.late_until is None else moved(job.late_until),
            )
            for job in problem.jobs
        ),
    )
