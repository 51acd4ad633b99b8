"""Get one photo from a web address that the reader gives."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import threading
import time
from typing import TypeGuard
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.util.connection import allowed_gai_family

from catdog import CatDogError, __version__

MAX_BYTES = 20 * 2**20
REDIRECTS = 5
_HEADERS = {
    "User-Agent": f"catdog/{__version__}",
    "Accept": "image/*",
    "Accept-Encoding": "identity",
}


def is_address(text: object) -> TypeGuard[str]:
    """Whether this is a web address, or another kind of address, rather than a path."""
    return isinstance(text, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


def shown(address: str) -> str:
    """Return an address as a message may show it: without user name and password."""
    return re.sub(r"//[^/@]*@", "//", address)


def _inside(address: str) -> bool:
    """Whether a number leads into this computer or its own network."""
    found = ipaddress.ip_address(address.split("%")[0])
    return not (getattr(found, "ipv4_mapped", None) or found).is_global


def _private(address: str) -> bool:
    """Whether a web address leads there; False if nobody knows its name."""
    try:
        found = socket.getaddrinfo(urlsplit(address).hostname, None)
        return any(_inside(str(entry[4][0])) for entry in found)
    except (OSError, UnicodeError):  # perhaps a proxy knows it
        return False


class _Inside(Exception):
    """A redirect from outside has led inside."""


class _Line(HTTPAdapter):
    """Connections that all end at a deadline, and none of which leads from outside inside.

    Attributes:
        outside: whether something outside has answered, not through a proxy.
        late: whether the deadline has passed.
    """

    def __init__(self, timeout: float):
        self.outside = self.late = False
        self.deadline = time.monotonic() + timeout
        self._sockets: list[socket.socket] = []
        self._pools = {}
        for scheme, pool, connection in (
            ("http", HTTPConnectionPool, HTTPConnection),
            ("https", HTTPSConnectionPool, HTTPSConnection),
        ):
            own = type("Connection", (_Connection, connection), {"line": self})
            self._pools[scheme] = type("Pool", (pool,), {"ConnectionCls": own})
        super().__init__()
        self._timer = threading.Timer(timeout, self._hang_up)
        self._timer.daemon = True
        self._timer.start()

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy, **kwargs):
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # those have connections of their own
            manager.pool_classes_by_scheme = self._pools
        return manager

    def left(self) -> float:
        """Return the seconds until the deadline."""
        return max(0.01, self.deadline - time.monotonic())

    def watch(self, connected: socket.socket) -> None:
        self._sockets.append(connected.dup())  # TLS takes the other away
        if self.late:
            self._hang_up()

    def _hang_up(self) -> None:
        """End what waits for a byte: each byte that drips begins a timeout of its own anew."""
        self.late = True
        for connected in self._sockets:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._timer.cancel()
        super().close()
        for connected in self._sockets:
            connected.close()


class _Connection:
    """Looks a name up once, and connects to the very address that was checked."""

    line: _Line

    def _new_conn(self):
        name, direct, failed = self.host, self.proxy is None, OSError("it has no address")
        try:
            found = socket.getaddrinfo(name, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NameResolutionError(name, self, error) from error
        for i, (*_, where) in enumerate(found):
            outside = direct and not _inside(where[0])
            if direct and self.line.outside and not outside:
                raise _Inside
            try:  # TLS and the request go by the name
                self.host, self.timeout = where[0], self.line.left() / (len(found) - i)
                connected = super()._new_conn()
            except (ConnectTimeoutError, NewConnectionError) as error:
                failed = error
                continue
            finally:
                self.host = name
            self.line.outside |= outside
            self.line.watch(connected)
            return connected
        raise failed


def fetch(address: str, max_bytes: int = MAX_BYTES, timeout: float = 30.0) -> bytes:
    """Return the bytes behind a web address; whether they are a photo, decoding them will show.

    The reader may ask this for anything that their own browser may ask, on their own network too.
    What is refused is to be led there by somebody else: a redirect from outside to inside.

    Args:
        timeout: in seconds, for all of it but the look-up of names.

    Raises:
        CatDogError: it is no http or https address, cannot be reached, answers with an error,
            redirects too often or into the reader's own network, is too large or too slow.
    """
    name, line = shown(address), _Line(timeout)
    target = address
    try:
        with requests.Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, line)
            for _ in range(REDIRECTS + 1):
                _check(target)
                # through a proxy this is all that can be known
                if target != address and _private(target) and not _private(address):
                    raise _Inside
                address = target
                with session.get(
                    address,
                    headers=_HEADERS,
                    stream=True,
                    timeout=line.left(),
                    allow_redirects=False,
                ) as answer:
                    if not answer.is_redirect:
                        blob = _body(answer, name, max_bytes)
                        if line.late:  # and it was cut off there
                            raise requests.Timeout
                        return blob
                    target = urljoin(address, answer.headers["location"])
    except _Inside:
        raise CatDogError(
            f"{name} redirects into your own network, to {shown(target)}: refused. If that "
            "is what you want, give that address yourself."
        ) from None
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        if line.late or isinstance(error, requests.Timeout):
            why = f"{name} took longer than {timeout:g} s. Try again later."
            raise CatDogError(why) from None
        raise CatDogError(
            f"{name} could not be reached ({type(error).__name__}). Is the address right, and this "
            "computer online?"
        ) from None
    finally:
        line.close()
    raise CatDogError(f"{name} redirects more than {REDIRECTS} times.")


def _check(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise CatDogError(
            f"{shown(address)}: only addresses that begin with http:// or https:// are read. "
            "Name a file by its path."
        )


def _body(answer, name: str, max_bytes: int) -> bytes:
    if not answer.ok:
        raise CatDogError(f"{name} answers {answer.status_code} {answer.reason}.")
    blob = bytearray()
    for part in answer.iter_content(2**16):
        blob += part
        if len(blob) > max_bytes:
            raise CatDogError(
                f"{name} is larger than {max_bytes / 2**20:.2g} MB: no photo is read."
            )
    return bytes(blob)
