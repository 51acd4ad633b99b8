"""Connecting, with the token in memory only; and a search for secrets wherever they could be."""

import base64
import logging
import re
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from catdog import CatDogError
from catdog.cloud import lifecycle, tunnel
from catdog.core import paths

TOKEN = "tOkEnOfTheTests0123456789tOkEnOfTheTests0123"

# A pretended ssh: it notes its command line, shows the files, and forwards to a pretended Jupyter.
SSH = f"""#!{sys.executable}
import http.server, os, re, sys
with open({{log!r}}, "a") as log:
    log.write(repr(sys.argv) + "\\n")
    log.write("{TOKEN}\\n" if "{TOKEN}" in repr(dict(os.environ)) else "")
last = sys.argv[-1]
if last.startswith("cat -- .catdog/setup"):
    print(open({{setup!r}}).read(), end="")
elif last.startswith("cat -- .catdog/token"):
    print("{TOKEN}")
elif "-N" in sys.argv:
    class Jupyter(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            good = self.headers.get("Authorization") == "token {TOKEN}"
            self.send_response(200 if good else 403)
            self.end_headers()
        def log_message(self, *words):
            pass
    port = int(re.match(r"127.0.0.1:(\\d+):127.0.0.1:8888", sys.argv[sys.argv.index("-L") + 1])[1])
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Jupyter).serve_forever()
"""


@pytest.fixture
def ssh(account, tmp_path, monkeypatch):
    """Put the pretended ssh (and scp) first in the path; return where it notes what it was told."""
    setup, log = tmp_path / "setup", tmp_path / "ssh.log"
    setup.write_text("fetching the project\nstarting Jupyter\nready\n")
    for name in ("ssh", "scp"):
        program = tmp_path / "programs" / name
        program.write_text(
            SSH.replace("{log!r}", repr(str(log))).replace("{setup!r}", repr(str(setup)))
        )
        program.chmod(0o755)
    return log


def test_connect_through_session_manager(up, ssh, home):
    assert up()[0] == 0
    with lifecycle.connect() as connection:
        assert connection.token == TOKEN and TOKEN not in repr(connection)
        answer = connection.session().get(f"{connection.url}/api/status")
        assert answer.status_code == 200 and connection.alive()
    assert not connection.alive()
    told = ssh.read_text()
    assert "ProxyCommand=aws ssm start-session --region us-east-1" in told
    assert f"'{home}/.ssh/id_ed25519'" in told and "BatchMode=yes" in told
    assert re.search(r"ubuntu@i-[0-9a-f]+", told)
    assert TOKEN not in told


def test_host_keys_come_from_the_console(up, ssh, home, refuse):
    console = """
-----BEGIN SSH HOST KEY KEYS-----
ecdsa-sha2-nistp256 AAAAE2Vj root@ip-10-74-0-4
ssh-ed25519 AAAAC3Nz root@ip-10-74-0-4
-----END SSH HOST KEY KEYS-----
"""
    assert up()[0] == 0
    lifecycle.machine()
    assert not (home / ".catdog" / "known_hosts").exists()  # not shown yet
    refuse("GetConsoleOutput", "", answer={"Output": console})
    for _ in range(2):
        reached = lifecycle.machine()
    lines = (home / ".catdog" / "known_hosts").read_text().splitlines()
    assert lines == [
        f"{reached.alias} ecdsa-sha2-nistp256 AAAAE2Vj",
        f"{reached.alias} ssh-ed25519 AAAAC3Nz",
    ]


def test_a_changed_address_is_explained(up, ssh, refuse, monkeypatch, tmp_path):
    assert up("--access", "ssh", "--from", "198.51.100.7")[0] == 0
    program = tmp_path / "programs" / "ssh"
    program.write_text("#!/bin/sh\necho 'ssh: connect to host: timed out' >&2; exit 255\n")
    reached = tunnel.Machine("198.51.100.99")
    monkeypatch.setattr(lifecycle, "machine", lambda *words: reached)
    monkeypatch.setattr(lifecycle, "BOOT", 0.1)
    with pytest.raises(tunnel.Unreachable, match="catdog aws allow"), lifecycle.connect(say=list):
        pass


def test_wrong_key_and_wrong_setup(up, ssh, home, tmp_path):
    assert up()[0] == 0
    (tmp_path / "setup").write_text("looking for the GPU\nfailed: looking for the GPU\n")
    with (
        pytest.raises(CatDogError, match="step that failed: looking for the GPU"),
        lifecycle.connect(),
    ):
        pass
    (home / ".ssh").unlink()
    with pytest.raises(CatDogError, match="name it with --key"), lifecycle.connect():
        pass


