"""Chapters on a second host: through a tunnel, watched, lost, found again, and brought back."""

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from far import REAL, answers, command_lines, is_open, jupyter, wait_until

from catdog import CatDogError
from catdog.book import execute
from catdog.cli.main import main
from catdog.cloud import job, jupyter_api, remote, tunnel
from catdog.core import paths

SERVED = f"runs/{job.SERVED}"


def to(running):
    """How to connect to a Jupyter without a tunnel."""
    return lambda: contextlib.nullcontext(jupyter_api.Server(running.url, running.token))


def arguments(running, *words):
    options = ["--url", running.url, "--token-file", str(running.token_file)]
    return ["aws", "run", *words, *options]


class Command:
    """`catdog aws run` in a process of its own; `said` is what it has printed so far."""

    def __init__(self, running, near, words, runs):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "catdog", *arguments(running, *words)],
            env=near.environment(runs),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C is ignored by what a shell starts in the background, and by its children
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.blob = b""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        while chunk := os.read(self.process.stdout.fileno(), 4096):
            self.blob += chunk

    @property
    def said(self):
        return self.blob.decode(errors="replace")

    def end(self, seconds=300):
        """Wait for its end and return its exit status."""
        code = self.process.wait(seconds)
        self.reader.join()
        return code


@contextlib.contextmanager
def command(running, near, *words, runs="runs"):
    one = Command(running, near, words, runs)
    try:
        yield one
    finally:
        one.process.kill()
        one.end()
        one.process.stdout.close()


def last(running):
    return remote.latest(running.client, SERVED)[1]


def cells(running, chapter):
    """How many cells of a chapter the run that is going on has executed."""
    report = last(running)
    if not report or report["state"] != "running":
        return -1
    return next((c["cell"] for c in report["chapters"] if c["chapter"] == chapter), -1)


def outputs(path):
    return [cell.outputs for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


# ---- the second host


def listening(process):
    """The addresses at which a process listens, in the network it is in."""
    lines = Path(f"/proc/{process}/net/tcp").read_text().splitlines()[1:]
    inodes = {os.path.basename(p).strip("socket:[]") for p in links(process)}
    for line in lines:
        words = line.split()
        if words[3] == "0A" and words[9] in inodes:
            address, port = words[1].split(":")
            yield socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16)


def links(process):
    for path in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(OSError):
            yield os.readlink(path)


