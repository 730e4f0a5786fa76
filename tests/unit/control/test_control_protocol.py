import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.control import answers
from tidemill.control.protocol import LARGEST, Frames, pack
from tidemill.domain.errors import (
    AlreadyRunning,
    ConfigurationError,
    DaemonNotRunning,
    NotFound,
    ParameterError,
    ProtocolError,
    Refused,
    TidemillError,
)

MESSAGES = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), max_size=5)


@given(messages=MESSAGES, cut=st.integers(min_value=1, max_value=9))
def test_messages_arrive_whole_however_the_bytes_are_cut(messages, cut):
    sent = b"".join(pack(message) for message in messages)
    frames = Frames()

    arrived = [message for at in range(0, len(sent), cut) for message in frames.feed(sent[at : at + cut])]

    assert arrived == messages
    assert not frames.is_partial


@given(noise=st.binary(max_size=200))
def test_noise_is_refused_or_waited_for_and_nothing_else(noise):
    try:
        for message in Frames().feed(noise):
            assert isinstance(message, dict)
    except ProtocolError:
        pass


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_arrive():
    with pytest.raises(ProtocolError, match="most is 1048576"):
        Frames().feed((LARGEST + 1).to_bytes(4, "big"))


def test_a_message_beyond_the_limit_is_not_sent():
    with pytest.raises(ProtocolError, match="is more than"):
        pack({"parameters": "x" * LARGEST})


@pytest.mark.parametrize(
    "body", [b"[1]", b"nonsense", b"\xff\xfe", b"[" * 100_000, b"7", '{"a":1}'.encode("utf-16-le")]
)
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(ProtocolError, match=r"not JSON|not a JSON object"):
        Frames().feed(len(body).to_bytes(4, "big") + body)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DaemonNotRunning("x"), 3),
        (NotFound("x"), 4),
        (ConfigurationError("x"), 5),
        (Refused("x"), 6),
        (AlreadyRunning("/state", 7), 6),
        (ParameterError("x"), 2),
        (TidemillError("x"), 1),
        (KeyError("x"), 1),
    ],
)
def test_each_error_has_its_code_and_comes_back_with_it(error, code):
    assert answers.code_of(error) == code

    back = answers.error_of(code, "the sentence")
    assert answers.code_of(back) == code
    assert str(back) == "the sentence"


def test_a_frame_is_length_and_json():
    frame = pack({"verb": "ping"})

    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert json.loads(frame[4:]) == {"verb": "ping"}
