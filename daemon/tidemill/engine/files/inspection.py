"""Loads a flow file in a process of its own and answers with its manifest."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tidemill.authoring.flows import Flow
from tidemill.authoring.keeping import BY_DEFAULT
from tidemill.authoring.tasks import Task, definition_of
from tidemill.domain.digests import sha256
from tidemill.domain.errors import DefinitionError, FlowFileError, TidemillError
from tidemill.domain.manifests import FileManifest, FlowManifest, Problem, SourceFile
from tidemill.domain.runs import InspectionOrder
from tidemill.domain.secrecy import hide_all, is_needed
from tidemill.engine.files.collecting import collect
from tidemill.engine.files.loading import LoadedFile, load_file
from tidemill.engine.files.manifest import describe_flow
from tidemill.engine.files.marking import marks_of
from tidemill.engine.keeping import check_keeping

_TEXTS: Final = frozenset({"default", "parameters", "description", "message"})


def inspect(order: InspectionOrder) -> FileManifest:
    """Return everything the file declares, or why it cannot be used; raise nothing of the file's."""
    path = os.path.realpath(order.path)
    kept = {} if order.source is None else {path: order.source}
    with suppress(OSError):
        # Relative paths at module level mean what they mean in a run.
        os.chdir(os.path.dirname(path))  # noqa: PTH120
    try:
        file = load_file(path, os.path.realpath(order.root), kept, keeping=True, trust=order.trust)
    except FlowFileError as error:
        return FileManifest(
            path=path, hash=_hash_file(kept.get(path, path)), errors=(Problem(error.reason, error.line),)
        )
    try:
        found = collect(file)
    except Exception as error:
        text = str(error) if isinstance(error, TidemillError) else f"{type(error).__name__}: {error}"
        problem = Problem(text, getattr(error, "line", None))
        return FileManifest(path=path, hash=_hash(file.source), errors=(problem,))
    flows: list[FlowManifest] = []
    errors = [*found.errors, *_wrong_keepings(file)]
    for flow in found.flows:
        manifest, problems = describe_flow(flow)
        errors += problems
        if manifest is not None:
            flows.append(manifest)
    imports = tuple(SourceFile(name, _hash(data)) for name, data in sorted(file.sources.imported.items()))
    answer = FileManifest(
        path=path,
        hash=_hash(file.source),
        flows=tuple(flows),
        imports=imports,
        code=marks_of([*file.registry.tasks, *file.registry.flows]),
        errors=tuple(sorted(errors, key=lambda problem: problem.line or 0)),
        warnings=tuple(found.warnings),
        tags=tuple(sorted(_tags(file).items())),
    )
    return _without_secrets(answer) if is_needed() else answer


def _without_secrets(manifest: FileManifest) -> FileManifest:
    """Hide what was read while the file was loaded, wherever its author may have put it."""
    import msgspec

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: hide_all(item) if name in _TEXTS else walk(item) for name, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, list | tuple) else value

    hidden: FileManifest = msgspec.convert(walk(msgspec.to_builtins(manifest, enc_hook=repr)), FileManifest)
    return hidden


def _tags(file: LoadedFile) -> dict[str, int]:
    """Return the tags of the file's flows and tasks, each with the first line where it stands."""
    tasks = [definition_of(task) for task in file.registry.tasks if isinstance(task, Task)]
    flows = [flow for flow in file.registry.flows if isinstance(flow, Flow)]
    tagged = [(each.place, each.options.tags) for each in tasks]
    tagged += [(each.place, each.options.tags) for each in flows]
    lines: dict[str, int] = {}
    for place, tags in tagged:
        for tag in tags if place.file == file.path else ():
            lines[tag] = min(lines.get(tag, place.line), place.line)
    return lines


def _wrong_keepings(file: LoadedFile) -> Iterator[Problem]:
    """Refuse what no result handler can be made of; a run would find out only when there is a result."""
    definitions = [definition_of(task) for task in file.registry.tasks if isinstance(task, Task)]
    flows = [flow for flow in file.registry.flows if isinstance(flow, Flow)]
    for kind, declared in (("task", definitions), ("flow", flows)):
        for each in declared:
            if each.options.keeping is not BY_DEFAULT and each.place.file == file.path:
                try:
                    check_keeping(each.options.keeping, f"{kind} {each.name}")
                except DefinitionError as error:
                    yield Problem(error.message, error.line or each.place.line)


def _hash(data: bytes) -> str:
    digest: str = sha256(data).hexdigest()
    return digest


def _hash_file(path: str) -> str:
    try:
        return _hash(Path(path).read_bytes())
    except OSError:
        return ""
