"""The program as a person starts it: real processes, pipes, signals, a real history, no daemon unless it says so."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "daemon"
PATIENCE = 30.0


class Shell:
    """A folder with flows and state, and the program in it."""

    def __init__(self, folder):
        self.folder = folder
        self.flows = folder / "flows"
        self.flows.mkdir()
        self.state = folder / ".tidemill"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL")},
            "PYTHONPATH": str(SOURCE),
            "TIDEMILL_STATE_DIR": str(self.state),
            "TIDEMILL_FLOWS_DIR": str(self.flows),
        }

    def line(self, *arguments):
        return [sys.executable, "-P", "-m", "tidemill", *map(str, arguments)]

    def run(self, *arguments):
        return subprocess.run(
            self.line(*arguments), env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )

    def begin(self, *arguments):
        return subprocess.Popen(
            self.line(*arguments),
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def drop(self, name, text):
        path = self.flows / name
        path.write_text(text)
        return path


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


TIDES = """
from tidemill import task

@task
def fetch():
    print("fetching")
    return [1, 2, 3]

@task(depends_on=[fetch])
def total(fetch):
    return sum(fetch)
"""


def test_a_file_runs_in_this_terminal_and_is_recorded_without_a_daemon(shell):
    shell.drop("tides.py", TIDES)

    ended = shell.run("run", "flows/tides.py")
    assert ended.returncode == 0, ended.stderr
    assert "fetching" in ended.stdout
    uid = ended.stderr.split()[-1]

    (run,) = json.loads(shell.run("runs", "--json").stdout)
    assert (run["id"], run["flow"], run["state"], run["trigger"]) == (uid, "tides", "completed", "manual")
    assert shell.run("result", "last", "total").stdout == "6\n"
    assert "[fetch] OUT fetching" in shell.run("logs", uid[:4]).stdout
    assert [task["name"] for task in json.loads(shell.run("show", uid, "--json").stdout)["tasks"]] == ["fetch", "total"]


def test_a_file_that_fails_ends_with_one_and_is_recorded_as_failed(shell):
    shell.drop("boom.py", "from tidemill import task\n@task\ndef boom(): raise ValueError('no tide')\n")

    assert shell.run("run", "flows/boom.py").returncode == 1

    (run,) = json.loads(shell.run("runs", "--state", "failed", "--json").stdout)
    assert "no tide" in run["error"]


def test_a_file_that_kills_its_process_is_recorded_as_crashed(shell):
    shell.drop("dies.py", "import os\nfrom tidemill import task\n@task\ndef dies(): os.kill(os.getpid(), 9)\n")

    ended = shell.run("run", "flows/dies.py")

    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    (run,) = json.loads(shell.run("runs", "--json").stdout)
    assert run["state"] == "crashed"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["run", "nowhere.py"], 2, "there is no file nowhere.py"),
        (["run", "flows/tides.py:nope"], 1, "tides"),
        (["run", "flows/tides.py", "--json"], 2, "--json"),
        (["runs"], 3, "tidemill start"),
        (["check", "nowhere.py"], 2, "nowhere.py"),
        (["--config", "nowhere.toml", "status"], 5, "nowhere.toml"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(shell, arguments, code, told):
    shell.drop("tides.py", TIDES)

    ended = shell.run(*arguments)

    assert ended.returncode == code
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unknown_key_in_the_settings_is_answered_with_the_nearest(shell):
    (shell.folder / "tidemill.toml").write_text("[dispatch]\nmax_run = 3\n")

    for command in ("check", "daemon"):
        ended = shell.run(command)
        assert ended.returncode == 5
        assert "did you mean max_runs?" in ended.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_state_directory_that_cannot_be_written_is_a_configuration_error(shell):
    shell.drop("tides.py", TIDES)
    shell.state.mkdir(mode=0o500)

    ended = shell.run("run", "flows/tides.py")

    assert ended.returncode == 5
    assert "cannot be written" in ended.stderr


def test_a_state_directory_that_is_a_file_is_a_configuration_error(shell):
    shell.drop("tides.py", TIDES)
    shell.state.write_text("")

    ended = shell.run("run", "flows/tides.py")

    assert ended.returncode == 5
    assert "cannot be written" in ended.stderr


def test_check_tells_each_file_and_line_and_starts_nothing(shell):
    shell.drop("tides.py", TIDES)
    shell.drop("bad.py", "from tidemill import task\n\ndef x(:\n")
    shell.drop("leaves.py", "import os\nos._exit(3)\n")

    ended = shell.run("check", "--json")

    files = {file["file"]: file for file in json.loads(ended.stdout)}
    assert ended.returncode == 1
    assert files["tides.py"] == {"file": "tides.py", "flows": ["tides"], "errors": [], "warnings": []}
    assert files["bad.py"]["errors"][0]["line"] == 3
    assert "3" in files["leaves.py"]["errors"][0]["message"]
    assert not shell.state.exists()
    assert shell.run("check", "flows/tides.py").returncode == 0


def test_init_makes_a_folder_that_passes_its_check_and_runs(shell):
    shell.environment.pop("TIDEMILL_FLOWS_DIR")

    made = shell.run("init", "new")
    assert made.returncode == 0
    flow = shell.folder / "new" / "flows" / "hello.py"
    assert (shell.folder / "new" / "config" / "tidemill.toml").is_file()
    assert shell.run("check", flow).returncode == 0
    assert "2 tides: ebb, flood" in shell.run("run", flow).stdout

    flow.write_text("# mine")
    assert "kept" in shell.run("init", "new").stdout
    assert flow.read_text() == "# mine"


def test_a_closed_pipe_ends_quietly(shell):
    shell.drop("loud.py", "from tidemill import task\n@task\ndef loud():\n    for n in range(20_000): print(n)\n")
    assert shell.run("run", "flows/loud.py").returncode == 0

    logs = shell.begin("logs", "last")
    assert "INFO" in (line := logs.stdout.readline()) or "OUT" in line
    logs.stdout.close()

    assert logs.wait(PATIENCE) == 0
    assert logs.stderr.read() == ""
    logs.stderr.close()


def test_ctrl_c_ends_a_followed_log_quietly(shell):
    shell.drop("tides.py", TIDES)
    assert shell.run("run", "flows/tides.py").returncode == 0
    _say_it_still_runs(shell)

    logs = shell.begin("logs", "last", "-f")
    assert logs.stdout.readline()
    logs.send_signal(signal.SIGINT)

    assert logs.wait(PATIENCE) == 130
    assert "Traceback" not in logs.stderr.read()
    logs.stdout.close()
    logs.stderr.close()


def _say_it_still_runs(shell):
    """Make the history and the journal say what they say while a run goes on."""
    import sqlite3

    with sqlite3.connect(shell.state / "history.db") as history:
        history.execute("UPDATE runs SET state = 'running', finished_at = NULL")
    history.close()
    for journal in (shell.state / "journals").rglob("*.journal"):
        lines = [line for line in journal.read_text().splitlines() if "run_ended" not in line]
        journal.write_text("\n".join(lines) + "\n")


def test_ctrl_c_during_a_run_in_this_terminal_ends_it_and_records_it(shell):
    shell.drop(
        "slow.py",
        "import time\nfrom tidemill import task\n"
        "@task\ndef slow():\n    print('begun', flush=True)\n    time.sleep(600)\n",
    )
    running = subprocess.Popen(
        shell.line("run", "flows/slow.py"),
        env=shell.environment,
        cwd=shell.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert "begun" in running.stdout.readline()

    # As the terminal does it: to the whole foreground group.
    os.killpg(running.pid, signal.SIGINT)

    assert running.wait(PATIENCE) == 1
    running.stdout.close()
    running.stderr.close()
    (run,) = json.loads(shell.run("runs", "--json").stdout)
    assert run["state"] in ("cancelled", "failed", "crashed")


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        ("tidemill ru", {"run", "runs"}),
        ("tidemill runs --state fa", {"failed"}),
        ("tidemill logs la", {"last"}),
        ("tidemill run ./fl", {"./fl"}),
        ("tidemill result last fe", {"fetch"}),
        ("tidemill logs last --task fe", {"fetch"}),
    ],
)
def test_the_shell_completes_commands_words_and_runs(shell, words, offers):
    shell.drop("tides.py", TIDES)
    assert shell.run("run", "flows/tides.py").returncode == 0
    shell.environment |= {
        "_TIDEMILL_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }

    ended = shell.run()

    assert {line.partition(",")[2] for line in ended.stdout.splitlines()} >= offers


@pytest.fixture
def serving(shell):
    """A daemon in the background, started and stopped by the program itself."""
    started = shell.run("start")
    assert started.returncode == 0, started.stderr
    yield shell
    shell.run("stop", "--cancel")


def test_a_daemon_is_started_commanded_and_stopped(serving):
    shell = serving
    shell.drop("tides.py", TIDES)
    assert shell.run("reload").returncode == 0

    assert shell.run("status").returncode == 0
    again = shell.run("start")
    assert again.returncode == 6
    assert "already serves" in again.stderr
    shell.environment |= {"COMP_WORDS": "tidemill pause ti", "COMP_CWORD": "2", "_TIDEMILL_COMPLETE": "bash_complete"}
    assert shell.run().stdout == "plain,tides\n"
    del shell.environment["_TIDEMILL_COMPLETE"]
    waited = shell.run("run", "tides", "--wait", "--json")
    assert waited.returncode == 0, waited.stderr
    assert json.loads(waited.stdout)["state"] == "completed"
    before = json.loads(shell.run("status", "--json").stdout)["pid"]
    assert shell.run("restart").returncode == 0
    assert json.loads(shell.run("status", "--json").stdout)["pid"] != before

    stopped = shell.run("stop")

    assert stopped.returncode == 0
    assert shell.run("status").returncode == 3
    assert shell.run("stop").returncode == 3
    assert "completed" in shell.run("runs").stdout


def test_a_followed_run_survives_the_death_of_the_daemon(serving):
    shell = serving
    gate = shell.folder / "gate"
    shell.drop(
        "gated.py",
        "import pathlib, time\nfrom tidemill import task\n@task\ndef gated():\n    print('begun', flush=True)\n"
        f"    while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.02)\n    print('done')\n",
    )
    assert shell.run("reload").returncode == 0

    uid = shell.run("run", "gated").stdout.strip()
    logs = shell.begin("logs", uid, "-f")
    assert "begun" in logs.stdout.readline()
    os.kill(json.loads(shell.run("status", "--json").stdout)["pid"], signal.SIGKILL)
    gate.touch()

    assert "done" in logs.stdout.read()
    assert logs.wait(PATIENCE) == 0
    logs.stdout.close()
    logs.stderr.close()
    assert shell.run("start").returncode == 0
    deadline = time.monotonic() + PATIENCE
    while json.loads(shell.run("show", uid, "--json").stdout)["state"] != "completed":
        assert time.monotonic() < deadline
