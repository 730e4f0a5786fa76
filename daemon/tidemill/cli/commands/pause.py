"""``tidemill pause``: hold the schedules of flows back."""

from tidemill.cli.invocation import Invocation
from tidemill.cli.terminal import neutral, say
from tidemill.cli.verb import argument, verb


@verb(
    "pause",
    argument("flows", metavar="FLOW...", many=True, offers="flow"),
    examples=[
        ("tidemill pause nightly", "until it is resumed"),
        ("tidemill pause nightly etl", "two at once"),
    ],
)
def command(invocation: Invocation, flows: tuple[str, ...]) -> None:
    """Hold back the schedules of flows.

    Moments that pass are recorded as paused. Live runs go on.
    """
    for flow in flows:
        answer = invocation.client.request("pause", flow=flow)
        say(neutral(f"{flow} is paused" if answer.get("changed", True) else f"{flow} was paused already"))
