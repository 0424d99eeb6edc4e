"""Downloads over https that resume, are bounded, and are checked before they get their name.

Bytes go to ``NAME.part``, and become ``NAME`` by one rename after size and checksum are right.
"""

import contextlib
import hashlib
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import urlsplit

from ranvier.core.errors import ConfigError, DataError

_CHUNK = 1 << 20
_TIMEOUT = 30.0  # seconds without a byte
_LIMIT = 4 << 30  # for files whose size is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file at a fixed address.

    Raises: ConfigError for a name with folders in it.
    """

    url: str
    name: str  # of the file on disk
    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None  # where the publisher gives no better one; both None: no published checksum known

    def __post_init__(self) -> None:
        if self.name != Path(self.name).name or self.name in ("", ".", ".."):
            raise ConfigError("RemoteFile.name", expected="a plain file name", got=repr(self.name))


class Response(Protocol):
    """What an opener returns: the part of ``http.client.HTTPResponse`` that is used here."""

    status: int

    @property
    def headers(self) -> "Headers":
        """Give the header fields."""
        ...

    def read(self, amount: int, /) -> bytes:
        """Read at most ``amount`` bytes; nothing at the end."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Headers(Protocol):
    """Header fields by name, whatever their case."""

    def get(self, name: str, /) -> str | None:
        """Give the value, or None."""
        ...


Opener = Callable[[urllib.request.Request], Response]


def fetch(
    file: RemoteFile,
    folder: Path,
    *,
    opener: Opener | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    tries: int = 4,
) -> Path:
    """Download a file unless it is there; one process at a time.

    Args: file: what. folder: where to; made if needed. opener: opens requests in place of https, which is then not
        demanded. progress: called with bytes so far and in all. tries: how often to go on after an interruption.
    Returns: the path of the complete, checked file.
    Raises: DataError if it cannot be fetched, is larger than promised, or has another checksum (it is removed then).
    """
    if opener is None:
        _demand_https(file.url)
        opener = _open
    path, part = folder / file.name, folder / f"{file.name}.part"
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if file.sha256 is None and file.md5 is None:
            part.unlink(missing_ok=True)  # nothing could tell halves of two versions apart
        for attempt in range(tries):
            break_ = _advance(file, part, opener, progress)
            if break_ is None:
                break
            if attempt == tries - 1:
                done = part.stat().st_size if part.exists() else 0
                mend = "Call it again: it goes on from there."
                raise DataError(file.url, expected="the whole file", got=f"{done} bytes, then {break_}", mend=mend)
        _verify(file, part)
        part.replace(path)
    except (DataError, ConfigError):
        raise
    except OSError as error:
        mend = "What has arrived is kept."
        raise DataError(file.url, expected=f"a download into {folder}", got=str(error), mend=mend) from error
    return path


def _advance(
    file: RemoteFile, part: Path, opener: Opener, progress: Callable[[int, int | None], None] | None
) -> str | None:
    """Fetch on from what is there; returns None once the file is complete, else what broke off."""
    done = part.stat().st_size if part.exists() else 0
    if file.bytes is not None and done == file.bytes:
        return None
    headers = {"User-Agent": "ranvier", "Accept-Encoding": "identity"}
    request = urllib.request.Request(file.url, headers=headers)  # noqa: S310 # the scheme was checked by fetch
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        response = opener(request)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:  # the part is not a beginning of what is offered now
            part.unlink()
            return "an answer that does not go on from there"
        mend = f"Fetch {file.name} by hand and put it beside the others."
        raise DataError(file.url, expected="a download", got=f"HTTP {error.code} {error.reason}", mend=mend) from error
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        return f"no answer ({error})"
    with contextlib.closing(response):
        if response.status == 206 and _range_start(response) == done:
            start = done
        elif response.status in (200, 206):
            start = 0
            if response.status == 206:
                part.unlink(missing_ok=True)
                return "an answer that does not go on from there"
        else:
            raise DataError(file.url, expected="status 200 or 206", got=str(response.status))
        total = _total(file, response, start)
        with part.open("ab" if start else "wb") as out:
            break_ = _copy(file, response, out, start, total, progress)
            out.flush()
            os.fsync(out.fileno())
    return break_


def _copy(
    file: RemoteFile,
    response: Response,
    out: IO[bytes],
    done: int,
    total: int | None,
    progress: Callable[[int, int | None], None] | None,
) -> str | None:
    limit = total if total is not None else _LIMIT
    while True:
        try:
            piece = response.read(_CHUNK)
        except (HTTPException, TimeoutError, ConnectionError) as error:
            return f"a break ({error})"
        if not piece:
            return None if total is None or done == total else "a break"
        done += len(piece)
        if done > limit:
            Path(out.name).unlink(missing_ok=True)
            raise DataError(file.url, expected=f"at most {limit} bytes", got="more", mend="The part was removed.")
        out.write(piece)
        if progress is not None:
            progress(done, total)


def _total(file: RemoteFile, response: Response, start: int) -> int | None:
    """Give the size of the whole file as promised by us or by the server."""
    stated = response.headers.get("Content-Length")
    total = start + int(stated) if stated is not None and stated.isdecimal() else None
    most = file.bytes if file.bytes is not None else _LIMIT
    if total is not None and (total > most or (file.bytes is not None and total != most)):
        expected = f"{'' if file.bytes is not None else 'at most '}{most} bytes"
        raise DataError(file.url, expected=expected, got=f"{total} offered by the server")
    return total if total is not None else file.bytes


def _range_start(response: Response) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range") or "")
    return int(match[1]) if match else None


def _verify(file: RemoteFile, part: Path) -> None:
    for name, wanted in (("sha256", file.sha256), ("md5", file.md5)):
        if wanted is None:
            continue
        with part.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda kind=name: hashlib.new(kind, usedforsecurity=False)).hexdigest()  # type: ignore[misc]
        if digest != wanted:
            part.unlink()
            mend = "The file was removed; it was damaged on the way or changed at its source."
            raise DataError(file.url, expected=f"{name} {wanted}", got=digest, mend=mend)


def _demand_https(url: str) -> None:
    if urlsplit(url).scheme != "https":
        raise ConfigError("download", expected="an https address", got=repr(url))


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follow redirects to https alone."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        """Refuse a redirect that leaves https."""
        _demand_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(request: urllib.request.Request) -> Response:
    response: Response = urllib.request.build_opener(_HttpsOnly).open(request, timeout=_TIMEOUT)
    return response
