"""The curl example: its openssl pipeline gives the vectors' signatures, and what it sends is what it signed."""

import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.clients import make_vectors
from shared.signature import SignedCall, is_signed_by

SCRIPT = make_vectors.VECTORS.with_name("curl.sh")
VECTORS = json.loads(make_vectors.VECTORS.read_text(encoding="utf-8"))
SECRET = "an-example"

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("bash", "openssl", "curl")), reason="the example is for machines with bash, openssl and curl"
)


def run(arguments: list[str], *, environment: dict[str, str]) -> str:
    clean = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(arguments, env=clean, capture_output=True, text=True, timeout=20, check=True).stdout


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_openssl_gives_the_signature_of_each_vector(vector: dict[str, Any], tmp_path: Path) -> None:
    call = vector["call"]
    body = tmp_path / "body"
    body.write_bytes(call["body"].encode())
    environment = {
        "AUDIENCE": call["audience"],
        "SECRET": vector["secret"],
        "IF_MATCH": call["if_match"],
        "TIMESTAMP": call["timestamp"],
        "IDEMPOTENCY_KEY": call["idempotency_key"],
    }

    signature = run(
        ["bash", "-c", 'source "$1"; shift; signature "$@"', "bash", str(SCRIPT), call["method"], call["raw_path"], call["raw_query"], str(body)],
        environment=environment,
    )

    assert signature.strip() == vector["signature"]


@pytest.mark.parametrize(
    ("arguments", "if_match"),
    [
        (["GET", "/v1/organisations?kind=b&kind=a&text=%e5[1]"], ""),
        (["POST", "/v1/applications:batch", "BODY"], ""),
        (["POST", "/v1/parks/%2F/../1:withdraw", "BODY"], '"3"'),
    ],
)
def test_curl_sends_what_was_signed(arguments: list[str], if_match: str, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text('{"name":"稳岗"}\n', encoding="utf-8")
    arguments = [str(body) if argument == "BODY" else argument for argument in arguments]

    with recording_server() as (url, received):
        environment = {"BASE_URL": url, "AUDIENCE": "applications", "APP_KEY": "key-1", "SECRET": SECRET, "IF_MATCH": if_match}
        told = run([str(SCRIPT), *arguments], environment=environment)

    ((call, signature),) = received
    assert told == "{}"
    assert f"{call.raw_path}?{call.raw_query}".rstrip("?") == arguments[1]
    assert call.body == (body.read_bytes() if len(arguments) == 3 else b"")
    assert call.if_match == if_match
    assert bool(call.idempotency_key) == (call.method == "POST")
    assert is_signed_by(call, signature=signature, secrets=[SECRET])


@contextmanager
def recording_server() -> Iterator[tuple[str, list[tuple[SignedCall, str]]]]:
    received: list[tuple[SignedCall, str]] = []

    class Recorder(http.server.BaseHTTPRequestHandler):
        def handle_call(self) -> None:
            raw_path, _, raw_query = self.requestline.split(" ")[1].partition("?")
            call = SignedCall(
                audience="applications",
                method=self.command,
                raw_path=raw_path,
                raw_query=raw_query,
                body=self.rfile.read(int(self.headers.get("content-length", 0))),
                if_match=self.headers.get("if-match", ""),
                timestamp=self.headers["x-timestamp"],
                idempotency_key=self.headers.get("idempotency-key", ""),
            )
            received.append((call, self.headers["x-signature"]))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = handle_call

        def log_message(self, *_: object) -> None:
            """Quiet: the test reads `received`."""

    with http.server.HTTPServer(("127.0.0.1", 0), Recorder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()
