"""One look at a folder, without a thread: what ``check`` shows."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from tidemill.catalog.claims import Claimant, Claims
from tidemill.catalog.inspecting import Inspect, inspect_file, unusable
from tidemill.catalog.known import KnownFile, Version
from tidemill.catalog.scanning import look
from tidemill.catalog.sources import SourceStore
from tidemill.domain.manifests import FileManifest, Problem


def check_folder(
    folder: Path | str,
    only: Sequence[Path | str] = (),
    *,
    inspect: Inspect,
    sources: SourceStore,
    timeout: float,
    ignore: Collection[str] = (),
) -> tuple[list[KnownFile], list[str]]:
    """Inspect every flow file of *folder* once, or *only* some; return them with the folder's own problems.

    Two files with one flow name are told as they would be by a daemon that meets both for the first time.
    """
    seen = look(str(folder), ignore)
    wanted = {os.path.realpath(path): str(path) for path in only}
    files = {found.path: (found.shown, found.trouble) for found in seen.files.values() if found.is_flow_file}
    files |= {path: (shown, None) for path, shown in wanted.items() if path not in files}
    manifests: dict[str, tuple[str, FileManifest]] = {}
    for path, (shown, trouble) in sorted(files.items()):
        if wanted and path not in wanted:
            continue
        if trouble is not None:
            manifests[path] = shown, unusable(path, Problem(trouble))
        else:
            manifests[path] = (
                shown,
                inspect_file(path, root=seen.root, inspect=inspect, sources=sources, timeout=timeout),
            )
    granted = Claims().settle([Claimant(p, shown, m.flows) for p, (shown, m) in manifests.items() if m.is_good])
    known: list[KnownFile] = []
    for path, (shown, manifest) in manifests.items():
        good = Version.of(manifest) if manifest.is_good else None
        grant = granted.get(path)
        errors = manifest.errors + (grant.refusals if grant else ())
        known.append(KnownFile(path, shown, manifest, good, grant.flows if grant else (), errors))
    return known, seen.problems
