"""The flow files that a person has: how each flow ends is known, or in the hand of whoever watches."""

from pathlib import Path
from typing import Final, NamedTuple

SETTINGS: Final = """
[dispatch]
max_runs = 8
cancel_grace = 0.6

[limits]
scarce = 1
"""


class FlowFile(NamedTuple):
    """A flow and what becomes of its runs."""

    ends: frozenset[str]
    """States that a run ends in which nobody cancels or kills."""
    is_held: bool = False
    """Its runs go on until somebody lets them go."""
    tasks: tuple[str, ...] = ()
    text: str = ""


_HEAD: Final = """
import os
import time
from pathlib import Path
from tidemill import Flow, every, flow, task
from tidemill.runtime import flow_run

VERSION = {version}
TAGS = ["v{version}"]
PLACE = Path({place!r})

def tell(what):
    fd = os.open(PLACE / "effects", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(fd, (flow_run.root_flow_run_id + " " + what + "\\n").encode())
    os.close(fd)

def hold(deaf=False):
    while not ((PLACE / "let_go" / flow_run.root_flow_run_id).exists() or (PLACE / "let_go" / "all").exists()):
        try:
            time.sleep(0.02)
        except BaseException:
            if not deaf:
                raise
"""

_HOLDS: Final = """
@flow(tags=[*TAGS, {tags}]{options})
def {name}(deaf: bool = False):
    print("holding")
    hold(deaf)
    return VERSION
"""


def _held(name: str, *, tags: str = "", options: str = "") -> FlowFile:
    return FlowFile(frozenset({"completed"}), True, text=_HOLDS.format(name=name, tags=tags, options=options))


FLOWS: Final = {
    "plain": FlowFile(
        frozenset({"completed"}),
        tasks=("make",),
        text="""
@task
def make(n):
    print("made", n)
    return n

@flow(tags=TAGS)
def plain(n: int = 1, word: str = ""):
    return [make(n), VERSION, word]
""",
    ),
    "steps": FlowFile(
        frozenset({"completed", "failed"}),
        tasks=("first", "second", "third"),
        text="""
@task
def first():
    tell("first")
    return 1

@task
def second(first):
    tell("second")
    if not (PLACE / "luck").exists():
        raise ValueError("no luck\\nat all")
    return first + 1

@task
def third(second):
    tell("third")
    return second + 1

steps = Flow("steps", tasks=[third], overlap="allow", tags=TAGS)
""",
    ),
    "ticks": FlowFile(
        frozenset({"completed"}),
        text="""
@flow(schedule=every(seconds=2), tags=TAGS)
def ticks():
    return VERSION
""",
    ),
    "gate": _held("gate", options=', overlap="allow"'),
    "alone": _held("alone"),
    "scarce": _held("scarce", tags='"scarce"', options=', overlap="allow"'),
    "dies": FlowFile(
        frozenset({"crashed"}),
        text="""
@flow(overlap="allow", tags=TAGS)
def dies(signal: int = 0):
    if signal:
        os.kill(os.getpid(), signal)
    os._exit(7)
""",
    ),
    "nest": FlowFile(
        frozenset({"completed"}),
        text="""
@flow(name="nest/inner")
def inner(n):
    return n

@flow(tags=TAGS)
def nest():
    return [inner(n) for n in range(2)]
""",
    ),
    "slow": FlowFile(
        frozenset({"timed_out"}),
        text="""
@flow(timeout_seconds=0.2, tags=TAGS)
def slow():
    time.sleep(30)
""",
    ),
    "flaky": FlowFile(
        frozenset({"completed"}),
        text="""
@task(retry_kwargs={"max_retries": 2, "delay": 0.05})
def again():
    if flow_run.run_count < 2:
        raise OSError("not yet")

@flow(retries=1, retry_delay_seconds=0.05, tags=TAGS)
def flaky():
    again()
""",
    ),
}

BREAKS: Final = ("def (\n", "raise RuntimeError('at import')\n", "x = 1\n\0\n", "import os\nos._exit(3)\n")
"""Texts that are no flow file."""


def text_of(flow: str, version: int, place: Path) -> str:
    """Return a version of the file of *flow*."""
    return f'"""{flow}"""\n' + _HEAD.format(version=version, place=str(place)) + FLOWS[flow].text
