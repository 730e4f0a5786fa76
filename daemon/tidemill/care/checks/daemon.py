"""The daemon and its fork server: whether they answer, and whether they are this version."""

from collections.abc import Iterator

from tidemill.care.findings import Finding, Site, error, note, warning
from tidemill.domain.version import VERSION
from tidemill.forkserver.client import ForkserverClient
from tidemill.forkserver.protocol import ForkserverError


def look_at_daemon(site: Site) -> Iterator[Finding]:
    """Look at the daemon."""
    if site.status is None:
        yield note("no daemon serves this state directory; start one with: tidemill start")
        if site.paths.pid_file.exists():
            yield note(f"{site.paths.pid_file} was left by a daemon that was killed", repairable=True)
        return
    version = site.status.get("version")
    if version != VERSION:
        yield warning(f"the daemon is tidemill {version} and this program is {VERSION}; restart it: tidemill restart")
    if problem := site.status.get("problem"):
        yield error(f"the daemon says: {problem}")
    limits = site.status.get("run_limits") or {}
    if limits.get("kind") == "rlimit":
        yield note(f"limits of runs are those of each process, not of a run's processes together: {limits['reason']}")
    for broken in site.status.get("errors") or ():
        yield warning(f"{broken['file']}:{broken.get('line') or 1}: {broken['message']}")


def look_at_forkserver(site: Site) -> Iterator[Finding]:
    """Look at the process that makes run processes."""
    try:
        client = ForkserverClient.connect(site.paths.forkserver_socket)
    except ForkserverError as problem:
        if site.status is not None:
            yield error(f"the daemon serves and {problem}; no run can be started until it is back")
        return
    try:
        client.greet()
    except ForkserverError as problem:
        yield error(f"the fork server at {site.paths.forkserver_socket} does not answer: {problem}")
        return
    finally:
        client.close()
    welcome = client.welcome
    if welcome is None:
        return
    for told in welcome.problems:
        yield warning(told)
    if site.status is None and welcome.live:
        yield note(
            f"the fork server (pid {welcome.pid}) has {len(welcome.live)} live runs; the next daemon takes them up"
        )
