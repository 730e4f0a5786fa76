"""The two flow files of the reference run: one that the clock starts, and what a person starts by hand."""

from typing import Final

from chaos.killing.workload import Workload

STEPS: Final = {"beat": 1}
"""Seconds between the moments of the scheduled flow; each has a run of its own, however late."""

REFERENCE: Final = Workload(
    """
[dispatch]
max_runs = 4
cancel_grace = 1.0
""",
    {
        "beat.py": """
@task
def strike():
    spend(0)

@flow(schedule=every(seconds=1), overlap="allow", catchup="all")
def beat():
    strike()
""",
        "byhand.py": """
from tidemill import LocalResult
from tidemill.cache_policies import INPUTS

@task(cache_policy=INPUTS, task_run_name="known")
def known(what):
    spend(0)
    return what.upper()

@task(task_run_name="extract", result_handler=LocalResult("../kept", name="{flow_run.id}-extract"))
def extract(token):
    spend(0)
    return list(range(3))

@task(retry_kwargs={"max_retries": 1, "delay": 0.02}, task_run_name="clean")
def clean(extract):
    mark("begin")
    if task_run.run_count == 1:
        raise ValueError("not at first")
    mark("end")
    return extract

@task
def item(n):
    spend(0.01)
    return n

@task
def load(items):
    spend(0)
    return "x" * (5000 + sum(items))

graph = Flow("graph", tasks=[load.bind(items=item.map(n=clean)), known.bind(what="same")], overlap="allow")

@task
def hold(token):
    spend(0.8)

@task(depends_on=[hold])
def after(token):
    spend(0)

slow = Flow("slow", tasks=[after], overlap="allow")
""",
    },
)
