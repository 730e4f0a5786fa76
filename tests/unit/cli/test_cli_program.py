"""The program as a whole: its table of commands, its help, how it ends when things go wrong."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tidemill.cli.clicking import program
from tidemill.cli.program import SUMMARIES, load
from tidemill.cli.quick import Unusual, split, values
from tidemill.cli.states import LIVE, NAMES
from tidemill.domain.errors import (
    AlreadyRunning,
    ConfigurationError,
    DaemonNotRunning,
    HistoryError,
    NotFound,
    ParameterError,
    Refused,
)
from tidemill.domain.states import State

ROOT = Path(__file__).parents[3]
READING = (
    "status",
    "check",
    "flows",
    "show",
    "run",
    "next",
    "why",
    "graph",
    "runs",
    "logs",
    "result",
    "config",
    "retry",
)
HEAVY = (
    "rich",
    "msgspec",
    "sqlalchemy",
    "asyncio",
    "alembic",
    "apscheduler",
    "importlib.metadata",
    "tidemill.authoring",
    "tidemill.engine",
)


def python(code, *arguments, **environment):
    """Run Python in a process of its own, as a person's shell does."""
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "daemon"), **environment},
    )


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_command_exists_with_the_words_of_the_table_and_examples(name):
    verb = load(name)

    assert verb.name == name
    assert verb.run.__doc__.split("\n")[0] == SUMMARIES[name]
    assert verb.examples
    assert all("tidemill" in example and told for example, told in verb.examples)


def read_by_click(arguments):
    """Return the command and its values as click reads the line; "wrong" where it refuses it."""
    with program.make_context("tidemill", list(arguments)) as ctx:
        name, command, rest = program.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        return name, command.make_context(name, list(rest), parent=ctx).params


def read_quickly(arguments):
    _, name, rest = split(arguments)
    return name, values(load(name), rest)


EXAMPLES = [shlex.split(re.split("[|>&]", example)[0])[1:] for name in SUMMARIES for example, _ in load(name).examples
            if not example.startswith("eval")]  # fmt: skip
LINES = [
    *EXAMPLES,
    ["--state", "/s", "--flows=/f", "runs", "--since=2h", "--state", "failed", "--state=crashed"],
    ["runs"],
    ["status"],
    ["run", "x", "--param=a=b=c", "-p", "d=", "--wait"],
    ["result", "k3f"],
    ["next", "--json", "-n", "3"],
    ["check"],
    ["pause", "a", "b", "c"],
    ["logs", "-f", "k3f", "--task", "load", "-n", "0"],
    ["init"],
    ["show", "-"],
]


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_both_readers_of_a_line_understand_the_same(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "etl.py").touch()

    assert read_quickly(line) == read_by_click(line)


UNUSUAL = """

-h
--help
--version
--state
rnus x y
runs --help
runs --sicne 2h
runs --sinc 2h
runs -n
runs -n 0
runs -n x
runs -n5
runs --state fialed
runs --since --json
runs --json=yes
runs extra
show
show a b
run -- x
next -n 99999999
completion tcsh
check no-such-file.py
logs -fn 5 k3f
"""


@pytest.mark.parametrize("line", UNUSUAL.splitlines()[1:])
def test_what_is_unusual_is_left_to_click(line):
    with pytest.raises(Unusual):
        read_quickly(line.split())


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_help_has_its_examples(tidemill, name):
    ended = tidemill(name, "--help")

    assert ended.code == 0
    assert "Examples:" in ended.out
    assert all(len(line) <= 80 for line in ended.out.splitlines())


@pytest.mark.parametrize("name", READING)
def test_every_reading_command_has_json(name):
    assert any("--json" in parameter.names for parameter in load(name).parameters)


def test_the_whole_help_names_every_command(tidemill):
    ended = tidemill("--help")

    assert ended.code == 0
    assert all(f"  {name} " in ended.out for name in SUMMARIES)


def test_every_state_of_the_domain_has_a_look():
    assert set(NAMES) == {str(state) for state in State}
    assert {str(state) for state in State if not state.is_terminal} == LIVE


def test_no_command_at_all_prints_the_help(tidemill):
    ended = tidemill()

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Usage: tidemill")


