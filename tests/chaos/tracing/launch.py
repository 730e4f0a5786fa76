"""What the first process of a tree does: wait until it is followed, take the filter, become the command.

Executed as a script, alone: ``launch.py FD FILTER COMMAND...``.
"""

import ctypes
import os
import signal
import sys

_NO_NEW_PRIVILEGES = 38
_SECCOMP = 317
_SET_FILTER = 1


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def begin(gate: int, instructions: bytes) -> None:
    """Wait until somebody follows this process, who writes to *gate* then, and take the filter."""
    os.read(gate, 1)
    os.close(gate)
    program = _Program(len(instructions) // 8, instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_SECCOMP, _SET_FILTER, 0, ctypes.byref(program)) != 0:
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)  # who is not root may take a filter only with this
        if libc.syscall(_SECCOMP, _SET_FILTER, 0, ctypes.byref(program)) != 0:
            sys.exit(f"the seccomp filter is refused: {os.strerror(ctypes.get_errno())}")


def main() -> None:
    gate, text, *command = sys.argv[1:]
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores, and a command does not begin with
        signal.signal(number, signal.SIG_DFL)
    begin(int(gate), bytes.fromhex(text))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
