"""User data and setup, executed on a pretended machine: a bare root, and programs that pretend."""

import re
import shutil
import stat
import subprocess
import sys

import cfnlint.decode
import pytest

from catdog.cloud import cloudformation

FOLDER = cloudformation.TEMPLATE.parent
REPOSITORY = "https://example.org/someone/catdog.git"
# Runs what "start" names, as systemd would: again as long as it fails and is to be restarted.
SYSTEMCTL = """
case "$1" in
    start)
        unit=ROOT/etc/systemd/system/${@: -1}
        program=$(sed -n "s/^ExecStart=//p" "$unit")
        for _ in {1..20}; do
            "$program" < /dev/null >> ROOT/journal 2>&1 && exit 0
            grep -q "^Restart=on-failure" "$unit" || exit 1
            [ -e ROOT/lost ] && exit 1
        done ;;
    is-enabled) grep -q "systemctl enable.*$2" LOG ;;
esac
"""


class Machine:
    """A pretended machine with nothing on it but what an image has.

    Scripts run for real, by bash and git, with their folders below `root`. Programs that change a
    system note that they were called, and pretend.
    """

    def __init__(self, root):
        self.root, self.bin, self.log = root, root / "bin", root / "log"
        self.home = root / "home" / "ubuntu"
        self.notes = self.home / ".catdog"
        for name in ("bin", "etc/ssh", "etc/systemd/system", "home/ubuntu", "opt", "run", "dev"):
            (root / name).mkdir(parents=True)
        for kind in ("ecdsa", "ed25519"):
            (root / f"etc/ssh/ssh_host_{kind}_key.pub").write_text(
                f"ssh-{kind} AAAA{kind} root@ip\n"
            )
        self.log.touch()
        for name in ("apt-get", "systemd-run", "loginctl", "sleep", "catdog"):
            self.program(name)
        self.program(
            "systemctl", SYSTEMCTL.replace("ROOT", str(root)).replace("LOG", str(self.log))
        )
        self.program("nvidia-smi", 'echo "Tesla T4, 580.1, 15360 MiB"')
        self.program("runuser", 'shift 3; exec "$@"')
        # nobody is called ubuntu here
        self.program(
            "install",
            'for word; do [ "$word" = ubuntu ] && word=$(id -un); words+=("$word"); done\n'
            f'exec {shutil.which("install")} "${{words[@]}}"',
        )
        # python3 -m venv makes a folder whose python does nothing for pip and runs what it reads
        self.program(
            "python3",
            f"mkdir -p $3/bin; cp {self.bin}/catdog $3/bin/; cp {self.bin}/venv $3/bin/python",
        )
        self.program("venv", f'[ "$1" = -m ] || exec {sys.executable} "$@"')
        self._publish()

    def program(self, name, body=""):
        (self.bin / name).write_text(f'#!/bin/bash\necho "{name} $*" >> {self.log}\n{body}\n')
        (self.bin / name).chmod(0o755)

    def fails(self, name, times, when=""):
        """Let a program fail the first so many times that its words are these."""
        count, pretend = self.root / f"{name}-fails", (self.bin / name).read_text().splitlines()[2:]
        count.write_text("x" * times)
        self.program(
            name,
            f'if [[ "$*" == *"{when}"* && -s {count} ]]; then\n'
            f"    truncate -s -1 {count}; exit 100\nfi\n" + "\n".join(pretend),
        )

    def here(self, text):
        """Put a script's folders below the root."""
        text = re.sub(r"(?<![\w.])/(etc|home|opt|run)\b", rf"{self.root}/\1", text)
        return text.replace("/dev/console", f"{self.root}/dev/console")

    def _git(self, *words):
        line = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
        return subprocess.run(
            line, cwd=self.root / "origin", check=True, capture_output=True, text=True
        ).stdout.strip()

    def _publish(self):
        """Make the project's repository: what is fetched from there, and a later commit."""
        files = {"requirements/gpu.txt": "", "scripts/aws/idle_stop.py": "print('watching')\n"}
        files["scripts/aws/setup.sh"] = self.here((FOLDER / "setup.sh").read_text())
        for name, text in files.items():
            (self.root / "origin" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / "origin" / name).write_text(text)
        self._git("init", "-q", "-b", "main")
        self._git("add", "-A")
        self._git("commit", "-q", "-m", "one")
        self.commit = self._git("rev-parse", "HEAD")
        (self.root / "origin" / "later").touch()
        self._git("add", "-A")
        self._git("commit", "-q", "-m", "two")

    def user_data(self):
        template, _ = cfnlint.decode.decode(str(cloudformation.TEMPLATE))
        text = template["Resources"]["Instance"]["Properties"]["UserData"]["Fn::Base64"]["Fn::Sub"]
        values = {"Repository": REPOSITORY, "Commit": self.commit}
        values |= {"IdleMinutes": "30", "MaxHours": "8"}
        filled = re.sub(
            r"\$\{(\w+)\}", lambda found: values.pop(found[1], values.get(found[1], "8")), text
        )
        assert not values
        return filled

    def run(self, *line):
        environment = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.file://{self.root}/origin.insteadOf",
            "GIT_CONFIG_VALUE_0": REPOSITORY,
        }
        return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120)

    def boot(self):
        """Start the machine: user data at the first start, then what is enabled."""
        for path in (self.root / "run").iterdir():
            path.unlink()
        (self.root / "dev" / "console").write_text("")
        begin = self.root / "user_data.sh"
        if not begin.exists():
            begin.write_text(self.here(self.user_data()))
            return self.run("bash", str(begin))
        assert "systemctl enable catdog-setup.service" in self.log.read_text()
        return self.run("systemctl", "start", "catdog-setup.service")

    @property
    def steps(self):
        return (self.notes / "setup").read_text().splitlines()

    def unit(self, name):
        return (self.root / "etc/systemd/system" / name).read_text()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "machine")


