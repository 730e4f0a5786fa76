"""What a flow file declares, as plain data: the only thing the daemon ever knows of user code."""

from dataclasses import dataclass, field
from typing import Any

from tidemill.domain.schedules import ScheduleSpec


@dataclass(frozen=True, slots=True)
class ParameterManifest:
    """A parameter of a flow."""

    name: str
    type: str = "Any"
    """The annotation as it is written, for people."""
    required: bool = True
    default: Any = None
    """The default as JSON; its repr where it is not JSON."""


@dataclass(frozen=True, slots=True)
class TaskManifest:
    """A task of a declared graph."""

    name: str
    index: int
    depends_on: tuple[int, ...] = ()
    description: str = ""
    max_retries: int = 0
    condition: str = "all_succeeded"
    """What it asks of those it depends on: a name of Condition, or of the author's own function with ``()``."""
    mapped: tuple[str, ...] = ()
    """The parameters that take one element each: it runs once for every one of them."""


@dataclass(frozen=True, slots=True)
class FlowManifest:
    """A flow as its file declares it. Durations are seconds."""

    name: str
    style: str
    """``graph`` (declared), ``implicit`` (a file of plain tasks) or ``function``."""
    line: int = 1
    description: str = ""
    tags: tuple[str, ...] = ()
    parameters: tuple[ParameterManifest, ...] = ()
    takes_any: bool = False
    """It takes parameters that it does not name."""
    tasks: tuple[TaskManifest, ...] = ()
    """Empty for a function flow: its tasks are known only when it runs."""
    schedules: tuple[ScheduleSpec, ...] = ()
    catchup: str = "latest"
    grace: float | None = None
    """How late a start is tolerated; None: any lateness."""
    overlap: str = "skip"
    max_active_runs: int | None = None
    """None: 1 under ``skip``, ``queue`` and ``cancel``; no bound of its own under ``allow``."""
    timeout: float | None = None
    priority: int = 0
    """Higher starts first."""
    max_workers: int | None = None
    limits: dict[str, float] = field(default_factory=dict)
    """What one run may take of the machine, by the names of ``domain.restraints``."""
    end_hooks: tuple[str, ...] = ()
    """Its hooks that somebody else has to call when the run's own process cannot."""
    code: dict[str, str] = field(default_factory=dict)
    """Marks of the code of a graph's tasks, by their names; a function flow's tasks have theirs with the file."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error or a warning of a flow file, with the line to look at."""

    message: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file whose text a flow needs: the flow file itself, or a helper module it imported from the folder."""

    path: str
    """The absolute real path."""
    hash: str
    """SHA-256 of the bytes, in hex."""


@dataclass(frozen=True, slots=True)
class FileManifest:
    """The answer of an inspection: everything one flow file declares, or why it cannot be used."""

    path: str
    hash: str
    flows: tuple[FlowManifest, ...] = ()
    imports: tuple[SourceFile, ...] = ()
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    tags: tuple[tuple[str, int], ...] = ()
    """What its flows and tasks are tagged with, each with the line where one first is."""
    details: dict[str, Any] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    """Marks of the code of all tasks and function flows, by their names."""

    @property
    def is_good(self) -> bool:
        """Tell whether its flows may be scheduled."""
        return not self.errors
