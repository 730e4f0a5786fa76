"""Facts about the run the code is part of: ``from tidemill.runtime import flow_run, task_run``.

Each is a module whose names are looked up when they are asked for; outside of a run they are None or empty.
"""

from tidemill.runtime import deployment, flow_run, task_run

__all__ = ["deployment", "flow_run", "task_run"]
