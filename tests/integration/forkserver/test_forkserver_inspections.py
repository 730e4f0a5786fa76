"""Loading a file in a child: whatever it does, there is an answer, and the server goes on."""

import pytest


@pytest.fixture
def client(site):
    return site.ensure()


def only_error(manifest):
    assert not manifest.is_good
    (problem,) = manifest.errors
    return problem


def test_a_file_is_loaded(site, client):
    manifest = site.inspect(client, "name = 'nightly'")
    assert [flow.name for flow in manifest.flows] == ["nightly"]
    assert manifest.is_good


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import os; os._exit(3)", "the file ended the process with exit code 3 while it was loaded"),
        ("import os; os._exit(0)", "the file ended the process with exit code 0 while it was loaded"),
        ("raise SystemExit(5)", "the file ended the process with exit code 5 while it was loaded"),
        ("import ctypes; ctypes.string_at(0)", "the process that loaded the file was killed by SIGSEGV"),
        ("import os; os.kill(os.getpid(), 9)", "the process that loaded the file was killed by SIGKILL"),
        ("import os; os.killpg(0, 15)", "the process that loaded the file was killed by SIGTERM"),
    ],
)
def test_a_file_that_ends_the_process_is_told(site, client, text, sentence):
    assert only_error(site.inspect(client, text)).message == sentence
    assert site.inspect(client, "name = 'still here'").is_good


def test_a_file_whose_process_is_killed_is_loaded_once_more(site, client, tmp_path):
    trace = tmp_path / "trace"
    text = f"""
import os
with open({str(trace)!r}, "a") as file:
    file.write("x")
if os.path.getsize({str(trace)!r}) == 1:
    os.kill(os.getpid(), 9)
name = "second"
"""
    assert site.inspect(client, text).flows[0].name == "second"
    assert trace.read_text() == "xx"


def test_an_endless_file_is_told_with_its_line(site, client):
    problem = only_error(site.inspect(client, "import time\nx = 1\nwhile True:\n    time.sleep(0.01)\n", timeout=0.2))
    assert problem.message == "did not finish loading within 0.2 s"
    assert problem.line in (3, 4)


def test_a_file_that_catches_everything_is_ended_all_the_same(site, client):
    text = "while True:\n    try:\n        while True: pass\n    except BaseException: pass\n"
    problem = only_error(site.inspect(client, text, timeout=0.2))
    assert problem.line == 3


def test_a_file_deaf_to_signals_is_killed(site, client):
    text = "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\ntime.sleep(300)"
    problem = only_error(site.inspect(client, text, timeout=0.2))
    assert problem.message == "did not finish loading within 0.2 s"


def test_chatter_is_not_the_answer(site, client):
    assert (
        site.inspect(client, "import os\nprint('x' * 100_000)\nos.write(2, b'y')\nname = 'quiet'").flows[0].name
        == "quiet"
    )


def test_a_thread_left_behind_does_not_hold_up_the_answer(site, client):
    text = "import threading, time\nthreading.Thread(target=time.sleep, args=(300,)).start()\nname = 'ok'"
    assert site.inspect(client, text).flows[0].name == "ok"


def test_an_exit_function_does_not_hold_up_the_answer(site, client):
    assert site.inspect(client, "import atexit, time\natexit.register(time.sleep, 300)\nname = 'ok'").is_good


def test_a_file_that_forks_is_answered_once(site, client):
    manifest = site.inspect(client, "import os, time\nname = 'parent' if os.fork() else 'child'\n")
    assert manifest.flows[0].name == "parent"


def test_text_that_json_cannot_hold_is_an_error_of_the_file(site, client):
    problem = only_error(site.inspect(client, "name = '\\udcff'"))
    assert "not plain text" in problem.message


def test_two_inspections_go_at_once(site, client):
    slow, quick = client, site.connect()
    text = "import os, time\nwhile not os.path.exists('/proc/self/nothing'): time.sleep(0.01)"
    with pytest.raises(Exception, match="did not answer within"):
        slow._await(0.001)
    assert site.inspect(quick, "name = 'first'").is_good
    assert not site.inspect(slow, text, timeout=0.1).is_good
