"""Rules about care: what is removed, copied, examined and set right."""

import sqlite3
from contextlib import closing

from hypothesis import strategies as st
from hypothesis.stateful import rule

from chaos.commanding.person import Person
from chaos.commanding.runs import ENDS
from chaos.commanding.serving import ALONE

BOUNDS = st.sampled_from(
    ["--keep 1", "--keep 2", "--older-than 0s", "--older-than 0s --failed", "--max-size 1kB", "", "--keep 1 --dry-run"]
)


class Caring(Person):
    """Takes care."""

    @rule(bounds=BOUNDS, alone=ALONE)
    def prune(self, bounds: str, alone: bool) -> None:
        """Remove what is old: as many runs as it says, none that goes on, and of no flow the newest."""
        self.does("prune --dry-run" if "dry" in bounds else "prune")
        if not self.world.has_history:
            assert self.world.tell("prune", *bounds.split(), alone=alone).code == 3
            return
        before = self._all_runs()
        report = self.world.tell("prune", *bounds.split(), "--json", alone=alone)
        assert report.code == 0, report
        after = self._all_runs()
        gone = set(before) - set(after)
        if "dry" in bounds:
            assert not gone
            return
        tops = [uid for uid in gone if before[uid]["root"] is None]
        assert report.document["runs"] in (len(tops), len(gone)), (report, gone)
        bereft = {before[uid]["flow"] for uid in tops} - {run["flow"] for run in after.values()}
        assert not bereft, f"not even the newest runs are left of {bereft}"
        for uid in tops:
            assert before[uid]["state"] in ENDS or before[uid]["flow"] == "ticks", before[uid]
            kept = [other for other, run in after.items() if run["parent"] == uid and run["root"] is None]
            assert not kept, f"{kept} were made of {uid}, which is gone"
        self.runs.forget(gone)

    def _all_runs(self) -> dict[str, dict[str, object]]:
        return {run["id"]: run for run in self.world.read("runs", "-n", "100000")}

    @rule(name=st.sampled_from(["a.db", "b.db"]), is_forced=st.booleans(), alone=ALONE)
    def back_up(self, name: str, is_forced: bool, alone: bool) -> None:
        """Copy the history; the copy is sound and has every run that anybody was told of."""
        self.does("backup")
        file = self.world.place / name
        had_file = file.exists()
        told = self.world.tell("backup", str(file), *(["--force"] if is_forced else []), "--json", alone=alone)
        if not self.world.has_history:
            assert told.code == 3, told
            return
        assert told.code == (6 if had_file and not is_forced else 0), told
        if told.code == 0:
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as copy:
                assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                found = {uid for (uid,) in copy.execute("SELECT uid FROM runs")}
            assert not {uid for uid, run in self.runs.known.items() if not run.is_pruned} - found
            assert told.document["runs"] == len(found)

    @rule(alone=ALONE)
    def examine(self, alone: bool) -> None:
        """Have everything examined: nothing is wrong."""
        self.does("doctor")
        told = self.world.tell("doctor", "--json", alone=alone)
        assert told.document["errors"] == 0, told.out
        assert told.code == 0, told

    @rule(alone=ALONE)
    def repair(self, alone: bool) -> None:
        """Have everything set right: never beside a daemon, and nothing is lost by it."""
        self.does("doctor --repair")
        told = self.world.tell("doctor", "--repair", "--json", alone=alone)
        assert told.code == (6 if self.is_up else 0), told
