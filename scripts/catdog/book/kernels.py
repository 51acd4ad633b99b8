"""Execute notebooks in kernels of their own that never hang in silence, and can all be stopped."""

from __future__ import annotations

import asyncio
import queue
import threading
import time

import psutil
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from traitlets import Type

from catdog import CatDogError
from catdog.core import resources

LOOK = 0.2  # seconds after which a channel looks again for a message
STALL = 300.0  # seconds without any progress after which a chapter is given up
IDLE = 0.01  # of one processor: a kernel that computes less than this does not compute


class Channel(AsyncZMQSocketChannel):
    """A channel to a kernel that does not miss a message which comes while it sends one.

    ZeroMQ signals a message once, by its socket's file descriptor becoming readable, and any other
    use of the socket takes that signal away. `jupyter_client` sends by a plain shadow of the
    asyncio socket, so asyncio, which waits for the signal, hears nothing of what arrived just
    before: the message lies there, and as long as it does, no later one signals either. It happens
    where the client answers a kernel that has just finished, as it does for each
    `ipywidgets.Output` (jupyter/nbclient#312, jupyter/jupyter_client#1059). A new poll looks at
    the socket itself, so waiting in pieces cannot miss it for longer than one piece.
    """

    async def get_msg(self, timeout: float | None = None) -> dict:
        """Return the next message; raise queue.Empty when none came for `timeout` seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LOOK if until is None else min(LOOK, max(0.0, until - time.monotonic()))
            try:
                return await super().get_msg(left)
            except queue.Empty:
                if until is not None and time.monotonic() >= until:
                    raise


class Client(AsyncKernelClient):
    """A kernel's client with such channels."""

    shell_channel_class = Type(Channel)
    iopub_channel_class = Type(Channel)
    stdin_channel_class = Type(Channel)
    control_channel_class = Type(Channel)


class Manager(AsyncKernelManager):
    """A kernel's manager with such clients."""

    client_factory = Type(Client)


class Notebook(NotebookClient):
    """A notebook and its kernel; counts what the kernel sent for the cells so far."""

    def __init__(self, notebook, **how):
        # ended at once: a kernel that is asked to end takes two seconds, and its outputs are here
        how = {"kernel_manager_class": Manager, "shutdown_kernel": "immediate", **how}
        super().__init__(notebook, **how)
        self.messages = 0

    def process_message(self, msg, cell, cell_index):
        """Take in a message of a running cell."""
        self.messages += 1
        return super().process_message(msg, cell, cell_index)

    def cpu_seconds(self) -> float:
        """Return what the kernel and the processes it started have computed, all cores added up."""
        try:
            kernel = psutil.Process(self.km.provisioner.pid)
            family = [kernel, *kernel.children(recursive=True)]
        except (psutil.NoSuchProcess, AttributeError):  # it has ended, or not begun
            return 0.0
        total = 0.0
        for process in family:
            try:
                used = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            ended = getattr(used, "children_user", 0.0) + getattr(used, "children_system", 0.0)
            total += used.user + used.system + ended
        return total

    def peak_memory_gb(self) -> float:
        """Return the kernel's largest resident memory so far, in GB; 0 where there is none."""
        try:
            return resources.peak_memory_gb(self.km.provisioner.pid)
        except (psutil.NoSuchProcess, AttributeError, OSError, ValueError):
            return 0.0

    async def stalled(self, after: float) -> None:
        """Return when the kernel has neither sent nor computed anything for `after` seconds.

        Time is counted in short waits of this program, so that a computer which slept, or a clock
        that was set, is not taken for a kernel that hangs.
        """
        wait = min(5.0, after / 3)
        seen, computed, still = self.messages, 0.0, 0.0
        while still < after:
            await asyncio.sleep(wait)
            now = self.cpu_seconds()
            moved = self.messages != seen or abs(now - computed) > IDLE * wait
            seen, computed, still = self.messages, now, 0.0 if moved else still + wait


class Stalled(CatDogError):
    """A chapter made no progress for so long that it was given up."""


class Kernels:
    """The kernels that execute chapters now, at most `jobs`: all of them can be stopped at once."""

    def __init__(self, jobs: int = 1, stall: float | None = STALL):
        self.jobs, self.stall, self.stopped = jobs, stall or None, False
        self._lock = threading.Lock()
        self._running = {}

    async def execute(self, client: Notebook, **how) -> None:
        """Execute a notebook in a kernel of its own, which ends with it.

        Raises:
            Stalled: the kernel made no progress for `stall` seconds.
        """
        with self._lock:
            if self.stopped:
                return
            task, before = asyncio.current_task(), asyncio.all_tasks()
            self._running[task] = asyncio.get_running_loop()
        work = asyncio.ensure_future(client.async_execute(**how))
        waits = {work}
        if self.stall:
            waits.add(asyncio.ensure_future(client.stalled(self.stall)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise Stalled(
                    f"no progress: for {self.stall:g} s its kernel has neither computed nor sent "
                    "anything, so it was ended. Run the same command again to go on with this "
                    "chapter; if a cell waits for something on purpose, give it longer with "
                    "catdog run --stall SECONDS (0: for ever)."
                )
            work.result()
        finally:
            with self._lock:
                del self._running[task]
            rest = asyncio.all_tasks() - before  # what nbclient began to watch the kernel, too
            for other in rest:
                other.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            if client.km is not None and client.km.has_kernel:  # it was stopped while it began
                await client.km.shutdown_kernel(now=True)

    def stop(self) -> None:
        """End them, from any thread; no other is started."""
        with self._lock:
            self.stopped = True
            for task, loop in self._running.items():
                loop.call_soon_threadsafe(task.cancel)
