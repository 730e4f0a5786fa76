"""An image of what a loss of power left, as a folder."""

import os
import shutil
from pathlib import Path
from typing import Final

from chaos.losing_power.disk import Disk, change, rename
from chaos.losing_power.loss import Image
from chaos.losing_power.recording import ROOT, Recording
from chaos.losing_power.watching import SHARED, SPARED

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def put(image: Image, folder: Path) -> None:
    """Let *folder* be what *image* says; its place is the one where it was recorded, for paths are recorded too."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    for path, content in image.items():  # folders come before what is in them
        if content is None:
            (folder / path).mkdir(mode=0o700)
        else:
            fd = os.open(f"{folder}/{path}", _NEW, 0o600)
            os.write(fd, content)
            os.close(fd)


def last(recording: Recording) -> Image:
    """Return the folder as it is at the end when no power is lost."""
    disk = Disk()
    for deed in recording.deeds:
        disk.do(deed)
    image: Image = {}
    below = [("", ROOT)]
    while below:
        prefix, folder = below.pop()
        names = dict(disk.folders[folder].safe)
        for _, deed in disk.folders[folder].pending:
            rename(names, deed, folder)
        for name, node in names.items():
            if node in disk.folders:
                image[f"{prefix}{name}"] = None
                below.append((f"{prefix}{name}/", node))
            else:
                content = bytearray(disk.files[node].safe)
                for _, deed in disk.files[node].pending:
                    change(content, deed)
                image[f"{prefix}{name}"] = bytes(content)
    return image


def differences(recording: Recording) -> list[str]:
    """Return where the end of a recording differs from the folder that was recorded: anywhere, and it lies."""
    image, found = last(recording), Image()
    for path in recording.folder.rglob("*"):
        name = str(path.relative_to(recording.folder))
        if not name.startswith(SPARED) and not name.endswith(SHARED) and not path.is_socket():
            found[name] = None if path.is_dir() else path.read_bytes()
    names = {name for name in image.keys() | found.keys() if image.get(name, b"?") != found.get(name, b"?")}
    # An empty log may be a reader's, who was there while no daemon was.
    return sorted(
        names - {name for name in names if name.endswith("-wal") and not (image.get(name) or found.get(name))}
    )
