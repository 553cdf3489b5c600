"""What the program does if an answer is lost on its way: a server that hangs up after the first request."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner

from services.cli import app

CODES = {"codes": [{"code": "7H3KP-M2W9D-QXR4T-7QX2M", "code_ref": "0" * 32}]}


class HangsUpOnce(BaseHTTPRequestHandler):
    """Takes the first request and does not answer it."""

    keys: list[str]

    def do_POST(self) -> None:
        """Answer like the activation service, except for the first time."""
        self.rfile.read(int(self.headers["content-length"]))
        self.keys.append(self.headers["idempotency-key"])
        if len(self.keys) == 1:
            return
        answer = json.dumps(CODES).encode()
        self.send_response(201)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    HangsUpOnce.keys = []
    with HTTPServer(("127.0.0.1", 0), HangsUpOnce) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


def test_the_codes_of_a_lost_answer_are_asked_for_again_under_the_same_key(server: HTTPServer) -> None:
    """R-09, R-140."""
    url = f"http://127.0.0.1:{server.server_port}"
    command = ["--activation-url", url, "code", "issue", "--product", "antivirus", "--json"]
    result = CliRunner().invoke(app, command, env={"PERENNIAL_OPERATOR_KEY": "key"})
    assert result.exit_code == 0, result.output
    assert "7H3KP-M2W9D-QXR4T-7QX2M" in result.output
    assert len(HangsUpOnce.keys) == 2
    assert len(set(HangsUpOnce.keys)) == 1
    assert HangsUpOnce.keys[0]
