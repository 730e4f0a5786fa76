"""Rules about the daemon: started, stopped, killed, and told to look again."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from chaos.commanding.flow_files import FLOWS
from chaos.commanding.person import Person
from chaos.commanding.runs import ENDS

ALONE = st.sampled_from([False, False, False, False, True])
"""Whether a command has a process of its own."""


class Serving(Person):
    """Does things to the daemon."""

    @initialize(
        flows=st.sets(st.sampled_from(sorted(FLOWS)), min_size=4), is_served=st.sampled_from([True, True, False])
    )
    def begin(self, flows: set[str], is_served: bool) -> None:
        """Begin with some flow files, and a daemon or none."""
        for flow in sorted(flows):
            self.write(f"{flow}.py", flow, 1)
        if is_served:
            self.bring_up(self.world.tell("start"))

    @rule(alone=ALONE)
    def start(self, alone: bool) -> None:
        """Start a daemon; a second one is refused."""
        self.does("start")
        told = self.world.tell("start", alone=alone)
        if self.is_up:
            assert told.code == 6, told
        else:
            self.bring_up(told)

    @rule(alone=ALONE)
    def restart(self, alone: bool) -> None:
        """Stop it where it serves, and start it."""
        self.does("restart")
        self.bring_up(self.world.tell("restart", alone=alone))

    @rule(how=st.sampled_from(["", "--drain", "--cancel", "--drain --cancel"]), alone=ALONE)
    def stop(self, how: str, alone: bool) -> None:
        """Stop the daemon, and what goes on with it or not."""
        self.does(f"stop {how}".rstrip())
        if how == "--drain" and self.runs.held():
            how = ""
        told = self.world.tell("stop", *how.split(), alone=alone)
        if how == "--drain --cancel":
            assert told.code == 2, told
            return
        assert told.code == (0 if self.is_up else 3), told
        if how == "--cancel" and self.is_up:
            for uid, run in self.runs.known.items():
                if uid in self.runs.last_seen and self.runs.last_seen[uid]["state"] not in ENDS:
                    # Runs that wait are left for the next daemon.
                    run.may_end |= {"cancelled"}
        self.is_up = False

    @precondition(lambda self: self.is_up)
    @rule()
    def kill_the_daemon(self) -> None:
        """Kill it; live runs go on."""
        self.does("kill the daemon")
        self.world.strike(self.world.pid)
        self.is_up = False

    @rule(alone=ALONE)
    def reload(self, alone: bool) -> None:
        """Have everything read again."""
        self.does("reload")
        told = self.world.tell("reload", alone=alone)
        assert told.code == ((1 if self.folder.with_errors() else 0) if self.is_up else 3), told

    @rule(alone=ALONE)
    def status(self, alone: bool) -> None:
        """Ask how it is."""
        self.does("status")
        assert self.world.tell("status", alone=alone).code == (0 if self.is_up else 3)
