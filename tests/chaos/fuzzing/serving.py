"""Frames to a real daemon that tells of every module it imports."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from acceptance.conftest import Daemon
from chaos.fuzzing.frames import HELLO, VERBS, say, speak
from chaos.fuzzing.watch import open_descriptors
from tidemill.control.protocol import pack

AUDITED = """
import os, sys
told = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
def hook(event, details):
    if event == "import":
        os.write(told, f"{details[0]}\\n".encode())
sys.addaudithook(hook)
from tidemill.service.main import main
sys.exit(main(sys.argv[1:]))
"""
FLOW = (
    "from tidemill import flow\n\n@flow(overlap='allow')\ndef small(flow: str = '', parameters: dict = {}):\n    pass\n"
)
_TRIALS = (
    {"flow": "small"}, {"run": "last"}, {"run": "0123456789"}, {"flow": "smal"}, {}, {"keep": 1}, {"older_than": 1.0},
    {"flow": 7, "run": 7}, {"size": 10**12}, {"run": "k3f0000000", "plan": True},
)  # fmt: skip


def ask(random: Random, count: int, folder: Path) -> dict[str, Any]:
    """Send so many frames to a real daemon: it answers, imports nothing for them, and holds nothing more."""
    world = Daemon(folder)
    world.drop("small.py", FLOW)
    imports = folder / "imports"
    try:
        with world.log.open("ab") as log:
            world.process = subprocess.Popen(
                [sys.executable, "-P", "-c", AUDITED, str(imports)], env=world.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
            )  # fmt: skip
        path, pid = world.state / "control.sock", world.process.pid
        world.until(lambda: world.status().get("running"), "the daemon serves")
        world.run("small")
        for _ in range(2):  # whatever is imported late is imported now
            for arguments in _TRIALS:
                say(path, HELLO + b"".join(pack({"verb": verb, "args": arguments}) for verb in VERBS))
            speak(random, path, 200)
        known, descriptors = len(imports.read_text().splitlines()), open_descriptors(pid)
        met: Counter[str] = speak(random, path, count)
        if world.process.poll() is not None or world.run("small")["state"] != "completed":
            met[f"crashes: the daemon ended or serves no more: {world.log.read_text()[-1000:]}"] += 1
        if "Traceback" in (text := world.log.read_text()):
            met[f"crashes: {text[text.index('Traceback') :][:1000]}"] += 1
        world.until(lambda: open_descriptors(pid) <= descriptors + 2, "the descriptors are given back")
        fresh = Counter(imports.read_text().splitlines()[known:])
    finally:
        world.sweep()
    return {"inputs": met.pop("frames"), **met, "imports": dict(fresh), "leaked": 0}
