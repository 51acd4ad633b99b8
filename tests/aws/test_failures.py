"""Each way a start can fail: one clear message, and nothing left that costs money."""

import datetime
import hashlib
import json
import re
import subprocess

import boto3
import botocore.client
import botocore.exceptions as errors
import pytest
from moto.ec2.models.instances import InstanceBackend
from pretended import IMAGE, failed

from catdog import CatDogError
from catdog.cloud import account, cloudformation, machine_status, planning
from catdog.core import paths

VCPU = (
    "You have requested more vCPU capacity than your current vCPU limit of 0 allows for the "
    "instance bucket that the specified instance type belongs to. (Service: Ec2, Status Code: "
    "400, Request ID: 0) (RequestToken: 0, HandlerErrorCode: ServiceLimitExceeded)"
)
CAPACITY = (
    "We currently do not have sufficient g4dn.xlarge capacity in the Availability Zone you "
    "requested (us-east-1a). (Service: Ec2, Status Code: 500, Request ID: 0)"
)


@pytest.fixture
def fail_to_run(monkeypatch):
    """Let the machine itself fail to start, with AWS's words, the first so many times."""
    original = InstanceBackend.run_instances

    def arrange(words, times=1000):
        failures = [words] * times

        def run(*args, **kwargs):
            if failures:
                raise RuntimeError(failures.pop())
            return original(*args, **kwargs)

        monkeypatch.setattr(InstanceBackend, "run_instances", run)

    return arrange


def test_no_credentials(up, monkeypatch, left):
    with monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        failed(up(), "no AWS credentials", "aws login")
    assert not left()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ExpiredToken", ("expired", "aws login", "aws sso login")),
        ("Throttling", ("asked too often", "Wait a minute")),
        ("RequestLimitExceeded", ("asked too often",)),
        ("RequestExpired", ("expired",)),
        ("InvalidClientTokenId", ("does not know these credentials",)),
        ("AccessDenied", ("may not do this (GetCallerIdentity)", "policy.json")),
    ],
)
def test_bad_credentials(up, refuse, left, code, words):
    refuse("GetCallerIdentity", code)
    failed(up(), *words)
    assert not left()


