"""Graphs of tasks as text: a tree for a terminal, Mermaid and Graphviz for elsewhere."""

from collections.abc import Iterator, Sequence
from typing import Any

from tidemill.cli.terminal import neutral, style, symbols_fit

Task = dict[str, Any]


def tree(tasks: Sequence[Task]) -> Iterator[str]:
    """Give the lines of a tree in which every task stands once, below the last of those it needs.

    Below the last in running order: what stands above a task in its branch has run before it.
    """
    names = {task["index"]: neutral(task["name"]) for task in tasks}
    depths = _depths(tasks)
    below: dict[int | None, list[Task]] = {}
    parents: dict[int, int | None] = {}
    for task in tasks:
        parent = max(task["depends_on"], key=lambda index: (depths[index], index), default=None)
        parents[task["index"]] = parent
        below.setdefault(parent, []).append(task)
    fork, end, bar = ("├── ", "└── ", "│   ") if symbols_fit() else ("|-- ", "`-- ", "|   ")
    # A stack and no recursion: a chain may be a thousand tasks long.
    waiting = [(root, "", "") for root in reversed(below.get(None, []))]
    while waiting:
        task, head, rest = waiting.pop()
        also = [names[index] for index in task["depends_on"] if index != parents[task["index"]]]
        yield head + names[task["index"]] + (style(f"  needs {', '.join(also)} too", "dim") if also else "")
        children = below.get(task["index"], [])
        for child in reversed(children):
            is_last = child is children[-1]
            waiting.append((child, rest + (end if is_last else fork), rest + ("    " if is_last else bar)))


def mermaid(tasks: Sequence[Task]) -> Iterator[str]:
    """Give the lines of a Mermaid flow chart."""
    yield "flowchart TD"
    for task in tasks:
        label = neutral(task["name"]).replace('"', "#quot;")
        yield f'    t{task["index"]}["{label}"]'
    for task in tasks:
        for index in task["depends_on"]:
            yield f"    t{index} --> t{task['index']}"


def dot(tasks: Sequence[Task]) -> Iterator[str]:
    """Give the lines of a Graphviz digraph."""
    yield "digraph {"
    for task in tasks:
        label = neutral(task["name"]).replace("\\", "\\\\").replace('"', '\\"')
        yield f'    t{task["index"]} [label="{label}"];'
    for task in tasks:
        for index in task["depends_on"]:
            yield f"    t{index} -> t{task['index']};"
    yield "}"


def _depths(tasks: Sequence[Task]) -> dict[int, int]:
    """Return the length of the longest way to each task; they may be declared in any order."""
    needs = {task["index"]: task["depends_on"] for task in tasks}
    depths: dict[int, int] = {}
    waiting = list(needs)
    while waiting:
        index = waiting[-1]
        missing = [other for other in needs[index] if other not in depths]
        if missing:
            waiting += missing
            continue
        depths[index] = max((depths[other] + 1 for other in needs[index]), default=0)
        waiting.pop()
    return depths
