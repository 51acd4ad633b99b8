"""Execute chapters on the machine, watch them, and bring back what they made.

Over there it is `catdog run`, as a service of the user's systemd: it goes on whether anyone
watches or not. What it prints, and how it ended, stands in files in `.catdog/run`. All this goes
through the SSH that is there.
"""

from __future__ import annotations

import datetime
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from catdog import CatDogError
from catdog.book import execute
from catdog.cloud import copying, tunnel
from catdog.cloud.tunnel import Machine
from catdog.core import paths

# Shell scripts for over there. A service of the user's systemd has this name.
SYSTEMD = """export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"
unit=catdog-run; cd; mkdir -p .catdog/run; cd .catdog/run
"""
# How the last run is, then its name and what it was asked for.
LOOK = f"""{SYSTEMD}
if systemctl --user is-active --quiet $unit; then echo running
elif [ ! -e order ]; then echo none
elif [ -e fetched ]; then echo fetched
elif [ -e status ]; then echo "ended $(cat status)"
else echo broken; fi
cat order 2>/dev/null || true"""
# What the service does: $1 is the order, then come the words of `catdog run`. What an earlier run
# made that was not brought back is brought back with this one: hence "started" stays.
WORK = """cd ~/.catdog/run
if [ -e fetched ] || [ ! -e started ]; then touch started; fi
rm -f fetched status; : > log
printf '%s\\n' "$1" > order.part && mv order.part order
shift
cd ~/project
.venv/bin/catdog run "$@" >> ~/.catdog/run/log 2>&1
echo $? > ~/.catdog/run/status"""
# systemd begins no second service of the same name: then another reader was quicker. The script
# goes by way of a file: in arguments, systemd would fill in variables itself.
START = f"""{SYSTEMD}
printf '%s\\n' {shlex.quote(WORK)} > work.$$ && mv work.$$ work
systemd-run --user --quiet --collect --unit=$unit --property=KillSignal=SIGINT \
--property=TimeoutStopSec=60 sh ~/.catdog/run/work "$@" && for i in $(seq 100); do
    if [ "$(cat order 2>/dev/null)" = "$1" ]; then break; fi
    sleep 0.05
done
{LOOK}"""
STOP = f"{SYSTEMD} systemctl --user stop $unit"
# Prints the log from a byte on, until the service has ended.
FOLLOW = f"""{SYSTEMD}
pid=$(systemctl --user show --property=MainPID --value $unit)
if [ "${{pid:-0}}" = 0 ]; then exec tail -c "+$1" log
else exec tail -s 0.2 -c "+$1" -F --pid="$pid" log 2>/dev/null; fi"""
# The executed chapters, and the records and models that are newer than the run's beginning.
MADE = f"""cd ~/project/runs && {{ printf '%s\\n' "$@"
find . -name '*.part' -prune -o -path ./remote -prune -o \
\\( -name record.json -o -name '*.keras' \\) -newer ~/.catdog/run/started -printf '%P\\n'
}} | {copying.LIST}"""


@dataclass(frozen=True)
class Run:
    """The machine's last run.

    Attributes:
        state: none, running, broken (it was cancelled, or the machine stopped), ended, fetched.
        code: its exit status, once it has ended.
        name: when it began, as 2026-01-31-120000. words: what `catdog run` was asked for.
    """

    state: str
    code: int = 0
    name: str = ""
    words: tuple[str, ...] = ()


def last(machine: Machine) -> Run:
    """Return how the machine's last run is."""
    return _read(machine.run(["sh", "-c", LOOK]))


def _read(said: str) -> Run:
    state, _, order = said.partition("\n")
    state, _, code = state.partition(" ")
    name, *words = shlex.split(order) or [""]
    if not all(sign.isdigit() or sign == "-" for sign in name):
        raise CatDogError(f"the machine calls its run {name!r}: that is none of ours.")
    return Run(state, int(code or 0), name, tuple(words))


