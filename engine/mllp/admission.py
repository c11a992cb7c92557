"""Who may connect to a listener: the allow-list, connections of one address, connections of the listener (R5)."""

import ipaddress
from functools import lru_cache

from engine.mllp.rules import ConnectionRules

NOT_ALLOWED = "not_allowed"
TOO_MANY = "too_many_connections"
FULL = "listener_full"
REFUSALS = frozenset({NOT_ALLOWED, TOO_MANY, FULL})

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Admission:
    """Decides on a connection by the address it comes from, before a byte of it is read."""

    def __init__(self, rules: ConnectionRules) -> None:
        self._rules = rules
        self._networks = [ipaddress.ip_network(one) for one in rules.allow]
        self._listed = lru_cache(maxsize=1024)(self._is_listed)

    def refusal(self, host: str, of_host: int, of_all: int) -> str:
        """Why it is closed, in a fixed word, or "".

        Args:
            host: the address it comes from.
            of_host: connections that this address has.
            of_all: connections that the listener has.
        """
        rules = self._rules
        if rules.allow and not self._listed(host):
            return NOT_ALLOWED
        if of_host >= rules.per_peer and (rules.count_local or not is_local(host)):
            return TOO_MANY
        return FULL if of_all >= rules.max_connections else ""

    def _is_listed(self, host: str) -> bool:
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)


def is_local(host: str) -> bool:
    """Whether this is an address of this machine."""
    address = _address(host)
    return address is not None and address.is_loopback


@lru_cache(maxsize=1024)
def peer_group(host: str) -> str:
    """What counts as one address: of IPv6 the network of 64 bits, since one machine has all of it (RFC 4291, 2.5.4)."""
    address = _address(host)
    if not isinstance(address, ipaddress.IPv6Address) or address.is_loopback:
        return host if address is None else str(address)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


def _address(host: str) -> Address | None:
    """The address; one of IPv4 that came over an IPv6 socket is one of IPv4 (RFC 4291, 2.5.5.2)."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
