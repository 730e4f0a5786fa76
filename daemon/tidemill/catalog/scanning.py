"""A look at the watched folder: names, times and sizes of every Python file in it, no content."""

# ruff: noqa: PTH115, PTH116, PTH120 - thousands of paths at every look; as plain text they cost a tenth

import errno
import os
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tidemill.catalog.names import VENV_MARK, is_flow_file, is_folder_searched, is_module
from tidemill.domain.trust import Terms, Trust, objection

_VANISHED: Final = (errno.ENOENT, errno.ENOTDIR)

TermsOf = Callable[[str], Terms]
"""Tells on which terms the file with this real path is run."""


class Signature(NamedTuple):
    """What changes when a file changes, as far as one ``stat`` can tell."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    """Beside the mtime, because tools set that back and a ``chmod`` moves only this."""

    @classmethod
    def of(cls, status: os.stat_result) -> "Signature":
        """Take the signature out of a ``stat``."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Found(NamedTuple):
    """A Python file is there."""

    path: str
    """The absolute real path: one file, however many links lead to it."""
    shown: str
    """The path a person sees, relative to the watched folder."""
    signature: Signature
    is_flow_file: bool
    trouble: str | None = None
    """Why it cannot be read, where the look itself shows it."""


class Tree(NamedTuple):
    """A folder to be told about when it changes."""

    path: str
    device: int
    inode: int
    recursive: bool


