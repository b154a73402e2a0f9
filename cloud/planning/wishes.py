"""What an order would rather have, as a price of a tenant's policy. Pure."""

from msgspec.structs import replace

from cloud.orders.model import Order
from cloud.planning.day_plan import Unplanned
from cloud.planning.policy import TenantPolicy
from cloud.planning.problem import Job
from cloud.planning.solution import Constraint


def priced(job: Job, order: Order, policy: TenantPolicy) -> Job:
    """The job of an order with what it costs not to follow its wishes."""
    days = order.days_to_wait
    return replace(
        job,
        late_s=policy.late_soft_s if order.is_soft else None,
        unserved=min(policy.unserved, policy.wait / days) if days else None,
    )


def left_out(order: Order, reason: str, constraint: Constraint | None = None) -> Unplanned:
    """An order that no route serves, and why; what may wait says until when.

    ``constraint``: what kept the planner from serving it, when it was asked.
    """
    if order.days_to_wait == 0 or order.wait_until is None:
        return Unplanned(order_id=order.id, reason=reason)
    until = order.wait_until.isoformat()
    why = (
        "serving it today costs more than leaving it (`wait` of the policy)"
        if constraint == "wait"
        else reason
    )
    return Unplanned(order_id=order.id, reason=f"may wait until {until}; {why}", waits_until=until)
