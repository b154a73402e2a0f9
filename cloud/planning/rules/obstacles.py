"""Whether a dispatcher's rule can be kept as the day stands, and if not, why. Pure."""

from cloud.orders.model import Order
from cloud.planning.rules.model import Rule
from cloud.planning.situation import Day, is_to_serve, van_of


def obstacle(day: Day, rule: Rule) -> str | None:
    """What keeps a rule from having force now, with the remedy; None when nothing does."""
    shift = next((one for one in day.open_shifts() if one.vehicle_id == rule.vehicle_id), None)
    if rule.kind != "ban" and shift is None:
        return _against_van(day, rule.vehicle_id)
    if rule.is_of_route:
        return None
    order = day.orders.get(rule.order_id or "")
    if order is None:
        return "the order is not of this day any more; lift the rule"
    if not is_to_serve(order):
        return f"the order is {order.state}; nothing is left to plan"
    if rule.kind == "ban":
        return _against_ban(order, rule)
    return _against_pin(day, order, rule)


def _against_van(day: Day, vehicle_id: str) -> str:
    if vehicle_id in day.broken:
        return f"{vehicle_id} has broken down; back in service, it keeps to this again"
    return f"{vehicle_id} has no shift that is open; give it one, or lift the rule"


def _against_ban(order: Order, rule: Rule) -> str | None:
    if van_of(order) == rule.vehicle_id:
        return f"its parcels are aboard {rule.vehicle_id} already; unload them there first"
    return None


def _against_pin(day: Day, order: Order, rule: Rule) -> str | None:
    van = van_of(order)
    if van == rule.vehicle_id:
        return None
    if van is not None:
        return f"its parcels are aboard {van}, which delivers them; lift the rule"
    shift = next(one for one in day.shifts if one.vehicle_id == rule.vehicle_id)
    lacking = sorted(set(order.needs) - set(day.skills_of(shift)))
    if lacking:
        return f"{rule.vehicle_id} has not {', '.join(lacking)}, which it needs; pin it elsewhere"
    if rule.vehicle_id in day.locked_vehicles and not _is_on_route(day, order, rule.vehicle_id):
        return f"the route of {rule.vehicle_id} is locked without it; lift the lock or the pin"
    return None


def _is_on_route(day: Day, order: Order, vehicle_id: str) -> bool:
    route = day.plan.route_of(vehicle_id)
    return route is not None and any(order.id in stop.order_ids for stop in route.open_stops)
