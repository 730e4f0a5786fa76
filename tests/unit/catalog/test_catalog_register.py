import os
from dataclasses import replace

from tidemill.domain.errors import TidemillError


def one_file(desk):
    return desk.changes[-1].changed[-1]


def test_a_new_file_is_told_once_it_has_settled(desk):
    desk.turn()
    path = desk.write("a.py", "flow etl")
    desk.turn()
    assert not desk.changes

    desk.turn(0.1)

    (change,) = desk.changes
    (file,) = change.changed
    assert (file.path, file.shown) == (str(path), "a.py")
    assert change.arrived == ("etl",)
    assert file.good is not None
    assert list(file.good.sources) == [str(path)]
    assert len(file.good.id) == 12


def test_what_is_inspected_is_what_is_kept_and_not_what_the_file_became(desk):
    path = desk.write("a.py", "flow etl")
    desk.answers = False
    desk.turn()
    desk.turn(0.1)
    path.write_text("# flow other\n")

    desk.answers = True
    desk.answer()
    desk.tell()

    good = one_file(desk).good
    assert [flow.name for flow in good.manifest.flows] == ["etl"]
    assert desk.sources.path(good.sources[str(path)]).read_text() == "# flow etl\n"


def test_a_touched_file_is_read_but_not_inspected_again(desk):
    path = desk.write("a.py", "flow etl")
    desk.settle()
    os.utime(path)

    assert desk.settle() == []
    assert desk.inspection.inspected(path) == 1


def test_a_broken_edit_keeps_the_last_good_version(desk):
    desk.write("a.py", "flow etl")
    desk.settle()
    good = one_file(desk).good

    desk.write("a.py", "flow etl", "broken")
    (change,) = desk.settle()

    (file,) = change.changed
    assert file.good == good
    assert [flow.name for flow in file.flows] == ["etl"]
    assert [(error.line, error.message) for error in file.errors] == [(2, "it is broken")]
    assert change.gone == ()

    desk.write("a.py", "flow etl", "flow more")
    (change,) = desk.settle()
    assert change.arrived == ("more",)
    assert change.changed[0].errors == ()


def test_a_deleted_file_takes_its_flows_along(desk):
    path = desk.write("a.py", "flow etl")
    desk.settle()
    path.unlink()

    (change,) = desk.settle()

    assert [file.path for file in change.removed] == [str(path)]
    assert change.gone == ("etl",)


def test_a_file_written_by_deleting_it_first_is_never_gone(desk):
    path = desk.write("a.py", "flow etl")
    desk.settle()
    path.unlink()
    desk.turn(0.05)
    desk.write("a.py", "flow etl", "flow more")

    told = desk.settle()

    assert [change.gone for change in told] == [()]
    assert desk.flows() == {"etl": "a.py", "more": "a.py"}


def test_a_file_that_comes_back_while_its_removal_is_held_is_there(desk):
    path = desk.write("a.py", "flow etl")
    desk.write("b.py", "flow other")
    desk.settle()
    data = path.read_bytes()
    path.unlink()
    desk.write("b.py", "hang")
    desk.answers = False
    desk.turn(0.05)
    desk.turn(0.15)
    path.write_bytes(data)
    desk.answers = True
    desk.inspection.release.set()

    desk.settle()

    assert desk.flows() == {"etl": "a.py"}


def test_a_renamed_file_moves_its_flows_in_one_batch(desk):
    path = desk.write("a.py", "flow etl")
    desk.settle()
    path.rename(desk.folder / "b.py")

    desk.answers = False
    desk.turn(0.05)
    desk.turn(0.15)
    desk.turn(0.9)
    assert len(desk.changes) == 1
    desk.answers = True
    (change,) = desk.settle()

    assert [file.shown for file in change.removed] == ["a.py"]
    assert [file.shown for file in change.changed] == ["b.py"]
    assert change.gone == change.arrived == ()
    assert desk.flows() == {"etl": "b.py"}


def test_a_renamed_and_edited_file_moves_its_flows_in_one_batch(desk):
    path = desk.write("a.py", "flow etl")
    desk.settle()
    path.unlink()
    desk.write("b.py", "flow etl", "flow more")

    (change,) = desk.settle()

    assert (change.gone, change.arrived) == ((), ("more",))


