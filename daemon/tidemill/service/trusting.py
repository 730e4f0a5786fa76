"""Whose files the daemon runs: decided by who it is itself, and by what the operator allows."""

import fnmatch
import os

from tidemill.catalog.scanning import TermsOf
from tidemill.config.settings import Settings
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.trust import ANYONE, GROUP, OWNER, Terms, Trust
from tidemill.forkserver.privileges import check_reach, find_user


def terms_of(settings: Settings) -> TermsOf:
    """Return on which terms each file is run.

    Raises ConfigurationError where root would run what others can change, and for a user that nobody can become.
    """
    users = settings.users
    general = _terms(users.runs or "", settings)
    special = [(pattern, _terms(user, settings)) for pattern, user in users.files.items()]
    if not special:
        return lambda path: general
    root = os.path.realpath(settings.places.flows_dir)

    def find(path: str) -> Terms:
        shown = os.path.relpath(path, root)
        for pattern, terms in special:
            if fnmatch.fnmatchcase(shown, pattern):
                return terms
        return general

    return find


def _terms(user: str, settings: Settings) -> Terms:
    uid = os.geteuid()
    if user:
        try:
            account = find_user(user)
            wanted = account.pw_uid
            if uid not in (0, wanted):
                raise ConfigurationError(
                    f"only root can run flows as {user}: start the daemon as root, or change [users]"
                )
            check_reach(account)
        except LookupError as error:
            raise ConfigurationError(f"{error} ([users] names {user})") from None
        uid = wanted
    return Terms(_trust(uid, settings), user)


def _trust(uid: int, settings: Settings) -> Trust | None:
    writers = settings.catalog.writers
    if uid == 0 and writers != OWNER:
        raise ConfigurationError(
            f'catalog.writers = "{writers}" would let others run their code as root; '
            'leave it at "owner", or let it become another user: [users]'
        )
    if writers == ANYONE:
        return None
    return Trust(tuple(dict.fromkeys((0, uid))), is_shared=writers == GROUP)