@pytest.mark.parametrize("name", [name for name in SUMMARIES if any(p.required for p in load(name).parameters)])
def test_a_command_without_what_it_needs_is_refused_by_name(tidemill, name):
    ended = tidemill(name)

    assert ended.code == 2
    assert "Missing argument" in ended.err
    assert f"Help: tidemill {name} --help" in ended.err


def test_the_version_is_told(tidemill):
    ended = tidemill("--version")

    assert (ended.code, ended.out) == (0, "tidemill 0.1.0\n")


@pytest.mark.parametrize(
    ("wrong", "right"), [("rnus", "runs"), ("flow", "flows"), ("stat", "start"), ("Pause", "pause")]
)
def test_an_unknown_command_is_answered_with_the_nearest(tidemill, wrong, right):
    ended = tidemill(wrong)

    assert ended.code == 2
    assert "did you mean" in ended.err
    assert right in ended.err


def test_a_command_like_nothing_is_refused_all_the_same(tidemill):
    ended = tidemill("qqqqqq")

    assert ended.code == 2
    assert ended.err.startswith("tidemill: there is no command 'qqqqqq'\n")


def test_a_wrong_option_says_where_the_help_is(tidemill):
    ended = tidemill("runs", "--sicne", "2h")

    assert ended.code == 2
    assert "--since" in ended.err
    assert "Help: tidemill runs --help" in ended.err


def test_an_option_of_the_program_behind_the_command_is_explained(tidemill):
    ended = tidemill("runs", "--state-dir", "/x")
    assert ended.code == 2

    ended = tidemill("flows", "--config", "x.toml")
    assert ended.code == 2
    assert "tidemill --config ..." in ended.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DaemonNotRunning("nobody is there"), 3),
        (NotFound("no such thing"), 4),
        (ConfigurationError("no good"), 5),
        (Refused("not now"), 6),
        (AlreadyRunning("/state", 7), 6),
        (ParameterError("not so"), 2),
        (HistoryError("broken disk"), 1),
        (RuntimeError("what nobody foresaw"), 1),
        (PermissionError(13, "Permission denied", "/state/history.db"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_error_is_one_sentence_and_one_code(tidemill, reader, error, code):
    def broken():
        raise error

    reader.flows = broken

    ended = tidemill("flows")

    assert ended.code == code
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) <= 1


def test_debug_shows_where(tidemill, reader, monkeypatch):
    monkeypatch.setenv("TIDEMILL_DEBUG", "1")
    reader.flows = lambda: 1 / 0

    with pytest.raises(ZeroDivisionError):
        tidemill("flows")


def test_an_error_that_carries_control_characters_does_nothing_to_the_terminal(tidemill, reader):
    def broken():
        raise NotFound("no \x1b]0;evil\x07flow")

    reader.flows = broken

    assert "\x1b" not in tidemill("flows").err


def test_there_is_no_history_before_the_first_daemon(tidemill, invocation):
    invocation.paths.database.unlink()
    del invocation.__dict__["reader"]

    ended = tidemill("runs")

    assert ended.code == 3
    assert "start one with: tidemill start" in ended.err


def test_a_config_file_that_is_not_there_is_a_configuration_error(tmp_path):
    ended = python(
        "from tidemill.__main__ import main; raise SystemExit(main())", "--config", str(tmp_path / "no.toml"), "flows"
    )

    assert ended.returncode == 5
    assert "there is no configuration file" in ended.stderr


def test_head_may_close_the_pipe(tmp_path):
    code = "from tidemill.__main__ import main; raise SystemExit(main())"
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -P -c '{code}' --help | head -n 1"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "daemon"), "PYTHONUNBUFFERED": "1"},
    )

    assert ended.stdout.startswith("Usage")
    assert ended.stderr == ""


def test_a_terminal_without_utf8_gets_escapes_and_no_traceback():
    code = (
        "import sys; from tidemill.cli.main import main; from tidemill.cli.states import state_text; import click;"
        "main(['--version']); click.echo('gr\\u00fcn \\udcff ' + state_text('completed'))"
    )
    ended = python(code, PYTHONIOENCODING="latin-1")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[1].endswith("\\udcff completed")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["runs"], ["flows"], ["status"], ["status", "--json"]]
)
def test_the_quick_commands_import_nothing_heavy(tmp_path, arguments):
    code = (
        "import sys; from tidemill.cli.main import main; main();"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    ended = python(code, "--state", str(tmp_path), *arguments)

    assert ended.stderr.splitlines()[-1] == "[]"
