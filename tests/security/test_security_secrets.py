"""S11: a secret that was read is in nothing that a run leaves behind, whichever way it took."""

import base64
import copy
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_lab import inspect_file, run_file, write_flow
from tidemill import Secret, SecretError
from tidemill.domain import secrecy
from tidemill.domain.errors import DefinitionError

CANARY = "c4n4ry/§ecret+öf 'quotes' \"and\" \\slashes"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    for field, empty in (("values", ()), ("forms", frozenset()), ("pattern", None), ("act", None)):
        monkeypatch.setattr(secrecy._Known, field, empty)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.delenv("TIDEMILL_SECRETS_DIR", raising=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "secrets"
    place.mkdir()
    monkeypatch.setenv("TIDEMILL_SECRETS_DIR", str(place))
    return place


def keep(folder: Path, name: str, text: str, mode: int = 0o600) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


def test_s11_credentials_come_before_the_environment_and_that_before_files(tmp_path, folder, monkeypatch):
    keep(folder, "git-hub", "from a file\n")
    assert Secret("git-hub").get() == "from a file"
    monkeypatch.setenv("TIDEMILL_SECRET_GIT_HUB", "from the environment")
    assert Secret("git-hub").get() == "from the environment"
    granted = tmp_path / "granted"
    granted.mkdir()
    keep(granted, "git-hub", "from systemd\n", 0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(granted))
    assert Secret("git-hub").get() == "from systemd"


def test_s11_one_that_is_nowhere_is_refused_with_the_three_places(folder):
    with pytest.raises(SecretError, match=r"LoadCredential=db:….*TIDEMILL_SECRET_DB.*mode 0600: .*/secrets/db"):
        Secret("db").get()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o660])
def test_s11_a_file_that_others_can_read_or_change_is_refused(folder, mode):
    path = keep(folder, "db", "hunter22", mode)

    with pytest.raises(SecretError, match=rf"can be read or changed by others \(mode 0{mode:o}\).*chmod 600 {path}"):
        Secret("db").get()


def test_s11_a_link_or_a_pipe_in_the_place_of_a_file_is_refused(folder, tmp_path):
    (folder / "link").symlink_to(keep(tmp_path, "elsewhere", "hunter22"))
    os.mkfifo(folder / "pipe", 0o600)

    for name in ("link", "pipe"):
        with pytest.raises(SecretError, match=r"cannot be read|regular file"):
            Secret(name).get()


@pytest.mark.parametrize("name", ["", "../etc/shadow", "a/b", ".hidden", "-x", "a\n", "ä", "x" * 65, "a\0"])
def test_s8_and_s11_a_name_that_could_lead_elsewhere_is_none(name):
    with pytest.raises(DefinitionError, match="1 to 64 letters"):
        Secret(name)


def test_s11_what_is_too_short_to_be_hidden_is_refused(folder):
    keep(folder, "pin", "123")

    with pytest.raises(SecretError, match="fewer than 4 characters"):
        Secret("pin").get()


def test_s11_a_secret_shows_nothing_and_only_its_name_travels(folder):
    keep(folder, "db", CANARY)
    secret = Secret("db")
    secret.get()

    assert str(secret) == repr(secret) == f"{secret}" == "****"
    assert CANARY.encode() not in pickle.dumps(secret)
    assert pickle.loads(pickle.dumps(secret)) == copy.deepcopy(secret) == secret
    assert not hasattr(secret, "__dict__")


def test_s11_nothing_is_searched_for_until_a_secret_is_read():
    text = "x" * 1000

    assert not secrecy.is_needed()
    assert secrecy.hide(text) is text


@given(value=st.text(min_size=4, max_size=60).filter(lambda text: len(text.strip()) >= 4))
def test_s11_every_usual_form_of_any_secret_is_hidden(value):
    import json
    from urllib.parse import quote, quote_plus

    secrecy._Known.values, secrecy._Known.forms = (), frozenset()
    secrecy.learn(value)
    raw = value.encode("utf-8", "surrogatepass") if value.isprintable() else value.encode("utf-8", "surrogateescape")
    for form in (value, json.dumps(value), repr(value), quote(raw), quote_plus(raw), raw.hex()):
        assert value not in secrecy.hide(f"<{form}>")
        assert secrecy.hide(f"<{form}>") != f"<{form}>"
    assert base64.b64encode(raw).decode().rstrip("=") not in secrecy.hide(base64.b64encode(raw).decode())


