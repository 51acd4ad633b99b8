"""The GPU machine on AWS: one CloudFormation stack, started, reached, stopped and deleted.

`scripts/aws/template.yaml` says what is made. Nothing here keeps a state of its own: what exists
is asked of AWS each time, by the stack's name, "catdog-" and the machine's.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import tempfile
import time
import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import botocore.exceptions as errors

from catdog import CatDogError
from catdog.cloud import instances, tunnel
from catdog.cloud.account import (
    REFUSALS,
    TAG,
    Account,
    explain,
    explained,
    find_stack,
    is_capacity,
    named,
    reason,
    stack_name,
)
from catdog.cloud.instances import NAME
from catdog.cloud.planning import (
    Plan,
    need_session_manager,
    one_address,
    own_address,
    private_key_of,
)
from catdog.core import paths

TEMPLATE = paths.ROOT / "scripts" / "aws" / "template.yaml"
USER = "ubuntu"
SETUP_NOTES = ".catdog/setup"  # on the machine: one line a step, the last "ready" or "failed: …"
POLL = 5.0  # seconds between two looks at AWS
BOOT = 240  # seconds a new machine may take until it answers


class NoCapacity(CatDogError):
    """AWS has no such machine free in one zone."""


@explained
def up(plan: Plan, say=print) -> str:
    """Make the machine; return its instance id. If it fails, all that was made is deleted.

    Zones that have no such machine free are passed over.

    Raises:
        CatDogError: it could not be made. Nothing is left.
    """
    account = Account(plan.region)
    for zone in plan.zones:
        say(f"Making {stack_name(plan.name)} in {zone}; about two minutes.")
        try:
            return _create(account, plan, zone, say)
        except NoCapacity as error:
            last = error
            say(f"  {zone}: AWS has none free.")
    raise CatDogError(f"{last} Nothing was left behind.")


def _create(account: Account, plan: Plan, zone: str, say) -> str:
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
            return _output(made, "InstanceId")
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
    raise CatDogError(f"the machine could not be made: {reason(said)} Nothing was left behind.")


def _code(error: errors.ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _output(stack: dict, key: str) -> str:
    return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}[key]


def _follow(account: Account, identity: str, say) -> str:
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


def _undo(account: Account, name: str, stack: str, say) -> None:
    """Delete what a failed start has made, and make sure that it is gone.

    Raises:
        CatDogError: something could not be deleted; the message names it.
    """
    try:
        _delete(account, name, stack, say)
    except REFUSALS as error:
        raise CatDogError(
            f"{explain(error)} And what had been made could not be deleted: it may cost money. "
            f"Run 'catdog aws down{named(name)}' until it says that nothing is left."
        ) from error


def _delete(account: Account, name: str, stack: str, say) -> None:
    _cancel_spot(account, stack_name(name))
    account.stacks.delete_stack(StackName=stack)
    state = _follow(account, stack, say)
    if state != "DELETE_COMPLETE":
        raise CatDogError(
            f"{stack_name(name)} could not be deleted whole ({state}: "
            f"{_why_failed(account, stack) or 'no reason given'}). It may cost money: run 'catdog "
            f"aws down{named(name)}' again, and see https://console.aws.amazon.com/cloudformation"
        )
    left = {kind: found for kind, found in leftovers(account, name).items() if found}
    if left:
        listed = "; ".join(f"{kind}: {', '.join(found)}" for kind, found in left.items())
        raise CatDogError(
            f"the stack is deleted, but this is left and may cost money: {listed}. Run 'catdog "
            f"aws down{named(name)}' again in some minutes."
        )


def _cancel_spot(account: Account, stack: str) -> None:
    """Cancel a persistent spot request, which would start a new machine for each that ends."""
    requests_ = _spot_requests(account, stack)
    if requests_:
        account.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=requests_)


def _mine(stack: str) -> list[dict]:
    return [{"Name": f"tag:{TAG}", "Values": [stack]}]


def _instances(account: Account, stack: str) -> list[dict]:
    found = account.ec2.describe_instances(Filters=_mine(stack))["Reservations"]
    return [one for reservation in found for one in reservation["Instances"]]


def _spot_requests(account: Account, stack: str) -> list[str]:
    """Return the spot requests that are not over: by their tag, or as one of a machine's."""
    of_machines = [
        one["SpotInstanceRequestId"]
        for one in _instances(account, stack)
        if one.get("SpotInstanceRequestId")
    ]
    filters = [_mine(stack)]
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
    mine = _mine(stack)

    def tagged(call, key: str, identity: str) -> list[str]:
        return [one[identity] for one in call(Filters=mine)[key]]

    path = f"/catdog/{stack}/"
    iam = account.client("iam")
    alarms = account.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{stack}-IdleAlarm")
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


