"""Get photos from elsewhere, Microsoft's archive or Kaggle's, and organize them."""

from __future__ import annotations

import contextlib
import io
import os
import time
import zipfile
from pathlib import Path

import requests
from tqdm.auto import tqdm
from urllib3.exceptions import HTTPError

from catdog import CatDogError, no_bar
from catdog.core import files
from catdog.data import organizing

MICROSOFT_URL = (
    "https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F/"
    "kagglecatsanddogs_5340.zip"
)
MICROSOFT_SHA256 = "b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9"
COMPETITION = "dogs-vs-cats"
TIMEOUT = 30.0  # seconds in which a server sends nothing
NO_TOKEN = """\
Kaggle did not accept a token from this computer. To get one:
  1. Sign in at https://www.kaggle.com and accept the rules of the competition at
     https://www.kaggle.com/competitions/dogs-vs-cats/rules
  2. Under Settings, API, choose "Generate New Token".
  3. Save it as ~/.kaggle/access_token (or set the environment variable KAGGLE_API_TOKEN).
Then run this command again. Without an account: 'catdog data microsoft' has the same photos."""


def download(
    url: str, path: str | Path, sha256: str, attempts: int = 5, progress: bool = True
) -> Path:
    """Download a file, going on where an earlier or broken download stopped, and check it.

    The bytes gather in `path` + ".part", which becomes `path` only when its SHA-256 is right. While
    another program downloads the same, it waits.

    Raises:
        CatDogError: the server cannot be reached, refuses, or breaks off `attempts` times without
            sending anything new; the file is not the one that was expected; the disk is full.
    """
    path = Path(path)
    if not _is_there(path, sha256):
        with files.lock(path.with_name(f".{path.name}.lock"), "downloading", wait=None):
            if not _is_there(path, sha256):  # by the program that was waited for
                _download(url, path, sha256, attempts, progress)
    return path


def _is_there(path: Path, sha256: str) -> bool:
    if not path.exists():
        return False
    if files.sha256(path) != sha256:
        raise CatDogError(
            f"{path} is there but is not the file expected (its SHA-256 differs). "
            "Move it away, then run again."
        )
    return True


def _download(url: str, path: Path, sha256: str, attempts: int, progress: bool) -> None:
    part = path.with_name(path.name + ".part")
    try:
        _fetch(url, part, attempts, progress)
    except requests.RequestException as error:
        raise CatDogError(
            f"{url} could not be downloaded ({error.__class__.__name__}). Is this computer "
            "online? What has come so far is kept; run again to go on."
        ) from error
    except OSError as error:
        raise files.cannot_write(part, error) from error
    if (found := files.sha256(part)) != sha256:
        wrong = path.with_name(path.name + ".wrong")
        os.replace(part, wrong)
        raise CatDogError(
            f"{url} sent another file than expected (SHA-256 {found[:12]}…, not {sha256[:12]}…). "
            f"It is at {wrong}; it was not used. Run again to download it anew."
        )
    os.replace(part, path)


def _fetch(url: str, part: Path, attempts: int, progress: bool) -> None:
    failures, most = 0, part.stat().st_size if part.exists() else 0
    while True:
        have = part.stat().st_size if part.exists() else 0
        try:
            headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
                if answer.status_code == 416 and have:  # nothing is left to send
                    return
                answer.raise_for_status()
                if answer.status_code != 206:  # the server starts over
                    have = 0
                length = answer.headers.get("Content-Length")
                total = have + int(length) if length else None
                bar = tqdm(
                    total=total,
                    initial=have,
                    unit="B",
                    unit_scale=True,
                    desc=part.stem,
                    disable=no_bar(progress),
                )
                with bar, open(part, "ab" if have else "wb") as out:
                    for chunk in answer.iter_content(2**18):
                        out.write(chunk)
                        bar.update(len(chunk))
            if total is None or part.stat().st_size >= total:
                return
            raise requests.ConnectionError("the connection closed early")
        except requests.RequestException as error:
            code = error.response.status_code if isinstance(error, requests.HTTPError) else 500
            if code < 500 and code not in (408, 425, 429):  # these say: later
                raise CatDogError(
                    f"{url} was refused (HTTP {code}). The file may have moved: see the sources "
                    "in data/README.md for others."
                ) from error
            grown = part.stat().st_size if part.exists() else 0
            failures = 1 if grown > most else failures + 1  # one that starts over gets nowhere
            most = max(most, grown)
            if failures >= attempts:
                raise
        time.sleep(min(2**failures, 30) / 10)


def microsoft(
    root: str | Path = "data",
    name: str = "photos",
    n: int | None = None,
    ratio: float = 0.2,
    seed: int = 1,
    progress: bool = True,
    url: str = MICROSOFT_URL,
    sha256: str = MICROSOFT_SHA256,
) -> Path:
    """Download Microsoft's public archive of 25,000 photos (825 MB) and organize it."""
    archive = download(
        url, Path(root) / "downloads" / "kagglecatsanddogs_5340.zip", sha256, progress=progress
    )
    return organizing.organize(archive, root, name, n, ratio, seed, progress)


def kaggle(
    root: str | Path = "data",
    name: str = "photos",
    n: int | None = None,
    ratio: float = 0.2,
    seed: int = 1,
    progress: bool = True,
) -> Path:
    """Download the competition's train.zip and test1.zip with Kaggle's client; organize the first.

    Raises:
        CatDogError: no valid token, rules not accepted, no network, or a broken archive.
    """
    folder = Path(root) / "downloads" / "kaggle"
    archives = folder / "train.zip", folder / "test1.zip"
    api = None if all(map(_came, archives)) else _client()
    with files.lock(folder / ".lock", "downloading photos", wait=None):
        for file in archives:
            if not _came(file):
                _from_kaggle(api or _client(), folder, file.name, progress)
            if not zipfile.is_zipfile(file):
                raise CatDogError(f"{file} is not a whole archive. Move it away, then run again.")
    return organizing.organize(folder / "train.zip", root, name, n, ratio, seed, progress)


def _came(file: Path) -> bool:
    """Whether Kaggle's client has downloaded a file to its end."""
    return file.exists() and not file.with_name(f"{file.name}.kaggle-partial").exists()


def _client():
    """Kaggle's client, which its server knows by the reader's token."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
            return api
    except ModuleNotFoundError:
        raise CatDogError(
            "Kaggle's client is not installed: pip install --require-hashes -r requirements/cpu.txt"
        ) from None
    except SystemExit:
        raise CatDogError(NO_TOKEN) from None
    except requests.RequestException as error:
        raise CatDogError(
            f"Kaggle could not be reached ({error.__class__.__name__}). Is this computer online? "
            "Run again to go on."
        ) from error


def _from_kaggle(api, folder: Path, file: str, progress: bool) -> None:
    """Download a file of the competition, or what is missing of it."""
    try:
        api.competition_download_file(COMPETITION, file, str(folder), quiet=no_bar(progress))
    except requests.HTTPError as error:
        code = error.response.status_code
        raise CatDogError(
            f"Kaggle refused {file} (HTTP {code}). {NO_TOKEN}"
            if code in (401, 403, 404)
            else f"Kaggle answered HTTP {code} for {file}. Try again later."
        ) from error
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise CatDogError(
            f"{file} could not be downloaded ({error.__class__.__name__}). What has come "
            "so far is kept; run again to go on."
        ) from error
    except OSError as error:
        raise CatDogError(
            f"{folder / file} could not be written ({error.strerror or error}). Make room "
            "or choose another folder with --root, then run again."
        ) from error
