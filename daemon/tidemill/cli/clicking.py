"""The commands as click's: for help, completion, and a good sentence about a line that is wrong."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from tidemill.cli import exits
from tidemill.cli.invocation import Invocation
from tidemill.cli.overview import overview
from tidemill.cli.program import SUMMARIES, load
from tidemill.cli.quick import COMPLETION, PLACES
from tidemill.cli.suggestions import did_you_mean
from tidemill.cli.terminal import complain, help_width, neutral_lines, say
from tidemill.cli.verb import Choice, FilePath, Kind, Number, Parameter, Verb

_EXAMPLE_COLUMNS: Final = 44


class ClickVerb(click.Command):
    """A command whose help ends with its examples."""

    def __init__(self, verb: Verb) -> None:
        super().__init__(
            verb.name,
            callback=lambda **values: verb.run(click.get_current_context().find_object(Invocation), **values),
            params=[_parameter(parameter) for parameter in verb.parameters],
            help=verb.run.__doc__,
        )
        self.examples = verb.examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the options."""
        with formatter.section("Examples"):
            formatter.write_dl(list(self.examples), col_max=_EXAMPLE_COLUMNS)


class Program(click.Group):
    """The group of all commands, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command *cmd_name*."""
        return ClickVerb(load(cmd_name)) if cmd_name in SUMMARIES else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        name = args[0]
        if name not in SUMMARIES and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"there is no command {name!r}{did_you_mean(name, SUMMARIES)}")
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what is written without click, too."""
        formatter.write(overview(formatter.width))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete the commands without importing any."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=told) for name, told in SUMMARIES.items() if name.startswith(incomplete)]


def _print_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    """Print the version and end."""
    if asked and not ctx.resilient_parsing:
        from tidemill.domain.version import VERSION

        say(f"tidemill {VERSION}")
        ctx.exit()


_PATH: Final = click.Path(path_type=Path)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=_PATH)
@click.option("--flows", type=_PATH)
@click.option("--state", type=_PATH)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version)
@click.pass_context
def program(ctx: click.Context, config: Path | None, flows: Path | None, state: Path | None) -> None:
    """Run the flow files of a folder on time, and remember every run."""
    if ctx.obj is None:
        ctx.obj = Invocation(config, flows, state)
    ctx.call_on_close(ctx.obj.close)


def run_by_click(arguments: Sequence[str], invocation: Invocation | None) -> object:
    """Run the line as click reads it; return what the command returns, or the code of a line that is wrong."""
    try:
        return program.main(
            list(arguments) or ["--help"],
            "tidemill",
            COMPLETION,
            standalone_mode=False,
            obj=invocation,
            terminal_width=help_width(),
        )
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        return _say_usage(error)


def _say_usage(error: click.ClickException) -> int:
    """Print what was wrong with the line, and where its help is."""
    sentence = error.format_message().rstrip(".")
    if isinstance(error, click.NoSuchOption) and error.option_name in PLACES:
        sentence += f"; it stands before the command: tidemill {error.option_name} ..."
    complain(sentence)
    ctx = getattr(error, "ctx", None)
    if ctx is not None:
        say(neutral_lines(f"Help: {ctx.command_path} --help"), err=True)
    return exits.USAGE


def _parameter(parameter: Parameter) -> click.Parameter:
    """Return the parameter as click's."""
    complete = _completion(parameter.offers) if parameter.offers else None
    kind = _kind(parameter.kind)
    # Left out and not None: click takes a None that is given for a default that there is.
    default: dict[str, Any] = {"default": parameter.default} if parameter.default not in (None, ()) else {}
    if not parameter.names:
        return click.Argument(
            [parameter.name],
            type=kind,
            nargs=-1 if parameter.many else 1,
            required=parameter.required,
            metavar=parameter.metavar,
            shell_complete=complete,
            **default,
        )
    return click.Option(
        [*parameter.names, parameter.name],
        type=kind,
        is_flag=parameter.is_flag,
        multiple=parameter.many,
        show_default=isinstance(parameter.default, int) and not parameter.is_flag,
        metavar=parameter.metavar,
        help=parameter.help,
        shell_complete=complete,
        **default,
    )


def _kind(kind: Kind) -> Any:
    if isinstance(kind, Choice):
        return click.Choice(kind.words)
    if isinstance(kind, Number):
        return click.IntRange(kind.least, kind.most)
    return click.Path(exists=kind.exists, path_type=Path) if isinstance(kind, FilePath) else None


def _completion(offers: str) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    """Return what completes an argument; imported when a shell asks."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from tidemill.cli import completing

        complete_kind: Callable[..., list[Any]] = getattr(completing, f"complete_{offers}")
        return complete_kind(ctx, param, incomplete)

    return complete
