"""The flows of the campaign. Every task tells the effects ledger that it begins and that it has ended."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

STEPS: Final = {"beat": 1, "pair": 2, "lazy": 3, "press": 4, "quarter": 15}
"""Seconds between the moments of each scheduled flow: every second that this number divides."""
MADE_UP: Final = ("beat", "pair")
"""Flows of which every moment has a run of its own, however late."""
ALONE: Final = ("pair", "lazy", "press", "quarter")
"""Flows of which no two runs may be at work at once."""
BY_HAND: Final = ("graph", "family", "long", "fragile", "scarce")

_SETTINGS: Final = """
[dispatch]
max_runs = 6
cancel_grace = 3.0

[limits]
scarce = 1
"""

_HEAD: Final = """
import os
import random
import time
from tidemill import Flow, cron, every, flow, task
from tidemill.runtime import flow_run, task_run

def mark(what):
    tell(flow_run.root_flow_run_id, f"{{flow_run.flow_name}}/{{task_run.name}}", task_run.run_count, what)

def tell(run, key, attempt, what):
    line = f"{{run}} {{key}} {{attempt}} {{what}} {{os.getpid()}} {{time.monotonic_ns()}}\\n"
    fd = os.open({ledger!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(fd, line.encode())
    os.close(fd)

def spend(seconds):
    mark("begin")
    time.sleep(seconds)
    mark("end")
"""

_FILES: Final = {
    "beat.py": """
@task
def strike():
    spend(0)

@flow(schedule=every(seconds=1), overlap="allow", catchup="all")
def beat():
    strike()
""",
    "pair.py": """
@task
def first():
    spend(0.02)

@task(depends_on=[first])
def second():
    spend(0.1)

pair = Flow("pair", tasks=[second], schedule=cron("*/2 * * * * *"), overlap="queue", catchup="all")
""",
    "lazy.py": """
@task
def doze():
    spend(random.uniform(0.5, 3.5))

@flow(schedule=every(seconds=3), catchup="latest")
def lazy():
    doze()

@flow(schedule=cron("*/15 * * * * *"), catchup="none")
def quarter():
    doze()
""",
    "press.py": """
@task
def hurry():
    spend(random.uniform(1, 5))

@flow(schedule=every(seconds=4), overlap="cancel")
def press():
    hurry()
""",
    "graph.py": """
@task
def extract(token):
    spend(0.02)
    return list(range(6))

@task(retry_kwargs={"max_retries": 3, "delay": 0.1})
def item(n):
    mark("begin")
    time.sleep(0.05)
    if random.random() < 0.3:
        raise ValueError("not this time")
    mark("end")
    return n

@task
def total(items):
    spend(0.02)
    return sum(items)

graph = Flow("graph", tasks=[total.bind(items=item.map(n=extract))], overlap="allow")
""",
    "family.py": """
@task(task_run_name="part-{n}")
def part(n):
    spend(random.uniform(0, 0.1))
    return n

@task(task_run_name="check-{day}")
def check(day):
    mark("begin")
    if random.random() < 0.2:
        raise ValueError("not yet")
    mark("end")

@flow
def day(day, parts):
    check(day)
    return sum(part.map(parts).result())

@flow
def family(token):
    return [day(n, [10 * n + m for m in range(4)]) for n in range(3)]
""",
    "long.py": """
@task(task_run_name="step-{n}")
def step(n):
    spend(random.uniform(0, 0.2))
    return "x" * random.choice([0, 200 * n, 300_000])

def crashed(flow, run, state):
    tell(run.id, "long/crashed", 1, "hook")

@flow(retries=1, on_crashed=[crashed])
def long(token):
    return [len(step(n)) for n in range(30)]
""",
    "fragile.py": """
@task
def prepare(token):
    spend(0.05)
    return token

@task
def decide(prepare):
    mark("begin")
    luck = random.random()
    if luck < 0.25:
        os._exit(9)
    if luck < 0.6:
        raise ValueError("no luck")
    mark("end")

@task(depends_on=[decide])
def publish(prepare):
    spend(0.05)

fragile = Flow("fragile", tasks=[publish], overlap="allow")
""",
    "scarce.py": """
@task(tags=["scarce"])
def hold(token):
    spend(0.1)

@task(depends_on=[hold])
def after(token):
    spend(0)

scarce = Flow("scarce", tasks=[after], overlap="allow")
""",
}


class Workload(NamedTuple):
    """Flow files whose tasks tell the effects ledger what they do, and the settings they run by."""

    settings: str
    files: Mapping[str, str]
    """By file name; what every file begins with is not among it."""

    def text(self, name: str, ledger: Path, edit: int = 0) -> str:
        """Return the text of a flow file; each *edit* makes another version of it."""
        return f"# version {edit}\n" + _HEAD.format(ledger=str(ledger)) + self.files[name]


CAMPAIGN: Final = Workload(_SETTINGS, _FILES)
