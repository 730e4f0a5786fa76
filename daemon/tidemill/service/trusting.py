"""Whose files the daemon runs: decided by who it is itself, and by what the operator allows."""

import os

from tidemill.config.settings import Settings
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.trust import ANYONE, GROUP, OWNER, Trust


def trust_of(settings: Settings) -> Trust | None:
    """Return who may be able to change what is run; None where the operator does not mind.

    Raises ConfigurationError where root would run what others can change.
    """
    writers, uid = settings.catalog.writers, os.geteuid()
    if uid == 0 and writers != OWNER:
        raise ConfigurationError(
            f'catalog.writers = "{writers}" would let others run their code as root; '
            'leave it at "owner", or start the daemon as another user'
        )
    if writers == ANYONE:
        return None
    return Trust(tuple(dict.fromkeys((0, uid))), is_shared=writers == GROUP)
