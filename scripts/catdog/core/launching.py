"""Several processes at one training, on one machine or on many: each makes its share of the photos.

Somebody starts the same command once a process, with the three variables that Keras reads:
KERAS_DISTRIBUTION_JOB_ADDRESSES (host:port of process 0), KERAS_DISTRIBUTION_NUM_PROCESSES and
KERAS_DISTRIBUTION_PROCESS_ID. Process 0 alone writes and speaks.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import keras

from catdog import CatDogError
from catdog.core import processes, starting

ADDRESS = "KERAS_DISTRIBUTION_JOB_ADDRESSES"
NUMBER = "KERAS_DISTRIBUTION_NUM_PROCESSES"
ID = "KERAS_DISTRIBUTION_PROCESS_ID"
WAIT = 300.0  # seconds: machines that were ordered together do not start together
AGAIN = "Run the same command again everywhere: it goes on from the last whole epoch."


def asked_for() -> int:
    """Return how many processes the environment names, 1 if it names none."""
    return _environment()[1]


@contextlib.contextmanager
def joined(wait: float = WAIT):
    """Within this context the processes that the environment names are one training.

    Raises:
        CatDogError: one of them is missing after so many seconds, or the environment is wrong.
    """
    address, several, which = _environment()
    if several == 1:
        yield
        return
    import jax

    _must_be_reached(address)
    _meet(address, several, which, wait)
    jax.config.update("jax_enable_preemption_service", False)  # else SIGTERM would end nothing
    starting.tensorflow()  # which Keras imports for its seed, and less quietly
    keras.utils.set_random_seed(1)  # else it asks the others for one
    keras.distribution.initialize()
    atexit.register(_abandon)
    processes.take_place(which, several)
    with _only_the_first_speaks(which), _losses_said():
        yield
        jax.distributed.shutdown()
    atexit.unregister(_abandon)


def _environment() -> tuple[str, int, int]:
    """Return the address of process 0, how many there are, and which this is."""
    several = os.environ.get(NUMBER, "1")
    if several == "1":
        return "", 1, 0
    address, which = os.environ.get(ADDRESS, "").split(",")[0], os.environ.get(ID, "")
    if not several.isdigit() or int(several) < 1:
        raise CatDogError(f"{NUMBER} is {several!r}: set it to the number of processes.")
    if not which.isdigit() or int(which) >= int(several):
        raise CatDogError(
            f"{ID} is {which!r}: set it to a number from 0 to {int(several) - 1}, another one for "
            "each process."
        )
    if not address.rpartition(":")[2].isdigit():
        raise CatDogError(f"{ADDRESS} is {address!r}: set it to host:port of process 0.")
    must_be_jax()
    return address, int(several), int(which)


def must_be_jax() -> None:
    """Raise a CatDogError where Keras has another backend."""
    if keras.backend.backend() != "jax":
        raise CatDogError("several processes need the backend JAX: set KERAS_BACKEND=jax.")


def _must_be_reached(address: str) -> None:
    """Without GPUs, processes find each other by the names of their machines: see that ours leads
    to more than this machine, if the others are elsewhere."""
    host, name = address.rpartition(":")[0], socket.gethostname()
    with contextlib.suppress(OSError):
        near = [socket.gethostbyname(one).startswith("127.") for one in (name, host)]
        if near == [True, False]:
            raise CatDogError(
                f"this machine's own name, {name}, leads to itself alone: write the address that "
                "the other machines reach it at beside its name in /etc/hosts."
            )


def _meet(address: str, several: int, which: int, wait: float) -> None:
    """Wait until all are there, or say who is missing: JAX aborts after minutes, and names none."""
    host, _, port = address.rpartition(":")
    until = time.monotonic() + wait
    if which:
        said = _hear(host, int(port), which, until)
        if said != "go":
            raise CatDogError(
                said
                or f"process 0 does not answer at {address}: start it, and see that this "
                "machine reaches that port."
            )
        return
    lines: dict[int, socket.socket] = {}
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        server = socket.create_server(("", int(port)), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise CatDogError(
            f"port {port} cannot be used here ({error.strerror}): name another one in {ADDRESS}."
        ) from None
    with server:
        while len(lines) < several - 1 and (left := until - time.monotonic()) > 0:
            server.settimeout(left)
            with contextlib.suppress(OSError):
                line, _ = server.accept()
                line.settimeout(5)
                other = int.from_bytes(line.recv(4), "big")
                if 0 < other < several:
                    lines[other] = line
    missing = [str(i) for i in range(1, several) if i not in lines]
    said = "go"
    if missing:
        said = (
            f"process {', '.join(missing)} of 0 to {several - 1} did not come within {wait:.0f} s: "
            f"start it with {ID}={missing[0]}, and see that its machine reaches {address}."
        )
    for line in lines.values():
        with contextlib.suppress(OSError):
            line.sendall(said.encode())
        line.close()
    if missing:
        raise CatDogError(said)


def _hear(host: str, port: int, which: int, until: float) -> str:
    """Tell process 0 which this is; return what it says, or "" if it says nothing in time."""
    while (left := until - time.monotonic()) > 0:
        try:
            with socket.create_connection((host, port), left) as line:
                line.sendall(which.to_bytes(4, "big"))
                line.settimeout(left + 10)
                with line.makefile() as words:
                    return words.read()
        except OSError:
            time.sleep(0.5)
    return ""


@contextlib.contextmanager
def _only_the_first_speaks(which: int):
    """Libraries in C print to stderr instead of stdout, and other processes no results at all."""
    sys.stdout.flush()
    if which:
        os.environ["TQDM_DISABLE"] = "1"
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        yield
        return
    real = os.dup(1)
    ours = sys.stdout if sys.stdout.fileno() != 1 else open(real, "w", buffering=1, closefd=False)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(ours):
            yield
    finally:
        ours.flush()
        os.dup2(real, 1)


@contextlib.contextmanager
def _losses_said():
    try:
        yield
    except CatDogError:
        raise
    except Exception as error:
        if any(word in str(error) for word in ("Gloo", "NCCL", "CoordinationService")):
            raise CatDogError(f"another process has ended. {AGAIN}") from error
        raise


def _abandon() -> None:
    """End at once: else JAX would wait, for minutes, for others who wait for this process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def start(wanted: int | None) -> None:
    """Where no launcher has started so many processes, start this command so many times here.

    It does not return from that but by an error.

    Raises:
        CatDogError: a launcher has started another number, or as from `run`.
        SystemExit: all have ended well.
    """
    several = asked_for()
    if wanted in (None, several):
        return
    if several > 1:
        raise CatDogError(f"{wanted} processes are wanted, but {NUMBER} is {several}.")
    must_be_jax()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which ends the others, too
    run([sys.executable, "-m", "catdog", *sys.argv[1:]], wanted)
    sys.exit(0)


def run(line: list[str], several: int, **how) -> None:
    """Run a command as so many processes on this machine, until all have ended.

    Each sees a GPU of its own, if there are GPUs.

    Args:
        how: further arguments of `subprocess.Popen`.

    Raises:
        CatDogError: one of them ended too early: then the others are ended, too.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(several)))).split(",")
    running: list[subprocess.Popen] = []
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for this process alone
    try:
        for i in range(several):
            environment = {ADDRESS: address, NUMBER: str(several), ID: str(i)}
            environment["CUDA_VISIBLE_DEVICES"] = gpus[i] if i < len(gpus) else ""
            running.append(subprocess.Popen(line, env=os.environ | environment, **how))
        signal.signal(signal.SIGINT, before)
        while (codes := [one.poll() for one in running]).count(0) < several:
            for i, code in sorted(enumerate(codes), key=lambda pair: pair[1] or 0):
                if code:  # one that was killed comes before those that it has left
                    raise CatDogError(f"process {i} of {several} ended with {code}. {AGAIN}")
            time.sleep(0.1)
    finally:
        signal.signal(signal.SIGINT, before)
        for one in running:
            one.kill()
            one.wait()
