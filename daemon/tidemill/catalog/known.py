"""What the catalog knows of each file, and the batches in which it tells what changed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from tidemill.domain.manifests import FileManifest, FlowManifest, Problem


@dataclass(frozen=True, slots=True)
class Version:
    """An inspected text of a flow file, with the helper modules it imported then: what a run executes."""

    manifest: FileManifest
    sources: Mapping[str, str]
    """Real path of each text to its hash."""
    id: str
    """Twelve hex digits over all the sources."""

    @classmethod
    def of(cls, manifest: FileManifest) -> "Version":
        """Make the version a good manifest describes."""
        sources = {manifest.path: manifest.hash} | {module.path: module.hash for module in manifest.imports}
        text = "\n".join(f"{path}\0{digest}" for path, digest in sorted(sources.items()))
        return cls(manifest, sources, hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12])


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A flow file as it stands now."""

    path: str
    """The absolute real path."""
    shown: str
    """The path a person sees, relative to the watched folder."""
    manifest: FileManifest
    """The newest inspection's answer, good or not."""
    good: Version | None
    """The last good version; it stays scheduled and run while the newest one is broken."""
    flows: tuple[FlowManifest, ...] = ()
    """The flows of the good version, without those another file had first."""
    errors: tuple[Problem, ...] = ()
    """What is wrong with the newest version, and the names it may not use."""

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What the newest inspection warned of."""
        return self.manifest.warnings


@dataclass(frozen=True, slots=True)
class CatalogChange:
    """What changed together; a flow that moved from one file to another did so in one of these."""

    changed: tuple[KnownFile, ...] = ()
    """Files that are new or stand differently."""
    removed: tuple[KnownFile, ...] = ()
    """Files that are gone, as they stood last."""
    gone: tuple[str, ...] = ()
    """Names of flows that no file declares any more."""
    arrived: tuple[str, ...] = ()
    """Names of flows that no file declared before."""

    def flows(self) -> dict[str, KnownFile]:
        """Return the file of each flow that is new or may have changed."""
        return {flow.name: file for file in self.changed for flow in file.flows}


class CachedFile(NamedTuple):
    """What is remembered of a file from one daemon to the next."""

    size: int
    mtime_ns: int
    inode: int
    hash: str
    manifest: FileManifest
    good: FileManifest | None = None
    """The last good manifest, where *manifest* is broken."""


class ManifestCache(Protocol):
    """Where manifests outlive the daemon.

    Entries are valid for one version of tidemill and of Python; after an upgrade ``load`` returns none.
    """

    def load(self) -> Mapping[str, CachedFile]:
        """Return all entries by real path, in one read."""
        ...

    def save(self, entries: Mapping[str, CachedFile | None]) -> None:
        """Remember these entries; None forgets one. Must not block: the catalog's thread calls it."""
        ...


@dataclass(slots=True)
class MemoryCache:
    """A cache that lives as long as its owner: for a folder that is looked at once, and for tests."""

    entries: dict[str, CachedFile] = field(default_factory=dict)

    def load(self) -> Mapping[str, CachedFile]:
        """Return all entries."""
        return dict(self.entries)

    def save(self, entries: Mapping[str, CachedFile | None]) -> None:
        """Remember or forget entries."""
        for path, entry in entries.items():
            if entry is None:
                self.entries.pop(path, None)
            else:
                self.entries[path] = entry
