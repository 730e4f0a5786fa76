"""Graphs of tasks as text: a tree for a terminal, Mermaid and Graphviz for elsewhere."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from tidemill.cli.terminal import neutral, style, symbols_fit

Task = dict[str, Any]

ALL_SUCCEEDED: Final = "all_succeeded"
MOST_NAMED: Final = 5
"""Tasks that are named in one line of a tree."""
MERMAID_EDGES: Final = 500
"""What Mermaid draws unless its maxEdges is raised."""
_MERMAID: Final = str.maketrans({sign: f"#{ord(sign)};" for sign in '"#&<>`\\'})
_DOT: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "&": "&amp;"})


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
        notes = [*_notes(task), *([f"needs {_enumerated(also)} too"] if also else [])]
        yield head + names[task["index"]] + (style(f"  {'; '.join(notes)}", "dim") if notes else "")
        children = below.get(task["index"], [])
        for child in reversed(children):
            is_last = child is children[-1]
            waiting.append((child, rest + (end if is_last else fork), rest + ("    " if is_last else bar)))


def mermaid(tasks: Sequence[Task]) -> Iterator[str]:
    """Give the lines of a Mermaid flow chart; mapped tasks have double sides, conditions stand at dashed lines."""
    yield "flowchart TD"
    for task in tasks:
        label = "<br/>".join(line.translate(_MERMAID) for line in _lines(task))
        opening, closing = ("[[", "]]") if task.get("mapped") else ("[", "]")
        yield f'    t{task["index"]}{opening}"{label}"{closing}'
    for task in tasks:
        condition = _condition(task).translate(_MERMAID)
        arrow = f'-.->|"{condition}"|' if condition else "-->"
        for index in task["depends_on"]:
            yield f"    t{index} {arrow} t{task['index']}"


def dot(tasks: Sequence[Task]) -> Iterator[str]:
    """Give the lines of a Graphviz digraph; mapped tasks have double borders, conditions stand at dashed lines."""
    yield "digraph {"
    for task in tasks:
        label = "\\n".join(line.translate(_DOT) for line in _lines(task))
        double = ", peripheries=2" if task.get("mapped") else ""
        yield f'    t{task["index"]} [label="{label}"{double}];'
    for task in tasks:
        condition = _condition(task).translate(_DOT)
        look = f' [style=dashed, label="{condition}"]' if condition else ""
        for index in task["depends_on"]:
            yield f"    t{index} -> t{task['index']}{look};"
    yield "}"


def _notes(task: Task) -> list[str]:
    """Return what is worth knowing of a task besides its name."""
    notes = []
    if task.get("mapped"):
        notes.append(f"once for each of {', '.join(map(neutral, task['mapped']))}")
    if _condition(task):
        notes.append(f"if {_condition(task)}")
    if (task.get("runs") or 1) > 1:
        notes.append(f"{task['runs']} times")
    return notes


def _lines(task: Task) -> list[str]:
    """Return what stands inside a task's box."""
    shown = {**task, "condition": None} if task["depends_on"] else task
    return [neutral(task["name"]), *_notes(shown)]


def _condition(task: Task) -> str:
    """Return the condition that a task states, if it is another than everybody's."""
    condition = task.get("condition") or ALL_SUCCEEDED
    return "" if condition == ALL_SUCCEEDED else neutral(condition)


def _enumerated(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


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
