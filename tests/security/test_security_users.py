"""S14, S15: runs as another user have that user's rights, none of the daemon's, and no way back."""

import json
import os
import pwd
import stat
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from acceptance.conftest import Daemon
from security.conftest import needs_root
from tidemill.config.settings import Settings, UsersSettings
from tidemill.domain.errors import ConfigurationError
from tidemill.forkserver.privileges import become, find_user
from tidemill.service.trusting import terms_of

USER = "nobody"
pytestmark = needs_root

WHO = """
    import json, os
    from pathlib import Path

    from tidemill import Secret, flow, task

    INSPECTED_BY = os.geteuid()

    @task
    def who():
        status = dict(line.split(":\\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
        try:
            os.setuid(0)
            back = True
        except PermissionError:
            back = False
        return {
            "ids": [os.getresuid(), os.getresgid(), os.getgroups()],
            "caps": [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")],
            "no_new_privs": status["NoNewPrivs"],
            "umask": status["Umask"],
            "home": os.environ["HOME"],
            "user": os.environ["USER"],
            "loaded_by": INSPECTED_BY,
            "back": back,
        }

    @task
    def snoop():
        found = []
        state = Path(os.environ["STATE"])
        for name in ("history.db", "lock", "journals", "logs", "results", ""):
            try:
                (os.listdir if (state / name).is_dir() else open)(state / name)
                found.append(name)
            except PermissionError:
                pass
        return found

    @task(cache_key_fn=lambda *_: "key")
    def large():
        return "x" * 100_000

    @task(retry_kwargs={"max_retries": 1})
    def fails():
        raise ValueError("y" * 9_000)

    @flow
    def whoami():
        print("hello from", os.geteuid())
        large()
        fails(return_state=True)
        print("told", json.dumps({**who(), "seen": snoop(), "length": len(large())}))
"""


def is_open(path):
    return all(folder.stat().st_mode & 0o001 for folder in Path(path).resolve().parents)


@pytest.fixture
def world(monkeypatch):
    """A daemon of root whose places the other user can reach, as /var/lib and /srv are; pytest's own are closed."""
    with tempfile.TemporaryDirectory(prefix="tidemill-users-") as name:
        daemon = Daemon(Path(name))
        if not is_open(os.__file__):  # a Python of root's own: the machine's will do, if it is alike
            other = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
            if not Path(other).exists():
                pytest.skip(f"{os.__file__} is out of reach for {USER}")
            monkeypatch.setattr(sys, "executable", other)
            packages = next(path for path in sys.path if path.endswith("site-packages"))
            daemon.environment["PYTHONPATH"] += f":{packages}"
        daemon.folder.chmod(0o711)
        daemon.flows.chmod(0o755)
        daemon.environment["STATE"] = str(daemon.state)
        try:
            yield daemon
        finally:
            daemon.sweep()


def configure(world, text):
    path = world.folder / "tidemill.toml"
    path.write_text(textwrap.dedent(text))
    return ["--config", str(path)]


def test_s14_a_run_of_another_user_has_none_of_root_s_rights_and_works(world):
    account = pwd.getpwnam(USER)
    world.drop("whoami.py", WHO).chmod(0o644)
    world.start(*configure(world, f'[users]\nruns = "{USER}"\n[limits]\napi = 2\n'))
    world.until_flow("whoami")

    shown = world.run("whoami")

    told = world.cli("logs", shown["id"]).stdout
    value = json.loads(next(line for line in told.splitlines() if " told " in line).partition(" told ")[2])
    assert value["ids"] == [[account.pw_uid] * 3, [account.pw_gid] * 3, os.getgrouplist(USER, account.pw_gid)]
    assert set(value["caps"]) == {"0" * 16}
    assert value["no_new_privs"] == "1"
    assert value["umask"] == "0077"
    assert (value["home"], value["user"]) == (account.pw_dir, USER)
    assert value["loaded_by"] == account.pw_uid
    assert not value["back"]
    assert value["seen"] == []
    assert value["length"] == 100_000
    assert f"hello from {account.pw_uid}" in told
    tasks = {task["name"]: task for task in shown["tasks"]}
    assert tasks["fails"]["attempts"] == 2
    assert tasks["fails"]["error"]["message"] == "y" * 9_000, "an event too long for a line"
    kept = [path for path in world.state.rglob("*") if path.is_file() and path.stat().st_uid == account.pw_uid]
    assert kept
    assert not [path for path in kept if stat.S_IMODE(path.stat().st_mode) & 0o077]
    # What is cached is the next run's too; what somebody else owns is refused as ever.
    again = world.run("whoami")
    assert {task["name"]: task["state"] for task in again["tasks"]}["large"] == "cached"


