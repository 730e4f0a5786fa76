"""``python -P -m tidemill.engine ORDER.json``: a run in this terminal, by the same engine, recorded all the same."""

import os
import sys
from pathlib import Path

import msgspec

from tidemill.domain.runs import RunOrder
from tidemill.domain.states import State
from tidemill.engine.process import main


def run_order(file: str) -> int:
    """Carry out the order in *file*; return 0 when the run completed, else 1."""
    order = msgspec.json.decode(Path(file).read_bytes(), type=RunOrder)
    state = main(order, _open(order.journal), _open(order.log), None, terminal=True)
    return 0 if state is State.COMPLETED else 1


def _open(path: str) -> int:
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tidemill.engine ORDER.json")
    sys.exit(run_order(sys.argv[1]))
