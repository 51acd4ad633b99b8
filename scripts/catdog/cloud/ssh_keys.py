"""The SSH keys: the reader's pair, and the machine's own, by which it is known again."""

from __future__ import annotations

import re
import time
from pathlib import Path

from catdog import CatDogError
from catdog.cloud.account import Account, Say

CONSOLE = 900  # seconds that AWS may take to show what a machine wrote to its console
POLL = 5.0  # seconds between two looks


def public_key(key: str | Path | None = None) -> str:
    """Read the public half of an SSH key as "type base64", without the comment.

    Args:
        key: the private key's file (or the public one's); None looks in ~/.ssh.

    Raises:
        CatDogError: there is none, or it is of a kind that EC2 does not take.
    """
    if key:
        path = Path(key).expanduser()
        path = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
        found = [path]
    else:
        folder = Path.home() / ".ssh"
        found = [folder / f"{n}.pub" for n in ("id_ed25519", "id_rsa")]
    for path in found:
        if path.is_file():
            kind, blob = (path.read_text("utf-8").split() + ["", ""])[:2]
            if kind in ("ssh-ed25519", "ssh-rsa") and re.fullmatch(r"[A-Za-z0-9+/=]+", blob):
                return f"{kind} {blob}"
            raise CatDogError(
                f"{path} is not a public key that EC2 takes (ed25519 or rsa). "
                "Make one with: ssh-keygen -t ed25519"
            )
    raise CatDogError(
        f"no SSH key was found ({' or '.join(str(p) for p in found)}). Make one with "
        "'ssh-keygen -t ed25519', or name yours with --key. Its private half never leaves this "
        "computer."
    )


def private_key_of(public: str) -> Path:
    """Find the private key in ~/.ssh whose public half is given.

    Raises:
        CatDogError: this computer does not have it.
    """
    for path in sorted((Path.home() / ".ssh").glob("*.pub")):
        if path.read_text("utf-8", errors="replace").split()[:2] == public.split():
            return path.with_suffix("")
    raise CatDogError(
        "the machine was started with an SSH key that is not in ~/.ssh: name it with --key."
    )


def remember_host_keys(
    account: Account, identity: str, known: Path, say: Say = print, wait: float = CONSOLE
) -> None:
    """Take the machine's host keys from its console, which AWS vouches for, before the first SSH.

    The machine writes them there at every start; AWS shows them some minutes later.

    Raises:
        CatDogError: they are not shown within `wait` seconds. Then nobody is believed.
    """
    if known.exists() and f"{identity} " in known.read_text("utf-8"):
        return
    deadline, told = time.monotonic() + wait, False
    while True:
        said = account.ec2.get_console_output(InstanceId=identity, Latest=True).get("Output", "")
        blocks = re.findall(r"BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY", said, re.S)
        found = r"\b((?:ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/=]+)"
        if blocks and (keys := re.findall(found, blocks[-1])):
            with open(known, "a", encoding="utf-8") as stream:
                stream.writelines(f"{identity} {key}\n" for key in keys)
            return
        if time.monotonic() > deadline:
            raise CatDogError(
                f"AWS shows no host keys in the console of {identity} yet, by which the machine "
                "is known to be yours, so nothing was sent. Try again in some minutes; or "
                "'catdog aws stop' and 'start': it shows them anew at each start."
            )
        if not told:
            say("  waiting for the machine's host keys in its console")
            told = True
        time.sleep(POLL)
