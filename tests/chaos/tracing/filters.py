"""The seccomp filter that stops a process at its state-changing calls and at nothing else."""

import struct
from collections.abc import Iterator
from typing import Final

from chaos.tracing.calls import SHAPES

_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_ANY: Final = 0x45
_RETURN: Final = 0x06
_X86_64: Final = 0xC000003E
_ALLOW: Final = 0x7FFF0000
_TRACE: Final = 0x7FF00000


def build_filter() -> bytes:
    """Return the filter as the kernel takes it: instructions of eight bytes each."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in _instructions())


def _instructions() -> Iterator[tuple[int, int, int, int]]:
    yield (_LOAD, 0, 0, 4)
    yield (_JUMP_IF_EQUAL, 1, 0, _X86_64)
    yield (_RETURN, 0, 0, _ALLOW)
    yield (_LOAD, 0, 0, 0)
    for number, shape in SHAPES.items():
        test = shape.only or shape.unless
        if test is None:
            yield (_JUMP_IF_EQUAL, 0, 1, number)
            yield (_RETURN, 0, 0, _TRACE)
        else:
            argument, mask = test
            yield (_JUMP_IF_EQUAL, 0, 4, number)
            yield (_LOAD, 0, 0, 16 + 8 * argument)
            yield (_JUMP_IF_ANY, 0, 1, mask)
            yield (_RETURN, 0, 0, _TRACE if shape.only else _ALLOW)
            yield (_RETURN, 0, 0, _ALLOW if shape.only else _TRACE)
    yield (_RETURN, 0, 0, _ALLOW)
