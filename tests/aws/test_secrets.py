"""Connecting, with the token in memory only; and a search for secrets wherever they could be."""

import base64
import contextlib
import logging
import re
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from pretended import TOKEN

from catdog import CatDogError
from catdog.cloud import Unreachable, copying, door, lifecycle, tunnel
from catdog.cloud import ssh_keys as host_keys
from catdog.core import paths


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


def test_host_keys_are_awaited_before_the_first_word(up, ssh, home, console):
    """AWS shows a console minutes later; until then nothing is sent, and nobody believed."""
    assert up()[0] == 0
    said = []
    reached = lifecycle.machine(say=said.append)
    assert console.late < 0 and said == ["  waiting for the machine's host keys in its console"]
    lines = (home / ".catdog" / "known_hosts").read_text().splitlines()
    assert lines == [
        f"{reached.alias} ecdsa-sha2-nistp256 AAAAE2Vj",
        f"{reached.alias} ssh-ed25519 AAAAC3Nz",
    ]
    assert "StrictHostKeyChecking=yes" in reached.command() and not ssh.exists()
    console.text = ""  # from now on they are known
    assert lifecycle.machine() == reached


@pytest.mark.parametrize("text", ["", "-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 AAAA"])
def test_a_console_without_host_keys_ends_it(up, catdog, ssh, home, console, monkeypatch, text):
    assert up()[0] == 0
    console.text = text  # none, or cut off
    monkeypatch.setattr(host_keys.remember_host_keys, "__defaults__", (print, 0.05))
    code, said = catdog("connect")
    assert code == 1 and "shows no host keys" in said and "nothing was sent" in said
    assert not ssh.exists() and not (home / ".catdog" / "known_hosts").exists()


def test_host_keys_of_the_last_start_count(up, ssh, home, console):
    assert up()[0] == 0
    console.text += console.text.replace("AAAAC3Nz", "AAAAnew")
    lifecycle.machine()
    assert "AAAAnew" in (home / ".catdog" / "known_hosts").read_text()
    assert "AAAAC3Nz" not in (home / ".catdog" / "known_hosts").read_text()


def test_a_changed_address_is_explained(up, ssh, refuse, monkeypatch, tmp_path):
    assert up("--access", "ssh", "--from", "198.51.100.7")[0] == 0
    program = tmp_path / "programs" / "ssh"
    program.write_text("#!/bin/sh\necho 'ssh: connect to host: timed out' >&2; exit 255\n")
    reached = tunnel.Machine("198.51.100.99")
    monkeypatch.setattr(lifecycle, "machine", lambda *words: reached)
    monkeypatch.setattr(lifecycle, "BOOT", 0.1)
    with pytest.raises(Unreachable, match="catdog aws allow"), lifecycle.connect(say=list):
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
    """sshd answers before the setup has begun: then there are no notes yet."""
    assert up()[0] == 0
    setup, said = tmp_path / "setup", []
    setup.unlink()
    states = ["", "fetching the project\n", "fetching the project\ninstalling\nready\n"]

    def sleep(seconds):  # meanwhile the machine has gone on
        setup.write_text(states.pop(0))

    monkeypatch.setattr(lifecycle, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    with lifecycle.connect(say=said.append):
        pass
    assert said == [
        "  waiting for the machine's host keys in its console",
        "  waiting for its setup to begin",
        "  fetching the project",
        "  installing",
    ]
    monkeypatch.setattr(lifecycle, "time", time)
    setup.write_text("fetching the project\n")
    with pytest.raises(CatDogError, match="not set up after"), lifecycle.connect(wait=0.2):
        pass


def test_the_command_opens_a_door_that_leads_in_once(up, catdog, ssh, monkeypatch):
    """The browser gets an address of the loopback: a snap reads no file of /tmp."""
    assert up()[0] == 0
    opened = []

    def browser(url):
        answers = [requests.get(url, allow_redirects=False, timeout=5) for _ in range(2)]
        other = requests.get(f"{url}x", allow_redirects=False, timeout=5)
        opened.append((url, answers[0].headers["Location"], answers[1].status_code))
        assert answers[0].status_code == 303 and other.status_code == 404
        return True

    def enough(connection):
        raise KeyboardInterrupt

    monkeypatch.setattr(lifecycle.webbrowser, "open", browser)
    monkeypatch.setattr(tunnel.Connection, "alive", enough)
    code, said = catdog("connect")
    assert code == 130 and "JupyterLab is at http://127.0.0.1:" in said and TOKEN not in said
    ((url, goal, again),) = opened
    assert url.startswith("http://127.0.0.1:") and TOKEN not in url and again == 404
    assert goal.endswith(f"/lab?token={TOKEN}")
    assert re.search(r"stops after 30 minutes without work, at \d\d:\d\d on 20", said)
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=5)
    assert TOKEN in catdog("connect", "--show-token")[1]


