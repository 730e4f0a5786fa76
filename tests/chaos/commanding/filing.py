"""Rules about flow files: dropped, edited, broken, copied, renamed, taken away."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from chaos.commanding.flow_files import BREAKS, FLOWS
from chaos.commanding.person import Person

FLOW_NAMES = st.sampled_from(sorted(FLOWS))
PLACES = st.sampled_from(["{}.py", "{}.py", "other_{}.py", "below/{}.py"])
VERSIONS = st.integers(1, 3)


class Filing(Person):
    """Does things to flow files."""

    @rule(flow=FLOW_NAMES, place=PLACES, version=VERSIONS, by_reload=st.booleans())
    def drop(self, flow: str, place: str, version: int, by_reload: bool) -> None:
        """Drop a file, which may be a new one, an edit, or a second one with the same flow."""
        name = place.format(flow)
        self.does("edit a file" if name in self.folder.files else "drop a file")
        self.write(name, flow, version)
        self.after_change(by_reload=by_reload)

    @rule(flow=FLOW_NAMES, place=PLACES, text=st.sampled_from(BREAKS), by_reload=st.booleans())
    def spoil(self, flow: str, place: str, text: str, by_reload: bool) -> None:
        """Break a file; its last good version stays."""
        name = place.format(flow)
        if name not in self.folder.files:
            return
        self.does("break a file")
        self.world.drop(name, text)
        self.folder.spoil(name)
        self.after_change(by_reload=by_reload)

    @rule(flow=FLOW_NAMES, place=PLACES, by_reload=st.booleans())
    def remove(self, flow: str, place: str, by_reload: bool) -> None:
        """Take a file away."""
        name = place.format(flow)
        if name not in self.folder.files:
            return
        self.does("remove a file")
        (self.world.flows / name).unlink()
        self.folder.remove(name)
        self.after_change(by_reload=by_reload)

    @rule(flow=FLOW_NAMES, place=PLACES, other=PLACES, by_reload=st.booleans())
    def rename(self, flow: str, place: str, other: str, by_reload: bool) -> None:
        """Give a file another name."""
        name, fresh = place.format(flow), other.format(flow)
        if name == fresh or name not in self.folder.files or self.folder.files[name].is_broken:
            return
        if self.is_up and sum(file.flow == flow for file in self.folder.files.values()) > 1:
            return  # whose the flow's name is then depends on which half of it a daemon sees first
        self.does("rename a file")
        (self.world.flows / fresh).parent.mkdir(exist_ok=True)
        (self.world.flows / name).replace(self.world.flows / fresh)
        moved = self.folder.files[name]
        self.has_been_absent.add(flow)
        self.folder.remove(name)
        self.folder.write(fresh, flow, moved.version)
        self.after_change(by_reload=by_reload)
