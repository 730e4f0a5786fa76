"""Whether what was answered had reached the disk by then: the order of writes, syncs and answers."""

from collections.abc import Iterable, Iterator
from typing import Final

from chaos.tracing.calls import Call

_LOG: Final = "/history.db-wal"
_FILE: Final = "/history.db"


class Order:
    """Listens to a tracer: what was written to the history's log, when that was brought to the disk, what was sent."""

    def __init__(self) -> None:
        self._written: list[tuple[int, str, bytes]] = []
        self._syncs: list[tuple[int, str, bool]] = []
        self._sent: list[tuple[int, bytes]] = []
        self._calls = 0

    def seen(self, call: Call) -> None:
        """Take note of a call that has happened or failed."""
        self._calls += 1
        path, result = call.path or "", call.result or 0
        if call.role != "daemon":
            return
        if call.name == "fdatasync" and path.endswith((_LOG, _FILE)):
            self._syncs.append((self._calls, path, result == 0))
        elif call.name == "pwrite64" and result > 0 and path.endswith((_LOG, _FILE)):
            self._written.append((self._calls, path, call.data or b""))
        elif call.name in ("sendto", "sendmsg", "write") and result > 0 and path.startswith("socket:"):
            self._sent.append((self._calls, call.data or b""))

    def too_early(self, runs: Iterable[str]) -> Iterator[str]:
        """Give a sentence for each of *runs* that was answered before its row was durable."""
        for run in runs:
            sent = next((at for at, data in self._sent if b'"ok"' in data and run.encode() in data), None)
            if sent is None:
                continue
            written = [(at, path) for at, path, data in self._written if at < sent and run.encode() in data]
            if not any(self._is_kept(at, path, sent) for at, path in written):
                yield f"I1 the run {run} was answered before it had reached the disk"

    def _is_kept(self, written: int, path: str, sent: int) -> bool:
        """Tell whether the first sync after a write succeeded; after one that failed the next proves nothing."""
        first = next(((at, done) for at, file, done in self._syncs if at > written and file == path), None)
        return first is not None and first[0] < sent and first[1]
