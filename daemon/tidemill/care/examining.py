"""The examination: every look, one after the other, and none can spoil the others."""

from typing import Any, Final, NamedTuple

from tidemill.care.checks.daemon import look_at_daemon, look_at_forkserver
from tidemill.care.checks.directory import look_at_directory
from tidemill.care.checks.disk import look_at_disk
from tidemill.care.checks.flows import look_at_flows, look_at_settings
from tidemill.care.checks.history import look_at_history
from tidemill.care.checks.journals import look_at_journals
from tidemill.care.checks.machine import look_at_bounds, look_at_clock
from tidemill.care.checks.runs import look_at_live_runs
from tidemill.care.findings import Check, Finding, Level, Site, error

CHECKS: Final = (
    Check("settings", look_at_settings),
    Check("state directory", look_at_directory),
    Check("disk", look_at_disk),
    Check("history", look_at_history),
    Check("journals", look_at_journals),
    Check("live runs", look_at_live_runs),
    Check("daemon", look_at_daemon),
    Check("fork server", look_at_forkserver),
    Check("clock", look_at_clock),
    Check("limits of the system", look_at_bounds),
    Check("flow files", look_at_flows),
)


class Examined(NamedTuple):
    """One check and what it found."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level | None:
        """The worst of them."""
        levels = {finding.level for finding in self.findings}
        return next((level for level in Level if level in levels), None)

    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "check": self.name,
            "ok": self.level not in (Level.ERROR, Level.WARNING),
            "findings": [
                {"level": str(finding.level), "message": finding.message, "repairable": finding.repairable}
                for finding in self.findings
            ],
        }


def examine(site: Site) -> list[Examined]:
    """Look at everything. It reads only, and is safe beside a daemon."""
    return [Examined(check.name, _look(check, site)) for check in CHECKS]


def _look(check: Check, site: Site) -> tuple[Finding, ...]:
    found: list[Finding] = []
    try:
        found.extend(check.look(site))
    except PermissionError as problem:
        found.append(error(f"{problem.filename} may not be looked at by you; ask as the daemon's user"))
    except OSError as problem:
        found.append(error(f"{check.name} cannot be looked at: {problem.strerror} ({problem.filename})"))
    return tuple(found)
