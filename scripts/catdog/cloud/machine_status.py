"""How a machine is: asked of AWS, told in words, waited for."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass, field
from typing import Any

import botocore.exceptions as errors

from catdog import CatDogError
from catdog.cloud import cloudformation, instances
from catdog.cloud.account import Account, explained, find_stack, named, stack_name
from catdog.cloud.instances import NAME


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
        if self.state == "running" and self.since:
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
    identity = cloudformation.output(there, "InstanceId")
    found = account.ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [identity]}])[
        "Reservations"
    ]
    one: dict[str, Any] = found[0]["Instances"][0] if found else {"State": {"Name": "terminated"}}
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
            f"down{named(name)}'. (If it is only just being made, wait a minute.)"
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
            f"status{named(name)}'."
        ) from error
