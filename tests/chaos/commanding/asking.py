"""Rules about reading: whatever is asked, the answer is there, and says what is so."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from acceptance.test_acceptance_contract import FLOW, RUN, TASK, TEXT, TIME, check
from chaos.commanding.filing import FLOW_NAMES
from chaos.commanding.person import RUN_IDS, Person
from chaos.commanding.runs import ENDS
from chaos.commanding.serving import ALONE

STRANGE = st.sampled_from(
    ["zzz", "ab", "", "../../x", "last", "plain@last", "nosuch@last", "@last", "-x", "é", "0" * 99]
)
"""References to runs that are none, or depend."""
PARTS = st.sampled_from([(), ("--all",), ("--state", "failed"), ("--task", "nosuch")])
LINES = st.sampled_from([(), ("--json",), ("-n", "1"), ("--task", "make"), ("--raw",)])
OUTCOMES = {"ran", "late", "coalesced", "missed", "skipped", "paused", "broken", "not_due", "upcoming"}
NONSENSE = (
    ("frobnicate",), ("runs", "--state", "done"), ("runs", "-n", "0"), ("runs", "--since", "soon"), ("show",),
    ("why", "plain", "--at", "noonish"), ("logs", "--nosuch"), ("cancel",), ("next", "-n", "x"), ("--nosuch", "runs"),
)  # fmt: skip


class Asking(Person):
    """Reads."""

    @rule(
        flow=st.none() | FLOW_NAMES,
        states=st.sets(st.sampled_from([*sorted(ENDS), "pending", "running"]), max_size=3),
        since=st.sampled_from([None, "1h", "0s", "yesterday 02:00"]),
        most=st.sampled_from([None, 1, 3, 100_000]),
        is_top=st.booleans(),
        alone=ALONE,
    )
    def list_runs(
        self, flow: str | None, states: set[str], since: str | None, most: int | None, is_top: bool, alone: bool
    ) -> None:
        """List some of the runs: those, and no others."""
        self.does("runs")
        words = ["runs", "--json", *(("--flow", flow) if flow else ()), *(("--since", since) if since else ())]
        words += [word for state in sorted(states) for word in ("--state", state)] + (["--top"] if is_top else [])
        words += ["-n", str(most)] if most else []
        told = self.world.tell(*words, alone=alone)
        if told.code != 0:
            assert told.code == (4 if self.world.has_history else 3), told
            assert flow is not None or not self.world.has_history
            return
        for run in told.document:
            check(run, RUN)
            assert flow in (None, run["flow"])
            assert not states or run["state"] in states
            assert not (is_top and run["root"])
        found = [run["id"] for run in told.document]
        assert len(found) <= (most or 20)
        if most == 100_000 and since != "0s":
            missing = [
                uid
                for uid, run in self.runs.last_seen.items()
                if flow in (None, run["flow"]) and not (is_top and run["root"]) and uid not in found
                and (not states or (run["state"] in states and run["state"] in ENDS))
            ]  # fmt: skip
            assert not missing, f"not listed: {missing}"

    @rule(
        uid=RUN_IDS, words=st.sampled_from([(), ("--all",), ("--state", "failed"), ("--task", "nosuch")]), alone=ALONE
    )
    def show_run(self, uid: str, words: tuple[str, ...], alone: bool) -> None:
        """Show a run, whole or in part."""
        self.does("show RUN")
        told = self.world.tell("show", uid, *words, "--json", alone=alone)
        if self.runs[uid].is_pruned or "nosuch" in words:
            assert told.code == 4, told
            return
        assert told.code == 0, told
        check(told.document, RUN)
        for task in told.document["tasks"]:
            check(task, TASK)
            if task["error"] is not None:
                check(task["error"], {"type": str, "message": str, "traceback": TEXT})
        for event in told.document["events"]:
            check(event, {"at": TIME, "state": TEXT, "note": TEXT})
        assert self.world.tell("show", uid, *words, alone=alone).code == 0

    @rule(reference=STRANGE, verb=st.sampled_from(["show", "logs", "result", "cancel", "retry"]), alone=ALONE)
    def ask_strangely(self, reference: str, verb: str, alone: bool) -> None:
        """Name a run that is none."""
        if reference in ("last", "plain@last") and verb in ("cancel", "retry"):
            return
        self.does("a run that is none")
        told = self.world.tell(verb, reference, alone=alone)
        if reference in ("last", "plain@last"):
            assert told.code in (0, 3, 4), told
        else:
            assert told.code in ((2, 3) if reference == "-x" else (3,) if not self.world.has_history else (2, 4)), told

    @rule(
        uid=RUN_IDS, words=st.sampled_from([(), ("--json",), ("-n", "1"), ("--task", "make"), ("--raw",)]), alone=ALONE
    )
    def read_logs(self, uid: str, words: tuple[str, ...], alone: bool) -> None:
        """Read what a run wrote."""
        self.does("logs")
        told = self.world.tell("logs", uid, *words, alone=alone)
        run = self.runs[uid]
        assert told.code == (4 if run.is_pruned else 0), told
        if told.code == 0 and run.flow == "plain" and self.runs.last_seen[uid]["state"] == "completed":
            assert f"made {run.parameters.get('n', 1)}" in told.out, told

    @rule(uid=RUN_IDS, task=st.sampled_from([None, "first", "make", "0", "nosuch"]), alone=ALONE)
    def read_result(self, uid: str, task: str | None, alone: bool) -> None:
        """Read what a run or a task returned."""
        self.does("result")
        told = self.world.tell("result", uid, *([task] if task else []), "--json", alone=alone)
        assert told.code in (0, 4), told
        if self.runs[uid].is_pruned or task == "nosuch":
            assert told.code == 4, told
        elif self.runs[uid].flow == "plain" and self.runs.last_seen[uid]["state"] == "completed" and task is None:
            assert told.document["value"][0] == self.runs[uid].parameters.get("n", 1)

    @rule(flow=FLOW_NAMES, back=st.none() | st.integers(-3, 6), alone=ALONE)
    def ask_why(self, flow: str, back: int | None, alone: bool) -> None:
        """Ask why a flow ran or did not."""
        self.does("why")
        at = (datetime.now(UTC) - timedelta(seconds=back or 0)).replace(microsecond=0)
        words = ("why", flow, *(() if back is None else ("--at", at.isoformat())))
        told = self.world.tell(*words, "--json", alone=alone)
        if told.code != 0:
            assert told.code == (4 if self.world.has_history else 3), told
            assert flow not in self.folder.holders or not self.world.has_history, told
            return
        check(told.document, {"flow": str, "outcome": str, "run": TEXT, "reason": str})
        assert told.document["outcome"] in OUTCOMES
        sentence = self.world.tell(*words)
        assert sentence.out.startswith(f"{flow} ")
        assert sentence.out.count("\n") == 1

    @rule(flow=st.none() | FLOW_NAMES, alone=ALONE)
    def ask_what_is_next(self, flow: str | None, alone: bool) -> None:
        """Ask when flows are due."""
        self.does("next")
        told = self.world.tell("next", *([flow] if flow else []), "--json", alone=alone)
        if not self.world.has_history or told.code != 0:
            assert told.code == (4 if self.world.has_history else 3), told
            return
        named = {moment["flow"] for moment in told.document}
        for moment in told.document:
            check(moment, {"flow": str, "schedule": str, "at": TIME})
        is_due = "ticks" in self.folder.holders and "ticks" not in self.folder.paused and flow in (None, "ticks")
        if self.is_up:
            assert named == ({"ticks"} if is_due else set()), (named, self.folder)

    @rule(flow=FLOW_NAMES, verb=st.sampled_from(["show", "graph", "stats"]), as_json=st.booleans(), alone=ALONE)
    def look_at_a_flow(self, flow: str, verb: str, as_json: bool, alone: bool) -> None:
        """Look at one flow."""
        self.does(f"{verb} FLOW")
        told = self.world.tell(verb, flow, *(["--json"] if as_json else []), alone=alone)
        if not self.world.has_history:
            assert told.code == 3, told
        elif flow in self.folder.holders and self.is_up:
            assert told.code == 0, told
        assert told.code in (0, 3, 4), told
        if verb == "show" and as_json and told.code == 0:
            check(told.document, FLOW)

    @rule(alone=ALONE, as_json=st.booleans())
    def check_files(self, alone: bool, as_json: bool) -> None:
        """Have the files checked, whoever serves."""
        self.does("check")
        told = self.world.tell("check", *(["--json"] if as_json else []), alone=alone)
        flows = [file.flow for file in self.folder.files.values() if not file.is_broken]
        is_wrong = len(set(flows)) < len(flows) or any(file.is_broken for file in self.folder.files.values())
        assert told.code == is_wrong, told

    @rule(words=st.sampled_from(NONSENSE), alone=ALONE)
    def talk_nonsense(self, words: tuple[str, ...], alone: bool) -> None:
        """Say what cannot be meant."""
        self.does("nonsense")
        told = self.world.tell(*words, alone=alone)
        unknown = {4} if "plain" in words and "plain" not in self.folder.holders else set()
        assert told.code in ({2} | unknown if self.world.has_history else {2, 3}), told
        assert not told.out
