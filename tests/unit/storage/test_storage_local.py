import pytest

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
