"""``python -P -m tidemill.service``: the daemon, in the foreground or detached."""

import sys

from tidemill.service.main import main

sys.exit(main(sys.argv[1:]))
