"""The CloudFormation stack of a machine: made whole or not at all, and deleted whole."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import botocore.exceptions as errors

from catdog import CatDogError
from catdog.cloud.account import (
    REFUSALS,
    TAG,
    Account,
    Say,
    explain,
    explained,
    find_stack,
    is_capacity,
    named,
    reason,
    stack_name,
)
from catdog.cloud.instances import NAME
from catdog.cloud.planning import Plan
from catdog.core import paths

TEMPLATE = paths.ROOT / "scripts" / "aws" / "template.yaml"
POLL = 5.0  # seconds between two looks at AWS


class NoCapacity(CatDogError):
    """AWS has no such machine free in one zone."""


def create(account: Account, plan: Plan, zone: str, say: Say) -> str:
    stack, identity = stack_name(plan.name), None
    try:
        identity = account.stacks.create_stack(
            StackName=stack,
            TemplateBody=TEMPLATE.read_text("utf-8"),
            Parameters=plan.parameters(zone),
            Capabilities=["CAPABILITY_IAM"],
            OnFailure="DELETE",  # so that nothing is left even if this program is cut off
            TimeoutInMinutes=20,
            Tags=[{"Key": TAG, "Value": stack}],
        )["StackId"]
        state = _follow(account, identity, say)
        if state == "CREATE_COMPLETE":
            (made,) = account.stacks.describe_stacks(StackName=identity)["Stacks"]
            return output(made, "InstanceId")
        said = _why_failed(account, identity) or state
    except REFUSALS as error:
        if isinstance(error, errors.ClientError) and _code(error) == "AlreadyExistsException":
            raise CatDogError(f"{stack} exists already: catdog aws status") from error
        said = explain(error) if not is_capacity(str(error)) else str(error)
    except KeyboardInterrupt:
        say("Stopped. What has been made is deleted again; this takes a minute.")
        _undo(account, plan.name, identity or stack, say)
        raise CatDogError(
            "stopped before the machine was there. Nothing was left behind."
        ) from None
    _undo(account, plan.name, identity or stack, say)
    if is_capacity(said):
        raise NoCapacity(reason(said))
    one = plan.instance
    why = reason(said, one.family, plan.spot, one.vcpus)
    raise CatDogError(f"the machine could not be made: {why} Nothing was left behind.")


def _code(error: errors.ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def output(stack: dict, key: str) -> str:
    return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}[key]


def _follow(account: Account, identity: str, say: Say) -> str:
    """Wait until a stack is no longer being worked on, saying what is made; return its state."""
    told: set[str] = set()
    while True:
        try:
            (found,) = account.stacks.describe_stacks(StackName=identity)["Stacks"]
        except errors.ClientError as error:
            if "does not exist" in str(error):
                return "DELETE_COMPLETE"
            raise
        for event in reversed(_events(account, identity)):
            if event["ResourceStatus"].endswith("_COMPLETE") and event["EventId"] not in told:
                told.add(event["EventId"])
                if event["ResourceType"] in ("AWS::EC2::VPC", "AWS::EC2::Instance"):
                    done = f"{event['ResourceStatus'].split('_')[0].lower()}d"
                    say(f"  {event['LogicalResourceId'].lower()} {done}")
        state = found["StackStatus"]
        if not state.endswith("_IN_PROGRESS"):
            return state
        time.sleep(POLL)


def _events(account: Account, identity: str) -> list[dict]:
    with contextlib.suppress(errors.ClientError):
        return account.stacks.describe_stack_events(StackName=identity)["StackEvents"]
    return []


def _why_failed(account: Account, identity: str) -> str:
    """Return the first reason AWS gave for a stack's failure, which the others follow from."""
    for event in reversed(_events(account, identity)):
        said = event.get("ResourceStatusReason", "")
        if event["ResourceStatus"].endswith("FAILED") and "cancelled" not in said:
            return said
    return ""


def _undo(account: Account, name: str, stack: str, say: Say) -> None:
    """Delete what a failed start has made, and make sure that it is gone.

    Raises:
        CatDogError: something could not be deleted; the message names it.
    """
    try:
        delete(account, name, stack, say)
    except (KeyboardInterrupt, *REFUSALS) as error:
        why = "stopped." if isinstance(error, KeyboardInterrupt) else explain(error)
        raise CatDogError(
            f"{why} And what had been made could not be deleted: it may cost money. "
            f"Run 'catdog aws down{named(name, account.region)}' until it says that nothing is "
            "left."
        ) from error


