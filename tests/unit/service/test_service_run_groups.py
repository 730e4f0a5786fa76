"""What the daemon makes of the control groups of runs; the kernel's side is tested with the kernel."""

import signal

import pytest

from tidemill.dispatcher.runs import ActiveRun
from tidemill.forkserver.cgroups import Place, Spent
from tidemill.service import run_groups
from tidemill.service.run_groups import RunGroups


class Kernel:
    """A tree of groups made of plain values."""

    def __init__(self):
        self.groups = {}
        self.busy, self.killed = set(), []

    def look(self, folder, run):
        return self.groups.get(run)

    def groups_in(self, folder):
        return list(self.groups)

    def has_used_up_cpu(self, folder, run):
        spent = self.groups.get(run)
        return spent is not None and spent.cpu is not None and spent.cpu[1] >= spent.cpu[0]

    def kill(self, folder, run):
        self.killed.append(run)

    def remove(self, folder, run):
        return run not in self.busy and (self.groups.pop(run, None), True)[1]


@pytest.fixture
def kernel(monkeypatch):
    made = Kernel()
    monkeypatch.setattr(run_groups, "cgroups", made)
    return made


@pytest.fixture
def groups(kernel):
    return RunGroups(Place("/sys/fs/cgroup/t/runs", ""))


def test_only_a_run_with_limits_that_a_group_keeps_gets_one(groups):
    assert groups.folder_for({"memory": 1}) == groups.folder_for({"cpu": 1, "output": 1}) == "/sys/fs/cgroup/t/runs"
    assert groups.folder_for({"output": 1, "open_files": 1}) == groups.folder_for({}) == ""


@pytest.mark.parametrize(
    ("spent", "status", "told"),
    [
        (Spent((60_000_000, True), None, None), -9, "memory, 60 MB, which counts all its processes together: the ker"),
        (Spent((60_000_000, True), None, None), 1, "memory, 60 MB"),
        (Spent((60_000_000, False), (20, True), None), 1, "processes, 20, which counts"),
        (Spent(None, None, (5, 5.2)), -signal.SIGKILL, "cpu, 5 s, which counts"),
        (Spent(None, None, (5, 5.2)), 0, None),
        (Spent((60_000_000, False), (20, False), (5, 1.0)), -9, None),
    ],
)
def test_what_was_met_is_one_sentence_and_the_group_goes(groups, kernel, spent, status, told):
    kernel.groups["a"] = spent
    met = groups.met("a", status)
    assert met is None if told is None else f"the run met its limit on {told}" in met
    assert kernel.groups == {}
    assert groups.met("a", status) is None


def test_a_group_that_is_still_held_is_taken_away_later(groups, kernel):
    kernel.groups["a"], kernel.busy = Spent(None, None, None), {"a"}
    groups.met("a", 0)
    assert "a" in kernel.groups

    kernel.busy.clear()
    groups.enforce([])

    assert kernel.groups == {}


def test_processor_time_that_is_used_up_ends_the_run(groups, kernel):
    kernel.groups |= {"a": Spent(None, None, (5, 5.0)), "b": Spent(None, None, (5, 4.9)), "c": Spent(None, None, None)}
    groups.enforce([ActiveRun(uid, "f") for uid in "abcd"])
    assert kernel.killed == ["a"]


def test_groups_of_runs_that_ended_while_nobody_looked_are_taken_away(groups, kernel):
    kernel.groups |= {"gone": Spent(None, None, None), "live": Spent(None, None, None)}
    groups.take_up([ActiveRun("live", "f")])
    assert list(kernel.groups) == ["live"]


def test_where_there_are_none_nothing_is_looked_for(monkeypatch):
    monkeypatch.setattr(run_groups, "cgroups", None)
    nowhere = RunGroups(Place("", "no control group is delegated to the daemon (Delegate=)"))
    nowhere.enforce([ActiveRun("a", "f")])
    nowhere.take_up([])
    assert nowhere.met("a", -9) is None
    assert nowhere.folder_for({"memory": 1}) == ""
    assert nowhere.told() == {"kind": "rlimit", "reason": "no control group is delegated to the daemon (Delegate=)"}
