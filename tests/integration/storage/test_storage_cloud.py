"""Results in buckets, through obstore, on servers that speak the providers' protocols."""

import os
import re
import threading
import time

import pytest

from result_servers import S3Server, point_to
from tidemill.storage.cloud import CloudResult
from tidemill.storage.places import ResultError


def handler_for(cloud, prefix="nightly", **options):
    options.setdefault("retries", 0)
    return CloudResult(f"{cloud.scheme}://results/{prefix}", **options)


def test_a_result_is_an_object_below_the_prefix(cloud, place):
    handler = handler_for(cloud)

    info = handler.write({"rows": [1, "é"]}, place)

    assert info.location == f"{cloud.scheme}://results/nightly/nightly-k3f-3-load.json"
    assert (info.handler, info.encoding, info.size) == ("CloudResult", "json", 17)
    assert handler.read(info) == {"rows": [1, "é"]}


def test_names_forms_and_sizes_are_the_author_s(cloud, place):
    handler = handler_for(
        cloud, "", serializer="compressed/pickle", name="{flow}/{date:.4}/{task} {run}", max_size="1 MB"
    )
    value = {("a", 1): range(5)}

    info = handler.write(value, place)

    assert re.fullmatch(rf"{cloud.scheme}://results/nightly/20\d\d/load k3f\.pickle\.gz", info.location)
    assert handler.read(info) == CloudResult(f"{cloud.scheme}://results").read(info) == value
    with pytest.raises(ResultError, match="max_size allows 1 MB"):
        handler_for(cloud, max_size="1 MB").write("x" * 2_000_000, place)


def test_a_later_write_replaces_the_object_as_a_whole(cloud, place):
    handler = handler_for(cloud, name="latest")
    first = handler.write("first" * 1000, place)
    second = handler.write("second", place)

    assert handler.read(second) == "second"
    with pytest.raises(ResultError, match="is damaged, or was overwritten since: 8 bytes of 5002"):
        handler.read(first)


def test_a_result_of_many_megabytes_arrives_whole(cloud, place):
    value = bytes(range(256)) * 40_000

    info = handler_for(cloud).write(value, place)

    assert handler_for(cloud).read(info) == value


@pytest.mark.parametrize("scheme", ["s3", "az"])  # Google's emulator takes nothing in parts
def test_a_large_result_is_sent_in_parts(clouds, scheme, place, monkeypatch):
    cloud = clouds(scheme)
    point_to(cloud, monkeypatch)
    monkeypatch.setattr("tidemill.storage.objects._IN_PARTS", 1_000_000)
    value = bytes(range(256)) * 50_000

    info = handler_for(cloud).write(value, place)

    assert handler_for(cloud).read(info) == value


@pytest.mark.parametrize("scheme", ["s3", "az"])  # Google's emulator takes an object for any bucket
def test_a_missing_bucket_is_told_and_not_waited_for(clouds, scheme, place, monkeypatch):
    cloud = clouds(scheme)
    point_to(cloud, monkeypatch)
    handler = CloudResult(f"{cloud.scheme}://nobody-made-this/x", retries=5, retry_delay=60)

    with pytest.raises(
        ResultError, match=rf"{cloud.scheme}://nobody-made-this/x/\S+: there is no such bucket"
    ) as failure:
        handler.write(1, place)
    assert "127.0.0.1" not in str(failure.value)


def test_an_object_that_is_gone_is_told(cloud, place):
    handler = handler_for(cloud)
    info = handler.write(1, place)

    with pytest.raises(ResultError, match="gone: there is no such object"):
        handler.read(info._replace(location=f"{info.location}-gone"))


