"""Which addresses a grader's requests may reach, decided where the connection is made.

A name is looked up once, every address that it has is checked, and the connection goes to one of those very addresses:
between a check and a second look-up the answer could change (DNS rebinding). Certificates are still checked against the
name, and a connection is only used again for the same name.

Not covered: a service in public that passes requests on into the operator's network, and a resolver that lies about public
addresses, which the certificate finds out.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TypeAlias

import httpcore2

from graders import FailureKind, FailureType, GradingError

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Gives the addresses of a host, for a port; raises `OSError` when it has none."""

CONNECT_S = 10.0
"""Seconds for each address."""


def _networks(listed: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(map(ipaddress.ip_network, listed.split()))


_NOT_PUBLIC = (
    # IANA IPv4 Special-Purpose Address Registry: what is not globally reachable
    *_networks("0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24"),
    *_networks("192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24"),
    *_networks("240.0.0.0/4"),
    # IANA IPv6 Special-Purpose Address Registry, the same; Teredo (2001::/32) and ORCHID (2001:10::/28) lie in 2001::/23
    *_networks("::/128 ::1/128 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001:db8::/32 3fff::/20"),
    *_networks("5f00::/16 fc00::/7 fe80::/10"),
    # multicast, and the deprecated site-local addresses
    *_networks("224.0.0.0/4 ff00::/8 fec0::/10"),
)
_PUBLIC_INSIDE = _networks(
    "192.0.0.9/32 192.0.0.10/32 2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:3::/32 2001:4:112::/48 2001:20::/28 "
    "2001:30::/28"
)
"""What the same registries list as globally reachable although it lies inside one of the networks above."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""The only IPv6 unicast addresses that were ever allocated."""


class Hosts:
    """Hosts, or `host:port`, that an operator names."""

    def __init__(self, entries: Collection[str]) -> None:
        self._entries = {entry.lower().rstrip(".") for entry in entries}

    def have(self, host: str, port: int) -> bool:
        """Whether a host is named, with this port or for any."""
        host = host.lower().strip("[]").rstrip(".")
        shown = f"[{host}]" if ":" in host else host
        return bool(self._entries & {host, shown, f"{shown}:{port}"})


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses, and to whatever the hosts are that the operator trusts."""

    def __init__(
        self,
        trusted: Collection[str],
        *,
        resolve: Resolve | None = None,
        network: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            trusted: Hosts, or `host:port`, that may have any address, and be asked without TLS.
            resolve: Looks up names; None for the system's resolver.
            network: Connects to addresses; None for the system's network.
        """
        self._trusted = Hosts(trusted)
        self._resolve = resolve or _system_resolve
        self._network = network or httpcore2.AnyIOBackend()

    def trusts(self, host: str, port: int) -> bool:
        """Whether the operator trusts a host, on this port or on any."""
        return self._trusted.have(host, port)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the interface's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address of a host that answers, if it may be connected to any.

        Raises:
            GradingError: When an address of it is not public and the operator does not trust the host.
            httpcore2.ConnectError: When it has no address, or none answers.
        """
        try:
            addresses = await self._resolve(host, port)
        except (OSError, ValueError) as error:  # a label of more than 63 characters has no encoding
            raise httpcore2.ConnectError(f"{host} has no address: {error}") from error
        if not self.trusts(host, port) and not all(map(is_public, addresses)):
            raise not_allowed(f"{host!r} has an address that is not public", host, port)
        failed: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    address,
                    port,
                    timeout=CONNECT_S,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed


def is_public(address: str) -> bool:
    """Whether an IP address is globally reachable unicast, after IANA's special-purpose address registries.

    An IPv4 address inside an IPv6 address (mapped, NAT64 `64:ff9b::/96`, 6to4) counts as that IPv4 address. Teredo addresses are
    never public, whatever they embed.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inside = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inside = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        if inside is not None:
            return is_public(str(inside))
        if found not in _UNICAST:
            return False
    listed = any(found in network for network in _NOT_PUBLIC)
    return not listed or any(found in network for network in _PUBLIC_INSIDE)


def not_allowed(why: str, host: str, port: int) -> GradingError:
    """An address that the operator does not allow, and what an operator does who wants to."""
    shown = f"[{host}]" if ":" in host else host
    return GradingError(
        f"the endpoint was not asked: {why}; the operator of this machine allows it with the setting endpoint_hosts "
        f"(GRADERS_ENDPOINT_HOSTS='[\"{shown}:{port}\"]')",
        kind=FailureKind.ENDPOINT_GRADER_SAFETY_CHECK,
        details={"type": FailureType.NOT_ALLOWED},
    )


async def _system_resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
