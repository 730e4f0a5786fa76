"""What systemd wants to know of a service (sd_notify(3)); without systemd nothing is said."""

import os
import socket


class Notifier:
    """Speaks to the service manager over NOTIFY_SOCKET."""

    def __init__(self, address: str | None, watchdog_usec: str | None = None) -> None:
        self._address = address
        self.watchdog_interval = int(watchdog_usec) / 3_000_000 if watchdog_usec and watchdog_usec.isdigit() else None
        """Seconds between two signs of life: a third of what systemd waits for."""

    @classmethod
    def from_environment(cls) -> "Notifier":
        """Take what systemd left, and leave nothing of it to child processes."""
        address = os.environ.pop("NOTIFY_SOCKET", None)
        usec = os.environ.pop("WATCHDOG_USEC", None)
        pid = os.environ.pop("WATCHDOG_PID", None)
        return cls(address, usec if pid is None or pid == str(os.getpid()) else None)

    def ready(self, status: str) -> None:
        """Say that flows are loaded and runs can be asked for."""
        self._send(f"READY=1\nSTATUS={status}\nMAINPID={os.getpid()}")

    def status(self, text: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self._send(f"STATUS={text}")

    def take_longer(self, seconds: float) -> None:
        """Ask for so many more seconds from now on, until it is ready or has ended."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def stopping(self, status: str) -> None:
        """Say that the end has begun."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.connect(address)
                channel.send(message.encode())
        except OSError:
            # The manager may be restarting; nothing a service does depends on being heard.
            return
