"""Flows under the name that Prefect's users know: ``from tidemill.flows import flow``."""

from tidemill import Flow, flow

__all__ = ["Flow", "flow"]