@explained
def down(name: str = NAME, region: str | None = None, say=print) -> list[str]:
    """Delete the machine, its disk and all that belongs to it; return the kinds looked for.

    Does no harm when nothing is there.

    Raises:
        CatDogError: something is left; the message names it.
    """
    account, stack = Account(region), stack_name(name)
    there = find_stack(account, stack)
    if there:
        say(f"Deleting {stack} in {account.region}; some minutes.")
        _delete(account, name, there["StackId"], say)
    else:
        _cancel_spot(account, stack)
    found = leftovers(account, name)
    left = {kind: ids for kind, ids in found.items() if ids}
    if left:
        listed = "; ".join(f"{kind}: {', '.join(ids)}" for kind, ids in left.items())
        raise CatDogError(
            f"no stack {stack} is there, but this is left of one and may cost money: {listed}. "
            "Delete it at https://console.aws.amazon.com/ec2"
        )
    return list(found)


@dataclass
class Status:
    """How a machine is.

    Attributes:
        state: EC2's word: pending, running, stopping, stopped; or the stack's while it is made.
        since: when it was started last. usd: what that start has cost so far, about.
    """

    name: str
    region: str
    state: str
    instance_id: str = ""
    instance_type: str = ""
    spot: bool = False
    access: str = ""
    public_ip: str = ""
    since: datetime.datetime | None = None
    parameters: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def hours(self) -> float:
        if not self.since or self.state != "running":
            return 0.0
        return (datetime.datetime.now(datetime.UTC) - self.since).total_seconds() / 3600

    @property
    def usd_hour(self) -> float | None:
        """Dollars an hour while it runs, by the table of `instances`, on demand."""
        one = instances.TYPES.get(self.instance_type)
        disk = instances.disk_usd_hour(float(self.parameters.get("DiskGiB", 0)))
        return one.usd + disk + instances.ADDRESS_USD_HOUR if one else None

    def document(self) -> dict:
        """Return it for JSON: its attributes, hours since it was started, and dollars an hour."""
        found = {**asdict(self), "since": self.since and self.since.isoformat()}
        del found["parameters"]
        return {**found, "hours": self.hours, "usd_hour": self.usd_hour}

    def __str__(self) -> str:
        which = named(self.name)
        lines = [f"{stack_name(self.name)} in {self.region}: {self.state}"]
        if self.instance_id:
            paid = "spot" if self.spot else "on demand"
            lines.append(f"  machine  {self.instance_id}, {self.instance_type}, {paid}")
        if self.state == "running":
            hours = int(self.parameters.get("MaxHours", 0))
            last = self.since + datetime.timedelta(hours=hours)
            spent = "" if self.usd_hour is None else f", about ${self.hours * self.usd_hour:.2f}"
            if spent and self.spot:
                spent += " on demand, less on spot"
            lines += [
                f"  running  since {self.since:%Y-%m-%d %H:%M} UTC, {self.hours:.1f} hours{spent}",
                f"  stops    after {self.parameters.get('IdleMinutes')} minutes without work, at "
                f"{last:%Y-%m-%d %H:%M} UTC at the latest",
                f"  next     catdog aws connect{which}; catdog aws stop{which}",
            ]
        elif self.state == "stopped":
            day = 24 * instances.disk_usd_hour(float(self.parameters.get("DiskGiB", 0)))
            lines += [
                f"  costs    ${day:.2f} a day for its disk, until it is deleted",
                f"  next     catdog aws start{which}; catdog aws down{which}",
            ]
        return "\n".join(lines)


