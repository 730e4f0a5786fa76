"""What Prefect has and tidemill has not: a sentence for each, with what to do instead."""

from collections.abc import Callable, Mapping
from typing import Final, NoReturn

MODULES: Final = {
    "_experimental": "leave it out",
    "_internal": "call flows and tasks, and submit inside flows",
    "agent": "the daemon runs what is in its folder: tidemill start",
    "artifacts": "return the value instead; tidemill result RUN TASK shows it",
    "assets": "name what comes before with depends_on or wait_for",
    "automations": "use the flow's hooks (on_failure=[…]) instead",
    "blocks": "for passwords and tokens use tidemill.Secret(name).get(), for settings the environment or a file",
    "bundles": "a flow runs in a process of this machine",
    "client": "there is no server to talk to; the command line answers with --json",
    "concurrency": "use concurrency and rate_limit of tidemill.concurrency.sync or .asyncio",
    "deployments": "a file in the watched folder is deployed; give its flow a schedule",
    "docker": "a flow runs in a process of this machine; call the docker command in a task",
    "events": "use the flow's hooks (on_failure=[…]) instead",
    "flow_engine": "call the flow",
    "flow_runs": "use tidemill pause, resume and cancel",
    "infrastructure": "a flow runs in a process of this machine",
    "input": "a run takes its parameters when it is started: tidemill run FLOW -p name=value",
    "locking": "use MemoryLockManager or FileSystemLockManager, or a lock manager of your own",
    "logging": "add a handler of Python's own to the logger",
    "main": "import from tidemill itself",
    "orion": "there is no server",
    "packaging": "a file in the watched folder is deployed",
    "plugins": "import what a flow needs in its file",
    "runner": "the daemon runs what is in its folder: tidemill start",
    "server": "there is no server; the daemon is started with tidemill start",
    "settings": "settings are in tidemill.toml: tidemill config",
    "sla": "use grace= and timeout= of the flow",
    "task_engine": "call the task",
    "task_runs": "wait for the task's future",
    "task_worker": "submit the task inside a flow: my_task.submit(…)",
    "telemetry": "nothing is sent anywhere",
    "testing": "flows and tasks run in tests as they are; their functions are .fn",
    "types": "use Python's own types, or pydantic's",
    "utilities": "use Python's own functions",
    "variables": "read settings from the environment or from a file beside the flow",
    "workers": "the daemon runs what is in its folder: tidemill start",
}
"""Modules, by their name below the package; of a package that is here, what is not in it."""


