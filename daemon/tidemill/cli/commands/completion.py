"""``tidemill completion``: the script that teaches a shell our commands, flows and runs."""

import click

from tidemill.cli.verb import verb


@verb(
    "completion",
    examples=[
        ('eval "$(tidemill completion bash)"', "in ~/.bashrc"),
        ('eval "$(tidemill completion zsh)"', "in ~/.zshrc"),
        ("tidemill completion fish | source", "in ~/.config/fish/config.fish"),
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, _invocation: object, shell: str) -> None:
    """Print the completion script of a shell.

    It completes commands, options, and the names of flows and runs.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click knows no completion for {shell}")
    # The template itself, and not source(): that starts a bash to ask for its version.
    complete = kind(ctx.find_root().command, {}, "tidemill", "_TIDEMILL_COMPLETE")
    click.echo(complete.source_template % complete.source_vars())
