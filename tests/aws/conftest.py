"""An AWS account that costs nothing: moto's server on loopback, and what it lacks.

moto makes the stack's machine, network and role, but its CloudFormation knows no key pairs and
no alarms, cannot delete route tables and gateways, and raises where AWS reports a failed stack.
The missing parts go through moto's own backends here.
"""

import logging
import subprocess
from types import SimpleNamespace

import boto3
import botocore.client
import pytest
import requests
from botocore.exceptions import ClientError
from moto.cloudformation import models as stack_models
from moto.cloudformation.models import cloudformation_backends as stack_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.common_models import CloudFormationModel
from moto.ec2.models import ec2_backends
from moto.ec2.models.internet_gateways import InternetGateway
from moto.ec2.models.route_tables import RouteTable
from moto.server import ThreadedMotoServer
from pretended import COMMIT, IMAGE, ssh

from catdog.cli.main import main
from catdog.cloud import cloudformation
from catdog.cloud import ssh_keys as host_keys

__all__ = ["ssh"]
REGION = "us-east-1"
ACCOUNT = "123456789012"
KEY_ID, SECRET = "AKIATESTTESTTESTTEST", "tEsT/sEcReT+kEy0123456789tEsTsEcReTkEy012"


CONSOLE = """[  OK  ] Reached target
-----BEGIN SSH HOST KEY KEYS-----
ecdsa-sha2-nistp256 AAAAE2Vj root@ip-10-74-0-4
ssh-ed25519 AAAAC3Nz root@ip-10-74-0-4
-----END SSH HOST KEY KEYS-----
"""
PROGRAMS = {
    "aws": "exit 1",
    "session-manager-plugin": "echo 1.2.896.0",
    # every address is public, unless a test says otherwise
    "git": 'for w; do [ "$w" = ls-remote ] && exit ${PRIVATE:-0}; done; exec /usr/bin/git "$@"',
}


class KeyPair(CloudFormationModel):
    __module__ = "moto.ec2.models"  # where moto looks for it

    def __init__(self, key):
        self.key = key

    @staticmethod
    def cloudformation_name_type():
        return "KeyName"

    @staticmethod
    def cloudformation_type():
        return "AWS::EC2::KeyPair"

    @property
    def physical_resource_id(self):
        return self.key.key_name

    def is_created(self):
        return True

    @classmethod
    def create_from_cloudformation_json(cls, name, template, account_id, region_name, **_):
        wanted = template["Properties"]
        tags = {tag["Key"]: tag["Value"] for tag in wanted["Tags"]}
        backend = ec2_backends[account_id][region_name]
        material = wanted["PublicKeyMaterial"].encode()
        return cls(backend.import_key_pair(wanted["KeyName"], material, tags))

    def delete(self, account_id, region_name):
        ec2_backends[account_id][region_name].delete_key_pair(self.key.key_name)


class Alarm(CloudFormationModel):
    __module__ = "moto.cloudwatch.models"  # where moto looks for it

    def __init__(self, name):
        self.physical_resource_id = name

    @staticmethod
    def cloudformation_name_type():
        return "AlarmName"

    @staticmethod
    def cloudformation_type():
        return "AWS::CloudWatch::Alarm"

    def is_created(self):
        return True

    @classmethod
    def create_from_cloudformation_json(cls, name, template, account_id, region_name, **_):
        p = template["Properties"]
        cloudwatch_backends[account_id][region_name].put_metric_alarm(
            name=name,
            namespace=p["Namespace"],
            metric_name=p["MetricName"],
            comparison_operator=p["ComparisonOperator"],
            evaluation_periods=int(p["EvaluationPeriods"]),
            period=int(p["Period"]),
            threshold=float(p["Threshold"]),
            statistic=p["Statistic"],
            description=p["AlarmDescription"],
            dimensions=p["Dimensions"],
            alarm_actions=p["AlarmActions"],
            treat_missing_data=p["TreatMissingData"],
        )
        return cls(name)

    def delete(self, account_id, region_name):
        cloudwatch_backends[account_id][region_name].delete_alarms([self.physical_resource_id])


def delete_route_table(table, account_id, region_name):
    table._associations.clear()
    ec2_backends[account_id][region_name].delete_route_table(table.id)


def delete_gateway(gateway, account_id, region_name):
    gateway.vpc = None
    ec2_backends[account_id][region_name].delete_internet_gateway(gateway.id)


def create_as_aws_does(stack):
    """Make a stack's resources; a failure is an event, and all is deleted again."""
    try:
        create_resources(stack)
    except Exception as error:
        stack._add_stack_event("CREATE_FAILED", resource_status_reason=str(error))
        delete_and_forget(stack)
        backend = stack_backends[stack.account_id][stack.region_name]
        backend.deleted_stacks[stack.stack_id] = backend.stacks.pop(stack.stack_id)