def run(
    machine: Machine,
    names: list[str] | None = None,
    scale: str = "sample",
    force: bool = False,
    again: str = "catdog aws run",
    say: Callable[[str], object] = print,
) -> int:
    """Execute chapters on the machine, or watch them if it is at it already; bring them back.

    They arrive in `runs/remote/`, in a folder of their own. Ctrl-C stops watching, not the run.

    Args:
        names, scale, force: as for `execute.run`.
        again: the command that this is, to be quoted in messages.

    Returns:
        the exit status of `catdog run`, 130 after Ctrl-C.

    Raises:
        CatDogError: no connection, another run is going on there, or a file could not be brought
            back.
    """
    stems = [path.stem for path in execute.chapters(names)]
    words = ("--scale", scale, *stems)
    found = last(machine)
    if found.state == "running":
        if found.words != words:
            raise CatDogError(
                f"the machine executes other chapters: {shlex.join(found.words)}. Wait for it, "
                f"watch it by naming the same, or stop it: {again} --cancel"
            )
        say(f"Watching the run that began at {found.name}.")
    elif found.state == "ended" and found.words == words and not force:
        say(f"The run of {found.name} has ended meanwhile.")
    else:
        if found.state == "broken":
            say(f"The run of {found.name} broke off. What it finished is not done again.")
        found = _start(machine, words, force)
    try:
        found = _watch(machine, found, say)
    except KeyboardInterrupt:
        say(f"\nNo longer watching; the run goes on over there. To watch it again: {again}")
        say(f"To stop it: {again} --cancel")
        return 130
    if found.state == "broken":
        raise CatDogError(
            "the run was stopped before its end, or the machine was out of memory. Run the same "
            "command again; what was finished is not done again."
        )
    into = tunnel.patiently(lambda: _fetch(machine, found, stems, scale), say)
    say(f"\nThe executed chapters, records and models: {into}")
    return found.code


def cancel(machine: Machine, say: Callable[[str], object] = print) -> int:
    """Stop the run that is going on; what it has finished stays. Return 1 if there is none."""
    found = last(machine)
    if found.state != "running":
        say("No run is going on there.")
        return 1
    machine.run(["sh", "-c", STOP], 90)
    say(f"Stopped the run that began at {found.name}. What it finished stays there.")
    return 0


def _start(machine: Machine, words: tuple[str, ...], force: bool) -> Run:
    """Begin a run and return it; another reader's, if that began in the same moment."""
    name = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d-%H%M%S}"
    order = shlex.join([name, *words])
    given = [order, *words, *(["--force"] if force else [])]
    found = _read(machine.run(["sh", "-c", START, "sh", *given]))
    for _ in range(50):
        if found.name == name or (found.state == "running" and found.words == words):
            return found
        found = last(machine)
    raise CatDogError("the machine did not begin the run. Run again.")


def _watch(machine: Machine, found: Run, say: Callable[[str], object]) -> Run:
    """Show what the run prints until it has ended; return how it ended."""
    shown = 0

    def follow() -> None:
        nonlocal shown
        line = [*machine.command(), "-T", machine.destination]
        line.append(shlex.join(["sh", "-c", FOLLOW, "sh", str(shown + 1)]))
        with subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                while blob := process.stdout.read1(65536):  # type: ignore[union-attr]
                    shown += len(blob)
                    sys.stdout.write(blob.decode(errors="replace"))
                    sys.stdout.flush()
            except BaseException:
                process.terminate()
                raise
            said = process.stderr.read().decode(errors="replace")  # type: ignore[union-attr]
        if process.returncode:
            raise machine.error(said)

    while True:
        tunnel.patiently(follow, say)
        now = tunnel.patiently(lambda: last(machine), say)
        if now.state != "running" or now.name != found.name:
            return now


def _fetch(machine: Machine, found: Run, stems: list[str], scale: str) -> Path:
    chapters = [f"notebooks/{scale}/{stem}.ipynb" for stem in stems]
    wanted = copying.read(machine.run(["sh", "-c", MADE, "sh", *chapters], 600))
    into = paths.RUNS / "remote" / found.name
    copying.fetch(machine, "project/runs", wanted, into)
    machine.run(["touch", ".catdog/run/fetched"])
    return into
