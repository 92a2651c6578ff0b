"""A tiny service for tests of the stack: answers HTTP 200 on its port, or ends as its environment says."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ.get("BELLHOP_GREETING", "ready").encode())
        if self.path == "/die":
            sys.stderr.write("my last words\n")
            sys.stderr.flush()
            os._exit(7)


if os.environ.get("FAKE_FAILS"):
    sys.exit("this service fails on purpose")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
HTTPServer(("127.0.0.1", int(os.environ["BELLHOP_HTTP_PORT"])), Ready).serve_forever()
