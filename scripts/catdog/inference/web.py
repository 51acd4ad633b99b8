"""Get one photo from a web address that the reader gives."""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from catdog import CatDogError, __version__

MAX_BYTES = 20 * 2**20
REDIRECTS = 5
_HEADERS = {
    "User-Agent": f"catdog/{__version__}",
    "Accept": "image/*",
    "Accept-Encoding": "identity",
}


def is_address(text: object) -> bool:
    """Whether this is a web address, or another kind of address, rather than a path."""
    return isinstance(text, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


def shown(address: str) -> str:
    """Return an address as a message may show it: without user name and password."""
    return re.sub(r"//[^/@]*@", "//", address)


def _private(host: str | None) -> bool:
    """Whether a name leads into this computer or its own network; False if nobody knows it."""
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):  # perhaps a proxy knows it
        return False
    addresses = [ipaddress.ip_address(entry[4][0].split("%")[0]) for entry in found]
    return any(not (getattr(a, "ipv4_mapped", None) or a).is_global for a in addresses)


def fetch(address: str, max_bytes: int = MAX_BYTES, timeout: float = 30.0) -> bytes:
    """Return the bytes behind a web address; whether they are a photo, decoding them will show.

    The reader may ask this for anything that their own browser may ask, on their own network too.
    What is refused is to be led there by somebody else: a redirect from outside to inside.

    Args:
        timeout: in seconds, for all of it.

    Raises:
        CatDogError: it is no http or https address, cannot be reached, answers with an error,
            redirects too often or into the reader's own network, is too large or too slow.
    """
    name, deadline = shown(address), time.monotonic() + timeout
    try:
        for _ in range(REDIRECTS + 1):
            _check(address)
            with requests.get(
                address, headers=_HEADERS, stream=True, timeout=timeout / 2, allow_redirects=False
            ) as answer:
                if not answer.is_redirect:
                    return _body(answer, name, max_bytes, timeout, deadline)
                target = urljoin(address, answer.headers["location"])
            _check(target)
            if _private(urlsplit(target).hostname) and not _private(urlsplit(address).hostname):
                raise CatDogError(
                    f"{name} redirects into your own network, to {shown(target)}: refused. If that "
                    "is what you want, give that address yourself."
                )
            address = target
    except requests.Timeout:
        raise CatDogError(f"{name} did not answer within {timeout:g} s. Try again later.") from None
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise CatDogError(
            f"{name} could not be reached ({type(error).__name__}). Is the address right, and this "
            "computer online?"
        ) from None
    raise CatDogError(f"{name} redirects more than {REDIRECTS} times.")


def _check(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise CatDogError(
            f"{shown(address)}: only addresses that begin with http:// or https:// are read. "
            "Name a file by its path."
        )


def _body(answer, name: str, max_bytes: int, timeout: float, deadline: float) -> bytes:
    if not answer.ok:
        raise CatDogError(f"{name} answers {answer.status_code} {answer.reason}.")
    blob = bytearray()
    for part in answer.iter_content(2**16):
        blob += part
        if len(blob) > max_bytes:
            raise CatDogError(
                f"{name} is larger than {max_bytes / 2**20:.2g} MB: no photo is read."
            )
        if time.monotonic() > deadline:
            raise CatDogError(f"{name} took longer than {timeout:g} s. Try again later.")
    return bytes(blob)
