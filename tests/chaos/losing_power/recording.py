"""What processes did to a folder, one deed after the other: all that a loss of power can be played back from."""

import pickle
from pathlib import Path
from typing import Any, NamedTuple


class Made(NamedTuple):
    """A file or a folder came to be under a name."""

    folder: int
    name: str
    node: int
    is_folder: bool


class Written(NamedTuple):
    """Bytes went into a file."""

    node: int
    offset: int
    data: bytes


class Cut(NamedTuple):
    """A file was given a length."""

    node: int
    size: int


class Linked(NamedTuple):
    """A file got one more name."""

    folder: int
    name: str
    node: int


class Unlinked(NamedTuple):
    """A name went."""

    folder: int
    name: str


class Renamed(NamedTuple):
    """A name was given to what had another one."""

    folder: int
    name: str
    to_folder: int
    to_name: str
    node: int


class Synced(NamedTuple):
    """A file or a folder was brought to the disk: what had been done to it before *since*, the number of a deed."""

    node: int
    since: int


class Told(NamedTuple):
    """Somebody was told something that holds from now on, whatever happens."""

    what: str
    facts: Any


Deed = Made | Written | Cut | Linked | Unlinked | Renamed | Synced | Told

ROOT = 0
"""The node of the folder itself."""


class Recording(NamedTuple):
    """The deeds in the order of the machine, and where they were done."""

    folder: Path
    deeds: list[Deed]

    def save(self, path: Path) -> None:
        """Write it to a file."""
        path.write_bytes(pickle.dumps((str(self.folder), [(type(deed).__name__, *deed) for deed in self.deeds])))

    @staticmethod
    def load(path: Path) -> "Recording":
        """Read one that was saved; only for files of one's own."""
        folder, rows = pickle.loads(path.read_bytes())
        return Recording(Path(folder), [_KINDS[name](*fields) for name, *fields in rows])

    def without_syncs(self, *, of_folders: bool = False, named: str = "") -> "Recording":
        """Return what it would be had nobody synced folders, or files whose name ends with *named*: a seeded bug."""
        folders = {ROOT} | {deed.node for deed in self.deeds if isinstance(deed, Made) and deed.is_folder}
        ending = {
            deed.node for deed in self.deeds if isinstance(deed, Made | Linked) and named and deed.name.endswith(named)
        }
        spared = (folders if of_folders else set()) | ending
        # Their places are kept: other syncs count deeds.
        return Recording(
            self.folder,
            [Told("", None) if isinstance(deed, Synced) and deed.node in spared else deed for deed in self.deeds],
        )


_KINDS: dict[str, Any] = {kind.__name__: kind for kind in (Made, Written, Cut, Linked, Unlinked, Renamed, Synced, Told)}
