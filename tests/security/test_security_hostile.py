"""S7, S8, S12, S18, S19: what a run writes is input, and what a person is shown of it does nothing."""

import os
import socket
import sqlite3
import stat
import unicodedata
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from security.conftest import needs_root
from tidemill.config.paths import StatePaths
from tidemill.domain.errors import StateDirectoryError
from tidemill.domain.events import OfSubflow, RunNoted
from tidemill.domain.identifiers import is_run_id, is_run_prefix
from tidemill.journal.format import Beside, DamageError, Unknown, decode
from tidemill.journal.reader import JournalReader
from tidemill.service.lock import prepare_state

HOSTILE = "\x1b]52;c;ZXZpbA==\x07\x1b]0;title\x07\x1b[1A\x1b[2K\x9b31m\u202egnp.exe\u2066\x7f\x08\rEVIL"
ACTING = {"Cc", "Cf", "Cs"}


def acts(text):
    return {sign for sign in text if sign not in "\n\t\u200d" and unicodedata.category(sign) in ACTING}


# S7: the state directory


@needs_root
def test_s7_a_state_directory_of_somebody_else_is_refused(tmp_path):
    os.chown(tmp_path, 54321, 0)

    with pytest.raises(StateDirectoryError, match="belongs to uid 54321, who could change what this daemon"):
        prepare_state(StatePaths(tmp_path))


def test_s7_a_state_directory_that_others_could_read_is_closed(tmp_path):
    tmp_path.chmod(0o777)

    prepare_state(StatePaths(tmp_path))

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


# S8: ids


@settings(max_examples=300)
@given(st.text(max_size=20) | st.from_regex(r"[0-9a-z]{9,11}\n?", fullmatch=True))
@example("../../../x")
@example("0123456789\n")
@example("%2f%2e%2e%2f")
@example("-123456789")
@example("012345678\0")
@example("0123456789" * 10)
@example("\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19")
def test_s8_what_is_no_id_never_is_taken_for_one(text):
    for accepts in (is_run_id, is_run_prefix):
        if accepts(text):
            assert text.isascii()
            assert text.isalnum()
            assert text == text.lower()
            assert 3 <= len(text) <= 10


@pytest.mark.parametrize("text", ["../../../../etc/passwd", "..%2f..%2fx", "a\nb", "0123456789/..", "é" * 200])
def test_s8_a_command_makes_no_path_of_what_is_no_id(daemon, text):
    daemon.start()
    for command in ("show", "logs", "result", "cancel", "retry"):
        done = daemon.cli(command, text, check=None)
        assert done.returncode in (2, 4), (command, done.stdout)
        assert not acts(done.stderr)


# S12: the terminal


def test_s12_no_command_passes_on_what_acts_on_a_terminal(daemon):
    hostile = HOSTILE.encode("unicode_escape").decode()
    daemon.drop(
        "hostile.py",
        f'''
        from tidemill import Flow, Skip, every, flow, task

        EVIL = "{hostile}"

        @task(task_run_name="named" + EVIL, description="about" + EVIL)
        def bad():
            print("printed" + EVIL)
            raise ValueError("message" + EVIL)

        @task
        def returns():
            return "value" + EVIL

        @flow(name="hostile", description="about" + EVIL, flow_run_name="run" + EVIL,
              schedule=every(hours=1, parameters={{"x": EVIL}}))
        def hostile(x: str = EVIL):
            returns()
            bad()
        ''',
    )
    daemon.drop(f"broken{chr(27)}]0;t{chr(7)}.py", "from tidemill import task\nraise ValueError('x\\x1b[2J\\u202e')\n")
    daemon.start()
    daemon.until_flow("hostile")
    run = daemon.run("hostile", check=1)["id"]
    commands = [
        ["status"], ["flows"], ["show", "hostile"], ["runs"], ["show", run], ["logs", run], ["result", run],
        ["next"], ["why", "hostile"], ["graph", "hostile"], ["stats"], ["check"], ["config"], ["doctor"],
        ["run", "hostile", "-p", f"x={HOSTILE[:-5]}", "--wait"], ["show", HOSTILE],
    ]  # fmt: skip
    for command in commands:
        done = daemon.cli(*command, check=None)
        for text in (done.stdout, done.stderr):
            assert not acts(text), (command, sorted(map(hex, map(ord, acts(text)))))
        as_json = daemon.cli(*command, "--json", check=None).stdout
        assert not acts(as_json), command
    assert "message" in daemon.cli("show", run).stdout
    assert not acts(daemon.log.read_text()), "nor does the daemon's own log"
    # Who asks for it as it is gets it as it is.
    assert "\x1b]52" in daemon.cli("logs", run, "--raw").stdout


