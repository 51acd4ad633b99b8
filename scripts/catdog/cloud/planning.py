"""What `catdog aws up` is about to start, what it costs, and what stands in the way."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import requests

from catdog import CatDogError
from catdog.cloud import catalogue, instances, source, ssh_keys
from catdog.cloud.account import (
    FREE_PLAN,
    REFUSALS,
    Account,
    ask_for_quota,
    explained,
    find_stack,
    named,
    quota_of,
    stack_name,
)
from catdog.cloud.instances import IMAGE, NAME

WHAT_IS_MY_ADDRESS = "https://checkip.amazonaws.com"
# AWS asks for at least this version: Systems Manager User Guide, plugin-version-history.
PLUGIN = (1, 2, 764, 0)
SSM_PLUGIN = """\
Session Manager needs two programs on this computer, and {missing}:
  - aws, the AWS command line: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html
  - session-manager-plugin:
    https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html
Or do without: 'catdog aws up --access ssh' opens SSH to your own address only."""


@dataclass
class Plan:
    """What `up` is about to start.

    Attributes:
        instance: its type. zones: where to try, in this order.
        price: dollars an hour for the machine alone; price_of: where that figure is from.
        access: "ssm" or "ssh"; address: with ssh, who is let in, as a.b.c.d/32.
        disk: GB. public_key: "type base64". repository, commit: of the project.
        idle_minutes, max_hours: when it stops itself.
    """

    name: str
    region: str
    instance: instances.Instance
    zones: list[str]
    price: float
    price_of: str
    access: str
    address: str | None
    spot: bool
    disk: int
    public_key: str = field(repr=False)
    repository: str = ""
    commit: str = ""
    idle_minutes: int = 30
    max_hours: int = 8
    image: str = IMAGE

    @property
    def hourly(self) -> float:
        """Dollars an hour while it runs: machine, disk and address."""
        return self.price + instances.disk_usd_hour(self.disk) + instances.ADDRESS_USD_HOUR

    def parameters(self, zone: str) -> list[dict[str, str]]:
        """Return the template's parameters for one zone."""
        # CloudWatch counts in steps of five minutes up to a day, in hours up to a week.
        minutes = 60 * self.max_hours + 30
        period = 300 if minutes <= 24 * 60 else 3600
        values = {
            "InstanceType": self.instance.name,
            "Image": self.image,
            "Zone": zone,
            "Access": self.access,
            **({"From": self.address} if self.address else {}),
            "PublicKey": self.public_key,
            "Spot": str(self.spot).lower(),
            "DiskGiB": self.disk,
            "Repository": self.repository,
            "Commit": self.commit,
            "IdleMinutes": self.idle_minutes,
            "MaxHours": self.max_hours,
            "AlarmPeriod": period,
            "AlarmPeriods": min(604_800 // period, -(-minutes * 60 // period)),
        }
        return [{"ParameterKey": k, "ParameterValue": str(v)} for k, v in values.items()]

    def __str__(self) -> str:
        one = self.instance
        many = "one" if one.gpus == 1 else str(one.gpus)
        access = (
            "Session Manager: no port of the machine is open"
            if self.access == "ssm"
            else f"SSH, open to {self.address} only"
        )
        paid = "spot, which AWS may take back at any time" if self.spot else "on demand"
        back = (
            "\n  when AWS has taken it back, it starts it again by itself, and bills it: see "
            "'catdog aws status'"
            if self.spot
            else ""
        )
        disk = instances.disk_usd_hour(self.disk)
        return f"""\
To be started, as {stack_name(self.name)}:
  machine  {one.name} in {self.region}, {paid}:
           {many} NVIDIA {one.gpu} of {one.gpu_gb} GB, {one.vcpus} virtual cores, \
{one.memory_gb} GB memory
  disk     {self.disk} GB, encrypted, deleted with the machine
  access   {access}
  project  {self.repository}, commit {self.commit[:10]}
What it costs:
  running  ${self.hourly:.2f} an hour: ${self.price:.3f} the machine, ${disk:.3f} the disk, \
${instances.ADDRESS_USD_HOUR:.3f} its address
  stopped  ${24 * disk:.2f} a day for the disk, until 'catdog aws down'
  prices   {self.price_of}; without tax
When it stops itself:
  after {self.idle_minutes} minutes without work, and {self.max_hours} hours after each start in \
any case,
  so that a start costs ${self.hourly * self.max_hours:.2f} at most{back}"""


def own_address() -> str:
    """Ask under which IPv4 address this computer is seen from outside, as a.b.c.d/32."""
    try:
        answer = requests.get(WHAT_IS_MY_ADDRESS, timeout=10)
        answer.raise_for_status()
        return f"{ipaddress.IPv4Address(answer.text.strip())}/32"
    except (requests.RequestException, ValueError):
        raise CatDogError(
            "this computer's address could not be found out: name it with --from, such as "
            "--from 203.0.113.7"
        ) from None


def one_address(text: str) -> str:
    """Check a single IPv4 address, and return it as a.b.c.d/32."""
    try:
        return f"{ipaddress.IPv4Address(text.removesuffix('/32'))}/32"
    except ValueError:
        raise CatDogError(
            f"--from takes one IPv4 address, such as 203.0.113.7, and not {text!r}: SSH is opened "
            "to nobody else."
        ) from None


@explained
def plan(
    instance_type: str | None = None,
    name: str = NAME,
    region: str | None = None,
    access: str = "ssm",
    address: str | None = None,
    key: str | Path | None = None,
    spot: bool = False,
    disk: int = 100,
    zone: str | None = None,
    idle_minutes: int = 30,
    max_hours: int = 8,
    repository: str | None = None,
    commit: str | None = None,
    image: str = IMAGE,
) -> tuple[Plan, list[str]]:
    """Look at all that can go wrong before anything is made; return the plan and warnings.

    Nothing is created or changed. See `Plan` for the arguments.

    Raises:
        CatDogError: something stands in the way; the message says what to do.
    """
    wanted = instance_type or instances.DEFAULT
    if wanted in instances.TYPES:
        instances.find(wanted)  # says at once why it will not do
    _check_limits(disk, idle_minutes, max_hours)
    stack_name(name)  # is it one?
    public = ssh_keys.public_key(key)
    address = _let_in(access, address)
    where, revision, warnings = source.project(repository, commit)
    account = Account(region)
    account.client("sts").get_caller_identity()  # are the credentials good?
    one = catalogue.find(account, wanted)
    _nothing_there(account, name, stack_name(name))
    _check_image(account, image)
    zones = _zones(account, one, zone)
    _check_plan(account)
    _check_quota(account, one, spot)
    price, price_of, zones = _price(account, one, spot, zones)
    made = Plan(
        name=name,
        region=account.region,
        instance=one,
        zones=zones,
        price=price,
        price_of=price_of,
        access=access,
        address=address,
        spot=spot,
        disk=disk,
        public_key=public,
        repository=where,
        commit=revision,
        idle_minutes=idle_minutes,
        max_hours=max_hours,
        image=image,
    )
    return made, warnings


def _let_in(access: str, address: str | None) -> str | None:
    """Return who is let in with ssh; nobody is, through Session Manager, which has to be here."""
    if access == "ssh":
        return one_address(address) if address else own_address()
    need_session_manager()
    return None


def _check_limits(disk: int, idle_minutes: int, max_hours: int) -> None:
    for value, low, high, what in (
        (disk, 75, 2000, "--disk is between 75 and 2000 GB"),
        (idle_minutes, 5, 600, "--idle-minutes is between 5 and 600"),
        (max_hours, 1, 168, "--max-hours is between 1 and 168"),
    ):
        if not low <= value <= high:
            raise CatDogError(f"{what}, and not {value}.")


def _check_image(account: Account, image: str) -> None:
    try:
        account.client("ssm").get_parameter(Name=image)
    except account.client("ssm").exceptions.ParameterNotFound:
        raise CatDogError(
            f"{account.region} has no machine image under {image}: take another --region."
        ) from None


def _nothing_there(account: Account, name: str, stack: str) -> None:
    there = find_stack(account, stack)
    if not there:
        return
    state, which = there["StackStatus"], named(name, account.region)
    if state.endswith("_IN_PROGRESS"):
        raise CatDogError(f"{stack} is being worked on ({state}): wait a minute, then try again.")
    if "FAILED" in state or "ROLLBACK" in state:
        raise CatDogError(
            f"a half made {stack} is there ({state}). Clear it away first: catdog aws down{which}"
        )
    raise CatDogError(
        f"{stack} exists already. Look at it with 'catdog aws status{which}', start it if "
        f"it is stopped with 'catdog aws start{which}', or make another with --name."
    )


def _zones(account: Account, one: instances.Instance, zone: str | None) -> list[str]:
    offered = account.ec2.describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": [one.name]}],
    )["InstanceTypeOfferings"]
    zones = sorted(offer["Location"] for offer in offered)
    if not zones:
        raise CatDogError(
            f"{account.region} has no {one.name}: take another --region or another type "
            "(catdog aws types)."
        )
    if zone and zone not in zones:
        raise CatDogError(f"zone {zone!r} has no {one.name}. These have: {', '.join(zones)}.")
    return [zone] if zone else zones


