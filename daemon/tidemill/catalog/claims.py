"""Whose a flow name is, when several files declare it: the file that had it first, then by path."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tidemill.domain.manifests import FlowManifest, Problem


@dataclass(frozen=True, slots=True)
class Claimant:
    """A file that declares flows in its good version."""

    path: str
    shown: str
    flows: Sequence[FlowManifest]


@dataclass(frozen=True, slots=True)
class Granted:
    """The flows a file may use, and what it is told about the others."""

    flows: tuple[FlowManifest, ...]
    refusals: tuple[Problem, ...]


NOTHING: Final = Granted((), ())


class Claims:
    """The holders of all flow names."""

    def __init__(self, holders: Mapping[str, str] | None = None) -> None:
        """Begin with what the history remembers: flow name to real path of its file."""
        self._holders = dict(holders or {})

    @property
    def holders(self) -> Mapping[str, str]:
        """Flow names to the real paths of the files that have them."""
        return self._holders

    def settle(self, claimants: Sequence[Claimant], awaited: Collection[str] = ()) -> dict[str, Granted]:
        """Give every declared name to one file; a holder that still declares its name keeps it.

        Files in *awaited* have not been inspected yet: what they are remembered to hold is kept for them.
        """
        ordered = sorted(claimants, key=lambda claimant: claimant.path)
        wanted: dict[str, dict[str, tuple[Claimant, FlowManifest]]] = {}
        for claimant in ordered:
            for flow in claimant.flows:
                wanted.setdefault(flow.name, {}).setdefault(claimant.path, (claimant, flow))
        kept = {name: path for name, path in self._holders.items() if path in awaited or path in wanted.get(name, {})}
        self._holders = {name: next(iter(claims)) for name, claims in wanted.items()} | kept
        return {claimant.path: self._grant(claimant, wanted) for claimant in ordered}

    def _grant(self, claimant: Claimant, wanted: Mapping[str, Mapping[str, tuple[Claimant, FlowManifest]]]) -> Granted:
        flows: list[FlowManifest] = []
        refusals: list[Problem] = []
        for flow in claimant.flows:
            holder = self._holders[flow.name]
            if holder == claimant.path:
                flows.append(flow)
                continue
            claim = wanted[flow.name].get(holder)
            where = f"{claim[0].shown}:{claim[1].line}" if claim else holder
            sentence = f"the flow {flow.name!r} is declared by {where} already; give one of them another name"
            refusals.append(Problem(sentence, flow.line))
        return Granted(tuple(flows), tuple(refusals))
