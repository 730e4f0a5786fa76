"""A seeded leak: with this folder on its path, the daemon loses memory and descriptors ten times a second."""

import os
import sys
import threading
import time
from typing import Any

if "tidemill.service" in sys.orig_argv:
    kept: list[Any] = []

    def leak() -> None:
        while True:
            time.sleep(0.1)
            kept.append((b"x" * 400_000, os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)))

    threading.Thread(target=leak, daemon=True).start()
