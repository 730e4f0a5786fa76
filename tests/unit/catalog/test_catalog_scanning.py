import errno
import os

from tidemill.catalog.scanning import look


def shown(folder, **options):
    return sorted(found.shown for found in look(str(folder), **options).files.values())


def make(path, text="# flow x\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_files_are_found_at_every_depth(tmp_path):
    make(tmp_path / "a.py")
    make(tmp_path / "team" / "deep" / "b.py")
    make(tmp_path / ".git" / "c.py")
    make(tmp_path / "team" / "__pycache__" / "d.py")
    make(tmp_path / "notes.txt")

    assert shown(tmp_path) == ["a.py", "team/deep/b.py"]


def test_a_virtual_environment_in_the_folder_is_left_out(tmp_path):
    make(tmp_path / "a.py")
    make(tmp_path / "env" / "pyvenv.cfg", "home = /usr")
    make(tmp_path / "env" / "lib" / "thousands.py")

    assert shown(tmp_path) == ["a.py"]


def test_a_linked_folder_is_searched_under_its_real_path(tmp_path):
    target = make(tmp_path / "elsewhere" / "a.py")
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "team").symlink_to(target.parent)

    seen = look(str(tmp_path / "flows"))

    assert [(found.path, found.shown) for found in seen.files.values()] == [(str(target), "team/a.py")]
    assert [tree.path for tree in seen.trees] == [str(tmp_path / "flows"), str(target.parent)]


def test_a_linked_root_is_searched(tmp_path):
    target = make(tmp_path / "release-7" / "a.py")
    (tmp_path / "flows").symlink_to(target.parent)

    seen = look(str(tmp_path / "flows"))

    assert list(seen.files) == [str(target)]
    assert seen.trees[0].path == str(target.parent)


def test_links_in_a_circle_end(tmp_path):
    flows = tmp_path / "flows"
    make(flows / "a" / "a.py")
    (flows / "a" / "up").symlink_to(flows)
    (flows / "a" / "self").symlink_to(".")
    other = tmp_path / "other"
    make(other / "b.py")
    (flows / "other").symlink_to(other)
    (other / "back").symlink_to(flows)

    seen = look(str(flows))

    assert sorted(found.shown for found in seen.files.values()) == ["a/a.py", "other/b.py"]
    assert any("a/up leads to a folder that holds it" in problem for problem in seen.problems)


def test_a_file_and_links_to_it_are_one_file_under_its_own_name(tmp_path):
    make(tmp_path / "z.py")
    (tmp_path / "a.py").symlink_to("z.py")

    assert shown(tmp_path) == ["z.py"]


def test_a_link_to_a_private_file_makes_it_a_flow_file(tmp_path):
    make(tmp_path / "_z.py")
    (tmp_path / "a.py").symlink_to("_z.py")

    (found,) = look(str(tmp_path)).files.values()
    assert found.is_flow_file


def test_a_dangling_link_is_told_with_where_it_leads(tmp_path):
    (tmp_path / "a.py").symlink_to("nowhere.py")
    (tmp_path / "b.py").symlink_to("b.py")

    troubles = {found.shown: found.trouble for found in look(str(tmp_path)).files.values()}
    assert troubles == {
        "a.py": "the symbolic link leads to nowhere.py, which is not there",
        "b.py": "the symbolic link leads in a circle",
    }


def test_a_pipe_with_a_flow_files_name_is_told(tmp_path):
    os.mkfifo(tmp_path / "a.py")

    (found,) = look(str(tmp_path)).files.values()
    assert found.trouble == "it is not a regular file"


def test_a_missing_folder_and_a_file_in_its_place_are_told(tmp_path):
    seen = look(str(tmp_path / "flows"))
    assert seen.missing
    assert "does not exist; waiting for it" in seen.problems[0]

    (tmp_path / "flows").write_text("")
    assert "is not a folder" in look(str(tmp_path / "flows")).problems[0]


def test_a_folder_that_cannot_be_listed_is_blind_not_empty(tmp_path, monkeypatch):
    make(tmp_path / "a.py")
    make(tmp_path / "closed" / "b.py")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    seen = look(str(tmp_path))

    assert seen.blind == [str(tmp_path / "closed")]
    assert seen.problems == ["the folder closed cannot be listed: Permission denied"]


def test_folders_of_the_daemon_itself_are_not_entered(tmp_path):
    make(tmp_path / "a.py")
    make(tmp_path / "state" / "sources" / "ab" / "abc.py")

    assert shown(tmp_path, ignore=[str(tmp_path / "state")]) == ["a.py"]


def test_a_file_that_cannot_be_looked_at_is_not_taken_for_gone(tmp_path, monkeypatch):
    make(tmp_path / "a.py")
    make(tmp_path / "team" / "b.py")
    with monkeypatch.context() as patched:
        patched.setattr("tidemill.catalog.scanning.Signature.of", classmethod(_refuse))
        seen = look(str(tmp_path))

    assert sorted(seen.blind) == [str(tmp_path), str(tmp_path / "team")]
    assert "a.py cannot be looked at: Input/output error" in "".join(seen.problems)


def _refuse(*_):
    raise OSError(errno.EIO, os.strerror(errno.EIO))
