"""Back up a SQLite database every night, prove that the copy is sound, and keep the newest ones.

The copy is SQLite's online backup: right even while others write. Try it with a database of your own:
tidemill run verified_backup --wait -p database=/data/app.db -p folder=/backup
"""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from tidemill import Flow, cron, task


@task
def source(database: str = "out/demo.db") -> str:
    """Find the database; the example's own is made when there is none."""
    path = Path(database)
    if database == "out/demo.db" and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as demo, demo:
            demo.execute("CREATE TABLE readings (id INTEGER PRIMARY KEY, value REAL)")
            demo.executemany("INSERT INTO readings (value) VALUES (?)", [(n / 7,) for n in range(1000)])
    if not path.is_file():
        raise FileNotFoundError(f"there is no database {path.resolve()}")
    return str(path.resolve())


@task(depends_on=[source], retry_kwargs={"max_retries": 2, "delay": 5, "on": sqlite3.OperationalError})
def copy(source: str, folder: str = "out/backups") -> str:
    """Copy it page by page under a name that no reader takes for finished."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    partial = Path(folder).resolve() / f"{Path(source).stem}-{stamp}.partial"
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as old, closing(sqlite3.connect(partial)) as new:
        old.backup(new)
    return str(partial)


@task(depends_on=[copy])
def verify(copy: str) -> str:
    """Check every page of the copy; only then it gets its name."""
    with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        raise ValueError(f"{copy} is damaged: {verdict}")
    return str(Path(copy).replace(Path(copy).with_suffix(".db")))


@task(depends_on=[verify])
def rotate(verify: str, keep: int = 7) -> list[str]:
    """Keep the newest copies of this database; the names sort by time."""
    backup = Path(verify)
    stem = backup.name.rsplit("-", 1)[0]
    copies = sorted(backup.parent.glob(f"{stem}-*Z.db"))
    for old in copies[: -max(keep, 1)]:
        old.unlink()
        print(f"removed {old.name}")
    print(f"kept {backup} ({backup.stat().st_size:,} bytes, verified)")
    return [path.name for path in copies[-max(keep, 1) :]]


flow = Flow("verified_backup", tasks=[source, copy, verify, rotate], schedule=cron("30 3 * * *"))
