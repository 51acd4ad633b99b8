"""Several processes, on one machine or on two, train as one does; who is missing is named."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
import yaml

from benchmarks import several_machines
from catdog import CatDogError
from catdog.core import distribution, launching, paths, resources
from catdog.data import augmentation, batching, loading, manifests

ON_JAX = {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3", "TQDM_DISABLE": "1"}
TRAIN = ("train", "article", "--batch-size", "16", "--epochs", "3", "--lr", "3e-4")


# ---- each makes its part


def mixed(images, labels, rng, epoch):
    return augmentation.cutmix(images, labels, rng)


@pytest.mark.parametrize(
    ("how", "also"), [(augmentation.ARTICLE, None), (None, None), (augmentation.ARTICLE, mixed)]
)
def test_the_parts_of_all_processes_are_the_whole_batch(how, also):
    images = np.random.default_rng(0).integers(0, 255, (22, 16, 16, 3), dtype=np.uint8)
    labels = np.arange(22) % 2

    def epoch(**share):
        made = batching.training_batches(images, labels, 8, how, seed=3, also=also, **share)
        return list(made.take(3).as_numpy_iterator())

    shares = [distribution.Share(4, 2, i) for i in (0, 1)]
    for (x, y), *parts in zip(epoch(), *(epoch(share=one) for one in shares), strict=True):
        photos, truth, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
        assert np.array_equal(photos[: len(x)], x) and np.array_equal(truth[: len(y)], y)
        assert weights[: len(x)].min() > 0 and not weights[len(x) :].any()


def test_a_process_decodes_its_part_alone(photos_on_disk):
    lines, labels = loading.photos_of(photos_on_disk, "train")
    images = loading.Photos(loading.paths_of(photos_on_disk, lines), 24)
    whole, _, _ = loading.load(photos_on_disk, "train", 24, progress=False)
    part = images.take(np.arange(16))
    share = distribution.Share(2, 2, 1)
    batches = batching.training_batches(images, labels, 8, None, share=share)
    (x, _, _) = next(batches.take(1).as_numpy_iterator())
    assert x.shape == (4, 24, 24, 3) and images._there.sum() < len(images)
    assert not part._there.any() and np.array_equal(part[:], whole[:16])
    assert part._there.all() and np.array_equal(images[3::5], whole[3::5])


# ---- who is missing


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def meet(several, numbers, wait):
    """What these of several processes are told when they wait for each other so long."""
    address, said = f"127.0.0.1:{free_port()}", {}

    def one(number):
        try:
            launching._meet(address, several, number, wait)
            said[number] = "go"
        except CatDogError as error:
            said[number] = str(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def test_all_meet_in_any_order():
    assert meet(4, (3, 1, 0, 2), 60) == dict.fromkeys(range(4), "go")


def test_everyone_is_told_who_is_missing():
    said = meet(4, (0, 2), 1.5)
    assert said[0] == said[2] and "process 1, 3 of 0 to 3 did not come" in said[0]
    assert "process 0 does not answer" in meet(2, (1,), 1)[1]


@pytest.mark.parametrize(
    "number, which, address, backend, said",
    [
        ("two", "0", "a:1", "jax", "NUM_PROCESSES is 'two'"),
        ("2", "", "a:1", "jax", "PROCESS_ID is ''"),
        ("2", "2", "a:1", "jax", "from 0 to 1"),
        ("2", "1", "a", "jax", "set it to host:port"),
        ("2", "1", "a:1,b:1", "tensorflow", "set KERAS_BACKEND=jax"),
    ],
)
def test_what_the_launcher_sets_is_checked(monkeypatch, number, which, address, backend, said):
    for name, value in zip(
        (launching.NUMBER, launching.ID, launching.ADDRESS), (number, which, address), strict=True
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(launching.keras.backend, "backend", lambda: backend)
    with pytest.raises(CatDogError, match=said):
        launching.asked_for()


def test_a_name_that_leads_to_this_machine_alone_is_said(monkeypatch):
    found = {"me": "127.0.1.1", "10.0.0.1": "10.0.0.1", "localhost": "127.0.0.1"}
    monkeypatch.setattr(socket, "gethostname", lambda: "me")
    monkeypatch.setattr(socket, "gethostbyname", found.get)
    launching._must_be_reached("localhost:1")
    with pytest.raises(CatDogError, match="own name, me, leads to itself alone"):
        launching._must_be_reached("10.0.0.1:1")
    found["me"] = "10.0.0.2"
    launching._must_be_reached("10.0.0.1:1")


def test_number_of_processes_is_the_launchers(monkeypatch):
    monkeypatch.setattr(launching, "asked_for", lambda: 4)
    launching.start(4)
    launching.start(None)
    with pytest.raises(CatDogError, match="2 processes are wanted, but .* is 4"):
        launching.start(2)


# ---- who starts them


def test_run_ends_all_with_the_first_that_fails(tmp_path):
    fails = f"import os, sys, time; os.environ['{launching.ID}'] == '1' and sys.exit(3)"
    started = time.monotonic()
    with pytest.raises(CatDogError, match="process 1 of 2 ended with 3"):
        launching.run([sys.executable, "-c", f"{fails}; time.sleep(50)"], 2)
    assert time.monotonic() - started < 40
    own = f"import os; open(os.environ['{launching.ID}'], 'x')"
    launching.run([sys.executable, "-c", own], 2, cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_without_gpus_each_process_has_a_core_of_its_own(tmp_path):
    says = "import os, sys; open(sys.argv[1], 'a').write(f'{os.sched_getaffinity(0)} ')"
    (tmp_path / "catdog.py").write_text(says)
    cores = resources.allowed_cores()
    line = [sys.executable, "-c", several_machines.ON_OWN_CORE, ",".join(map(str, cores)), "seen"]
    launching.run(line, len(cores), cwd=tmp_path)
    assert sorted((tmp_path / "seen").read_text().split()) == sorted(f"{{{c}}}" for c in cores)


def test_scaling_is_the_rate_beside_that_of_one(monkeypatch, photos_on_disk):
    seconds = {1: iter([2.0, 4.0, 3.0]), 2: iter([2.0, 2.0, 2.0])}
    monkeypatch.setattr(launching, "must_be_jax", lambda: None)
    monkeypatch.setattr(
        several_machines, "_epoch_seconds", lambda folder, n, *rest: next(seconds[n])
    )
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    monkeypatch.setattr(distribution, "gpus", lambda: ["T4", "T4"])
    found = several_machines.scaling(photos_on_disk, share=8, progress=False)
    n, two = found["photos"], found["runs"]["2"]
    assert n == len(manifests.read(photos_on_disk)) and two["efficiency"] == 0.75
    assert two["images_per_second"]["median"] == n / 2
    assert two["step_seconds"]["median"] == 2 / -(-n // 16)
    assert found["gradient_megabytes"] == 4 * 1.355938
    assert "2 processes, a GPU each" in several_machines.summary(found)
    with pytest.raises(CatDogError, match="3 processes need as many GPUs: here are 2"):
        several_machines.scaling(photos_on_disk, (1, 3))


SHOWN = """#!/bin/sh
set -- "$KERAS_DISTRIBUTION_NUM_PROCESSES $KERAS_DISTRIBUTION_PROCESS_ID" "$@"
echo "$KERAS_BACKEND $KERAS_DISTRIBUTION_JOB_ADDRESSES $*"
"""  # a line at once: two of them write


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_skypilot_starts_a_process_a_machine(tmp_path):
    task = yaml.safe_load((paths.ROOT / "scripts" / "machines" / "sky.yaml").read_text())
    program(tmp_path / ".venv" / "bin" / "catdog", SHOWN)
    given = {"NODE_IPS": "10.0.0.7\n10.0.0.9", "NUM_NODES": "2", "NODE_RANK": "1"}
    environment = {f"SKYPILOT_{name}": value for name, value in given.items()}
    said = subprocess.check_output(
        ["bash", "-ec", task["run"]], cwd=tmp_path, text=True, env=os.environ | environment
    )
    assert said.startswith("jax 10.0.0.7:29500 2 1 train best --batch-size 256 ")
    assert "-r requirements/jax.txt" in task["setup"]


def by_ssh(tmp_path, *words):
    """What the script for ssh starts, by host, where ssh does all on this machine."""
    program(tmp_path / "bin" / "ssh", 'cd "$HOME"; exec sh -c "echo $4; $5"\n')
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    script = paths.ROOT / "scripts" / "machines" / "ssh.sh"
    line = ["bash", str(script), "a@10.0.0.1 b@10.0.0.2", *words]
    return subprocess.run(
        line, env=os.environ | environment, capture_output=True, text=True, timeout=60
    )


def test_ssh_starts_a_process_a_machine(tmp_path):
    program(tmp_path / "cats-dogs" / ".venv" / "bin" / "catdog", SHOWN)
    said = by_ssh(tmp_path, "train", "--data", "my photos").stdout.splitlines()
    assert sorted(said) == [
        "a@10.0.0.1",
        "b@10.0.0.2",
        "jax 10.0.0.1:29500 2 0 train --data my photos",
        "jax 10.0.0.1:29500 2 1 train --data my photos",
    ]


def test_ssh_ends_all_with_the_first_that_fails(tmp_path):
    fails = "#!/bin/sh\n[ $KERAS_DISTRIBUTION_PROCESS_ID = 1 ] && exit 3\nexec sleep 50\n"
    program(tmp_path / "cats-dogs" / ".venv" / "bin" / "catdog", fails)
    started = time.monotonic()
    assert by_ssh(tmp_path, "train").returncode == 3 and time.monotonic() - started < 40


# ---- the training


def start(tmp_path, run, data, *words, before=(), **environment):
    line = [*before, sys.executable, "-m", "catdog", *TRAIN, "--data", str(data), "--run", str(run)]
    return subprocess.Popen(
        [*line, *words],
        env=os.environ | ON_JAX | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(run):
    out, err = run.communicate(timeout=800)
    assert run.returncode == 0, err[-3000:]
    return out


def losses(run):
    record = json.loads((run / "record.json").read_text())
    return record, [record["history"][name] for name in ("loss", "val_loss")]


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """The photos, and the losses of one process."""
    import pictures

    from catdog.data import organizing

    tmp_path = tmp_path_factory.mktemp("one")
    (tmp_path / "photos").mkdir()
    for label in manifests.LABELS:
        for i in range(26):
            content = pictures.jpeg(i + 100 * (label == "dog"), (160, 150))
            (tmp_path / "photos" / f"{label}.{i}.jpg").write_bytes(content)
    data = organizing.organize(tmp_path / "photos", tmp_path / "data", progress=False)
    ended(start(tmp_path, tmp_path / "run", data))
    return data, *losses(tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("several", [2, 4])
def test_several_processes_lose_as_one_does(one_process, tmp_path, several):
    data, alone, expected = one_process
    out = ended(start(tmp_path, tmp_path / "run", data, "--processes", str(several)))
    assert out.count("validation photos") == 1 and "Gloo" not in out
    record, found = losses(tmp_path / "run")
    assert record["processes"] == record["devices"] == several
    assert np.allclose(found, expected, rtol=0, atol=1e-5)
    for name in ("validation", "validation_flip"):
        assert record[name]["n"] == alone[name]["n"]
        assert record[name]["log_loss"] == pytest.approx(alone[name]["log_loss"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_process_that_dies_ends_all_and_the_next_start_goes_on(one_process, tmp_path, killed):
    data, _, expected = one_process
    run = tmp_path / "run"
    first = start(tmp_path, run, data, "--processes", "2")
    while not (run / "epoch-0001").exists():
        assert first.poll() is None, first.stderr.read()
        time.sleep(0.05)
    for one in psutil.Process(first.pid).children():
        if one.environ()[launching.ID] == str(killed):
            one.send_signal(signal.SIGKILL)
    _, err = first.communicate(timeout=200)
    assert first.returncode == 1 and f"process {killed} of 2 ended with -9" in err
    assert not (run / "record.json").exists()
    ended(start(tmp_path, run, data, "--processes", "2"))
    assert np.allclose(losses(run)[1], expected, rtol=0, atol=1e-5)


@pytest.fixture
def two_hosts(tmp_path):
    """Two network namespaces with a cable between them: how a command is run in each."""
    if os.geteuid() or not (shutil.which("ip") and shutil.which("unshare")):
        pytest.skip("two network namespaces need root, ip and unshare")
    names = [f"catdog{os.getpid()}{letter}" for letter in "ab"]
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n10.77.0.1 host0\n10.77.0.2 host1\n")
    try:
        for name in names:
            done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"no network namespaces here: {done.stderr}")
        ends = ["type", "veth", "peer", "name", "eth0", "netns", names[1]]
        lines = [["link", "add", "eth0", "netns", names[0], *ends]]
        for i, name in enumerate(names):
            lines += [
                ["-n", name, "addr", "add", f"10.77.0.{i + 1}/24", "dev", "eth0"],
                ["-n", name, "link", "set", "eth0", "up"],
                ["-n", name, "link", "set", "lo", "up"],
            ]
        for line in lines:
            subprocess.run(["ip", *line], check=True)
        own = 'hostname "$0"; mount --bind "$1" /etc/hosts; shift; exec "$@"'
        yield [
            ["ip", "netns", "exec", name, "unshare", "-um", "sh", "-ec", own, f"host{i}", hosts]
            for i, name in enumerate(names)
        ]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


@pytest.mark.slow
def test_two_hosts_train_as_one_does_and_the_first_alone_writes(one_process, two_hosts, tmp_path):
    data, _, expected = one_process
    shutil.copytree(data, tmp_path / "1" / "photos")  # the second host has its own
    both = [
        start(
            tmp_path,
            tmp_path / str(i) / "run",
            [data, tmp_path / "1" / "photos"][i],
            before=before,
            **{launching.ADDRESS: "host0:29500", launching.NUMBER: "2", launching.ID: str(i)},
        )
        for i, before in enumerate(two_hosts)
    ]
    out = [ended(one) for one in both]
    assert "validation photos" in out[0] and not out[1]
    assert not (tmp_path / "1" / "run").exists()
    assert np.allclose(losses(tmp_path / "0" / "run")[1], expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_process_with_other_photos_is_named(one_process, photos_on_disk, tmp_path):
    common = {launching.ADDRESS: f"127.0.0.1:{free_port()}", launching.NUMBER: "2"}
    both = [
        start(tmp_path, tmp_path / str(i), data, **common, **{launching.ID: str(i)})
        for i, data in enumerate((one_process[0], photos_on_disk))
    ]
    said = [one.communicate(timeout=300)[1] for one in both]
    assert "process 1 has another photos than process 0" in said[1]
    assert all(one.returncode for one in both) and "another process has ended" in said[0]