def delete_and_forget(stack):
    """Delete a stack's resources; its outputs too, which moto would make the resources for anew."""
    delete_resources(stack)
    stack.output_map = SimpleNamespace(values=lambda: [], exports=[])


create_resources = stack_models.Stack.create_resources
delete_resources = stack_models.Stack.delete


@pytest.fixture(scope="session")
def server():
    """moto's server, with what it lacks; its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    patch = pytest.MonkeyPatch()
    patch.setattr(RouteTable, "delete", delete_route_table, raising=False)
    patch.setattr(InternetGateway, "delete", delete_gateway, raising=False)
    patch.setattr(stack_models.Stack, "create_resources", create_as_aws_does)
    patch.setattr(stack_models.Stack, "delete", delete_and_forget)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()
    patch.undo()


@pytest.fixture(scope="session")
def ssh_keys(tmp_path_factory):
    """A folder with one SSH key, as ~/.ssh."""
    folder = tmp_path_factory.mktemp("keys") / ".ssh"
    folder.mkdir()
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "someone@somewhere"]
    subprocess.run([*command, "-f", folder / "id_ed25519"], check=True)
    return folder


@pytest.fixture
def home(tmp_path, ssh_keys, monkeypatch):
    """A home folder with an SSH key and nothing else, and no settings of AWS."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".ssh").symlink_to(ssh_keys)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path / "home"


@pytest.fixture
def account(server, home, tmp_path, monkeypatch):
    """A fresh account whose credentials are in the environment."""
    requests.post(f"{server}/moto-api/reset", timeout=120)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", "http://127.0.0.1:9")  # moto has no prices
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, body in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setattr(cloudformation, "POLL", 0.05)
    monkeypatch.setattr(host_keys, "POLL", 0.01)
    # one of the images that moto has of itself
    boto3.client("ssm").put_parameter(Name=IMAGE, Value="ami-03cf127a", Type="String")
    return boto3.Session()


@pytest.fixture(scope="session")
def calls():
    """What has been asked of AWS in all tests so far, as in a policy: {"ec2:RunInstances"}."""
    return set()


@pytest.fixture(autouse=True)
def console(monkeypatch, calls):
    """A machine's console, which AWS shows late: as many of its first answers are empty.

    Besides, the account's plan; and what is asked of AWS is taken down.
    """
    shown = SimpleNamespace(late=2, text=CONSOLE, plan="PAID")

    def call(client, name, arguments):
        calls.add(f"{client.meta.service_model.signing_name}:{name}")
        if name == "GetConsoleOutput":
            shown.late -= 1
            return {} if shown.late >= 0 else {"Output": shown.text}
        if name == "GetAccountPlanState":  # moto has none
            return {"accountPlanType": shown.plan}
        return earlier(client, name, arguments)

    earlier = botocore.client.BaseClient._make_api_call
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    return shown


@pytest.fixture
def catdog(account, capsys):
    """Run the real command line; return its exit code and what it printed."""

    def run(*words):
        code = main(["aws", *words])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture
def up(catdog):
    """Run `catdog aws up --yes`, as from a clone that has been pushed."""

    def run(*words):
        source = ("--repository", "https://example.org/someone/catdog.git", "--commit", COMMIT)
        return catdog("up", "--yes", "--image", IMAGE, *source, *words)

    return run


@pytest.fixture
def refuse(monkeypatch):
    """Let AWS refuse one operation, as in `refuse("CreateStack", "AccessDenied", "text")`."""

    def arrange(operation, code, message="", answer=None):
        def call(client, name, arguments):
            if name == operation and answer is not None:
                return answer
            if name == operation:
                raise ClientError({"Error": {"Code": code, "Message": message}}, name)
            return earlier(client, name, arguments)

        earlier = botocore.client.BaseClient._make_api_call
        monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)

    return arrange


@pytest.fixture
def left(account):
    """Ask the account itself, not the command, what costs or opens anything."""

    def look():
        ec2, iam = account.client("ec2"), account.client("iam")
        everything = {
            "running": [
                one["InstanceId"]
                for reservation in ec2.describe_instances()["Reservations"]
                for one in reservation["Instances"]
                if one["State"]["Name"] != "terminated"
            ],
            "volumes": ec2.describe_volumes()["Volumes"],
            "keys": ec2.describe_key_pairs()["KeyPairs"],
            "groups": [
                group
                for group in ec2.describe_security_groups()["SecurityGroups"]
                if group["GroupName"] != "default"
            ],
            "networks": [v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"] if not v["IsDefault"]],
            "roles": iam.list_roles()["Roles"],
            "profiles": iam.list_instance_profiles()["InstanceProfiles"],
            "alarms": account.client("cloudwatch").describe_alarms()["MetricAlarms"],
            "stacks": account.client("cloudformation").describe_stacks()["Stacks"],
        }
        return {kind: found for kind, found in everything.items() if found}

    return look


@pytest.fixture
def secrets():
    """What the reader's credentials are in these tests."""
    return KEY_ID, SECRET
