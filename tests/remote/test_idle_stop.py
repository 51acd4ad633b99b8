"""The watch that stops an idle machine: a fake clock, and a real Jupyter's record of activity."""

import importlib.util
import json
import os
import subprocess
import sys
import time

import pytest
import requests
import websocket
from far import answers, jupyter, wait_until

from catdog.cloud import tunnel
from catdog.core import paths

SCRIPT = paths.ROOT / "scripts" / "aws" / "idle_stop.py"
_spec = importlib.util.spec_from_file_location("idle_stop", SCRIPT)
idle_stop = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(idle_stop)

MINUTE, HOUR = 60, 3600


class FakeMachine(idle_stop.Machine):
    """A machine whose clock runs ahead: nobody waits, and nothing is shut down."""

    def __init__(self, up=0.0):
        self.began, self.skipped = time.time() - up, 0.0
        self.now_load, self.now_gpu, self.now_typed = 0.0, None, None
        self.warnings, self.shut_down = [], 0
        self.at = {}  # minute: what happens then

    def wall(self):
        return time.time() + self.skipped

    def up(self):
        return self.wall() - self.began

    def sleep(self, seconds):
        self.skipped += seconds
        for minute in sorted(m for m in self.at if self.up() >= m * MINUTE):
            self.at.pop(minute)()

    def load(self):
        return self.now_load

    def gpu(self):
        return self.now_gpu

    def typed(self):
        return self.now_typed

    def warn(self, text):
        self.warnings.append(text)

    def shutdown(self):
        self.shut_down += 1
        return True


def watch(running, machine, idle=30, hours=8, token_file=None):
    asked = idle_stop.Jupyter(running.url, token_file or running.token_file)
    lines = []
    one = idle_stop.Watch(machine, asked, idle, hours, say=lambda text, **_: lines.append(text))
    one.lines = lines
    return one


@pytest.fixture
def kernel(local_jupyter):
    """A kernel of its own, which ends with the test."""
    client = local_jupyter.client
    id = client.new_kernel("")
    yield id
    client.end_kernel(id)


def make_busy(client, id):
    busy = lambda: client.kernel(id) == "busy"  # noqa: E731
    client.execute(id, "import time\ntime.sleep(600)", busy)


def minutes(machine):
    return machine.up() / MINUTE


def test_an_open_but_idle_notebook_does_not_keep_the_machine_up(local_jupyter, kernel):
    client, machine = local_jupyter.client, FakeMachine()
    client.execute(kernel, "1 + 1", lambda: False)
    url = f"ws://127.0.0.1:{local_jupyter.port}/api/kernels/{kernel}/channels"
    tab = websocket.create_connection(url, header=[client.header])
    wait_until(lambda: client.get(f"api/kernels/{kernel}")["connections"] == 1)
    watch(local_jupyter, machine).run(every=MINUTE)
    tab.close()
    assert machine.shut_down == 1
    assert 29.5 <= minutes(machine) <= 32
    texts = "\n".join(machine.warnings)
    assert "stops in 5 min: nobody is using it" in texts and "stops in 1 min" in texts
    assert len(machine.warnings) == 3


def test_a_busy_kernel_keeps_the_machine_up_until_the_hard_limit(local_jupyter, kernel):
    make_busy(local_jupyter.client, kernel)
    machine = FakeMachine()
    one = watch(local_jupyter, machine, hours=5)
    one.run(every=5 * MINUTE)
    assert machine.shut_down == 1
    assert 300 <= minutes(machine) <= 306
    assert "limit" in one.lines[-1] and "is busy" in one.lines[-1]
    assert [text[:30].split(":")[0] for text in machine.warnings[:3]] == [
        "This machine stops in 15 min",
        "This machine stops in 5 min",
        "This machine stops now",
    ]


def test_the_idle_minutes_begin_when_the_kernel_is_done(local_jupyter, kernel):
    client, machine = local_jupyter.client, FakeMachine()
    make_busy(client, kernel)

    def done():
        client.interrupt(kernel)
        wait_until(lambda: client.kernel(kernel) == "idle")

    machine.at[90] = done
    watch(local_jupyter, machine).run(every=MINUTE)
    assert 118 <= minutes(machine) <= 122


def test_what_was_active_a_moment_ago_counts(local_jupyter, kernel):
    client = local_jupyter.client
    one = watch(local_jupyter, FakeMachine(up=HOUR))
    client.execute(kernel, "1 + 1", lambda: False)
    one.used -= 29 * MINUTE
    assert one.check() is None and "was active" in one.what
    assert one.machine.up() - one.used < MINUTE


def test_a_terminal_counts_while_it_is_used(local_jupyter):
    client = local_jupyter.client
    name = client.call("POST", "api/terminals").json()["name"]
    machine = FakeMachine(up=HOUR)
    one = watch(local_jupyter, machine)
    one.used -= 29 * MINUTE
    assert one.check() is None and one.what == f"terminal {name} was active"
    one.run(every=MINUTE)  # open, but unused from now on
    client.call("DELETE", f"api/terminals/{name}")
    assert 85 <= minutes(machine) <= 92


