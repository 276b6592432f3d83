"""Where a service is, out of its URL."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Address:
    """Where a service is.

    Attributes:
        secure: Whether TLS is spoken.
        host: Its name or number.
        port: Its port.
        prefix: What comes before `/v1` in its paths; empty or beginning with a slash.
    """

    secure: bool
    host: str
    port: int
    prefix: str

    @classmethod
    def of(cls, url: str) -> Address:
        """The address in a URL, with or without `/v1` at its end.

        Raises:
            ValueError: When it is no URL of a service.
        """
        parts = urlsplit(url.strip())
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"url: expected something like 'http://127.0.0.1:8000', got {url!r}")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("url: expected scheme, host, port and path alone; a key goes into `api_key`")
        try:
            port = parts.port
        except ValueError:
            raise ValueError(f"url: the port of {url!r} is no number up to 65535") from None
        prefix = parts.path.rstrip("/")
        prefix = prefix.removesuffix("/v1")
        if any(not "!" <= character <= "~" for character in prefix):
            raise ValueError(f"url: the path of {url!r} has characters that must be percent-encoded")
        return cls(parts.scheme == "https", parts.hostname, port or _PORTS[parts.scheme], prefix)

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, where compression costs more than it saves."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
