"""What an inspection has told: the child's own manifest, or one that says how the child died."""

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec

from tidemill.domain.manifests import FileManifest, Problem
from tidemill.domain.runs import InspectionOrder
from tidemill.forkserver.protocol import Inspected
from tidemill.journal.exits import describe_status

_MANIFEST_LIMIT: Final = 64 << 20
_decode: Final = msgspec.json.Decoder(FileManifest)


def read_manifest(order: InspectionOrder, ended: Inspected, answer: int) -> FileManifest:
    """Return the manifest in the file *answer*; where there is none, one with the reason as its error."""
    size = os.fstat(answer).st_size
    if ended.status == 0 and 0 < size <= _MANIFEST_LIMIT:
        try:
            manifest = _decode.decode(os.pread(answer, size, 0))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return _failed(order, f"declares something that cannot be understood: {error}")
        return manifest if manifest.hash else dataclasses.replace(manifest, hash=_hash(order))
    if ended.timed_out:
        return _failed(order, f"did not finish loading within {order.timeout:g} s")
    if size > _MANIFEST_LIMIT:
        return _failed(order, f"declares too much: {size} bytes of manifest")
    if ended.status < 0:
        return _failed(order, f"the process that loaded the file was {describe_status(ended.status)}")
    return _failed(order, f"the file ended the process with {describe_status(ended.status)} while it was loaded")


def _failed(order: InspectionOrder, message: str) -> FileManifest:
    return FileManifest(path=order.path, hash=_hash(order), errors=(Problem(message),))


def _hash(order: InspectionOrder) -> str:
    try:
        return hashlib.sha256(Path(order.source or order.path).read_bytes()).hexdigest()
    except OSError:
        return ""
