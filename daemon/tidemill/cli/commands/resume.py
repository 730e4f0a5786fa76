"""``tidemill resume``: let the schedules of flows go on."""

from tidemill.cli.invocation import Invocation
from tidemill.cli.terminal import neutral, say
from tidemill.cli.verb import argument, verb


@verb(
    "resume",
    argument("flows", metavar="FLOW...", many=True, offers="flow"),
    examples=[
        ("tidemill resume nightly", "from its next moment on"),
        ("tidemill resume nightly etl", "two at once"),
    ],
)
def command(invocation: Invocation, flows: tuple[str, ...]) -> None:
    """Let paused flows run again.

    Moments that passed while they were paused are not made up for.
    """
    for flow in flows:
        answer = invocation.client.request("resume", flow=flow)
        say(neutral(f"{flow} runs again" if answer.get("changed", True) else f"{flow} was not paused"))
