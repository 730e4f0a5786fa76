"""What every rule needs: the world, what must be true of it, and a look at all of it after each step."""

import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant

from acceptance.test_acceptance_contract import FLOW, RUN, STATUS, check
from chaos.commanding.flow_files import FLOWS, text_of
from chaos.commanding.folder import Folder
from chaos.commanding.rest import come_to_rest
from chaos.commanding.runs import ENDS, Known, Runs
from chaos.commanding.world import Told, World

RUN_IDS: Bundle[str] = Bundle("run_ids")
MOST_HELD = 4
"""Runs that are held at once: fewer than the daemon has slots, lest nothing else could end."""


class Person(RuleBasedStateMachine):
    """Commands a daemon, and knows what must come of it."""

    steps: ClassVar[Counter[str]] = Counter()
    """How often each rule was followed, over all histories."""
    figures: ClassVar[Counter[str]] = Counter()
    below: ClassVar[Path | None] = None
    """The folder of all worlds; None: where temporary things are."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Path(tempfile.mkdtemp(prefix="history-", dir=self.below)))
        self.folder = Folder()
        self.runs = Runs()
        self.is_up = False
        self.pauses: dict[str, list[list[int]]] = {}
        """When each flow was known to be paused: from the answer to the pause until it was resumed or its file left."""
        self.has_been_absent: set[str] = set()
        """Flows whose files left, while a daemon looked or not."""

    def does(self, rule: str) -> None:
        """Count a step."""
        self.steps[rule] += 1

    # What is known

    def is_live(self, uid: str) -> bool | None:
        """Tell whether a run goes on; None where it may end this moment."""
        if self.runs.last_seen[uid]["state"] in ENDS:
            return False
        return True if self.runs[uid].is_held else None

    def expect(self, uid: str, flow: str, **more: Any) -> str:
        """Take note of a run that was made."""
        ends, version = set(FLOWS[flow].ends), self.folder.version_of(flow)
        if flow == "steps":
            ends = {"completed" if self.has_luck else "failed"}
        parameters = more.pop("parameters", {})
        held = FLOWS[flow].is_held
        known = Known(flow, ends, parameters, is_held=held, version=version, **more)
        known.is_deaf = bool(parameters.get("deaf"))
        self.runs.known[uid] = known
        return uid

    @property
    def has_luck(self) -> bool:
        """Tell whether the second of the steps comes to its end."""
        return (self.world.place / "luck").exists()

    def write(self, name: str, flow: str, version: int) -> None:
        """Put a version of a flow file into the folder."""
        self.world.drop(name, text_of(flow, version, self.world.place))
        self.folder.write(name, flow, version)

    def after_change(self, *, by_reload: bool = False) -> None:
        """Wait until what changed in the folder is in force."""
        if not self.is_up:
            self.has_been_absent |= set(self.folder.holders) - {file.flow for file in self.folder.files.values()}
            return
        self.folder.look()
        self.has_been_absent |= set(FLOWS) - set(self.folder.holders)
        if by_reload:
            told = self.world.tell("reload")
            assert told.code == (1 if self.folder.with_errors() else 0), told
            assert not (wrong := self.wrong_with_flows()), f"after a reload: {wrong}"
        self.world.soon(self.wrong_with_flows)

    def wrong_with_flows(self) -> str:
        """Return what the listing of flows says that is not so."""
        listed = self.world.read("flows")
        flows = {flow["name"]: flow for flow in listed if flow["name"] is not None and flow["active"]}
        if set(flows) - {"nest/inner"} != set(self.folder.holders):
            return f"the flows are {sorted(flows)} and should be {sorted(self.folder.holders)}"
        errors = self.folder.with_errors()
        for name, flow in flows.items():
            check(flow, FLOW)
            if name == "nest/inner":
                continue
            holder = self.folder.holders[name]
            if f"v{self.folder.version_of(name)}" not in flow["tags"] or flow["file"] != holder:
                return (
                    f"{name} has {flow['tags']} of {flow['file']}; it should be {holder}, {self.folder.files[holder]}"
                )
            if (flow["error"] is not None) != (holder in errors):
                return f"the error of {name} is {flow['error']}; files with errors: {errors}"
            if flow["paused"] != (name in self.folder.paused):
                return f"{name} is {'' if flow['paused'] else 'not '}paused"
        nameless = {flow["file"] for flow in listed if flow["name"] is None}
        expected = errors - set(self.folder.holders.values())
        return "" if nameless == expected else f"broken files are {nameless} and should be {expected}"

    # What is looked at after each step

    @invariant()
    def all_is_as_it_was_told(self) -> None:
        """Look at the runs and at the daemon."""
        self.what_is_listed_is_what_was_told()
        self.the_status_is_true()

    def what_is_listed_is_what_was_told(self) -> None:
        """The runs are those that somebody was told of, and all of them only go forward."""
        if self.world.has_history:
            listed = self.world.read("runs", "-n", "100000")
            for run in listed:
                check(run, RUN)
            wrong = self.runs.compare(listed)
            assert not wrong, wrong

    def the_status_is_true(self) -> None:
        """The daemon is there or not, and counts what there is."""
        told = self.world.tell("status", "--json")
        assert told.code == (0 if self.is_up else 3), told
        status = told.document
        check(status, STATUS)
        assert status["running"] is self.is_up
        if self.is_up:
            assert status["problem"] is None, status["problem"]
            flows = set(self.folder.holders)
            inner = {"nest/inner"} if "nest" in flows else set()
            assert status["flows"] == len(flows | inner), (status, flows)
            assert status["paused"] == len(self.folder.paused & flows), (status, self.folder.paused)
            broken = {
                Path(error["file"]).relative_to(self.world.flows.resolve()).as_posix() for error in status["errors"]
            }
            assert broken == self.folder.with_errors(), (broken, self.folder)

    def teardown(self) -> None:
        """Let it come to rest and judge the whole history, unless something was wrong already."""
        try:
            if sys.exc_info()[0] is None:
                began = time.monotonic()
                come_to_rest(self)
                self.figures["seconds of settling"] += round(time.monotonic() - began)
        finally:
            self.figures["commands"] += self.world.commands
            self.figures["processes"] += self.world.processes
            self.figures["runs"] += len(self.runs.last_seen)
            self.figures["histories"] += 1
            self.world.sweep()
            wrong = sys.exc_info()[1]
            if isinstance(wrong, AssertionError):
                # At once: it may take long until Hypothesis has made the history as short as it can be.
                print(f"in {self.world.folder}: {str(wrong)[:2000]}", file=sys.stderr, flush=True)
            else:
                shutil.rmtree(self.world.folder)

    def bring_up(self, told: Told) -> None:
        """A daemon was started: it has looked at everything when that is told."""
        assert told.code == 0, told
        self.is_up = True
        self.folder.look()
        wrong = self.wrong_with_flows()
        assert not wrong, f"after the start: {wrong}"
