"""How much searching the news of a day may cost. Pure.

A day on which something happens every minute would keep the planner from every other. What a person
asks for, and putting an urgent order where it fits, is not counted.
"""

from collections import deque
from typing import Final

from cloud.planning.jobs import DayKey, Job

AN_HOUR_S: Final = 3_600.0
SEARCH_S_AN_HOUR: Final = 180.0
"""Seconds of searching in an hour of the day (domain time), for one depot and service date."""


class Budget:
    """What each day has spent within the last hour.

    Args:
        an_hour_s: real seconds of searching that a day has in an hour of domain time.
    """

    def __init__(self, an_hour_s: float = SEARCH_S_AN_HOUR) -> None:
        self._an_hour_s = an_hour_s
        self._spent: dict[DayKey, deque[tuple[float, float]]] = {}

    def is_counted(self, job: Job) -> bool:
        """Whether a job has to keep within it."""
        return not (job.is_asked_for or job.is_quick)

    def spend(self, day: DayKey, now: float, seconds: float) -> None:
        """So long was searched until ``now``, seconds since 1970."""
        self._spent.setdefault(day, deque()).append((now, seconds))

    def is_spent(self, day: DayKey, now: float) -> bool:
        """Whether the last hour took all of it."""
        spent = self._spent.get(day)
        if spent is None:
            return False
        while spent and not 0 <= now - spent[0][0] < AN_HOUR_S:
            spent.popleft()
        if not spent:
            del self._spent[day]
            return False
        return sum(seconds for _, seconds in spent) >= self._an_hour_s