def test_user_data_is_small_and_tells_no_secret(machine):
    text = machine.user_data()
    assert text.startswith("#!/bin/bash\n") and len(text) < 16_000
    assert "token" not in text.lower() and "password" not in text.lower()


def test_a_bare_machine_is_set_up(machine):
    done = machine.boot()
    assert done.returncode == 0, done.stderr
    assert machine.steps[0] == "fetching the project" and machine.steps[-1] == "ready"
    assert not [step for step in machine.steps if "again" in step]
    project = machine.home / "project"
    assert (project / "scripts/aws/setup.sh").exists() and not (project / "later").exists()
    assert "T4" in (machine.notes / "gpu").read_text()
    assert stat.S_IMODE(machine.notes.stat().st_mode) == 0o700

    token = (machine.notes / "token").read_text()
    assert len(token) >= 40 and token == token.strip()
    assert stat.S_IMODE((machine.notes / "token").stat().st_mode) == 0o600
    jupyter = machine.unit("catdog-jupyter.service")
    assert "ServerApp.ip=127.0.0.1" in jupyter and "ServerApp.port_retries=0" in jupyter
    assert "User=ubuntu" in jupyter and f"JUPYTER_TOKEN_FILE={machine.notes}/token" in jupyter
    watch = machine.unit("catdog-idle.service")
    assert "--idle-minutes 30" in watch and "--max-hours 8" in watch
    assert "/run/catdog/warnings" in watch
    assert (machine.root / "opt/catdog/idle_stop.py").read_text() == "print('watching')\n"

    log = machine.log.read_text()
    assert "--require-hashes -r" in log and "--no-deps --no-build-isolation -e" in log
    assert "restart catdog-jupyter.service catdog-idle.service" in log
    assert "loginctl enable-linger ubuntu" in log
    units = "".join(p.read_text() for p in (machine.root / "etc/systemd/system").iterdir())
    for place in (done.stdout, done.stderr, log, units, "".join(machine.steps)):
        assert token not in place
    assert token not in (machine.root / "journal").read_text()


def test_the_limit_of_hours_stands_before_anything_can_fail(machine):
    machine.fails("runuser", 1000)
    machine.boot()
    assert "OnBootSec=8h" in machine.unit("catdog-limit.timer")
    assert "poweroff" in machine.unit("catdog-limit.service")
    log = machine.log.read_text()
    assert log.index("enable --now catdog-limit.timer") < log.index("start --no-block")


