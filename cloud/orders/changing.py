"""What a changed window means for what was promised. Pure."""

from typing import NamedTuple

from cloud.foundation.errors import Invalid
from cloud.orders.intake import require_window_kind
from cloud.orders.model import Order, Promise, Span, WindowKind, promise_after_change


class Asked(NamedTuple):
    """What is asked for from now on, and what is told; the promise is None when nothing was."""

    window: Span | None
    kind: WindowKind
    promise: Promise | None


def window_after_change(
    order: Order, window: Span | None, kind: WindowKind | None, *, is_window_given: bool
) -> Asked:
    """The order's window after a change of it, of its kind, or of both.

    Args:
        order: as it was.
        window: the new one, when ``is_window_given``; None is any time.
        kind: the new one; None leaves it as it is.
        is_window_given: whether the window is changed at all.

    Raises:
        Invalid: a soft window is asked for where there is none, of a return, or after something
            was promised: what is asked for then is told to the customer and kept.
    """
    asked = window if is_window_given else order.window
    if kind == "soft" and order.promise is not None:
        raise Invalid.field("window_kind", "is soft and a time was promised", "leave it out")
    is_kept = kind is None and order.promise is None and asked is not None
    after = order.window_kind if is_kept else kind or "hard"
    require_window_kind(after, asked, order.kind)
    is_new = is_window_given or after != order.window_kind
    if order.promise is None or asked is None or not is_new:
        return Asked(asked, after, order.promise)
    return Asked(asked, after, promise_after_change(order.promise, asked))
