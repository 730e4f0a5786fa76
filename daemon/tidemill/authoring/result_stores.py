"""Where the records of transactions are, and what locks them. Names are Prefect's."""

import os
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ResultStore:
    """A folder of records, and a manager of the locks on their keys; None leaves both to the run."""

    result_storage: str | os.PathLike[str] | None = None
    metadata_storage: str | os.PathLike[str] | None = None
    """Takes the place of *result_storage*: records and values are not kept apart."""
    lock_manager: Any = None
