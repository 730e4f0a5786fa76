"""The program ``tidemill``, also as ``python -m tidemill``."""

import gc
import os
import sys

INTERRUPTED = 130


def main() -> int:
    """Run the command line; it does not return, for the process ends here.

    Half of what a listing takes is the interpreter's: imports without the collector, and an end without taking
    everything apart (what has to be closed is closed, what has to be written is flushed), save a third of that.
    """
    gc.disable()
    code = INTERRUPTED
    try:
        from tidemill.cli.main import main as run

        code = run()
        sys.stdout.flush()
        sys.stderr.flush()
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    os._exit(code)


if __name__ == "__main__":
    main()
