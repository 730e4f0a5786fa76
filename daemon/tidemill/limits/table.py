"""The limits in force, as a file that every process looks at: whoever read the settings last has written it."""

import os
import string
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.domain.limits import Limit

_NAME: Final = "table"
_PLAIN: Final = frozenset((string.ascii_letters + string.digits + "-_").encode())


def file_name(name: str) -> str:
    """Return the name of a limit as a file may bear it: letters, digits, - and _ as they are, the rest in hex."""
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in name.encode())


def write_table(folder: Path, limits: Mapping[str, Limit]) -> None:
    """Put *limits* into force for every process that shares *folder*, whole or not at all."""
    lines = (f"{file_name(name)} {limit.slots} {limit.per_second or ''}\n" for name, limit in sorted(limits.items()))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = folder / f"{_NAME}.{os.getpid()}"
    fresh.touch(mode=0o600)
    fresh.write_text("".join(lines), encoding="ascii")
    fresh.replace(folder / _NAME)


def slot_files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield the files of the limits in force, each with the mode by which runs of other users can take part."""
    table = Table(folder).limits()
    if table:
        yield folder / _NAME, 0o644
    for name, limit in table.items():
        yield slot_file(folder, name, is_rate=limit.per_second is not None), 0o666


def slot_file(folder: Path, name: str, *, is_rate: bool) -> Path:
    """Return where it is kept who holds the limit *name*."""
    return folder / f"{file_name(name)}.{'rate' if is_rate else 'slots'}"


class Table:
    """The limits in force; a look costs a microsecond while nobody changes them."""

    def __init__(self, folder: Path) -> None:
        self._path = f"{folder}/{_NAME}"
        self._seen: tuple[int, int, int] | None = None
        self._limits: Mapping[str, Limit] = {}

    def limits(self) -> Mapping[str, Limit]:
        """Return every limit by name; none where nobody has set any."""
        try:
            status = os.stat(self._path)  # noqa: PTH116 - a Path costs more than the call
        except OSError:
            return {}
        seen = (status.st_mtime_ns, status.st_ino, status.st_size)
        if seen != self._seen:
            with suppress(OSError, ValueError):  # a spoilt one is none; the daemon writes it anew when it starts
                self._limits, self._seen = _read(self._path), seen
        return self._limits


def _read(path: str) -> Mapping[str, Limit]:
    with open(path, encoding="ascii") as file:  # noqa: PTH123
        rows = [line.rstrip("\n").split(" ") for line in file]
    return {_name_of(name): Limit(int(slots), float(rate) if rate else None) for name, slots, rate in rows}


def _name_of(file: str) -> str:
    first, *coded = file.encode().split(b"%")
    return b"".join([first, *(bytes.fromhex(part[:2].decode()) + part[2:] for part in coded)]).decode()
