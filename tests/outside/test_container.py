"""The lines of `scripts/serve/Containerfile`, carried out without a container engine.

They are read from the file, not typed again: what is tested is what an engine would do, but for the
image that it starts from.
"""

import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest
import skimage.data
from PIL import Image

ROOT = Path(__file__).parents[2]
FILE = ROOT / "scripts" / "serve" / "Containerfile"


def instructions() -> list[tuple[str, str]]:
    """Return the lines as (instruction, what follows it)."""
    lines = FILE.read_text("utf-8").splitlines()
    return [tuple(line.split(" ", 1)) for line in lines if line and not line.startswith("#")]


def the(name: str) -> str:
    """Return what follows an instruction that is there once."""
    (found,) = [rest for instruction, rest in instructions() if instruction == name]
    return found


def test_every_instruction_is_one_that_the_test_knows():
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "STOPSIGNAL"}
    assert {name for name, _ in instructions()} == known | {"HEALTHCHECK", "CMD"}
    assert the("USER") == "65534:65534" and the("EXPOSE") in the("CMD")


def become() -> list[str]:
    """Return what, put before a command, runs it as the file's user who can become no other."""
    user, group = the("USER").split(":")
    found = f"setpriv --reuid {user} --regid {group} --clear-groups --no-new-privs".split()
    return [*found, "--inh-caps", "-all", "--bounding-set", "-all"]


def home(*python) -> str:
    """Return where a Python says that it is installed; nothing if it does not start."""
    says = [*python, "-c", "import ensurepip, sys; print(sys.base_prefix)"]
    return subprocess.run(says, cwd="/", capture_output=True, text=True).stdout


def read_only() -> list[str]:
    """Return what, put before a command, lets it see the disk as `docker run --read-only` does."""
    found = ["unshare", "-m", "sh", "-c", 'mount -o remount,bind,ro / && exec "$@"', "-"]
    failed = subprocess.run([*found, "true"], capture_output=True).returncode
    return [] if failed else found  # where mounting is refused, what is written is only looked for


def command(words: str, port: int) -> list[str]:
    """Return a command of the file as its user runs it, at another port."""
    assert the("EXPOSE") in words
    words = words.replace(the("EXPOSE"), str(port))
    return [*read_only(), *become(), *json.loads(words)]


@pytest.fixture(scope="module")
def built():
    """The root of an image, as far as its lines make it: app/, and Python in venv/."""
    version = "{}.{}".format(*sys.version_info)
    if the("FROM") != f"python:{version}-slim":
        pytest.skip(f"the image has another Python than {version}")
    if sys.platform != "linux" or os.getuid() or not shutil.which("setpriv"):
        pytest.skip("only root on Linux can become the image's user")
    found = filter(Path.exists, (Path(x) / f"python{version}" for x in os.get_exec_path()))
    python = next((path for path in found if home(path) == home(*become(), path) != ""), None)
    if python is None:
        pytest.skip(f"no Python {version} here that another user may start")
    ask = [sys.executable, "-m", "pip", "install", "--dry-run", "-I", "--no-deps", "click"]
    if subprocess.run(ask, capture_output=True).returncode:
        pytest.skip("no package registry answers")
    root = Path(tempfile.mkdtemp("-container"))  # pytest's own folders are shut to other users
    root.chmod(0o755)
    subprocess.run([python, "-m", "venv", root / "venv"], check=True)
    app, environment = root, {"PATH": f"{root}/venv/bin:/usr/bin:/bin"}
    for name, rest in instructions():
        if name == "WORKDIR":
            app = root / rest.lstrip("/")
        elif name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                into = app / target / (Path(source).name if target.endswith("/") else "")
                into.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, into)
        elif name == "RUN":
            pip = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
            subprocess.run(rest, shell=True, cwd=app, env=pip | environment, check=True)
        elif name == "ENV":
            pairs = (pair.split("=", 1) for pair in shlex.split(rest))
            environment |= {key: re.sub("^/app", str(app), value) for key, value in pairs}
    subprocess.run(["chmod", "-R", "a-w", root], check=True)
    yield app, environment | {"HOME": "/nonexistent", "TMPDIR": "/nonexistent"}
    shutil.rmtree(root)


def test_container_answers_as_nobody_without_tensorflow_and_writes_nothing(built):
    app, environment = built
    before = {path: path.stat().st_mtime_ns for path in app.parent.rglob("*")}
    how = dict(cwd=app, env=environment, text=True)
    port = free_port()
    server = subprocess.Popen(command(the("CMD"), port), stdout=subprocess.PIPE, **how)
    try:
        assert server.stdout.readline().startswith(f"Open http://127.0.0.1:{port} ")
        check = command(the("HEALTHCHECK").removeprefix("CMD "), port)
        wait_until(lambda: subprocess.run(check, capture_output=True, **how).returncode == 0)
        photo = io.BytesIO()
        Image.fromarray(skimage.data.chelsea()).save(photo, "JPEG")
        address = f"http://127.0.0.1:{port}"
        found = httpx.post(f"{address}/predict", content=photo.getvalue(), timeout=60)
        assert found.status_code == 200 and found.json()["label"] == "cat" and found.json()["heat"]
        assert "text/html" in httpx.get(address).headers["content-type"]
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert re.search(r"^Uid:(\s+65534){4}$", status, re.M)
        mapped = Path(f"/proc/{server.pid}/maps").read_text()
        assert "onnxruntime" in mapped and "tensorflow" not in mapped
        server.send_signal(signal.Signals[the("STOPSIGNAL")])
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
    assert subprocess.run(check, capture_output=True, **how).returncode  # sick, once it is gone
    assert {path: path.stat().st_mtime_ns for path in app.parent.rglob("*")} == before


def test_container_has_no_tensorflow_and_needs_no_library_that_slim_lacks(built):
    app, environment = built
    programs = app.parent / "venv"
    names = {path.name.lower() for path in programs.glob("lib/*/site-packages/*")}
    assert "onnxruntime" in names and not names & {"tensorflow", "keras", "sklearn", "torch"}
    needed = set()
    for library in programs.rglob("*.so*"):
        said = subprocess.run(["ldd", library], capture_output=True, text=True).stdout
        assert "not found" not in said, library
        needed |= set(re.findall(r"^\s+(\S+) => /(?:usr/)?lib/", said, re.M))
    glibc = {f"lib{name}.so" for name in ("c", "m", "dl", "pthread", "rt", "util", "resolv")}
    assert {re.sub(r"\.so.*", ".so", name) for name in needed} <= glibc | {
        "libgcc_s.so",
        "libstdc++.so",
        "libz.so",
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def wait_until(ready, seconds=60):
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.2)