FLOW = """
    import logging, sys
    from tidemill import Secret, flow, get_run_logger, task

    @task
    def returns():
        return {"token": Secret("db").get()}

    @task
    def returns_object():
        class Odd:
            def __init__(self): self.token = Secret("db").get()
            def __repr__(self): return "x" * 990 + self.token
        return Odd()

    @task(task_run_name="call with {token}")
    def prints(token):
        print("out", token, end="")
        print(" and", token, file=sys.stderr)
        sys.stdout.buffer.write(token.encode() + b"\\n")
        get_run_logger().warning("logged %s", token)
        logging.getLogger("other").error("also %r", [token])

    @task
    def fails(token):
        local = token
        try:
            raise KeyError(token)
        except KeyError as error:
            raise RuntimeError("y" * 9_990 + token) from error

    @flow
    def child(token):
        return len(token)

    @flow(flow_run_name="run with {name}")
    def leaky(name: str = "x", secret: Secret = Secret("db")):
        token = secret.get()
        assert returns()["token"] == token     # the value itself is whole
        returns_object()
        prints(token)
        child(token)
        state = fails(token, return_state=True)
        raise ValueError(f"no entry with {token}")
"""


def test_s11_a_canary_that_went_every_way_is_in_no_file_that_the_run_left(folder, tmp_path):
    keep(folder, "db", CANARY)
    record = run_file(write_flow(tmp_path / "flows", FLOW), "leaky", state=tmp_path / "state")

    assert record.state == "failed"
    assert record.end.error.line == "ValueError: no entry with ****"
    assert "call with ****" in str(record.events)
    assert "**** (not kept: it holds a secret)" in str(record.events)
    left = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert len(left) >= 2
    pieces = {CANARY[:12], CANARY[-12:], base64.b64encode(CANARY.encode()).decode()[:20]}
    for path in left:
        text = path.read_bytes().decode("utf-8", "replace")
        assert not [piece for piece in pieces if piece in text], path


def test_s11_in_another_process_as_well(folder, tmp_path):
    keep(folder, "db", CANARY)
    record = run_file(
        write_flow(
            tmp_path / "flows",
            """
            from tidemill import Secret, flow, task
            from tidemill.task_runners import ProcessPoolTaskRunner

            @task
            def there():
                token = Secret("db").get()
                print("out", token)
                return token

            @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
            def leaky():
                raise ValueError(there.submit().result())
            """,
        ),
        state=tmp_path / "state",
    )

    assert record.end.error.message == "****"
    for path in (tmp_path / "state").rglob("*"):
        assert not path.is_file() or CANARY[:12] not in path.read_text("utf-8", "replace"), path


PROGRAMS = """
    import os, subprocess, sys
    from tidemill import Secret, flow, task

    def say(*arguments):
        subprocess.run(["printf", *arguments], check=True)

    @task
    def before():
        say("nothing is known yet\\n")

    @task
    def programs():
        token = Secret("db").get()
        print("first")
        say("%s\\n", f"to stdout {token}")
        print("second")
        subprocess.run(["sh", "-c", 'printf "%s" "$0" >&2', f"to stderr {token}"], check=True)
        os.system("echo")
        say("%s\\r%s\\n", f"bar {token}", "100")
        subprocess.run(["echo", token], stdout=sys.stdout, stderr=sys.stderr, check=True)
        if os.fork() == 0:
            print("a copy prints", token)
            sys.stdout.flush()
            os.write(1, f"and writes {token}\\n".encode())
            os._exit(0)
        os.wait()
        print("third")
        say("%s", f"an end without a line's {token}")

    @flow
    def leaky():
        before()
        programs()
"""


