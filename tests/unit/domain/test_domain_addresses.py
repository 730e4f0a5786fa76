import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.domain.addresses import redacted, with_driver, without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host:5432/db", "postgresql://me@host:5432/db"),
        ("postgresql://me:se@cr/et@host/db", "postgresql://me@host/db"),
        ("postgresql://:secret@host/db", "postgresql://@host/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql://host/db?user=me&password=secret", "postgresql://host/db?user=me&password=***"),
        ("postgresql://h/d?sslpassword=secret&x=1", "postgresql://h/d?sslpassword=***&x=1"),
        ("sqlite:///a@b:c.db", "sqlite:///a@b:c.db"),
        ("/plain/path", "/plain/path"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url, shown):
    assert without_password(url) == shown


@given(st.text(st.characters(exclude_characters="?#\n", exclude_categories=["Cs"]), min_size=1))
def test_no_password_is_shown(password):
    shown = without_password(f"postgresql://me:{password}@host/db")

    assert shown == "postgresql://me@host/db"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('  h = D("postgresql://me:secret@host/db", "t")', '  h = D("postgresql://me:***@host/db", "t")'),
        ("two: a://b:c@d and e://f:g@h", "two: a://b:***@d and e://f:***@h"),
        ("see https://host:8080/path", "see https://host:8080/path"),
        ("nothing to see, me:secret@host", "nothing to see, me:secret@host"),
    ],
)
def test_passwords_of_urls_within_a_text_are_left_out(text, told):
    assert redacted(text) == told


def test_a_postgresql_address_gets_the_driver_that_comes_along():
    assert with_driver("postgres://h/d") == with_driver("postgresql://h/d") == "postgresql+psycopg://h/d"
    assert with_driver("sqlite:///x") == "sqlite:///x"
