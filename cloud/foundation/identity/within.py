"""A reach as a condition of SQL, so that a query gives only what is within it."""

from typing import Any

from sqlalchemy import ColumnElement, false, or_, true

from cloud.foundation.identity.reach import Reach


def within(
    reach: Reach,
    *,
    depot: ColumnElement[Any] | None = None,
    carrier: ColumnElement[Any] | None = None,
) -> ColumnElement[bool]:
    """Rows within ``reach``, by the columns that hold a row's depot and its carrier.

    A table that has no such column, nor one joined to it, holds nothing for who is limited by it.
    """
    if reach.depot_ids is not None:
        return false() if depot is None else depot.in_(sorted(reach.depot_ids))
    if reach.carrier_id is not None:
        return false() if carrier is None else carrier == reach.carrier_id
    return true()


def within_or_of_all(reach: Reach, depot: ColumnElement[Any]) -> ColumnElement[bool]:
    """Rows within ``reach``; who is limited to depots sees those of all depots (null) too."""
    if reach.depot_ids is None:
        return within(reach)
    return or_(depot.is_(None), within(reach, depot=depot))
