"""Whose events a caller may have sent to a third party. Pure."""

from cloud.foundation.errors import NotAllowed
from cloud.foundation.identity import Caller


def carrier_for(caller: Caller, asked: str | None) -> str | None:
    """The carrier to which a new third party is limited; None lets it see the whole tenant.

    Raises:
        NotAllowed: the caller's own grant does not reach so far.
    """
    reach = caller.reach
    if reach.is_everything:
        return asked
    if reach.carrier_id is None:
        raise NotAllowed(
            "your grant is limited to depots, and third parties are limited by carrier; "
            "ask somebody whose grant is not limited"
        )
    if asked not in {None, reach.carrier_id}:
        raise NotAllowed(f"carrier: your grant covers {reach.carrier_id!r} only; name that one")
    return reach.carrier_id


def sees(caller: Caller, carrier: str | None) -> bool:
    """Whether a third party that is limited to ``carrier``, or to none, is the caller's to see."""
    reach = caller.reach
    return reach.is_everything or (reach.carrier_id is not None and reach.carrier_id == carrier)