def test_host_keys_are_shown_at_every_start(machine):
    for _ in range(2):
        assert machine.boot().returncode == 0
        assert (machine.root / "dev/console").read_text() == (
            "-----BEGIN SSH HOST KEY KEYS-----\nssh-ecdsa AAAAecdsa root@ip\n"
            "ssh-ed25519 AAAAed25519 root@ip\n-----END SSH HOST KEY KEYS-----\n"
        )
    assert machine.steps.count("ready") == 1  # and it is set up once


@pytest.mark.parametrize(
    ("program", "when", "step"),
    [
        ("runuser", "git clone", "fetching the project"),
        ("runuser", "checkout", "fetching the project"),
        ("nvidia-smi", "", "looking for the GPU"),
        ("apt-get", "install", "installing Python's tools"),
        ("venv", "pip", "installing the packages (some minutes)"),
        ("catdog", "data sample", "drawing the sample photos"),
    ],
)
def test_what_fails_twice_is_tried_a_third_time(machine, program, when, step):
    machine.fails(program, 2, when)
    machine.boot()
    assert machine.steps.count(f"trying again: {step}") == 2
    assert machine.steps[-1] == "ready" and "poweroff" not in machine.log.read_text()


def test_what_fails_five_times_is_said_and_the_machine_stops(machine):
    machine.fails("nvidia-smi", 6)
    assert machine.boot().returncode == 0
    assert machine.steps[-1] == "failed: looking for the GPU"
    assert machine.steps.count("trying again: looking for the GPU") == 4
    assert "systemd-run --on-active=30min systemctl poweroff" in machine.log.read_text()
    # and the next start tries anew
    machine.boot()
    assert machine.steps[-1] == "ready"


def test_a_lock_that_another_program_holds_is_waited_for(machine):
    """apt-get update ends at once, with 100, when a new machine is updating itself."""
    machine.fails("apt-get", 30, "update")
    machine.boot()
    assert machine.steps[-1] == "ready" and not [s for s in machine.steps if "again" in s]
    assert machine.log.read_text().count("sleep 10") == 30


@pytest.mark.parametrize("cut", ["runuser", "apt-get", "venv"])
def test_a_setup_that_was_cut_off_goes_on_at_the_next_start(machine, cut):
    """The machine loses its power in the middle of a step, with what is half done."""
    kept = (machine.bin / cut).read_text()
    half = f"mkdir -p {machine.home}/project.part/.git" if cut == "runuser" else ""
    machine.program(cut, f"{half}\ntouch {machine.root}/lost\nkill -9 $PPID; exit 1")
    machine.boot()
    assert machine.steps[-1] != "ready"
    (machine.root / "lost").unlink()
    (machine.bin / cut).write_text(kept)
    machine.boot()
    assert machine.steps[-1] == "ready"
    assert (machine.home / "project" / "scripts" / "aws" / "setup.sh").exists()


def test_each_machine_makes_its_own_token(tmp_path):
    tokens = set()
    for name in ("one", "two"):
        made = Machine(tmp_path / name)
        made.boot()
        tokens.add((made.notes / "token").read_text())
    assert len(tokens) == 2


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_understands_the_units(machine):
    machine.boot()
    folder = machine.root / "etc/systemd/system"
    for path in folder.iterdir():  # the programs they name are not on this computer
        path.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", path.read_text()))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, folder.iterdir())],
        capture_output=True,
        text=True,
    )
    ours = [line for line in done.stderr.splitlines() if "catdog-" in line]
    assert not [line for line in ours if re.search("(?i)unknown|failed to parse", line)]


def test_the_watch_takes_the_options_it_is_given():
    done = subprocess.run(
        [sys.executable, FOLDER / "idle_stop.py", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    given = re.findall(
        r"--[a-z-]+", (FOLDER / "setup.sh").read_text().partition("idle_stop.py --")[2]
    )
    for option in ("--idle-minutes", "--warnings", *given[:4]):
        assert option in done.stdout
