"""From where, and at which commit, the machine fetches the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from catdog import CatDogError
from catdog.core import paths


def project(repository: str | None = None, commit: str | None = None) -> tuple[str, str, list[str]]:
    """Return the project's https address and commit for the machine to clone, and any warnings.

    Raises:
        CatDogError: there is none, the machine could not read it, or it has no commit of here.
    """
    if not repository:
        repository = _git("remote", "get-url", "origin")
        if not repository:
            raise CatDogError(
                "this folder was not cloned from anywhere, and the machine needs an address to "
                "clone the project from: name one with --repository https://… --commit …"
            )
    address = re.sub(r"^(ssh://)?git@([^:/]+)[:/]", r"https://\2/", repository)
    address = re.sub(r"^([a-z+]+://)[^/]*@", r"\1", address)  # a password is not for others
    if not re.fullmatch(r"https://[A-Za-z0-9._~/-]+", address):
        raise CatDogError(
            f"the machine cannot clone from {address!r}: it takes an https:// address that asks "
            "for no password. Name one with --repository."
        )
    if shutil.which("git"):
        _check_public(address)
    if commit:
        full = _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}") or commit
        if not re.fullmatch(r"[0-9a-f]{40}", full):
            raise CatDogError(f"{commit!r} is not a commit here: name it by its 40 digits.")
        return address, full, []
    return address, *_pushed(address)


def _pushed(address: str) -> tuple[str, list[str]]:
    """Return the newest commit of here that is at the address, and warnings of what is not."""
    warnings, head = [], _git("rev-parse", "HEAD")
    if not head:
        raise CatDogError("this folder has no commit: name one with --commit.")
    if not _git("branch", "-r", "--list", "origin/*", "--contains", head):
        own = _git("rev-list", "--boundary", "HEAD", "--not", "--remotes=origin").split()
        common = next((one[1:] for one in own if one.startswith("-")), None)
        if not common:
            raise CatDogError(
                f"no commit of this folder is known to be at {address}, from where the machine "
                "would fetch it: name one with --commit."
            )
        warnings.append(
            f"your own commits since {common[:10]} are not at {address} and will not be on the "
            "machine: 'git push' first if you may, or copy files there with 'catdog aws send'."
        )
        head = common
    if _git("status", "--porcelain", "--untracked-files=no"):
        warnings.append("what you changed here since your last commit will not be on the machine.")
    return head, warnings


def _check_public(address: str) -> None:
    """Make sure that the machine, which can sign in nowhere, can read the project.

    Raises:
        CatDogError: the address asks for a password, or nothing is there.
    """
    line = ["git", "-c", "credential.helper=", "ls-remote", "--quiet", address, "HEAD"]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CatDogError(
            f"the machine could not fetch the project from {address}: it is private, or not "
            "there. Name a public address with --repository."
        )


def _git(*words: str) -> str:
    if not shutil.which("git"):
        return ""
    done = subprocess.run(
        ["git", "-C", str(paths.ROOT), *words], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""
