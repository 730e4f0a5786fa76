# ruff: noqa: RUF001 - the multiplication sign is meant
"""The README's table of figures, made from the lines that the measurements print."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"

ROWS = {
    "request_to_recorded_p50": (
        "`run` on the control socket to finished and durably recorded, one no-op task, p50",
        "≤ 6 × fork+exit+wait",
    ),
    "runs_per_second": ("runs a second, isolated and durable, 2 cores", "≥ 200"),
    "per_task_chain": ("per task, 1,000 in a chain, recorded when the run ends", "≤ 100 µs"),
    "per_task_fan": ("per task, 10,000 in a fan, recorded when the run ends", "≤ 100 µs"),
    "task_inline": ("a task called in its run, journalled: CPU", "≤ 20 µs"),
    "task_submitted": ("the same beside its run in threads, by `.submit()`", "≤ 40 µs"),
    "task_mapped": ("the same by `.map()`", "≤ 40 µs"),
    "task_subflow": ("a flow called in another, a run of its own: CPU", "≤ 1 ms"),
    "retries_unused": ("a retry policy, to a task that succeeds", "≤ 2 µs"),
    "map_memory_function": ("`.map()` over 10,000 in a function flow: memory above the items", "≤ 50 MB"),
    "map_memory_declared": ("the same in a declared graph", "≤ 50 MB"),
    "map_recorded": ("10,000 mapped tasks: end of the run to every row on the disk", "≤ 1 s"),
    "idle_pss": ("daemon and fork server, idle with 100 flows: memory (PSS)", "≤ 60 MB"),
    "idle_cpu": ("the same: CPU", "≤ 0.2 %"),
    "due_to_user_code_p50": ("due moment to first line of user code, 100 flows, p50", "≤ 10 ms"),
    "due_to_user_code_p99": ("the same, p99", "≤ 50 ms"),
    "burst_longest_stall": ("10,000 flows due at one instant: longest wait of a command", "≤ 50 ms"),
    "cli_help": ("`tidemill --help`", "≤ 6 × `python -c pass`"),
    "cli_runs": ("`tidemill runs` on a history of 100,000", "≤ 6 × `python -c pass`"),
    "edit_live": ("edited file live", "≤ 0.5 s"),
    "start_10_flows": ("start to ready, 10 flows", "≤ 1 s"),
    "start_1000_flows": ("start to ready, 1,000 unchanged files", "≤ 2 s"),
    "load_flows_start": ("start to ready, 10,000 scheduled flows", "≤ 5 s"),
    "load_flows_idle_pss": ("idle with them: memory (PSS)", "≤ 200 MB"),
    "load_flows_idle_cpu": ("the same: CPU", "≤ 1 %"),
    "load_due_ledger": ("1,000 flows due at one instant: all in the ledger", "≤ 1 s"),
    "load_due_done": ("the same: all run", "≤ 10 s"),
    "load_history_size": ("history of 1,000,000 runs of three tasks: on the disk", "≤ 700 MB"),
    "load_history_start": ("start to ready with it", "≤ 2 s"),
    "load_history_runs": ("`tidemill runs` with it", "≤ 6 × `python -c pass`"),
    "load_history_stats_85_days": ("`tidemill stats` over all of it", "≤ 5 s"),
    "load_history_backup": ("`tidemill backup` of it, beside runs", "≤ 60 s"),
    "load_history_backup_beside": ("a run beside that, p99", "≤ 250 ms"),
    "load_history_doctor": ("`tidemill doctor` with it, and a million journals", "≤ 120 s"),
    "load_history_prune": ("runs pruned a second, beside runs", "≥ 500"),
}
"""What each figure is, and the least that is asked of it; those of load stand there when they were taken."""


def write_table(readme: Path, figures: Iterable[dict[str, Any]]) -> None:
    """Put *figures* between the marks of *readme*."""
    lines = ["| what | least | measured | floor of the same run |", "|---|---|---|---|"]
    for figure in figures:
        if figure["name"].startswith("load_") and figure["name"] not in ROWS:
            continue  # one of many that belong together
        what, least = ROWS[figure["name"]]
        value = f"{_number(figure['value'])} {figure['unit'].replace('us', 'µs')}"
        lines.append(f"| {what} | {least} | {value} | {_floor(figure)} |")
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    readme.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after, encoding="utf-8")


def _floor(figure: dict[str, Any]) -> str:
    words = {
        "floor_ms": "{} ms",
        "floor_us": "{} µs: a call and two appended lines",
        "floor_task_us": "{} µs: the task without a policy",
        "floor_rows_s": "{} s: as many rows into SQLite",
        "floor_per_second": "{} bare forks a second",
        "floor_python_s": "{} s: `python -c pass`",
        "floor_forks_s": "{} s: as many bare forks on all cores",
        "floor_copy_s": "{} s: the same bytes copied and synced",
        "cpu_s": "{} s of processor time",
    }
    told = [pattern.format(_number(figure[key])) for key, pattern in words.items() if key in figure]
    if "ratio" in figure and "floor_us" not in figure:
        told.append(f"{figure['ratio']:.1f} ×")
    if "spares_mb" in figure:
        told.append(f"and {_number(figure['spares_mb'])} MB for the process kept ready")
    if "ledger_after_s" in figure:
        told.append(f"all 10,000 in the ledger after {figure['ledger_after_s']:.1f} s")
        told.append(f"all run after {figure['completed_after_s']:.0f} s")
    return "; ".join(told)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
