"""``tidemill resume``: let the schedules of flows go on."""

import click

from tidemill.cli.completing import complete_flow
from tidemill.cli.invocation import Invocation
from tidemill.cli.terminal import neutral
from tidemill.cli.verb import verb


@verb(
    "resume",
    examples=[
        ("tidemill resume nightly", "from its next moment on"),
        ("tidemill resume nightly etl", "two at once"),
    ],
)
@click.argument("flows", metavar="FLOW...", nargs=-1, required=True, shell_complete=complete_flow)
def command(invocation: Invocation, flows: tuple[str, ...]) -> None:
    """Let paused flows run again.

    Moments that passed while they were paused are not made up for.
    """
    for flow in flows:
        answer = invocation.client.request("resume", flow=flow)
        click.echo(neutral(f"{flow} runs again" if answer.get("changed", True) else f"{flow} was not paused"))