def own_address():
    """An address of this computer that is not its loopback, or None."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("10.255.255.255", 9))  # sends nothing
        return one.getsockname()[0]
    return None


@pytest.mark.slow
def test_from_outside_only_the_tunnel_leads_in(host, tmp_path, near):
    far = host.jupyter
    with host.tunnel() as connection:
        assert set(listening(far.process.pid)) == {("127.0.0.1", far.port)}
        outside = host.machine["host"] if host.namespace else own_address()
        assert outside is None or not is_open(outside, far.port)
        assert is_open(host.machine["host"], host.machine["port"])
        good = jupyter_api.Jupyter(connection)
        assert good.get("api/status")["kernels"] == 0
        for wrong in ("wrong", far.token[:-1], ""):
            with pytest.raises(CatDogError, match="refused the token"):
                jupyter_api.Jupyter(jupyter_api.Server(connection.url, wrong)).get("api/kernels")
        (tmp_path / "token").write_text("wrong")
        words = ["aws", "run", "92", "--url", connection.url]
        assert main([*words, "--token-file", str(tmp_path / "token")]) == 1
    assert not is_open("127.0.0.1", int(connection.url.rsplit(":", 1)[1]))


@pytest.mark.slow
def test_a_dropped_tunnel_loses_nothing(host, near, capfd):
    """A real chapter and a slow one; the tunnel is killed in the middle; all of it comes back."""
    far, connections = host.jupyter, []

    @contextlib.contextmanager
    def connect():
        with host.tunnel() as connection:
            connections.append(connection)
            yield connection

    def slow():
        (path,) = (far.project / SERVED).glob("0001.json")
        return json.loads(path.read_text())["chapters"][1]["cell"]

    def cut():
        with far.held():
            wait_until(lambda: (far.project / SERVED / "0001.json").exists(), what="the run")
            wait_until(lambda: slow() >= 2, 400, what="the slow cell")
            connections[0].process.kill()
            wait_until(lambda: len(connections) == 2, what="the next connection")

    cutter = threading.Thread(target=cut)
    with command_lines() as seen:
        cutter.start()
        code = remote.run(connect, [REAL, "91", "92"], patience=60)
        cutter.join()
    said = "".join(capfd.readouterr())
    assert code == 0 and len(connections) == 2
    assert "the connection broke" in said and "connected again" in said
    assert len(far.executed("91_slow")) == 1 and len(far.executed("92_makes_files")) == 1

    results = near.results()
    for name in (REAL, "91_slow", "92_makes_files"):
        path = f"notebooks/sample/{name}.ipynb"
        assert (results / path).read_bytes() == (far.project / "runs" / path).read_bytes()
    assert json.loads((results / "tiny-run/record.json").read_text()) == {"accuracy": 0.5}
    assert (results / "tiny-run/model.keras").read_bytes() == bytes(range(256)) * 4000
    assert not (results / "tiny-run/left.out").exists()
    assert not list(results.rglob("*.part"))
    for text in ("slow and steady", "made two files", f"{REAL}  ", str(results)):
        assert text in said

    # what ran over there says what is committed here
    committed = nbformat.read(paths.ROOT / "notebooks" / f"{REAL}.ipynb", 4)
    assert execute._result(nbformat.read(results / f"notebooks/sample/{REAL}.ipynb", 4))
    again = nbformat.read(results / f"notebooks/sample/{REAL}.ipynb", 4)
    assert execute.code_hash(again) == execute.code_hash(committed)

    # the token is in no output, log, record, brought file, file over there, or command line
    assert any("ssh" in line for line in seen) and any("ipykernel" in line for line in seen)
    assert not [line for line in seen if far.token in line]
    assert far.token not in said
    for path in (far.log, host.ssh_log, *near.root.rglob("*"), *own_files(far.project)):
        if path.is_file():
            assert far.token.encode() not in path.read_bytes(), path


def own_files(project):
    return [*(project / "runs").rglob("*"), *(project / "notebooks").rglob("*")]


# ---- watching, from this computer's own loopback


@pytest.mark.slow
def test_ctrl_c_stops_watching_and_the_same_command_watches_again(local_jupyter, near):
    before = len(local_jupyter.executed("91_slow"))
    with local_jupyter.held():
        with command(local_jupyter, near, "91", "--force") as first:
            wait_until(lambda: cells(local_jupyter, "91_slow") >= 2, what="the slow cell")
            wait_until(lambda: "91_slow:" in first.said, what="its bar")
            first.process.send_signal(signal.SIGINT)
            assert first.end() == 130
        assert "No longer watching; the run goes on" in first.said
        again = re.search(r"To watch it again: catdog (aws run 91.*)", first.said)[1]
        assert again.split() == arguments(local_jupyter, "91")
        assert last(local_jupyter)["state"] == "running"
        second = Command(local_jupyter, near, ["91"], "runs")
        wait_until(lambda: "Watching the run that began at" in second.said, what="watching")
    assert second.end() == 0
    assert "slow and steady" in second.said
    assert len(local_jupyter.executed("91_slow")) == before + 1
    assert (near.results() / "notebooks/sample/91_slow.ipynb").exists()
    assert local_jupyter.client.kernel(last(local_jupyter)["kernel"]) is None
    assert local_jupyter.token not in first.said + second.said


@pytest.mark.slow
def test_two_readers_at_once_execute_it_once(local_jupyter, near):
    before = len(local_jupyter.executed("91_slow"))
    with contextlib.ExitStack() as stack:
        with local_jupyter.held():
            both = [
                stack.enter_context(command(local_jupyter, near, "91", "--force", runs=runs))
                for runs in ("one", "two")
            ]
            wait_until(
                lambda: any(
                    text in one.said for one in both for text in ("Watching", "Another reader")
                ),
                what="the second reader",
            )
        assert [one.end() for one in both] == [0, 0], both[0].said + both[1].said
    assert len(local_jupyter.executed("91_slow")) == before + 1
    for runs in ("one", "two"):
        assert (near.results(runs) / "summary.json").exists()
    assert not local_jupyter.client.get("api/kernels")


@pytest.mark.slow
def test_cancel_stops_the_chapter_and_not_the_finished_ones(local_jupyter, near, capfd):
    with local_jupyter.held(), command(local_jupyter, near, "92", "91", "--force") as watching:
        wait_until(lambda: cells(local_jupyter, "91_slow") >= 2, what="the slow cell")
        with pytest.raises(CatDogError, match="executing other chapters, 92 91 at scale sample"):
            remote.run(to(local_jupyter), ["93"])
        chapter = psutil.Process(local_jupyter.executed("91_slow")[-1])
        assert main(arguments(local_jupyter, "--cancel")) == 0
        assert watching.end() == 1 and "the run was cancelled" in watching.said
        wait_until(lambda: not chapter.is_running() or chapter.status() == "zombie", what="its end")
    report = last(local_jupyter)
    assert report["state"] == "cancelled"
    assert [c["state"] for c in report["chapters"]] == ["done", "running"]
    said = capfd.readouterr().out
    assert "What it finished stays there" in said and "made two files" in said
    assert main(arguments(local_jupyter, "--cancel")) == 1
    assert "No run is going on" in capfd.readouterr().out

    # what the cancelled run made is brought back by the one that goes on from there
    assert main(arguments(local_jupyter, "92")) == 0
    assert "made two files (up to date)" in capfd.readouterr().out
    assert (near.results() / "tiny-run/model.keras").stat().st_size == 256 * 4000


@pytest.mark.slow
def test_a_failing_chapter_is_shown_and_the_others_run(local_jupyter, near, capfd):
    assert main(arguments(local_jupyter, "93", "92", "--force")) == 1
    said = capfd.readouterr().out
    assert "cell 4 of 93_fails.ipynb" in said and "ValueError: no such animal" in said
    assert "raise ValueError" in said and "made two files" in said
    failed = outputs(near.results() / "notebooks/sample/93_fails.ipynb")
    assert failed[-1][0].ename == "ValueError"


@pytest.mark.slow
@pytest.mark.parametrize("server_notices", [True, False])
def test_a_kernel_that_dies_is_noticed_and_the_finished_is_kept(
    local_jupyter, near, capfd, monkeypatch, server_notices
):
    before = len(local_jupyter.executed("92_makes_files"))

    def kill():
        wait_until(lambda: cells(local_jupyter, "91_slow") >= 2, what="the slow cell")
        chapter = psutil.Process(local_jupyter.executed("91_slow")[-1])
        chapter.parent().kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with local_jupyter.held(), monkeypatch.context() as patch:
        if not server_notices:  # that has been seen: it called the kernel busy for ever
            patch.setattr(jupyter_api.Jupyter, "kernel", lambda *_: "busy")
            patch.setattr(remote, "SILENCE", 4 * job.BEAT)
        with pytest.raises(CatDogError, match="kernel is gone.*Run the same command again"):
            remote.run(to(local_jupyter), ["92", "91"], force=True)
        killer.join()
    assert remote.run(to(local_jupyter), ["92", "91"]) == 0
    said = capfd.readouterr().out
    assert "broke off" in said and "made two files (up to date)" in said
    assert len(local_jupyter.executed("92_makes_files")) == before + 1


@pytest.mark.slow
def test_a_run_that_ended_unwatched_is_brought_back(local_jupyter, near, capfd):
    before = len(local_jupyter.executed("92_makes_files"))
    with local_jupyter.held(), command(local_jupyter, near, "92", "91", "--force") as killed:
        wait_until(lambda: cells(local_jupyter, "91_slow") >= 2, what="the slow cell")
        killed.process.kill()  # not even a goodbye
    wait_until(lambda: last(local_jupyter)["state"] == "done", what="the end")
    assert remote.run(to(local_jupyter), ["92", "91"]) == 0
    said = capfd.readouterr().out
    assert "has ended meanwhile" in said and "(up to date)" not in said
    assert (near.results() / "tiny-run/record.json").exists()
    assert len(local_jupyter.executed("92_makes_files")) == before + 1
    # from now on the same command asks for a new run
    assert remote.run(to(local_jupyter), ["92", "91"]) == 0
    assert "made two files (up to date)" in capfd.readouterr().out


@pytest.mark.slow
def test_other_code_over_there_is_said(local_jupyter, near, capfd):
    path = near.root / "notebooks" / "92_makes_files.ipynb"
    path.write_text(path.read_text().replace("made two files", "made two good files"))
    assert remote.run(to(local_jupyter), ["92"]) == 0
    said = capfd.readouterr()
    assert "the code of 92_makes_files over there differs" in said.err
    assert "helper package" not in said.err
    assert "made two files" in said.out


def test_another_helper_package_over_there_is_said(capfd, near):
    remote.warn_of_versions({"code": {}, "package": "another"})
    assert "helper package over there is of another version" in capfd.readouterr().err


@pytest.mark.slow
def test_missing_photos_over_there_are_said(local_jupyter, near, tmp_path):
    data = local_jupyter.project / "data"
    target = data.readlink()
    data.unlink()
    data.mkdir()
    try:
        with pytest.raises(CatDogError, match="ended early.*catdog data archive"):
            remote.run(to(local_jupyter), ["92"], scale="full")
    finally:
        data.rmdir()
        data.symlink_to(target)
    assert not local_jupyter.client.get("api/kernels")


@pytest.mark.slow
def test_a_chapter_that_is_only_here_is_said(local_jupyter, near):
    shutil.copy(near.root / "notebooks/92_makes_files.ipynb", near.root / "notebooks/94_new.ipynb")
    with pytest.raises(CatDogError, match="no chapter begins with '94_new'"):
        remote.run(to(local_jupyter), ["94"])
    assert not local_jupyter.client.get("api/kernels")


@pytest.mark.slow
def test_without_an_address_it_is_the_aws_machine(local_jupyter, near, monkeypatch, capfd):
    from catdog.cloud import lifecycle

    asked = []

    def connect(*words):
        asked.append(words)
        return to(local_jupyter)()

    monkeypatch.setattr(lifecycle, "connect", connect)
    assert main(["aws", "run", "92", "--name", "mine", "--region", "eu-west-1"]) == 0
    assert asked == [("mine", "eu-west-1", None)]
    assert "made two files" in capfd.readouterr().out


# ---- servers that are not what they should be


def test_nothing_answers(near, tmp_path, capsys):
    (tmp_path / "token").write_text("x")
    words = ["aws", "run", "92", "--token-file", str(tmp_path / "token"), "--url"]
    url = f"http://127.0.0.1:{tunnel.free_port()}"
    assert main([*words, url]) == 1
    assert "does not answer" in capsys.readouterr().err


def test_a_name_that_is_not_known_is_a_broken_connection(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(jupyter_api.websocket, "create_connection", unknown)
    with pytest.raises(ConnectionError):
        jupyter_api.Jupyter(jupyter_api.Server("http://127.0.0.1:9", "x")).execute("k", "1", bool)


def test_a_connection_that_never_comes_back(near, monkeypatch):
    line = jupyter_api.Line(lambda: contextlib.nullcontext(None), 0.1)
    line.began, line.jupyter = True, object()

    def broken(_):
        raise ConnectionResetError

    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(CatDogError, match="did not come back.*run the same command again"):
        line(broken)


@pytest.mark.slow
def test_a_server_without_the_project(tmp_path, near):
    empty = tmp_path / "empty"
    (empty / "notebooks").mkdir(parents=True)
    with jupyter(tmp_path / "home", empty, tunnel.free_port()) as running:
        wait_until(answers(running), what="Jupyter's start")
        with pytest.raises(CatDogError, match="no copy of this project"):
            remote.run(to(running), ["92"])
        # the notebooks are there, in a folder, but not those that its catdog works in
        inside = empty / "course"
        (inside / "scripts").mkdir(parents=True)
        shutil.copytree(near.root / "notebooks", inside / "notebooks")
        with pytest.raises(CatDogError, match="Start it in the project's own folder"):
            remote.run(to(running), ["92"])
        assert not running.client.get("api/kernels")


def test_a_server_that_is_no_jupyter(near, tmp_path):
    line = [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(
        [line[0], "-u", *line[1:]], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        port = re.search(r"port (\d+)", process.stdout.readline())[1]
        server = jupyter_api.Server(f"http://127.0.0.1:{port}", "x")
        with pytest.raises(CatDogError, match="is not a Jupyter server"):
            remote.run(lambda: contextlib.nullcontext(server), ["92"])
        process.kill()


@pytest.mark.parametrize(
    "url, message",
    [
        ("127.0.0.1:8888", "must be an address"),
        ("http://127.0.0.1:8888/lab?token=secret", "can be read by everyone"),
        ("https://me:secret@school.example/hub", "can be read by everyone"),
    ],
)
def test_bad_addresses(url, message, tmp_path, capsys):
    (tmp_path / "token").write_text("x")
    assert main(["aws", "run", "--url", url, "--token-file", str(tmp_path / "token")]) == 1
    said = capsys.readouterr().err
    assert message in said and "secret" not in said


def test_addresses_as_a_browser_shows_them(tmp_path, capsys):
    (tmp_path / "token").write_text("a-token\n")
    one = jupyter_api.server("http://localhost:8888/lab/tree/x.ipynb", tmp_path / "token")
    assert (one.url, one.token) == ("http://localhost:8888", "a-token")
    assert "a-token" not in repr(one) and not capsys.readouterr().err
    one = jupyter_api.server("http://school.example/user/me/lab", tmp_path / "token")
    assert one.url == "http://school.example/user/me"
    assert "unencrypted" in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, "", "two words"])
def test_bad_token_files(text, tmp_path, capsys):
    path = tmp_path / "token"
    if text is not None:
        path.write_text(text)
    words = ["aws", "run", "--url", "http://127.0.0.1:8888", "--token-file", str(path)]
    assert main(words) == 1
    assert str(path) in capsys.readouterr().err
    assert main(words[:4]) == 1
    assert "go together" in capsys.readouterr().err


def test_a_token_goes_before_a_password_of_the_reader(local_jupyter, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert local_jupyter.client.get("api/status")["started"]


# ---- bringing files back


@pytest.fixture
def made(local_jupyter):
    """A report of a run that made two files, and a line to its server."""
    import hashlib

    folder = local_jupyter.project / "runs" / "made"
    folder.mkdir(exist_ok=True)
    files = []
    for name, blob in (("record.json", b"{}"), ("model.keras", os.urandom(700_000))):
        (folder / name).write_bytes(blob)
        hash = hashlib.sha256(blob).hexdigest()
        files.append({"path": f"made/{name}", "size": len(blob), "sha256": hash})
    with jupyter_api.Line(to(local_jupyter), 5) as line:
        yield line, {"name": "a-run", "files": files}


def test_what_is_there_already_is_not_fetched_again(made, near):
    line, report = made
    into = remote.fetch(line, "", report)
    stamp = (into / "made/model.keras").stat().st_mtime_ns
    (into / "made/record.json").unlink()
    assert remote.fetch(line, "", report) == into
    assert (into / "made/model.keras").stat().st_mtime_ns == stamp
    assert (into / "made/record.json").read_bytes() == b"{}"


def test_another_file_of_the_readers_is_not_overwritten(made, near):
    line, report = made
    into = remote.fetch(line, "", report)
    (into / "made/record.json").write_text("my notes")
    with pytest.raises(CatDogError, match="record.json is there but is another file"):
        remote.fetch(line, "", report)
    assert (into / "made/record.json").read_text() == "my notes"


def test_a_file_that_changed_on_the_server_is_not_taken(made, near, local_jupyter):
    line, report = made
    (local_jupyter.project / "runs/made/model.keras").write_bytes(b"another")
    with pytest.raises(CatDogError, match="has changed on the server"):
        remote.fetch(line, "", report)
    assert not list(near.root.rglob("*.keras*"))


def test_a_full_disk(made, near, monkeypatch):
    line, report = made
    with monkeypatch.context() as patch:
        usage = shutil.disk_usage(near.root)._replace(free=1000)
        patch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(CatDogError, match="Make room"):
            remote.fetch(line, "", report)

    real = open

    def full(path, mode="r", *more, **words):
        if str(path).endswith(".part/model.keras"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, mode, *more, **words)

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", full)
        with pytest.raises(CatDogError, match="No space left on device.*make room there"):
            remote.fetch(line, "", report)
    into = remote.fetch(line, "", report)
    assert (into / "made/model.keras").stat().st_size == 700_000


@pytest.mark.parametrize("name", ["../../x.keras", "/etc/x.keras", "a/../../../x.keras"])
def test_a_server_cannot_choose_where_files_go(made, near, name):
    line, report = made
    report["files"][1]["path"] = name
    with pytest.raises(CatDogError, match="leads elsewhere"):
        remote.fetch(line, "", report)
    with pytest.raises(CatDogError, match="no file name"):
        remote.fetch(line, "", {**report, "name": "../" + report["name"]})
    assert not (near.root / "runs").exists()


# ---- the far half


@pytest.fixture
def working(near, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", near.root)
    monkeypatch.chdir(near.root)
    return near


def test_work_begins_once_for_each_number(working, monkeypatch):
    calls = []
    monkeypatch.setattr(execute, "run", lambda names, *_, **__: calls.append(names))
    job.run_job(1, "a", "k", ["92"], "sample")
    job.run_job(1, "a", "k", ["92"], "sample")
    job.run_job(1, "b", "k", ["93"], "sample")
    assert calls == [["92"]]
    assert [p.name for p in (paths.RUNS / job.SERVED).iterdir()] == ["0001.json"]


def test_files_of_a_broken_run_belong_to_the_next(working, monkeypatch):
    def broken(*_, **__):
        (paths.RUNS / "a").mkdir()
        (paths.RUNS / "a/model.keras").write_bytes(b"1")
        os.utime(paths.RUNS / "a/model.keras", (time.time() - 50, time.time() - 50))
        raise KeyboardInterrupt

    old = paths.RUNS / "older" / "model.keras"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"0")
    os.utime(old, (time.time() - 5000, time.time() - 5000))
    monkeypatch.setattr(execute, "run", broken)
    job.run_job(1, "a", "k", ["92"], "sample")
    path = paths.RUNS / job.SERVED / "0001.json"
    report = json.loads(path.read_text())
    assert report["state"] == "cancelled"
    report["started"] = report["started"][:11] + "00:00:00+00:00"
    path.write_text(json.dumps(report))
    monkeypatch.setattr(execute, "run", lambda *_, **__: None)
    os.utime(old, (1, 1))
    job.run_job(2, "b", "k", ["92"], "sample")
    report = json.loads((paths.RUNS / job.SERVED / "0002.json").read_text())
    assert report["state"] == "done"
    assert [file["path"] for file in report["files"]] == ["a/model.keras"]