@explained
def status(name: str = NAME, region: str | None = None) -> Status | None:
    """Return how the machine is; None if there is none."""
    account, stack = Account(region), stack_name(name)
    there = find_stack(account, stack)
    if not there:
        return None
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in there.get("Parameters", [])}
    if there["StackStatus"] != "CREATE_COMPLETE":
        return Status(name, account.region, there["StackStatus"], parameters=parameters)
    identity = _output(there, "InstanceId")
    found = account.ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [identity]}])[
        "Reservations"
    ]
    one = found[0]["Instances"][0] if found else {"State": {"Name": "terminated"}}
    return Status(
        name=name,
        region=account.region,
        state=one["State"]["Name"],
        instance_id=identity,
        instance_type=one.get("InstanceType", ""),
        spot=parameters.get("Spot") == "true",
        access=parameters.get("Access", ""),
        public_ip=one.get("PublicIpAddress", ""),
        since=one.get("LaunchTime"),
        parameters=parameters,
    )


def _there(name: str, region: str | None, what: str) -> tuple[Account, Status]:
    """Return the account and the machine, which has to be there and whole."""
    account, found = Account(region), status(name, region)
    if not found:
        raise CatDogError(
            f"no machine {stack_name(name)} is there in {account.region}: nothing to {what}. "
            "Make one with 'catdog aws up', or look in another --region."
        )
    if not found.instance_id or found.state in ("terminated", "shutting-down"):
        raise CatDogError(
            f"{stack_name(name)} is not whole ({found.state}): clear it away with 'catdog aws "
            f"down{named(name)}'. (If it is only just being made, wait a minute.)"
        )
    return account, found


@explained
def stop(name: str = NAME, region: str | None = None, say=print) -> None:
    """Stop the machine; its disk stays. Does no harm when it is stopped already."""
    account, found = _there(name, region, "stop")
    if found.state == "stopped":
        say(f"{stack_name(name)} is stopped already.")
        return
    account.ec2.stop_instances(InstanceIds=[found.instance_id])
    say(f"Stopping {stack_name(name)}; about a minute.")
    _wait_for(account, found.instance_id, "stopped", name)


@explained
def start(name: str = NAME, region: str | None = None, say=print) -> None:
    """Start a stopped machine again. Does no harm when it runs already."""
    account, found = _there(name, region, "start")
    if found.state == "running":
        say(f"{stack_name(name)} is running already.")
        return
    if found.state == "stopping":
        _wait_for(account, found.instance_id, "stopped", name)
    account.ec2.start_instances(InstanceIds=[found.instance_id])
    say(f"Starting {stack_name(name)}; about a minute.")
    _wait_for(account, found.instance_id, "running", name)


def _wait_for(account: Account, identity: str, wanted: str, name: str) -> None:
    try:
        account.ec2.get_waiter(f"instance_{wanted}").wait(
            InstanceIds=[identity], WaiterConfig={"Delay": max(1, int(POLL)), "MaxAttempts": 120}
        )
    except errors.WaiterError as error:
        raise CatDogError(
            f"{stack_name(name)} is not {wanted} after ten minutes: look at it with 'catdog aws "
            f"status{named(name)}'."
        ) from error


