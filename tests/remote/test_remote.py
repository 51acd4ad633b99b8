"""Chapters on a second host, over SSH: watched, lost, found again, and brought back."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from far import is_open, wait_until

from catdog import CatDogError
from catdog.cli.book import run as real_run
from catdog.cli.main import main
from catdog.cloud import Unreachable, lifecycle, remote, tunnel
from catdog.core import paths

CHAPTERS = ["91_slow", "92_makes_files"]


@pytest.fixture
def near(tmp_path, monkeypatch):
    """The reader's computer: its copy of the chapters, and where results arrive."""
    notebooks = tmp_path / "near" / "notebooks"
    notebooks.mkdir(parents=True)
    for name in CHAPTERS:
        (notebooks / f"{name}.ipynb").write_text("{}")
    monkeypatch.setattr(paths, "NOTEBOOKS", notebooks)
    monkeypatch.setattr(paths, "RUNS", tmp_path / "near" / "runs")
    return tmp_path / "near"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nobody waits between two attempts."""
    clock = SimpleNamespace(sleep=lambda seconds: None, monotonic=time.monotonic)
    monkeypatch.setattr(tunnel, "time", clock)


def results(near):
    (one,) = (near / "runs" / "remote").iterdir()
    return one


def in_background(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    return thread, found


# ---- a run


def test_run_brings_back_chapters_records_and_models(host, near, capfd):
    assert remote.run(host.machine, ["92"]) == 0
    said = capfd.readouterr().out
    assert "cell 1\rcell 2\n" in said and "made two files" in said
    assert str(results(near)) in said
    found = sorted(p.relative_to(results(near)).as_posix() for p in results(near).rglob("*.*"))
    assert found == [
        "notebooks/sample/92_makes_files.ipynb",
        "tiny/model.keras",
        "tiny/record.json",
    ]
    assert (results(near) / "tiny/model.keras").read_bytes() == bytes(300_000)


def test_a_broken_line_loses_nothing_and_shows_nothing_twice(host, near, capfd):
    told = []

    def cut():
        wait_until(lambda: "cell 2" in (host.home / ".catdog/run/log").read_text(), 60)
        wait_until(lambda: followers(host.machine), 60, "watching")
        for process in followers(host.machine):
            os.kill(process, signal.SIGKILL)
        wait_until(lambda: any("broke" in text for text in told), 60, "the broken line")
        (host.runs / "hold").unlink()

    (host.runs / "hold").touch()
    (host.home / ".catdog/run").mkdir()
    (host.home / ".catdog/run/log").touch()
    thread, _ = in_background(cut)
    assert remote.run(host.machine, ["91"], say=told.append) == 0
    thread.join()
    assert "The connection broke. Trying again for 10 minutes …" in told
    assert capfd.readouterr().out == "cell 1\rcell 2\nmade two files\n"
    assert len(host.executed()) == 1


def followers(machine):
    """The ssh processes of this computer that follow a log."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes()
            if (
                words.startswith(b"ssh\0")
                and b"tail" in words
                and str(machine.port).encode() in words
            ):
                found.append(int(path.parent.name))
    return found


def test_ctrl_c_stops_watching_and_the_same_command_watches_again(host, near):
    code = f"""
import sys
from pathlib import Path, PosixPath
from catdog.cloud import remote, tunnel
from catdog.core import paths
paths.NOTEBOOKS, paths.RUNS = Path({str(paths.NOTEBOOKS)!r}), Path({str(paths.RUNS)!r})
machine = tunnel.Machine(**{vars(host.machine)!r})
sys.exit(remote.run(machine, ["91"], again="catdog aws run 91"))
"""
    with host.held():
        first = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C is ignored by what a shell starts in the background, and by its children
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        said = ""
        while "cell 2" not in said:
            said += first.stdout.read(1)
        first.send_signal(signal.SIGINT)
        rest = first.communicate(timeout=60)[0]
        assert first.returncode == 130
        assert (
            "No longer watching; the run goes on" in rest and "catdog aws run 91 --cancel" in rest
        )
        assert remote.last(host.machine).state == "running"
        told = []
        thread, code = in_background(lambda: remote.run(host.machine, ["91"], say=told.append))
        wait_until(lambda: any("Watching the run that began at" in text for text in told), 60)
    thread.join()
    assert code == [0] and len(host.executed()) == 1


