"""``tidemill backup``: what it prints, and what it refuses."""

from pathlib import Path

import pytest

from tidemill.config.settings import Places, Settings
from tidemill.history.database import open_database


@pytest.fixture
def history(invocation):
    """An empty history where the settings say it is."""
    invocation.paths.database.unlink()
    open_database(invocation.paths.database).engine.dispose()
    return invocation.paths.database


def use_database(invocation, url):
    invocation.__dict__["_loaded"] = (Settings(places=Places(state_dir=invocation.paths.root, database_url=url)), {})


def test_it_tells_what_it_copied(tidemill, history, tmp_path):
    ended = tidemill("backup", str(tmp_path / "copy.db"))

    assert ended.code == 0
    assert f"{tmp_path}/copy.db: 0 runs" in ended.out
    assert "verified" in ended.out


def test_the_document_has_the_rows_of_each_table(tidemill, history, tmp_path):
    document = tidemill("backup", str(tmp_path / "copy.db"), "--json").document

    assert document["file"] == str(tmp_path / "copy.db")
    assert document["runs"] == document["rows"]["runs"] == 0
    assert document["size"] == Path(document["file"]).stat().st_size
    assert set(document) == {"file", "size", "runs", "rows", "schema", "duration"}


def test_a_file_that_exists_is_refused(tidemill, history, tmp_path):
    (tmp_path / "copy.db").touch()

    ended = tidemill("backup", str(tmp_path / "copy.db"))

    assert ended.code == 6
    assert "--force" in ended.err


def test_without_a_history_it_says_what_to_do(tidemill, invocation, tmp_path):
    invocation.paths.database.unlink()
    del invocation.__dict__["reader"]

    ended = tidemill("backup", str(tmp_path / "copy.db"))

    assert ended.code == 3
    assert "tidemill start" in ended.err


def test_a_history_in_postgresql_has_its_own_tool(tidemill, invocation, tmp_path):
    use_database(invocation, "postgresql+psycopg://ann:secret@db/tides")

    ended = tidemill("backup", str(tmp_path / "copy.db"))

    assert ended.code == 6
    assert f"pg_dump --format=custom --file={tmp_path}/copy.db postgresql://ann@db/tides" in ended.err
    assert "secret" not in ended.err


def test_a_history_in_sqlite_by_url_is_copied_from_there(tidemill, invocation, tmp_path):
    open_database(tmp_path / "elsewhere.db").engine.dispose()
    use_database(invocation, f"sqlite:///{tmp_path}/elsewhere.db")

    assert tidemill("backup", str(tmp_path / "copy.db")).code == 0
