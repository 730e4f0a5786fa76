"""What tasks really did, against what the history says of them."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from chaos.killing.evidence import FINISHED, Evidence
from chaos.killing.workload import ALONE


def check_executions(evidence: Evidence, figures: dict[str, Any]) -> Iterator[str]:
    """I4, I5, I6, I11: a run has one process; its attempts are counted; what completed has its effect."""
    pids: dict[str, set[int]] = defaultdict(set)
    begun: dict[tuple[str, str], list[int]] = defaultdict(list)
    done: set[tuple[str, str]] = set()
    for effect in evidence.effects:
        pids[effect.run].add(effect.pid)
        if effect.what == "begin":
            begun[effect.run, effect.key].append(effect.attempt)
        else:
            done.add((effect.run, effect.key))
    for run, several in pids.items():
        if run not in evidence.tops:
            yield f"I11 the run {run} had effects and is not in the history"
        if len(several) > 1:
            yield f"I6 the run {run} was executed by the processes {sorted(several)}"
    for (run, key), attempts in begun.items():
        task = evidence.tasks[run].get(key)
        if task is None:
            yield f"I11 the task {key} of {run} began and is not in the history"
        elif "long" not in key and (attempts != list(range(1, len(attempts) + 1)) or len(attempts) > task["attempts"]):
            yield f"I5 the task {key} of {run} began as {attempts}, and has {task['attempts']} attempts"
    for run, tasks in evidence.tasks.items():
        for key, task in tasks.items():
            is_own = not (task["subflow"] or key in ("family/day", "graph/item"))
            if task["state"] == "completed" and is_own and (run, key) not in done:
                yield f"I11 the task {key} of {run} is completed without its effect"
    figures["task_begins"] = sum(len(attempts) for attempts in begun.values())
    unsure = [
        (run, key) for run, key in done if (task := evidence.tasks[run].get(key)) and task["state"] not in FINISHED
    ]
    figures["in_doubt"] = len(unsure)


def check_retries(evidence: Evidence, figures: dict[str, Any]) -> Iterator[str]:
    """I4: a retry executes only what had not completed."""
    begun = {(effect.run, effect.key) for effect in evidence.effects if effect.what == "begin"}
    done = {(effect.run, effect.key) for effect in evidence.effects if effect.what == "end"}
    twice = 0
    retries = [run for run in evidence.tops.values() if run["trigger"] == "retry"]
    parents = Counter(run["parent_id"] for run in retries)
    if several := [evidence.uids.get(parent) for parent, times in parents.items() if times > 1]:
        yield f"I1 runs that were retried more than once: {several[:5]}"
    for retry in retries:
        earlier = evidence.uids.get(retry["parent_id"])
        while earlier is not None:
            for key, task in evidence.tasks[earlier].items():
                if (retry["uid"], key) not in begun or task["subflow"]:
                    continue
                if task["state"] in FINISHED:
                    yield f"I4 {key} completed in {earlier}, and {retry['uid']} executed it again"
                elif (earlier, key) in done:
                    twice += 1
            before = evidence.runs[earlier]
            earlier = evidence.uids.get(before["parent_id"]) if before["trigger"] == "retry" else None
    figures["retries"] = len(retries)
    figures["executed_twice_in_doubt"] = twice


def check_slots(evidence: Evidence) -> Iterator[str]:
    """I6: what may be done by one alone was done by one alone, as far as both lived to tell."""
    spans: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    begins: dict[tuple[str, str], int] = {}
    for effect in evidence.effects:
        if effect.what == "begin":
            begins[effect.run, effect.key] = effect.at
        elif (begin := begins.get((effect.run, effect.key))) is not None:
            name = "scarce" if effect.key == "scarce/hold" else effect.key.split("/")[0]
            if effect.key == "scarce/hold" or name in ALONE:
                spans[name].append((begin, effect.at, effect.run))
    for name, found in spans.items():
        for (_, end, one), (begin, _, other) in pairwise(sorted(found)):
            if begin < end and one != other and not _are_both_meant(evidence, name, one, other):
                yield f"I6 {name}: {one} and {other} were at work at once"


def _are_both_meant(evidence: Evidence, name: str, *runs: str) -> bool:
    """Tell whether a retry, which asks no overlap policy, or one that is being cancelled is among them."""
    return name != "scarce" and any(
        evidence.runs[run]["trigger"] != "schedule" or evidence.runs[run]["state"] == "cancelled" for run in runs
    )
