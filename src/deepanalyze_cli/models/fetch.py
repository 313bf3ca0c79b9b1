"""One URL to one file, going on where it stopped, until the file is whole.

HTTP only, by the standard library: what already lies in the file is asked for no more (`Range`), a line that breaks is
taken up again, a server that is not there is given up at once. What the bytes are worth is not decided here: whoever
fetches checks a digest.
"""

from __future__ import annotations

import base64
import errno
import http.client
import json
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from ..errors import ModelError, SourceUnreachable
from ..seams import ignore

OnBytes = Callable[[int], None]
"""Told how many bytes there are now, out of those there will be."""

CHUNK = 1 << 20
SILENCE = 15.0
"""Seconds without a byte after which a server counts as gone."""
TRIES = 3
"""Breaks in a row, without one new byte between them, after which a server is given up."""
_LISTING = 32 << 20
"""Most bytes of a JSON answer."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors by which a disk says that it takes no more."""


class _Broken(Exception):
    """The line broke, or the server said 'not now': the same request may succeed in a moment."""


def fetch(url: str, to: Path, size: int, *, on_bytes: OnBytes = ignore) -> None:
    """Bring the `size` bytes of `url` to `to`, behind those of it that lie there already.

    A line that breaks is taken up again; a connection that cannot be made is not, unless bytes came before.

    Raises:
        SourceUnreachable: no answer, a refusal, or another length than `size`. What came so far is kept.
        ModelError: the disk is full or cannot be written. What came so far is kept.
    """
    breaks, came = 0, False
    while True:
        before = length(to)
        try:
            return _go_on(url, to, size, on_bytes)
        except _Broken as error:
            grew = length(to) > before
            came, breaks = came or grew, 0 if grew else breaks + 1
            if not came or breaks == TRIES:
                raise SourceUnreachable(f"{host(url)}: {error}", "check the network, then run it again") from None
            time.sleep(2 ** (breaks - 1) if breaks else 0)


def read_json(url: str) -> object:
    """The JSON document at `url`.

    Raises:
        SourceUnreachable: no answer, a refusal, or no JSON.
    """
    try:
        with _open(url, {"Accept": "application/json"}) as answer:
            return json.loads(_read(lambda: answer.read(_LISTING)))
    except _Broken as error:
        raise SourceUnreachable(f"{host(url)}: {error}", "check the network, then run it again") from None
    except ValueError:
        raise SourceUnreachable(f"{host(url)} answered something that is not JSON") from None


def length(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def host(url: str) -> str:
    """The part of a URL to show to a person: never its password, never its query."""
    try:
        return urlsplit(url).hostname or "an address without a host"
    except ValueError:
        return "an address that is none"


@contextmanager
def writing_in(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into one line and what to do about it.

    Raises:
        ModelError: instead of any `OSError`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise full(folder) from None
        fix = "set DEEPANALYZE_MODELS_DIR to a folder that you can write"
        raise ModelError(f"cannot write in {folder}: {error.strerror}", fix) from None


def full(folder: Path) -> ModelError:
    """What to raise when the disk of `folder` takes no more."""
    fix = "make room and run the same command again: it goes on where it stopped"
    return ModelError(f"the disk is full: {folder}", fix)


def _go_on(url: str, to: Path, size: int, on_bytes: OnBytes) -> None:
    have = length(to)
    if have == size:
        return
    if have > size:
        to.unlink()
        have = 0
    with _open(url, {"Range": f"bytes={have}-"} if have else {}) as answer:
        start, total = _span(answer, have)
        if total != size and (total is not None or have):
            raise SourceUnreachable(f"{host(url)} has {total or 'who knows how many'} bytes, expected {size}")
        with writing_in(to.parent), to.open("ab") as file:
            file.truncate(start)
            _copy(answer, file, start, size, on_bytes)


def _copy(answer: http.client.HTTPResponse, file, at: int, end: int, on_bytes: OnBytes) -> None:
    while chunk := _read(lambda: answer.read1(CHUNK)):
        at += len(chunk)
        if at > end:
            raise SourceUnreachable(f"{host(answer.url)} sends more than the {end} bytes it should")
        file.write(chunk)
        on_bytes(at)
    if at < end:
        file.flush()
        raise _Broken(f"the line broke after {at} of {end} bytes")


def _read(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(f"the line broke: {_reason(error)}") from None


def _span(answer: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """Where the bytes of this answer belong, and how many the whole file has, if it says so."""
    if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if not match or int(match[1]) != have:
            raise SourceUnreachable(f"{host(answer.url)} sent another piece than was asked for")
        return have, None if match[2] == "*" else int(match[2])
    announced = answer.headers.get("Content-Length", "")
    return 0, int(announced) if announced.isdecimal() else None


def _open(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    """Ask for `url`.

    Raises:
        SourceUnreachable: a refusal.
        _Broken: no connection, or an answer that asks to come again.
    """
    try:
        bare, secret = _apart(url)
        request = urllib.request.Request(bare, headers={"User-Agent": "deepanalyze-cli", **headers})
    except ValueError:
        raise SourceUnreachable(f"{url.rpartition('@')[2]!r} is no address", "give one with https://") from None
    if secret:  # and not a plain header: those follow a redirect to other hosts
        request.add_unredirected_header("Authorization", secret)
    try:
        return _opener().open(request, timeout=SILENCE)
    except urllib.error.HTTPError as error:
        with error:
            refusal = f"it answers {error.code} {http.client.responses.get(error.code, '')}".rstrip()
            if error.code in (408, 429) or error.code >= 500:
                raise _Broken(refusal) from None
        raise SourceUnreachable(f"{host(url)}: {refusal}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(f"it cannot be reached: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__


def _apart(url: str) -> tuple[str, str]:
    """A URL without its user and password, and these as a header: `urllib` would take them for part of the host."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(url)
    user, at, place = parts.netloc.rpartition("@")
    if not at:
        return url, ""
    secret = base64.b64encode(unquote(user).encode()).decode()
    return urlunsplit(parts._replace(netloc=place)), f"Basic {secret}"


@cache
def _opener() -> urllib.request.OpenerDirector:
    """HTTP and HTTPS with proxies and redirects. Not `build_opener`, which would open file: and ftp: URLs as well."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=_certificates()),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _certificates() -> ssl.SSLContext:
    """The system's certificates (or `SSL_CERT_FILE`, `SSL_CERT_DIR`), and those that pip and requests shall trust.

    Raises:
        ModelError: a variable names something that cannot be read.
    """
    context = ssl.create_default_context()
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE"):
        if bundle := os.environ.get(name):
            folder = Path(bundle).is_dir()
            try:
                context.load_verify_locations(**{"capath" if folder else "cafile": bundle})
            except (OSError, ssl.SSLError):
                raise ModelError(f"{name} names no certificates: {bundle!r}", f"correct or unset {name}") from None
    return context
