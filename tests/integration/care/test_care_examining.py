"""The doctor: what it sees, the sentence it has for it, and that nothing is wrong where nothing is."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from care_lab import DAYS, World
from history_lab import NOON, SECOND, Lab
from tidemill.care.checks import directory, disk, machine, runs
from tidemill.care.examining import CHECKS, examine
from tidemill.care.findings import Level, Site
from tidemill.config.settings import (
    CatalogSettings,
    ControlSettings,
    ForkserverSettings,
    Places,
    RetentionSettings,
    Settings,
)
from tidemill.domain.runs import ProcessName
from tidemill.domain.states import State
from tidemill.domain.version import VERSION
from tidemill.history.records import NewRun
from tidemill.journal.processes import name_process

SERVING = {"running": True, "version": VERSION, "problem": None, "errors": []}


class Patient:
    """A state directory that is examined."""

    def __init__(self, world: World, flows: Path) -> None:
        self.world = world
        self.flows = flows
        self.settings = Settings(places=Places(flows_dir=flows, state_dir=world.paths.root))
        self.status = None
        world.paths.root.chmod(0o700)
        world.lab.pen.tidy()
        world.lab.close()

    def look(self, *names: str) -> list[str]:
        """Return what is found as ``level: message``, by the checks called *names*, or by all."""
        self.world.lab.close()
        site = Site(self.settings, self.world.paths, self.status, self.world.now)
        return [
            f"{finding.level}: {finding.message}"
            for check in examine(site)
            if not names or check.name in names
            for finding in check.findings
        ]

    def wrong(self, *names: str) -> list[str]:
        """Return only what is wrong, or may be."""
        return [told for told in self.look(*names) if not told.startswith("note")]


@pytest.fixture
def patient(world, tmp_path_factory) -> Patient:
    flows = tmp_path_factory.mktemp("flows")
    (flows / "etl.py").write_text("")
    world.now = NOON + 900 * DAYS
    for number in range(3):
        world.run(f"a{number:09}", age=number + 1)
    size = size_of(world, "a000000000")
    world.lab.write(lambda w: w.execute("UPDATE runs SET started_at = queued_at, journal_offset = ?", (size,)))
    return Patient(world, flows)


def size_of(world: World, uid: str) -> int:
    return world.paths.journal(uid).stat().st_size


def test_a_sound_state_directory_has_nothing_wrong(patient):
    assert patient.wrong() == []


def test_every_check_answers_for_a_directory_that_is_not_there(patient, tmp_path):
    patient.world.paths = patient.world.paths._replace(root=tmp_path / "nowhere")

    assert len(examine(Site(patient.settings, patient.world.paths, None, patient.world.now))) == len(CHECKS)
    assert "there is no state directory" in patient.look("state directory")[0]
    assert "there is no history" in patient.look("history")[0]
    assert patient.wrong() == []


# The directory


def test_a_directory_that_others_may_look_into_is_told_with_the_command(patient):
    root = patient.world.paths.root
    root.chmod(0o755)

    assert patient.wrong("state directory") == [
        f"error: others may look into the state directory {root} (mode 0755): chmod 700 {root}"
    ]
    patient.settings = patient.settings._replace(control=ControlSettings(allow_uids=(1000,)))
    root.chmod(0o711)
    assert patient.wrong("state directory") == []


def test_files_that_others_may_read_are_told(patient):
    patient.world.paths.exits.parent.chmod(0o755)
    (patient.world.paths.root / "history.db").chmod(0o644)

    told = patient.wrong("state directory")
    assert [line.partition("others may read ")[2].partition(" (")[0] for line in told] == [
        str(patient.world.paths.root / "history.db"),
        str(patient.world.paths.exits.parent),
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_of_another_user_are_told(patient):
    os.chown(patient.world.paths.root / "journals", 12345, -1)

    assert "belongs to uid 12345" in patient.wrong("state directory")[0]


MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
40 22 0:35 / /home rw shared:2 - nfs4 server:/home rw
41 40 0:36 / /home/ann/local\\040disk rw - xfs /dev/sdb rw
42 22 0:37 / /mnt/s rw - fuse.sshfs me@host: rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/home/ann", "nfs4"),
        ("/home/ann/local disk/x", "xfs"),
        ("/homely", "ext4"),
        ("/mnt/s/a", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_the_nearest_mount(path, kind):
    assert directory.file_system_of(Path(path), MOUNTS)[1] == kind
    assert directory.is_network(kind) == (kind in ("nfs4", "fuse.sshfs"))


def test_another_machines_disk_is_no_place_for_it(patient, monkeypatch):
    monkeypatch.setattr(directory, "file_system_of", lambda path: ("/home", "nfs4"))

    assert "lies on nfs4 (mounted at /home), another machine's disk" in patient.wrong("state directory")[0]


# The disk


def test_little_room_is_told(patient, monkeypatch):
    usage = disk.shutil.disk_usage("/")
    for free, level in ((10_000_000, "error"), (100_000_000, "warning")):
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        (told,) = patient.wrong("disk")
        assert told.startswith(level)


def test_histories_that_were_set_aside_are_told_of(patient):
    kept = patient.world.paths.root / "history.db.damaged-20261122T000000000000"
    kept.write_bytes(b"x" * 10)

    (told,) = patient.look("disk")
    assert f"{kept} (10 bytes) is a history that was set aside" in told


def test_a_log_that_somebody_keeps_from_being_cut_is_told(patient, monkeypatch):
    monkeypatch.setattr(disk, "LONG_WAL", 1000)
    Path(f"{patient.world.paths.database}-wal").write_bytes(b"x" * 2000)

    assert "somebody holds a reading of the history open" in patient.wrong("disk")[0]


# The history


def overwrite(path: Path, *pages: int) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)


def test_a_damaged_page_is_told(patient):
    patient.world.lab.close()
    overwrite(patient.world.paths.database, 9, 12)

    assert "is damaged" in patient.wrong("history")[0]


def test_a_history_that_is_no_database_is_told(patient):
    patient.world.paths.database.write_bytes(b"nonsense " * 1000)

    assert "is not a database" in patient.wrong("history")[0]


def test_a_missing_history_with_journals_is_told(patient):
    patient.world.lab.close()
    patient.world.paths.database.unlink()

    assert "is missing, and there are journals of 3 runs" in patient.wrong("history")[0]


def test_rows_that_refer_to_nothing_are_told(patient):
    with closing(sqlite3.connect(patient.world.paths.database)) as connection, connection:
        connection.execute(
            "INSERT INTO task_runs (run_id, idx, name, state, attempts) VALUES (99, 0, 'x', 'failed', 1)"
        )

    assert "1 rows of the history (task_runs) refer to rows that are not there" in patient.wrong("history")[0]


def test_a_newer_schema_and_an_older_one_are_told(patient):
    for version, level in (("9000", "error"), ("0001", "note")):
        with closing(sqlite3.connect(patient.world.paths.database)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        assert any(told.startswith(level) and "schema" in told for told in patient.look("history"))


def test_a_second_name_and_a_file_that_cannot_shrink_are_told(patient):
    path = patient.world.paths.database
    Path(f"{path}.again").hardlink_to(path)
    patient.world.lab.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = 0")
        connection.execute("VACUUM")

    told = patient.wrong("history")
    assert "has another name as well" in told[0]
    assert "tidemill prune --compact" in told[1]


def test_a_version_of_sqlite_with_a_known_fault_is_noted(patient, monkeypatch):
    for version, noted in (((3, 40, 1), True), ((3, 44, 6), False), ((3, 52, 0), False)):
        monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
        assert any("one writer only" in told for told in patient.look("history")) == noted


# Journals


def test_runs_that_the_history_does_not_know_are_told(patient):
    patient.world.leave_files("xb00000000", patient.world.now - DAYS)

    assert "does not know 1 runs that have journals (xb00000000)" in patient.wrong("journals")[0]


def test_runs_of_terminals_that_were_never_recorded_are_told(patient):
    patient.world.leave_files("xb00000000", patient.world.now - DAYS)
    order = patient.world.paths.journal("xb00000000").with_suffix(".order")
    order.write_text("{}")
    os.utime(order, (1, 1))

    assert "1 runs that were made in a terminal were never recorded" in patient.wrong("journals")[0]


def test_logs_without_a_run_are_told_with_their_size(patient):
    patient.world.leave_files("xb00000000", patient.world.now - DAYS)
    patient.world.paths.journal("xb00000000").unlink()

    assert "1 runs are not in the history and have left logs or results" in patient.wrong("journals")[0]


def test_files_that_were_made_a_moment_ago_are_no_fault(patient):
    patient.world.leave_files("xb00000000", patient.world.now - 5 * SECOND)

    assert patient.wrong("journals") == []


def test_a_journal_that_was_cut_is_told(patient):
    patient.world.paths.journal("a000000001").write_bytes(b"")

    assert "1 journals (a000000001) are shorter" in patient.wrong("journals")[0]


def test_a_torn_tail_is_noted(patient):
    with patient.world.paths.journal("a000000001").open("ab") as journal:
        journal.write(b'["task_en')

    assert patient.look("journals") == [
        "note: 1 journals end in the middle of a line, which their processes died writing; it is left out"
    ]


def go_on(patient: Patient, uid: str, process: ProcessName) -> None:
    """Have a run go on in *process*."""
    run_id = patient.world.lab.write(lambda w: w.add_run(NewRun(uid, "nightly", patient.world.now - SECOND)))
    sql = "UPDATE runs SET state = 'running', started_at = queued_at, pid = ?, start_time = ?, boot_id = ? WHERE id = ?"
    patient.world.lab.write(lambda w: w.execute(sql, (*process, run_id)))


def test_a_live_run_without_a_journal_is_told(patient):
    go_on(patient, "xb00000000", name_process(os.getpid()))

    assert "1 runs are going on and their journals are gone" in patient.wrong("journals")[0]
    patient.world.paths.log("xb00000000").parent.mkdir()
    patient.world.paths.log("xb00000000").write_text("said")
    assert "1 runs are going on (xb00000000)" in patient.wrong("journals")[0]


def test_runs_that_could_not_be_brought_back_are_noted(patient):
    patient.world.paths.journal("a000000001").unlink()

    assert patient.look("journals") == [
        "note: 1 runs that ended have no journal any more: were the history lost, they would be too"
    ]


# Live runs


def test_a_run_without_its_process_is_told_where_a_daemon_should_have_seen_it(patient, monkeypatch):
    monkeypatch.setattr(runs, "PATIENCE", 0)
    go_on(patient, "xb00000000", ProcessName(2**22 - 1, 1, "another boot"))

    assert "1 runs ended while no daemon served" in patient.look("live runs")[0]
    patient.status = SERVING
    assert "shown as going on (xb00000000) and their processes are gone" in patient.wrong("live runs")[0]


def test_a_run_that_is_judged_meanwhile_is_no_fault(patient, monkeypatch):
    go_on(patient, "xb00000000", ProcessName(2**22 - 1, 1, "another boot"))
    patient.status = SERVING

    def judge(_seconds):
        run_id = patient.world.lab.write(lambda w: w.run_id("xb00000000"))
        patient.world.lab.write(lambda w: w.end_run(run_id, State.CRASHED, None, patient.world.now))

    monkeypatch.setattr(runs.time, "sleep", judge)
    assert patient.look("live runs") == []


def test_runs_that_go_on_without_a_daemon_are_noted(patient):
    go_on(patient, "xb00000000", name_process(os.getpid()))
    patient.world.lab.add_run("xc00000000", queued_at=patient.world.now)

    assert "1 runs go on and 1 wait, and no daemon serves" in patient.look("live runs")[0]


# Daemon, fork server


def test_another_version_and_what_the_daemon_complains_of_are_told(patient):
    error = {"file": "etl.py", "line": 7, "message": "no"}
    patient.status = SERVING | {"version": "0.0.1", "problem": "the disk is full", "errors": [error]}

    told = patient.wrong("daemon")
    assert "the daemon is tidemill 0.0.1" in told[0]
    assert told[1:] == ["error: the daemon says: the disk is full", "warning: etl.py:7: no"]


def test_a_daemon_without_its_fork_server_is_told(patient):
    assert patient.wrong("fork server") == []
    patient.status = SERVING
    assert "no fork server answers" in patient.wrong("fork server")[0]


def test_a_pid_that_was_left_is_noted(patient):
    patient.world.paths.pid_file.write_text("1\n")

    assert "was left by a daemon that was killed" in patient.look("daemon")[1]


# The machine


def test_a_clock_that_was_set_back_is_told(patient):
    patient.world.now -= 10 * DAYS

    assert "it was set back, or is wrong" in patient.wrong("clock")[-1]


@pytest.mark.parametrize("now", [0, 10**17])
def test_a_clock_that_cannot_be_right_is_told(patient, now):
    patient.world.now = now

    assert "which cannot be" in patient.wrong("clock")[0]


def test_few_watches_and_few_open_files_are_told(patient, monkeypatch, tmp_path):
    (tmp_path / "max_user_watches").write_text("1\n")
    (tmp_path / "max_user_instances").write_text("2\n")
    monkeypatch.setattr(machine, "INOTIFY", tmp_path)
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (64, 64))

    told = patient.look("limits of the system")
    assert [line.split(":")[0] for line in told] == ["warning", "note", "warning"]
    assert "raise: ulimit -n" in told[2]


# Flows and settings


def test_flow_files_that_others_can_change_are_told(patient):
    (patient.flows / "etl.py").chmod(0o666)

    assert f"everybody can change {patient.flows.resolve()}/etl.py" in patient.wrong("flow files")[0]
    patient.settings = patient.settings._replace(catalog=CatalogSettings(writers="anyone"))
    assert "whoever can write" in patient.wrong("flow files")[0]


def test_a_missing_folder_of_flows_is_told(patient):
    patient.settings = patient.settings._replace(places=Places(Path("/nowhere/flows"), patient.world.paths.root))

    assert "there is no folder /nowhere/flows" in patient.wrong("flow files")[0]


def test_settings_that_do_not_go_together_are_told(patient, tmp_path):
    endless = RetentionSettings(0, 0, 0, 0, 0, 0)
    preload = ForkserverSettings(preload=("json", "no_such_module_here"))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").write_text("x")
    (tmp_path / "secrets" / "token").chmod(0o644)
    places = patient.settings.places._replace(secrets_dir=tmp_path / "secrets")
    patient.settings = patient.settings._replace(retention=endless, forkserver=preload, places=places)

    told = patient.wrong("settings")
    assert "nothing bounds the history" in told[0]
    assert "no_such_module_here" in told[1]
    assert "others may read the secret" in told[2]


def test_what_may_not_be_looked_at_is_told_and_the_rest_is_looked_at(patient, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied", "/state")

    monkeypatch.setattr(disk.shutil, "disk_usage", refuse)

    assert "/state may not be looked at by you" in patient.wrong("disk")[0]
    assert patient.wrong("history") == []


def test_a_history_in_postgresql_is_examined_too(postgresql, tmp_path, patient):
    from sqlalchemy import create_engine

    engine = create_engine(postgresql)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA IF EXISTS examined CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA examined")
    engine.dispose()
    url = f"{postgresql}&options=-csearch_path%3Dexamined"
    Lab(url, tmp_path).close()
    patient.settings = patient.settings._replace(places=patient.settings.places._replace(database_url=url))

    assert "does not know 3 runs" in patient.wrong("history")[0]
    assert Level.ERROR == "error"
