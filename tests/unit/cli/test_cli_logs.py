"""``logs``: the file as the engine writes it, with and without a daemon, and never dangerous."""

import json

import pytest

LINES = [
    "2026-11-22T02:00:00.000001Z [-] INFO the flow begins",
    "2026-11-22T02:00:01.000000Z [load] OUT one",
    "raw text of a program \x1b]0;evil\x07",
    "2026-11-22T02:00:02.000000Z [load] ERR \x1b[31mtwo\x1b[0m \x1b[2J",
    "2026-11-22T02:00:03.000000Z [mail] ERROR three",
]


@pytest.fixture
def run(add_run, invocation):
    record = add_run("k3f0000000")
    path = invocation.paths.log("k3f0000000")
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{line}\n" for line in LINES))
    record["path"] = path
    return record


def test_the_log_is_printed_and_harmless(tidemill, run):
    ended = tidemill("logs", "k3f")

    assert ended.code == 0
    assert ended.out.splitlines() == [
        LINES[0],
        LINES[1],
        "raw text of a program \\x1b]0;evil\\x07",
        "2026-11-22T02:00:02.000000Z [load] ERR two \\x1b[2J",
        LINES[4],
    ]


def test_one_task(tidemill, run):
    ended = tidemill("logs", "last", "--task", "load")

    assert len(ended.out.splitlines()) == 2
    assert "[mail]" not in ended.out


@pytest.mark.parametrize("last", [0, 1, 2, 5, 100])
def test_the_last_lines(tidemill, run, last):
    ended = tidemill("logs", "k3f", "-n", str(last))

    assert len(ended.out.splitlines()) == min(last, 5)
    assert last == 0 or ended.out.splitlines()[-1] == LINES[4]


def test_the_last_lines_of_a_large_log_without_an_end(tidemill, run):
    run["path"].write_text("\n".join(f"line {n} {'x' * 50}" for n in range(20_000)))

    ended = tidemill("logs", "k3f", "-n", "1500")

    assert [line.split()[1] for line in ended.out.splitlines()] == [str(n) for n in range(18_500, 20_000)]


def test_as_a_document(tidemill, run):
    ended = tidemill("logs", "k3f", "--json")

    lines = json.loads(ended.out)
    assert ended.out.isascii()
    assert lines[1] == {
        "at": "2026-11-22T02:00:01.000000Z",
        "task": "load",
        "level": "OUT",
        "text": "one",
        "run": None,
    }
    assert lines[0]["task"] is None
    assert lines[2]["at"] is None


def test_raw_is_byte_for_byte(run, invocation, capfdbinary):
    from tidemill.cli.main import main

    run["path"].write_bytes(b"\xff\xfe\x1b[31m\n")

    assert main(["logs", "k3f", "--raw"], invocation) == 0
    assert capfdbinary.readouterr().out == b"\xff\xfe\x1b[31m\n"


def test_bytes_that_are_no_text_are_replaced(tidemill, run):
    run["path"].write_bytes(b"caf\xe9 \xff\n")

    assert tidemill("logs", "k3f").out == "caf\ufffd \ufffd\n"


def test_a_run_that_wrote_nothing_is_said_so(tidemill, add_run):
    add_run("k3f0000000")

    ended = tidemill("logs", "k3f")

    assert ended.code == 0
    assert "has written nothing" in ended.err


def test_following_prints_until_the_history_says_that_the_run_is_over(tidemill, run, reader):
    run["state"] = "running"
    states = iter(["running", "running", "completed"])

    def read(uid):
        state = next(states)
        with run["path"].open("a") as file:
            file.write(f"written while {state}\n")
        return {**run, "state": state}

    reader.run = read

    ended = tidemill("logs", "k3f", "-f")

    assert ended.out.splitlines()[-3:] == ["written while running", "written while running", "written while completed"]


@pytest.mark.parametrize("proof", ["journal", "exits"])
def test_following_ends_without_a_daemon_when_the_files_tell_the_end(tidemill, run, invocation, proof):
    run["state"] = "running"
    path = invocation.paths.journal("k3f0000000") if proof == "journal" else invocation.paths.exits
    path.parent.mkdir(parents=True)
    path.write_text('["run_ended",5,"completed"]\n' if proof == "journal" else '["k3f0000000",77,1,0,5]\n')

    ended = tidemill("logs", "k3f", "-f")

    assert (ended.code, len(ended.out.splitlines())) == (0, 5)


@pytest.mark.parametrize("options", [["--json", "-f"], ["--raw", "--task", "load"], ["--json", "--raw"]])
def test_options_that_do_not_go_together_are_refused(tidemill, run, options):
    assert tidemill("logs", "k3f", *options).code == 2
