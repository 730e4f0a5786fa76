"""Slots between real processes: nothing that ends, forks or is killed keeps one or holds too many."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tidemill.domain.limits import Limit
from tidemill.limits.lanes import Waiter
from tidemill.limits.slots import Slots
from tidemill.limits.table import write_table
from tidemill.limits.telling import reason

PATIENCE = 20.0


@pytest.fixture
def folder(tmp_path):
    write_table(tmp_path, {"database": Limit(1), "wide": Limit(3), "api": Limit(5, 50.0)})
    return tmp_path


class Child:
    """A process that does one thing, says a word, and waits to be told to end."""

    def __init__(self, work: Callable[[], object]) -> None:
        told, tell = os.pipe()
        self._hear, go = os.pipe()[::-1]
        self.pid = os.fork()
        if self.pid == 0:
            signal.alarm(60)  # whatever becomes of the test
            try:
                kept = work()
                os.write(tell, b"+" if kept else b"-")
                os.close(self._hear)
                os.read(go, 1)
                os._exit(0)
            finally:
                os._exit(1)
        os.close(tell)
        os.close(go)
        self.word = os.read(told, 1)
        os.close(told)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._hear)

    def end(self) -> None:
        os.write(self._hear, b".")
        os.close(self._hear)
        os.waitpid(self.pid, 0)


def test_a_killed_holder_holds_nothing_the_moment_it_is_dead(folder):
    slots = Slots(folder)
    child = Child(lambda: Slots(folder, "k3fq8z2m5a").take(("database",), part="task load"))
    assert child.word == b"+"
    assert slots.take(("database",)) is None
    assert "run k3fq8z2m5a (task load)" in reason(slots, ("database",))

    child.kill()

    assert slots.take(("database",)) is not None


def test_a_child_that_user_code_forked_keeps_nothing_of_a_dead_run(folder, tmp_path):
    left = tmp_path / "left"

    def work():
        lease = Slots(folder).take(("database",))
        sleeper = os.fork()
        if sleeper == 0:
            os.close(1)
            time.sleep(60)
            os._exit(0)
        left.write_text(str(sleeper))
        return lease

    child = Child(work)
    child.kill()
    sleeper = int(left.read_text())

    os.kill(sleeper, 0)  # it lives
    assert Slots(folder).take(("database",)) is not None
    os.kill(sleeper, signal.SIGKILL)


def test_a_program_that_a_dead_run_left_behind_keeps_nothing(folder, tmp_path):
    left = tmp_path / "left"

    def work():
        lease = Slots(folder).take(("database",))
        sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
        left.write_text(str(sleeper.pid))
        return lease

    child = Child(work)
    child.kill()

    assert Slots(folder).take(("database",)) is not None
    os.kill(int(left.read_text()), signal.SIGKILL)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_takes_nothing_away_from_its_parent_and_asks_for_its_own(folder):
    slots = Slots(folder)
    lease = slots.take(("wide",))
    one = Child(lambda: slots.take(("wide",)))
    two = Child(lambda: slots.take(("wide",), under=lease.grips))
    assert (one.word, two.word) == (b"+", b"+")
    assert slots.take(("wide",)) is None, "a child is lent nothing: its parent could not know"
    process = multiprocessing.get_context("fork").Process(target=lease.release)
    process.start()
    process.join()
    one.end()

    assert slots.free("wide") == 1
    assert len(slots.holders("wide")) == 2
    two.end()
    lease.release()
    assert slots.free("wide") == 3


def test_a_fork_in_the_middle_of_everything_leaves_a_child_that_can_ask(folder):
    slots = Slots(folder)
    Waiter(slots, ("database",)).take()
    Waiter(slots, ("database",)).take()

    def work():
        waiter = Waiter(slots, ("database",))
        return waiter.take() is None and waiter.pause < 1 and Waiter(slots, ("wide",)).take()

    with slots.lock:
        child = Child(work)

    assert child.word == b"+"
    child.end()


def _use(folder: Path, log: Path, names: tuple[str, ...], rounds: int, hold: float) -> None:
    slots = Slots(folder, str(os.getpid()))
    fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for _ in range(rounds):
        waiter = Waiter(slots, names)
        while (lease := waiter.take()) is None:
            time.sleep(waiter.pause)
        os.write(fd, f"+ {os.getpid()} {' '.join(names)}\n".encode())
        time.sleep(hold)
        os.write(fd, f"- {os.getpid()} {' '.join(names)}\n".encode())
        lease.release()


def _spawn(*arguments: object) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            _use(*arguments)
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def _wait_for(pids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    for pid in pids:
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            assert time.monotonic() < deadline, "somebody never had a turn"
            time.sleep(0.01)


def _most_at_once(log: Path) -> dict[str, int]:
    now: dict[str, int] = {}
    most: dict[str, int] = {}
    for line in log.read_text().splitlines():
        sign, _, *names = line.split()
        for name in names:
            now[name] = now.get(name, 0) + (1 if sign == "+" else -1)
            most[name] = max(most.get(name, 0), now[name])
    assert not any(now.values())
    return most


def test_many_processes_never_hold_more_than_there_are_and_all_come_to_their_turn(folder, tmp_path):
    log = tmp_path / "log"
    wanted = [("database",), ("wide",), ("database", "wide"), ("wide",), ("wide",), ("database", "wide")]

    _wait_for([_spawn(folder, log, names, 20, 0.001) for names in wanted])

    most = _most_at_once(log)
    assert most["database"] == 1
    assert 2 <= most["wide"] <= 3


def test_a_greedy_process_lets_a_patient_one_in_after_a_turn(folder, tmp_path):
    log = tmp_path / "log"
    greedy = _spawn(folder, log, ("database",), 100, 0.005)
    deadline = time.monotonic() + PATIENCE
    while not log.exists() or not log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    patient = _spawn(folder, log, ("database",), 5, 0.005)
    _wait_for([greedy, patient])

    order = [line.split()[1] for line in log.read_text().splitlines() if line.startswith("+")]
    first = order.index(str(patient))
    until_last = order[first : len(order) - order[::-1].index(str(patient))]
    assert until_last.count(str(patient)) == 5
    assert until_last.count(str(greedy)) <= 10, "they take turns"


def test_a_process_that_does_not_look_is_passed_by(folder):
    lease = Slots(folder).take(("database",))
    busy = Child(lambda: Waiter(Slots(folder), ("database",)).take() is None)
    assert busy.word == b"+"
    lease.release()
    waiter = Waiter(Slots(folder), ("database",))
    assert waiter.take() is None

    begun = time.monotonic()
    while waiter.take() is None:
        assert time.monotonic() < begun + PATIENCE
        time.sleep(waiter.pause)

    assert time.monotonic() - begun > 0.5
    busy.end()


def test_a_rate_holds_over_all_processes(folder, tmp_path):
    log = tmp_path / "log"
    begun = time.monotonic()
    _wait_for([_spawn(folder, log, ("api",), 10, 0) for _ in range(3)])
    took = time.monotonic() - begun

    assert (30 - 5) / 50 <= took < 5
