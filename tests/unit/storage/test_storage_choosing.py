from collections import namedtuple
from pathlib import Path

import pytest

from tidemill.domain.errors import DefinitionError
from tidemill.storage.choosing import choose_handler
from tidemill.storage.cloud import CloudResult
from tidemill.storage.database import DatabaseResult
from tidemill.storage.history import HistoryResult
from tidemill.storage.local import LocalResult

Wish = namedtuple("Wish", "storage serializer key", defaults=(None, None, None))
DEFAULT = HistoryResult("results")


class Memory:
    """A handler of somebody's own, which takes no options."""

    def write(self, value, place):
        raise NotImplementedError

    def read(self, info):
        raise NotImplementedError


def choose(wish, outer=None, default=DEFAULT):
    return choose_handler(wish, default, "task load", outer)


@pytest.mark.parametrize(
    ("storage", "looks"),
    [
        (LocalResult("kept"), "LocalResult(dir='kept')"),
        ("kept", "LocalResult(dir='kept')"),
        ("./kept/here", "LocalResult(dir='kept/here')"),
        (Path("/var/kept"), "LocalResult(dir='/var/kept')"),
        ("file:///var/kept", "LocalResult(dir='/var/kept')"),
        ("s3://bucket/a/b/", "CloudResult('s3://bucket/a/b')"),
        ("gs://bucket", "CloudResult('gs://bucket')"),
        ("az://container/x", "CloudResult('az://container/x')"),
        (
            "postgresql://me:secret@host/db",
            "DatabaseResult('postgresql+psycopg://me@host/db', table='tidemill_results')",
        ),
        ("sqlite:///a.db", "DatabaseResult('sqlite:///a.db', table='tidemill_results')"),
    ],
)
def test_a_handler_a_path_or_a_url_says_where(storage, looks):
    assert repr(choose(Wish(storage))) == looks


def test_who_says_nothing_gets_the_default():
    assert choose(Wish()) is DEFAULT
    assert choose(Wish(), Wish()) is DEFAULT


def test_a_task_inherits_from_the_flow_around_it_what_it_does_not_say_itself():
    outer = Wish("s3://bucket", "compressed/pickle", "{run}")

    inherited = choose(Wish(), outer)
    own_serializer = choose(Wish(serializer="json"), outer)
    own_storage = choose(Wish("kept"), outer)
    whole = choose(Wish(LocalResult("kept", "json")), outer)

    assert (repr(inherited), inherited.serializer) == ("CloudResult('s3://bucket')", "compressed/pickle")
    assert own_serializer.serializer == "json"
    assert (repr(own_storage), own_storage.serializer) == ("LocalResult(dir='kept')", "compressed/pickle")
    assert whole.serializer == "json"


def test_a_handler_that_several_tasks_share_is_not_changed(tmp_path):
    shared = LocalResult(tmp_path)

    other = choose(Wish(shared, "pickle", "{task}.bin"))

    assert (shared.serializer, other.serializer) == (None, "pickle")
    assert other is not shared


def test_a_serializer_alone_is_the_default_s():
    assert choose(Wish(serializer="pickle")).serializer == "pickle"
    memory = Memory()
    assert choose(Wish(serializer="pickle", key="{task}"), default=memory) is memory


def test_a_name_alone_makes_a_file_of_the_default_s(tmp_path, place):
    info = choose(Wish(key="{task}"), default=HistoryResult(tmp_path)).write([1], place)

    assert (info.handler, info.location) == ("file", str(tmp_path / "load_.._rows.json"))
    assert HistoryResult("elsewhere").read(info) == [1]


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(7), "must be a handler such as"),
        (Wish(" "), "must be a handler such as"),
        (Wish(LocalResult), "must be a handler such as"),
        (Wish("s3-bucket/reports"), r"block s3-bucket/reports of a Prefect server.*s3://bucket/prefix"),
        (Wish("ftp://host/x"), "knows no ftp://"),
        (Wish("mysql://me:secret@host/db"), "CloudResult must be"),
        (Wish(key="{tsk}"), "result_storage_key of task load: name of HistoryResult has no field 'tsk'"),
        (Wish("kept", key="{tsk}"), "did you mean 'task'"),
        (Wish("kept", "jsn"), "did you mean 'json'"),
        (Wish(Memory(), "json"), "result_serializer of task load cannot be heeded: Memory takes none"),
        (Wish("sqlite:///a.db", key="{task}"), "takes no name"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(wish, said):
    with pytest.raises(DefinitionError, match=said) as refusal:
        choose(wish)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("handler", "package", "said"),
    [
        (lambda: CloudResult("s3://bucket"), "obstore", r"pip install 'tidemill\[cloud\]'"),
        (lambda: DatabaseResult("postgresql://me:secret@h/d"), "psycopg", r"pip install 'tidemill\[postgres\]'"),
    ],
)
def test_a_missing_package_is_told_when_the_handler_is_declared(monkeypatch, handler, package, said):
    home = {"obstore": "cloud", "psycopg": "database"}[package]
    monkeypatch.setattr(f"tidemill.storage.{home}.find_spec", lambda name: None)

    with pytest.raises(DefinitionError, match=rf"needs {package} .*{said}") as refusal:
        handler()
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: CloudResult("s3://"), "must be s3://bucket/prefix"),
        (lambda: CloudResult("s3://key:secret@bucket"), "without credentials"),
        (lambda: CloudResult("s3://bucket/a/../b"), "cannot have empty parts"),
        (lambda: CloudResult("s3://bucket?x=secret"), "must be"),
        (lambda: CloudResult("gcs://bucket"), "did you mean 'gs'"),
        (lambda: CloudResult(None), "must be"),
        (lambda: CloudResult("s3://bucket", timeout=0), "timeout of CloudResult"),
        (lambda: DatabaseResult("postgresql://h/d", "drop table"), "must be a name"),
        (lambda: DatabaseResult("postgresql://h/d", timeout="1"), "timeout of DatabaseResult"),
        (lambda: DatabaseResult("postgresql+psycopg2://me:secret@h/d"), "is neither"),
        (lambda: DatabaseResult("sqlite://"), "must name a file"),
        (lambda: DatabaseResult("sqlite:///a.db?mode=ro"), "must name a file"),
        (lambda: DatabaseResult(""), "must be text"),
    ],
)
def test_an_address_that_cannot_work_is_refused_when_it_is_declared(declare, said):
    with pytest.raises(DefinitionError, match=said) as refusal:
        declare()
    assert "me:secret" not in str(refusal.value)
