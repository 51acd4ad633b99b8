"""A newcomer's walk: what scripts/aws/FIRST_TIME.md shows is what the commands print."""

import re
import shlex
import time
from types import SimpleNamespace

import pytest
from pretended import COMMIT, IMAGE, product

from catdog.cloud import cloudformation, lifecycle, tunnel

FOLDER = cloudformation.TEMPLATE.parent
PAGE = FOLDER / "FIRST_TIME.md"
# What differs from one time to the next: instances, ports, days, times and lengths of time.
VARIES = [
    (r"i-[0-9a-f]{8,}", "i-…"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:…"),
    (r"\d{4}-\d\d-\d\d", "DAY"),
    (r"\b\d\d:\d\d\b", "TIME"),
]


def blocks():
    """What the page shows of the terminal: (command, words that follow)."""
    shown = re.findall(r"```text\n\$ (.*?)\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    return [(command, words) for command, words in shown]


def alike(text):
    for pattern, instead in VARIES:
        text = re.sub(pattern, instead, text)
    return [line.rstrip() for line in text.strip().splitlines()]


def steps():
    """What the machine notes of its setup, from the two scripts themselves."""
    scripts = (FOLDER / "template.yaml").read_text() + (FOLDER / "setup.sh").read_text()
    return [
        *re.findall(r'^ *echo "(fetching [^"]*)" >>', scripts, re.M),
        *re.findall(r'^step "(.*)"', scripts, re.M),
    ]


@pytest.fixture
def terminal(catdog, ssh, refuse, monkeypatch, tmp_path, capsys):
    """Type a command of the page; return what stands on the screen then."""
    refuse("GetProducts", "", answer={"PriceList": [product("g4dn.xlarge", "0.526")]})
    notes, done = tmp_path / "setup", []
    notes.unlink()

    def answer(question):
        print(f"{question}y")
        return "y"

    def sleep(seconds):  # meanwhile the machine has gone on
        done.append((steps() + ["ready"])[len(done)])
        notes.write_text("".join(f"{step}\n" for step in done))

    def ctrl_c(connection):
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr(lifecycle, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    monkeypatch.setattr(lifecycle.webbrowser, "open", lambda url: True)
    monkeypatch.setattr(tunnel.Connection, "alive", ctrl_c)

    def type_(command):
        program, group, *words = shlex.split(command)
        assert (program, group) == ("catdog", "aws")
        if words[0] == "up":
            words += ["--image", IMAGE, "--commit", COMMIT]
            words += ["--repository", "https://example.org/cats-dogs-convolutions"]
        return catdog(*words)[1]

    return type_


def test_the_walk_is_what_the_commands_print(terminal, console):
    walk = [(command, words) for command, words in blocks() if "catdog aws" in command]
    assert [command.split()[2] for command, _ in walk] == [
        *("up", "connect", "status", "stop", "start", "down", "status")
    ]
    for command, words in walk:
        assert alike(words) == alike(terminal(command)), command


def test_the_refusals_are_what_the_command_prints(up, console, refuse):
    text = " ".join(PAGE.read_text("utf-8").replace("> ", "").split())
    console.plan = "FREE"
    free = up()[1].strip()
    console.plan = "PAID"
    refuse("GetServiceQuota", "", answer={"Quota": {"Value": 0.0}})
    for said in (free, up()[1].strip()):
        assert said.startswith("catdog: ") and said in text, said
