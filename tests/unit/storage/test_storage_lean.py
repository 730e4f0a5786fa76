import os
import subprocess
import sys
from pathlib import Path

import tidemill

HEAVY = {
    *("sqlalchemy", "psycopg", "sqlite3", "obstore", "pyarrow", "pandas", "polars", "numpy"),
    *("hashlib", "cloudpickle", "pickle", "asyncio", "zlib", "json", "configparser", "difflib"),
}


def imported(code: str, folder: Path) -> set[str]:
    environment = {"PYTHONPATH": str(Path(tidemill.__file__).parents[1]), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{code}\nimport sys; print(*sys.modules)"],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in done.stdout.split() if "." not in name} & HEAVY


def test_declaring_every_handler_imports_nothing_heavy(tmp_path):
    code = """
from tidemill.engine.results import CloudResult, DatabaseResult, LocalResult
handlers = [
    LocalResult("out", serializer="parquet"), LocalResult("out", "compressed/json", "{flow}/{date}/{task}"),
    DatabaseResult("postgresql://me@host/db"), DatabaseResult("sqlite:///a.db", serializer="pickle"),
    CloudResult("s3://bucket/x", max_size="1 GB"), CloudResult("az://container"),
]
"""
    assert imported(code, tmp_path) == set()


def test_a_json_file_needs_nothing_heavy_either(tmp_path):
    code = """
from pathlib import Path
from tidemill.storage.local import LocalResult
from tidemill.storage.places import ResultPlace
handler = LocalResult("out")
assert handler.read(handler.write([1], ResultPlace("flow", "run", "task", 0, Path.cwd()))) == [1]
"""
    assert imported(code, tmp_path) == set()


def test_the_history_s_own_handler_knows_none_of_the_others(tmp_path):
    code = """
import sys
from tidemill.storage.history import HistoryResult
assert not {"tidemill.storage.local", "tidemill.storage.database", "tidemill.storage.cloud"} & sys.modules.keys()
assert not {"tidemill.storage.frames", "tidemill.domain.digests"} & sys.modules.keys()
"""
    assert imported(code, tmp_path) == set()
