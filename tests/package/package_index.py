"""A package index on loopback, as mirrors are: relative links, and no more than is asked for.

What it serves, it takes from the index that this machine is configured for.
"""

import html
import http.server
import re
import threading
import urllib.parse
from contextlib import contextmanager

import uv_install


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer()

    def do_HEAD(self):
        self.answer()

    def answer(self):
        parts = self.path.split("/")
        if self.path.startswith("/mirror/simple/"):
            body, kind = self.page(parts[3]), "text/html"
        elif self.path in self.server.files:
            body, kind = uv_install.fetch(self.server.files[self.path])[0], "application/zip"
            self.server.served.append(parts[-1])
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def page(self, name: str) -> bytes:
        text, base = uv_install.fetch(f"{uv_install.configured_index()}/{name}/")
        links = uv_install.Links()
        links.feed(text.decode())
        lines = []
        for link in links.found:
            address, _, fragment = urllib.parse.urljoin(base, link["href"]).partition("#")
            file = address.rpartition("/")[2]
            self.server.files[f"/mirror/files/{name}/{file}"] = address
            requires = html.escape(link.get("data-requires-python", ""))
            lines.append(
                f'<a href="../../files/{name}/{file}#{fragment}"'
                f' data-requires-python="{requires}">{file}</a><br>'
            )
        return "\n".join(lines).encode()

    def log_message(self, *_):
        """Say nothing: the tests look at stderr."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, str] = {}
        self.served: list[str] = []

    def handle_error(self, request, client_address):
        """Let a client go that wants no more: uv closes connections when it has what it needs."""

    def has_served(self, name: str) -> bool:
        return any(re.match(rf"{name}-\d", file) for file in self.served)


@contextmanager
def relative_index():
    """Run the index; give its address and the server, which knows what was fetched."""
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/mirror/simple", server
        finally:
            server.shutdown()
            thread.join()
