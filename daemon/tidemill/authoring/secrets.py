"""Passwords and tokens that a flow needs: named in the code, kept elsewhere, and shown nowhere."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from tidemill.domain import secrecy
from tidemill.domain.errors import DefinitionError
from tidemill.domain.secrecy import HIDDEN, SecretError

FOLDER_VARIABLE: Final = "TIDEMILL_SECRETS_DIR"
VARIABLE: Final = "TIDEMILL_SECRET_"
_LARGEST: Final = 1 << 20
"""Bytes; what systemd allows a credential."""


class Secret:
    """A secret by its name: ``Secret("github").get()`` reads it, and it is shown as ``****`` wherever it turns up.

    It is looked for among systemd's credentials (``LoadCredential=github:/path``), in the environment
    (``TIDEMILL_SECRET_GITHUB``), and in the file ``secrets/github`` beside the configuration, which nobody but its
    owner may read. Once read, its text is hidden in the run's log, in errors, tracebacks, previews and parameters, and
    a result that holds it is not kept; what programs write that are started afterwards is searched, too. Pickled,
    copied or given as a parameter, only its name travels.
    Raises DefinitionError for a name that cannot be a file's.
    """

    __slots__ = ("name",)

    is_secret: Final = True

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or secrecy.NAME.fullmatch(name) is None:
            raise DefinitionError(
                "a secret is asked for by its name: 1 to 64 letters, digits, dots, dashes or underscores"
            )
        self.name = name

    def get(self) -> str:
        """Return the secret, read anew each time; one line end behind it is not part of it. Raises SecretError."""
        value = self._read()
        if len(value) < secrecy.SHORTEST:
            raise SecretError(
                f"the secret {self.name} has fewer than {secrecy.SHORTEST} characters, too few to be kept out of logs"
            )
        secrecy.learn(value)
        return value

    def _read(self) -> str:
        granted = os.environ.get("CREDENTIALS_DIRECTORY")
        if granted:
            with suppress(FileNotFoundError):
                return self._text(f"{granted}/{self.name}", is_granted=True)
        variable = VARIABLE + re.sub("[.-]", "_", self.name).upper()
        if os.environ.get(variable):
            return os.environ[variable]
        for folder in _folders():
            with suppress(FileNotFoundError, NotADirectoryError):
                return self._text(f"{folder}/{self.name}", is_granted=False)
        places = ", ".join(f"{folder}/{self.name}" for folder in _folders())
        raise SecretError(
            f"there is no secret {self.name}: give it as a credential of the service (LoadCredential={self.name}:…), "
            f"as {variable} in the environment, or in a file with mode 0600: {places}"
        )

    def _text(self, path: str, *, is_granted: bool) -> str:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW * (not is_granted) | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise SecretError(f"the secret {self.name} cannot be read from {path}: {error.strerror}") from None
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise SecretError(f"the secret {self.name} must be a regular file; {path} is none")
            if not is_granted:
                _check_mode(path, status)
            data = os.read(fd, _LARGEST)
        finally:
            os.close(fd)
        try:
            return data.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise SecretError(f"the secret {self.name} in {path} is not UTF-8 text; encode it, in base64 say") from None

    def __repr__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> tuple[Any, ...]:
        return Secret, (self.name,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.name == self.name

    def __hash__(self) -> int:
        return hash(("secret", self.name))


def _folders() -> Iterator[str]:
    """Yield the folders of secrets: the daemon's, or where a configuration would be found from here."""
    told = os.environ.get(FOLDER_VARIABLE)
    if told:
        yield told
        return
    yield from ("config/secrets", "secrets")
    user = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111
    yield from (f"{user}/tidemill/secrets", "/etc/tidemill/secrets")


def _check_mode(path: str, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise SecretError(
            f"{path} can be read or changed by others (mode {mode:04o}), so it is no secret: chmod 600 {path}"
        )
    if status.st_uid not in (0, os.geteuid()):
        raise SecretError(f"{path} belongs to uid {status.st_uid}, neither to root nor to the user that runs the flow")
