"""What a run may take of the machine: what its flow says, else what the operator does."""

from tidemill.config.settings import Settings
from tidemill.domain.manifests import FlowManifest
from tidemill.domain.restraints import RESTRAINTS


def restraints_for(flow: FlowManifest | None, settings: Settings) -> dict[str, float]:
    """Return the limits of a run of *flow*."""
    general = settings.runs._asdict()
    found = {name: float(general[name]) for name in RESTRAINTS if general.get(name) is not None}
    return found | (flow.limits if flow is not None else {})
