"""Run ids: short enough to type, wide enough never to meet twice.

An id is ten symbols of an alphabet without look-alikes (50 bits); people may type any unambiguous
prefix of three or more. Ids name files, so nothing that is not an id may reach a path.
"""

import os
import re
from typing import Final

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH: Final = 10
_ID: Final = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}")
_PREFIX: Final = re.compile(rf"[{ALPHABET}]{{3,{LENGTH}}}")


def new_run_id() -> str:
    """Make a run id from the kernel's random numbers."""
    bits = int.from_bytes(os.urandom(7))
    return "".join(ALPHABET[(bits >> (5 * place)) & 31] for place in range(LENGTH))


def is_run_id(text: str) -> bool:
    """Tell whether *text* is a whole run id."""
    return _ID.fullmatch(text) is not None


def is_run_prefix(text: str) -> bool:
    """Tell whether *text* could be the beginning of a run id."""
    return _PREFIX.fullmatch(text) is not None
