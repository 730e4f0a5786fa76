"""What one call of the program knows: the options before the command, and what they lead to."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.domain.errors import DaemonNotRunning, Refused

if TYPE_CHECKING:
    from tidemill.config.paths import StatePaths
    from tidemill.config.settings import Settings
    from tidemill.control.client import ControlClient
    from tidemill.history.reader import Reader


class Invocation:
    """The options before the command; settings, history and socket are opened when a command asks for them."""

    def __init__(
        self,
        config: Path | None = None,
        flows: Path | None = None,
        state: Path | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.config = config
        self.flows = flows
        self.state = state
        self.now = now
        self._closing: list[Callable[[], Any]] = []

    @cached_property
    def _loaded(self) -> "tuple[Settings, dict[str, str]]":
        from tidemill.config.loading import load

        return load(self.config, {"flows_dir": self.flows, "state_dir": self.state})

    @property
    def settings(self) -> "Settings":
        """The settings as this call sees them."""
        return self._loaded[0]

    @property
    def sources(self) -> dict[str, str]:
        """Where each setting came from."""
        return self._loaded[1]

    @cached_property
    def paths(self) -> "StatePaths":
        """The names in the state directory."""
        from tidemill.config.paths import StatePaths

        return StatePaths(Path(self.settings.places.state_dir).absolute())

    @property
    def has_history(self) -> bool:
        """Tell whether there is a history to read."""
        try:
            return self.settings.places.database_url is not None or self.paths.database.exists()
        except PermissionError:
            raise Refused(
                f"you may not look into the state directory {self.paths.root}: only its owner may;"
                " ask as that user, or choose another directory with --state"
            ) from None

    @cached_property
    def reader(self) -> "Reader":
        """The history, opened for reading; it needs no daemon."""
        from tidemill.history.reader import open_reader

        if not self.has_history:
            raise DaemonNotRunning(
                f"there is no history in {self.paths.root} yet: no daemon has served it; start one with: tidemill start"
            )
        reader = open_reader(self.settings.places.database_url or self.paths.database)
        self._closing.append(reader.close)
        return reader

    @cached_property
    def schedule_zone(self) -> str | None:
        """The zone of schedules that name none, where it is another than this process's own.

        The daemon decides when they are due, and a person's TZ may not be the daemon's.
        """
        if self.settings.schedule.timezone:
            return self.settings.schedule.timezone
        from tidemill.domain.zones import local_zone, zone_name

        told = self.reader.timezone()
        return None if told == zone_name(local_zone()) else told

    @cached_property
    def client(self) -> "ControlClient":
        """The daemon's socket."""
        from tidemill.control.client import ControlClient

        client = ControlClient(self.paths.control_socket)
        self._closing.append(client.close)
        return client

    def close(self) -> None:
        """Close what was opened."""
        while self._closing:
            self._closing.pop()()

    @property
    def options(self) -> list[str]:
        """The options before the command, absolute, for a program of ours that is started with them."""
        given = (("--config", self.config), ("--flows", self.flows), ("--state", self.state))
        return [part for name, path in given if path is not None for part in (name, str(path.absolute()))]
