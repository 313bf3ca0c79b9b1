"""A package index and a model hub on 127.0.0.1, with the faults of real ones."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from deepanalyze_cli.types import ModelSource

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PARTS = ModelSource("parts", packages=("tiny-part1==1.0", "tiny-part2==1.0"), members="*/data/part*.bin")
HUB = ModelSource("hub", repo="someone/Tiny", revision=COMMIT, file="tiny.gguf")
HUB_FILE = f"/someone/Tiny/resolve/{COMMIT}/tiny.gguf"


class Site:
    """What the server has, how it misbehaves, and what it was asked (`asked`: path and `Range` header)."""

    def __init__(self, url: str):
        self.url = url
        self.files: dict[str, bytes] = {}
        self.cuts: dict[str, list[int]] = {}
        """Bytes to send of a path before the line is cut, one for each request to come."""
        self.meanwhile: dict[str, tuple[int, Callable[[], object]]] = {}
        """Bytes to send of a path, once, before something else happens and the rest is sent."""
        self.no_range: set[str] = set()
        self.no_length: set[str] = set()
        self.answers: dict[str, list[int | None]] = {}
        """Status codes to refuse a path with, one for each request to come; None refuses nothing."""
        self.reason: str | None = None
        """What it says beside a status code, where not the usual."""
        self.redirects: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.authorized: list[str | None] = []

    @property
    def index(self) -> str:
        return f"{self.url}/simple"

    def publish(
        self, package: str, members: dict[str, bytes], *, sha256: str = "", tag: str = "py3-none-any", python: str = ""
    ) -> str:
        """A wheel on the index (PEP 503); returns the path it is served at."""
        file, data = wheel(package, members, tag)
        path = f"/files/{file}"
        self.files[path] = data
        link = f'<a href="../..{path}#sha256={sha256 or hashlib.sha256(data).hexdigest()}"'
        only = f' data-requires-python="{python}"' if python else ""
        self.files[f"/simple/{package.partition('==')[0]}/"] = f"<!DOCTYPE html>{link}{only}>{file}</a>".encode()
        return path

    def wheels_asked(self) -> list[str]:
        return [path for path, _ in self.asked if path.endswith(".whl")]


def wheel(package: str, members: dict[str, bytes], tag: str = "py3-none-any") -> tuple[str, bytes]:
    """A wheel with these files: its name and its bytes."""
    name, _, version = package.partition("==")
    stem = f"{name.replace('-', '_')}-{version}"
    about = {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{stem}.dist-info/RECORD": "",
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in {**about, **members}.items():
            archive.writestr(member, content)
    return f"{stem}-{tag}.whl", data.getvalue()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    site: Site

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no news."""


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        site, path = self.server.site, self.path.partition("?")[0]
        site.asked.append((path, self.headers.get("Range")))
        site.authorized.append(self.headers.get("Authorization"))
        codes = site.answers.get(path)
        if codes and (code := codes.pop(0)):
            return self._head(code, 0)
        if path in site.redirects:
            return self._head(302, 0, Location=site.redirects[path])
        if path not in site.files:
            return self._head(404, 0)
        self._send(site, path, site.files[path])

    def _send(self, site: Site, path: str, data: bytes) -> None:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(match[1]) if match and path not in site.no_range else 0
        if start >= len(data) > 0:
            return self._head(416, 0, **{"Content-Range": f"bytes */{len(data)}"})
        body = data[start:]
        if start:
            self._head(206, len(body), **{"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
        else:
            self._head(200, None if path in site.no_length else len(body))
        if path in site.meanwhile:
            sent, happens = site.meanwhile.pop(path)
            self.wfile.write(body[:sent])
            happens()
            body = body[sent:]
        cuts = site.cuts.get(path)
        self.wfile.write(body[: cuts.pop(0)] if cuts else body)
        self.close_connection = True

    def _head(self, status: int, length: int | None, **headers: str) -> None:
        self.send_response(status, self.server.site.reason)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.path.startswith("/simple/"):
            self.send_header("Content-Type", "text/html")
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass
