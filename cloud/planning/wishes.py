"""What an order would rather have, as a price of a tenant's policy. Pure."""

from msgspec.structs import replace

from cloud.orders.model import Order
from cloud.planning import model
from cloud.planning.policy import TenantPolicy


def priced(job: model.Job, order: Order, policy: TenantPolicy) -> model.Job:
    """The job of an order with what it costs not to follow its wishes."""
    return replace(job, late_s=policy.late_soft_s) if order.is_soft else job
