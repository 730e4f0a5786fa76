"""Rules about runs: made, waited for, cancelled, killed, retried, let go."""

import re
import subprocess
import sys
import time
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import MultipleResults, multiple, precondition, rule

from chaos.commanding.filing import FLOW_NAMES
from chaos.commanding.flow_files import FLOWS
from chaos.commanding.person import MOST_HELD, RUN_IDS, Person
from chaos.commanding.runs import ENDS
from chaos.commanding.serving import ALONE
from chaos.commanding.world import PATIENCE, Told

WORDS = {"x": "x", "": "", '"q"': "q", "ünï\u202e": "ünï\u202e", "a=b": "a=b", "1.50": "1.50", "true ": "true "}
"""What stands behind ``-p word=``, and the parameter that it is."""
BAD = (("-p", "m=1"), ("-p", "n=often"), ("-p", "n"), ("-p", "n=1", "-p", "n=2"), ("-p", "=1"), ("-p", "n=1.5"))
UIDS = re.compile(r"^[0-9a-z]{10}$")
Made = str | MultipleResults[str]


class Running(Person):
    """Does things to runs."""

    @rule(
        target=RUN_IDS,
        flow=FLOW_NAMES | st.sampled_from(["nosuch", "pla", ""]),
        options=st.sets(st.sampled_from(["--force", "--wait", "--json", "--follow"])),
        alone=ALONE,
    )
    def run(self, flow: str, options: set[str], alone: bool) -> Made:
        """Run a flow, and wait for its end or not."""
        held = flow in FLOWS and FLOWS[flow].is_held
        if held:
            options = options - {"--wait", "--follow"}
            if len(self.runs.held()) >= MOST_HELD:
                return multiple()
        self.does("run --wait" if options & {"--wait", "--follow"} else "run")
        return self._run(flow, {}, sorted(options), alone)

    @rule(target=RUN_IDS, n=st.integers(2, 9), word=st.sampled_from(sorted(WORDS)), alone=ALONE)
    def run_with_parameters(self, n: int, word: str, alone: bool) -> Made:
        """Run a flow with parameters of its own."""
        self.does("run -p")
        given = ["-p", f"n={n}", "-p", f"word={word}"]
        return self._run("plain", {"n": n, "word": WORDS[word]}, [*given, "--wait"], alone)

    @rule(target=RUN_IDS, flow=st.sampled_from(["gate", "alone", "scarce"]))
    def run_deaf(self, flow: str) -> Made:
        """Run what does not hear when it is asked to stop."""
        if len(self.runs.held()) >= MOST_HELD:
            return multiple()
        self.does("run what is deaf")
        return self._run(flow, {"deaf": True}, ["-p", "deaf=true"], alone=False)

    def _run(self, flow: str, parameters: dict[str, Any], options: list[str], alone: bool) -> Made:
        luck = self.has_luck
        told = self.world.tell("run", flow, *options, alone=alone)
        if (refusal := self._refusal(flow, options)) is not None:
            assert told.code == refusal, told
            return multiple()
        waited = bool({"--wait", "--follow"} & set(options))
        uid = self.expect(self._uid_of(told, options), flow, parameters=parameters)
        if not waited:
            assert told.code == 0, told
            return uid
        shown = self.world.read("show", uid)
        assert shown["state"] in ENDS, shown
        assert told.code == (0 if shown["state"] in ("completed", "cached") else 1), (told, shown)
        if flow == "plain":
            word = parameters.get("word", "")
            expected = [parameters.get("n", 1), self.folder.version_of("plain"), word]
            assert self.world.read("result", uid)["value"] == expected
        assert luck == self.has_luck
        return uid

    def _refusal(self, flow: str, options: list[str]) -> int | None:
        """Return the code with which a run is refused; None when it is made."""
        if not self.is_up:
            return 3
        if flow not in self.folder.holders:
            return 2 if flow == "" else 4
        return 6 if flow in self.folder.paused and "--force" not in options else None

    @staticmethod
    def _uid_of(told: Told, options: list[str]) -> str:
        if "--json" in options:
            document = told.document
            return str(document.get("id") or document["run"])
        uid = told.out.split()[-1] if told.code == 0 and not {"--wait", "--follow"} & set(options) else None
        uid = uid or told.err.split("run ")[1].split()[0]
        assert UIDS.match(uid), told
        return uid

    @rule(flow=FLOW_NAMES, bad=st.sampled_from(BAD), alone=ALONE)
    def run_badly(self, flow: str, bad: tuple[str, ...], alone: bool) -> None:
        """Run with parameters that cannot be meant."""
        self.does("run with bad parameters")
        told = self.world.tell("run", flow, *bad, alone=alone)
        is_said_here = bad[1] in ("n", "=1") or len(bad) > 2
        if is_said_here or (self.is_up and flow in self.folder.holders):
            assert told.code == 2, told
        else:
            assert told.code == (4 if self.is_up else 3), told

    @rule(target=RUN_IDS, flow=st.sampled_from(["plain", "steps", "dies", "slow", "flaky"]), version=st.integers(1, 3))
    def run_file(self, flow: str, version: int) -> Made:
        """Run a file of one's own in the terminal, with or without a daemon."""
        self.does("run FILE")
        file = self.world.place / f"{flow}.py"
        from chaos.commanding.flow_files import text_of

        file.write_text(text_of(flow, version, self.world.place))
        told = self.world.tell("run", str(file), alone=True)
        uid = told.err.splitlines()[-1].split("run ")[1].split()[0]
        assert UIDS.match(uid), told
        self.expect(uid, flow)
        shown = self.world.read("show", uid)
        assert told.code == (0 if shown["state"] == "completed" else 1), (told, shown)
        return uid

    @rule(n=st.integers(1000, 10**9), pause=st.sampled_from([0.0, 0.01, 0.03, 0.06, 0.08, 0.1, 0.12]))
    def run_while_the_daemon_dies(self, n: int, pause: float) -> None:
        """Ask for a run and kill the daemon meanwhile: what was answered is kept, and nothing is there twice."""
        if not self.is_up or n in self.runs.unanswered or "plain" not in self.folder.holders:
            return
        self.does("run while the daemon dies")
        asking = subprocess.Popen(
            [sys.executable, "-P", "-m", "tidemill", "run", "plain", "-p", f"n={n}", "--force"],
            env=self.world.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        time.sleep(pause)
        self.world.strike(self.world.pid)
        self.is_up = False
        out, err = asking.communicate(timeout=PATIENCE)
        assert asking.returncode in (0, 3), (out, err)
        assert "Traceback" not in err, err
        if asking.returncode == 0:
            self.expect(out.strip(), "plain", parameters={"n": n})
        else:
            self.runs.unanswered[n] = "plain"

    @rule(uid=RUN_IDS, alone=ALONE)
    def cancel(self, uid: str, alone: bool) -> None:
        """Cancel a run, over or not."""
        self.does("cancel")
        run = self.runs[uid]
        before = self.runs.last_seen.get(uid, {}).get("state")
        told = self.world.tell("cancel", uid, alone=alone)
        if run.is_pruned:
            assert told.code == 4, told
        elif not self.is_up:
            assert told.code == 3, told
        elif self.is_live(uid) is False:
            assert told.code == (0 if before == "cancelled" else 6), (before, told)
        else:
            assert told.code in ((0,) if run.is_held else (0, 6)), told
            run.may_end = {"cancelled"} if run.is_held else run.may_end | {"cancelled"}
            run.is_held = False
            if before == "pending" and run.parent is None:
                run.may_end |= {"cancelled"}

    @rule(uid=RUN_IDS)
    def let_go(self, uid: str) -> None:
        """Let a run come to its end."""
        if self.runs[uid].is_held:
            self.does("let go")
            self.world.let_go(uid)
            self.runs[uid].is_held = False

    @rule(has_luck=st.booleans())
    def change_luck(self, has_luck: bool) -> None:
        """Let the steps come to their end from now on, or not."""
        self.does("change luck")
        luck = self.world.place / "luck"
        luck.touch() if has_luck else luck.unlink(missing_ok=True)
        for uid, run in self.runs.known.items():
            if run.flow == "steps" and self.runs.last_seen.get(uid, {}).get("state") not in ENDS:
                run.may_end |= {"completed", "failed"}

    @precondition(lambda self: self.is_up)
    @rule(uid=RUN_IDS)
    def kill_a_run(self, uid: str) -> None:
        """Kill a run's process; it is shown as crashed."""
        run, seen = self.runs[uid], self.runs.last_seen.get(uid, {})
        if not run.is_held or seen.get("state") != "running":
            return
        self.does("kill a run")
        (pid,) = self.world.asked(f"SELECT pid FROM runs WHERE uid = '{uid}'")
        run.may_end, run.is_held = {"crashed"}, False
        self.world.strike(pid)
        self.world.soon(lambda: "" if (now := self.world.read("show", uid))["state"] == "crashed" else str(now))
        assert "SIGKILL" in self.world.read("show", uid)["error"]

    @rule(
        target=RUN_IDS,
        uid=RUN_IDS,
        begin=st.sampled_from([None, None, "first", "third", "nosuch"]),
        options=st.sets(st.sampled_from(["--wait", "--json", "--dry-run"])),
        alone=ALONE,
    )
    def retry(self, uid: str, begin: str | None, options: set[str], alone: bool) -> Made:
        """Run the failed tasks of a run again, or all from one on."""
        run = self.runs[uid]
        if FLOWS[run.flow].is_held:
            options = options - {"--wait"}
            if len(self.runs.held()) >= MOST_HELD:
                return multiple()
        last = self.runs.last_attempt(uid)
        self.does("retry --dry-run" if "--dry-run" in options else "retry" if begin is None else "retry --from")
        words = [*(() if begin is None else ("--from", begin)), *sorted(options)]
        codes = self._codes_of_retry(uid, last, begin)
        luck = self.has_luck
        told = self.world.tell("retry", uid, *words, alone=alone)
        if told.code > 1 or "--dry-run" in options:
            assert told.code in codes, (told, codes)
            return multiple()
        assert 0 in codes, (told, codes)
        made = self._uid_of(told, sorted(options))
        parent = self.runs[last]
        self.expect(
            made, run.flow, parameters=parent.parameters, parent=last, attempt=self.runs.last_seen[last]["attempt"] + 1,
            begin=begin,
        )  # fmt: skip
        known = self.runs[made]
        if run.flow == "flaky":
            known.may_end |= {"completed"}
        if "--wait" in options:
            state = self.world.read("show", made)["state"]
            assert told.code == (0 if state == "completed" else 1), (told, state)
            assert luck == self.has_luck
        return made

    def _codes_of_retry(self, uid: str, last: str, begin: str | None) -> set[int]:
        """Return the codes that a retry may end with, before waiting."""
        run = self.runs[uid]
        if run.is_pruned:
            return {4}
        if not self.is_up:
            return {3}
        seen = self.runs.last_seen.get(last)
        if seen is None:
            return {4}
        if seen["state"] not in ENDS:
            return {6} if self.runs[last].is_held else {0, 4, 6}
        if seen["state"] == "completed" and begin is None:
            return {6}
        if run.flow not in self.folder.holders:
            return {4}
        if begin is not None and (begin == "nosuch" or run.flow != "steps"):
            return {4}
        return {0}

    @rule(flow=FLOW_NAMES, alone=ALONE)
    def pause(self, flow: str, alone: bool) -> None:
        """Hold a flow's schedules back."""
        self.does("pause")
        told = self.world.tell("pause", flow, alone=alone)
        assert told.code == self._about_flow(flow), told
        if told.code == 0 and flow not in self.folder.paused:
            self.folder.paused.add(flow)
            self.pauses.setdefault(flow, []).append([time.time_ns() // 1000, 1 << 62])

    @rule(flow=FLOW_NAMES, alone=ALONE)
    def resume(self, flow: str, alone: bool) -> None:
        """Let them go on."""
        self.does("resume")
        if flow in self.folder.paused and self.is_up and flow in self.folder.holders:
            self.folder.paused.remove(flow)
            self.pauses[flow][-1][1] = time.time_ns() // 1000
        told = self.world.tell("resume", flow, alone=alone)
        assert told.code == self._about_flow(flow), told

    def _about_flow(self, flow: str) -> int:
        return 3 if not self.is_up else 0 if flow in self.folder.holders else 4
