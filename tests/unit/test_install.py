"""The locks install on every system that the README names, and with every Python."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13")
LINUX, LINUX_ARM = "x86_64-manylinux_2_28", "aarch64-manylinux_2_28"
MAC, WINDOWS = "aarch64-apple-darwin", "x86_64-pc-windows-msvc"
INTEL_MAC, WINDOWS_ARM = "x86_64-apple-darwin", "aarch64-pc-windows-msvc"
SETTINGS = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}  # the oldest macOS that will do


@pytest.fixture(scope="session")
def uv():
    """The program that resolves for other systems than this one: pip knows only its own markers."""
    found = shutil.which("uv", path=Path(sys.executable).parent)
    if not found:
        reason = "uv is not installed here: make install-dev"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return found


def resolve(uv, requirements, platform, python):
    """Ask the registry's index, without downloading a wheel, which ones a system would get."""
    return subprocess.run(
        [uv, "pip", "compile", "-q", "--no-deps", "--only-binary", ":all:"]
        + ["--python", sys.executable, "--python-version", python, "--python-platform", platform]
        + ["--format", "pylock.toml", "-"],
        input=requirements,
        capture_output=True,
        text=True,
        env=SETTINGS,
        timeout=120,
    )


@pytest.fixture(scope="session")
def registry(uv):
    """Skip where no registry answers; from here on, what fails is the lock's fault."""
    if resolve(uv, "tqdm", LINUX, "3.11").returncode:
        pytest.skip("no package registry answers")


def locked(lock):
    """Name → the hashes that a lock allows, over all its versions."""
    hashes = {}
    for block in re.split(r"\n(?=[a-z0-9])", (ROOT / "requirements" / f"{lock}.txt").read_text()):
        name = re.match(r"[a-z0-9._-]+", block)[0]
        hashes.setdefault(name, set()).update(re.findall(r"sha256:([0-9a-f]{64})", block))
    return hashes


@pytest.mark.parametrize(
    "lock, platform, python",
    [("cpu", s, v) for s in (LINUX, LINUX_ARM, MAC, WINDOWS) for v in PYTHONS]
    + [("dev", s, "3.11") for s in (LINUX, LINUX_ARM, MAC, WINDOWS)]
    + [("gpu", LINUX, v) for v in PYTHONS]
    + [("serve", s, "3.11") for s in (LINUX, LINUX_ARM)],
)
def test_lock_has_a_wheel_of_every_package(uv, registry, lock, platform, python):
    answer = resolve(uv, (ROOT / "requirements" / f"{lock}.txt").read_text(), platform, python)
    assert answer.returncode == 0, answer.stderr
    allowed, packages = locked(lock), tomllib.loads(answer.stdout)["packages"]
    names = [package["name"] for package in packages]
    assert len(names) == len(set(names)) > (20 if lock == "serve" else 100)
    for package in packages:
        wheels = {wheel["hashes"]["sha256"] for wheel in package["wheels"]}
        assert wheels and wheels <= allowed[package["name"]], package["name"]
    if lock == "serve":
        assert not {"keras", "tensorflow", "tensorflow-cpu"} & set(names)
        return
    small = lock != "gpu" and platform in (LINUX, WINDOWS)
    assert ("tensorflow-cpu" in names, "tensorflow" in names) == (small, not small)
    assert "setuptools" in names  # the package itself is built with it, not with an unpinned one


@pytest.mark.parametrize(
    "name, platform",
    [("tensorflow-cpu", LINUX_ARM), ("tensorflow", INTEL_MAC), ("tensorflow", WINDOWS_ARM)],
)
def test_lock_without_a_wheel_is_noticed(uv, registry, name, platform):
    """And why the README leaves two systems out."""
    text = (ROOT / "requirements" / "cpu.txt").read_text()
    pin = re.search(rf"^{name}==\S+", text, re.M)[0]
    assert resolve(uv, pin, LINUX if name == "tensorflow-cpu" else MAC, "3.11").returncode == 0
    answer = resolve(uv, pin, platform, "3.11")
    assert answer.returncode and name in answer.stderr
    if platform != LINUX_ARM:  # pip stops there, rather than leave TensorFlow out
        ours = re.findall(r"^tensorflow(?:-cpu)?==[^\\\n]*", text, re.M)
        assert resolve(uv, "\n".join(ours), platform, "3.11").returncode


def test_lock_is_that_of_the_project(uv, registry, tmp_path):
    """`make lock` changes nothing: what pyproject.toml asks for is what is pinned."""
    if not shutil.which("make"):
        pytest.skip("make is not installed here")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    done = subprocess.run(
        ["make", "-o", "install-dev", "lock", f"BIN={Path(uv).parent}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=SETTINGS,
    )
    assert done.returncode == 0, done.stderr
    for lock in sorted((ROOT / "requirements").iterdir()):
        assert (tmp_path / "requirements" / lock.name).read_text() == lock.read_text(), lock.name


def interpreter(version):
    """A Python of this version that starts, or None. (One of pyenv's shims may not.)"""
    found = [Path(folder) / f"python{version}" for folder in os.get_exec_path()]
    found += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    says = "import sys; print('%d.%d' % sys.version_info[:2])"
    for path in filter(Path.exists, found):
        done = subprocess.run([path, "-c", says], capture_output=True, text=True)
        if done.stdout.strip() == version:
            return path
    return None


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Gigabytes, gone afterwards; uv links the files of its cache here instead of copying them."""
    path = tmp_path_factory.mktemp("pythons")
    yield path
    shutil.rmtree(path)


@pytest.mark.skipif(
    not os.environ.get("CATDOG_PYTHONS"), reason="a minute for each Python: make pythons"
)
@pytest.mark.parametrize("version", PYTHONS)
def test_other_python_installs_the_lock_and_passes(version, uv, registry, room):
    if version == "{}.{}".format(*sys.version_info):
        pytest.skip("all the other tests run with this one")
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    programs = room / version / ("Scripts" if os.name == "nt" else "bin")
    left_out = ("PYTHONPATH", "VIRTUAL_ENV", "CATDOG_PYTHONS")
    environment = {k: v for k, v in os.environ.items() if k not in left_out}

    def run(*command):
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**environment, "UV_CACHE_DIR": str(room / "cache")},
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout

    run(uv, "venv", "-q", "--python", python, room / version)
    install = (uv, "pip", "install", "-q", "--python", programs / "python")
    lock = ROOT / "requirements" / "dev.txt"
    run(*install, "--require-hashes", "--only-binary", ":all:", "-r", lock)
    run(*install, "--no-deps", "--no-build-isolation", "-e", ".")
    assert "predict" in run(programs / "catdog", "--help")
    tests = [f"tests/unit/test_{name}.py" for name in ("data", "pipeline", "convolution")]
    said = run(programs / "python", "-m", "pytest", "-p", "no:cacheprovider", *tests)
    assert re.search(r"^\d+ passed", said, re.M), said
