"""Notes what is brought to the disk, in order, with what is renamed meanwhile."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files and folders that this process syncs from now on; what gets another name is there by that one."""
    found: list[Path] = []
    fsync, replace = os.fsync, Path.replace

    def note(fd: int) -> None:
        found.append(Path(f"/proc/self/fd/{fd}").readlink())
        fsync(fd)

    def note_name(path: Path, target: Path) -> Path:
        found.append(Path(f"{target} gets its name"))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "replace", note_name)
    return found
