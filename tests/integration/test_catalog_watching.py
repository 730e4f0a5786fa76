"""The catalog's thread on a real folder with real inotify; only the inspection is a fake."""

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from tidemill.catalog.catalog import Catalog
from tidemill.catalog.known import MemoryCache
from tidemill.catalog.sources import SourceStore
from tidemill.config.settings import CatalogSettings
from unit.catalog.fake_inspection import FakeInspection

DEADLINE = 8.0


class Room:
    """A running catalog, and what it told."""

    def __init__(self, base, folder=None, **options):
        self.base = base
        self.folder = folder or base / "flows"
        self.inspection = FakeInspection()
        self.cache = options.pop("cache", MemoryCache())
        self.changes = []
        self.told = threading.Condition()
        # A sweep so rare that only hints can explain what is seen.
        settings = options.pop("settings", CatalogSettings(sweep_interval=300.0))
        sources = SourceStore(lambda digest: base / "sources" / f"{digest}.py")
        self.catalog = Catalog(
            self.folder,
            inspect=self.inspection,
            cache=self.cache,
            sources=sources,
            on_change=self.on_change,
            settings=settings,
            **options,
        )

    def on_change(self, change):
        with self.told:
            self.changes.append(change)
            self.told.notify_all()

    def start(self):
        self.catalog.start()
        assert self.catalog.ready.wait(DEADLINE)
        return self

    def write(self, name, *lines):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"# {line}\n" for line in lines))
        return path

    def flows(self):
        return {flow.name: file.shown for file in self.catalog.files() for flow in file.flows}

    def errors(self):
        return {file.shown: [error.message for error in file.errors] for file in self.catalog.files() if file.errors}

    def wait(self, condition):
        end = time.monotonic() + DEADLINE
        with self.told:
            while not condition():
                assert self.told.wait(end - time.monotonic()), (self.flows(), self.errors(), self.catalog.problems())


@pytest.fixture
def room(tmp_path):
    (tmp_path / "flows").mkdir()
    room = Room(tmp_path)
    yield room
    room.inspection.release.set()
    room.catalog.stop()


def test_a_file_is_seen_from_its_creation_to_its_removal(room):
    room.start()

    path = room.write("a.py", "flow one")
    room.wait(lambda: room.flows() == {"one": "a.py"})
    path.write_text("# flow two\n")
    room.wait(lambda: room.flows() == {"two": "a.py"})
    path.rename(room.folder / "b.py")
    room.wait(lambda: room.flows() == {"two": "b.py"})
    (room.folder / "b.py").unlink()
    room.wait(lambda: room.flows() == {})

    assert all(set(change.gone).isdisjoint(change.arrived) for change in room.changes)


def test_an_atomic_replacement_is_seen(room):
    room.write("a.py", "flow one")
    room.start()

    aside = room.folder / ".a.py.tmp"
    aside.write_text("# flow two\n")
    aside.replace(room.folder / "a.py")

    room.wait(lambda: room.flows() == {"two": "a.py"})


def test_a_file_moved_in_and_out_of_the_folder_is_seen(room):
    room.start()
    outside = room.base / "a.py"
    outside.write_text("# flow one\n")

    outside.rename(room.folder / "a.py")
    room.wait(lambda: room.flows() == {"one": "a.py"})
    (room.folder / "a.py").rename(outside)
    room.wait(lambda: room.flows() == {})


def test_a_file_written_in_halves_is_inspected_whole(room):
    room.start()
    with (room.folder / "a.py").open("w") as file:
        for number in range(20):
            file.write(f"# flow f{number}\n")
            file.flush()
            time.sleep(0.02)

    room.wait(lambda: len(room.flows()) == 20)


def test_files_in_new_folders_are_seen(room):
    room.start()
    for number in range(20):
        room.write(f"team{number}/deep/a.py", f"flow f{number}")
    room.wait(lambda: len(room.flows()) == 20)

    room.write("team7/deep/a.py", "flow changed")
    room.wait(lambda: "changed" in room.flows())


def test_a_folder_renamed_in_removed_and_made_again_is_seen(room):
    room.start()
    outside = room.base / "team"
    outside.mkdir()
    (outside / "a.py").write_text("# flow one\n")

    outside.rename(room.folder / "team")
    room.wait(lambda: room.flows() == {"one": "team/a.py"})
    shutil.rmtree(room.folder / "team")
    room.wait(lambda: room.flows() == {})
    room.write("team/a.py", "flow two")
    room.wait(lambda: room.flows() == {"two": "team/a.py"})


