"""Files to a second host and back: resumed, compared, and nothing of the reader's overwritten."""

import os
from pathlib import Path

import pytest

from catdog import CatDogError
from catdog.cloud import copying, remote, tunnel


@pytest.fixture
def near(tmp_path):
    return tmp_path / "near"


def test_send_resumes_compares_and_leaves_alone(host, tmp_path):
    folder = tmp_path / "photos of mine"
    (folder / "cats (1)").mkdir(parents=True)
    blobs = {"cats (1)/a [1].jpg": os.urandom(300_000), "b.jpg": b"", "it's.jpg": b"c"}
    for name, blob in blobs.items():
        (folder / name).write_bytes(blob)
    there = host.home / "project" / "data" / "photos of mine"
    (there / "cats (1)").mkdir(parents=True)
    (there / "cats (1)/a [1].jpg").write_bytes(blobs["cats (1)/a [1].jpg"][:200_000])
    (there / "it's.jpg").write_bytes(b"another, and longer")
    commands = []

    class Spy(tunnel.Machine):
        def copy(self, words, folder):
            commands.extend(word.split()[0] for word in words)
            return super().copy(words, folder)

    spy = Spy(**vars(host.machine))
    copying.send(spy, [folder], "project/data")
    assert {name: (there / name).read_bytes() for name in blobs} == blobs
    assert sorted(commands) == ["put", "put", "reput"]
    copying.send(spy, [folder], "project/data")
    assert len(commands) == 3  # nothing more to send
    # what is there in part is of another file: then all of it is sent
    (there / "cats (1)/a [1].jpg").write_bytes(b"x" * 1000)
    copying.send(spy, [folder], "project/data")
    assert (there / "cats (1)/a [1].jpg").read_bytes() == blobs["cats (1)/a [1].jpg"]
    with pytest.raises(CatDogError, match="is not there"):
        copying.send(spy, [folder / "missing"], "project/data")


@pytest.fixture
def made(host, near):
    """Two files of a run of the machine, and what is said of them."""
    (host.runs / "made").mkdir()
    names = ["made/record.json", "made/model.keras"]
    (host.runs / names[0]).write_bytes(b"{}")
    (host.runs / names[1]).write_bytes(os.urandom(700_000))
    return copying.listing(host.machine, "project/runs", [*names, "made/missing"]), near / "into"


def test_fetch_resumes_and_leaves_alone(host, made):
    wanted, into = made
    assert set(wanted) == {"made/record.json", "made/model.keras"}
    (into / "made").mkdir(parents=True)
    blob = (host.runs / "made/model.keras").read_bytes()
    (into / "made/model.keras.part").write_bytes(blob[:400_000])
    copying.fetch(host.machine, "project/runs", wanted, into)
    assert (into / "made/model.keras").read_bytes() == blob
    stamp = (into / "made/model.keras").stat().st_mtime_ns
    (into / "made/record.json").unlink()
    copying.fetch(host.machine, "project/runs", wanted, into)
    assert (into / "made/model.keras").stat().st_mtime_ns == stamp
    assert (into / "made/record.json").read_bytes() == b"{}" and not list(into.rglob("*.part"))


def test_another_file_of_the_readers_is_not_overwritten(host, made):
    wanted, into = made
    (into / "made").mkdir(parents=True)
    (into / "made/record.json").write_text("my notes")
    with pytest.raises(CatDogError, match="record.json is there but is another file"):
        copying.fetch(host.machine, "project/runs", wanted, into)
    assert (into / "made/record.json").read_text() == "my notes"


def test_a_file_that_changed_on_the_machine_is_not_taken(host, made):
    wanted, into = made
    (host.runs / "made/model.keras").write_bytes(os.urandom(700_000))
    with pytest.raises(CatDogError, match="has changed on the machine"):
        copying.fetch(host.machine, "project/runs", wanted, into)
    assert not list(into.rglob("*.keras*"))
    copying.fetch(
        host.machine,
        "project/runs",
        copying.listing(host.machine, "project/runs", list(wanted)),
        into,
    )
    assert (into / "made/model.keras").exists()


def test_a_disk_that_is_full_is_said(host, made, monkeypatch):
    wanted, into = made

    def full(self, commands, folder):  # sftp stops at the first write that fails
        if (folder / "made").exists():
            (folder / "made/record.json.part").touch()
        return False

    with monkeypatch.context() as patch:
        patch.setattr(tunnel.Machine, "copy", full)
        with pytest.raises(CatDogError, match="disk full.*goes on where it stopped"):
            copying.fetch(host.machine, "project/runs", wanted, into)
        with pytest.raises(CatDogError, match="could not be copied whole"):
            copying.send(host.machine, [Path(__file__)], "project/data")
    copying.fetch(host.machine, "project/runs", wanted, into)


@pytest.mark.parametrize(
    "name", ["../../x.keras", "/etc/x.keras", "a/../../../x.keras", "-x", 'a"b']
)
def test_a_machine_cannot_choose_where_files_go(host, made, name):
    _, into = made
    with pytest.raises(CatDogError, match="leads elsewhere"):
        copying.fetch(host.machine, "project/runs", {name: ("0", 1)}, into)
    (host.home / ".catdog/run").mkdir()
    (host.home / ".catdog/run/order").write_text(f"../{name!r} 92")
    with pytest.raises(CatDogError, match="none of ours"):
        remote.last(host.machine)
    assert not into.exists()
