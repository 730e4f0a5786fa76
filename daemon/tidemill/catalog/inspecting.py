"""The inspection of one file: exactly the bytes that were read are inspected, kept, and later run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from tidemill.catalog.names import SUFFIX
from tidemill.catalog.reading import SourceText, examine, read_source
from tidemill.catalog.scanning import TermsOf
from tidemill.catalog.sources import SourceStore
from tidemill.domain.errors import TidemillError
from tidemill.domain.manifests import FileManifest, Problem
from tidemill.domain.runs import InspectionOrder
from tidemill.domain.texts import shorten
from tidemill.domain.trust import Terms

Inspect = Callable[[InspectionOrder], FileManifest]
"""Loads a file in a child and returns its manifest; called from several threads at once."""

_TRIES: Final = 3
_MARK: Final = b"tidemill"
_MOST: Final = 100
"""Problems of one file that are told."""
_LONGEST: Final = 4000
"""Characters of each."""


class UnsteadyError(TidemillError):
    """Raised when files change faster than they can be inspected."""


class Inspector:
    """Turns bytes into a manifest, and keeps every text that the manifest stands on."""

    def __init__(self, inspect: Inspect, sources: SourceStore, *, timeout: float, terms: TermsOf | None = None) -> None:
        self._inspect = inspect
        self._sources = sources
        self._timeout = timeout
        self._terms = terms or (lambda path: Terms())

    def inspect(self, path: str, data: bytes, digest: str, root: str) -> FileManifest:
        """Inspect *data* as the file *path*.

        Raises whatever kept the inspection from happening; what is wrong with the file stands in the manifest.
        """
        refused = refusal(path, data, digest)
        if refused is not None:
            return refused
        kept = self._sources.keep(data, digest)
        for _ in range(_TRIES):
            terms = self._terms(path)
            order = InspectionOrder(path, root, str(kept), self._timeout, terms.trust, terms.user)
            manifest = bounded(self._inspect(order))
            # A package may read its data through the import system; only texts that are executed are kept.
            modules = tuple(module for module in manifest.imports if module.path.endswith(SUFFIX))
            manifest = replace(manifest, path=path, hash=digest, imports=modules)
            if not manifest.is_good:
                return manifest
            problem = self._keep_modules(manifest)
            if problem is None:
                return manifest
            if problem.message:
                return replace(manifest, errors=(problem,))
        raise UnsteadyError(f"the modules {path} imports keep changing while it is loaded")

    def _keep_modules(self, manifest: FileManifest) -> Problem | None:
        """Keep the helper modules' texts; an empty problem says that one changed since it was imported."""
        for module in manifest.imports:
            if self._sources.holds(module.hash):
                continue
            text = read_source(module.path)
            if isinstance(text, Problem):
                return Problem(f"the module {module.path} it imports cannot be kept: {text.message}", text.line)
            if text is None or text.hash != module.hash:
                return Problem("")
            self._sources.keep(text.data, text.hash)
        return None


def bounded(manifest: FileManifest) -> FileManifest:
    """Return the manifest with what a person can read of its problems: whoever loads the file says what it likes."""
    errors, warnings = (
        tuple(replace(problem, message=shorten(problem.message, _LONGEST)) for problem in problems[:_MOST])
        for problems in (manifest.errors, manifest.warnings)
    )
    return replace(manifest, errors=errors, warnings=warnings)


def refusal(path: str, data: bytes, digest: str) -> FileManifest | None:
    """Return the manifest of a file that need not be loaded to be judged, or None."""
    if not data.strip():
        return FileManifest(path, digest, warnings=(Problem("the file is empty: no flows"),))
    problem = examine(data)
    if problem is None and _MARK not in data and Path(path).with_name("__init__.py").exists():
        # A module of a package may not load on its own (relative imports), and without this word it declares nothing.
        return FileManifest(path, digest)
    return FileManifest(path, digest, errors=(problem,)) if problem else None


def unusable(path: str, problem: Problem) -> FileManifest:
    """Return the manifest of a file whose bytes cannot be had."""
    return FileManifest(path, "", errors=(problem,))


def inspect_file(
    path: Path | str, *, root: Path | str, inspect: Inspect, sources: SourceStore, timeout: float
) -> FileManifest:
    """Read and inspect one file here and now; whatever is wrong with it stands in the manifest."""
    real = str(Path(path).resolve())
    text = read_source(real)
    if text is None:
        return unusable(real, Problem("the file does not exist"))
    if not isinstance(text, SourceText):
        return unusable(real, text)
    try:
        return Inspector(inspect, sources, timeout=timeout).inspect(
            real, text.data, text.hash, str(Path(root).resolve())
        )
    except (TidemillError, OSError) as error:
        return FileManifest(real, text.hash, errors=(Problem(f"it could not be inspected: {error}"),))
