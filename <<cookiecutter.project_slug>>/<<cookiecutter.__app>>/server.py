"""A tiny HTTP service that says it is alive. Replace it with your own."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers / and /healthz; everything else is not found."""

    def do_GET(self):
        answers = {"/": b"Hello from a container\n", "/healthz": b"ok\n"}
        body = answers.get(self.path.split("?", 1)[0])
        self.send_response(404 if body is None else 200)
        body = body or b"not found\n"
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    """Listen on $PORT (8080 if unset) until SIGTERM, which is how containers are stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    address = ("", int(os.environ.get("PORT", "8080")))
    ThreadingHTTPServer(address, Handler).serve_forever()


if __name__ == "__main__":
    main()
