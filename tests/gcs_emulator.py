"""gcp-storage-emulator as a program: its XML answers get the headers that Google's have and obstore asks for."""

import sys
from http import HTTPStatus

from gcp_storage_emulator import server
from gcp_storage_emulator.handlers import objects


def with_headers(handler):
    """Return *handler*, telling of the object what Google tells."""

    def handle(request, response, storage, *args, **kwargs):
        handler(request, response, storage, *args, **kwargs)
        if response.status is not HTTPStatus.NOT_FOUND:
            found = storage.get_file_obj(request.params["bucket_name"], request.params["object_id"])
            response["ETag"] = f'"{found["md5Hash"]}"'
            response["Last-Modified"] = "Mon, 02 Mar 2026 10:00:00 GMT"

    return handle


def main(port: int) -> None:
    """Serve, in memory."""
    lacking = {objects.xml_upload: with_headers(objects.xml_upload), objects.download: with_headers(objects.download)}
    for _, methods in server.HANDLERS:
        for method, handler in methods.items():
            methods[method] = lacking.get(handler, handler)
    server.create_server("127.0.0.1", port, True).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
