"""Which addresses a webhook may lead to: public ones, and those that the host's owner allows. Pure.

Whoever may name an address could otherwise make this machine ask for what only it can reach: its
own services, the neighbours' and the metadata of a cloud (server-side request forgery).
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

type Network = IPv4Network | IPv6Network

_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


@dataclass(frozen=True, slots=True)
class Address:
    """An address as it was found, and all that it may stand for."""

    found: IPv4Address | IPv6Address

    def problem(self, allowed: tuple[Network, ...]) -> str | None:
        """Why nothing may be sent there, None when it may."""
        if self.is_allowed(allowed):
            return None
        if all(_is_public(one) for one in self._meanings()):
            return None
        return f"leads to {self.found}, which is not a public address"

    def is_allowed(self, allowed: tuple[Network, ...]) -> bool:
        """Whether the host's owner has allowed it, public or not."""
        return any(self.found in one for one in allowed)

    def _meanings(self) -> list[IPv4Address | IPv6Address]:
        found = self.found
        if isinstance(found, IPv4Address):
            return [found]
        inner: list[IPv4Address | IPv6Address] = [found]
        if found.ipv4_mapped is not None:
            return [found.ipv4_mapped]
        if found.sixtofour is not None:
            inner.append(found.sixtofour)
        if found.teredo is not None:
            inner.extend(found.teredo)
        if any(found in one for one in _NAT64):
            inner.append(IPv4Address(int(found) & 0xFFFFFFFF))
        return inner


def parse_address(host: str) -> Address | None:
    """The address that ``host`` is; None when it is a name.

    A name that a resolver would take for an address (``127.1``, ``0x7f000001``) counts as a name:
    what it resolves to is looked at before anything is sent.
    """
    try:
        return Address(ip_address(host.strip("[]")))
    except ValueError:
        return None


def _is_public(one: IPv4Address | IPv6Address) -> bool:
    return (
        one.is_global
        and not one.is_multicast
        and not one.is_reserved
        and not one.is_unspecified
        and not (isinstance(one, IPv6Address) and one.is_site_local)
    )