def test_connect_waits_for_the_setup(up, ssh, tmp_path, monkeypatch):
    assert up()[0] == 0
    setup, said = tmp_path / "setup", []
    setup.write_text("fetching the project\n")

    def sleep(seconds):  # meanwhile the machine has gone on
        setup.write_text("fetching the project\ninstalling the packages\nready\n")

    monkeypatch.setattr(lifecycle, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    with lifecycle.connect(say=said.append):
        pass
    assert said == ["  fetching the project", "  installing the packages"]
    monkeypatch.setattr(lifecycle, "time", time)
    setup.write_text("fetching the project\n")
    with pytest.raises(CatDogError, match="not set up after"), lifecycle.connect(wait=0.2):
        pass


def test_the_command_opens_a_door_that_only_this_user_sees(up, catdog, ssh, monkeypatch):
    assert up()[0] == 0
    opened = []

    def browser(url):
        page = Path(url.removeprefix("file://"))
        opened.append((url, page.read_text(), stat.S_IMODE(page.stat().st_mode)))
        return True

    def enough(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(lifecycle.webbrowser, "open", browser)
    monkeypatch.setattr(tunnel.Connection, "alive", lambda connection: enough(0))
    code, said = catdog("connect")
    assert code == 130 and "JupyterLab is at http://127.0.0.1:" in said and TOKEN not in said
    ((url, text, mode),) = opened
    assert TOKEN in text and TOKEN not in url and mode == 0o600
    assert not Path(url.removeprefix("file://")).exists()
    assert TOKEN in catdog("connect", "--show-token")[1]


def test_a_tunnel_that_breaks_is_opened_again(up, ssh, monkeypatch):
    assert up()[0] == 0
    monkeypatch.setattr(lifecycle.webbrowser, "open", lambda url: True)
    said = []

    def say(words):
        said.append(words)
        if words == "Connected again.":
            raise KeyboardInterrupt

    broken = []

    def connect(*args, **kwargs):
        from contextlib import contextmanager

        @contextmanager
        def opened():
            with original(*args, **kwargs) as connection:
                if not broken:
                    broken.append(connection.url)
                    connection.process.terminate()
                    connection.process.wait()
                else:
                    broken.append(connection.url)
                yield connection

        return opened()

    original = lifecycle.connect
    monkeypatch.setattr(lifecycle, "connect", connect)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.stay_connected(say=say)
    assert "The tunnel broke." in said and len(set(broken)) == 1 and len(broken) == 2


def test_send(up, catdog, ssh, tmp_path):
    assert up()[0] == 0
    (tmp_path / "train.zip").write_text("photos")
    code, said = catdog("send", str(tmp_path / "train.zip"), "--to", "project/data")
    assert code == 0, said
    told = ssh.read_text()
    assert "mkdir -p -- project/data" in told
    assert re.search(r"'-r', '--', '.*train.zip', 'ubuntu@i-[0-9a-f]+:project/data'", told)


def test_no_secret_anywhere(account, up, catdog, ssh, ssh_keys, caplog, secrets):
    """Neither the reader's keys nor the token: in what is printed, logged, or kept by AWS."""
    caplog.set_level(logging.DEBUG, "catdog")
    places = {"up": up()[1], "status": catdog("status")[1]}
    with lifecycle.connect() as connection:
        places["connection"] = f"{connection} {connection.machine}"
        wrong = tunnel.Connection(
            connection.url, TOKEN[::-1], connection.machine, connection.process
        )
        with pytest.raises(CatDogError) as refused:
            tunnel.wait_for_jupyter(wrong, 5)
        places["refusal"] = str(refused.value)
        assert TOKEN[::-1] not in places["refusal"]

    stacks, ec2 = account.client("cloudformation"), account.client("ec2")
    (stack,) = stacks.describe_stacks()["Stacks"]
    places["stack"] = repr(stack)
    places["template"] = repr(stacks.get_template(StackName="catdog-gpu"))
    places["events"] = repr(stacks.describe_stack_events(StackName="catdog-gpu"))
    machine = stack["Outputs"][0]["OutputValue"]
    kept = ec2.describe_instance_attribute(InstanceId=machine, Attribute="userData")
    places["user data"] = base64.b64decode(kept["UserData"]["Value"]).decode()
    assert "https://example.org/someone/catdog.git" in places["user data"]
    places["down"] = catdog("down", "--yes")[1]
    places["log"] = caplog.text
    places["ssh's command lines"] = ssh.read_text()

    private = (ssh_keys / "id_ed25519").read_text().splitlines()[1]
    for place, text in places.items():
        for secret in (TOKEN, *secrets, private, "someone@somewhere"):
            assert secret not in text, place


def test_no_secret_is_committed():
    """Keys and tokens have a look of their own: nothing that git tracks has it."""
    looks = (
        r"\b(AKIA|ASIA)[0-9A-Z]{16}\b",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r"[?&]token=[0-9A-Za-z_-]{16,}",
        r"\bgh[pousr]_[0-9A-Za-z]{30,}",
        r"\bKGAT_[0-9a-f]{16,}",
    )
    for look in looks:
        found = subprocess.run(
            ["git", "grep", "-nIP", "-e", look, "--", ":!tests/aws"],
            cwd=paths.ROOT,
            capture_output=True,
            text=True,
        )
        assert found.returncode == 1, found.stdout + found.stderr
