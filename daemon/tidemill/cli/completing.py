"""What the shell offers for a flow or a run. A completion that fails offers nothing and says nothing."""

import re
from typing import Any, Final

import click

from tidemill.cli.invocation import Invocation
from tidemill.cli.terminal import neutral

_PLAIN: Final = re.compile(r"[\w@%+=:,./\[\] -]*[\w\]]")


def _is_plain(name: str | None) -> bool:
    """Tell whether a shell may be given the name: some put it into the line as it is, and it is the author's."""
    return bool(name) and not str(name).startswith("-") and _PLAIN.fullmatch(str(name)) is not None


def _invocation(ctx: click.Context) -> Invocation:
    """Return the invocation of the line being typed: its options are parsed, its program was not run."""
    given = ctx.find_root().params
    return Invocation(given.get("config"), given.get("flows"), given.get("state"))


def complete_flow(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
    """Offer the flows."""
    from click.shell_completion import CompletionItem

    try:
        flows = _invocation(ctx).reader.flows()
        return [
            CompletionItem(neutral(flow["name"]), help=neutral(flow.get("description") or "").split(". ")[0])
            for flow in flows
            if _is_plain(flow["name"]) and flow["name"].startswith(incomplete)
        ]
    except Exception:
        return []


def complete_flow_or_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Offer the flows, and files where no flow begins so."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file"), *complete_flow(ctx, param, incomplete)]


def complete_task(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
    """Offer the tasks of the run that stands before."""
    from click.shell_completion import CompletionItem

    try:
        reader = _invocation(ctx).reader
        run = reader.find_run(ctx.params.get("run") or ctx.params["name"])
        names = dict.fromkeys(task["name"] for task in reader.run_detail(run)["tasks"])
        return [CompletionItem(neutral(name)) for name in names if _is_plain(name) and name.startswith(incomplete)]
    except Exception:
        return []


def complete_run(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
    """Offer ``last``, the newest run of each flow, and the newest runs."""
    from click.shell_completion import CompletionItem

    try:
        reader = _invocation(ctx).reader
        last = [(f"{flow['name']}@last", flow["last_run"]["state"]) for flow in reader.flows() if flow["last_run"]]
        newest = [(run["id"], f"{run['flow']}, {run['state']}") for run in reader.runs(limit=30, top=True)]
        offers = [("last", "the newest run"), *last, *newest]
        return [
            CompletionItem(name, help=neutral(told))
            for name, told in offers
            if _is_plain(name) and name.startswith(incomplete)
        ]
    except Exception:
        return []


def complete_flow_or_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Offer both."""
    return complete_flow(ctx, param, incomplete) + complete_run(ctx, param, incomplete)
