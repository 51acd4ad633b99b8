"""The rights that are asked for: no more than is called, and no less."""

import fnmatch
import json
import re

import cfnlint.decode
import pytest

from catdog.cloud import cloudformation
from catdog.cloud import ssh_keys as host_keys
from catdog.cloud.account import Account

POLICY = json.loads((cloudformation.TEMPLATE.parent / "policy.json").read_text())["Statement"]
# What CloudFormation does in the reader's name for each kind of resource, as AWS documents it: the
# permissions of the resource types' handlers, and those of EC2 to tag what is made.
HANDLERS = {
    "AWS::EC2::VPC": "CreateVpc DeleteVpc ModifyVpcAttribute DescribeVpcs CreateTags",
    "AWS::EC2::InternetGateway": "CreateInternetGateway DeleteInternetGateway",
    "AWS::EC2::VPCGatewayAttachment": "AttachInternetGateway DetachInternetGateway",
    "AWS::EC2::Subnet": "CreateSubnet DeleteSubnet ModifySubnetAttribute DescribeSubnets",
    "AWS::EC2::RouteTable": "CreateRouteTable DeleteRouteTable DescribeRouteTables",
    "AWS::EC2::Route": "CreateRoute DeleteRoute",
    "AWS::EC2::SubnetRouteTableAssociation": "AssociateRouteTable DisassociateRouteTable",
    "AWS::EC2::SecurityGroup": "CreateSecurityGroup DeleteSecurityGroup "
    "AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress",
    "AWS::EC2::KeyPair": "ImportKeyPair DeleteKeyPair DescribeKeyPairs",
    "AWS::IAM::Role": "iam:CreateRole iam:DeleteRole iam:GetRole iam:PutRolePolicy "
    "iam:DeleteRolePolicy iam:GetRolePolicy iam:ListRolePolicies iam:ListAttachedRolePolicies "
    "iam:TagRole",
    "AWS::IAM::InstanceProfile": "iam:CreateInstanceProfile iam:DeleteInstanceProfile "
    "iam:GetInstanceProfile iam:AddRoleToInstanceProfile iam:RemoveRoleFromInstanceProfile "
    "iam:PassRole",
    "AWS::EC2::LaunchTemplate": "CreateLaunchTemplate DeleteLaunchTemplate",
    "AWS::EC2::Instance": "RunInstances TerminateInstances DescribeInstances iam:PassRole "
    "iam:CreateServiceLinkedRole",
    "AWS::CloudWatch::Alarm": "cloudwatch:PutMetricAlarm cloudwatch:DeleteAlarms "
    "cloudwatch:DescribeAlarms cloudwatch:TagResource cloudwatch:ListTagsForResource",
}
# What the AWS command line and its plugin do to carry an SSH session (Systems Manager User Guide,
# getting-started-restrict-access-quickstart); what the image's name takes as a stack's parameter.
BESIDES = "ssm:StartSession ssmmessages:OpenDataChannel ssm:TerminateSession ssm:ResumeSession "
BESIDES += "ssm:GetParameters cloudformation:TagResource"


def actions():
    return [action for statement in POLICY for action in statement["Action"]]


def allowed(action):
    return any(fnmatch.fnmatchcase(action, pattern) for pattern in actions())


def by_cloudformation():
    template, _ = cfnlint.decode.decode(str(cloudformation.TEMPLATE))
    for kind in {resource["Type"] for resource in template["Resources"].values()}:
        for action in HANDLERS[kind].split():
            yield action if ":" in action else f"ec2:{action}"


def test_all_that_is_called_is_allowed(up, catdog, calls, tmp_path):
    """A whole life, of a spot machine: each call is in the policy."""
    calls.clear()
    assert up("--spot", "--access", "ssh", "--from", "198.51.100.7")[0] == 0
    assert catdog("allow", "--from", "198.51.100.8")[0] == 0
    for words in (("status", "--all"), ("stop",), ("start",)):
        catdog(*words)
    host_keys.remember_host_keys(Account(), "i-0", tmp_path / "known", say=list)
    assert catdog("down", "--yes")[0] == 0
    called = {call.replace("monitoring:", "cloudwatch:") for call in calls}
    assert {"ec2:GetConsoleOutput", "ec2:AuthorizeSecurityGroupIngress"} <= called
    missing = {call for call in called if not allowed(call)}
    assert missing <= {"sts:GetCallerIdentity", "ssm:PutParameter"}  # everyone's; the test's own


@pytest.mark.parametrize("action", sorted({*by_cloudformation(), *BESIDES.split()}))
def test_what_others_do_in_the_readers_name_is_allowed(action):
    assert allowed(action)


def test_nothing_is_allowed_that_nobody_does():
    """Each right is in one of the two lists, or called by the command's own code."""
    folder = cloudformation.TEMPLATE.parents[1]
    code = "".join(path.read_text() for path in folder.glob("catdog/cloud/*.py"))
    called = {name.replace("_", "") for name in re.findall(r"\w+", code)} | {"describe*"}
    known = {*by_cloudformation(), *BESIDES.split()}
    for action in actions():
        name = action.partition(":")[2].lower()
        assert action in known or name in called, action


def test_rights_end_where_the_machine_does():
    by_sid = {statement["Sid"]: statement for statement in POLICY}
    assert all("/catdog/" in one for one in by_sid["MakeAndDeleteItsRole"]["Resource"])
    assert "stack/catdog-" in by_sid["MakeAndDeleteTheStack"]["Resource"]
    assert "Condition" in by_sid["OnceInAnAccountsLife"]
    assert by_sid["BySshOnly"]["Resource"].endswith("document/AWS-StartSSHSession")
    assert not {"*", "iam:*", "ec2:*", "ssm:*"} & set(actions())
