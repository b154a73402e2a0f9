"""How much of a shift goes into breaks, for searches that cannot place them. Pure."""

from cloud.planning.problem import Vehicle
from cloud.planning.working import WorkRules


def back_by(vehicle: Vehicle) -> int:
    """When the van must be back if no break were taken on the way."""
    pauses_s = sum(
        max(0, min(ends, vehicle.shift_end) - max(begins, vehicle.available_from))
        for begins, ends in vehicle.pauses
    )
    latest = vehicle.shift_end - pauses_s
    rules = vehicle.work_rules
    if rules is None:
        return latest
    latest = min(latest, vehicle.shift_end - _breaks_s(vehicle, rules))
    if rules.day_s is not None:
        left_s = max(0, rules.day_s - vehicle.worked.day_s)
        latest = min(latest, vehicle.available_from + left_s)
    return latest


def most_breaks(vehicle: Vehicle, rules: WorkRules) -> int:
    """How many breaks for its work a van needs that is out until its shift ends."""
    if rules.work_s is None:
        return 0
    span_s = vehicle.shift_end - vehicle.available_from
    first_s = max(0, rules.work_s - vehicle.worked.work_s)
    if span_s <= first_s:
        return 0
    return 1 + max(0, span_s - first_s - rules.break_s) // (rules.work_s + rules.break_s)


def _breaks_s(vehicle: Vehicle, rules: WorkRules) -> int:
    return most_breaks(vehicle, rules) * rules.break_s
