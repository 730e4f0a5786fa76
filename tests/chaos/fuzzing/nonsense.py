"""Values, texts and bytes that nobody sends who means well; all of them from one generator of random numbers."""

import json
from random import Random
from typing import Any

NUMBERS = (
    0, 1, -1, 2**31, -(2**31), 2**53 + 1, 2**62 - 1, 2**62, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**30, -(10**400),
    0.1, -0.0, 1e308, 1e-320,
)  # fmt: skip
TEXTS = (
    "", "\0", "a\0b", "\ud800", "é" * 300, "x" * 5000, "../../etc/passwd", "..", ".", "/", "-x", "--help", "%2f..%2f",
    "0123456789\n", "last", "@last", "a@last", "\x1b]0;t\x07", "\u202egnp", "\ufeff", "{0.__class__}", "%s%n", "$(id)",
    "'; DROP TABLE runs; --", "NaN", "null", "1e999", "\r\n", " ", "\t", "٣", "ﬀ", "__proto__", "completed",
    "run_ended",
)  # fmt: skip
_SIGNS = "abcz019_-./\\%@:;*?\"'<>|&$`!~^()[]{}#= \t\r\n\0\x1b\x7f\x9b\u0130\u202e\u2066\ufffe\U0001f600é\ud83d"


def a_text(random: Random, most: int = 24) -> str:
    """Return a text that may be anything."""
    if random.random() < 0.4:
        return random.choice(TEXTS)
    return "".join(random.choice(_SIGNS) for _ in range(random.randrange(most)))


def a_value(random: Random, depth: int = 3) -> Any:
    """Return a value that JSON can hold, or nearly."""
    kind = random.randrange(9 if depth else 6)
    if kind < 2:
        return random.choice(NUMBERS)
    if kind < 4:
        return a_text(random)
    if kind == 4:
        return random.choice((None, True, False, float("inf"), float("nan")))
    if kind == 5:
        return random.randrange(-5, 100)
    if kind < 8:
        return [a_value(random, depth - 1) for _ in range(random.randrange(4))]
    return {a_text(random, 6): a_value(random, depth - 1) for _ in range(random.randrange(4))}


def as_json(value: Any) -> bytes:
    """Return a value as bytes of JSON; what is no number and half a character stay what they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def deep(random: Random) -> bytes:
    """Return JSON that is nested as deep as it can be, whole or not."""
    depth = random.choice((10, 100, 900, 1100, 5000, 100_000))
    begin, end = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"b":', b"}]")))
    return begin * depth + b"1" + (end * depth if random.random() < 0.7 else b"")


def spoiled(random: Random, data: bytes) -> bytes:
    """Return *data* with some bytes changed, taken away, put in, doubled or cut off."""
    spoilt = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        at = random.randrange(len(spoilt) + 1)
        match random.randrange(6):
            case 0 if spoilt:
                spoilt[min(at, len(spoilt) - 1)] ^= 1 << random.randrange(8)
            case 1:
                del spoilt[at : at + random.randrange(1, 9)]
            case 2:
                spoilt[at:at] = random.randbytes(random.randrange(1, 9))
            case 3:
                spoilt[at:at] = spoilt[: random.randrange(1, 30)]
            case 4:
                del spoilt[at:]
            case _:
                spoilt[at:at] = random.choice(
                    (b"\0", b'"', b"\\", b"\\ud800", b"\xff\xfe", b"9" * 400, b"[", b"}", b",")
                )
    return bytes(spoilt)
