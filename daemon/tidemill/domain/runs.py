"""Runs, and the order that starts one."""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tidemill.domain.results import ResultInfo
from tidemill.domain.trust import Trust

RUN: Final = "run"
CRASH_HOOKS: Final = "crash_hooks"


@dataclass(frozen=True, slots=True)
class FinishedTask:
    """A task of an earlier attempt that a resumed run must not execute again."""

    index: int
    name: str
    result: ResultInfo | None
    within: tuple[int, ...] = ()
    """The places of the sub-flows it is part of, outermost first; empty for the run's own tasks."""
    occurrence: int = 1
    """It is the n-th task run of its name there, in the order of their places, whatever became of the others.

    By this and its name it is known again: the run's other tasks may have changed its place.
    """
    inside: tuple[tuple[str, int], ...] = ()
    """By what the sub-flows around it are known again: name and number of the task runs that stand for them."""


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Everything a run process has to know; it learns nothing from anywhere else."""

    run: str
    """The run id."""
    flow: str
    path: str
    """The flow file's real path: what ``__file__`` says, and what tracebacks name."""
    sources: dict[str, str]
    """Real path to the file that holds the inspected text; a path that is not here is read as it is."""
    root: str
    """The watched folder: helper modules are imported from it."""
    journal: str
    log: str
    results_dir: str
    """Where large results of this run go."""
    parameters: dict[str, Any] = field(default_factory=dict)
    trigger: str = "manual"
    scheduled_for: str | None = None
    """ISO 8601, UTC."""
    schedule: dict[str, Any] | None = None
    """The schedule it was made for, as plain data."""
    version: str = ""
    """The name of the version it executes."""
    attempt: int = 1
    parent: str | None = None
    resume: tuple[FinishedTask, ...] = ()
    finished: str = ""
    """The file that holds further tasks like these, where they are many; the run process takes it away."""
    timeout: float | None = None
    """Seconds for the whole run."""
    max_workers: int = 4
    nice: int = 5
    environment: dict[str, str] = field(default_factory=dict)
    cache_dir: str = ""
    """Where what cached tasks compute is kept for later runs; empty: in the memory of the process."""
    limits_dir: str = ""
    """Where named limits are, and who holds them; empty: there are none."""
    is_admitted: bool = False
    """The daemon saw to it that there is a slot of every limit among its flow's tags; nobody is to be passed by."""
    log_limit: int = 64 * 1024 * 1024
    """Bytes of captured output after which the log says it was truncated."""
    restraints: dict[str, float] = field(default_factory=dict)
    """What it may take of the machine, by the names of ``domain.restraints``."""
    cgroup: str = ""
    """The folder in which it gets a control group, which keeps some of those; empty: all are limits of each process."""
    remark: str = ""
    """What is to be told of it that came up before its code was loaded."""
    trust: Trust | None = None
    """Who may be able to change modules that are read as they are; None: anybody."""
    user: str = ""
    """Who the process becomes before anything of the flow's is read; empty: it stays who it is."""
    purpose: str = RUN
    """``run``, or ``crash_hooks``: call the flow's hooks for the end of a run whose own process could not."""
    verdict: tuple[str, str | None] | None = None
    """For hooks: the state the run ended in, and its error in one line."""

    @property
    def process(self) -> str:
        """What the fork server knows the process by: the run itself, or what is done on its behalf."""
        return self.run if self.purpose == RUN else f"{self.run}:{self.purpose}"


@dataclass(frozen=True, slots=True)
class InspectionOrder:
    """A file to load in a child, which answers with its manifest."""

    path: str
    root: str
    source: str | None = None
    """The file that holds the text to inspect, where it is not *path* itself."""
    timeout: float = 10.0
    trust: Trust | None = None
    """Who may be able to change the modules it imports; None: anybody."""
    user: str = ""
    """Who the process becomes before it reads the file; empty: it stays who it is."""


class ProcessName(NamedTuple):
    """A process, named so that no later process can be taken for it."""

    pid: int
    start_time: int
    boot_id: str