@dataclass(slots=True)
class Look:
    """What one look at the folder saw."""

    root: str
    """The real path of the watched folder."""
    files: dict[str, Found] = field(default_factory=dict)
    trees: list[Tree] = field(default_factory=list)
    """The folder itself first, then whatever symbolic links lead out of it."""
    anchors: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The folder and the links to folders in it, with the folder each leads to: nobody tells when that is another."""
    blind: list[str] = field(default_factory=list)
    """Folders that exist and could not be listed: what was known below them stays known."""
    problems: list[str] = field(default_factory=list)
    """Sentences about folders; those about files stand with the file."""
    missing: bool = False


def look(folder: str, ignore: Collection[str] = (), terms: TermsOf | None = None) -> Look:
    """Look at everything below *folder*; real paths in *ignore* are not entered.

    What somebody could change whom its *terms* do not trust is found with that as its trouble.
    """
    root = os.path.realpath(folder)
    seen = Look(root)
    try:
        status = os.stat(root)
    except FileNotFoundError:
        status = None
    except OSError as error:
        seen.blind.append(root)
        seen.problems.append(f"the flows folder {folder} cannot be read: {error.strerror}")
        return seen
    if status is None or not stat.S_ISDIR(status.st_mode):
        seen.missing = True
        kind = "does not exist" if status is None else "is not a folder"
        seen.problems.append(f"the flows folder {folder} {kind}; waiting for it")
        return seen
    seen.trees.append(Tree(root, status.st_dev, status.st_ino, recursive=True))
    seen.anchors[folder] = (status.st_dev, status.st_ino)
    _Walk(seen, ignore, terms).enter(root, "", (status.st_dev, status.st_ino))
    return seen


class _Walk:
    """One recursive walk; each real folder is entered once, so no ring of links is endless."""

    def __init__(self, seen: Look, ignore: Collection[str], terms: TermsOf | None) -> None:
        self._seen = seen
        self._terms = terms
        self._folders: dict[Trust, dict[str, str | None]] = {}
        """What there is to say against folders."""
        self._ignore = frozenset(ignore)
        self._entered: set[tuple[int, int]] = set()

    def enter(self, folder: str, shown: str, identity: tuple[int, int]) -> None:
        """Take in one folder, then the folders in it."""
        if identity in self._entered or folder in self._ignore:
            return
        self._entered.add(identity)
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            # A folder that vanished meanwhile is simply gone; the others hide files that may well be there.
            if error.errno not in _VANISHED:
                self._seen.blind.append(folder)
                self._seen.problems.append(f"the folder {shown or folder} cannot be listed: {error.strerror}")
            return
        if shown and any(entry.name == VENV_MARK for entry in entries):
            return
        for entry in entries:
            try:
                self._take(entry, f"{shown}/{entry.name}" if shown else entry.name)
            except OSError as error:
                # It vanished between the listing and the look, and the next look tells; or it hides what may be there.
                if error.errno not in _VANISHED and folder not in self._seen.blind:
                    self._seen.blind.append(folder)
                    self._seen.problems.append(f"{shown or folder}/{entry.name} cannot be looked at: {error.strerror}")

    def _take(self, entry: os.DirEntry[str], shown: str) -> None:
        if entry.is_symlink():
            self._follow(entry, shown)
        elif entry.is_dir(follow_symlinks=False):
            if is_folder_searched(entry.name):
                status = entry.stat(follow_symlinks=False)
                self.enter(entry.path, shown, (status.st_dev, status.st_ino))
        elif is_module(entry.name):
            self._add(entry.path, shown, entry.name, entry.stat(follow_symlinks=False))

    def _follow(self, entry: os.DirEntry[str], shown: str) -> None:
        """Go where a symbolic link leads."""
        try:
            status = entry.stat()
        except OSError as error:
            if is_module(entry.name):
                why = f"the symbolic link {_why_not(error, os.readlink(entry.path))}"
                own = entry.stat(follow_symlinks=False)
                self._add(entry.path, shown, entry.name, own, why)
            return
        target = os.path.realpath(entry.path)
        if stat.S_ISDIR(status.st_mode):
            self._follow_folder(entry, target, status, shown)
        elif is_module(entry.name):
            self._add(target, shown, entry.name, status, linked=True)
            self._tell_of(os.path.dirname(target), recursive=False)

    def _follow_folder(self, entry: os.DirEntry[str], target: str, status: os.stat_result, shown: str) -> None:
        if not is_folder_searched(entry.name):
            return
        here = os.path.dirname(entry.path)
        if here == target or here.startswith(target.rstrip("/") + "/"):
            self._seen.problems.append(f"the symbolic link {shown} leads to a folder that holds it; it is not followed")
            return
        self._seen.anchors[entry.path] = (status.st_dev, status.st_ino)
        self._tell_of(target, recursive=True)
        self.enter(target, shown, (status.st_dev, status.st_ino))

    def _tell_of(self, folder: str, *, recursive: bool) -> None:
        """Note a folder outside the trees so far, so that it can be watched too."""
        for tree in self._seen.trees:
            if folder == tree.path or (tree.recursive and folder.startswith(tree.path.rstrip("/") + "/")):
                return
        status = os.stat(folder)
        self._seen.trees.append(Tree(folder, status.st_dev, status.st_ino, recursive))

    def _add(
        self,
        path: str,
        shown: str,
        name: str,
        status: os.stat_result,
        trouble: str | None = None,
        *,
        linked: bool = False,
    ) -> None:
        if trouble is None and not stat.S_ISREG(status.st_mode):
            trouble = "it is not a regular file"
        trust = self._terms(path).trust if trouble is None and self._terms is not None else None
        if trust is not None:
            trouble = objection(path, trust, self._folders.setdefault(trust, {}))
        found = Found(path, shown, Signature.of(status), is_flow_file(name), trouble)
        other = self._seen.files.get(path)
        if other is not None:
            # The file itself and links to it are one file; it is shown under its own name where it has one here.
            kept = other.shown if linked else shown
            found = found._replace(shown=kept, is_flow_file=found.is_flow_file or other.is_flow_file)
        self._seen.files[path] = found


def _why_not(error: OSError, target: str) -> str:
    """Say what is wrong with a symbolic link."""
    if error.errno == errno.ELOOP:
        return "leads in a circle"
    if error.errno in _VANISHED:
        return f"leads to {target}, which is not there"
    return f"to {target} cannot be followed: {error.strerror}"
