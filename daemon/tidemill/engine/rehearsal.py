"""Runs of nothing, for the fork server to see which memory every run writes to."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.domain.identifiers import new_run_id
from tidemill.domain.runs import RunOrder
from tidemill.engine import process

_FLOWS: Final = """
from tidemill import Flow, flow, task


@task
def nothing(number):
    print("nothing")
    return number


@flow
def function(number: int = 1):
    return nothing(number)


declared = Flow("declared", tasks=[nothing.bind(number=1)])
"""


def rehearse() -> None:
    """Carry out a flow of one task in either style, and leave no trace but in this process's memory."""
    with suppress(OSError), tempfile.TemporaryDirectory(prefix="tidemill-rehearsal-") as folder:
        path = Path(folder) / "rehearsal.py"
        path.write_text(_FLOWS)
        for flow in ("function", "declared"):
            files = [Path(folder) / f"{flow}.{name}" for name in ("journal", "log")]
            journal, log = (os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600) for file in files)
            order = RunOrder(
                run=new_run_id(),
                flow=flow,
                path=str(path),
                sources={},
                root=folder,
                journal=str(files[0]),
                log=str(files[1]),
                results_dir=folder,
            )
            process.main(order, journal, log, None)