def test_s14_files_of_one_user_are_run_by_that_user_and_others_are_not(world):
    account = pwd.getpwnam(USER)
    text = "import os\nfrom tidemill import flow\n\n@flow\ndef {}():\n    return os.geteuid()\n"
    own = world.drop("team/own.py", text.format("own"))
    os.chown(own, account.pw_uid, account.pw_gid)
    os.chown(own.parent, account.pw_uid, account.pw_gid)
    stray = world.drop("stray.py", "from tidemill import flow\n\n@flow\ndef stray():\n    pass\n")
    os.chown(stray, account.pw_uid, account.pw_gid)
    world.drop("root.py", text.format("roots"))
    world.start(*configure(world, f'[users]\nfiles = {{ "team/*" = "{USER}" }}\n'))

    def result_of(flow):
        return world.cli("result", world.run(flow)["id"]).stdout

    assert str(account.pw_uid) in result_of("own")
    assert result_of("roots").strip().endswith("0")
    assert any(f"{stray} belongs to {USER}" in error["message"] for error in world.status()["errors"])


def test_s14_the_daemon_itself_can_become_another_user(world):
    account = pwd.getpwnam(USER)
    world.state.mkdir(mode=0o700)
    os.chown(world.state, account.pw_uid, account.pw_gid)
    world.drop("who.py", "import os\nfrom tidemill import flow\n\n@flow\ndef who():\n    return os.geteuid()\n")
    (world.flows / "who.py").chmod(0o644)
    world.start(*configure(world, f'[users]\ndaemon = "{USER}"\n'))

    lines = Path(f"/proc/{world.status()['pid']}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    assert status["Uid"].split() == [str(account.pw_uid)] * 4
    assert status["Gid"].split() == [str(account.pw_gid)] * 4
    assert status["CapEff"] == "0" * 16
    assert status["NoNewPrivs"] == "1"
    assert world.run("who")["state"] == "completed"
    owners = {path.stat().st_uid for path in world.state.rglob("*")}
    assert owners == {account.pw_uid}


def test_s14_root_takes_no_orders_from_a_configuration_that_others_can_change(world):
    options = configure(world, "")
    (world.folder / "tidemill.toml").chmod(0o666)

    world.start(*options, wait=False)

    assert world.process.wait(20) == 5
    assert "root takes no orders from others: everybody can change" in world.log.read_text()


@pytest.mark.parametrize(
    "users", [{"daemon": "no-such-user"}, {"runs": "no-such-user"}, {"files": '{ "a" = "no-such"}'}]
)
def test_s14_a_user_that_does_not_exist_is_refused_at_the_start(world, users):
    (name, value), *_ = users.items()
    world.start(*configure(world, f"[users]\n{name} = {value if name == 'files' else repr(value)}\n"), wait=False)

    assert world.process.wait(20) == 5
    assert "there is no user no-such" in world.log.read_text()


def test_s14_only_root_can_run_flows_as_somebody_else(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4242)

    with pytest.raises(ConfigurationError, match="only root can run flows as nobody"):
        terms_of(Settings(users=UsersSettings(runs=USER)))


def test_s14_groups_go_first_then_the_group_then_the_user(monkeypatch):
    steps = []
    monkeypatch.setattr(os, "initgroups", lambda *_: steps.append("groups"))
    monkeypatch.setattr(os, "setresgid", lambda *_: steps.append("group"))
    monkeypatch.setattr(os, "setresuid", lambda *ids: steps.append(f"user {ids[0]}"))

    # Nothing was really changed, so the way back is open, and that is noticed.
    with pytest.raises(PermissionError, match="could not become nobody for good"):
        become(USER)

    assert steps == ["groups", "group", f"user {find_user(USER).pw_uid}", "user 0"]


def test_s15_what_a_daemon_makes_is_for_its_own_eyes(daemon):
    daemon.drop("big.py", "from tidemill import flow\n\n@flow\ndef big():\n    return 'x' * 100_000\n")
    daemon.start()
    daemon.until_flow("big")
    daemon.run("big")

    for path in [daemon.state, *daemon.state.rglob("*")]:
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert not mode & 0o077, f"{path} has mode {mode:04o}"


def test_s14_a_file_that_has_another_name_is_given_to_nobody(tmp_path):
    from tidemill.forkserver.handing_over import _give

    (tmp_path / "shadow").write_text("root's")
    (tmp_path / "finished").hardlink_to(tmp_path / "shadow")
    with pytest.raises(PermissionError, match="another name"):
        _give(tmp_path / "finished", os.getuid(), os.getgid())
    (tmp_path / "shadow").unlink()
    _give(tmp_path / "finished", os.getuid(), os.getgid())
