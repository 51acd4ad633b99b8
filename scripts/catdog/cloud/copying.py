"""Files to the machine and back, over SSH: resumed where a connection broke, and compared."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from catdog import CatDogError
from catdog.cloud.tunnel import Machine
from catdog.core import files

# Prints hash, size in bytes and name of each file whose name it reads, if it is there.
LIST = """while IFS= read -r f; do
    if [ -f "$f" ]; then
        printf '%s %s %s\\n' "$(sha256sum < "$f" | cut -c-64)" "$(stat -c %s -- "$f")" "$f"
    fi
done"""
Listing = dict[str, tuple[str, int]]


def listing(machine: Machine, folder: str, names: Sequence[str]) -> Listing:
    """Return hash and size of those files of the machine's folder that are there."""
    script = f"cd -- {shlex.quote(folder)} && {LIST}"
    return read(machine.run(["sh", "-c", script], 600, "".join(f"{name}\n" for name in names)))


def read(said: str) -> Listing:
    lines = (line.split(" ", 2) for line in said.splitlines())
    return {name: (hash, int(size)) for hash, size, name in lines}


def send(machine: Machine, paths: Sequence[Path], folder: str) -> None:
    """Copy files, or folders with all that is in them, into a folder of the machine.

    What is there already is not sent again, and what is there in part is completed.

    Raises:
        CatDogError: a path is missing, the connection breaks, or what arrived is not the same.
    """
    local: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise CatDogError(f"{path} is not there.")
        inside = [p for p in sorted(path.rglob("*")) if p.is_file()] if path.is_dir() else [path]
        local |= {p.relative_to(path.parent).as_posix(): p.resolve() for p in inside}
    if odd := [p for p in local.values() if not re.fullmatch(r"[^\"\\\n]+", p.as_posix())]:
        raise CatDogError(f"{str(odd[0])!r} has signs in its name that cannot be sent: rename it.")
    hashes = {name: files.sha256(path) for name, path in local.items()}
    folders = {f"{folder}/{name}".rpartition("/")[0] for name in local}
    machine.run(["xargs", "-d", "\n", "mkdir", "-p", "--"], 60, "\n".join(sorted(folders)))
    for resume in (True, False):  # what was begun with another file is sent anew
        there = listing(machine, folder, list(local))
        missing = [name for name in local if there.get(name, ("",))[0] != hashes[name]]
        if not missing:
            return
        commands = []
        for name in missing:
            begun = name in there and there[name][1] < local[name].stat().st_size
            word = "reput" if resume and begun else "put"
            commands.append(f'{word} "{local[name].as_posix()}" "{folder}/{name}"')
        if not machine.copy(commands, Path.cwd()):
            break
    there = listing(machine, folder, list(local))
    if wrong := [name for name in local if there.get(name, ("",))[0] != hashes[name]]:
        raise CatDogError(
            f"{wrong[0]} could not be copied whole to {folder}/ there. Is its disk full ('df -h' "
            "in a terminal there)? Else run again: it goes on where it stopped."
        )


def fetch(machine: Machine, folder: str, wanted: Listing, into: Path) -> None:
    """Bring files of a folder of the machine into one of here; each gets its name when it is whole.

    What is there already is not fetched again, and what is there in part is completed.

    Raises:
        CatDogError: a name leads elsewhere, another file is in its place, the disk is full, or
            the connection breaks.
    """
    missing = []
    for name, (hash, _) in wanted.items():
        if not re.fullmatch(r"[\w.+/-]+", name) or ".." in name.split("/") or name[0] in "/-":
            raise CatDogError(f"the machine offers a file called {name!r}, which leads elsewhere.")
        path = into / name
        if not path.exists():
            missing.append(name)
        elif files.sha256(path) != hash:
            raise CatDogError(f"{path} is there but is another file. Move it away, then run again.")
    commands = []
    for name in missing:
        part = into / f"{name}.part"
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise files.cannot_write(into, error) from error
        if part.exists() and part.stat().st_size > wanted[name][1]:
            part.unlink()  # ours, of a file that was larger then
        commands.append(f'reget "{folder}/{name}" "{name}.part"')
    if not commands:
        return
    whole = machine.copy(commands, into)
    for name in missing:
        part = into / f"{name}.part"
        if not part.exists() or part.stat().st_size < wanted[name][1]:
            raise CatDogError(
                f"{name} could not be brought here whole. Is this computer's disk full? Make "
                "room, then run again: it goes on where it stopped."
            )
        if not whole or files.sha256(part) != wanted[name][0]:
            part.unlink()
            raise CatDogError(f"{name} has changed on the machine meanwhile. Run again.")
        part.rename(into / name)