@explained
def machine(
    name: str = NAME, region: str | None = None, key: str | Path | None = None
) -> tunnel.Machine:
    """Say how to reach the running machine by SSH.

    With Session Manager, SSH itself goes through it: so that Jupyter's token and the reader's
    files travel encrypted from end to end, and stand in no command's stored output.

    Raises:
        CatDogError: there is none, it does not run, or this computer has not what it takes.
    """
    account, found = _there(name, region, "connect to")
    if found.state == "pending":
        _wait_for(account, found.instance_id, "running", name)
        found = status(name, region)
    if found.state != "running":
        raise CatDogError(
            f"{stack_name(name)} is {found.state}. Start it: catdog aws start{named(name)}"
        )
    private = Path(key).expanduser() if key else private_key_of(found.parameters["PublicKey"])
    host, proxy = found.public_ip, None
    if found.access == "ssm":
        need_session_manager()
        host = found.instance_id
        proxy = (
            f"aws ssm start-session --region {account.region} --target %h "
            "--document-name AWS-StartSSHSession --parameters portNumber=%p"
        )
    elif not host:
        raise CatDogError(f"{stack_name(name)} has no address yet: try again in a minute.")
    known = Path.home() / ".catdog" / "known_hosts"
    known.parent.mkdir(mode=0o700, exist_ok=True)
    _remember_host_keys(account, found.instance_id, known)
    return tunnel.Machine(
        host, 22, USER, private, proxy=proxy, alias=found.instance_id, known_hosts=known
    )


def _remember_host_keys(account: Account, identity: str, known: Path) -> None:
    """Take the machine's host keys from its console, which AWS vouches for, before the first SSH.

    Until the console shows them, a first connection believes what it is shown.
    """
    if known.exists() and f"{identity} " in known.read_text("utf-8"):
        return
    try:
        said = account.ec2.get_console_output(InstanceId=identity, Latest=True).get("Output", "")
    except REFUSALS:
        return
    block = re.search(r"BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY", said, re.S)
    keys = re.findall(r"\b((?:ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/=]+)", block[1] if block else "")
    if keys:
        with open(known, "a", encoding="utf-8") as stream:
            stream.writelines(f"{identity} {key}\n" for key in keys)


@explained
def allow(name: str = NAME, region: str | None = None, address: str | None = None) -> str:
    """Open SSH to this computer's present address instead of the former one; return it.

    Raises:
        CatDogError: there is no such machine, or it is reached through Session Manager.
    """
    account, found = _there(name, region, "open")
    if found.access != "ssh":
        raise CatDogError(
            f"{stack_name(name)} is reached through Session Manager, from any address: 'catdog "
            f"aws connect{named(name)}'. No port of it is opened."
        )
    new = one_address(address) if address else own_address()
    (group,) = account.ec2.describe_security_groups(Filters=_mine(stack_name(name)))[
        "SecurityGroups"
    ]
    former = [r["CidrIp"] for rule in group["IpPermissions"] for r in rule["IpRanges"]]
    if former != [new]:
        if group["IpPermissions"]:
            account.ec2.revoke_security_group_ingress(
                GroupId=group["GroupId"], IpPermissions=group["IpPermissions"]
            )
        account.ec2.authorize_security_group_ingress(
            GroupId=group["GroupId"], IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp=new
        )
    return new


def wait_for_setup(reached: tunnel.Machine, wait: float = 1800, say=print) -> None:
    """Wait until a new machine has installed everything, saying what it does.

    Raises:
        CatDogError: it failed, cannot be reached, or is not done within `wait` seconds.
    """
    told, deadline = 0, time.monotonic() + wait
    booted = time.monotonic() + min(wait, BOOT)
    silent = False
    while True:
        try:
            steps = reached.run(["cat", "--", SETUP_NOTES]).splitlines()
        except tunnel.Unreachable:
            if time.monotonic() > booted or told:
                raise
            if not silent:
                say("  waiting for the machine to answer")
            steps, silent = [], True
        for step in steps[told:]:
            if step.startswith("failed: "):
                raise CatDogError(
                    f"the machine could not be set up. The step that failed: {step[8:]}. Its log: "
                    "/var/log/cloud-init-output.log there. It stops itself in half an hour; "
                    "delete it with 'catdog aws down'."
                )
            if step != "ready" and (told or steps[-1] != "ready"):
                say(f"  {step}")
        told = max(told, len(steps))
        if steps and steps[-1] == "ready":
            return
        if time.monotonic() > deadline:
            raise CatDogError(f"the machine is not set up after {wait / 60:.0f} minutes.")
        time.sleep(POLL)


