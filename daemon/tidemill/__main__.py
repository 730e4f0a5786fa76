"""The program ``tidemill``, also as ``python -m tidemill``."""

import sys


def main() -> int:
    """Run the command line."""
    try:
        from tidemill.cli.main import main as run
    except KeyboardInterrupt:
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
