"""The names of everything in the state directory."""

from pathlib import Path
from typing import Final, NamedTuple

from tidemill.domain.errors import TidemillError

SECRETS_VARIABLE: Final = "TIDEMILL_SECRETS_DIR"
"""Where runs look for secrets."""
DRAFT: Final = ".draft"
"""How the name ends of what is being written and has not got its own name yet."""


class StatePaths(NamedTuple):
    """Every path below one state directory. Ids are checked where they come in; still none may lead out of it."""

    root: Path

    @property
    def database(self) -> Path:
        """The history, when it is SQLite."""
        return self.root / "history.db"

    @property
    def lock(self) -> Path:
        """Held by flock while a daemon serves this directory."""
        return self.root / "lock"

    @property
    def pid_file(self) -> Path:
        """The serving daemon's pid, for people and for the sentence that refuses a second one."""
        return self.root / "daemon.pid"

    @property
    def control_socket(self) -> Path:
        """Where the daemon takes requests."""
        return self.root / "control.sock"

    @property
    def forkserver_socket(self) -> Path:
        """Where the fork server takes orders."""
        return self.root / "forkserver.sock"

    @property
    def exits(self) -> Path:
        """The fork server's own journal: every exit of a run process."""
        return self.root / "journals" / "exits"

    @property
    def daemon_log(self) -> Path:
        """Where a detached daemon and the fork server write their own messages."""
        return self.root / "logs" / "daemon.log"

    @property
    def results(self) -> Path:
        """The folder of results too large for the history."""
        return self.root / "results"

    @property
    def limits(self) -> Path:
        """Who holds the named limits, and which there are."""
        return self.root / "limits"

    @property
    def cache(self) -> Path:
        """What cached tasks have computed, by key."""
        return self.results / "cache"

    def shard(self, kind: str, name: str) -> str:
        """The folder of "journals", "logs" or "results" that holds what is called *name*."""
        return f"{self.root}/{kind}/{_inside(name)[:2]}"

    # As text, for processes that live long: in Python 3.12 a Path keeps the parts of its name for good.

    def journal_name(self, run: str) -> str:
        """The journal of one run."""
        return f"{self.shard('journals', run)}/{run}.journal"

    def log_name(self, run: str) -> str:
        """The captured output of one run."""
        return f"{self.shard('logs', run)}/{run}.log"

    def run_results_name(self, run: str) -> str:
        """The folder of one run's large results."""
        return f"{self.shard('results', run)}/{run}"

    def journal(self, run: str) -> Path:
        """The journal of one run."""
        return Path(self.journal_name(run))

    def hooks_journal(self, run: str) -> Path:
        """The journal of the process that calls the hooks of a run whose own process died."""
        return Path(f"{self.shard('journals', run)}/{run}.hooks")

    def log(self, run: str) -> Path:
        """The captured output of one run."""
        return Path(self.log_name(run))

    def run_results(self, run: str) -> Path:
        """The folder of one run's large results."""
        return Path(self.run_results_name(run))

    def source(self, digest: str) -> Path:
        """The kept text of a source file, by its hash."""
        return self.root / "sources" / _inside(digest)[:2] / f"{digest}.py"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder that has to exist before a daemon serves."""
        return (self.root, *(self.root / name for name in ("journals", "logs", "results", "sources")))


def _inside(name: str) -> str:
    """Return *name* if it can be part of a file's name here; raises TidemillError for what would lead elsewhere."""
    if not name.isascii() or not name.isalnum():
        raise TidemillError(f"{name!r} is neither a run's id nor a hash, and no file bears its name")
    return name
