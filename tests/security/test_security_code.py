"""S4, S6, S9, S10, S20: whose code runs where, and that nothing that was stored ever runs."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "daemon" / "tidemill"
NO_USER_CODE = [
    "service",
    "catalog",
    "scheduler",
    "dispatcher",
    "care",
    "history",
    "control",
    "cli",
    "config",
    "journal",
]


def calls(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def name_of(call):
    return ast.unparse(call.func)


def modules(*rooms):
    for room in rooms:
        for path in (PACKAGE / room).rglob("*.py"):
            yield path, ast.parse(path.read_text())


def test_s4_a_flow_file_is_never_loaded_in_the_daemon_s_process(daemon):
    daemon.drop(
        "where.py",
        f"""
        import os, sys
        with open({str(daemon.folder / "pids")!r}, "a") as file:
            print(os.getpid(), "tidemill.service.daemon" in sys.modules, file=file)
        from tidemill import flow

        @flow
        def where():
            pass
        """,
    )
    daemon.start()
    daemon.until_flow("where")
    daemon.run("where")

    pids, are_daemons = zip(*map(str.split, (daemon.folder / "pids").read_text().splitlines()), strict=True)
    assert len(pids) >= 2
    assert str(daemon.status()["pid"]) not in pids
    assert set(are_daemons) == {"False"}


def test_s6_what_lies_beside_a_flow_takes_nobody_s_place(daemon):
    """Neither a module named as one of Python's, nor a customisation, nor bytecode that somebody planted."""
    planted = daemon.folder / "planted"
    for name in ("json.py", "sitecustomize.py", "usercustomize.py", "tidemill.py", "msgspec.py"):
        daemon.drop(name, f"from pathlib import Path\nPath({str(planted)!r}).touch()\n")
    daemon.drop("helper.py", "VALUE = 'of the text'\n")
    cache = daemon.flows / "__pycache__"
    cache.mkdir()
    code = compile("VALUE = 'of the bytecode'", "helper.py", "exec")
    import importlib.util
    import marshal

    status = (daemon.flows / "helper.py").stat()
    head = importlib.util.MAGIC_NUMBER + bytes(4)
    head += int(status.st_mtime).to_bytes(4, "little") + status.st_size.to_bytes(4, "little")
    Path(importlib.util.cache_from_source(str(daemon.flows / "helper.py"))).write_bytes(head + marshal.dumps(code))
    daemon.drop(
        "uses.py",
        """
        import json
        import helper
        from tidemill import flow

        @flow
        def uses():
            print(helper.VALUE, json.dumps([1]))
        """,
    )
    daemon.start()
    daemon.until_flow("uses")
    planted.unlink(missing_ok=True)  # each was inspected as the flow file that it could be

    shown = daemon.run("uses")

    assert "of the text [1]" in daemon.cli("logs", shown["id"]).stdout
    assert not planted.exists()


def test_s9_a_pickle_that_would_do_something_does_nothing_where_it_is_read(daemon):
    effect = daemon.folder / "effect"
    daemon.drop(
        "trap.py",
        f"""
        from tidemill import LocalResult, flow, task

        class Trap:
            def __reduce__(self):
                return (open, ({str(effect)!r}, "w"))

        @task
        def inline():
            return Trap()

        @task(result_handler=LocalResult(dir={str(daemon.folder / "kept")!r}))
        def in_file():
            return Trap()

        @flow
        def trap():
            inline()
            in_file()
        """,
    )
    daemon.start()
    daemon.until_flow("trap")
    run = daemon.run("trap")["id"]

    for command in (["result", run, "inline"], ["result", run, "in_file"], ["show", run], ["runs"], ["logs", run]):
        daemon.cli(*command, check=None)
        if command[0] != "logs":
            daemon.cli(*command, "--json", check=None)
    assert not effect.exists()


@pytest.mark.parametrize("room", NO_USER_CODE)
def test_s9_and_s3_daemon_and_command_line_have_nothing_that_executes_data(room):
    for path, tree in modules(room):
        plain = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
        named = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        imported = {alias.name.partition(".")[0] for node in plain for alias in node.names}
        imported |= {(node.module or "").partition(".")[0] for node in named}
        assert not imported & {"pickle", "cloudpickle", "marshal", "shelve", "dill", "yaml"}, path
        assert not {"eval", "exec", "compile"} & set(map(name_of, calls(tree))), path


def test_s10_nothing_goes_through_a_shell():
    for path, tree in modules("."):
        for call in calls(tree):
            assert name_of(call) not in {"os.system", "os.popen", "subprocess.getoutput"}, path
            shell = [keyword for keyword in call.keywords if keyword.arg == "shell"]
            assert not shell, f"{path}:{call.lineno}"


def test_s10_what_looks_like_an_option_or_a_command_is_only_a_name(daemon):
    daemon.start()
    for name in ("-rf", "--help", "$(touch x)", "`touch x`", "; touch x"):
        for command in (["show", "--", name], ["run", "-p", f"value={name}", "--", name], ["cancel", "--", name]):
            done = daemon.cli(*command, check=None)
            assert done.returncode in (2, 4), (command, done.stderr)
    assert not (daemon.folder / "x").exists()


def test_s13_a_filter_finds_what_bears_its_name_and_nothing_else(daemon):
    daemon.drop("plain.py", "from tidemill import flow\n\n@flow\ndef plain():\n    pass\n")
    daemon.start()
    daemon.until_flow("plain")
    daemon.run("plain")

    for word in ("' OR 1=1 --", "%", "_", "x'; DROP TABLE runs; --"):
        for command in (["runs", "--flow", word], ["show", word], ["logs", word], ["why", word]):
            done = daemon.cli(*command, check=None)
            assert done.returncode in (2, 4), (command, done.stdout)
    assert len(daemon.json("runs")) == 1


def test_s20_what_is_shipped_holds_no_key_and_no_password():
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    if not files:
        pytest.skip("not a checkout")
    key = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|ghp_[A-Za-z0-9]{36}|xox[bp]-[0-9]{10}")
    for name in filter(None, files.split("\0")):
        path = ROOT / name
        assert not path.is_file() or not key.search(path.read_bytes()), name
