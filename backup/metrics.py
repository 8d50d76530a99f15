"""How backups stand, over HTTP: for Prometheus, and for the Billing API of a core."""

import json
from collections.abc import Iterator
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from backup.listing import EXIT_CODES, current_state
from backup.plan import Plan
from backup.status import Status, load_status

PORT = 9119


def serve(plan: Plan) -> None:
    """Answer `/metrics` and `/state` from now on."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer a request."""
            if self.path == "/metrics":
                self._answer("text/plain; version=0.0.4", "".join(exposition(plan)))
            elif self.path == "/state":
                self._answer("application/json", json.dumps(current_state(plan)))
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _answer(self, kind: str, text: str) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing: a request is no event."""

    server = ThreadingHTTPServer(("", PORT), Handler)
    Thread(target=server.serve_forever, daemon=True).start()


def exposition(plan: Plan) -> Iterator[str]:
    """All metrics in Prometheus's text format."""
    now = current_state(plan)["state"]
    yield "# HELP backup_state 1 for the state of backups, 0 for the others\n"
    yield "# TYPE backup_state gauge\n"
    for state in EXIT_CODES:
        yield f'backup_state{{state="{state}"}} {int(state == now)}\n'
    for name, (text, moment) in _moments(load_status()).items():
        yield f"# HELP {name} {text}; 0 if never\n# TYPE {name} gauge\n{name} {_seconds(moment)}\n"


def _moments(status: Status) -> dict[str, tuple[str, str]]:
    proven = max(status.proven.values(), default="")
    return {
        "backup_last_set_timestamp_seconds": ("When the last set was begun", status.begun),
        "backup_last_proof_timestamp_seconds": ("When a set was last proven", proven),
        "backup_safe_timestamp_seconds": ("Until when all data are in two sets", status.safe),
    }


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() if moment else 0
