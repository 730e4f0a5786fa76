import gzip
import json
import sys

import pytest

from tidemill.domain.errors import DefinitionError
from tidemill.storage.encoding import UnstorableError
from tidemill.storage.serializers import NAMES, decode, parse_serializer, suffix


class Backwards:
    """A serializer of an author's own."""

    def dumps(self, value):
        return json.dumps(value).encode()[::-1]

    def loads(self, data):
        return json.loads(data[::-1])


def encode(given, value):
    return parse_serializer(given, "LocalResult")(value)


@pytest.mark.parametrize(
    ("given", "form", "ending"),
    [
        (None, "json", ".json"),
        ("json", "json", ".json"),
        ("pickle", "cloudpickle", ".pickle"),
        ("cloudpickle", "cloudpickle", ".pickle"),
        ("compressed", "compressed/json", ".json.gz"),
        ("compressed/json", "compressed/json", ".json.gz"),
        ("compressed/pickle", "compressed/cloudpickle", ".pickle.gz"),
        (Backwards(), "custom/Backwards", ".bin"),
    ],
)
def test_each_serializer_gives_back_what_it_took(given, form, ending):
    value = {"rows": [1, 2, 3], "name": "é"}

    found, data = encode(given, value)

    assert (found, suffix(found)) == (form, ending)
    assert decode(found, data, given) == value


def test_without_a_choice_what_is_not_json_is_pickled():
    assert encode(None, (1, 2))[0] == "cloudpickle"
    assert encode("compressed", (1, 2))[0] == "compressed/cloudpickle"


def test_compression_is_what_gzip_reads():
    _, data = encode("compressed/json", ["x" * 10_000])

    assert len(data) < 200
    assert json.loads(gzip.decompress(data)) == ["x" * 10_000]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (object(), "object;"),
        ({"rows": [1, {2: len}]}, r"builtin_function_or_method at \['rows'\]\[1\]"),
        ("\udcff", "cannot be written as JSON"),
        (["\udcff", (1,)], "cannot be written as JSON"),
    ],
)
def test_json_alone_refuses_what_it_would_give_back_as_something_else(value, said):
    with pytest.raises(UnstorableError, match=said):
        encode("json", value)


def test_endless_nesting_is_refused_and_not_followed():
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(UnstorableError, match="nested too deeply"):
        encode("json", endless)


@pytest.mark.parametrize(
    ("given", "said"),
    [("jsn", "did you mean 'json'"), ("compressed/jsn", "did you mean"), (Backwards, "must be one of"), (7, "must be")],
)
def test_a_serializer_that_does_not_exist_is_refused_when_it_is_declared(given, said):
    with pytest.raises(DefinitionError, match=said):
        parse_serializer(given, "LocalResult")


def test_what_an_author_s_serializer_does_wrong_is_told_by_its_name():
    class Wrong(Backwards):
        def dumps(self, value):
            return "text"

    with pytest.raises(UnstorableError, match=r"Backwards\.dumps raised TypeError"):
        encode(Backwards(), {1, 2})
    with pytest.raises(UnstorableError, match="must return bytes, not str"):
        encode(Wrong(), 1)


def test_a_form_of_the_author_s_own_needs_its_serializer_to_be_read():
    form, data = encode(Backwards(), [1])

    with pytest.raises(ValueError, match="serializer Backwards, which is not given any more"):
        decode(form, data)


@pytest.mark.parametrize("family", ["arrow", "parquet", "compressed/arrow"])
def test_frames_come_back_as_frames_of_the_library_they_came_from(family):
    pandas, polars, pyarrow = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    columns = {"id": [1, 2], "name": ["a", None]}
    frames = {
        "pandas": pandas.DataFrame(columns, index=["x", "y"]),
        "polars": polars.DataFrame(columns),
        "pyarrow": pyarrow.table(columns),
    }

    for library, frame in frames.items():
        form, data = encode(family, frame)
        back = decode(form, data)

        assert form.endswith(f"/{library}")
        assert type(back) is type(frame)
        assert back.equals(frame)


def test_only_frames_are_kept_as_frames():
    with pytest.raises(UnstorableError, match="and it is a dict"):
        encode("parquet", {"a": [1]})


def test_a_frame_that_the_form_cannot_hold_is_told():
    pandas = pytest.importorskip("pandas")

    with pytest.raises(UnstorableError, match="pandas cannot write it as parquet"):
        encode("parquet", pandas.DataFrame({"a": [object(), 1]}))


def test_frames_without_their_packages_are_refused_when_they_are_declared(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.setattr("tidemill.storage.frames.find_spec", lambda name: None)

    with pytest.raises(DefinitionError, match=r"needs pyarrow .* pip install pyarrow"):
        parse_serializer("parquet", "LocalResult")
    with pytest.raises(ValueError, match="data frame of polars, and polars is not installed"):
        decode("parquet/polars", b"")


def test_every_name_that_is_told_exists():
    assert all(parse_serializer(name, "LocalResult") for name in NAMES)