def delete(account: Account, name: str, stack: str, say: Say) -> None:
    cancel_spot(account, stack_name(name))
    account.stacks.delete_stack(StackName=stack)
    state = _follow(account, stack, say)
    if state != "DELETE_COMPLETE":
        raise CatDogError(
            f"{stack_name(name)} could not be deleted whole ({state}: "
            f"{_why_failed(account, stack) or 'no reason given'}). It may cost money: run 'catdog "
            f"aws down{named(name, account.region)}' again, and see "
            "https://console.aws.amazon.com/cloudformation"
        )
    left = {kind: found for kind, found in leftovers(account, name).items() if found}
    if left:
        listed = "; ".join(f"{kind}: {', '.join(found)}" for kind, found in left.items())
        raise CatDogError(
            f"the stack is deleted, but this is left and may cost money: {listed}. Run 'catdog "
            f"aws down{named(name, account.region)}' again in some minutes."
        )


def cancel_spot(account: Account, stack: str) -> None:
    """Cancel a persistent spot request, which would start a new machine for each that ends."""
    requests_ = _spot_requests(account, stack)
    if requests_:
        account.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=requests_)


def tag_filter(stack: str) -> list[dict]:
    return [{"Name": f"tag:{TAG}", "Values": [stack]}]


def _instances(account: Account, stack: str) -> list[dict]:
    found = account.ec2.describe_instances(Filters=tag_filter(stack))["Reservations"]
    return [one for reservation in found for one in reservation["Instances"]]


def _spot_requests(account: Account, stack: str) -> list[str]:
    """Return the spot requests that are not over: by their tag, or as one of a machine's."""
    of_machines = [
        one["SpotInstanceRequestId"]
        for one in _instances(account, stack)
        if one.get("SpotInstanceRequestId")
    ]
    filters = [tag_filter(stack)]
    if of_machines:
        filters.append([{"Name": "spot-instance-request-id", "Values": of_machines}])
    going = {"Name": "state", "Values": ["open", "active", "disabled"]}
    return sorted(
        {
            one["SpotInstanceRequestId"]
            for each in filters
            for one in account.ec2.describe_spot_instance_requests(Filters=[*each, going])[
                "SpotInstanceRequests"
            ]
        }
    )


@explained
def leftovers(account: Account, name: str = NAME) -> dict[str, list[str]]:
    """Look for everything of a machine that may still be there: {kind: ids}, empty if gone."""
    stack, ec2 = stack_name(name), account.ec2
    mine = tag_filter(stack)

    def tagged(call: Callable[..., dict], key: str, identity: str) -> list[str]:
        return [one[identity] for one in call(Filters=mine)[key]]

    path = f"/catdog/{stack}/"
    iam = account.client("iam")
    alarms = account.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{stack}-LimitAlarm")
    return {
        "stack": [stack] if find_stack(account, stack) else [],
        "instances": [
            one["InstanceId"]
            for one in _instances(account, stack)
            if one["State"]["Name"] != "terminated"
        ],
        "spot requests": _spot_requests(account, stack),
        "disks": tagged(ec2.describe_volumes, "Volumes", "VolumeId"),
        "networks": tagged(ec2.describe_vpcs, "Vpcs", "VpcId"),
        "subnets": tagged(ec2.describe_subnets, "Subnets", "SubnetId"),
        "gateways": tagged(ec2.describe_internet_gateways, "InternetGateways", "InternetGatewayId"),
        "route tables": tagged(ec2.describe_route_tables, "RouteTables", "RouteTableId"),
        "security groups": tagged(ec2.describe_security_groups, "SecurityGroups", "GroupId"),
        "key pairs": tagged(ec2.describe_key_pairs, "KeyPairs", "KeyPairId"),
        "launch templates": tagged(
            ec2.describe_launch_templates, "LaunchTemplates", "LaunchTemplateId"
        ),
        "alarms": [one["AlarmName"] for one in alarms["MetricAlarms"]],
        "roles": [one["RoleName"] for one in iam.list_roles(PathPrefix=path)["Roles"]],
        "instance profiles": [
            one["InstanceProfileName"]
            for one in iam.list_instance_profiles(PathPrefix=path)["InstanceProfiles"]
            if one["Path"] == path
        ],
    }
