"""The flows of the soak: the campaign's, one that makes much of everything, and a history that is kept for minutes."""

from typing import Final

from chaos.killing.workload import BY_HAND, CAMPAIGN, Workload

DAY: Final = 86_400.0

NOISY: Final = """
import subprocess

@task
def shout(token):
    mark("begin")
    for n in range(300):
        print(f"line {n} of {token}")
    subprocess.run(["sh", "-c", "echo from a child; sleep 0.05"], check=True)
    mark("end")
    return "x" * 1_500_000

@task(depends_on=[shout])
def whisper(token):
    spend(0)

noisy = Flow("noisy", tasks=[whisper], overlap="allow")
"""

COMMANDED: Final = (*BY_HAND, "noisy")
"""Flows that people run by hand."""


def soak_workload(keep: float) -> Workload:
    """Return the flows, and settings that keep a run for *keep* seconds and one that failed for half as much again."""
    retention = (
        f"\n[retention]\nkeep_for = {keep / DAY!r}\nkeep_failed_for = {1.5 * keep / DAY!r}\n"
        f"interval = {min(60.0, keep / 5)!r}\n"
    )
    return Workload(CAMPAIGN.settings + retention, {**CAMPAIGN.files, "noisy.py": NOISY})
