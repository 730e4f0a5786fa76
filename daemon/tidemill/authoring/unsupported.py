"""What Prefect has and tidemill has not: a sentence for each, with what to do instead."""

from typing import Final

MODULES: Final = {
    "_experimental": "leave it out",
    "artifacts": "return the value instead; tidemill result RUN TASK shows it",
    "assets": "name what comes before with depends_on or wait_for",
    "automations": "use the flow's hooks (on_failure=[…]) instead",
    "blocks": "for passwords and tokens use tidemill.Secret(name).get(), for settings the environment or a file",
    "client": "there is no server to talk to; the command line answers with --json",
    "deployments": "a file in the watched folder is deployed; give its flow a schedule",
    "docker": "a flow runs in a process of this machine; call the docker command in a task",
    "events": "use the flow's hooks (on_failure=[…]) instead",
    "flow_engine": "call the flow",
    "flow_runs": "use tidemill pause, resume and cancel",
    "infrastructure": "a flow runs in a process of this machine",
    "input": "a run takes its parameters when it is started: tidemill run FLOW -p name=value",
    "main": "import from tidemill itself",
    "orion": "there is no server",
    "packaging": "a file in the watched folder is deployed",
    "runner": "the daemon runs what is in its folder: tidemill start",
    "server": "there is no server; the daemon is started with tidemill start",
    "settings": "settings are in tidemill.toml: tidemill config",
    "sla": "use grace= and timeout= of the flow",
    "task_engine": "call the task",
    "task_worker": "submit the task inside a flow: my_task.submit(…)",
    "types": "use Python's own types, or pydantic's",
    "variables": "read settings from the environment or from a file beside the flow",
    "workers": "the daemon runs what is in its folder: tidemill start",
}
"""Modules, by their name below the package."""

NAMES: Final = {
    "aserve": "put the file into the watched folder, and give its flow a schedule",
    "deploy": "put the file into the watched folder, and give its flow a schedule",
    "get_client": "there is no server to talk to; the command line answers with --json",
    "pause_flow_run": "use tidemill pause FLOW, or split the flow in two",
    "resume_flow_run": "use tidemill resume FLOW",
    "serve": "put the file into the watched folder, and give its flow a schedule",
    "suspend_flow_run": "use tidemill pause FLOW, or split the flow in two",
}
"""Names of the package itself."""


def refuse(module: str) -> None:
    """Refuse a *module* of Prefect's that is not here; say nothing about any other."""
    reason = MODULES.get(module.partition(".")[2].partition(".")[0])
    if reason is not None:
        raise ModuleNotFoundError(f"{module} is not supported: {reason}", name=module)
