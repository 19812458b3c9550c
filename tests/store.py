"""A real S3 server on loopback that can be made to fail: moto's, behind a few lines of WSGI."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import fsspec
import httpx
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

BUCKET = "shop"
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class ObjectStore:
    """An S3 server with the bucket `shop`.

    refuse: answer that many of the next requests with 503. hang: seconds before each answer.
    forbid: the status by which to answer whoever lists what lies under a prefix, or asks for an object.
    refused: the status by which to answer every request.
    asked: (method, path) of every request; queries: what stood behind the path.
    """

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.refuse, self.hang, self.asked = 0, 0.0, list[tuple[str, str]]()
        self._server: BaseWSGIServer | None = None
        self._port = 0
        self.queries, self.forbid = list[str](), dict[str, str]()
        self.refused: str | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """On the port that it had before."""
        self._server = make_server("127.0.0.1", self._port, self._answer, threaded=True)
        self._server.daemon_threads = True
        self._port = self._server.port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    @property
    def files(self) -> Any:
        """Its content as a file system that keeps no listing, of a client of the test's own."""
        return fsspec.filesystem(
            "s3",
            endpoint_url=self.url,
            key="tester",
            secret="secret",
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        self.asked.append((environ["REQUEST_METHOD"], urlsplit(environ["RAW_URI"]).path))
        self.queries.append(urlsplit(environ["RAW_URI"]).query)
        if self.hang:
            time.sleep(self.hang)
        key = unquote(self.asked[-1][1]).removeprefix(f"/{BUCKET}/")
        status = self.refused or self.forbid.get(parse_qs(self.queries[-1]).get("prefix", [key])[0])
        if self.refuse > 0:
            self.refuse -= 1
            status = "503 SlowDown"
        if status is not None:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(status, [("Content-Type", "application/xml"), ("Connection", "close")])
            if environ["REQUEST_METHOD"] == "HEAD":
                return []
            code = status.partition(" ")[2]
            return [f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()]
        answer: Iterable[bytes] = self._moto(environ, start)
        return answer


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    store = ObjectStore()
    httpx.post(f"{store.url}/moto-api/reset")  # moto's objects outlive its servers
    store.files.mkdir(BUCKET)
    try:
        yield store
    finally:
        store.stop()
