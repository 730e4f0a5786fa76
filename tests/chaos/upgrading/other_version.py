"""Another version of the package, made from this one by the edits that a release may consist of.

A release with a *patch* level of its own keeps the history's schema; it tells journals something more, of a kind that
may be passed over, and its fork server speaks a little differently. A *minor* one writes what an older version must not
pass over, and so brings a migration, by which that one is refused the history; its fork server is another altogether.
"""

import re
import shutil
from pathlib import Path
from typing import Final, NamedTuple

SOURCE: Final = Path(__file__).parents[3] / "daemon"


class Edit(NamedTuple):
    """One text of a file for another; what is replaced must be there once."""

    file: str
    old: str
    new: str


PATCH: Final = (
    # An event that an older daemon passes over.
    Edit(
        "domain/events.py",
        "class RunEnded(NamedTuple):",
        "class RunWeighed(NamedTuple):\n    at: int\n    kilobytes: int\n\n\nclass RunEnded(NamedTuple):",
    ),
    Edit("domain/events.py", "    | RunEnded\n)", "    | RunEnded\n    | RunWeighed\n)"),
    Edit("domain/events.py", '    "run_ended": RunEnded', '    "run_weighed": RunWeighed,\n    "run_ended": RunEnded'),
    Edit("engine/process.py", "import RunEnded, RunStarted", "import RunEnded, RunStarted, RunWeighed"),
    Edit(
        "engine/process.py",
        "    run.sink.write(RunEnded(",
        "    journal.write(RunWeighed(run.now(), 7))\n    run.sink.write(RunEnded(",
    ),
    # Another fork server: it greets with more, and tells its followers what an older one of them cannot read.
    Edit("forkserver/protocol.py", "VERSION: Final = 1\n", "VERSION: Final = 2\n"),
    Edit(
        "forkserver/protocol.py",
        "class Started(msgspec.Struct",
        "class Weighed(msgspec.Struct, tag=True, frozen=True):\n    run: str\n\n\nclass Started(msgspec.Struct",
    ),
    Edit("forkserver/protocol.py", "Reply = Welcome | ", "Reply = Welcome | Weighed | "),
    Edit(
        "forkserver/protocol.py",
        "sentences for the operator.\"\"\"\n",
        'sentences for the operator."""\n    season: str = "autumn"\n',
    ),
    Edit("forkserver/server.py", "    Start,\n    Welcome,\n", "    Start,\n    Weighed,\n    Welcome,\n"),
    Edit(
        "forkserver/server.py",
        "                client.send(Exited(*exit_))",
        "                client.send(Weighed(exit_.run))\n                client.send(Exited(*exit_))",
    ),
    Edit("service/launching.py", "import Exited, Failed,", "import Weighed, Exited, Failed,"),
    Edit(
        "service/launching.py",
        "                case _:\n                    log.warning(\"the fork server said",
        "                case Weighed():\n                    pass\n"
        "                case _:\n                    log.warning(\"the fork server said",
    ),
)  # fmt: skip

MIGRATION: Final = '''"""What runs weigh."""

from typing import Final

revision: Final = "{revision}"
down_revision: Final = "{before}"


def statements(dialect: str) -> list[str]:
    return [
        "ALTER TABLE runs ADD COLUMN weight BIGINT",
        "CREATE TABLE scales (run_id BIGINT NOT NULL PRIMARY KEY, kilobytes BIGINT NOT NULL)",
    ]


def upgrade() -> None:
    from alembic import op

    for text in statements(op.get_bind().dialect.name):
        op.execute(text)
'''

MINOR: Final = (
    *PATCH,
    # It reads of a task's end under both names, and writes it under one that earlier versions do not know.
    Edit(
        "domain/events.py",
        '    "task_ended": TaskEnded,\n',
        '    "task_ended": TaskEnded,\n    "task_done": TaskEnded,\n',
    ),
    # The greeting of the earlier version's fork server is one that this one's daemon cannot read.
    Edit("forkserver/protocol.py", "    pid: int\n    live: tuple", "    pid: int\n    epoch: int\n    live: tuple"),
    Edit(
        "forkserver/server.py",
        "Welcome(self._fingerprint, os.getpid(), live",
        "Welcome(self._fingerprint, os.getpid(), 2, live",
    ),
    Edit("history/ingest.py", "import Event, SubflowStarted", "import Event, RunWeighed, SubflowStarted"),
    Edit(
        "history/ingest.py",
        "        rows.add(run_id, events)\n    if rows.ordered:",
        "        rows.add(run_id, events)\n"
        "        for event in events:\n"
        "            if isinstance(event, RunWeighed):\n"
        '                writer.execute("UPDATE runs SET weight = ? WHERE id = ?", (event.kilobytes, run_id))\n'
        "    if rows.ordered:",
    ),
)


def patch_release(folder: Path) -> Path:
    """Make the package with the next patch level in *folder*, and return its source root."""
    return _make(folder, _next_version(patch=True), PATCH)


def minor_release(folder: Path) -> Path:
    """Make the package with the next minor level in *folder*, and return its source root."""
    root = _make(folder, _next_version(patch=False), MINOR)
    migrations = root / "tidemill/history/migrations"
    before = max(path.name for path in (migrations / "versions").glob("v*.py"))[1:5]
    revision = f"{int(before) + 1:04}"
    text = MIGRATION.format(revision=revision, before=before)
    (migrations / "versions" / f"v{revision}_weights.py").write_text(text)
    _edit(migrations / "__init__.py", f'"{before}")', f'"{before}", "{revision}")')
    return root


def version_of(root: Path) -> str:
    """Return the version of the package below a source root."""
    return re.findall(r'VERSION: Final = "(.*)"', (root / "tidemill/domain/version.py").read_text())[0]


def schema_of(root: Path) -> str:
    """Return the newest schema that the package below a source root knows."""
    return max(path.name for path in (root / "tidemill/history/migrations/versions").glob("v*.py"))[1:5]


def _next_version(*, patch: bool) -> str:
    major, minor, last = version_of(SOURCE).split(".")
    return f"{major}.{minor}.{int(last) + 1}" if patch else f"{major}.{int(minor) + 1}.0"


def _make(folder: Path, version: str, edits: tuple[Edit, ...]) -> Path:
    root = folder / version
    shutil.copytree(SOURCE / "tidemill", root / "tidemill", ignore=shutil.ignore_patterns("__pycache__"))
    package = root / "tidemill"
    _edit(package / "domain/version.py", version_of(SOURCE), version)
    for edit in edits:
        _edit(package / edit.file, edit.old, edit.new)
    return root


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name} has {text.count(old)} times what a later version changes: {old!r}"
    path.write_text(text.replace(old, new))
