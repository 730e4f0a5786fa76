"""Look at the disk and the logs every hour, and fail when a limit is passed: a failed run is the alarm.

Other limits, for once: tidemill run disk_report --wait -p max_used_percent=80 -p max_log_megabytes=500
"""

import os
import shutil
from pathlib import Path

from tidemill import Flow, cron, get_run_logger, task


@task
def disk(path: str = "/") -> float:
    """Measure how full the file system is, in percent."""
    usage = shutil.disk_usage(path)
    percent = 100 * usage.used / (usage.used + usage.free)
    print(f"{path}: {percent:.1f} % used, {usage.free / 1e9:.1f} GB free")
    return percent


@task
def logs(log_folder: str = "/var/log") -> float:
    """Measure how large the logs are, in megabytes, and name the largest."""
    sizes = {}
    for folder, _, names in os.walk(log_folder):
        for path in (Path(folder, name) for name in names):
            if path.is_file() and not path.is_symlink():
                sizes[path] = path.stat().st_size / 1e6
    for path in sorted(sizes, key=sizes.__getitem__, reverse=True)[:5]:
        print(f"{sizes[path]:10.1f} MB  {path}")
    return sum(sizes.values())


@task(depends_on=[disk, logs])
def judge(disk: float, logs: float, max_used_percent: float = 99, max_log_megabytes: float = 50_000) -> str:
    """Fail with every limit that is passed."""
    alarms = []
    if disk > max_used_percent:
        alarms.append(f"the disk is {disk:.1f} % full (limit {max_used_percent:g} %)")
    if logs > max_log_megabytes:
        alarms.append(f"the logs take {logs:.0f} MB (limit {max_log_megabytes:g} MB)")
    if alarms:
        raise RuntimeError("; ".join(alarms))
    get_run_logger().info("disk and logs are within their limits")
    return "within limits"


flow = Flow("disk_report", tasks=[disk, logs, judge], schedule=cron("0 * * * *"))
