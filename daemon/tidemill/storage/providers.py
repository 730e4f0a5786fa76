"""What a provider's own tools read from the environment and obstore does not."""

from collections.abc import Mapping
from configparser import ConfigParser, Error
from pathlib import Path
from typing import Any, Final

from tidemill.storage.patience import Setback

_AWS_KEYS: Final = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "region": "region",
    "endpoint_url": "endpoint",
}
_AWS_ROLES: Final = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_AZURE_KEYS: Final = {
    "accountname": "account_name",
    "accountkey": "account_key",
    "sharedaccesssignature": "sas_key",
    "blobendpoint": "endpoint",
}


def provider_options(scheme: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return options for a store of that scheme, beyond those that obstore finds itself. Raises Setback."""
    return {"s3": _amazon, "gs": _google, "az": _azure}[scheme](environment)


def _amazon(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the keys of a profile, where the environment has none."""
    if environment.get("AWS_ACCESS_KEY_ID") or any(map(environment.get, _AWS_ROLES)):
        return {}
    home = Path(environment.get("HOME", "~")).expanduser() / ".aws"
    profile = environment.get("AWS_PROFILE", "default")
    options: dict[str, Any] = {}
    for variable, name, section in (
        ("AWS_CONFIG_FILE", "config", profile if profile == "default" else f"profile {profile}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", profile),
    ):
        # Not interpolated: secrets may hold percent signs.
        parser = ConfigParser(interpolation=None)
        try:
            parser.read(environment.get(variable) or home / name, encoding="utf-8")
        except (Error, UnicodeDecodeError, OSError) as error:
            raise Setback(
                f"the profile {profile} of AWS cannot be read: {type(error).__name__}", is_passing=False
            ) from None
        if parser.has_section(section):
            found = dict(parser.items(section))
            options |= {option: found[key] for key, option in _AWS_KEYS.items() if found.get(key)}
    if "AWS_PROFILE" in environment and "access_key_id" not in options:
        raise Setback(f"the profile {profile} of AWS has no keys of its own in ~/.aws/credentials", is_passing=False)
    known = {"region": ("AWS_REGION", "AWS_DEFAULT_REGION"), "endpoint": ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")}
    for option, variables in known.items():
        if any(map(environment.get, variables)):
            options.pop(option, None)
    return options


def _google(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the address of an emulator, which takes no credentials."""
    host = environment.get("STORAGE_EMULATOR_HOST", "").rstrip("/")
    if not host:
        return {}
    import json

    address = host if "://" in host else f"http://{host}"
    key = {"gcs_base_url": address, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    return {"service_account_key": json.dumps(key)}


def _azure(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what a connection string says."""
    text = environment.get("AZURE_STORAGE_CONNECTION_STRING", "")
    if not text:
        return {}
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    found = {name.strip().lower(): value.strip() for name, _, value in pairs}
    options = {option: found[key] for key, option in _AZURE_KEYS.items() if found.get(key)}
    if "endpoint" not in options and found.get("endpointsuffix") and "account_name" in options:
        protocol = found.get("defaultendpointsprotocol", "https")
        options["endpoint"] = f"{protocol}://{options['account_name']}.blob.{found['endpointsuffix']}"
    if "account_name" not in options and "endpoint" not in options:
        raise Setback("AZURE_STORAGE_CONNECTION_STRING names no account", is_passing=False)
    return options
