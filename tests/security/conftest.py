"""A real daemon for what only a whole system shows, and people who are not root to try it as."""

import os

import pytest

from acceptance.conftest import daemon

__all__ = ["daemon"]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away and become somebody else")
