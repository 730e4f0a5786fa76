"""Find files with the same content: sizes first, then hashes, several at a time, and never one hash twice.

Try it with a folder of your own, twice: tidemill run duplicates --wait -p folder=/srv/photos
"""

import hashlib
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

from tidemill import flow, task
from tidemill.cache_policies import INPUTS


@task(
    task_run_name="hash {path}",
    cache_policy=INPUTS,  # path, size and time of the change: a file that was not touched is not read again
    cache_expiration=timedelta(days=30),
    retry_kwargs={"max_retries": 2, "delay": 0.5, "backoff": 2, "on": OSError},  # a share that is away for a moment
)
def digest(path: str, size: int, changed_at: int) -> str:
    """Hash one file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@task
def candidates(folder: str) -> list[tuple[str, int, int]]:
    """List the files that share their size with another one; no other can be a duplicate."""
    by_size = defaultdict(list)
    for path in sorted(Path(folder).resolve().rglob("*")):
        if path.is_file() and not path.is_symlink():
            stat = path.stat()
            by_size[stat.st_size].append((str(path), stat.st_size, stat.st_mtime_ns))
    return [file for files in by_size.values() if len(files) > 1 for file in files]


@flow
def duplicates(folder: str = "data") -> list[list[str]]:
    """Print and return the groups of equal files, the largest files first."""
    files = candidates(folder)
    paths, sizes, times = zip(*files, strict=True) if files else ((), (), ())
    digests = digest.map(paths, sizes, times).result()
    groups = defaultdict(list)
    for path, size, found in zip(paths, sizes, digests, strict=True):
        groups[size, found].append(path)
    same = [paths for _, paths in sorted(groups.items(), reverse=True) if len(paths) > 1]
    for group in same:
        print(f"{len(group)} files are the same: {', '.join(group)}")
    print(f"{len(files)} files compared, {len(same)} groups of equal ones")
    return same
