"""``tidemill completion``: the script that teaches a shell our commands, flows and runs."""

from tidemill.cli.quick import COMPLETION
from tidemill.cli.terminal import say
from tidemill.cli.verb import Choice, argument, verb
from tidemill.control.answers import UsageError


@verb(
    "completion",
    argument("shell", kind=Choice(["bash", "zsh", "fish"])),
    examples=[
        ('eval "$(tidemill completion bash)"', "in ~/.bashrc"),
        ('eval "$(tidemill completion zsh)"', "in ~/.zshrc"),
        ("tidemill completion fish | source", "in ~/.config/fish/config.fish"),
    ],
)
def command(_invocation: object, shell: str) -> None:
    """Print the completion script of a shell.

    It completes commands, options, and the names of flows and runs.
    """
    from click.shell_completion import get_completion_class

    from tidemill.cli.clicking import program

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"this version of click knows no completion for {shell}")
    # The template itself, and not source(): that starts a bash to ask for its version.
    complete = kind(program, {}, "tidemill", COMPLETION)
    say(complete.source_template % complete.source_vars())
