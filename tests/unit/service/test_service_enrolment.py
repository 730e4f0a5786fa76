"""A file's flows become known together."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from tidemill.catalog.known import CatalogChange, KnownFile, Version
from tidemill.domain.manifests import FileManifest, FlowManifest
from tidemill.service.enrolment import Enrolment
from tidemill.service.roster import Roster

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)


def known_file(name, *flows):
    manifests = tuple(FlowManifest(flow, "graph") for flow in flows)
    manifest = FileManifest(f"/flows/{name}", "digest", flows=manifests)
    version = Version(manifest, {f"/flows/{name}": "digest", "/flows/helper.py": "other"}, "0123456789ab")
    return KnownFile(f"/flows/{name}", name, manifest, version, manifests)


def test_flows_of_one_file_share_what_is_told_of_its_texts():
    roster = Roster()
    told = []
    enrolment = Enrolment(
        roster,
        SimpleNamespace(submit=lambda *_: None),
        SimpleNamespace(flow_changed=lambda *facts: told.append(facts)),
        None,
        None,
        sources=SimpleNamespace(path=lambda digest: Path(f"/kept/{digest}.py")),
        flows_dir=Path("/flows"),
        timezone=None,
        paused={"two": 5},
        now=lambda: NOW,
    )
    enrolment._sources_kept = {"digest", "other"}

    enrolment.apply(CatalogChange(changed=(known_file("a.py", "one", "two"), known_file("b.py", "three"))))

    one, two, three = (roster.find(name) for name in ("one", "two", "three"))
    assert one.kept == {"/flows/a.py": "/kept/digest.py", "/flows/helper.py": "/kept/other.py"}
    assert one.kept is two.kept
    assert one.sources is two.sources
    assert three.kept.keys() == {"/flows/b.py", "/flows/helper.py"}
    assert (one.paused_at, two.paused_at) == (None, 5)
    assert [name for name, *_ in told] == ["one", "two", "three"]
