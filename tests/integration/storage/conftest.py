"""Servers that results go to, one of each kind for the whole session."""

from pathlib import Path

import pytest

from result_servers import AzureServer, GcsServer, PostgresServer, S3Server, point_to
from sync_spy import synced
from tidemill.storage.places import ResultPlace

__all__ = ["synced"]


@pytest.fixture
def place(tmp_path):
    return ResultPlace("nightly", "k3f", "load", 3, tmp_path)


@pytest.fixture(scope="session")
def postgres():
    server = PostgresServer()
    server.start()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def clouds(tmp_path_factory):
    """Start each provider's server when it is first asked for."""
    started = {}

    def get(scheme):
        if scheme not in started:
            kind = {"s3": S3Server, "gs": GcsServer, "az": AzureServer}[scheme]
            started[scheme] = server = kind(Path(tmp_path_factory.mktemp(scheme)))
            server.start()
        return started[scheme]

    yield get
    for server in started.values():
        server.stop()


@pytest.fixture(params=["s3", "gs", "az"])
def cloud(request, clouds, monkeypatch):
    """A provider's server, with the environment that leads to it."""
    server = clouds(request.param)
    point_to(server, monkeypatch)
    return server