def test_s11_what_programs_write_themselves_is_sifted_in_its_order(folder, tmp_path):
    keep(folder, "db", CANARY)
    record = run_file(write_flow(tmp_path / "flows", PROGRAMS), "leaky", state=tmp_path / "state")

    assert record.state == "completed"
    assert CANARY[:8] not in record.log
    said = [line.partition("] OUT ")[2] or line for line in record.log.replace("\r", "\n").splitlines()]
    assert said == [
        "nothing is known yet", "first", "to stdout ****", "second", "to stderr ****", "bar ****", "100",
        "****", "a copy prints ****", "and writes ****", "third", "an end without a line's ****",
    ]  # fmt: skip


def test_s11_a_flood_of_a_program_s_output_arrives_whole_and_waits_for_nobody(folder, tmp_path):
    keep(folder, "db", CANARY)
    text = """
    import ctypes, subprocess, sys, time
    from tidemill import Secret, flow

    @flow
    def floods():
        token = Secret("db").get()
        code = "import sys; [print(n, sys.argv[1]) for n in range(100_000)]"
        program = subprocess.Popen([sys.executable, "-c", code, token])
        ctypes.PyDLL(None).usleep(300_000)  # code that lets no other thread run meanwhile
        program.wait()
    """
    record = run_file(write_flow(tmp_path / "flows", text), state=tmp_path / "state")

    assert record.state == "completed"
    assert record.log.splitlines() == [f"{number} ****" for number in range(100_000)]


@pytest.mark.parametrize("serializer", [None, "json", "pickle", "compressed", "compressed/json", "compressed/pickle"])
@pytest.mark.parametrize("handler", ["LocalResult('kept', {})", "DatabaseResult('sqlite:///kept.db', {})", "{}"])
def test_s11_no_handler_keeps_a_result_that_holds_one(folder, tmp_path, handler, serializer):
    keep(folder, "db", CANARY)
    options = f"serializer={serializer!r}" if "{})" in handler else f"result_serializer={serializer!r}"
    where = f"result_handler={handler.format(options)}" if "{})" in handler else options
    text = f"""
    from tidemill import DatabaseResult, LocalResult, Secret, flow, task

    @task({where})
    def kept():
        return ["x" * 10, Secret("db").get()]

    @flow
    def leaky():
        assert len(kept()) == 2
    """
    record = run_file(write_flow(tmp_path / "flows", text), state=tmp_path / "state")

    assert record.state == "completed", record.end
    assert record.tasks["kept"].result.handler == "none"
    assert "the result of kept is not kept: it holds a secret" in str(record.events)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.parent != folder:
            data = path.read_bytes()
            assert CANARY[:12].encode() not in data, path
            assert path.suffix not in (".gz", ".json", ".pickle"), path


def test_s11_one_that_is_read_while_the_file_is_loaded_is_in_no_manifest(folder, tmp_path):
    keep(folder, "db", CANARY)
    path = write_flow(
        tmp_path / "flows",
        """
        from tidemill import Secret, flow

        TOKEN = Secret("db").get()

        @flow(description=f"uses {TOKEN}")
        def leaky(token: str = TOKEN, named: Secret = Secret("db")):
            pass
        """,
    )

    manifest = inspect_file(path)

    assert manifest.is_good, manifest.errors
    assert CANARY[:12] not in str(manifest)
    assert [parameter.default for parameter in manifest.flows[0].parameters] == ["****", "****"]


def test_s11_a_flow_takes_the_name_of_a_secret(folder, tmp_path):
    keep(folder, "other", CANARY)
    text = """
    from tidemill import Secret, flow

    @flow
    def takes(secret: Secret):
        return len(secret.get())
    """
    path = write_flow(tmp_path / "flows", text)

    assert run_file(path, state=tmp_path / "a", parameters={"secret": "other"}).end.result.value == str(len(CANARY))
    refused = run_file(path, state=tmp_path / "b", parameters={"secret": "not a name: " + CANARY})
    assert refused.state == "failed"
    assert CANARY not in refused.end.error.message


