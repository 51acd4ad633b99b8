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
from far import jupyter, wait_until

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
        super().__init__()
        self.now_load, self.now_gpu, self.now_typed, self.now_copied = 0.0, None, None, 0
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

    def copied(self):
        return self.now_copied

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
    id = local_jupyter.new_kernel()
    yield id
    local_jupyter.call("DELETE", f"kernels/{id}")


def make_busy(jupyter, id):
    jupyter.execute(id, "import time\ntime.sleep(600)", wait=False)
    wait_until(lambda: jupyter.state(id) == "busy")


def minutes(machine):
    return machine.up() / MINUTE


def test_an_open_but_idle_notebook_does_not_keep_the_machine_up(local_jupyter, kernel):
    machine = FakeMachine()
    local_jupyter.execute(kernel, "1 + 1")
    tab = local_jupyter.channel(kernel)
    wait_until(lambda: local_jupyter.call("GET", f"kernels/{kernel}").json()["connections"] == 1)
    watch(local_jupyter, machine).run(every=MINUTE)
    tab.close()
    assert machine.shut_down == 1
    assert 29.5 <= minutes(machine) <= 32
    texts = "\n".join(machine.warnings)
    assert "stops in 5 min: nobody is using it" in texts and "stops in 1 min" in texts
    assert len(machine.warnings) == 3


def test_a_busy_kernel_keeps_the_machine_up_until_the_hard_limit(local_jupyter, kernel):
    make_busy(local_jupyter, kernel)
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
    machine = FakeMachine()
    make_busy(local_jupyter, kernel)

    def done():
        local_jupyter.call("POST", f"kernels/{kernel}/interrupt")
        wait_until(lambda: local_jupyter.state(kernel) == "idle")

    machine.at[90] = done
    watch(local_jupyter, machine).run(every=MINUTE)
    assert 118 <= minutes(machine) <= 122


def test_what_was_active_a_moment_ago_counts(local_jupyter, kernel):
    one = watch(local_jupyter, FakeMachine(up=HOUR))
    local_jupyter.execute(kernel, "1 + 1")
    one.used -= 29 * MINUTE
    assert one.check() is None and "was active" in one.what
    assert one.machine.up() - one.used < MINUTE


def test_a_terminal_with_a_looping_command_does_not_hold_the_machine(local_jupyter):
    """Such as `watch nvidia-smi`: it prints for ever, and nobody is there."""
    name = local_jupyter.call("POST", "terminals").json()["name"]
    url = f"ws{local_jupyter.url.removeprefix('http')}/terminals/websocket/{name}"
    line = websocket.create_connection(
        url, header=[f"Authorization: token {local_jupyter.token}"], timeout=60
    )
    line.send(json.dumps(["stdin", "while true; do echo tick; sleep 0.1; done\n"]))
    while "tick\\r" not in line.recv():
        pass
    machine = FakeMachine(up=HOUR)
    watch(local_jupyter, machine).run(every=MINUTE)
    line.close()
    local_jupyter.call("DELETE", f"terminals/{name}")
    assert machine.shut_down == 1 and 85 <= minutes(machine) <= 95


@pytest.mark.parametrize("what", ["load", "gpu", "typed", "copied"])
def test_work_outside_jupyter_counts(local_jupyter, what):
    machine = FakeMachine()

    def begin():
        machine.now_load = 2.0 if what == "load" else 0.1
        machine.now_gpu = 80 if what == "gpu" else 0
        machine.now_typed = machine.wall() if what == "typed" else None
        machine.now_copied = 5_000_000 if what == "copied" else 0

    def end():
        machine.now_load, machine.now_gpu = 0.1, 0

    machine.at = {20: begin, 50: end}
    one = watch(local_jupyter, machine)
    one.run(every=MINUTE)
    assert machine.shut_down == 1
    once = what in ("typed", "copied")  # the others went on for half an hour
    last = 20 if once else 50
    assert last + 28 <= minutes(machine) <= last + 32
    told = {"load": "the load is 2.0", "gpu": "a GPU is at 80%", "typed": "typed"}
    assert told.get(what, "files were copied over SSH") in one.lines[-1]


def test_a_jupyter_that_died_does_not_keep_the_machine_up_for_ever(tmp_path):
    with jupyter(tmp_path / "home", tunnel.free_port()) as running:
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


def test_typing_is_seen_on_a_real_terminal_and_printing_is_not(monkeypatch):
    master, slave = os.openpty()
    try:
        monkeypatch.setattr(idle_stop.glob, "glob", lambda pattern: [os.ttyname(slave)])
        os.utime(os.ttyname(slave), (1000, 1000))
        os.write(slave, b"tick\n" * 100)
        os.read(master, 600)
        assert idle_stop.Machine().typed() == 1000
        os.write(master, b"ls\n")
        os.read(slave, 10)
        assert abs(time.time() - idle_stop.Machine().typed()) < 15
    finally:
        os.close(master)
        os.close(slave)


def _still(machine):
    before = machine.copied()
    time.sleep(1)
    return machine.copied() == before


def test_files_that_arrive_are_seen(host):
    """By the program that sshd starts for sftp; an open but idle SSH session is no use."""
    machine = idle_stop.Machine()
    with tunnel.forward(host.machine, 9):
        before = machine.copied()
        assert machine.copied() == before
    line = [*host.machine.command("sftp"), "-b", "-", host.machine.destination]
    with subprocess.Popen(line, stdin=subprocess.PIPE, text=True) as sftp:
        wait_until(lambda: machine.copied() > before, 60, "sftp's start")
        wait_until(lambda: _still(machine), 60, "rest after the start")  # open, nothing is copied
        before = machine.copied()
        sftp.stdin.write(f'put "{SCRIPT}" "arrived"\n')
        sftp.stdin.flush()
        wait_until(lambda: machine.copied() > before + SCRIPT.stat().st_size, 60, "the copy")


def test_warnings_are_written_where_who_is_connected_reads_them(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no wall
    machine = idle_stop.Machine(tmp_path / "warnings")
    machine.warn("one")
    machine.warn("two")
    assert (tmp_path / "warnings").read_text() == "one\ntwo\n"
    idle_stop.Machine(tmp_path / "no" / "folder").warn("that is no reason to end")


def test_the_machines_own_clock_and_load_can_be_read():
    machine = idle_stop.Machine()
    assert 0 < machine.up() and machine.load() >= 0 and abs(machine.wall() - time.time()) < 5
