import msgspec

from tidemill.domain.manifests import FlowManifest


def test_a_manifest_of_an_earlier_version_is_read_with_what_was_meant_then():
    kept = b'{"name": "etl", "style": "graph", "tasks": [{"name": "load", "index": 0, "max_retries": 1}]}'

    (task,) = msgspec.json.decode(kept, type=FlowManifest).tasks

    assert (task.condition, task.mapped) == ("all_succeeded", ())
