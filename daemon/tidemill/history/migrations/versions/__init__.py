"""One file a version; see the package above."""
