"""The fork server found or started early, while the daemon's own modules are imported on the other core."""

import threading
from contextlib import suppress
from typing import Self

from tidemill.config.paths import StatePaths
from tidemill.domain.errors import TidemillError
from tidemill.forkserver.client import ForkserverClient  # noqa: TC001 - imported anyhow
from tidemill.forkserver.launch import ensure


class FirstTry:
    """Finds or starts the fork server in a thread of its own."""

    def __init__(self, paths: StatePaths, preload: tuple[str, ...]) -> None:
        self.client: ForkserverClient | None = None
        """None when there was no success: why is told by the second try, which has nothing beside it."""
        self.retired: list[ForkserverClient] = []
        """Older servers that drain: they alone tell how their runs end."""
        self._thread = threading.Thread(target=self._find, args=(paths, preload), name="forkserver", daemon=True)
        self._thread.start()

    def wait(self) -> Self:
        """Return when it is over."""
        self._thread.join()
        return self

    def _find(self, paths: StatePaths, preload: tuple[str, ...]) -> None:
        with suppress(TidemillError, OSError):
            self.client = ensure(paths, preload, on_retired=self.retired.append)
