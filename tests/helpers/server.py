"""A server on this machine that serves bytes, breaks off when told to, and writes down what it was asked."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """What the server serves, and how badly.

    Attributes:
        files: path -> content.
        cuts: after how many bytes the next answers break off; an answer takes the first one.
        etags: path -> mark of the version; `"v1"` by default; None sends none.
        ranges: whether parts of files are served.
        stall: after how many bytes the next answer hangs, until the client is gone; once.
        go: answers wait for this event, where there is one.
        headers: path -> what else an answer says in its head.
        answers: path -> (status, headers), instead of a file.
        asked: (path, Range, If-Range) of each request.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cuts: list[int] = []
        self.stall: int | None = None
        self.stalled = threading.Event()
        self.go: threading.Event | None = None
        self.etags: dict[str, str | None] = {}
        self.ranges = True
        self.headers: dict[str, dict[str, str]] = {}
        self.answers: dict[str, tuple[int, dict[str, str]]] = {}
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.address = ""

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"


@contextmanager
def served():
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path = self.path.lstrip("/")
            wanted, version = self.headers.get("Range"), self.headers.get("If-Range")
            site.asked.append((path, wanted, version))
            if site.go is not None:
                site.go.wait(60)
            if path in site.answers:
                status, headers = site.answers[path]
                return self.reply(status, headers, b"")
            content = site.files.get(path)
            if content is None:
                return self.reply(404, {}, b"")
            etag = site.etags.get(path, '"v1"')
            headers = {**({"ETag": etag} if etag else {}), **site.headers.get(path, {})}
            if wanted and site.ranges and (version is None or version == etag):
                start = int(wanted.removeprefix("bytes=").split("-")[0])
                if start >= len(content):
                    return self.reply(416, {"Content-Range": f"bytes */{len(content)}"}, b"")
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
                return self.reply(206, headers, content[start:])
            return self.reply(200, headers, content)

        def reply(self, status, headers, body):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if site.stall is not None and status in (200, 206):
                self.wfile.write(body[: site.stall])
                self.wfile.flush()
                site.stall = None
                site.stalled.set()
                self.close_connection = True
                self.rfile.read()  # ends when the client is gone
                return
            cut = site.cuts.pop(0) if site.cuts and status in (200, 206) else None
            if cut is not None and cut < len(body):
                self.wfile.write(body[:cut])
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
            else:
                self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *args: None  # a connection that was cut on purpose
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