def test_two_readers_at_once_execute_it_once(host, near):
    with host.held():
        both = [in_background(lambda: remote.run(host.machine, ["91"])) for _ in range(2)]
        wait_until(lambda: len(followers(host.machine)) == 2, 60, "both watch")
    for thread, _ in both:
        thread.join()
    assert [code for _, (code,) in both] == [0, 0] and len(host.executed()) == 1


def test_cancel_stops_it_and_the_next_run_brings_what_it_made(host, near, capsys):
    with host.held():
        thread, code = in_background(
            lambda: pytest.raises(CatDogError, remote.run, host.machine, ["91"])
        )
        wait_until(lambda: host.executed(), 60, "the run")
        with pytest.raises(CatDogError, match="executes other chapters: --scale sample 91_slow"):
            remote.run(host.machine, ["92"])
        early = host.runs / "early" / "model.keras"
        early.parent.mkdir()
        early.write_bytes(b"1")
        os.utime(early, (os.stat(host.home / ".catdog/run/started").st_mtime + 1,) * 2)
        assert remote.cancel(host.machine) == 0
        thread.join()
    assert "was stopped before its end" in str(code[0].value)
    assert remote.cancel(host.machine) == 1
    assert remote.last(host.machine).state == "broken"
    assert remote.run(host.machine, ["91"]) == 0
    assert "broke off. What it finished is not done again" in capsys.readouterr().out
    assert (results(near) / "early" / "model.keras").read_bytes() == b"1"


def test_a_failing_chapter_is_the_status_of_the_command(host, near):
    (host.runs / "code").write_text("1")
    assert remote.run(host.machine, ["91", "92"]) == 1
    assert (results(near) / "tiny" / "record.json").exists()


def test_a_run_that_ended_unwatched_is_brought_back_once(host, near, capsys):
    remote._start(host.machine, ("--scale", "sample", "91_slow"), force=False)
    wait_until(lambda: remote.last(host.machine).state == "ended", 60)
    assert remote.run(host.machine, ["91"]) == 0
    assert "has ended meanwhile" in capsys.readouterr().out and len(host.executed()) == 1
    assert remote.run(host.machine, ["91"], force=True) == 0  # and then a new one
    assert host.executed()[1].endswith("--force") and len(host.executed()) == 2


def test_the_command_asks_for_the_machine(host, near, monkeypatch, capfd):
    asked = []

    def ready(*words, say):
        asked.append(words)
        return host.machine

    monkeypatch.setattr(lifecycle, "ready", ready)
    assert main(["aws", "run", "92", "--name", "mine", "--region", "eu-west-1"]) == 0
    assert asked == [("mine", "eu-west-1", None)] and "made two files" in capfd.readouterr().out
    assert main(["aws", "run", "--cancel"]) == 1
    assert main(["aws", "run", "94"]) == 1
    assert "no chapter begins with '94'" in capfd.readouterr().err


@pytest.mark.parametrize("more", [(), ("--force",)])
def test_the_words_that_are_sent_are_those_of_the_real_command(more):
    with real_run.make_context("run", ["--scale", "full", "09_a_cnn", *more]) as context:
        assert context.params["chapters"] == ("09_a_cnn",) and context.params["scale"] == "full"
        assert context.params["force"] is bool(more)


# ---- SSH itself


