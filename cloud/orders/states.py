"""The one state table of an order, and the codes of an attempt's outcome. Pure."""

from typing import Final, Literal, get_args

from cloud.foundation.errors import Conflict

type OrderState = Literal[
    "received",
    "planned",
    "loaded",
    "out_for_delivery",
    "delivered",
    "partially_delivered",
    "failed_attempt",
    "reschedule_pending",
    "returning",
    "returned",
    "cancelled",
    "lost",
]
type Move = Literal[
    "plan",
    "unplan",
    "load",
    "depart",
    "deliver",
    "deliver_part",
    "fail",
    "ask_customer",
    "reschedule",
    "collect",
    "bring_back",
    "give_back",
    "cancel",
    "lose",
]

TABLE: Final[dict[tuple[OrderState, Move], OrderState]] = {
    ("received", "plan"): "planned",
    ("received", "cancel"): "cancelled",
    ("planned", "unplan"): "received",
    ("planned", "load"): "loaded",
    ("planned", "collect"): "returning",
    ("planned", "fail"): "failed_attempt",
    ("planned", "cancel"): "cancelled",
    ("planned", "lose"): "lost",
    ("loaded", "depart"): "out_for_delivery",
    ("loaded", "fail"): "failed_attempt",
    ("loaded", "cancel"): "cancelled",
    ("loaded", "lose"): "lost",
    ("out_for_delivery", "deliver"): "delivered",
    ("out_for_delivery", "deliver_part"): "partially_delivered",
    ("out_for_delivery", "fail"): "failed_attempt",
    ("out_for_delivery", "cancel"): "cancelled",
    ("out_for_delivery", "lose"): "lost",
    ("failed_attempt", "ask_customer"): "reschedule_pending",
    ("failed_attempt", "reschedule"): "planned",
    ("failed_attempt", "bring_back"): "returning",
    ("failed_attempt", "cancel"): "cancelled",
    ("failed_attempt", "lose"): "lost",
    ("reschedule_pending", "reschedule"): "planned",
    ("reschedule_pending", "bring_back"): "returning",
    ("reschedule_pending", "cancel"): "cancelled",
    ("returning", "give_back"): "returned",
    ("returning", "lose"): "lost",
}
STATES: Final[tuple[OrderState, ...]] = get_args(OrderState.__value__)
MOVES: Final[tuple[Move, ...]] = get_args(Move.__value__)
FINAL: Final[frozenset[OrderState]] = frozenset(STATES) - {state for state, _ in TABLE}

type DeliveredTo = Literal["recipient", "third_party", "mailbox", "safe_place", "pickup_point"]
type FailedFor = Literal[
    "not_home",
    "cannot_find_address",
    "no_access",
    "no_parking",
    "refused",
    "damaged",
    "wrong_or_incomplete",
    "no_time",
    "payment_not_received",
    "missing_proof",
    "vehicle_breakdown",
    "weather",
    "other",
]
DELIVERED_TO: Final[tuple[DeliveredTo, ...]] = get_args(DeliveredTo.__value__)
FAILED_FOR: Final[tuple[FailedFor, ...]] = get_args(FailedFor.__value__)


def moved(order_id: str, state: OrderState, move: Move) -> OrderState:
    """The state after a move.

    Raises:
        Conflict: the table does not know this move from this state.
    """
    after = TABLE.get((state, move))
    if after is None:
        may = sorted(m for s, m in TABLE if s == state)
        raise Conflict(
            f"order {order_id} is {state} and cannot {move}; "
            + (f"it can {', '.join(may)}" if may else "that is its end")
        )
    return after
