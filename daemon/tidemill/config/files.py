"""Where the configuration file is, and what it says, with the line each key stands on."""

import os
import re
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from tidemill.domain.errors import ConfigurationError

NAME: Final = "tidemill.toml"
SYSTEM_FILE: Final = Path("/etc/tidemill") / NAME
SYSTEM_STATE: Final = Path("/var/lib/tidemill")
"""What systemd/tidemill.service grants; root finds the service's state there without an option."""


class ConfigFile(NamedTuple):
    """A configuration file that was found, and the folder its relative paths start at."""

    path: Path
    is_project: bool
    """Named by a person or found in the current folder: flows and state then live beside it by default."""

    @property
    def base(self) -> Path:
        """The folder that relative paths start at: the project's, for ``config/tidemill.toml``."""
        folder = self.path.parent
        return folder.parent if folder.name == "config" else folder

    @property
    def is_system(self) -> bool:
        """Tell whether it is the machine's own, that of the system service."""
        return self.path == SYSTEM_FILE


def locate(named: Path | None, here: Path) -> ConfigFile | None:
    """Find the configuration file: the *named* one, or the first that exists of the usual places."""
    named = named or _path_from("TIDEMILL_CONFIG")
    if named is not None:
        path = here / named.expanduser()
        if not path.is_file():
            raise ConfigurationError(f"there is no configuration file {path}; make one with: tidemill init")
        return ConfigFile(path, is_project=True)
    for path in (here / "config" / NAME, here / NAME):
        if os.path.isfile(path):  # noqa: PTH113 - unlike Path.is_file it takes a closed folder for an absent file
            _refuse_strangers(path)
            return ConfigFile(path, is_project=True)
    for path in _service_places():
        if os.path.isfile(path) and os.access(path, os.R_OK):  # noqa: PTH113
            return ConfigFile(path, is_project=False)
    return None


def _refuse_strangers(path: Path) -> None:
    """Refuse a file that merely lies where a person stands, if it is somebody else's: it names the code that is run."""
    owner, me = path.stat().st_uid, os.geteuid()
    trusted = {0, me, _who_asked_sudo()} if me == 0 else {0, me}
    if owner not in trusted:
        raise ConfigurationError(
            f"{path} belongs to another user (uid {owner}), and says whose code is run;"
            f" go elsewhere, or name it if you trust that user: --config {path}"
        )


def _who_asked_sudo() -> int:
    """Return the person who became root by sudo; root where nobody did."""
    told = os.environ.get("SUDO_UID", "")
    return int(told) if told.isascii() and told.isdigit() else 0


def _service_places() -> list[Path]:
    """Return the places of files that belong to no project: systemd's, the user's, the machine's."""
    granted = os.environ.get("CONFIGURATION_DIRECTORY", "")
    return [*(Path(folder) / NAME for folder in granted.split(":") if folder), user_folder() / NAME, SYSTEM_FILE]


def user_folder() -> Path:
    """Return the folder of a person's own configuration."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "tidemill"


def read(file: ConfigFile) -> dict[str, Any]:
    """Return the file's tables, or refuse it with the line that is wrong."""
    import tomllib

    try:
        return tomllib.loads(text_of(file))
    except tomllib.TOMLDecodeError as error:
        told = re.search(r"^(.*) \(at line (\d+), column \d+\)$", str(error))
        if told is None:
            raise ConfigurationError(f"{file.path}: this is not TOML: {error}") from None
        raise ConfigurationError(f"{file.path}:{told[2]}: this is not TOML: {told[1]}") from None


def text_of(file: ConfigFile) -> str:
    """Return the file's text."""
    try:
        return file.path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file.path} is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{file.path} cannot be read: {error.strerror}") from None


def refuse(file: ConfigFile, section: str, key: str | None, message: str) -> NoReturn:
    """Raise *message* with the file and the line of *section* and *key*."""
    line = _line_of(text_of(file), section, key)
    raise ConfigurationError(f"{file.path}:{line}: {message}" if line else f"{file.path}: {message}")


def _line_of(text: str, section: str, key: str | None) -> int | None:
    """Find the line of a key; tomllib keeps no positions, and TOML's usual spellings suffice for a hint."""
    table = ""
    of_section = None
    wanted = f"{section}.{_bare(key)}" if key is not None else None
    for number, line in enumerate(text.splitlines(), 1):
        bare = _bare(line.split("#", 1)[0])
        if header := re.fullmatch(r"\[+([^\[\]]+)\]+", bare):
            table = header[1]
        name = bare.split("=", 1)[0] if "=" in bare else None
        full = table if name is None else f"{table}.{name}" if table else name
        if wanted is not None and (full == wanted or full.startswith(f"{wanted}.")):
            return number
        if of_section is None and (full == section or full.startswith(f"{section}.")):
            of_section = number
    return of_section


def _bare(text: str) -> str:
    return re.sub(r"[\"'\s]", "", text)


def _path_from(variable: str) -> Path | None:
    """Return an environment variable as a path; an empty one counts as unset."""
    value = os.environ.get(variable)
    return Path(value) if value else None
