"""Connections to the servers of judges, over aiohttp.

The transport of the HTTP library takes five times as long for each request, which at a hundred in flight is what a service
with many judgements spends most of its time on.
"""

from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from yarl import URL

CONNECT_S = 10.0
KEPT_S = 30.0
"""Seconds after which a connection that nobody used is closed."""
MAX_BODY = 8 << 20
"""Bytes of an answer: a million characters, each written as an escape, and what is beside them."""

ERROR_BYTES = 64 << 10
"""Of an answer with a status of 400 or more; what comes after them is not read."""


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends requests and reads the answers as a whole; belongs to one event loop. The environment's proxies are used.

    How long a whole request may take is for the caller to say; connecting takes at most 10 s.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str | None] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; redirects are answers.

        Raises:
            httpx2.TransportError: When there is no answer, or one that does not end as it should.
        """
        session = self._session or self._open()
        try:
            async with session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=await request.aread(),
                allow_redirects=False,
                proxy=self._proxy(request.url),
            ) as response:
                body = bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if response.status >= 400 and len(body) > ERROR_BYTES:
                        del body[ERROR_BYTES:]
                        break
                    if len(body) > MAX_BODY:
                        raise httpx2.ReadError(f"the answer is longer than {MAX_BODY:,} bytes")
        except aiohttp.ServerTimeoutError as error:
            raise httpx2.ConnectTimeout(_words(error)) from error
        except aiohttp.ClientConnectorError as error:
            raise httpx2.ConnectError(_words(error)) from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise httpx2.UnsupportedProtocol(_words(error)) from error
        except aiohttp.ClientError as error:
            raise httpx2.ReadError(_words(error)) from error
        # it has been unpacked, and is as long as it is now
        fields = [
            (name, value)
            for name, value in response.headers.items()
            if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
        ]
        return httpx2.Response(response.status, headers=fields, content=bytes(body))

    async def aclose(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=KEPT_S, ssl=httpx2.create_ssl_context()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        )
        return self._session

    def _proxy(self, url: httpx2.URL) -> str | None:
        """The proxy of the environment for a server, looked up once."""
        origin = f"{url.scheme}://{url.host}:{url.port}"
        if origin not in self._proxies:
            proxies = {} if proxy_bypass(url.host) else getproxies()
            self._proxies[origin] = proxies.get(url.scheme) or proxies.get("all")
        return self._proxies[origin]


def _words(error: aiohttp.ClientError) -> str:
    return str(error) or type(error).__name__
