"""What it costs that a van delivers an order and not a preferred one, for all vans at once."""

from typing import Any

import numpy as np
import numpy.typing as npt

from cloud.planning.problem import Job, Problem

type Floats = npt.NDArray[np.float64]


class Preferences:
    """The prices of `cloud.planning.solvers.rates.price_of_preference`, as arrays over the vans."""

    def __init__(self, problem: Problem) -> None:
        vans = problem.vehicles
        self._policy = problem.policy
        self._numbers = {van.id: at for at, van in enumerate(vans)}
        self._has_zones = np.array([bool(van.zones) for van in vans], dtype=np.bool_)
        self._is_zoned = bool(self._has_zones.any()) and problem.policy.outside_zone > 0
        self._of_zone: dict[str, npt.NDArray[Any]] = {}
        for zone in {zone for van in vans for zone in van.zones}:
            self._of_zone[zone] = np.array([zone in van.zones for van in vans], dtype=np.bool_)

    def add_to(self, surcharge: Floats, job: Job) -> None:
        """Add what each van costs, in seconds of driving, to ``surcharge``."""
        is_known = bool(job.known) and self._policy.unfamiliar > 0
        if not (self._is_zoned or is_known):
            return
        price = np.zeros(len(surcharge))
        if self._is_zoned:
            outside = self._has_zones.copy()
            for zone in job.zones:
                if (inside := self._of_zone.get(zone)) is not None:
                    outside &= ~inside
            price += outside * self._policy.outside_zone
        if is_known:
            price += self._less_known(job, len(surcharge)) * (self._policy.unfamiliar / 1_000)
        surcharge += np.rint(price)

    def _less_known(self, job: Job, vans: int) -> npt.NDArray[np.int64]:
        known = np.zeros(vans, dtype=np.int64)
        for van, permille in job.known:
            if (at := self._numbers.get(van)) is not None:
                known[at] = permille
        less: npt.NDArray[np.int64] = max(permille for _, permille in job.known) - known
        return less