def test_the_door_listens_on_the_loopback_only():
    with door.door("http://127.0.0.1:1/lab?token=x") as address:
        port = int(re.search(r":(\d+)/", address)[1])
        listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        assert [w[1] for w in listening if w[1].endswith(f":{port:04X}") and w[3] == "0A"] == [
            f"0100007F:{port:04X}"
        ]


def test_a_tunnel_that_breaks_is_opened_again(up, ssh, monkeypatch):
    """After sleep, the network takes its time: AWS and then the machine do not answer at first."""
    assert up()[0] == 0
    monkeypatch.setattr(lifecycle.webbrowser, "open", lambda url: True)
    monkeypatch.setattr(
        tunnel, "time", SimpleNamespace(sleep=lambda s: None, monotonic=time.monotonic)
    )
    said, tries, urls = [], [], []

    def say(words):
        said.append(words)
        if words == "Connected again.":
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def connect(*args, **kwargs):
        tries.append(args)
        if len(tries) in (2, 3, 4):
            raise Unreachable("no route to host.")
        with original(*args, **kwargs) as connection:
            urls.append(connection.url)
            if len(tries) == 1:
                connection.process.terminate()
                connection.process.wait()
            yield connection

    original = lifecycle.connect
    monkeypatch.setattr(lifecycle, "connect", connect)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.stay_connected(say=say)
    assert "The tunnel broke." in said and len(tries) == 5
    assert said.count("The connection broke. Trying again for 10 minutes …") == 1
    assert len(urls) == 2 and len(set(urls)) == 1


def test_aws_that_does_not_answer_is_no_end(up, ssh, monkeypatch):
    assert up()[0] == 0
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Unreachable, match="Is this computer online"):
        lifecycle.machine()


def test_what_the_machine_says_is_shown(up, ssh, home, monkeypatch, tmp_path):
    """Warnings come through the same ssh as the tunnel."""
    assert up()[0] == 0
    program = tmp_path / "programs" / "ssh"
    text = program.read_text().replace(
        "    port = int(re",
        '    print("This machine stops in 5 min.", flush=True)\n    port = int(re',
    )
    program.write_text(text)
    said = []
    with lifecycle.connect(say=said.append) as connection:
        for _ in range(500):
            if said[-1:] == ["This machine stops in 5 min."]:
                break
            time.sleep(0.01)
        assert connection.alive()
    assert said[-1] == "This machine stops in 5 min."
    assert "tail -q -n 0 -F /run/catdog/warnings" in ssh.read_text()


def test_send(up, catdog, ssh, tmp_path, monkeypatch):
    assert up()[0] == 0
    (tmp_path / "train.zip").write_text("photos")
    sent = []
    monkeypatch.setattr(copying, "send", lambda *words: sent.append(words))
    code, said = catdog("send", str(tmp_path / "train.zip"), "--to", "project/data")
    assert code == 0 and "Sent to project/data/" in said
    ((machine, paths_, folder),) = sent
    assert machine.host.startswith("i-") and folder == "project/data"
    assert paths_ == [tmp_path / "train.zip"]


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