@contextlib.contextmanager
def connect(
    name: str = NAME,
    region: str | None = None,
    key: str | Path | None = None,
    local_port: int | None = None,
    wait: float = 1800,
    say=print,
) -> Iterator[tunnel.Connection]:
    """Open a tunnel to the machine's Jupyter: its `.url` and `.token`, until the end.

    Waits, saying so, until a new machine is set up.

    Args:
        key: the private SSH key; None finds in ~/.ssh the one the machine was started with.
        local_port: the port on this computer; None takes a free one.
        wait: seconds to wait for a new machine.

    Raises:
        CatDogError: the machine or its Jupyter cannot be reached.
    """
    reached = machine(name, region, key)
    try:
        wait_for_setup(reached, wait, say)
    except tunnel.Unreachable as error:
        if reached.proxy:
            raise
        raise tunnel.Unreachable(
            f"{error} It lets in one address only: if yours has changed, 'catdog aws "
            f"allow{named(name)}' lets in the present one instead."
        ) from error
    with tunnel.tunnel(
        reached.host,
        reached.port,
        reached.user,
        reached.key,
        local_port=local_port,
        proxy=reached.proxy,
        alias=reached.alias,
        known_hosts=reached.known_hosts,
    ) as connection:
        yield connection


def stay_connected(
    name: str = NAME,
    region: str | None = None,
    key: str | Path | None = None,
    local_port: int | None = None,
    show_token: bool = False,
    say=print,
) -> None:
    """Open the machine's notebooks in this computer's browser and hold the tunnel until Ctrl-C.

    A tunnel that breaks is opened again, at the same local port.

    Raises:
        CatDogError: the machine cannot be reached, or has stopped.
    """
    local_port = local_port or tunnel.free_port()
    with tempfile.TemporaryDirectory() as folder:
        again = False
        while True:
            with connect(name, region, key, local_port, say=say) as connection:
                if again:
                    say("Connected again.")
                else:
                    page = write_login_page(connection, Path(folder))
                    say(f"JupyterLab is at {connection.url}/lab, through a tunnel.")
                    if show_token:
                        say(f"Its token: {connection.token}")
                    elif not webbrowser.open(page.as_uri()):
                        say(f"No browser could be started here: open {page} in one.")
                    say("Ctrl-C closes the tunnel; the machine and its kernels go on.")
                while connection.alive():
                    time.sleep(1)
            say("The tunnel broke.")
            again = True


def write_login_page(connection: tunnel.Connection, folder: Path) -> Path:
    """Write a page, for this user's eyes only, that leads a browser in; return its path.

    As Jupyter itself does it: so the token stands in no command line.
    """
    page = folder / "open.html"
    handle = os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(
            '<!DOCTYPE html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
            f'<meta http-equiv="refresh" content="0;url={connection.url}/lab?token='
            f'{connection.token}"><title>Opening JupyterLab</title>Opening JupyterLab…'
        )
    return page


def send(
    files: Sequence[str | Path],
    folder: str = "project/data",
    name: str = NAME,
    region: str | None = None,
    key: str | Path | None = None,
) -> None:
    """Copy files or folders to the machine, over SSH.

    Args:
        folder: where to, from the home folder there; made if it is not there.

    Raises:
        CatDogError: a file is missing, or the machine cannot be reached.
    """
    for path in files:
        if not Path(path).exists():
            raise CatDogError(f"{path} is not there.")
    reached = machine(name, region, key)
    reached.run(["mkdir", "-p", "--", folder])
    reached.send(files, folder)
