"""Whether `graders serve` can have its port, found out before anything else is started."""

import errno
import socket

from graders import ConfigurationError

_WHY = {
    errno.EADDRINUSE: "another program listens there; end it, or choose another --port (0 lets the system choose)",
    errno.EADDRNOTAVAIL: "this machine does not have the address; choose another --host",
    errno.EACCES: "this user may not bind the port; choose one of 1024 or more",
}


def check_port(host: str, port: int) -> None:
    """Bind each address of a host to a port, as uvicorn will, and let go of it again.

    Args:
        host: A name or an address.
        port: The port; 0 stands for one that the system chooses.

    Raises:
        ConfigurationError: When the host is unknown or an address cannot be bound, saying why.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"cannot serve on {host}: the host is not known ({error})") from None
    failures: list[OSError] = []
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as bound:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                bound.bind(address)
        except OSError as error:
            failures.append(error)
    # a machine without IPv6 lacks one of the addresses of `localhost`
    lacking = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
    fatal = [error for error in failures if error.errno not in lacking or len(failures) == len(found)]
    if fatal:
        why = _WHY.get(fatal[0].errno or 0, fatal[0].strerror or str(fatal[0]))
        raise ConfigurationError(f"cannot serve on {host}, port {port}: {why}")
