"""What hooks annotate their arguments with: ``from tidemill.client.schemas.objects import FlowRun, TaskRun``.

There is no server, and so no client.
"""

from tidemill.authoring.unsupported import missing_from

__getattr__ = missing_from(__name__)