def _check_plan(account: Account) -> None:
    """Make sure that a new account is not on the Free plan, as far as AWS tells this user."""
    with contextlib.suppress(*REFUSALS):
        state = account.client("freetier", "us-east-1").get_account_plan_state()
        if state.get("accountPlanType") == "FREE":
            raise CatDogError(FREE_PLAN)


def _check_quota(account: Account, one: instances.Instance, spot: bool) -> None:
    quota = quota_of(one.family, spot)
    if not quota:
        return
    try:
        allowed = account.client("service-quotas").get_service_quota(
            ServiceCode="ec2", QuotaCode=quota[0]
        )["Quota"]["Value"]
    except REFUSALS:
        return  # not every user may ask; AWS says so itself when the machine starts
    if allowed < one.vcpus:
        raise CatDogError(
            f"your account may use {allowed:.0f} virtual cores of such machines in "
            f"{account.region}, and a {one.name} has {one.vcpus} (a new account's quota is often "
            f"0). {ask_for_quota(one.family, spot, one.vcpus)} It is free, and takes hours to days."
        )


def _price(
    account: Account, one: instances.Instance, spot: bool, zones: list[str]
) -> tuple[float, str, list[str]]:
    today = datetime.date.today().isoformat()
    if spot:
        history = account.ec2.describe_spot_price_history(
            InstanceTypes=[one.name],
            ProductDescriptions=["Linux/UNIX"],
            StartTime=datetime.datetime.now(datetime.UTC),
        )["SpotPriceHistory"]
        now = {
            entry["AvailabilityZone"]: float(entry["SpotPrice"])
            for entry in history
            if entry["AvailabilityZone"] in zones and entry["InstanceType"] == one.name
        }
        if now:
            cheap = sorted(zones, key=lambda z: now.get(z, float("inf")))
            return now[cheap[0]], f"AWS's spot price in {cheap[0]}, {today}; it moves", cheap
    if asked := catalogue.price(account, one.name):
        text = f"AWS's price list for {account.region}, asked {today}"
        return asked, text + ("; spot is usually less" if spot else ""), zones
    text = f"AWS's price list for us-east-1 of {instances.PRICES_OF} (today's could not be asked)"
    if account.region != "us-east-1":
        text += f"; {account.region} differs"
    return one.usd, text + ("; spot is usually less" if spot else ""), zones


def need_session_manager() -> None:
    """Make sure that the programs Session Manager takes are on this computer, and new enough.

    Raises:
        CatDogError: one is missing or too old.
    """
    for program in ("aws", "session-manager-plugin"):
        if not shutil.which(program):
            raise CatDogError(SSM_PLUGIN.format(missing=f"{program} is missing"))
    done = subprocess.run(["session-manager-plugin", "--version"], capture_output=True, text=True)
    version = re.search(r"\d+(\.\d+){3}", done.stdout)
    if version and tuple(map(int, version[0].split("."))) < PLUGIN:
        old = (
            f"its plugin is of version {version[0]}, and AWS asks for {'.'.join(map(str, PLUGIN))}"
        )
        raise CatDogError(SSM_PLUGIN.format(missing=old))
