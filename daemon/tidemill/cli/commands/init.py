"""``tidemill init``: a folder to begin with."""

from pathlib import Path
from typing import Final

from tidemill.cli.invocation import Invocation
from tidemill.cli.terminal import neutral, say
from tidemill.cli.verb import FilePath, argument, verb
from tidemill.domain.errors import ConfigurationError

_FLOW: Final = '''\
"""The plainest flow: a file of tasks. It is named after the file and runs its tasks in the order of their needs."""

from tidemill import every, task

schedule = every(minutes=1)


@task
def fetch():
    return ["ebb", "flood"]


@task(depends_on=[fetch], retry_kwargs={"max_retries": 3, "delay": 1})
def report(fetch):
    print(f"{len(fetch)} tides: {', '.join(fetch)}")
'''

_CONFIG: Final = """\
# Settings of tidemill. Every key may be left out; `tidemill config` prints each value and where it came from.
"""


@verb(
    "init",
    argument("folder", metavar="[DIR]", kind=FilePath(), required=False, default=Path()),
    examples=[
        ("tidemill init", "here"),
        ("tidemill init ~/tides && cd ~/tides && tidemill daemon", "in a new folder, and off it goes"),
    ],
)
def command(_invocation: Invocation, folder: Path) -> None:
    """Make a folder to begin with.

    It gets flows/ with one example and config/ with the annotated settings. What is there already stays as it is.
    """
    for path, text in ((folder / "flows" / "hello.py", _FLOW), (folder / "config" / "tidemill.toml", _config_text())):
        made = _write_new(path, text)
        say(neutral(f"{'made' if made else 'kept'} {path}"))
    here = "" if folder == Path() else f"cd {folder} && "
    say(neutral(f"Begin with: {here}tidemill daemon"))


def _write_new(path: Path, text: str) -> bool:
    """Write *text* to a file that is not there yet; tell whether it was."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # "x" decides and makes in one step: nothing of the user's is ever overwritten.
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if path.parent.is_dir():
            return False
        raise ConfigurationError(f"{path.parent} is a file; tidemill init needs a folder there") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None
    return True


def _config_text() -> str:
    """Return the annotated default settings: beside the package when installed, in the repository otherwise."""
    package = Path(__file__).resolve().parents[2]
    for place in (package / "_shipped" / "tidemill.toml", package.parents[1] / "config" / "tidemill.toml"):
        if place.is_file():
            return place.read_text(encoding="utf-8")
    return _CONFIG
