"""What the daemon does so that its memory stays where it was."""

import os
import subprocess
import sys

from tidemill.care.footprint import remove_run_files, size_of_run, sync_removals
from tidemill.config.paths import StatePaths
from tidemill.dispatcher.endings import has_overrun
from tidemill.domain.events import RunStarted
from tidemill.domain.runs import RunOrder
from tidemill.forkserver import cgroups
from tidemill.forkserver.run_child import make_folders
from tidemill.history.following import Journals
from tidemill.journal.finished import write_finished
from tidemill.journal.writer import JournalWriter
from tidemill.service.finished import finished_path, forget_drafts, forget_finished
from tidemill.service.processes import process_of

ARENAS = """
import ctypes, threading
from tidemill.service.memory import share
{share}
allocated, over = threading.Barrier(9), threading.Event()
def take():
    kept = [bytearray(4000) for _ in range(100)]
    allocated.wait()
    over.wait()
threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads: thread.start()
allocated.wait()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
over.set()
"""


def test_all_threads_take_their_memory_from_one_place():
    counts = [
        subprocess.run(
            [sys.executable, "-c", ARENAS.format(share=share)], capture_output=True, text=True, check=True
        ).stdout.count("<heap nr=")
        for share in ("", "share()")
    ]

    assert counts[0] > 2
    assert counts[1] == 1


def test_no_name_of_a_run_is_kept_for_good(tmp_path, monkeypatch):
    """A Path interns the parts of its name, and Python 3.12 never forgets what it has interned."""
    interned = []
    monkeypatch.setattr(sys, "intern", lambda name: interned.append(name) or name)
    paths, uid = StatePaths(tmp_path), "xa63y6d4ae"
    order = RunOrder(
        run=uid, flow="f", path="/f.py", sources={}, root="/", journal=paths.journal_name(uid), log=paths.log_name(uid),
        results_dir=paths.run_results_name(uid),
    )  # fmt: skip
    for folder in ("journals", "logs", "results"):
        (tmp_path / folder).mkdir()
    make_folders(order)
    with open(order.journal, "xb") as file:  # noqa: PTH123 - a Path would keep the name
        writer = JournalWriter(file.fileno())
        writer.write(RunStarted(1, 2, 3, "boot"))
        assert process_of(order.journal).pid == 2
    journals = Journals()
    journals.follow(1, uid, order.journal, 0)
    assert journals.gather()
    assert has_overrun(order.journal, 1) is False
    write_finished(finished_path(paths, uid), [])
    forget_drafts(paths, uid)
    forget_finished(paths, uid)
    assert size_of_run(paths, uid) > 0
    assert remove_run_files(paths, uid) > 0
    sync_removals(paths, [uid])
    journals.close()
    group = f"{tmp_path}/results/{uid}"
    os.mkdir(group)  # noqa: PTH102
    for name, text in (
        ("memory.max", "1000"),
        ("memory.events", "oom_kill 2"),
        ("pids.max", "9"),
        ("pids.events", "max 0"),
    ):
        with open(f"{group}/{name}", "x") as file:  # noqa: PTH123
            file.write(f"{text}\n")
    assert cgroups.look(f"{tmp_path}/results", uid) == cgroups.Spent((1000, True), (9, False), None)
    assert cgroups.has_used_up_cpu(f"{tmp_path}/results", uid) is False
    assert uid in cgroups.groups_in(f"{tmp_path}/results")
    assert cgroups.remove(f"{tmp_path}/results", uid) is False

    assert [name for name in interned if uid in name] == []
