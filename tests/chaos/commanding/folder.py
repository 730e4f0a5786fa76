"""What the watched folder holds, and what a daemon that has looked at it must know: written without the product."""

from dataclasses import dataclass, field


@dataclass
class File:
    """A file as it is on the disk, and as a daemon has seen it."""

    flow: str
    version: int
    is_broken: bool = False
    seen: int | None = None
    """The last good version that a daemon has seen and not yet seen leave."""


@dataclass
class Folder:
    """The files by their names, and who may use which flow's name."""

    files: dict[str, File] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)
    """Each flow's name to the file that has it."""
    paused: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)

    def write(self, name: str, flow: str, version: int) -> None:
        """A good version is on the disk."""
        before = self.files.get(name)
        self.files[name] = File(flow, version, seen=before.seen if before is not None and before.flow == flow else None)

    def spoil(self, name: str) -> None:
        """The file is not usable any more."""
        self.files[name].is_broken = True

    def remove(self, name: str) -> None:
        """The file is gone."""
        del self.files[name]

    def look(self) -> None:
        """A daemon has seen all of it."""
        for file in self.files.values():
            if not file.is_broken:
                file.seen = file.version
        claims: dict[str, list[str]] = {}
        for name in sorted(self.files):
            if self.files[name].seen is not None:
                claims.setdefault(self.files[name].flow, []).append(name)
        self.holders = {
            flow: self.holders[flow] if self.holders.get(flow) in names else names[0] for flow, names in claims.items()
        }

    def version_of(self, flow: str) -> int | None:
        """Return the version that a run of *flow* executes; None where there is no such flow."""
        holder = self.holders.get(flow)
        return None if holder is None else self.files[holder].seen

    def with_errors(self) -> set[str]:
        """Return the files that have something wrong with them."""
        return {
            name
            for name, file in self.files.items()
            if file.is_broken or (file.seen is not None and self.holders.get(file.flow) != name)
        }