def test_s3_refuses_wrong_credentials_with_a_sentence_and_without_retries(clouds, place, monkeypatch):
    server = clouds("s3")
    point_to(server, monkeypatch)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame")
    server.demand_credentials(True)
    try:
        with pytest.raises(
            ResultError, match=r"credentials are refused \(403 Forbidden: InvalidAccessKeyId.*AWS_SECRET"
        ) as failure:
            handler_for(server, retries=5, retry_delay=60).write(1, place)
    finally:
        server.demand_credentials(False)
    assert "sesame" not in str(failure.value)


def test_azure_refuses_wrong_credentials_with_a_sentence(clouds, place, monkeypatch):
    server = clouds("az")
    point_to(server, monkeypatch)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VzYW1l")

    with pytest.raises(ResultError, match=r"credentials are refused \(403 .*AZURE_STORAGE_ACCOUNT_KEY$"):
        handler_for(server, retries=5, retry_delay=60).write(1, place)


def test_azure_takes_a_connection_string(clouds, place, monkeypatch):
    server = clouds("az")
    point_to(server, monkeypatch)
    variables = server.environment()
    for name in variables:
        monkeypatch.delenv(name)
    text = ";".join(
        (
            f"AccountName={variables['AZURE_STORAGE_ACCOUNT_NAME']}",
            f"AccountKey={variables['AZURE_STORAGE_ACCOUNT_KEY']}",
            f"BlobEndpoint={variables['AZURE_STORAGE_ENDPOINT']}",
        )
    )
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)

    info = handler_for(server).write([1], place)

    assert handler_for(server).read(info) == [1]


@pytest.mark.parametrize(
    ("url", "variables", "said"),
    [
        ("az://results", {}, "Account must be specified; check AZURE_STORAGE_ACCOUNT_NAME"),
        ("az://results", {"AZURE_STORAGE_CONNECTION_STRING": "AccountKey=c2VzYW1l"}, "names no account$"),
        ("gs://results", {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json"}, "/nowhere.json: No such file"),
        (
            "s3://results",
            {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "sesame", "AWS_ENDPOINT_URL": "no url"},
            "endpoint",
        ),
    ],
)
def test_an_environment_that_leads_nowhere_is_told(url, variables, said, place, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")) or name == "STORAGE_EMULATOR_HOST":
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ResultError, match=said) as failure:
        CloudResult(url, retries=5, retry_delay=60).write(1, place)
    assert "sesame" not in str(failure.value)
    assert "c2VzYW1l" not in str(failure.value)


def test_a_server_that_is_gone_is_told_after_the_retries(tmp_path, place, monkeypatch):
    server = S3Server(tmp_path)
    point_to(server, monkeypatch)

    with pytest.raises(ResultError, match=r"Connection refused\), tried 3 times$") as failure:
        handler_for(server, retries=2, retry_delay=0.01).write(1, place)
    assert str(failure.value).startswith("the result of load cannot be written to s3://results/nightly/")
    assert str(server.port) not in str(failure.value)


def test_a_server_that_comes_back_gets_the_value_that_waited(tmp_path, place, monkeypatch, caplog):
    server = S3Server(tmp_path)
    point_to(server, monkeypatch)
    handler = handler_for(server, retries=10, retry_delay=3)
    kept = []
    writing = threading.Thread(target=lambda: kept.append(handler.write({"a": 1}, place)))
    writing.start()
    try:
        while "trying again" not in caplog.text:
            assert writing.is_alive()
            time.sleep(0.01)
        # It answers and has its bucket long before the next try.
        server.start()
        writing.join(60)
        assert handler.read(kept[0]) == {"a": 1}
    finally:
        server.stop()


def test_a_copy_of_the_process_is_told_to_be_started_afresh(clouds, place, monkeypatch, tmp_path):
    point_to(clouds("s3"), monkeypatch)
    handler = handler_for(clouds("s3"))
    handler.write(1, place)
    pid = os.fork()
    if pid == 0:
        try:
            handler.write(2, place)
        except ResultError as error:
            (tmp_path / "said").write_text(str(error))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)

    assert "forked from one which uses it" in (tmp_path / "said").read_text()