def test_a_renamed_folder_moves_its_flows_file_by_file_without_a_conflict(desk):
    for name in "abc":
        desk.write(f"team/{name}.py", f"flow {name}")
    desk.settle()
    told = len(desk.changes)
    (desk.folder / "team").rename(desk.folder / "crew")

    desk.answers = False
    for _ in range(3):
        desk.turn(0.11)
    while desk.tickets:
        desk.answer()
        desk.turn(0.11)
    desk.answers = True
    desk.settle()

    for change in desk.changes[told:]:
        assert change.gone == ()
        assert all(file.errors == () for file in change.changed)
    assert {file.shown for change in desk.changes[told:] for file in change.changed if file.flows} == {
        "crew/a.py",
        "crew/b.py",
        "crew/c.py",
    }
    assert len({file.path for change in desk.changes[told:] for file in change.removed}) == 3


def test_a_removal_does_not_wait_for_ever_for_a_file_that_never_loads(desk):
    path = desk.write("a.py", "flow etl")
    desk.settle()
    path.unlink()
    desk.write("b.py", "hang")
    desk.answers = False

    (change,) = desk.settle(8)

    assert change.gone == ("etl",)


def test_two_files_with_one_flow_name_are_told_apart(desk):
    desk.write("b.py", "flow etl")
    desk.settle()
    desk.write("a.py", "flow etl", "flow own")
    (change,) = desk.settle()

    (loser,) = change.changed
    assert [flow.name for flow in loser.flows] == ["own"]
    assert "the flow 'etl' is declared by b.py:1 already" in loser.errors[0].message

    (desk.folder / "b.py").unlink()
    (change,) = desk.settle()
    assert change.gone == ()
    assert desk.flows() == {"etl": "a.py", "own": "a.py"}
    assert change.changed[0].errors == ()


def test_a_changed_module_inspects_the_files_that_import_it(desk):
    desk.write("helpers.py", "version 1")
    user = desk.write("a.py", "import helpers", "flow etl")
    other = desk.write("b.py", "flow other")
    desk.settle()
    before = {file.shown: file for file in desk.changes[-1].changed}["a.py"].good

    desk.write("helpers.py", "version 2")
    desk.settle()

    after = {file.shown: file for file in desk.changes[-1].changed}["a.py"].good
    assert desk.inspection.inspected(user) == 2
    assert desk.inspection.inspected(other) == 1
    assert before.id != after.id
    module = str(desk.folder / "helpers.py")
    assert desk.sources.path(before.sources[module]).read_text() == "# version 1\n"
    assert desk.sources.path(after.sources[module]).read_text() == "# version 2\n"


def test_a_private_module_counts_too_and_is_no_flow_file(desk):
    desk.write("_lib.py", "flow hidden")
    desk.write("a.py", "import _lib", "flow etl")
    desk.settle()
    assert desk.flows() == {"etl": "a.py"}

    desk.write("_lib.py", "broken")
    (change,) = desk.settle()
    assert [file.shown for file in change.changed] == ["a.py"]
    assert change.changed[0].errors


def test_a_deleted_module_leaves_the_last_good_version(desk):
    module = desk.write("helpers.py", "version 1")
    desk.write("a.py", "import helpers", "flow etl")
    desk.settle()
    module.unlink()

    desk.settle()

    file = next(file for change in desk.changes[1:] for file in change.changed if file.shown == "a.py")
    assert "no module helpers" in file.errors[0].message
    assert [flow.name for flow in file.flows] == ["etl"]
    assert desk.sources.path(file.good.sources[str(module)]).read_text() == "# version 1\n"


def test_a_missing_module_that_appears_mends_the_file(desk):
    desk.write("a.py", "import helpers", "flow etl")
    desk.settle()
    assert desk.flows() == {}

    desk.write("helpers.py", "version 1")
    desk.settle()

    assert desk.flows() == {"etl": "a.py"}


def test_a_plain_module_is_no_error(desk):
    desk.write("helpers.py", "nothing here")
    desk.settle()
    file = one_file(desk)
    assert (file.errors, file.flows) == ((), ())


def test_a_module_of_a_package_is_not_loaded_on_its_own(desk):
    package = desk.write("lib/__init__.py")
    module = desk.write("lib/dates.py", "from . import names")
    flow = desk.write("lib/daily.py", "tidemill", "flow daily")
    desk.settle()
    assert desk.inspection.inspected(module) == 0
    assert desk.inspection.inspected(flow) == 1
    assert desk.flows() == {"daily": "daily.py"}

    package.unlink()
    module.write_text("# broken\n")
    desk.settle()
    assert desk.inspection.inspected(module) == 1


