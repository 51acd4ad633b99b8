"""The template, read as a reviewer would."""

import re

import cfnlint.decode
import pytest
from cfnlint.api import lint_file

from catdog.cloud import account, cloudformation


@pytest.fixture(scope="module")
def template():
    found, matches = cfnlint.decode.decode(str(cloudformation.TEMPLATE))
    assert not matches
    return found


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
    patterns = {k: v.get("AllowedPattern") for k, v in template["Parameters"].items()}
    for name, good, bad in (
        ("Repository", "https://github.com/a/b.git", 'https://x.org/$(reboot)"; reboot #'),
        ("Repository", "https://github.com/a/b.git", "https://me:password@github.com/a/b.git"),
        ("Commit", "0" * 40, "main; reboot"),
        ("From", "198.51.100.7/32", "0.0.0.0/0"),
        ("PublicKey", "ssh-ed25519 AAAAC3", "ssh-ed25519 AAAA\nssh-ed25519 BBBB"),
    ):
        assert re.fullmatch(patterns[name], good) and not re.fullmatch(patterns[name], bad), name


def test_the_alarm_is_a_limit_that_no_reader_who_is_at_work_meets(template):
    """It counts hours, as the machine's own limit does, and no processor that is idle."""
    alarm = template["Resources"]["LimitAlarm"]["Properties"]
    assert alarm["MetricName"] == "CPUUtilization" and alarm["Threshold"] == 0
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert alarm["TreatMissingData"] == "notBreaching"