def test_s12_a_line_that_a_message_holds_is_no_record_of_its_own(daemon):
    daemon.drop(
        "forges.py",
        r"""
        from tidemill import flow, get_run_logger

        @flow
        def forges():
            get_run_logger().info("one\n2026-01-01T00:00:00.000000Z [other] ERROR forged")
        """,
    )
    daemon.start()
    daemon.until_flow("forges")
    lines = daemon.cli("logs", daemon.run("forges")["id"]).stdout.splitlines()

    forged = next(line for line in lines if "forged" in line)
    assert not forged.startswith("2026-01-01")
    assert " [-] INFO 2026-01-01" in forged


# S18: descriptors


def test_s18_a_task_holds_its_streams_its_journal_and_nothing_of_the_daemon_s(daemon):
    daemon.drop(
        "fds.py",
        """
        import os
        from tidemill import flow

        @flow
        def fds():
            for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
                try:
                    print(fd, os.readlink(f"/proc/self/fd/{fd}"))
                except OSError:
                    pass
            os.execv("/bin/ls", ["ls", "-l", "/proc/self/fd/"])
        """,
    )
    daemon.start()
    daemon.until_flow("fds")
    run = daemon.run("fds", check=1)["id"]
    told = (daemon.state / "logs" / run[:2] / f"{run}.log").read_text()

    assert "history" not in told
    assert "socket:" not in told
    assert "lock" not in told
    kept = [line for line in told.splitlines() if " -> " in line]  # by a program that the run becomes
    assert len(kept) <= 4
    assert not [line for line in kept if "journals" in line or "eventfd" in line]


# S19: a hostile journal


LINES = st.one_of(
    st.binary(max_size=120),
    st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    ).map(lambda value: repr(value).replace("'", '"').encode("utf-8", "replace")),
    st.builds(
        lambda name, rest: b'["%b",%b]' % (name, rest),
        st.sampled_from([b"task_ended", b"run_ended", b"of_subflow", b"beside", b"run_started", b"run_noted", b"x"]),
        st.sampled_from([b"1", b'1,2,"a"', b"-1,-1", b'"x","run_ended",1,"completed"', b"1e400,1", b"[" * 500, b"{}"]),
    ),
)


@settings(max_examples=600, deadline=None)
@given(line=LINES)
@example(line=b"[" * 100_000)
@example(line=b'["run_noted",1,"\xff"]')
@example(line=b'["beside",0,99999999999999999999]')
def test_s19_any_line_is_an_event_or_damage_and_nothing_else(line):
    try:
        found = decode(line)
    except DamageError:
        return
    assert isinstance(found, tuple | Beside | Unknown)


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(LINES.map(lambda line: line.replace(b"\n", b"")), max_size=12))
def test_s19_any_journal_is_read_to_its_end(tmp_path_factory, lines):
    path = tmp_path_factory.getbasetemp() / "hostile.journal"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    reader = JournalReader(path)
    try:
        events, offset = reader.read()
    finally:
        reader.close()

    assert offset == path.stat().st_size
    assert all(isinstance(event, tuple) for event in events)
    assert len(events) >= sum(1 for event in events if isinstance(event, RunNoted | OfSubflow))


def test_s19_a_run_can_write_no_history_but_its_own(daemon):
    """It finds its journal among its descriptors, and writes what it likes: about another run, and about itself."""
    daemon.drop("victim.py", "from tidemill import flow\n\n@flow\ndef victim():\n    return 'mine'\n")
    daemon.drop(
        "hostile.py",
        """
        import os, time
        from pathlib import Path
        from tidemill import flow

        @flow
        def hostile(other: str):
            for fd in os.listdir("/proc/self/fd"):
                try:
                    place = os.readlink(f"/proc/self/fd/{fd}")
                except OSError:
                    continue
                if place.endswith(".journal"):
                    for line in (
                        f'["of_subflow","{other}","subflow_started",1,"{other}",0,"evil",{{}}]',
                        f'["of_subflow","{other}","run_ended",1,"failed",["X","evil",null]]',
                        '["of_subflow","../../../../x","subflow_started",1,"x",0,"evil",{}]',
                        '["task_ended",1,-5,"x","completed",1]',
                        '["task_ended",1,99,"x","no such state",1]',
                        '["run_ended",99999999999999999999999,"completed"]',
                        '["beside",0,100]',
                        "[" * 50_000,
                        "\\x00\\xff",
                    ):
                        os.write(int(fd), line.encode("latin-1", "replace") + b"\\n")
            time.sleep(0.3)
        """,
    )
    daemon.start()
    daemon.until_flow("hostile")
    victim = daemon.run("victim")

    daemon.cli("run", "hostile", "-p", f"other={victim['id']}", "--wait", check=None)

    after = daemon.json("show", victim["id"])
    for field in ("state", "error", "flow", "tasks", "finished_at", "parent"):
        assert after[field] == victim[field], field
    assert daemon.run("victim")["state"] == "completed", "the daemon goes on"
    assert daemon.status()["running"]
    assert not list(Path(daemon.folder).rglob("x.journal"))