def test_an_empty_file_is_told_and_not_inspected(desk):
    path = desk.write("a.py")
    desk.settle()
    file = one_file(desk)
    assert file.errors == ()
    assert file.warnings[0].message == "the file is empty: no flows"
    assert desk.inspection.inspected(path) == 0


def test_a_truncated_file_does_not_lose_its_flows_before_it_is_written(desk):
    path = desk.write("a.py", "flow etl")
    desk.settle()
    path.write_text("")
    desk.turn(0.05)
    desk.turn(0.3)
    assert len(desk.changes) == 1

    desk.write("a.py", "flow etl", "flow more")
    desk.settle()
    assert [change.gone for change in desk.changes] == [(), ()]


def test_a_binary_file_is_refused_and_not_inspected(desk):
    path = desk.folder / "a.py"
    path.write_bytes(b"\x7fELF\x00\x00")
    desk.settle()
    assert "NUL bytes" in one_file(desk).errors[0].message
    assert desk.inspection.inspected(path) == 0


def test_a_file_that_grows_huge_keeps_its_last_good_version(desk):
    path = desk.write("a.py", "flow etl")
    desk.settle()
    with path.open("ab") as file:
        file.truncate(3 * 1024 * 1024)
    desk.settle()
    file = one_file(desk)
    assert "3.0 MiB" in file.errors[0].message
    assert [flow.name for flow in file.flows] == ["etl"]

    desk.write("a.py", "flow etl")
    desk.settle()
    assert one_file(desk).errors == ()


def test_a_dangling_link_is_told_and_mended(desk):
    (desk.folder / "a.py").symlink_to("../real.py")
    desk.settle()
    assert "leads to ../real.py, which is not there" in one_file(desk).errors[0].message

    (desk.base / "real.py").write_text("# flow etl\n")
    desk.settle()
    assert desk.flows() == {"etl": "real.py"}
    assert one_file(desk).shown == "a.py"


def test_a_change_that_leaves_no_trace_in_the_times_is_found_by_reading_once_more(desk, monkeypatch):
    # A file system that counts whole seconds: the second text has the size and the times of the first.
    path = desk.write("a.py", "flow one")
    status = path.stat()
    desk.wall = lambda: status.st_mtime + 0.2
    from tidemill.catalog import scanning

    frozen = scanning.Signature.of(status)
    monkeypatch.setattr(scanning.Signature, "of", classmethod(lambda cls, _status: frozen))
    desk.settle(2)
    assert desk.flows() == {"one": "a.py"}

    path.write_text("# flow two\n")
    desk.turn(3.0)

    assert desk.flows() == {"two": "a.py"}


def test_an_old_unchanged_file_is_not_read_again(desk, monkeypatch):
    desk.write("a.py", "flow etl")
    desk.wall = lambda: 1e10
    desk.settle()
    monkeypatch.setattr("tidemill.catalog.register.read_source", lambda path: 1 / 0)
    desk.turn(10.0)
    desk.turn(10.0)


def test_a_folder_that_cannot_be_listed_loses_no_flows(desk, monkeypatch):
    desk.write("team/a.py", "flow etl")
    desk.settle()
    real = os.scandir

    def scandir(path):
        if str(path).endswith("team"):
            raise OSError(5, "Input/output error")
        return real(path)

    desk.write("team/a.py", "flow other")
    desk.turn()
    monkeypatch.setattr(os, "scandir", scandir)
    assert desk.settle() == []
    # What cannot be seen at present keeps nobody awake.
    assert desk.register.next_at(desk.now) is None


def test_the_next_daemon_takes_over_without_inspecting(desk):
    desk.write("helpers.py", "version 1")
    desk.write("a.py", "import helpers", "flow etl")
    desk.settle()
    before = {file.shown: file for file in desk.changes[-1].changed}
    orders = len(desk.inspection.orders)
    desk.changes.clear()

    desk.open()
    desk.wall = lambda: 1e10
    desk.turn()

    assert len(desk.inspection.orders) == orders
    assert {file.shown: file for file in desk.changes[-1].changed} == before
    assert desk.register.is_ready


