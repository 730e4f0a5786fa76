"""``tidemill pause``: hold the schedules of flows back."""

import click

from tidemill.cli.completing import complete_flow
from tidemill.cli.invocation import Invocation
from tidemill.cli.terminal import neutral
from tidemill.cli.verb import verb


@verb(
    "pause",
    examples=[
        ("tidemill pause nightly", "until it is resumed"),
        ("tidemill pause nightly etl", "two at once"),
    ],
)
@click.argument("flows", metavar="FLOW...", nargs=-1, required=True, shell_complete=complete_flow)
def command(invocation: Invocation, flows: tuple[str, ...]) -> None:
    """Hold back the schedules of flows.

    Moments that pass are recorded as paused. Live runs go on.
    """
    for flow in flows:
        answer = invocation.client.request("pause", flow=flow)
        click.echo(neutral(f"{flow} is paused" if answer.get("changed", True) else f"{flow} was paused already"))
