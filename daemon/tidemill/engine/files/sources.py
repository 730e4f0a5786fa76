"""Imports of helper modules from the watched folder: from the inspected text, and with a record of each.

A run executes the version that was inspected, also when a helper was edited or deleted since. Nothing is written into
the folder: no ``__pycache__`` beside a person's flows.
"""

import linecache
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, ModuleSpec, SourceFileLoader
from importlib.util import decode_source, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from tidemill.domain.errors import TidemillError

if TYPE_CHECKING:
    from tidemill.domain.trust import Trust

_INSTALLED: Final = frozenset(sys.path_importer_cache)
"""Folders modules were imported from before this one: no flow folder is among them, and to resolve them costs each run
2 ms."""
_PACKAGE: Final = str(Path(__file__).parents[2]) + "/"
"""Nor is one among those of the rest of the engine."""


class Sources:
    """Texts kept at inspection, by real path, and which files of the *folders*, real paths too, were read."""

    def __init__(self, folders: Sequence[str], kept: Mapping[str, str], trust: "Trust | None" = None) -> None:
        self.folders = tuple(dict.fromkeys(folders))
        self.kept = kept
        self.trust = trust
        self.imported: dict[str, bytes] = {}
        """What was read of helper modules, by real path."""

    def holds(self, path: str) -> bool:
        """Tell whether *path* lies in a folder that flows are imported from."""
        return any(path == folder or path.startswith(f"{folder}/") for folder in self.folders)

    def read(self, path: str) -> bytes:
        """Return the text of *path*: the kept one, else the file's own."""
        kept = self.kept.get(path)
        data = read_bytes(path if kept is None else kept)
        if kept is not None:
            self.show_in_tracebacks(path, data)
        return data

    def show_in_tracebacks(self, path: str, data: bytes) -> None:
        """Let tracebacks, and whoever asks for the source, see the text that runs, not one written over it since."""
        # Without a time, it is never compared with the file.
        linecache.cache[path] = (len(data), None, Lines(data), path)  # type: ignore[assignment]


class Lines(Sequence[str]):
    """The lines of a text, taken apart when somebody looks at them: most runs raise nothing."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._lines: list[str] | None = None

    def __getitem__(self, place: Any) -> Any:
        return self._all[place]

    def __len__(self) -> int:
        return len(self._all)

    @property
    def _all(self) -> list[str]:
        if self._lines is None:
            try:
                self._lines = decode_source(self._data).splitlines(keepends=True)
            except (SyntaxError, UnicodeDecodeError):
                self._lines = []
        return self._lines


def read_bytes(path: str) -> bytes:
    """Return what the file *path* holds; a Path costs more than the reading."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(fd, max(65536, os.fstat(fd).st_size)):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(fd)


class KeptLoader(SourceFileLoader):
    """Loads a helper module through its sources."""

    def __init__(self, fullname: str, path: str, sources: Sources) -> None:
        super().__init__(fullname, path)
        self._sources = sources

    def get_data(self, path: str) -> bytes:
        """Return the module's text."""
        real = os.path.realpath(path)
        data = self._sources.read(real)
        self._sources.imported[real] = data
        return data

    def path_stats(self, path: str) -> Any:
        """Refuse, so that no compiled file is taken for the text."""
        raise OSError(path)

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Write no compiled file."""


class FolderFinder(FileFinder):
    """Finds modules in one folder of flows, those that are only kept as well."""

    def __init__(self, path: str, sources: Sources) -> None:
        loader: Any = partial(KeptLoader, sources=sources)
        super().__init__(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (loader, [".py"]))
        self._sources = sources

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return where *fullname* is, as it was when the flow was inspected."""
        name = fullname.rpartition(".")[2]
        for file, is_package in ((f"{self.path}/{name}/__init__.py", True), (f"{self.path}/{name}.py", False)):
            if os.path.realpath(file) in self._sources.kept:
                places = [os.path.dirname(file)] if is_package else None  # noqa: PTH120 - the import system's own type
                loader = KeptLoader(fullname, file, self._sources)
                return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=places)
        spec = super().find_spec(fullname, target)
        if spec is not None and spec.origin is not None and self._sources.trust is not None:
            _check(os.path.realpath(spec.origin), self._sources.trust)
        return spec


def _check(path: str, trust: "Trust") -> None:
    """Refuse a module that somebody could change who is not trusted: it was not vetted with the flow file."""
    from tidemill.domain.trust import objection

    problem = objection(path, trust)
    if problem is not None:
        raise TidemillError(problem)


def make_importable(sources: Sources) -> None:
    """Let the process import helper modules from the folders, after everything that is installed."""

    def hook(path: str) -> FolderFinder:
        real = os.path.realpath(path)
        if not sources.holds(real):
            raise ImportError(path)
        return FolderFinder(real, sources)

    hooks: list[Callable[[str], Any]] = sys.path_hooks
    hooks.insert(0, hook)
    for folder in sources.folders:
        if folder not in sys.path:
            sys.path.append(folder)
    for known in sys.path_importer_cache.keys() - _INSTALLED:
        if not known.startswith(_PACKAGE) and sources.holds(os.path.realpath(known)):
            del sys.path_importer_cache[known]