def test_the_next_daemon_inspects_what_changed_meanwhile(desk):
    desk.write("helpers.py", "version 1")
    desk.write("a.py", "import helpers", "flow etl")
    unchanged = desk.write("b.py", "flow other")
    desk.settle()

    desk.write("helpers.py", "version 2")
    desk.open()
    desk.settle()

    assert desk.inspection.inspected(desk.folder / "a.py") == 2
    assert desk.inspection.inspected(unchanged) == 1


def test_a_last_good_version_survives_a_restart(desk):
    desk.write("a.py", "flow etl")
    desk.settle()
    desk.write("a.py", "broken")
    desk.settle()

    desk.open()
    desk.settle()

    file = next(file for file in desk.changes[-1].changed)
    assert [flow.name for flow in file.flows] == ["etl"]
    assert file.errors[0].message == "it is broken"


def test_a_file_broken_while_no_daemon_ran_keeps_its_last_good_version(desk):
    desk.write("a.py", "flow etl")
    desk.settle()
    desk.write("a.py", "broken")

    desk.open()
    desk.settle()

    assert [flow.name for flow in one_file(desk).flows] == ["etl"]
    assert one_file(desk).errors


def test_a_broken_file_is_tried_again_after_a_restart(desk):
    desk.write("a.py", "import pandas", "flow etl")
    desk.settle()
    assert desk.flows() == {}
    desk.open()
    desk.folder.joinpath("pandas.py").write_text("# installed meanwhile\n")

    desk.settle()

    assert desk.flows() == {"etl": "a.py"}


def test_a_version_whose_text_was_lost_is_not_taken_over(desk):
    path = desk.write("a.py", "flow etl")
    desk.settle()
    (entry,) = desk.memory.values()
    desk.memory[str(path)] = entry._replace(hash="0" * 64, manifest=replace(entry.manifest, hash="0" * 64))
    desk.write("a.py", "broken")

    desk.open()
    desk.settle()

    assert one_file(desk).good is None


def test_a_failing_inspector_is_tried_again_and_shown_when_it_goes_on(desk):
    desk.write("a.py", "flow etl")
    desk.inspection.failure = TidemillError("the fork server does not answer")
    desk.turn()
    desk.turn(0.2)
    assert not desk.register.is_ready
    desk.settle(12)
    assert "could not be inspected: the fork server does not answer" in one_file(desk).errors[0].message
    assert desk.register.is_ready

    desk.inspection.failure = None
    desk.settle(24)
    assert desk.flows() == {"etl": "a.py"}
    assert one_file(desk).errors == ()


def test_a_file_that_rewrites_its_module_whenever_it_is_loaded_is_not_loaded_for_ever(desk):
    module = desk.write("generated.py", "version 0")
    path = desk.write("a.py", "import generated", "flow etl")
    for number in range(200):
        desk.turn(0.15)
        module.write_text(f"# version {number}\n")
    assert desk.inspection.inspected(path) < 20


def test_an_edit_overtakes_the_inspection_of_an_older_text(desk):
    desk.answers = False
    desk.write("a.py", "flow one")
    desk.turn()
    desk.turn(0.2)
    desk.write("a.py", "flow three")
    desk.turn(0.2)
    desk.turn(0.2)
    first, second = desk.tickets
    desk.tickets[:] = [second, first]

    desk.answer()
    desk.answer()
    desk.tell()

    assert desk.flows() == {"three": "a.py"}


def test_asking_again_inspects_broken_and_named_files(desk):
    good = desk.write("good.py", "flow good")
    named = desk.write("named.py", "flow named")
    broken = desk.write("broken.py", "broken")
    desk.settle()

    desk.register.ask_again([str(named)], desk.now)
    desk.settle()

    assert [desk.inspection.inspected(path) for path in (good, named, broken)] == [1, 2, 2]
    assert desk.register.is_quiet


def test_the_first_batch_gives_a_doubly_declared_name_by_path(desk):
    desk.write("b.py", "flow etl")
    desk.write("a.py", "flow etl")
    desk.answers = False
    desk.turn()
    desk.turn(0.2)
    desk.tickets.sort(key=lambda ticket: ticket.path, reverse=True)
    desk.answer()
    desk.tell()
    assert not desk.changes
    desk.answer()
    desk.tell()
    assert desk.flows() == {"etl": "a.py"}
