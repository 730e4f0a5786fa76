"""``python -P -m tidemill.service.record STATE_DIR RUN [DATABASE_URL]``: record a terminal's run without a daemon."""

import sys
from pathlib import Path

from tidemill.config.paths import StatePaths
from tidemill.domain.errors import TidemillError
from tidemill.history.database import open_database
from tidemill.history.recorder import Recorder
from tidemill.service.local_runs import record_local_run
from tidemill.service.lock import StateLock


def main(state_dir: str, uid: str, database_url: str | None = None) -> int:
    """Hold the state directory as a daemon would, and record one run; without a URL in SQLite."""
    paths = StatePaths(Path(state_dir).absolute())
    try:
        with StateLock(paths):
            recorder = Recorder(open_database(database_url or paths.database))
            recorder.start()
            try:
                record_local_run(recorder, paths, uid)
            finally:
                recorder.stop()
    except TidemillError as error:
        sys.stderr.write(f"tidemill: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
