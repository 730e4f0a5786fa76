"""What is left when the power goes: by chance, of all that had not been brought to the disk."""

from random import Random
from typing import Final

from chaos.losing_power.disk import Disk, File, Folder, Numbered, change, rename
from chaos.losing_power.recording import ROOT, Cut, Written

Image = dict[str, bytes | None]
"""The files by their paths below the folder; None stands for a folder. A file with two names is there twice."""

SECTOR: Final = 512
PAGE: Final = 4096
STYLES: Final = {"nothing": 1, "all": 1, "in order": 3, "each on its own": 15}
"""What becomes of names and bytes that were not synced. In order: names as a journal of metadata keeps them."""
FATES: Final = {
    "none": 2, "all": 3, "first": 3, "torn": 4, "torn at sectors": 3, "torn at pages": 2,
    "some": 4, "some torn": 3, "sectors": 4, "pages": 3, "hollow": 2,
}  # fmt: skip
"""What becomes of the bytes of one file."""


def lose(disk: Disk, random: Random) -> Image:
    """Return what a machine finds that had *disk* when its power went; the disk stays as it is."""
    style = _draw(random, STYLES)
    names = _names(disk, style, random)
    image: Image = {}
    kept: dict[int, bytes] = {}
    below = [("", ROOT)]
    while below:
        prefix, folder = below.pop()
        for name, node in sorted(names[folder].items()):
            path = f"{prefix}{name}"
            if node in disk.folders:
                image[path] = None
                below.append((f"{path}/", node))
            else:
                if node not in kept:
                    kept[node] = _bytes(disk.files[node], style, random)
                image[path] = kept[node]
    return image


def _names(disk: Disk, style: str, random: Random) -> dict[int, dict[str, int]]:
    pending = sorted({entry for folder in disk.folders.values() for entry in folder.pending})
    if style == "in order":
        lasting = {number for number, _ in pending[: random.randint(0, len(pending))]}
    else:
        share = {"nothing": 0.0, "all": 1.0}.get(style, random.choice([0.1, 0.5, 0.9]))
        lasting = {number for number, _ in pending if random.random() < share}
    return {node: _named(folder, node, lasting) for node, folder in disk.folders.items()}


def _named(folder: Folder, node: int, lasting: set[int]) -> dict[str, int]:
    names = dict(folder.safe)
    for number, deed in folder.pending:
        if number in lasting:
            rename(names, deed, node)
    return names


def _bytes(file: File, style: str, random: Random) -> bytes:
    if not file.pending or style == "nothing":
        return bytes(file.safe)
    content = bytearray(file.safe)
    fate = "all" if style == "all" else _draw(random, FATES)
    pending = file.pending
    match fate:
        case "none":
            pass
        case "all":
            _do(content, pending)
        case "first":
            _do(content, pending[: random.randint(0, len(pending))])
        case "torn":
            _tear(content, pending, 1, random)
        case "torn at sectors":
            _tear(content, pending, SECTOR, random)
        case "torn at pages":
            _tear(content, pending, PAGE, random)
        case "some" | "some torn":
            share = random.choice([0.2, 0.5, 0.8])
            for entry in pending:
                if random.random() < share:
                    _do(content, [_torn(entry, 1, random) if fate == "some torn" else entry])
        case "sectors":
            _mix(content, pending, SECTOR, random)
        case "pages":
            _mix(content, pending, PAGE, random)
        case "hollow":
            _hollow(content, pending, random)
    return bytes(content)


def _do(content: bytearray, entries: list[Numbered]) -> None:
    for _, deed in entries:
        change(content, deed)


def _tear(content: bytearray, pending: list[Numbered], step: int, random: Random) -> None:
    """The first of what was pending, and of the next a part that ends at a boundary."""
    whole = random.randrange(len(pending))
    _do(content, pending[:whole])
    _do(content, [_torn(pending[whole], step, random)])


def _torn(entry: Numbered, step: int, random: Random) -> Numbered:
    deed = entry.deed
    if not isinstance(deed, Written) or not deed.data:
        return entry
    end = deed.offset + random.randint(0, len(deed.data))
    length = max(0, end - end % step - deed.offset)
    return Numbered(entry.number, Written(deed.node, deed.offset, deed.data[:length]))


def _mix(content: bytearray, pending: list[Numbered], unit: int, random: Random) -> None:
    """Each unit of the file as it was at some time since the last sync, and the length of some time too."""
    lengths = [len(content)]
    moment: dict[int, int] = {}
    for _, deed in pending:
        if isinstance(deed, Cut):
            lengths.append(deed.size)
        elif isinstance(deed, Written):
            lengths.append(max(lengths[-1], deed.offset + len(deed.data)))
    for place, (_, deed) in enumerate(pending):
        if isinstance(deed, Cut):
            change(content, deed)
            continue
        assert isinstance(deed, Written)
        first, behind = deed.offset // unit, -(-(deed.offset + len(deed.data)) // unit)
        for number in range(first, behind):
            if place <= moment.setdefault(number, random.randint(-1, len(pending) - 1)):
                begin, end = max(deed.offset, number * unit), min(deed.offset + len(deed.data), (number + 1) * unit)
                part = deed.data[begin - deed.offset : end - deed.offset]
                change(content, Written(deed.node, begin, part))
    change(content, Cut(0, random.choice(lengths)))


def _hollow(content: bytearray, pending: list[Numbered], random: Random) -> None:
    """The newest length, and not all of the bytes: zeros where they are missing."""
    newest = bytearray(content)
    _do(newest, pending)
    _do(content, pending[: random.randrange(len(pending))])
    change(content, Cut(0, len(newest)))


def _draw(random: Random, weights: dict[str, int]) -> str:
    return random.choices(list(weights), list(weights.values()))[0]
