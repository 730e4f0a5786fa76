"""The table of commands, and the options before them. A command's module is imported when it is used."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from tidemill.cli.invocation import Invocation
from tidemill.cli.suggestions import did_you_mean

SECTIONS: Final[dict[str, dict[str, str]]] = {
    "Service": {
        "daemon": "Serve in the foreground.",
        "start": "Start the daemon in the background.",
        "stop": "Stop the daemon; live runs go on.",
        "restart": "Stop the daemon and start it again.",
        "reload": "Read the flow files again, now.",
        "status": "Tell how the daemon is.",
        "check": "Validate the settings and flow files.",
    },
    "Flows": {
        "flows": "List the flows.",
        "show": "Show one flow or one run.",
        "run": "Run a flow, or a file, now.",
        "pause": "Hold back the schedules of flows.",
        "resume": "Let paused flows run again.",
        "next": "List the moments that come next.",
        "why": "Say why a flow ran, did not run, or will not.",
        "graph": "Draw the tasks of a flow.",
    },
    "History": {
        "runs": "List runs, the newest first.",
        "logs": "Print what a run has written.",
        "result": "Print what a run or a task returned.",
        "cancel": "End runs that are going or waiting.",
        "retry": "Run the failed tasks of a run again.",
    },
    "Care": {
        "init": "Make a folder to begin with.",
        "config": "Print each setting and where it came from.",
        "completion": "Print the completion script of a shell.",
    },
}
"""What ``--help`` prints, so that it need not import every command; a test holds it equal to their own words."""

_COMMANDS: Final = {name: told for section in SECTIONS.values() for name, told in section.items()}


class Program(click.Group):
    """The group of all commands, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command *cmd_name*."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"tidemill.cli.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"there is no command {name!r}{did_you_mean(name, _COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands by section."""
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl(list(commands.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        with formatter.section("Examples"):
            formatter.write_dl(_EXAMPLES, col_max=44)
        formatter.write_paragraph()
        formatter.write_text("RUN is a run's id, its first letters, 'last', or FLOW@last.")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete the commands without importing any."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=told) for name, told in _COMMANDS.items() if name.startswith(incomplete)]


_EXAMPLES: Final[Sequence[tuple[str, str]]] = (
    ("tidemill flows", "which flows there are, and when they run next"),
    ("tidemill run nightly --wait", "run one now, and see it through"),
    ("tidemill runs --state failed --since 1d", "what failed since yesterday"),
    ("tidemill logs last -f", "watch what the newest run prints"),
    ("tidemill why nightly --at 02:00", "why it ran at two, or did not"),
)

_PATH: Final = click.Path(path_type=Path)


def _print_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    """Print the version and end."""
    if asked and not ctx.resilient_parsing:
        from tidemill.domain.version import VERSION

        click.echo(f"tidemill {VERSION}")
        ctx.exit()


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=_PATH, metavar="FILE", help="The configuration file. [env: TIDEMILL_CONFIG]")
@click.option("--flows", type=_PATH, metavar="DIR", help="The watched folder. [env: TIDEMILL_FLOWS_DIR]")
@click.option("--state", type=_PATH, metavar="DIR", help="The state directory. [env: TIDEMILL_STATE_DIR]")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print it.")
@click.pass_context
def program(ctx: click.Context, config: Path | None, flows: Path | None, state: Path | None) -> None:
    """Run the flow files of a folder on time, and remember every run."""
    if ctx.obj is None:
        ctx.obj = Invocation(config, flows, state)
    ctx.call_on_close(ctx.obj.close)