def test_s7_links_and_pipes_in_the_places_of_its_files_stop_no_daemon_from_saying_so(daemon):
    """Only the owner could put them there; still it neither hangs nor writes elsewhere."""
    elsewhere = daemon.folder / "elsewhere"
    daemon.state.mkdir(mode=0o700)
    (daemon.state / "daemon.pid").symlink_to(elsewhere)
    stray = socket.socket(socket.AF_UNIX)
    stray.bind(str(daemon.state / "control.sock"))
    stray.close()

    daemon.start()

    assert not elsewhere.exists()
    assert not (daemon.state / "daemon.pid").is_symlink()


@pytest.mark.parametrize(
    ("name", "is_offered"),
    [
        ("nightly", True), ("load rows[3]", True), ("größe.v2", True), ("a/b@last", True),
        ("$(id)", False), ("`id`", False), ("a;id", False), ("a\nid", False), ("a|id", False), ("a&", False),
        ("-x", False), ("a>b", False), ("'a'", False), ('"a"', False), ("a\\b", False), ("!a", False), ("~a", False),
        ("*", False), ("{a,b}", False), ("#a", False), ("", False), (None, False),
    ],
)  # fmt: skip
def test_s10_no_name_that_a_shell_would_understand_is_put_into_its_line(name, is_offered):
    from tidemill.cli.completing import _is_plain

    assert _is_plain(name) is is_offered


def test_s13_a_history_from_elsewhere_brings_no_functions_of_its_own(tmp_path):
    from tidemill.history.reading import connect_to_read

    sqlite3.connect(tmp_path / "history.db").close()
    with closing(sqlite3.connect(tmp_path / "history.db")) as made:
        made.execute("CREATE TABLE meta (key, value)")
    with closing(connect_to_read(tmp_path / "history.db")) as connection:
        assert connection.execute("PRAGMA trusted_schema").fetchone() == (0,)


SPOILS = """
    import os
    import time
    from tidemill import flow

    def held(what):
        for fd in os.listdir("/proc/self/fd"):
            try:
                if what in os.readlink(f"/proc/self/fd/{fd}"):
                    return int(fd)
            except OSError:
                pass

    def journal():
        return held(".journal")

    @flow
    def hole():
        os.ftruncate(journal(), 1 << 40)
        time.sleep(1)

    @flow
    def no_line():
        for _ in range(100):
            os.write(journal(), b"x" * (1 << 20))

    @flow
    def all_lines():
        os.write(journal(), b"x\\n" * (1 << 22))

    @flow
    def cut():
        os.ftruncate(journal(), 0)

    @flow
    def hints():
        end, hint = time.time() + 2, held("eventfd")
        while time.time() < end:
            try:
                os.write(hint, (1 << 33).to_bytes(8, "little"))
            except BlockingIOError:
                pass

    @flow
    def quick():
        pass
"""


@pytest.mark.parametrize("name", ["hole", "no_line", "all_lines", "cut", "hints"])
def test_s19_a_run_that_spoils_its_journal_holds_nobody_up(daemon, name):
    daemon.drop("spoils.py", SPOILS)
    daemon.start()
    daemon.until_flow(name)
    uid = daemon.cli("run", name).stdout.split()[0]
    for _ in range(2):
        assert daemon.run("quick")["state"] == "completed"
    daemon.until(lambda: daemon.json("show", uid)["finished_at"], "it has come to an end")
    assert daemon.json("show", uid)["state"] in ("completed", "crashed")
    assert len(daemon.json("show", uid)["events"]) < 150
    assert daemon.run("quick")["state"] == "completed"
    assert daemon.terminate() == 0
