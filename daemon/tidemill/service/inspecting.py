"""Inspections through the fork server: one connection for each of the catalog's threads."""

import sys
import threading
from collections.abc import Callable, Mapping

import msgspec

from tidemill.catalog.known import CachedFile
from tidemill.config.paths import StatePaths
from tidemill.domain.manifests import FileManifest
from tidemill.domain.runs import InspectionOrder
from tidemill.domain.version import VERSION
from tidemill.forkserver.client import ForkserverClient
from tidemill.forkserver.protocol import ForkserverError
from tidemill.history.recorder import Recorder

MAKER = f"tidemill {VERSION}, python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
"""Whose manifests these are: another version may declare, or understand, a file differently."""


class Inspections:
    """Has files loaded by the fork server; called from several threads at once."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._mine = threading.local()

    def __call__(self, order: InspectionOrder) -> FileManifest:
        """Return the manifest of one file; a fork server that was replaced meanwhile is asked anew."""
        client: ForkserverClient | None = getattr(self._mine, "client", None)
        if client is not None and not client.gone:
            try:
                return client.inspect(order)
            except ForkserverError:
                client.close()
        client = self._mine.client = ForkserverClient.connect(self._paths.forkserver_socket)
        return client.inspect(order)


class ManifestMemory:
    """The catalog's memory from one daemon to the next, in the history."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._decode: Callable[[str], CachedFile] = msgspec.json.Decoder(CachedFile).decode
        self._encode = msgspec.json.Encoder().encode

    def load(self) -> Mapping[str, CachedFile]:
        """Return what is remembered of every file."""
        entries = self._recorder.call(lambda writer: writer.load_cache(MAKER))
        return {path: self._decode(entry) for path, entry in entries.items()}

    def save(self, entries: Mapping[str, CachedFile | None]) -> None:
        """Remember, in the next transaction."""
        texts = {path: None if entry is None else self._encode(entry).decode() for path, entry in entries.items()}
        self._recorder.submit(lambda writer: writer.save_cache(texts, MAKER))
