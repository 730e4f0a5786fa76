"""The folder of flows and the settings: whether others could change what is run, and whether it all can work."""

import os
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tidemill.care.findings import Finding, Site, error, note, warning
from tidemill.domain.trust import ANYONE, GROUP, Trust, objection

MOST_TOLD: Final = 5
_NEVER: Final = frozenset({"__pycache__", ".git", ".venv", "node_modules"})


def look_at_flows(site: Site) -> Iterator[Finding]:
    """Look at who could change a flow file: whoever can, runs code as the daemon."""
    folder = Path(site.settings.places.flows_dir)
    if not folder.is_dir():
        yield error(
            f"there is no folder {folder} with flows; make it with: tidemill init, or name another in places.flows_dir"
        )
        return
    writers = site.settings.catalog.writers
    if writers == ANYONE:
        yield warning(f'catalog.writers is "anyone": whoever can write {folder} runs code as the daemon')
        return
    owner = site.paths.root.stat().st_uid if site.paths.root.exists() else os.geteuid()
    trust = Trust(tuple(dict.fromkeys((0, owner))), is_shared=writers == GROUP)
    known: dict[str, str | None] = {}
    objections = dict.fromkeys(
        told for path in (folder, *_files(folder)) if (told := objection(os.path.realpath(path), trust, known))
    )
    for told in list(objections)[:MOST_TOLD]:
        yield error(told)
    if len(objections) > MOST_TOLD:
        yield error(f"and {len(objections) - MOST_TOLD} more like these in {folder}")


def look_at_settings(site: Site) -> Iterator[Finding]:
    """Look at settings that are allowed and do not go together."""
    retention = site.settings.retention
    bounds = (retention.keep_for, retention.keep_runs, retention.max_size)
    if not any(bounds):
        yield warning("nothing bounds the history ([retention] is all 0): it grows until the disk is full")
    elif not retention.interval:
        yield note("nothing is removed by itself (retention.interval is 0); call tidemill prune from time to time")
    url = site.settings.places.database_url
    if url is not None and url.startswith("postgres") and find_spec("psycopg") is None:
        yield error("the history is in PostgreSQL and its driver is not installed: pip install 'tidemill[postgres]'")
    for module in site.settings.forkserver.preload:
        if _is_absent(module):
            yield warning(f"forkserver.preload names {module}, which cannot be imported by this Python")
    yield from _secrets(site.settings.places.secrets_dir)


def _secrets(folder: Path | None) -> Iterator[Finding]:
    if folder is None or not folder.is_dir():
        return
    with suppress(PermissionError):
        for path in sorted(folder.iterdir()):
            mode = path.stat().st_mode
            if path.is_file() and mode & 0o077:
                yield error(f"others may read the secret {path} (mode {mode & 0o7777:04o}): chmod 600 {path}")


def _is_absent(module: str) -> bool:
    try:
        return find_spec(module) is None
    except (ImportError, ValueError):
        return True


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _NEVER]
        yield from (Path(place, name) for name in files if name.endswith(".py"))
