"""The entry: one sentence and an exit code for whatever goes wrong, never a traceback."""

import gc
import os
import sys
from collections.abc import Sequence
from typing import Final

from tidemill.cli import exits
from tidemill.cli.invocation import Invocation
from tidemill.cli.program import load
from tidemill.cli.quick import COMPLETION, Unusual, split, values
from tidemill.cli.terminal import complain, help_width, say
from tidemill.domain.errors import TidemillError

_ASKS_FOR_HELP: Final[tuple[list[str], ...]] = ([], ["--help"], ["-h"])


def main(arguments: Sequence[str] | None = None, invocation: Invocation | None = None) -> int:
    """Run the command that *arguments* name and return how it ended; *invocation* stands in for the options."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding gets escapes in place of what it cannot show.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        ended = _run(sys.argv[1:] if arguments is None else arguments, invocation)
        sys.stdout.flush()
    except BrokenPipeError:
        return _leave_the_pipe()
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except TidemillError as error:
        complain(str(error))
        return exits.code_of(error)
    except Exception as error:
        return _last_resort(error)
    return ended if isinstance(ended, int) else exits.DONE


def _run(arguments: Sequence[str], invocation: Invocation | None) -> object:
    """Run a line that is plainly right by ourselves, any other by click."""
    if list(arguments) in _ASKS_FOR_HELP and COMPLETION not in os.environ:
        from tidemill.cli.overview import overview

        say(overview(help_width()))
        return exits.DONE
    try:
        places, name, rest = split(arguments)
        verb = load(name)
        given = values(verb, rest)
    except Unusual:
        from tidemill.cli.clicking import run_by_click

        gc.enable()
        return run_by_click(arguments, invocation)
    # Off while we are imported, for what is imported stays; see tidemill.__main__.
    gc.enable()
    called = invocation or Invocation(places.get("config"), places.get("flows"), places.get("state"))
    try:
        return verb.run(called, **given)
    finally:
        called.close()


def _leave_the_pipe() -> int:
    """End quietly when whoever read our output has read enough."""
    # What is still buffered has nowhere to go; without this the interpreter complains as it ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return exits.DONE


def _last_resort(error: Exception) -> int:
    """Say in one sentence what nobody foresaw."""
    if os.environ.get("TIDEMILL_DEBUG"):
        raise error
    if isinstance(error, PermissionError) and error.filename:
        complain(f"you may not use {error.filename}: {error.strerror}")
        return exits.FAILED
    if isinstance(error, OSError) and error.strerror:
        told = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    else:
        told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    complain(f"{told} (set TIDEMILL_DEBUG=1 to see where)")
    return exits.FAILED
