import json

import pytest

from tidemill.storage.patience import Setback
from tidemill.storage.providers import provider_options


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(
        "[default]\naws_access_key_id = one\naws_secret_access_key = two%\n[other]\naws_access_key_id = three\n"
        "aws_secret_access_key = four\naws_session_token = five\n"
    )
    (folder / "config").write_text(
        "[default]\nregion = eu-central-1\n[profile other]\nregion = eu-west-1\n[profile sso]\n"
    )
    return tmp_path


def test_amazon_s_profiles_serve_where_the_environment_has_no_keys(home):
    default = provider_options("s3", {"HOME": str(home)})
    other = provider_options("s3", {"HOME": str(home), "AWS_PROFILE": "other", "AWS_REGION": "us-east-1"})

    assert default == {"access_key_id": "one", "secret_access_key": "two%", "region": "eu-central-1"}
    assert other == {"access_key_id": "three", "secret_access_key": "four", "session_token": "five"}


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"])
def test_what_the_environment_says_of_amazon_goes_first(home, name):
    assert provider_options("s3", {"HOME": str(home), name: "x"}) == {}


def test_amazon_s_files_stand_where_the_environment_says(home, tmp_path):
    moved = tmp_path / "elsewhere"
    (home / ".aws" / "credentials").rename(moved)

    options = provider_options("s3", {"HOME": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": str(moved)})

    assert options["access_key_id"] == "one"


def test_a_profile_without_keys_is_told(home):
    with pytest.raises(Setback, match="profile sso of AWS has no keys"):
        provider_options("s3", {"HOME": str(home), "AWS_PROFILE": "sso"})


def test_a_profile_that_cannot_be_read_is_told_without_its_lines(home):
    (home / ".aws" / "credentials").write_text("secret")

    with pytest.raises(Setback, match="cannot be read: MissingSectionHeaderError"):
        provider_options("s3", {"HOME": str(home)})


def test_google_s_emulator_takes_no_credentials():
    options = provider_options("gs", {"STORAGE_EMULATOR_HOST": "localhost:9023"})

    key = json.loads(options["service_account_key"])
    assert (key["gcs_base_url"], key["disable_oauth"]) == ("http://localhost:9023", True)
    assert provider_options("gs", {}) == {}


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (
            "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=abc==;EndpointSuffix=core.windows.net",
            {"account_name": "me", "account_key": "abc==", "endpoint": "https://me.blob.core.windows.net"},
        ),
        (
            "AccountName=me;AccountKey=k;BlobEndpoint=http://127.0.0.1:10000/me;",
            {"account_name": "me", "account_key": "k", "endpoint": "http://127.0.0.1:10000/me"},
        ),
        (
            "BlobEndpoint=https://me.blob.core.windows.net;SharedAccessSignature=sv=2020&sig=x%3D",
            {"endpoint": "https://me.blob.core.windows.net", "sas_key": "sv=2020&sig=x%3D"},
        ),
    ],
)
def test_azure_s_connection_strings_are_taken_apart(text, options):
    assert provider_options("az", {"AZURE_STORAGE_CONNECTION_STRING": text}) == options


def test_a_connection_string_that_names_nobody_is_told():
    with pytest.raises(Setback, match="names no account"):
        provider_options("az", {"AZURE_STORAGE_CONNECTION_STRING": "AccountKey=secret"})
    assert provider_options("az", {}) == {}