def test_who_shows_another_host_key_gets_nothing(host, tmp_path):
    kind, key = (host.folder / "other.pub").read_text().split()[:2]
    for text in (f"i-far {kind} {key}\n", ""):  # another key, or none known
        known = tmp_path / "known"
        known.write_text(text)
        wrong = tunnel.Machine(**(vars(host.machine) | {"known_hosts": known}))
        with pytest.raises(CatDogError, match="another host key than the one known"):
            wrong.run(["touch", "arrived"])
        with pytest.raises(CatDogError, match="another host key"):
            wrong.copy(['put "/etc/hostname" "arrived"'], tmp_path)
        assert known.read_text() == text  # nor is it believed from now on
    assert not (host.home / "arrived").exists()
    host.machine.run(["touch", "arrived"])
    assert (host.home / "arrived").exists()


def test_a_key_that_is_not_let_in_is_said(host):
    wrong = tunnel.Machine(**(vars(host.machine) | {"key": host.folder / "other"}))
    with pytest.raises(CatDogError, match="did not accept your key .*--key"):
        wrong.run(["true"])


def test_nothing_answers(host):
    wrong = tunnel.Machine(**(vars(host.machine) | {"port": tunnel.free_port()}))
    for call in (lambda: wrong.run(["true"]), lambda: wrong.copy(["ls"], Path.cwd())):
        with pytest.raises(Unreachable, match="could not be reached"):
            call()


def test_a_connection_that_never_comes_back_is_given_up(monkeypatch):
    clock, told, calls = [0.0], [], []

    def sleep(seconds):
        clock[0] += seconds

    later = SimpleNamespace(sleep=sleep, monotonic=lambda: clock[0])
    monkeypatch.setattr(tunnel, "time", later)

    def broken():
        calls.append(clock[0])
        raise Unreachable("no route.")

    with pytest.raises(Unreachable, match="no route. The connection did not come back"):
        tunnel.patiently(broken, told.append)
    assert len(told) == 1 and 550 < clock[0] <= 600 and len(calls) > 15


def test_only_the_tunnel_leads_to_jupyter(host, local_jupyter):
    """Jupyter listens on the loopback only, and the token is in no command line."""
    listening = Path(f"/proc/{local_jupyter.process.pid}/net/tcp").read_text().splitlines()[1:]
    ours = [line.split()[1] for line in listening if line.split()[3] == "0A"]
    assert [a for a in ours if a.endswith(f":{local_jupyter.port:04X}")] == [
        f"0100007F:{local_jupyter.port:04X}"
    ]
    warnings = []
    with tunnel.tunnel(
        host.machine,
        local_jupyter.port,
        str(local_jupyter.token_file),
        wait=300,
        warn=warnings.append,
    ) as connection:
        assert connection.session().get(f"{connection.url}/api/status").status_code == 200
        for wrong in ("wrong", local_jupyter.token[:-1]):
            refused = tunnel.Connection(connection.url, wrong, host.machine, connection.process)
            with pytest.raises(CatDogError, match="refused its token"):
                tunnel.wait_for_jupyter(refused, 5)
        lines = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
        assert not [line for line in lines if local_jupyter.token.encode() in line]
        port = int(re.search(r":(\d+)$", connection.url)[1])
        assert is_open(port)
    assert not is_open(port)


def test_warnings_of_the_machine_arrive_through_the_tunnel(host, tmp_path, monkeypatch):
    file, told = tmp_path / "warnings", []
    file.write_text("an old one\n")
    monkeypatch.setattr(tunnel, "WARNINGS", str(file))
    with tunnel.forward(host.machine, 9, warn=told.append):
        wait_until(lambda: "tail" in running_under(host), 60, "reading")

        def warned():  # again and again: a tail that has just begun may have opened nothing yet
            with open(file, "a") as stream:
                stream.write("This machine stops in 5 min: nobody is using it.\n")
            return told

        wait_until(warned, 60, "the warning")
    assert set(told) == {"This machine stops in 5 min: nobody is using it."}


def running_under(host):
    names = ""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"HOME={host.home}".encode() in (path / "environ").read_bytes():
                names += (path / "comm").read_text()
    return names
