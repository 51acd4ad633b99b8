"""Kernels: no message is missed, and one that makes no progress is given up."""

import asyncio
import queue
import time

import nbformat
import pytest
import zmq
import zmq.asyncio
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.session import Session
from jupyter_core.utils import run_sync

from catdog.book.kernels import Channel, Kernels, Notebook, Stalled

OUTPUT = """
import ipywidgets as widgets
from IPython.display import display
out = widgets.Output()
with out:
    out.clear_output(wait=True)
    print("inside")
display(widgets.VBox([widgets.FloatText(), out]))
"""


def notebook(*cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])


def execute(cells, **how):
    done = []
    client = Notebook(
        notebook(*cells),
        timeout=None,
        kernel_name="python3",
        on_cell_executed=lambda cell, cell_index, execute_reply: done.append(cell_index),
    )
    run_sync(Kernels(**how).execute)(client)
    return done


async def crossed(kind) -> dict | None:
    """Let a reply arrive while the client, which waits for it, is busy, then send before it looks.

    Returns the reply, or None when it lay unnoticed for two seconds.
    """
    with (
        zmq.Context() as far,
        zmq.asyncio.Context() as near,
        far.socket(zmq.ROUTER) as kernel,
        near.socket(zmq.DEALER) as client,
    ):
        session = Session(key=b"secret")
        client.connect(f"tcp://127.0.0.1:{kernel.bind_to_random_port('tcp://127.0.0.1')}")
        channel = kind(client, session)
        channel.send(session.msg("execute_request"))
        identity = kernel.recv_multipart()[0]
        waiting = asyncio.ensure_future(channel.get_msg(timeout=None))
        await asyncio.sleep(0.1)  # now it waits for the socket's signal
        session.send(kernel, "execute_reply", ident=identity)
        time.sleep(0.2)  # the reply has come, and the event loop had no time to see it
        channel.send(session.msg("comm_msg"))  # takes the signal away
        session.send(kernel, "kernel_info_reply", ident=identity)  # another message wakes nobody
        try:
            return await asyncio.wait_for(waiting, 2)
        except TimeoutError:
            return None


def test_channel_notices_a_reply_that_crosses_what_it_sends():
    assert asyncio.run(crossed(Channel))["header"]["msg_type"] == "execute_reply"


def test_channel_is_still_needed():
    """If this fails, the library notices the reply by itself: take `Channel` out."""
    assert asyncio.run(crossed(AsyncZMQSocketChannel)) is None


def test_channel_says_empty_after_its_timeout():
    async def wait():
        started = time.monotonic()
        with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
            with pytest.raises(queue.Empty):
                await Channel(socket, Session(key=b"secret")).get_msg(timeout=0.5)
        return time.monotonic() - started

    assert 0.45 < asyncio.run(wait()) < 5


def test_a_thousand_output_widgets_never_stop_a_notebook():
    assert len(execute([OUTPUT] * 1000, stall=30)) == 1000


def test_a_kernel_that_waits_for_ever_is_given_up():
    with pytest.raises(Stalled, match="neither computed nor sent"):
        execute(["print(1)", "import threading; threading.Event().wait()"], stall=3)


def test_a_kernel_that_computes_or_prints_is_not_given_up():
    compute = "import time; until = time.time() + 6\nwhile time.time() < until: pass"
    talk = "for _ in range(12): print('.', flush=True); time.sleep(0.5)"
    assert execute(["import time", compute, talk], stall=3) == [0, 1, 2]