def test_offline(catdog, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    failed(catdog("status"), "could not be reached")


def test_regions(catdog, up, monkeypatch, left):
    failed(up("--region", "us-east-17"), "no region called 'us-east-17'", "eu-west-1")
    failed(up("p5.48xlarge", "--region", "eu-west-3"), "eu-west-3 has no")
    failed(up("--zone", "us-east-1z"), "us-east-1z", "These have: us-east-1a")
    assert not left()
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    failed(catdog("status"), "no AWS region is named", "--region")


@pytest.mark.parametrize(
    "error",
    [
        errors.LoginRefreshRequired(),
        errors.LoginTokenLoadError(error_msg="none"),
        errors.UnauthorizedSSOTokenError(),
    ],
)
def test_a_sign_in_that_has_expired(error):
    said = account.explain(error)
    assert "has expired" in said and "'aws login'" in said and "'aws sso login'" in said


def test_what_aws_login_leaves_is_read(home, monkeypatch):
    """As the command line keeps it: AWS SDKs Reference Guide, feature-login-credentials."""
    pytest.importorskip("awscrt", reason="'make install-dev' installs it")
    name = "arn:aws:iam::123456789012:user/me"
    cache = home / ".aws" / "login" / "cache" / f"{hashlib.sha256(name.encode()).hexdigest()}.json"
    cache.parent.mkdir(parents=True)
    (home / ".aws" / "config").write_text(f"[default]\nlogin_session = {name}\n")
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    keys = {"accessKeyId": "AKIAOFLOGIN", "secretAccessKey": "s", "sessionToken": "t"}
    keys |= {"accountId": "123456789012", "expiresAt": f"{later:%Y-%m-%dT%H:%M:%SZ}"}
    words = {"tokenType": "aws_sigv4", "clientId": "c", "refreshToken": "r", "idToken": "i"}
    cache.write_text(json.dumps({"accessToken": keys, **words, "dpopKey": "k"}))
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE"):
        monkeypatch.delenv(variable, raising=False)
    assert boto3.Session().get_credentials().access_key == "AKIAOFLOGIN"


def test_who_signs_in_by_aws_login_is_served():
    """botocore reads what `aws login` left with a library that has to be in the locks."""
    for name in ("cpu", "gpu", "dev"):
        lock = (paths.ROOT / "requirements" / f"{name}.txt").read_text()
        assert re.search(r"(?m)^awscrt==", lock), name
    missing = errors.MissingDependencyException(msg="Using the login credential provider requires")
    assert "make install" in account.explain(missing)


def test_the_free_plan_is_said_before_anything_is_made(up, console, left):
    console.plan = "FREE"
    failed(
        up(), "on the Free plan, which has no machines with GPUs", "Paid plan first", "Only then"
    )
    assert not left()


def test_the_free_plan_found_out_late(up, fail_to_run, left):
    """So AWS says it (github.com/splunk/attack_range/issues/1302), where the plan is not told."""
    fail_to_run(
        "The specified instance type is not eligible for Free Tier. For a list of Free Tier "
        "instance types, run 'describe-instance-types' with the filter 'free-tier-eligible=true'. "
        "(Service: Ec2, Status Code: 400, Request ID: 0) (HandlerErrorCode: InvalidRequest)"
    )
    failed(up(), "on the Free plan", "Upgrade it to the Paid plan first", "Nothing was left behind")
    assert not left()


def test_quota_known_beforehand(up, refuse, left):
    refuse("GetServiceQuota", "", answer={"Quota": {"Value": 0.0}})
    name = "'Running On-Demand G and VT instances', 4 or more"
    failed(up(), "0 virtual cores", "g4dn.xlarge has 4", name, "quotas/L-DB2E81BA")
    failed(up("--spot"), "'All G and VT Spot Instance Requests'", "quotas/L-3819A6DF")
    assert not left()


def test_quota_large_enough(up, refuse):
    refuse("GetServiceQuota", "", answer={"Quota": {"Value": 4.0}})
    assert up()[0] == 0


def test_quota_found_out_late(up, fail_to_run, left):
    fail_to_run(VCPU)
    failed(up(), "'Running On-Demand G and VT instances', 4", "Nothing was left behind")
    assert not left()


def test_capacity_of_one_zone_leads_to_the_next(up, fail_to_run, left):
    fail_to_run(CAPACITY, times=1)
    code, said = up()
    assert code == 0, said
    assert "us-east-1a: AWS has none free" in said and "in us-east-1b" in said
    assert len(left()["running"]) == 1 and len(left()["networks"]) == 1


def test_capacity_nowhere(up, fail_to_run, left):
    fail_to_run(CAPACITY)
    failed(up(), "none of these machines free", "another region", "Nothing was left behind")
    assert not left()


def test_other_reasons_are_told_as_they_are(up, fail_to_run, left):
    fail_to_run("Volume of size 75GB is smaller than snapshot 'snap-1', expect size >= 90GB")
    failed(up("--disk", "75"), "--disk", "90GB", "Nothing was left behind")
    fail_to_run("The moon is in the wrong quarter")
    failed(up(), "The moon is in the wrong quarter")
    assert not left()


def test_creation_refused_at_once(up, refuse, left):
    refuse("CreateStack", "AccessDenied")
    failed(up(), "may not do this (CreateStack)")
    assert not left()


def test_interrupted(up, monkeypatch, left):
    def interrupt(account, identity, say):
        monkeypatch.setattr(cloudformation, "_follow", follow)
        raise KeyboardInterrupt

    follow = cloudformation._follow
    monkeypatch.setattr(cloudformation, "_follow", interrupt)
    failed(up(), "stopped before", "Nothing was left behind")
    assert not left()


def test_ctrl_c_twice_says_what_may_cost(up, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cloudformation, "_follow", interrupt)
    failed(up(), "stopped.", "it may cost money", "catdog aws down'")


def half_made(account, status="CREATE_FAILED"):
    from moto.cloudformation.models import cloudformation_backends

    (stack,) = cloudformation_backends["123456789012"]["us-east-1"].stacks.values()
    stack.status = status


def test_half_made_stack(account, catdog, up, left):
    assert up()[0] == 0
    half_made(account)
    failed(up(), "half made", "catdog aws down")
    failed(catdog("stop"), "not whole", "catdog aws down")
    assert "CREATE_FAILED" in catdog("status")[1]
    assert catdog("down", "--yes")[0] == 0
    assert not left()


def test_stack_being_worked_on(account, up):
    assert up()[0] == 0
    half_made(account, "DELETE_IN_PROGRESS")
    failed(up(), "wait a minute")


def test_a_stack_that_cannot_be_deleted(account, catdog, up, refuse):
    assert up()[0] == 0
    half_made(account, "DELETE_FAILED")
    refuse("DeleteStack", "", answer={})
    failed(catdog("down", "--yes"), "could not be deleted whole", "may cost money")


def test_undoing_fails(up, fail_to_run, refuse):
    fail_to_run(VCPU)
    refuse("DeleteStack", "AccessDenied")
    failed(up(), "could not be deleted", "may cost money", "catdog aws down")


def test_what_others_made_is_left_alone(account, catdog, up, left):
    account.client("cloudformation").create_stack(
        StackName="catdog-gpu",
        TemplateBody='{"Resources": {"V": {"Type": "AWS::EC2::VPC", "Properties": '
        '{"CidrBlock": "10.1.0.0/24"}}}}',
    )
    for outcome in (catdog("down", "--yes"), catdog("stop"), up()):
        failed(outcome, "was not made by 'catdog aws'", "--name")
    assert left()["stacks"]


@pytest.mark.parametrize("word", ["stop", "start", "connect"])
def test_nothing_there(catdog, word):
    failed(catdog(word), "no machine catdog-gpu", "catdog aws up")


def test_leftovers_are_found(account, catdog, left):
    ec2 = account.client("ec2")
    tags = [{"Key": "catdog:machine", "Value": "catdog-gpu"}]
    volume = ec2.create_volume(
        AvailabilityZone="us-east-1a",
        Size=1,
        TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
    )["VolumeId"]
    failed(catdog("down", "--yes"), volume, "may cost money")
    ec2.delete_volume(VolumeId=volume)
    assert catdog("down", "--yes")[0] == 0


def test_persistent_spot_request_goes_before_the_machine(account, catdog, up, left, monkeypatch):
    code, said = up("--spot")
    assert code == 0 and "spot, which AWS may take back" in said
    assert "it starts it again by itself, and bills it" in said
    ec2 = account.client("ec2")
    asked = ec2.request_spot_instances(
        SpotPrice="1",
        Type="persistent",
        LaunchSpecification={"ImageId": "ami-03cf127a", "InstanceType": "g4dn.xlarge"},
    )["SpotInstanceRequests"][0]["SpotInstanceRequestId"]
    ec2.create_tags(Resources=[asked], Tags=[{"Key": "catdog:machine", "Value": "catdog-gpu"}])
    # moto starts a machine for it at once, as AWS does; it is not the stack's
    for reservation in ec2.describe_instances()["Reservations"]:
        for one in reservation["Instances"]:
            if one.get("SpotInstanceRequestId") == asked:
                ec2.terminate_instances(InstanceIds=[one["InstanceId"]])
    order, earlier = [], botocore.client.BaseClient._make_api_call

    def call(client, name, arguments):
        if name in ("CancelSpotInstanceRequests", "DeleteStack", "TerminateInstances"):
            order.append(name)
        return earlier(client, name, arguments)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    code, said = catdog("down", "--yes")
    assert code == 0, said
    # the other way round, the request would start a new machine for the one that ends
    assert order == ["CancelSpotInstanceRequests", "DeleteStack"]
    states = [one["State"] for one in ec2.describe_spot_instance_requests()["SpotInstanceRequests"]]
    assert "open" not in states and "active" not in states


def test_a_spot_machine_that_aws_took_back(account, catdog, up, left, monkeypatch, refuse):
    """It is stopped, and starts by itself: EC2 User Guide, interruption-behavior."""
    from moto.ec2.models import ec2_backends

    assert up("--spot")[0] == 0
    (identity,) = left()["running"]
    account.client("ec2").stop_instances(InstanceIds=[identity])
    (one,) = ec2_backends["123456789012"]["us-east-1"].all_instances()
    one.state_reason.code = "Server.SpotInstanceShutdown"
    for words in (("status",), ("stop",)):
        code, said = catdog(*words)
        assert code == 0 and "AWS took it back" in said, said
        assert "starts it again by itself" in said and "bills it" in said
        assert "catdog aws down' prevents that" in said
    refuse("StartInstances", "IncorrectSpotRequestState", "cannot be started")
    failed(catdog("start"), "AWS took the spot machine back", "bills it", "catdog aws down")


def test_machines_are_found_in_all_regions(account, catdog, up, left, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    account.client("ssm", "eu-west-1").put_parameter(
        Name=IMAGE, Value="ami-03cf127a", Type="String"
    )
    assert up("--name", "ada")[0] == 0
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    code, said = catdog("status")
    assert code == 0 and "catdog aws status --all" in said
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    code, said = catdog("status", "--all")
    assert code == 0, said
    (line,) = said.strip().splitlines()
    assert line == (
        "catdog-ada in eu-west-1: running, g4dn.xlarge "
        "(catdog aws status --name ada --region eu-west-1)"
    )


def test_a_region_that_refuses_does_not_hide_the_others(account, catdog, up, refuse, monkeypatch):
    assert up()[0] == 0
    real = machine_status.Account

    def some(region=None, otherwise=None):
        if region == "eu-west-1":
            raise CatDogError("not allowed")
        return real(region, otherwise)

    monkeypatch.setattr(machine_status, "Account", some)
    code, said = catdog("status", "--all")
    assert code == 0 and "catdog-gpu in us-east-1: running" in said
    assert "eu-west-1 could not be asked" in said


def test_what_is_printed_names_the_region_where_it_is_not_ones_own(account, catdog, up):
    account.client("ssm", "eu-west-1").put_parameter(
        Name=IMAGE, Value="ami-03cf127a", Type="String"
    )
    code, said = up("--region", "eu-west-1")
    assert code == 0 and "catdog aws down --region eu-west-1 " in said
    code, said = catdog("down", "--yes")  # its role is in no region
    assert code == 1 and "role" in said and "catdog aws status --all" in said
    assert "connect --region eu-west-1;" in catdog("status", "--region", "eu-west-1")[1]


@pytest.mark.parametrize("name", ["p2.xlarge", "p2.8xlarge", "p2.16xlarge"])
def test_the_articles_machines_are_explained(up, left, name):
    failed(up(name), name, "3.7", "6.0", "tensorflow==2.11.1", "Instead:", "Nothing was started")
    assert not left()


def test_bad_words(catdog, up):
    failed(up("g99.xlarge"), "g99.xlarge", "catdog aws types")
    failed(up("--disk", "10"), "--disk is between 75 and 2000")
    failed(up("--max-hours", "0"), "--max-hours")
    failed(up("--idle-minutes", "1"), "--idle-minutes")
    failed(up("--name", "My Machine"), "small letters")
    failed(up("--access", "ssh", "--from", "0.0.0.0/0"), "one IPv4 address", "nobody else")
    failed(up("--access", "ssh", "--from", "198.51.100.0/24"), "one IPv4 address")
    failed(catdog("send", "no_such_file.zip"), "no_such_file.zip is not there")


def test_own_address_cannot_be_found_out(up, monkeypatch, left):
    monkeypatch.setattr(planning, "WHAT_IS_MY_ADDRESS", "http://127.0.0.1:9")
    failed(up("--access", "ssh"), "--from")
    assert not left()


@pytest.mark.parametrize(
    ("version", "works"),
    [("1.2.764.0", True), ("1.2.1000.0", True), ("1.2.707.0", False), ("1.1.999.9", False)],
)
def test_the_plugin_has_to_be_new_enough(up, tmp_path, monkeypatch, version, works):
    """Since 2026 AWS asks for 1.2.764.0: Systems Manager User Guide, plugin-version-history."""
    (tmp_path / "programs/session-manager-plugin").write_text(f"#!/bin/sh\necho {version}\n")
    if works:
        planning.need_session_manager()
    else:
        failed(up(), f"of version {version}, and AWS asks for 1.2.764.0", "--access ssh")


def test_session_manager_is_missing(up, tmp_path, left):
    (tmp_path / "programs" / "session-manager-plugin").unlink()
    failed(up(), "session-manager-plugin is missing", "--access ssh")
    assert not left()


def test_image_is_missing(up, catdog, account, left):
    account.client("ssm").delete_parameter(Name="/catdog-test/image")
    failed(up(), "no machine image", "--region")


def test_ssh_keys(up, home, tmp_path, left):
    (home / ".ssh").unlink()
    failed(up(), "ssh-keygen -t ed25519", "--key")
    (home / ".ssh").mkdir()
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", tmp_path / "other"], check=True
    )
    failed(up("--key", str(tmp_path / "other")), "ed25519 or rsa")
    assert not left()
