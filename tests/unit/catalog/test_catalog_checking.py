from tidemill.catalog.checking import check_folder
from tidemill.catalog.inspecting import bounded, inspect_file
from tidemill.catalog.sources import SourceStore
from tidemill.domain.manifests import FileManifest, Problem
from unit.catalog.fake_inspection import FakeInspection


def check(tmp_path, only=()):
    sources = SourceStore(lambda digest: tmp_path / "sources" / digest)
    return check_folder(tmp_path / "flows", only, inspect=FakeInspection(), sources=sources, timeout=1)


def test_a_folder_is_checked_in_one_go(tmp_path):
    flows = tmp_path / "flows"
    flows.mkdir()
    (flows / "a.py").write_text("# flow etl\n")
    (flows / "b.py").write_text("\n# flow etl\n")
    (flows / "c.py").write_text("# broken\n")
    (flows / "d.py").symlink_to("nowhere.py")

    files, problems = check(tmp_path)

    assert problems == []
    assert [(file.shown, [flow.name for flow in file.flows], len(file.errors)) for file in files] == [
        ("a.py", ["etl"], 0),
        ("b.py", [], 1),
        ("c.py", [], 1),
        ("d.py", [], 1),
    ]


def test_only_the_named_files_are_checked_wherever_they_are(tmp_path):
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "a.py").write_text("# broken\n")
    elsewhere = tmp_path / "new.py"
    elsewhere.write_text("# flow new\n")

    files, _ = check(tmp_path, [elsewhere, tmp_path / "missing.py"])

    assert [(file.shown, [error.message for error in file.errors]) for file in files] == [
        (str(tmp_path / "missing.py"), ["the file does not exist"]),
        (str(elsewhere), []),
    ]


def test_a_missing_folder_is_told(tmp_path):
    files, problems = check(tmp_path)
    assert files == []
    assert "does not exist" in problems[0]


def test_an_inspection_that_cannot_happen_is_a_problem_of_the_file(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("# flow a\n")
    inspection = FakeInspection()
    inspection.failure = OSError("no fork server")
    sources = SourceStore(lambda digest: tmp_path / "sources" / digest)

    manifest = inspect_file(path, root=tmp_path, inspect=inspection, sources=sources, timeout=1)

    assert "could not be inspected: no fork server" in manifest.errors[0].message


def test_of_what_a_file_says_about_itself_as_much_is_kept_as_a_person_reads():
    problem = Problem("x" * 10**6 + "\ud800", 3)

    kept = bounded(FileManifest("/a.py", "", errors=(problem,) * 1000, warnings=(problem,)))

    assert len(kept.errors) == 100
    for each in (kept.errors[0], kept.warnings[0]):
        assert len(each.message) < 5000
        assert "characters left out" in each.message
        assert each.line == 3
