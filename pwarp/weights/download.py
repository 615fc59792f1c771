"""Fetching a published file: over https only, no larger than said, checked, and never half."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pwarp.errors import PwarpError
from pwarp.files import atomic_path, check_output
from pwarp.progress import unheard
from pwarp.weights.published import Published, published

_LARGEST = 2 << 30
_CHUNK = 1 << 20
_PATIENCE = 60.0


def address(entry: Published) -> str:
    """Where the file of an entry can be fetched; PwarpError where its authors publish no address of it."""
    if not entry.url:
        raise PwarpError(
            f"{entry.name}: its authors publish no address to fetch from; get it {entry.where}; repository: "
            f"{entry.repository}"
        )
    return entry.url


def download(
    name: str,
    target: Path,
    *,
    force: bool = False,
    started: Callable[[int], None] = unheard,
    advance: Callable[[int], None] = unheard,
) -> str:
    """Fetch the file of an entry of `PUBLISHED`; its SHA-256.

    Raises PwarpError as `address` and `fetch` do.
    """
    entry = published(name)
    return fetch(address(entry), target, digest=entry.digest, force=force, started=started, advance=advance)


def fetch(
    url: str,
    target: Path,
    *,
    digest: str = "",
    largest: int = _LARGEST,
    schemes: tuple[str, ...] = ("https",),
    force: bool = False,
    started: Callable[[int], None] = unheard,
    advance: Callable[[int], None] = unheard,
) -> str:
    """Fetch a file; its SHA-256 in hexadecimal digits.

    digest: how the SHA-256 begins. largest: most bytes taken. schemes: of the address and of wherever it leads.
    started: told how many bytes there are, where the server says so; advance: told how many more are there.

    Raises PwarpError, and leaves no file, where the server cannot be reached or refuses, the file ends early, is larger
    than `largest`, or has another digest.
    """
    check_output(target, force=force)
    opener = urllib.request.build_opener(_Redirects(schemes))
    _check_scheme(url, schemes)
    request = urllib.request.Request(url, headers={"User-Agent": "pwarp"})
    sum_, taken = hashlib.sha256(), 0
    try:
        with opener.open(request, timeout=_PATIENCE) as answer, atomic_path(target, force=force) as temporary:
            expected = _length(answer)
            if expected is not None:
                started(expected)
            with temporary.open("wb") as file:
                while chunk := _read(answer, url):
                    taken += len(chunk)
                    if taken > largest:
                        raise PwarpError(f"{url}: larger than {largest} bytes; it is not what was published")
                    sum_.update(chunk)
                    file.write(chunk)
                    advance(len(chunk))
            if expected is not None and taken != expected:
                raise PwarpError(f"{url}: ended after {taken} of {expected} bytes; try again")
            if not sum_.hexdigest().startswith(digest):
                seen = sum_.hexdigest()[: len(digest)]
                raise PwarpError(f"{url}: SHA-256 begins with {seen}, not {digest}; it is not what was published")
    except urllib.error.HTTPError as error:
        raise PwarpError(f"{url}: the server says {error.code} {error.reason}; has the file moved?") from None
    except (urllib.error.URLError, HTTPException, OSError) as error:
        why = getattr(error, "reason", error)
        raise PwarpError(f"{url}: cannot be reached: {why}; check the network, or fetch it in a browser") from None
    return sum_.hexdigest()


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to another address, but not out of the schemes."""

    def __init__(self, schemes: tuple[str, ...]) -> None:
        self._schemes = schemes

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_scheme(newurl, self._schemes)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _read(answer: Any, url: str) -> bytes:
    """Some more bytes, none at the end."""
    try:
        some: bytes = answer.read(_CHUNK)
    except (HTTPException, OSError) as error:
        raise PwarpError(f"{url}: the connection broke: {error}; try again") from None
    return some


def _check_scheme(url: str, schemes: tuple[str, ...]) -> None:
    if urlsplit(url).scheme not in schemes:
        raise PwarpError(f"{url}: only {' and '.join(schemes)} addresses are fetched from")


def _length(answer: Any) -> int | None:
    said = answer.headers.get("Content-Length")
    return int(said) if said is not None and said.isdigit() else None
