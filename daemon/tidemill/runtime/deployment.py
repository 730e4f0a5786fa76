"""There are no deployments here; what is asked about one is None."""

from typing import Final

id: Final = None
name: Final = None
version: Final = None
flow_run_id: Final = None
parameters: Final[dict[str, object]] = {}
