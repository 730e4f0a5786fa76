"""Texts that other people's code made, cut to what may be kept of them."""


def shorten(text: str, limit: int) -> str:
    """Cut *text* to *limit* characters, its middle first, and make it storable."""
    if len(text) > limit:
        text = f"{text[: limit // 2]}\n… {len(text) - limit} characters left out …\n{text[-limit // 2 :]}"
    return text.encode("utf-8", "backslashreplace").decode()
