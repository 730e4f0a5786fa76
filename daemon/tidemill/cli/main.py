"""The entry: one sentence and an exit code for whatever goes wrong, never a traceback."""

import os
import sys
from collections.abc import Sequence

import click

from tidemill.cli import exits
from tidemill.cli.invocation import Invocation
from tidemill.cli.program import program
from tidemill.cli.terminal import neutral_lines
from tidemill.domain.errors import TidemillError

_PLACES = ("--config", "--flows", "--state")


def main(arguments: Sequence[str] | None = None, invocation: Invocation | None = None) -> int:
    """Run the command that *arguments* name and return how it ended; *invocation* stands in for the options."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal of another encoding gets escapes in place of what it cannot show.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        ended = program.main(args=arguments, prog_name="tidemill", standalone_mode=False, obj=invocation)
        sys.stdout.flush()
    except BrokenPipeError:
        return _leave_the_pipe()
    except (click.Abort, KeyboardInterrupt):
        return exits.INTERRUPTED
    except click.ClickException as error:
        return _say_usage(error)
    except TidemillError as error:
        _say(str(error))
        return exits.code_of(error)
    except Exception as error:
        return _last_resort(error)
    return ended if isinstance(ended, int) else exits.DONE


def _say(sentence: str) -> None:
    """Print a sentence for whoever looks at the errors."""
    click.echo(f"tidemill: {neutral_lines(sentence)}", err=True)


def _say_usage(error: click.ClickException) -> int:
    """Print what was wrong with the command line, and where its help is."""
    sentence = error.format_message().rstrip(".")
    if isinstance(error, click.NoSuchOption) and error.option_name in _PLACES:
        sentence += f"; it stands before the command: tidemill {error.option_name} ..."
    _say(sentence)
    ctx = getattr(error, "ctx", None)
    if ctx is not None:
        click.echo(f"Help: {ctx.command_path} --help", err=True)
    return exits.USAGE


def _leave_the_pipe() -> int:
    """End quietly when whoever read our output has read enough."""
    # What is still buffered has nowhere to go; without this the interpreter complains as it ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return exits.DONE


def _last_resort(error: Exception) -> int:
    """Say in one sentence what nobody foresaw."""
    if os.environ.get("TIDEMILL_DEBUG"):
        raise error
    if isinstance(error, OSError) and error.strerror:
        told = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    else:
        told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    _say(f"{told} (set TIDEMILL_DEBUG=1 to see where)")
    return exits.FAILED
