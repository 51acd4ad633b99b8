"""The template and the machine's setup, read as a reviewer would."""

import stat
import subprocess
import sys

import cfnlint.decode
import pytest
from cfnlint.api import lint_file

from catdog.cloud import account, cloudformation

FOLDER = cloudformation.TEMPLATE.parent
SETUP = FOLDER / "setup.sh"


@pytest.fixture(scope="module")
def template():
    found, matches = cfnlint.decode.decode(str(cloudformation.TEMPLATE))
    assert not matches
    return found


@pytest.fixture(scope="module")
def user_data(template):
    return template["Resources"]["Instance"]["Properties"]["UserData"]["Fn::Base64"]["Fn::Sub"]


def everything(node, path=()):
    """Every (path, value) in the template."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from everything(value, (*path, str(key)))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from everything(value, (*path, str(i)))
    else:
        yield path, node


def test_cfn_lint_finds_nothing():
    assert lint_file(cloudformation.TEMPLATE) == []


def test_nothing_is_let_in_but_ssh_from_one_address(template):
    resources = template["Resources"]
    assert not [r for r in resources.values() if r["Type"] == "AWS::EC2::SecurityGroupIngress"]
    (group,) = [r for r in resources.values() if r["Type"] == "AWS::EC2::SecurityGroup"]
    condition, ssh, otherwise = group["Properties"]["SecurityGroupIngress"]["Fn::If"]
    assert condition == "Ssh" and otherwise == {"Ref": "AWS::NoValue"}
    (rule,) = ssh
    assert (rule["FromPort"], rule["ToPort"], rule["CidrIp"]) == (22, 22, {"Ref": "From"})
    assert template["Parameters"]["From"]["AllowedPattern"].endswith("/32")
    for path, value in everything(resources):
        if value in ("0.0.0.0/0", "::/0"):
            assert "SecurityGroupEgress" in path or "DestinationCidrBlock" in path, path
    assert "8888" not in cloudformation.TEMPLATE.read_text()


def test_the_machine_is_closed_up(template):
    data = template["Resources"]["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    machine = template["Resources"]["Instance"]["Properties"]
    assert machine["InstanceInitiatedShutdownBehavior"] == "stop"
    (disk,) = machine["BlockDeviceMappings"]
    assert disk["Ebs"]["Encrypted"] is True and disk["Ebs"]["DeleteOnTermination"] is True
    assert disk["Ebs"]["VolumeType"] == "gp3"


def test_the_machine_may_do_nothing_but_be_reached(template):
    role = template["Resources"]["Role"]
    assert role["Condition"] == "SessionManager"
    assert "ManagedPolicyArns" not in role["Properties"]
    (policy,) = role["Properties"]["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert {a.partition(":")[0] for a in statement["Action"]} == {"ssm", "ssmmessages"}
    assert not any("*" in action or "Parameter" in action for action in statement["Action"])


def test_spot_can_stop_and_start(template):
    data = template["Resources"]["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    condition, spot, _ = data["InstanceMarketOptions"]["Fn::If"]
    assert condition == "OnSpot"
    assert spot["SpotOptions"] == {
        "SpotInstanceType": "persistent",
        "InstanceInterruptionBehavior": "stop",
    }


def test_everything_that_can_be_is_tagged(template):
    bare = {
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::EC2::Route",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::IAM::InstanceProfile",  # found by its path
    }
    for name, resource in template["Resources"].items():
        if resource["Type"] not in bare:
            assert any(value == account.TAG for _, value in everything(resource)), name


def test_outputs_tell_no_secret(template):
    assert set(template["Outputs"]) == {"InstanceId"}


def test_parameters_cannot_smuggle_a_command_in(template):
    import re

    patterns = {k: v.get("AllowedPattern") for k, v in template["Parameters"].items()}
    for name, good, bad in (
        ("Repository", "https://github.com/a/b.git", 'https://x.org/$(reboot)"; reboot #'),
        ("Repository", "https://github.com/a/b.git", "https://me:password@github.com/a/b.git"),
        ("Commit", "0" * 40, "main; reboot"),
        ("From", "198.51.100.7/32", "0.0.0.0/0"),
        ("PublicKey", "ssh-ed25519 AAAAC3", "ssh-ed25519 AAAA\nssh-ed25519 BBBB"),
    ):
        assert re.fullmatch(patterns[name], good) and not re.fullmatch(patterns[name], bad), name


def test_user_data_is_a_small_sound_script(user_data, tmp_path):
    script = tmp_path / "user_data.sh"
    script.write_text(user_data)
    assert user_data.startswith("#!/bin/bash\n") and len(user_data) < 16_000
    subprocess.run(["bash", "-n", script], check=True)
    for line in user_data.splitlines():
        assert "token" not in line.lower() and "password" not in line.lower()


def test_setup_is_a_sound_script():
    subprocess.run(["bash", "-n", SETUP], check=True)


@pytest.fixture
def machine(tmp_path):
    """A pretended machine: the folders and programs that setup.sh works with."""
    home, units, bin_ = tmp_path / "home", tmp_path / "units", tmp_path / "bin"
    for folder in (home / "project" / "scripts" / "aws", home / "project" / "requirements"):
        folder.mkdir(parents=True)
    units.mkdir()
    bin_.mkdir()
    (home / "project" / "requirements" / "gpu.txt").write_text("")
    (home / "project" / "scripts" / "aws" / "idle_stop.py").write_text("print('watching')\n")
    log = tmp_path / "log"

    def program(name, body=""):
        (bin_ / name).write_text(f'#!/bin/bash\necho "{name} $*" >> {log}\n{body}\n')
        (bin_ / name).chmod(0o755)

    for name in ("systemctl", "apt-get", "systemd-run", "catdog"):
        program(name)
    program("nvidia-smi", 'echo "Tesla T4, 580.1, 15360 MiB"')
    program("runuser", 'shift 3; exec "$@"')
    # python3 -m venv makes a folder whose python does nothing for pip and runs what it reads
    program(
        "python3",
        f"mkdir -p $3/bin; cp {bin_}/catdog $3/bin/catdog; cp {bin_}/venv-python $3/bin/python",
    )
    program("venv-python", f'[ "$1" = -m ] || exec {sys.executable} "$@"')

    def run(*words):
        environment = {
            "PATH": f"{bin_}:/usr/bin:/bin",
            "CATDOG_USER": "reader",
            "CATDOG_USER_HOME": str(home),
            "CATDOG_UNITS": str(units),
            "CATDOG_OWN": str(tmp_path / "own"),
        }
        return subprocess.run(
            ["bash", SETUP, *words], env=environment, capture_output=True, text=True
        )

    run.home, run.units, run.log, run.program, run.own = home, units, log, program, tmp_path / "own"
    return run


def test_setup_on_a_pretended_machine(machine):
    done = machine("30", "8")
    assert done.returncode == 0, done.stderr
    notes = machine.home / ".catdog"
    assert (notes / "setup").read_text().splitlines()[-1] == "ready"
    assert "T4" in (notes / "gpu").read_text()

    token = (notes / "token").read_text()
    assert len(token) >= 40 and token == token.strip()
    assert stat.S_IMODE((notes / "token").stat().st_mode) == 0o600
    assert stat.S_IMODE(notes.stat().st_mode) == 0o700

    jupyter = (machine.units / "catdog-jupyter.service").read_text()
    assert "ServerApp.ip=127.0.0.1" in jupyter and "ServerApp.port_retries=0" in jupyter
    assert "User=reader" in jupyter and f"JUPYTER_TOKEN_FILE={notes}/token" in jupyter
    watch = (machine.units / "catdog-idle.service").read_text()
    assert "--idle-minutes 30" in watch and "--max-hours 8" in watch
    assert (machine.own / "idle_stop.py").read_text() == "print('watching')\n"
    assert "OnBootSec=8h" in (machine.units / "catdog-limit.timer").read_text()
    log = machine.log.read_text()
    assert "--require-hashes -r" in log and "enable --now catdog-limit.timer" in log
    assert log.index("catdog-limit.timer") < log.index("pip install")
    assert "enable --now catdog-jupyter.service catdog-idle.service" in log

    said = done.stdout + done.stderr + log + "".join(p.read_text() for p in machine.units.iterdir())
    assert token not in said + (notes / "setup").read_text()


def test_each_machine_makes_its_own_token(machine):
    tokens = set()
    for _ in range(3):
        assert machine("30", "8").returncode == 0
        tokens.add((machine.home / ".catdog" / "token").read_text())
    assert len(tokens) == 3


@pytest.mark.parametrize(
    ("program", "step"),
    [("nvidia-smi", "looking for the GPU"), ("apt-get", "installing Python's tools")],
)
def test_setup_that_fails_says_so_and_stops_the_machine(machine, program, step):
    machine.program(program, "exit 7")
    assert machine("30", "8").returncode == 1
    assert (machine.home / ".catdog" / "setup").read_text().splitlines()[-1] == f"failed: {step}"
    assert "systemd-run --on-active=30min systemctl poweroff" in machine.log.read_text()


def test_the_watch_takes_the_options_it_is_given():
    watch = FOLDER / "idle_stop.py"
    done = subprocess.run(
        [sys.executable, watch, "--help"], capture_output=True, text=True, check=True
    )
    for option in ("--idle-minutes", "--max-hours", "--jupyter", "--token-file"):
        assert option in done.stdout