def test_the_folder_itself_removed_and_made_again_is_seen(room):
    room.write("a.py", "flow one")
    room.start()

    shutil.rmtree(room.folder)
    room.wait(lambda: room.flows() == {})
    assert "does not exist; waiting for it" in room.catalog.problems()[0]
    room.folder.mkdir()
    room.write("a.py", "flow two")
    room.wait(lambda: room.flows() == {"two": "a.py"})
    # The new folder is watched as the old one was.
    room.write("a.py", "flow three")
    room.wait(lambda: room.flows() == {"three": "a.py"})


def test_the_folder_replaced_at_once_is_seen(room):
    room.write("a.py", "flow one")
    room.start()
    other = room.base / "other"
    other.mkdir()
    (other / "a.py").write_text("# flow two\n")

    room.folder.rename(room.base / "old")
    other.rename(room.folder)
    room.wait(lambda: room.flows() == {"two": "a.py"})
    room.write("a.py", "flow three")
    room.wait(lambda: room.flows() == {"three": "a.py"})


def test_a_folder_that_is_missing_at_the_start_is_waited_for(tmp_path):
    room = Room(tmp_path).start()
    try:
        assert "does not exist; waiting for it" in room.catalog.problems()[0]
        room.write("a.py", "flow one")
        room.wait(lambda: room.flows() == {"one": "a.py"})
        assert room.catalog.problems() == ()
    finally:
        room.catalog.stop()


def test_a_linked_root_is_watched_and_followed_to_the_next_release(tmp_path):
    for release in ("one", "two"):
        folder = tmp_path / f"release-{release}"
        folder.mkdir()
        (folder / "a.py").write_text(f"# flow {release}\n# flow both\n")
    link = tmp_path / "flows"
    link.symlink_to("release-one")
    room = Room(tmp_path, link).start()
    try:
        room.wait(lambda: "one" in room.flows())
        (tmp_path / "release-one" / "a.py").write_text("# flow edited\n# flow both\n")
        room.wait(lambda: "edited" in room.flows())

        (tmp_path / "next").symlink_to("release-two")
        (tmp_path / "next").rename(link)
        room.wait(lambda: "two" in room.flows())
        assert all("both" not in change.gone for change in room.changes)
    finally:
        room.catalog.stop()


def test_a_change_behind_a_linked_folder_and_a_linked_file_is_seen(room):
    elsewhere = room.base / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.py").write_text("# flow one\n")
    single = room.base / "single"
    single.mkdir()
    (single / "b.py").write_text("# flow b\n")
    room.start()

    (room.folder / "team").symlink_to(elsewhere)
    (room.folder / "linked.py").symlink_to(single / "b.py")
    room.wait(lambda: room.flows() == {"one": "team/a.py", "b": "linked.py"})
    (elsewhere / "a.py").write_text("# flow two\n")
    (single / "b.py").write_text("# flow c\n")
    room.wait(lambda: room.flows() == {"two": "team/a.py", "c": "linked.py"})
    (room.folder / "team").unlink()
    room.wait(lambda: room.flows() == {"c": "linked.py"})


def test_files_that_lead_through_a_switched_link_are_seen(room):
    # As a mounted configuration map is updated: the names stay, a hidden link below them is replaced.
    for version in ("1", "2"):
        folder = room.folder / f"..v{version}"
        folder.mkdir()
        (folder / "a.py").write_text(f"# flow etl\n# flow v{version}\n")
    (room.folder / "..data").symlink_to("..v1")
    (room.folder / "a.py").symlink_to("..data/a.py")
    room.start()
    assert room.flows() == {"etl": "a.py", "v1": "a.py"}

    (room.folder / "..tmp").symlink_to("..v2")
    (room.folder / "..tmp").rename(room.folder / "..data")

    room.wait(lambda: room.flows() == {"etl": "a.py", "v2": "a.py"})
    assert all("etl" not in change.gone for change in room.changes)


def test_what_a_flow_writes_beside_itself_wakes_nobody(tmp_path):
    (tmp_path / "flows" / "results").mkdir(parents=True)
    # By this clock the flow file is old, so that nothing but a hint leads to another look.
    room = Room(tmp_path, wall=lambda: 1e10)
    room.write("a.py", "flow one")
    room.start()
    try:
        assert room.catalog.sweep_now(timeout=DEADLINE)
        looked = room.catalog._seen
        for number in range(200):
            (room.folder / "results" / f"{number}.json").write_text("{}")
            (room.folder / ".hidden.py").write_text("")
        time.sleep(0.3)

        assert room.catalog._seen is looked
    finally:
        room.catalog.stop()


