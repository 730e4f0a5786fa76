import hashlib
import os

import msgspec
import pytest

from tidemill.domain.manifests import FileManifest, FlowManifest, Problem
from tidemill.domain.runs import InspectionOrder
from tidemill.forkserver.inspecting import read_manifest
from tidemill.forkserver.protocol import Inspected


@pytest.fixture
def order(tmp_path):
    path = tmp_path / "flow.py"
    path.write_text("import os")
    return InspectionOrder(str(path), str(tmp_path), timeout=2.0)


@pytest.fixture
def answer():
    fd = os.memfd_create("answer")
    yield fd
    os.close(fd)


def test_the_childs_manifest_is_the_answer(order, answer):
    manifest = FileManifest(
        order.path, "digest", (FlowManifest("nightly", "graph", tags=("a",)),), warnings=(Problem("w", 3),)
    )
    os.write(answer, msgspec.json.encode(manifest))
    assert read_manifest(order, Inspected(0), answer) == manifest


def test_a_manifest_without_a_hash_is_given_one(order, answer):
    os.write(answer, msgspec.json.encode(FileManifest(order.path, "", errors=(Problem("late", 3),))))
    assert read_manifest(order, Inspected(0), answer).hash == hashlib.sha256(b"import os").hexdigest()


@pytest.mark.parametrize(
    ("ended", "sentence"),
    [
        (Inspected(3), "the file ended the process with exit code 3 while it was loaded"),
        (Inspected(0), "the file ended the process with exit code 0 while it was loaded"),
        (Inspected(-11), "the process that loaded the file was killed by SIGSEGV"),
        (Inspected(-9), "the process that loaded the file was killed by SIGKILL"),
        (Inspected(-9, True), "did not finish loading within 2 s"),
    ],
)
def test_a_child_that_died_is_told_in_a_sentence(order, answer, ended, sentence):
    manifest = read_manifest(order, ended, answer)
    assert [problem.message for problem in manifest.errors] == [sentence]
    assert manifest.path == order.path
    assert manifest.hash == hashlib.sha256(b"import os").hexdigest()
    assert not manifest.is_good


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"path": 3}', b"\xff"])
def test_an_answer_that_makes_no_sense_is_an_error_of_the_file(order, answer, data):
    os.write(answer, data)
    assert "cannot be understood" in read_manifest(order, Inspected(0), answer).errors[0].message


def test_half_an_answer_of_a_child_that_died_is_not_used(order, answer):
    os.write(answer, msgspec.json.encode(FileManifest(order.path, "digest")))
    assert "SIGSEGV" in read_manifest(order, Inspected(-11), answer).errors[0].message


def test_a_file_that_is_gone_has_no_hash(tmp_path, answer):
    manifest = read_manifest(InspectionOrder(str(tmp_path / "gone.py"), str(tmp_path)), Inspected(1), answer)
    assert manifest.hash == ""