def _names(names: str, reason: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


_FOLDER: Final = "put the file into the watched folder, and give its flow a schedule"
_PAUSING: Final = "use tidemill pause FLOW and tidemill resume FLOW, or split the flow in two"
_HANDLER: Final = (
    "name a handler where the result is made: result_storage=LocalResult(dir=…), DatabaseResult or CloudResult"
)
_NEVER: Final = "nothing here raises it; leave it out"
_INSIDE: Final = "it is part of Prefect's own machinery; call flows and tasks, and submit inside flows"
_SETTINGS: Final = "settings are in tidemill.toml: tidemill config"

NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "": {
        **_names("aserve deploy serve", _FOLDER),
        **_names("apause_flow_run asuspend_flow_run pause_flow_run suspend_flow_run", _PAUSING),
        **_names("aresume_flow_run resume_flow_run", _PAUSING),
        "get_client": "there is no server to talk to; the command line answers with --json",
    },
    "context": {
        **_names("AsyncClientContext SyncClientContext", "there is no server to talk to"),
        **_names("AssetContext", "there are no assets here; name what comes before with depends_on or wait_for"),
        **_names("SettingsContext get_settings_context root_settings_context use_profile", _SETTINGS),
        **_names("ContextModel RunContext TagsContext", "use get_run_context() and tags(…)"),
        **_names("hydrated_context serialize_context", "use with_context(function)"),
    },
    "exceptions": {
        **_names("Abort ExternalSignal Pause PausedRun NotPausedError PrefectSignal FlowPauseTimeout", _PAUSING),
        **_names("BlockMissingCapabilities EventTooLarge InfrastructureError InfrastructureNotAvailable", _NEVER),
        **_names("InfrastructureNotFound InvalidRepositoryURLError MissingProfileError ObjectAlreadyExists", _NEVER),
        **_names("FlowRunWaitTimeout FlowRunWatchError ObjectLimitReached ObjectUnsupported ScriptError", _NEVER),
        **_names("PrefectHTTPStatusError PrefectImportError ProfileSettingsValidationError", _NEVER),
        **_names("ProtectedBlockError TerminationSignal", _NEVER),
    },
    "filesystems": {
        **_names("RemoteFileSystem SMB", 'use CloudResult("s3://…"), "gs://…" or "az://…"'),
        **_names("NullFileSystem", "use persist_result=False"),
        **_names("ReadableFileSystem WritableFileSystem", "a handler is any object with write() and read()"),
        **_names("ReadableDeploymentStorage WritableDeploymentStorage", _FOLDER),
    },
    "flows": {
        **_names("aserve serve select_flow load_flow_from_flow_run", _FOLDER),
        **_names("load_flow_from_entrypoint safe_load_flow_from_entrypoint load_placeholder_flow", _FOLDER),
        **_names("load_function_and_convert_to_flow", "import the function, and decorate it with @flow"),
        **_names("InfrastructureBoundFlow bind_flow_to_infrastructure", "a flow runs in a process of this machine"),
        **_names("FlowDecorator", "use @flow"),
    },
    "futures": _names("PrefectDistributedFuture PrefectFlowRunFuture", "submit the task inside a flow"),
    "logging": _names("LogEavesdropper", "add a handler to the logger"),
    "logging.loggers": _names("LogEavesdropper get_worker_logger", "add a handler to the logger"),
    "results": {
        **_names("get_result_store get_default_result_storage aget_default_result_storage", _HANDLER),
        **_names("resolve_result_storage aresolve_result_storage resolve_serializer", _HANDLER),
        **_names("get_default_result_serializer get_default_persist_setting should_persist_result", _HANDLER),
        **_names("get_default_persist_setting_for_tasks", _HANDLER),
    },
    "schedules": _names("Schedule", "use cron(…), every(…) or at(…)"),
    "serializers": _names("UnknownSerializer", "a serializer is any object with dumps() and loads()"),
    "states": {
        **_names("AwaitingConcurrencySlot InfrastructurePending Submitting", "no run is ever in that state here"),
        **_names("StateGroup", "ask each state: state.is_failed()"),
        **_names("exception_to_crashed_state exception_to_failed_state", "use Failed(data=error)"),
        **_names("get_state_result return_value_to_state to_state_create format_exception", "use state.result()"),
    },
    "task_runners": _names("PrefectTaskRunner", "submit the task inside a flow"),
    "tasks": {
        **_names("MaterializingTask", "there are no assets here; name what comes before with depends_on or wait_for"),
        **_names("TaskOptions", "give the options to @task"),
    },
    "testing.utilities": {
        **_names("assert_blocks_equal assert_uses_result_serializer assert_uses_result_storage", _INSIDE),
        **_names(
            "assert_does_not_warn exceptions_equal get_most_recent_flow_run kubernetes_environments_equal", _INSIDE
        ),
    },
    "utilities.annotations": _names("freeze", "give the value itself"),
}
"""Names of the modules that are here, by module."""


def refuse(module: str) -> None:
    """Refuse a *module* of Prefect's that is not here; say nothing about any other."""
    reason = MODULES.get(module.partition(".")[2].partition(".")[0])
    if reason is not None:
        raise ModuleNotFoundError(f"{module} is not supported: {reason}", name=module)


def missing_from(module: str) -> Callable[[str], NoReturn]:
    """Return what a *module* of the façade does about a name that it has not: its ``__getattr__``."""
    place = module.partition(".")[2]

    def refuse_name(name: str) -> NoReturn:
        reason = NAMES.get(place, {}).get(name)
        if reason is None and place.startswith("client") and not name.startswith("_"):
            reason = MODULES["client"]
        if reason is not None:
            raise ImportError(f"{module}.{name} is not supported: {reason}")
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return refuse_name