def test_a_helper_module_reloads_the_flows_that_import_it(room):
    room.write("helpers.py", "version 1")
    room.write("a.py", "import helpers", "flow one")
    room.start()
    (before,) = [file.good.id for file in room.catalog.files() if file.shown == "a.py"]

    room.write("helpers.py", "version 2")

    room.wait(lambda: any(file.good.id != before for file in room.catalog.files() if file.shown == "a.py"))


def test_an_endless_file_holds_up_no_other(room):
    room.start()
    endless = room.write("endless.py", "hang")
    end = time.monotonic() + DEADLINE
    while not room.inspection.inspected(endless) and time.monotonic() < end:
        time.sleep(0.01)

    room.write("a.py", "flow one")
    room.wait(lambda: room.flows() == {"one": "a.py"})
    room.write("endless.py", "flow mended")
    room.wait(lambda: "mended" in room.flows())


def test_a_broken_file_breaks_nothing_and_is_told(room):
    room.write("a.py", "flow one")
    room.start()
    room.write("a.py", "flow one", "broken")
    room.wait(lambda: room.errors() == {"a.py": ["it is broken"]})
    assert room.flows() == {"one": "a.py"}


def test_a_request_returns_when_everything_is_told(room):
    room.start()
    room.write("a.py", "flow one")
    assert room.catalog.sweep_now(timeout=DEADLINE)
    assert room.flows() == {"one": "a.py"}
    room.write("b.py", "broken")
    assert room.catalog.sweep_now([room.folder / "a.py"], timeout=DEADLINE)
    assert room.errors() == {"b.py": ["it is broken"]}
    assert room.inspection.inspected(room.folder / "a.py") == 2


def test_a_thousand_unchanged_files_are_taken_from_the_cache(tmp_path):
    (tmp_path / "flows").mkdir()
    first = Room(tmp_path)
    for number in range(1000):
        first.write(f"team{number % 20}/f{number}.py", f"flow f{number}")
    first.start()
    first.catalog.stop()
    assert len(first.flows()) == 1000

    second = Room(tmp_path, cache=first.cache).start()
    second.catalog.stop()

    assert second.inspection.orders == []
    assert second.flows() == first.flows()
    assert len(second.changes) == 1


def test_without_inotify_the_sweep_finds_everything(tmp_path, monkeypatch):
    def refuse():
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr("tidemill.catalog.watching.Observer", refuse)
    (tmp_path / "flows").mkdir()
    room = Room(tmp_path).start()
    try:
        assert "looked at every second instead" in room.catalog.problems()[0]
        room.write("a.py", "flow one")
        room.wait(lambda: room.flows() == {"one": "a.py"})
    finally:
        room.catalog.stop()


def test_listeners_that_fail_do_not_stop_the_catalog(room, caplog):
    broken = threading.Event()
    tell = room.on_change

    def on_change(change):
        tell(change)
        if not broken.is_set():
            broken.set()
            raise RuntimeError("the listener stumbled")

    room.catalog._on_change = on_change
    room.write("a.py", "flow one")
    room.start()
    room.write("b.py", "flow two")
    room.wait(lambda: set(room.flows()) == {"one", "two"})
    assert "telling of changed flows failed" in caplog.text


def test_the_catalog_survives_a_look_that_fails(room, monkeypatch, caplog):
    room.start()
    from tidemill.catalog import catalog as module

    real, failures = module.look, [OSError("the disk is strange")]

    def look(*arguments):
        if failures:
            raise failures.pop()
        return real(*arguments)

    monkeypatch.setattr(module, "look", look)
    room.write("a.py", "flow one")
    room.wait(lambda: room.flows() == {"one": "a.py"})
    assert "the catalog stumbled" in caplog.text


def test_a_permission_taken_and_given_back_is_told(room, monkeypatch):
    if os.getuid() == 0:
        real = os.open

        def refuse(path, flags, *rest, **options):
            if str(path).endswith("a.py") and not Path(path).stat().st_mode & 0o400:
                raise PermissionError(13, "Permission denied")
            return real(path, flags, *rest, **options)

        monkeypatch.setattr(os, "open", refuse)
    path = room.write("a.py", "flow one")
    room.start()

    path.chmod(0)
    assert room.catalog.sweep_now(timeout=DEADLINE)
    assert "permission denied" in room.errors()["a.py"][0]
    assert room.flows() == {"one": "a.py"}
    path.chmod(0o600)
    assert room.catalog.sweep_now(timeout=DEADLINE)
    assert room.errors() == {}