@pytest.mark.parametrize("what", ["load", "gpu", "typed"])
def test_work_outside_jupyter_counts(local_jupyter, what):
    machine = FakeMachine()

    def begin():
        machine.now_load = 2.0 if what == "load" else 0.1
        machine.now_gpu = 80 if what == "gpu" else 0
        machine.now_typed = machine.wall() if what == "typed" else None

    def end():
        machine.now_load, machine.now_gpu = 0.1, 0

    machine.at = {20: begin, 50: end}
    one = watch(local_jupyter, machine)
    one.run(every=MINUTE)
    assert machine.shut_down == 1
    last = 20 if what == "typed" else 50  # typed once, the others went on for half an hour
    assert last + 28 <= minutes(machine) <= last + 32
    assert {"load": "the load is 2.0", "gpu": "a GPU is at 80%", "typed": "typed"}[what] in (
        one.lines[-1]
    )


def test_a_jupyter_that_died_does_not_keep_the_machine_up_for_ever(tmp_path):
    (tmp_path / "runs").mkdir()
    with jupyter(tmp_path / "home", tmp_path, tunnel.free_port()) as running:
        wait_until(answers(running))
        machine = FakeMachine()
        machine.at[10] = lambda: (running.process.kill(), running.process.wait())
        one = watch(running, machine)
        one.run(every=MINUTE)
    assert machine.shut_down == 1
    assert 38 <= minutes(machine) <= 42  # the idle minutes, from when it last answered
    assert any("cannot be asked" in line for line in one.lines)


def test_a_wrong_token_is_said_and_is_not_use_for_ever(local_jupyter, tmp_path):
    wrong, machine = tmp_path / "token", FakeMachine()
    wrong.write_text("wrong")
    one = watch(local_jupyter, machine, token_file=wrong)
    one.run(every=MINUTE)
    assert machine.shut_down == 1 and "HTTPError" in one.lines[0]
    one = watch(local_jupyter, machine, token_file=tmp_path / "missing")
    assert one.check() is None and "FileNotFoundError" in one.lines[0]


def test_the_limit_counts_from_the_machines_start(local_jupyter):
    one = watch(local_jupyter, FakeMachine(up=9 * HOUR))
    assert "8 hours" in one.check()


def test_a_failed_shutdown_is_tried_again(local_jupyter):
    machine = FakeMachine(up=9 * HOUR)
    results = iter([False, False, True])
    machine.shutdown = lambda: next(results)
    one = watch(local_jupyter, machine)
    one.run(every=MINUTE)
    assert sum("trying again" in line for line in one.lines) == 2


def test_being_asked_is_no_activity_of_jupyter(local_jupyter):
    def activity():
        return requests.get(
            f"{local_jupyter.url}/api/status?no_track_activity=1",
            headers={"Authorization": f"token {local_jupyter.token}"},
            timeout=10,
        ).json()["last_activity"]

    before = activity()
    watch(local_jupyter, FakeMachine()).check()
    assert activity() == before


def test_the_real_script_needs_only_the_standard_library(local_jupyter):
    line = [sys.executable, "-I", "-S", str(SCRIPT), "--token-file", str(local_jupyter.token_file)]
    line += ["--jupyter", local_jupyter.url, "--max-hours", "0.000001", "--dry-run"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "its limit" in done.stdout and "dry run: nothing is shut down" in done.stdout
    assert local_jupyter.token not in done.stdout + done.stderr + json.dumps(line)


@pytest.mark.parametrize("words", [["--idle-minutes", "0"], ["--max-hours", "-1"], []])
def test_bad_options_are_refused(words):
    line = [sys.executable, str(SCRIPT), *words]
    assert subprocess.run(line, capture_output=True).returncode == 2


@pytest.mark.parametrize("said, expected", [("0\n37\n", 37), ("[N/A]\n", None), (None, None)])
def test_the_busiest_gpu_counts(tmp_path, monkeypatch, said, expected):
    monkeypatch.setenv("PATH", str(tmp_path))
    if said is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\necho '{said.strip()}'\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    assert idle_stop.Machine().gpu() == expected


def test_typing_is_seen_on_a_real_terminal():
    master, slave = os.openpty()
    try:
        os.write(master, b"ls\n")
        os.read(slave, 10)
        typed = idle_stop.Machine().typed()
        assert typed is not None and abs(time.time() - typed) < 15
    finally:
        os.close(master)
        os.close(slave)


def test_the_machines_own_clock_and_load_can_be_read():
    machine = idle_stop.Machine()
    assert 0 < machine.up() and machine.load() >= 0 and abs(machine.wall() - time.time()) < 5
