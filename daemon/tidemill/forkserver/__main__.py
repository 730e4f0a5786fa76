"""The fork server's program: ``python -P -m tidemill.forkserver --socket PATH --exits PATH``."""

import sys

from tidemill.forkserver.ballast import leave_out

if __name__ == "__main__":
    leave_out()
    # Only now: what is left out must be so before anything asks for it.
    from tidemill.forkserver.program import main

    main(sys.argv[1:])
