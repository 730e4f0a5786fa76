"""The catalog with the fork server it has in the daemon: real children load real flow files."""

import os
import time
from textwrap import dedent

import pytest

from tidemill.catalog.catalog import Catalog
from tidemill.catalog.known import MemoryCache
from tidemill.catalog.sources import SourceStore
from tidemill.config.paths import StatePaths
from tidemill.config.settings import CatalogSettings
from tidemill.forkserver.client import ForkserverClient
from tidemill.forkserver.launch import ensure, reap

GOOD = """\
    from tidemill import flow
    import greetings

    @flow
    def greet():
        return greetings.TEXT
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    paths = StatePaths(tmp_path_factory.mktemp("state"))
    for folder in paths.folders:
        folder.mkdir(parents=True, exist_ok=True)
    client = ensure(paths)
    yield paths
    pid = client.welcome.pid
    client.retire()
    client.close()
    end = time.monotonic() + 10
    while not reap(pid) and time.monotonic() < end:
        time.sleep(0.01)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "flows").mkdir()
    return tmp_path / "flows"


@pytest.fixture
def catalog(state, folder):
    def inspect(order):
        with ForkserverClient.connect(state.forkserver_socket) as client:
            return client.inspect(order)

    catalog = Catalog(
        folder,
        inspect=inspect,
        cache=MemoryCache(),
        sources=SourceStore(state.source),
        on_change=lambda change: None,
        settings=CatalogSettings(inspect_timeout=1.0),
    )
    yield catalog
    catalog.stop()


def write(folder, name, text):
    (folder / name).write_text(dedent(text))


def known(catalog, name):
    return next(file for file in catalog.files() if file.shown == name)


def test_files_that_cannot_be_loaded_are_told_and_hurt_no_other(catalog, folder):
    write(folder, "greetings.py", "TEXT = 'hello'\n")
    write(folder, "good.py", GOOD)
    write(folder, "syntax.py", "x = 1\ndef broken(:\n")
    write(folder, "raises.py", "\n\n1 / 0\n")
    write(folder, "empty.py", "")
    write(folder, "huge.py", "x = 1\n" * 200_000)
    (folder / "binary.py").write_bytes(os.urandom(2000) + b"\0")
    write(folder, "endless.py", "while True: pass\n")
    write(folder, "exits.py", "import sys\nsys.exit(3)\n")
    write(folder, "hard.py", "import os\nos._exit(3)\n")
    write(folder, "segfault.py", "import ctypes\nctypes.string_at(0)\n")
    write(folder, "forks.py", "import os\nif os.fork() == 0:\n    import time\n    time.sleep(60)\n")

    catalog.start()
    assert catalog.ready.wait(30)

    good = known(catalog, "good.py")
    assert [flow.name for flow in good.flows] == ["greet"]
    assert good.errors == ()
    told = {file.shown: file.errors[0] for file in catalog.files() if file.errors}
    assert set(told) >= {
        f"{n}.py" for n in ("syntax", "raises", "huge", "binary", "endless", "exits", "hard", "segfault")
    }
    assert told["syntax.py"].line == 2
    assert told["raises.py"].line == 3
    assert "ZeroDivisionError" in told["raises.py"].message
    assert "1 s" in told["endless.py"].message
    assert "3" in told["exits.py"].message
    assert "3" in told["hard.py"].message
    assert "SIGSEGV" in told["segfault.py"].message
    assert known(catalog, "empty.py").warnings[0].message == "the file is empty: no flows"
    assert known(catalog, "greetings.py").errors == ()


def test_the_version_holds_the_texts_that_were_inspected(catalog, folder, state):
    write(folder, "greetings.py", "TEXT = 'hello'\n")
    write(folder, "good.py", GOOD)
    catalog.start()
    assert catalog.ready.wait(30)
    before = known(catalog, "good.py").good

    write(folder, "greetings.py", "TEXT = 'good evening'\n")
    assert catalog.sweep_now(timeout=30)
    after = known(catalog, "good.py").good
    write(folder, "greetings.py", "TEXT = (\n")
    assert catalog.sweep_now(timeout=30)
    broken = known(catalog, "good.py")

    module = str(folder / "greetings.py")
    assert before.id != after.id
    assert state.source(before.sources[module]).read_text() == "TEXT = 'hello'\n"
    assert state.source(after.sources[module]).read_text() == "TEXT = 'good evening'\n"
    assert broken.errors
    assert broken.good == after


def test_a_missing_module_that_appears_mends_the_file(catalog, folder):
    write(folder, "good.py", GOOD)
    catalog.start()
    assert catalog.ready.wait(30)
    assert "greetings" in known(catalog, "good.py").errors[0].message

    write(folder, "greetings.py", "TEXT = 'hello'\n")
    assert catalog.sweep_now(timeout=30)

    assert [flow.name for flow in known(catalog, "good.py").flows] == ["greet"]