EVERYWHERE = """
    import time
    from datetime import timedelta
    from pathlib import Path
    import subprocess
    from tidemill import Secret, flow, task
    from tidemill.engine.results import LocalResult

    @task(cache_key_fn=lambda context, arguments: arguments["token"], cache_expiration=timedelta(hours=1))
    def cached(token):
        return [token]

    @task(result_handler=LocalResult(dir="kept"))
    def kept(token):
        return {"token": token}

    @task
    def large(token):
        return "x" * 100_000 + token

    @task(retries=1)
    def fails(token):
        raise ValueError(f"{token} is not known")

    @flow(flow_run_name="child {token}")
    def child(token, secret):
        return token

    def crashed(flow, run, state):
        print("hook", Secret("db").get(), state.message)

    @flow(on_failure=[crashed], flow_run_name="with {secret}")
    def leaky(secret: Secret, plain: str = "x"):
        Path("begun").touch()
        token = secret.get() + Secret("token").get()
        subprocess.run(["echo", "program:", secret.get()])
        print("print:", secret.get())
        cached(token), kept(token), large(token)
        child(token, secret)
        while not Path("go").exists():
            time.sleep(0.02)
        fails(token)
"""
IN_ENVIRONMENT = "t0ken-in-the-environment"


def process_lists(daemon):
    """Return the command lines of all processes, and what the environments of this world's processes hold."""
    lines, environments = [], []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                line = (place / "cmdline").read_bytes() + (place / "comm").read_bytes()
                environment = (place / "environ").read_bytes()
            except OSError:
                continue
            lines.append(line.decode("utf-8", "replace"))
            if str(daemon.state).encode() in line + environment:
                environments.append(environment.decode("utf-8", "replace"))
    return "\0".join(lines), "\0".join(environments)


def test_s11_a_real_daemon_s_files_processes_and_answers_hold_no_canary(daemon):
    secrets = daemon.folder / "secrets"
    secrets.mkdir()
    keep(secrets, "db", CANARY)
    daemon.environment["TIDEMILL_SECRET_TOKEN"] = IN_ENVIRONMENT
    (daemon.folder / "tidemill.toml").write_text("")
    daemon.drop("leaky.py", EVERYWHERE)
    daemon.start()
    daemon.until_flow("leaky")
    refused = daemon.cli("run", "leaky", "-p", f"secret={CANARY}", check=2).stderr
    assert "takes the name of a secret, never the secret itself" in refused

    uid = daemon.cli("run", "leaky", "-p", "secret=db").stdout.split()[0]
    daemon.until((daemon.flows / "begun").exists, "it is under way")
    daemon.until(lambda: "print: ****" in daemon.cli("logs", uid).stdout, "it has printed")
    lines, environments = process_lists(daemon)
    (daemon.flows / "go").touch()
    daemon.until_run("leaky", "failed")
    retried = daemon.cli("retry", uid).stdout.split()[-1]
    daemon.until(lambda: daemon.json("show", retried)["state"] == "failed", "the retry has ended")
    daemon.cli("backup", str(daemon.folder / "copy.db"))
    told = [refused]
    for question in (
        ("show", uid), ("show", retried, "--json"), ("logs", uid), ("logs", retried), ("runs", "--json"),
        ("flows", "--json"), ("show", "leaky", "--json"), ("status", "--json"), ("doctor", "--json"),
        ("graph", "leaky"), ("stats", "--json"), ("result", uid, "child"),
    ):  # fmt: skip
        told.append((done := daemon.cli(*question, check=None)).stdout + done.stderr)
    daemon.terminate()

    assert "program: ****" in "".join(told)
    assert '"secret": "db"' in "".join(told)
    stores = {
        str(path): path.read_bytes().decode("utf-8", "replace")
        for place in (daemon.state, daemon.flows, daemon.folder / "copy.db", daemon.log)
        for path in ([place] if place.is_file() else place.rglob("*"))
        if path.is_file()
    }
    kinds = {Path(path).relative_to(daemon.folder).parts[:2][-1] for path in stores}
    assert {"history.db", "journals", "logs", "copy.db", "daemon.log", "sources"} <= kinds
    pieces = {CANARY[:12], CANARY[-12:], base64.b64encode(CANARY.encode()).decode()[:20]}
    for place, text in {**stores, "command lines": lines, "answers": "".join(told)}.items():
        for piece in (*pieces, IN_ENVIRONMENT):
            assert piece not in text, place
    # The one is where its owner has put it, in the environment; the other is in none.
    assert IN_ENVIRONMENT in environments
    assert not [piece for piece in pieces if piece in environments]
