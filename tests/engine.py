"""Something that answers as a Docker engine does, and has nothing of its own."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

EMPTY: Mapping[str, Any] = {"volumes": {"Volumes": None}, "info": {}}


@contextmanager
def stand_in(answers: Mapping[str, Any]) -> Iterator[str]:
    """Run it, and give its address.

    Args:
        answers: what it answers, by path; an empty list to all else.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.partition("?")[0].split("/", 2)[2]
            body = json.dumps(answers.get(name, [])).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"tcp://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
