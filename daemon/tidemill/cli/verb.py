"""A command of ours: click's, with examples in its help and the invocation as its first argument."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from tidemill.cli.invocation import Invocation

Example = tuple[str, str]

pass_invocation = click.make_pass_decorator(Invocation)


class Verb(click.Command):
    """A command whose help ends with examples."""

    examples: Sequence[Example] = ()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the options."""
        if self.examples:
            with formatter.section("Examples"):
                formatter.write_dl([(command, told) for command, told in self.examples], col_max=44)


def verb(name: str, *, examples: Sequence[Example]) -> Callable[[Callable[..., Any]], Verb]:
    """Make a function the command *name*; it gets the invocation first."""

    def decorate(function: Callable[..., Any]) -> Verb:
        command = click.command(name, cls=Verb)(pass_invocation(function))
        command.examples = tuple(examples)
        return command

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
