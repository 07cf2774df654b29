"""A store that cannot list unfinished uploads is not a failure: the report says so and names the remedy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from wgan.errors import StorageError
from wgan.housekeeping.references import References
from wgan.housekeeping.survey import Survey
from wgan.housekeeping.uploads import abort_abandoned_uploads
from wgan.settings import Settings
from wgan.storage import open_storage


class Refusing(BaseHTTPRequestHandler):
    """Answers every request with one S3 error."""

    status, code = 501, "NotImplemented"

    def do_GET(self) -> None:
        body = f"<Error><Code>{self.code}</Code><Message>no</Message></Error>".encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def refusing(request: pytest.FixtureRequest) -> Iterator[Survey]:
    """What housekeeping reports with a server that answers with the test's parameter."""
    status, code = request.param
    handler = type("Handler", (Refusing,), {"status": status, "code": code})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = Settings(
            _env_file=None,
            s3_endpoint_url=f"http://127.0.0.1:{server.server_port}",
            s3_access_key_id="key",
            s3_secret_access_key=SecretStr("secret"),
        )
        nothing = References(versions=(), trainings=(), flow_runs=(), data_of=lambda run: frozenset())
        yield Survey(settings, open_storage(settings), lambda ids: nothing, datetime.now(UTC), dry_run=False)
        server.shutdown()


@pytest.mark.parametrize("refusing", [(501, "NotImplemented"), (405, "MethodNotAllowed")], indirect=True)
def test_the_report_says_that_the_store_does_not_list_uploads(refusing: Survey) -> None:
    report = abort_abandoned_uploads(refusing)
    assert (report.removed, report.failures) == (0, ())
    assert (report.note or "").startswith("this object store does not list them")


@pytest.mark.parametrize("refusing", [(403, "AccessDenied")], indirect=True)
def test_credentials_that_may_not_list_uploads_are_reported(refusing: Survey) -> None:
    note = abort_abandoned_uploads(refusing).note or ""
    assert note.startswith("they could not be listed: the object store at")
    assert "AccessDenied" in note


@pytest.mark.parametrize("refusing", [(501, "NotImplemented")], indirect=True)
def test_a_store_that_does_not_know_the_checksums_of_an_upload_is_explained(refusing: Survey) -> None:
    with pytest.raises(StorageError, match=r"\(NotImplemented\): .*AWS_REQUEST_CHECKSUM_CALCULATION=when_required"):
        refusing.storage.put_bytes("key", b"content")
