"""Flows under the name that Prefect's users know: ``from tidemill.flows import flow``."""

from tidemill import Flow, flow
from tidemill.authoring.unsupported import missing_from

__all__ = ["Flow", "flow"]

__getattr__ = missing_from(__name__)
