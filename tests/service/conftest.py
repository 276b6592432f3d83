"""A real service on a loopback port, and the official clients for it."""

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from openai import OpenAI

from runtime import Settings
from service.app import create_app
from service.http.protocol import HttpProtocol
from service.store import Store
from tests.service import commands


@pytest.fixture(scope="session", autouse=True)
def command_parent() -> Iterator[None]:
    """Ends what commands were forked from."""
    yield
    commands.close()


@contextlib.contextmanager
def served(settings: Settings, prepare: Callable[[FastAPI], None] = lambda app: None) -> Iterator[str]:
    """Serve on a free port, in a thread; gives the address. `prepare` may add routes before."""
    app = create_app(settings)
    prepare(app)
    config = uvicorn.Config(app, port=0, http=HttpProtocol, ws="none", log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the service did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def url(quick: Settings) -> Iterator[str]:
    """The address of a service that all tests share."""
    with served(quick.model_copy(update={"body_limit": 200_000, "request_timeout_s": 60.0})) as address:
        yield address


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[OpenAI]:
    """The unmodified official client."""
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as official:
        yield official


@pytest.fixture
def serve() -> Callable[[Settings], contextlib.AbstractContextManager[str]]:
    """Starts a service with settings of its own."""
    return served


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "new" / "100%" / "service.sqlite")
    url: str = request.getfixturevalue("postgresql")
    return url


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    """A store over an empty database of each kind."""
    async with Store(database) as opened:
        yield opened
