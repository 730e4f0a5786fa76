import pytest

from tidemill.domain.errors import DefinitionError
from tidemill.storage import files
from tidemill.storage.local import LocalResult
from tidemill.storage.places import ResultError


def test_a_local_result_is_written_below_the_flow_file_s_folder(place):
    handler = LocalResult(dir="./out")

    info = handler.write({"a": 1}, place)

    path = place.folder / "out" / "my_flow-0123456789-3-load_.._rows.json"
    assert (info.handler, info.location, info.encoding) == ("LocalResult", str(path), "json")
    assert handler.read(info) == {"a": 1}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_local_result_that_cannot_be_pickled_is_refused(place):
    with pytest.raises(ResultError, match="cannot be written to out"):
        LocalResult("out").write((n for n in ()), place)


def test_the_author_chooses_form_and_name(place):
    handler = LocalResult("out", "compressed/json", "{flow}/{task}")

    info = handler.write([1, 2], place)

    assert info.location == str(place.folder / "out" / "my_flow" / "load_.._rows.json.gz")
    assert info.encoding == "compressed/json"
    assert info.preview == "[1, 2]"
    assert handler.read(info) == [1, 2]
    assert LocalResult("elsewhere").read(info) == [1, 2]


def test_a_later_result_of_the_same_name_replaces_the_earlier_which_is_then_known_to_be_gone(place):
    handler = LocalResult("out", name="latest.json")
    first = handler.write("first", place)
    second = handler.write("second", place)

    assert handler.read(second) == "second"
    with pytest.raises(ResultError, match="damaged, or was overwritten since"):
        handler.read(first)


@pytest.mark.parametrize(
    ("damage", "said"),
    [(lambda data: data[:-1], "7 bytes of 8"), (lambda data: data[:-2] + b'x"', "its bytes were changed")],
)
def test_a_damaged_result_says_so(place, damage, said):
    handler = LocalResult("out")
    info = handler.write("012345", place)
    path = place.folder / "out" / "my_flow-0123456789-3-load_.._rows.json"
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(ResultError, match=rf"the result at {path} is damaged.*{said}"):
        handler.read(info)


def test_a_result_of_a_version_without_checksums_is_read_all_the_same(place):
    handler = LocalResult("out")
    info = handler.write([1], place)._replace(checksum=None)

    assert handler.read(info) == [1]


def test_a_result_that_is_too_large_is_refused_before_anything_is_written(place):
    handler = LocalResult("out", max_size="1 kB")

    with pytest.raises(
        ResultError, match=r"load/\.\./rows is not written to out: it has 2 kB, and max_size allows 1 kB"
    ):
        handler.write("x" * 2000, place)
    assert not (place.folder / "out").exists()
    assert handler.read(handler.write("x" * 900, place)) == "x" * 900


@pytest.mark.parametrize(("size", "bytes_"), [(10, 10), ("10", 10), ("1.5 kB", 1500), ("2 MiB", 2**21), ("1g", 10**9)])
def test_sizes_are_bytes_or_texts(size, bytes_):
    assert LocalResult(max_size=size).max_size == bytes_


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_size": "much"}, "max_size of LocalResult must be bytes"),
        ({"max_size": 0}, "max_size"),
        ({"max_size": True}, "max_size"),
        ({"retries": -1}, "retries of LocalResult must be a whole number"),
        ({"retry_delay": "soon"}, "retry_delay of LocalResult must be seconds"),
        ({"dir": ""}, "dir of LocalResult must be a path"),
        ({"dir": "s3://bucket"}, "CloudResult takes"),
        ({"name": "{tsk}"}, "did you mean 'task'"),
        ({"serializer": "yaml"}, "has no serializer"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_declared(options, said):
    with pytest.raises(DefinitionError, match=said):
        LocalResult(**options)


def test_a_folder_that_cannot_be_made_is_told_with_its_reason(place):
    place.folder.mkdir()
    (place.folder / "out").write_text("in the way")

    with pytest.raises(ResultError, match=r"cannot be written to .*/out/.*/out is a file, or lies below one"):
        LocalResult("out").write(1, place)


def test_a_full_disk_is_waited_for_with_the_value_in_memory(place, monkeypatch):
    waits = []
    plain = files.os.fdatasync

    def sync(handle):
        if len(waits) < 2:
            raise OSError(28, "No space left on device")
        plain(handle)

    monkeypatch.setattr(files.os, "fdatasync", sync)
    monkeypatch.setattr("tidemill.storage.patience.wait", waits.append)
    handler = LocalResult("out", retry_delay=2)

    info = handler.write([1], place)

    assert waits == [2, 4]
    assert handler.read(info) == [1]
    assert [file.name for file in (place.folder / "out").iterdir()] == ["my_flow-0123456789-3-load_.._rows.json"]


def test_a_disk_that_stays_full_fails_with_the_number_of_tries(place, monkeypatch):
    def sync(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fdatasync", sync)
    monkeypatch.setattr("tidemill.storage.patience.wait", lambda seconds: None)

    with pytest.raises(ResultError, match="No space left on device, tried 3 times"):
        LocalResult("out", retries=2).write([1], place)
    assert list((place.folder / "out").iterdir()) == []
