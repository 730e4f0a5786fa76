"""A disk with a cache before it: of every file and folder what is safe, and what was done to it since."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from chaos.losing_power.recording import (
    ROOT,
    Cut,
    Deed,
    Linked,
    Made,
    Renamed,
    Synced,
    Told,
    Unlinked,
    Written,
)

Change = Written | Cut
Naming = Made | Linked | Unlinked | Renamed


class Numbered(NamedTuple):
    """A deed with its place among all."""

    number: int
    deed: Deed


@dataclass(slots=True)
class File:
    """A file's bytes."""

    safe: bytearray = field(default_factory=bytearray)
    pending: list[Numbered] = field(default_factory=list)


@dataclass(slots=True)
class Folder:
    """A folder's names."""

    safe: dict[str, int] = field(default_factory=dict)
    pending: list[Numbered] = field(default_factory=list)


class Disk:
    """Does the deeds of a recording one after the other."""

    def __init__(self) -> None:
        self.files: dict[int, File] = {}
        self.folders: dict[int, Folder] = {ROOT: Folder()}
        self.done = 0
        """How many deeds were done."""

    def do(self, deed: Deed) -> None:
        """Do one more."""
        entry = Numbered(self.done, deed)
        self.done += 1
        match deed:
            case Written(node=node) | Cut(node=node):
                self.files[node].pending.append(entry)
            case Made(folder=folder, node=node, is_folder=is_folder):
                if is_folder:
                    self.folders[node] = Folder()
                else:
                    self.files[node] = File()
                self.folders[folder].pending.append(entry)
            case Renamed(folder=folder, to_folder=to_folder):
                self.folders[folder].pending.append(entry)
                if to_folder != folder:
                    self.folders[to_folder].pending.append(entry)
            case Linked(folder=folder) | Unlinked(folder=folder):
                self.folders[folder].pending.append(entry)
            case Synced(node=node, since=since):
                self._sync(node, since)
            case Told():
                pass

    def _sync(self, node: int, since: int) -> None:
        if (file := self.files.get(node)) is not None:
            for _, deed in _before(file.pending, since):
                change(file.safe, deed)
            file.pending = [entry for entry in file.pending if entry.number >= since]
        elif (folder := self.folders.get(node)) is not None:
            for _, deed in _before(folder.pending, since):
                rename(folder.safe, deed, node)
            folder.pending = [entry for entry in folder.pending if entry.number >= since]


def change(content: bytearray, deed: Change) -> None:
    """Do *deed* to the bytes of a file; what lies between its end and a later write is zeros."""
    if isinstance(deed, Cut):
        del content[deed.size :]
        content.extend(bytes(deed.size - len(content)))
        return
    content.extend(bytes(max(0, deed.offset - len(content))))
    content[deed.offset : deed.offset + len(deed.data)] = deed.data


def rename(names: dict[str, int], deed: Naming, folder: int) -> None:
    """Do *deed* to the names of *folder*; of a move between two folders each sees its half."""
    match deed:
        case Made(name=name, node=node) | Linked(name=name, node=node):
            names[name] = node
        case Unlinked(name=name):
            names.pop(name, None)
        case Renamed():
            if deed.folder == folder and names.get(deed.name) == deed.node:
                del names[deed.name]
            if deed.to_folder == folder:
                names[deed.to_name] = deed.node


def _before(pending: list[Numbered], since: int) -> Iterator[Numbered]:
    return (entry for entry in pending if entry.number < since)
