"""ptrace(2) and process_vm_readv(2), by ctypes."""

import ctypes
import os
import struct
from typing import Final

CONTINUE: Final = 7
CONTINUE_TO_EXIT: Final = 24
SEIZE: Final = 0x4206
LISTEN: Final = 0x4208
_POKE_USER: Final = 6
_SYSCALL_INFO: Final = 0x420E

OPTIONS: Final = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000
"""TRACESYSGOOD, TRACEFORK, TRACEVFORK, TRACECLONE, TRACEEXEC, TRACESECCOMP, EXITKILL."""
EVENT_EXEC: Final = 4
EVENT_SECCOMP: Final = 7
EVENT_STOP: Final = 128
WAIT: Final = 0x40000000 | 0x20000000
"""Wait for threads too (__WALL), and for none that another thread of ours follows (__WNOTHREAD)."""

_RAX: Final = 80
_ORIG_RAX: Final = 120
_PAGE: Final = 4096

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


_libc.process_vm_readv.argtypes = [
    ctypes.c_int, ctypes.POINTER(_Vector), ctypes.c_ulong, ctypes.POINTER(_Vector), ctypes.c_ulong, ctypes.c_ulong,
]  # fmt: skip
_libc.process_vm_readv.restype = ctypes.c_ssize_t


def ptrace(request: int, tid: int, address: int | None = None, data: int | None = None) -> int:
    """Make a ptrace request; OSError says what was refused, ProcessLookupError that the thread is gone."""
    ctypes.set_errno(0)
    result: int = _libc.ptrace(request, tid, address, data)
    if result < 0 and (number := ctypes.get_errno()):
        raise OSError(number, os.strerror(number))
    return result


def read_call(tid: int) -> tuple[int, tuple[int, ...]]:
    """Return number and arguments of the call at whose entry *tid* stands."""
    number, *arguments = struct.unpack_from("=7Q", _info(tid), 24)
    return number, tuple(arguments)


def read_result(tid: int) -> int:
    """Return what the call returned at whose exit *tid* stands."""
    (result,) = struct.unpack_from("=q", _info(tid), 24)
    return int(result)


def _info(tid: int) -> bytes:
    buffer = ctypes.create_string_buffer(96)
    ptrace(_SYSCALL_INFO, tid, len(buffer), ctypes.addressof(buffer))
    return buffer.raw


def refuse_call(tid: int, errno: int) -> None:
    """Let the call at whose entry *tid* stands not happen and return *errno*."""
    ptrace(_POKE_USER, tid, _ORIG_RAX, 2**64 - 1)
    ptrace(_POKE_USER, tid, _RAX, 2**64 - errno)


def read_memory(pid: int, address: int, length: int) -> bytes:
    """Return *length* bytes of a process's memory."""
    buffer = ctypes.create_string_buffer(length)
    here, there = _Vector(ctypes.addressof(buffer), length), _Vector(address, length)
    got: int = _libc.process_vm_readv(pid, here, 1, there, 1, 0)
    if got < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return buffer.raw[:got]


def read_text(pid: int, address: int) -> str:
    """Return the text that begins at *address* and ends with a zero byte."""
    found = b""
    while b"\0" not in found:
        found += read_memory(pid, address + len(found), _PAGE - (address + len(found)) % _PAGE)
    return os.fsdecode(found[: found.index(b"\0")])
