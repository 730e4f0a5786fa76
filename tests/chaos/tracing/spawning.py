"""How the first process of a tree is made."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

_LAUNCH: Final = Path(__file__).with_name("launch.py")


class Newborn:
    """The first process of a tree."""

    def __init__(self, pid: int, *, is_begun: bool) -> None:
        self.pid = pid
        self.is_begun = is_begun
        """It is the command already, and need not become it."""
        self.returncode: int | None = None

    def reaped(self, returncode: int) -> None:
        """Its end is known."""
        self.returncode = returncode


class Spawn(Protocol):
    """Makes a process that waits until something is written to *gate*, takes the filter, and is the command."""

    def __call__(self, gate: int, instructions: bytes, argv: Sequence[str], options: dict[str, Any]) -> Newborn: ...


class Launched(Newborn):
    """A process that executes the command."""

    def __init__(self, gate: int, instructions: bytes, argv: Sequence[str], options: dict[str, Any]) -> None:
        command = [sys.executable, "-I", "-S", str(_LAUNCH), str(gate), instructions.hex(), *argv]
        self._process = subprocess.Popen(command, pass_fds=[gate], **options)
        super().__init__(self._process.pid, is_begun=False)

    def reaped(self, returncode: int) -> None:
        """Its end is known."""
        super().reaped(returncode)
        self._process.returncode = returncode
