"""How a machine is: asked of AWS, told in words, waited for."""

from __future__ import annotations

import datetime
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import botocore.exceptions as errors

from catdog import CatDogError
from catdog.cloud import cloudformation, instances
from catdog.cloud.account import (
    REFUSALS,
    TAG,
    Account,
    explained,
    find_stack,
    named,
    stack_name,
)
from catdog.cloud.instances import NAME


@dataclass
class Status:
    """How a machine is.

    Attributes:
        state: EC2's word: pending, running, stopping, stopped; or the stack's while it is made.
        reclaimed: AWS stopped it, a spot machine, and may start it again by itself.
        since: when it was started last.
    """

    name: str
    region: str
    state: str
    instance_id: str = ""
    instance_type: str = ""
    spot: bool = False
    access: str = ""
    public_ip: str = ""
    reclaimed: bool = False
    since: datetime.datetime | None = None
    parameters: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def hours(self) -> float:
        if not self.since or self.state != "running":
            return 0.0
        return (datetime.datetime.now(datetime.UTC) - self.since).total_seconds() / 3600

    @property
    def last(self) -> datetime.datetime | None:
        """When the limit of hours stops it, if it runs."""
        hours = self.parameters.get("MaxHours")
        if not self.since or self.state != "running" or not hours:
            return None
        return self.since + datetime.timedelta(hours=int(hours))

    @property
    def stops(self) -> str:
        """When it stops itself, in words, by this computer's clock."""
        last = f"{self.last.astimezone():%H:%M on %Y-%m-%d}" if self.last else "its limit of hours"
        idle = self.parameters.get("IdleMinutes")
        return f"after {idle} minutes without work, at {last} at the latest"

    @property
    def usd_hour(self) -> float | None:
        """Dollars an hour while it runs, by the table of `instances`, on demand."""
        one = instances.TYPES.get(self.instance_type)
        if not one or "DiskGiB" not in self.parameters:  # its stack was not asked
            return None
        disk = instances.disk_usd_hour(float(self.parameters["DiskGiB"]))
        return one.usd + disk + instances.ADDRESS_USD_HOUR

    def document(self) -> dict:
        """Return it for JSON: its attributes, hours since it was started, and dollars an hour."""
        found = {**asdict(self), "since": self.since and self.since.isoformat()}
        del found["parameters"]
        return {**found, "hours": self.hours, "usd_hour": self.usd_hour}

    @property
    def line(self) -> str:
        """The same in one line, with what leads to it."""
        region = f" --region {self.region}"
        return (
            f"{stack_name(self.name)} in {self.region}: {self.state}, {self.instance_type} "
            f"(catdog aws status{named(self.name, None)}{region})"
        )

    def __str__(self) -> str:
        which = named(self.name, self.region)
        lines = [f"{stack_name(self.name)} in {self.region}: {self.state}"]
        if self.instance_id:
            paid = "spot" if self.spot else "on demand"
            lines.append(f"  machine  {self.instance_id}, {self.instance_type}, {paid}")
        if self.state == "running" and self.since:
            spent = "" if self.usd_hour is None else f", about ${self.hours * self.usd_hour:.2f}"
            if spent and self.spot:
                spent += " on demand, less on spot"
            since = f"{self.since.astimezone():%H:%M on %Y-%m-%d}"
            lines += [
                f"  running  since {since}, {self.hours:.1f} hours{spent}",
                f"  stops    {self.stops}",
                f"  next     catdog aws connect{which}; catdog aws stop{which}",
            ]
        elif self.state == "stopped":
            day = 24 * instances.disk_usd_hour(float(self.parameters.get("DiskGiB", 0)))
            lines.append(f"  costs    ${day:.2f} a day for its disk, until it is deleted")
            if self.reclaimed:
                lines.append(
                    "  spot     AWS took it back. It starts it again by itself when it has one "
                    "free, and bills it;\n           only 'catdog aws down' prevents that"
                )
            lines.append(f"  next     catdog aws start{which}; catdog aws down{which}")
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
    identity = cloudformation.output(there, "InstanceId")
    found = account.ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [identity]}])[
        "Reservations"
    ]
    gone = {"State": {"Name": "terminated"}}
    one = found[0]["Instances"][0] if found else gone
    return _of(name, account.region, {"InstanceId": identity, **one}, parameters)


def _of(name: str, region: str, one: dict[str, Any], parameters: dict[str, str]) -> Status:
    return Status(
        name=name,
        region=region,
        state=one["State"]["Name"],
        instance_id=one["InstanceId"],
        instance_type=one.get("InstanceType", ""),
        spot=parameters.get("Spot") == "true" or one.get("InstanceLifecycle") == "spot",
        access=parameters.get("Access", ""),
        public_ip=one.get("PublicIpAddress", ""),
        reclaimed="SpotInstance" in one.get("StateReason", {}).get("Code", ""),
        since=one.get("LaunchTime"),
        parameters=parameters,
    )


@explained
def everywhere() -> list[Status]:
    """Look for machines of any name in every region that the account uses, by their tag.

    A region that refuses to say (a firm may forbid some) is told by a line to stderr.
    """
    account = Account(None, "us-east-1")
    regions = [one["RegionName"] for one in account.ec2.describe_regions()["Regions"]]

    def look(region: str) -> list[Status]:
        ec2 = Account(region).ec2
        found = ec2.describe_instances(Filters=[{"Name": "tag-key", "Values": [TAG]}])
        return [
            _of(_name(one), region, one, {})
            for reservation in found["Reservations"]
            for one in reservation["Instances"]
            if one["State"]["Name"] not in ("terminated", "shutting-down")
        ]

    def tried(region: str) -> list[Status] | Exception:
        try:
            return look(region)
        except (CatDogError, *REFUSALS) as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(sorted(regions), pool.map(tried, sorted(regions)), strict=True))
    refused = {region: one for region, one in found.items() if isinstance(one, Exception)}
    if len(refused) == len(found):
        raise next(iter(refused.values()))
    for region in refused:
        print(f"catdog: {region} could not be asked", file=sys.stderr)
    return [one for region in found if region not in refused for one in found[region]]


def _name(one: dict[str, Any]) -> str:
    tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
    return tags[TAG].removeprefix("catdog-")


def whole_machine(name: str, region: str | None, what: str) -> tuple[Account, Status]:
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
            f"down{named(name, account.region)}'. (If it is only just being made, wait a minute.)"
        )
    return account, found


def wait_for(account: Account, identity: str, wanted: str, name: str) -> None:
    try:
        account.ec2.get_waiter(f"instance_{wanted}").wait(
            InstanceIds=[identity],
            WaiterConfig={"Delay": max(1, int(cloudformation.POLL)), "MaxAttempts": 120},
        )
    except errors.WaiterError as error:
        raise CatDogError(
            f"{stack_name(name)} is not {wanted} after ten minutes: look at it with 'catdog aws "
            f"status{named(name, account.region)}'."
        ) from error
