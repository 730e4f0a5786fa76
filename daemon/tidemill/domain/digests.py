"""SHA-256 without OpenSSL, which hashlib brings with it and which takes longer to load than most flow files."""

import sys

if sys.version_info >= (3, 12):
    from _sha2 import sha256
else:
    from _sha256 import sha256

__all__ = ["sha256"]
