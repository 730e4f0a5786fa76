"""A run of nothing, for the fork server to see which memory every run writes to."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from tidemill.domain.identifiers import new_run_id
from tidemill.domain.runs import RunOrder
from tidemill.engine import process

_FLOW = "from tidemill import task\n\n\n@task\ndef nothing():\n    print('nothing')\n"


def rehearse() -> None:
    """Carry out a flow of one task, from its order to its end, and leave no trace but in this process's memory."""
    with suppress(OSError), tempfile.TemporaryDirectory(prefix="tidemill-rehearsal-") as folder:
        path = Path(folder) / "rehearsal.py"
        path.write_text(_FLOW)
        files = [os.open(Path(folder) / name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600) for name in ("j", "l")]
        order = RunOrder(
            run=new_run_id(),
            flow="rehearsal",
            path=str(path),
            sources={},
            root=folder,
            journal=f"{folder}/j",
            log=f"{folder}/l",
            results_dir=folder,
        )
        process.main(order, files[0], files[1], None)
