import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tidemill.catalog.inspecting import Inspector
from tidemill.catalog.known import CachedFile, CatalogChange
from tidemill.catalog.lanes import Ticket
from tidemill.catalog.register import Register
from tidemill.catalog.scanning import look
from tidemill.catalog.sources import SourceStore
from unit.catalog.fake_inspection import FakeInspection

SETTLE = 0.1


class Desk:
    """A register with a clock that only moves when told, and inspections that happen at once."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.folder = base / "flows"
        self.folder.mkdir()
        self.now = 100.0
        self.wall: Callable[[], float] = time.time
        self.inspection = FakeInspection()
        self.sources = SourceStore(lambda digest: base / "sources" / digest[:2] / f"{digest}.py")
        self.tickets: list[Ticket] = []
        self.memory: dict[str, CachedFile] = {}
        self.changes: list[CatalogChange] = []
        self.answers = True
        self.open()

    def open(self, holders: Mapping[str, str] | None = None) -> None:
        """Begin anew, as a daemon that starts."""
        self.tickets.clear()
        self.inspector = Inspector(self.inspection, self.sources, timeout=1.0)
        self.register = Register(
            submit=self.tickets.append,
            sources=self.sources,
            settle=SETTLE,
            wall=lambda: float(self.wall()),
            remembered=self.memory,
            holders=holders,
        )

    def write(self, name: str, *lines: str, age: float | None = None) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"# {line}\n" for line in lines))
        if age is not None:
            os.utime(path, (self.now - age, self.now - age))
        return path

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass, look once, and answer what was asked."""
        self.now += seconds
        self.register.observe(look(str(self.folder)), self.now)
        self.register.advance(self.now)
        while self.answers and self.tickets:
            self.answer()
            self.register.advance(self.now)
        self.tell()

    def answer(self) -> None:
        ticket = self.tickets.pop(0)
        try:
            data = ticket.data if ticket.data is not None else self.sources.path(ticket.hash).read_bytes()
            manifest = self.inspector.inspect(ticket.path, data, ticket.hash, ticket.root)
        except Exception as error:
            self.register.accept(ticket, error, self.now)
        else:
            self.register.accept(ticket, manifest, self.now)

    def tell(self) -> None:
        batch = self.register.collect(self.now)
        if batch is not None:
            change, entries = batch
            self.changes.append(change)
            for path, entry in entries.items():
                if entry is None:
                    self.memory.pop(path, None)
                else:
                    self.memory[path] = entry
        assert self.register.is_ready in (True, False)

    def settle(self, turns: int = 4) -> list[CatalogChange]:
        """Take turns until everything is told; return what was told meanwhile."""
        told = len(self.changes)
        for _ in range(turns):
            self.turn(0.3)
        return self.changes[told:]

    def flows(self) -> dict[str, str]:
        """Return every flow that exists, with the name of its file, by replaying all batches."""
        files: dict[str, tuple[str, ...]] = {}
        for change in self.changes:
            for file in change.removed:
                files.pop(file.path, None)
            for file in change.changed:
                files[file.path] = tuple(flow.name for flow in file.flows)
        return {flow: Path(path).name for path, names in files.items() for flow in names}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
