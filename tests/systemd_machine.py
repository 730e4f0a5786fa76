"""A machine with the system unit installed as the README tells, and what a test asks of it."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

SOURCE = Path(__file__).parents[1]
UNIT = Path("/etc/systemd/system/tidemill.service")
FLOWS = Path("/var/lib/tidemill/flows")
CONFIGURATION = Path("/etc/tidemill/tidemill.toml")
OPT = Path("/opt/tidemill")

QUICK = "from tidemill import task\n\n@task\ndef quick():\n    print('done')\n"

ENVIRONMENT = """
import os
from tidemill import task

@task
def look():
    told = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "INVOCATION_ID", "JOURNAL_STREAM", "LISTEN_FDS")
    print("sees:", [name for name in told if name in os.environ])
"""

GATED = """
import tempfile
import time
from pathlib import Path
from tidemill import task

@task
def gated():
    Path("started").touch()
    while not Path("go").exists():
        time.sleep(0.05)
    with tempfile.NamedTemporaryFile() as file:  # /tmp must still be there after the daemon was restarted
        file.write(b"still here")
"""


def why_not_here() -> str | None:
    """Tell why the unit cannot be installed on this machine; None when it can."""
    if not Path("/run/systemd/system").is_dir():
        return f"PID 1 is {Path('/proc/1/comm').read_text().strip()}, not systemd"
    if os.geteuid() != 0:
        return "it takes root to install a system unit"
    if not os.environ.get("TIDEMILL_LAB_INSIDE") and (OPT.exists() or UNIT.exists() or FLOWS.exists()):
        return "this machine has a tidemill of its own"
    return None


class Machine:
    """Installs the service for the time of the tests."""

    def __enter__(self) -> Self:
        if os.environ.get("TIDEMILL_LAB_INSIDE"):
            Path("/root").chmod(0o711)  # the Python of the machine may live there; the laboratory is thrown away
        shutil.rmtree(OPT, ignore_errors=True)
        self._install_program(Path(os.environ.get("TIDEMILL_LAB_VENV", sys.prefix)))
        shipped = SOURCE / "systemd"
        self.call("systemd-sysusers", str(shipped / "sysusers.d" / "tidemill.conf"))
        self.call("systemd-tmpfiles", "--create", str(shipped / "tmpfiles.d" / "tidemill.conf"))
        shutil.copy(shipped / "tidemill.service", UNIT)
        self.configure((SOURCE / "config" / "tidemill.toml").read_text())
        self.systemctl("daemon-reload")
        self.systemctl("start", "tidemill")
        for name, text in (("quick", QUICK), ("environment", ENVIRONMENT), ("gated", GATED)):
            self.write_flow(name, text)
        self.systemctl("reload", "tidemill")
        return self

    def __exit__(self, *_: object) -> None:
        self.systemctl("stop", "tidemill", check=False)
        if os.environ.get("TIDEMILL_LAB_INSIDE"):
            return
        self.systemctl("kill", "--kill-whom=all", "--signal=KILL", "tidemill", check=False)
        UNIT.unlink(missing_ok=True)
        self.systemctl("daemon-reload")
        for folder in (OPT, FLOWS.parent, CONFIGURATION.parent, Path("/var/cache/tidemill")):
            shutil.rmtree(folder, ignore_errors=True)
        self.call("userdel", "tidemill")

    @staticmethod
    def _install_program(venv: Path) -> None:
        """Stand in for pip, which has no network in a laboratory: the same files under /opt/tidemill."""
        (OPT / "bin").mkdir(parents=True)
        shutil.copytree(SOURCE / "daemon", OPT / "daemon", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(venv / "pyvenv.cfg", OPT)
        (OPT / "lib").symlink_to(venv / "lib" if (venv / "lib").exists() else SOURCE / ".venv" / "lib")
        python = OPT / "bin" / "python"
        python.symlink_to((venv / "bin" / "python").resolve())
        program = OPT / "bin" / "tidemill"
        program.write_text(f'#!/bin/sh\nexport PYTHONPATH={OPT}/daemon\nexec {python} -P -m tidemill "$@"\n')
        program.chmod(0o755)

    @staticmethod
    def call(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command and return what it said."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=60)
        except subprocess.TimeoutExpired:
            looks = ["ps -eo pid,ppid,stat,wchan:30,args", "cat /var/lib/tidemill/logs/daemon.log"]
            told = [subprocess.run(["sh", "-c", look], capture_output=True, text=True, check=False) for look in looks]
            raise AssertionError(f"{command} hangs\n" + "\n".join(one.stdout for one in told)) from None
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def systemctl(self, *arguments: str, check: bool = True) -> int:
        """Run systemctl; a failure shows the unit's journal."""
        done = self.call("systemctl", *arguments, check=False)
        assert done.returncode == 0 or not check, f"systemctl {arguments}: {done.stderr}\n{self.journal()}"
        return done.returncode

    def tidemill(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the CLI as root, as an operator would."""
        return self.call(str(OPT / "bin" / "tidemill"), *arguments, check=False)

    def json(self, *arguments: str) -> Any:
        """Return what a reading command prints with --json."""
        done = self.tidemill(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def start_run(self, flow: str) -> str:
        """Ask for a run and return its id."""
        done = self.tidemill("run", flow)
        assert done.returncode == 0, done.stderr
        return str(self.json("show", f"{flow}@last")["id"])

    def wait_for_state(self, run: str, state: str) -> None:
        """Wait until a run is in a state; a failure shows all that is known of it."""
        try:
            self.wait_for(lambda: self.json("show", run)["state"] == state, f"the run to be {state}", 30)
        except AssertionError as error:
            known = [self.tidemill(*look).stdout for look in (("show", run), ("logs", run), ("status",))]
            raise AssertionError("\n".join([str(error), *known])) from None

    def shown(self, name: str) -> str:
        """Return one property of the unit."""
        return self.call("systemctl", "show", "--value", "--property", name, "tidemill").stdout.strip()

    @property
    def pid(self) -> int:
        """The daemon's pid; 0 when there is none."""
        return int(self.shown("MainPID"))

    def is_active(self) -> bool:
        """Tell whether systemd takes the service for ready."""
        return self.shown("ActiveState") == "active"

    def journal(self) -> str:
        """Return what the unit told the journal."""
        return self.call("journalctl", "--no-pager", "-n", "80", "-u", "tidemill", check=False).stdout

    def show_journal(self) -> None:
        """Print the journal where pytest shows it when a test fails."""
        print(self.journal())

    def gate(self, name: str) -> Path:
        """Return a file beside the flows, by which a test and a run tell each other something."""
        return FLOWS / name

    @staticmethod
    def write_flow(name: str, text: str) -> None:
        """Drop a flow file in the folder, as the service's user would."""
        path = FLOWS / f"{name}.py"
        path.write_text(text)
        owner = pwd.getpwnam("tidemill")
        os.chown(path, owner.pw_uid, owner.pw_gid)

    @staticmethod
    def configure(text: str) -> None:
        """Write the configuration file."""
        CONFIGURATION.write_text(text)
        CONFIGURATION.chmod(0o640)
        os.chown(CONFIGURATION, 0, pwd.getpwnam("tidemill").pw_gid)

    def add_person(self, name: str) -> Path:
        """Make a user with a manager of its own, and the user unit installed as the README tells; return its home."""
        self.call("useradd", "--create-home", "--shell", "/bin/sh", name)
        home = Path(pwd.getpwnam(name).pw_dir)
        unit, program = home / ".config/systemd/user/tidemill.service", home / ".local/bin/tidemill"
        self.call("loginctl", "enable-linger", name)
        self.as_person(name, "mkdir", "-p", str(unit.parent), str(program.parent), str(home / "flows"))
        shutil.copy(SOURCE / "systemd" / "user" / "tidemill.service", unit)
        program.symlink_to(OPT / "bin" / "tidemill")
        (home / "flows" / "quick.py").write_text(QUICK)
        self.call("systemctl", "start", f"user@{pwd.getpwnam(name).pw_uid}.service")
        return home

    def as_person(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as that user, with its manager at hand."""
        person = pwd.getpwnam(name)
        runtime = f"/run/user/{person.pw_uid}"
        environment = {
            "HOME": person.pw_dir,
            "USER": name,
            "PATH": "/usr/bin:/bin",
            "XDG_RUNTIME_DIR": runtime,
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus",
        }
        words = [f"{key}={value}" for key, value in environment.items()]
        identity = [f"--reuid={person.pw_uid}", f"--regid={person.pw_gid}", "--init-groups"]
        return self.call("setpriv", *identity, "env", "-i", *words, *command)

    def drop_in(self, name: str, text: str | None) -> None:
        """Add a drop-in of the unit, or take it away."""
        path = UNIT.with_name("tidemill.service.d") / f"{name}.conf"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        self.systemctl("daemon-reload")

    @staticmethod
    def wait_for(condition: Callable[[], bool], what: str, limit: float = 60) -> None:
        """Wait for a condition, and fail with its name."""
        until = time.monotonic() + limit
        while not condition():
            assert time.monotonic() < until, f"waited {limit:g} s in vain for {what}"
            time.sleep(0.05)
