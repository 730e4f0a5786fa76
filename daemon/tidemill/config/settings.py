"""Settings: every value the operator may change, with its default, its unit and its reason.

Named tuples, not dataclasses, whose import alone would cost every command a sixth of its time.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tidemill.domain.limits import Limit


class Places(NamedTuple):
    """Where things live."""

    flows_dir: Path = Path("flows")
    """The watched folder."""
    state_dir: Path = Path(".tidemill")
    """History, journals, logs, results, sockets. Made with mode 0700."""
    database_url: str | None = None
    """None: SQLite in the state directory. ``postgresql+psycopg://...`` for PostgreSQL."""
    secrets_dir: Path | None = None
    """Files with what ``Secret(name)`` reads, each readable by its owner alone. None: ``secrets`` beside the file."""


class CatalogSettings(NamedTuple):
    """How flow files are found and read."""

    settle: float = 0.1
    """Seconds a file must stay unchanged before it is read: editors write in several steps."""
    sweep_interval: float = 10.0
    """Seconds between full looks at the folder; the truth behind the watcher's hints."""
    inspect_timeout: float = 10.0
    """Seconds a file may take to load before it is called endless."""
    writers: str = "owner"
    """Who may be able to change flow files: ``owner`` (root and the user they run as), ``group`` or ``anyone``."""


class DispatchSettings(NamedTuple):
    """How many runs go at once, and how they are ended."""

    max_runs: int = 8
    """Live runs at once, over all flows."""
    cancel_grace: float = 10.0
    """Seconds between asking a run to stop (SIGTERM) and ending its process group (SIGKILL)."""
    stop_grace: float = 0.0
    """Seconds ``stop`` waits for live runs; 0: they go on without the daemon, the next one adopts them."""
    nice: int = 5
    """Niceness of runs, so that the daemon keeps up when they are many."""
    max_workers: int = 4
    """Tasks of one run that go at once, unless its flow says otherwise."""


class RunsSettings(NamedTuple):
    """What one run may take of the machine, unless its flow says otherwise; None: what the daemon itself may."""

    memory: int | None = None
    """Bytes it may reserve to write to (RLIMIT_DATA), beyond what its process starts with."""
    processes: int | None = None
    """Processes and threads of its user, all runs together (RLIMIT_NPROC); it does not bind root."""
    open_files: int | None = None
    """Files it may have open at once (RLIMIT_NOFILE)."""
    file_size: int | None = None
    """Bytes of each file it writes (RLIMIT_FSIZE), the output of its own child processes among them."""
    cpu: int | None = None
    """Seconds of processor time of each of its processes (RLIMIT_CPU)."""


class UsersSettings(NamedTuple):
    """Who the processes are; only root can become somebody else."""

    daemon: str | None = None
    """The user that the daemon becomes, with all it starts, before it touches anything."""
    runs: str | None = None
    """The user that inspections and runs become, while the daemon stays root."""
    files: Mapping[str, str] = {}
    """Likewise for some files: a pattern of the path in the folder of flows to a user; the first that fits counts."""


class ScheduleSettings(NamedTuple):
    """Defaults of the schedules' policies; a flow may override each."""

    timezone: str | None = None
    """IANA name for schedules that name none; None: the machine's."""
    max_catchup: int = 1000
    """The most moments of one schedule made up for with ``catchup="all"``; older ones are recorded as missed."""


class HistorySettings(NamedTuple):
    """How results and logs are kept."""

    inline_result: int = 65536
    """Bytes up to which a result stands in the history itself; larger ones become files beside it."""
    log_limit: int = 67108864
    """Bytes of captured output of one run; what follows is dropped, and the log says so."""


class RetentionSettings(NamedTuple):
    """How long what has ended is kept. The newest run of a flow, and what others need, stays in any case."""

    keep_for: float = 90.0
    """Days a run is kept after its end; 0: for ever."""
    keep_failed_for: float = 365.0
    """Days a run is kept that failed, crashed or timed out; 0: for ever."""
    keep_runs: int = 10_000
    """The newest runs of each flow that are kept, and as many that failed; 0: any number."""
    keep_moments_for: float = 90.0
    """Days the ledger remembers what became of a due moment; 0: for ever."""
    max_size: int = 10_737_418_240
    """Bytes of history, journals, logs and results together, beyond which the oldest runs go first; 0: any size."""
    interval: float = 3600.0
    """Seconds between looks at what is to be removed; 0: only when asked to by ``tidemill prune``."""


class ForkserverSettings(NamedTuple):
    """The process that makes run processes."""

    preload: tuple[str, ...] = ()
    """Modules imported once for all runs, such as ("pandas",): their import is then free, their memory shared."""


class ControlSettings(NamedTuple):
    """Who may command the daemon."""

    allow_uids: tuple[int, ...] = ()
    """User ids beside the daemon's own and root."""


class Settings(NamedTuple):
    """All of them together: the configuration."""

    places: Places = Places()
    catalog: CatalogSettings = CatalogSettings()
    dispatch: DispatchSettings = DispatchSettings()
    runs: RunsSettings = RunsSettings()
    users: UsersSettings = UsersSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    history: HistorySettings = HistorySettings()
    retention: RetentionSettings = RetentionSettings()
    forkserver: ForkserverSettings = ForkserverSettings()
    control: ControlSettings = ControlSettings()
    limits: Mapping[str, Limit] = {}
    """Named limits that tasks and flows share: a task or a flow that bears the name as a tag needs a slot of it."""
