"""From the command line to a daemon that serves, and back to an exit code."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidemill.config.files import locate
from tidemill.config.loading import load
from tidemill.config.paths import SECRETS_VARIABLE, StatePaths
from tidemill.config.settings import Settings
from tidemill.domain.errors import AlreadyRunning, ConfigurationError, TidemillError
from tidemill.domain.trust import Trust, objection
from tidemill.forkserver import kinship
from tidemill.forkserver.privileges import become, check_reach, find_user
from tidemill.service.first_try import FirstTry
from tidemill.service.lock import StateLock, prepare_state
from tidemill.service.logs import set_up_logging
from tidemill.service.mendings import Mendings
from tidemill.service.systemd import Notifier
from tidemill.service.trusting import terms_of

EXIT_CONFIGURATION = 5
EXIT_REFUSED = 6


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop; return the exit code. Every error is one sentence on stderr."""
    options = _parse(arguments)
    overrides: dict[str, Any] = {"flows_dir": options.flows, "state_dir": options.state}

    here = Path.cwd()  # a detached daemon goes elsewhere, and must find the same files again when it reloads

    def read_settings() -> Settings:
        return load(options.config, overrides, here=here)[0]

    try:
        settings = read_settings()
        _become(settings, options.config, here)
        terms_of(settings)  # refused here, in the terminal
        paths = StatePaths(settings.places.state_dir.absolute())
        prepare_state(paths, passable=bool(settings.control.allow_uids or settings.users.runs or settings.users.files))
        if options.detach:
            from tidemill.service.detaching import detach

            with StateLock(paths):
                pass  # Refused here, in the terminal; the daemon takes the lock anew in its own process.
            return detach(paths, lambda ready: _serve(settings, paths, read_settings, ready))
        return _serve(settings, paths, read_settings, lambda: None)
    except AlreadyRunning as error:
        return _fail(error, EXIT_REFUSED)
    except ConfigurationError as error:
        return _fail(error, EXIT_CONFIGURATION)
    except TidemillError as error:
        return _fail(error, 1)
    except OSError as error:  # too many open files, say, while it imports what it needs
        where = f" ({error.filename})" if error.filename else ""
        return _fail(TidemillError(f"the daemon cannot go on: {error.strerror or error}{where}"), 1)


def _become(settings: Settings, config: Path | None, here: Path) -> None:
    """Become the daemon's own user; what root was told to do is nobody else's to change."""
    file = locate(config, here)
    if os.geteuid() == 0 and file is not None:
        problem = objection(os.path.realpath(file.path), Trust((0,)))
        if problem is not None:
            raise ConfigurationError(f"root takes no orders from others: {problem}")
    if settings.users.daemon:
        try:
            check_reach(find_user(settings.users.daemon))
            become(settings.users.daemon)
        except (LookupError, OSError) as error:
            raise ConfigurationError(f"the daemon cannot become {settings.users.daemon}: {error}") from None


def _serve(
    settings: Settings, paths: StatePaths, read_settings: Callable[[], Settings], on_ready: Callable[[], None]
) -> int:
    set_up_logging()
    os.umask(0o077)
    os.environ[SECRETS_VARIABLE] = str(settings.places.secrets_dir)  # which every run inherits
    with StateLock(paths) as lock:
        lock.write_pid()
        kinship.become_subreaper()  # of the runs, should their fork server die
        first_try: FirstTry | None = FirstTry(paths, settings.forkserver.preload)
        # Imported behind the lock: a refused second daemon answers at once.
        from tidemill.service.assembly import serve

        def serve_once(on_ready: Callable[[], None]) -> int | None:
            forkserver = first_try or FirstTry(paths, settings.forkserver.preload)
            serving = serve(
                settings, paths, read_settings, on_ready, lock=lock, forkserver=forkserver, notifier=notifier,
                mendings=mendings,
            )  # fmt: skip
            return asyncio.run(serving)

        mendings, notifier = Mendings(), Notifier.from_environment()
        code = serve_once(on_ready)
        first_try = None
        while code is None:
            with suppress(ConfigurationError):  # what is in force then stays so
                settings = read_settings()
            code = mendings.go_on(lambda: serve_once(_told_already))
        return code


def _told_already() -> None:
    """Be ready once more, for nobody who waits."""


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tidemill.service", description="The tidemill daemon.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the settings file")
    parser.add_argument("--flows", type=Path, metavar="DIR", help="the watched folder")
    parser.add_argument("--state", type=Path, metavar="DIR", help="the state directory")
    parser.add_argument("--detach", action="store_true", help="go into the background")
    return parser.parse_args(arguments)


def _fail(error: TidemillError, code: int) -> int:
    sys.stderr.write(f"tidemill: {error}\n")
    return code
