"""What a run takes over from the attempts before it, as a file: an order would grow too long.

One finished task a line, in JSON. The run process reads it once, and takes it away.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from tidemill.domain.errors import TidemillError
from tidemill.domain.runs import FinishedTask

NAME: Final = ".finished"
"""What the file is called in the folder of the run's results."""
_decode: Final = msgspec.json.Decoder(FinishedTask).decode
_encode: Final = msgspec.json.Encoder().encode
_DRAFT: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


def write_finished(path: str, tasks: Iterable[FinishedTask]) -> None:
    """Write the file, whole or not at all, for its owner alone. Raises OSError.

    Its name stays text: in Python 3.12 a Path keeps the parts of its name for good, and the daemon lives long.
    """
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
    draft = f"{path}.{os.getpid()}"
    with os.fdopen(os.open(draft, _DRAFT, 0o600), "wb") as file:
        file.writelines(_encode(task) + b"\n" for task in tasks)
    os.replace(draft, path)  # noqa: PTH105


def take_finished(path: Path) -> Iterator[FinishedTask]:
    """Yield what the file holds, and remove it. Raises TidemillError where it cannot be read."""
    try:
        with path.open("rb") as file:
            for line in file:
                yield _decode(line)
    except (OSError, msgspec.MsgspecError) as error:
        raise TidemillError(f"what earlier attempts finished cannot be read from {path}: {error}") from error
    with suppress(OSError):
        path.unlink()
