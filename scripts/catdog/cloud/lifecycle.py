"""The GPU machine on AWS: one CloudFormation stack, started, reached, stopped and deleted.

`scripts/aws/template.yaml` says what is made. Nothing here keeps a state of its own: what exists
is asked of AWS each time, by the stack's name, "catdog-" and the machine's.
"""

from __future__ import annotations

import contextlib
import time
import webbrowser
from collections.abc import Iterator, Sequence
from pathlib import Path

from catdog import CatDogError
from catdog.cloud import Unreachable, cloudformation, copying, door, ssh_keys, tunnel
from catdog.cloud.account import Account, Say, explained, find_stack, named, stack_name
from catdog.cloud.instances import NAME
from catdog.cloud.machine_status import status, wait_for, whole_machine
from catdog.cloud.planning import Plan, need_session_manager, one_address, own_address

USER = "ubuntu"
SETUP_NOTES = ".catdog/setup"  # on the machine: one line a step, the last "ready" or "failed: …"
BOOT = 240  # seconds a new machine may take until it answers


@explained
def up(plan: Plan, say: Say = print) -> str:
    """Make the machine; return its instance id. If it fails, all that was made is deleted.

    Zones that have no such machine free are passed over.

    Raises:
        CatDogError: it could not be made. Nothing is left.
    """
    account = Account(plan.region)
    for zone in plan.zones:
        say(f"Making {stack_name(plan.name)} in {zone}; some minutes.")
        try:
            return cloudformation.create(account, plan, zone, say)
        except cloudformation.NoCapacity as error:
            last = error
            say(f"  {zone}: AWS has none free.")
    raise CatDogError(f"{last} Nothing was left behind.")


@explained
def down(name: str = NAME, region: str | None = None, say: Say = print) -> list[str]:
    """Delete the machine, its disk and all that belongs to it; return the kinds looked for.

    Does no harm when nothing is there.

    Raises:
        CatDogError: something is left; the message names it.
    """
    account, stack = Account(region), stack_name(name)
    there = find_stack(account, stack)
    if there:
        say(f"Deleting {stack} in {account.region}; some minutes.")
        cloudformation.delete(account, name, there["StackId"], say)
    else:
        cloudformation.cancel_spot(account, stack)
    found = cloudformation.leftovers(account, name)
    left = {kind: ids for kind, ids in found.items() if ids}
    if left:
        listed = "; ".join(f"{kind}: {', '.join(ids)}" for kind, ids in left.items())
        raise CatDogError(
            f"no stack {stack} is there, but this is left of one and may cost money: {listed}. "
            "If it belongs to none in another region (catdog aws status --all), delete it at "
            "https://console.aws.amazon.com/ec2"
        )
    return list(found)


@explained
def stop(name: str = NAME, region: str | None = None, say: Say = print) -> None:
    """Stop the machine; its disk stays. Does no harm when it is stopped already."""
    account, found = whole_machine(name, region, "stop")
    if found.state == "stopped":
        say(f"{stack_name(name)} is stopped already.")
        return
    account.ec2.stop_instances(InstanceIds=[found.instance_id])
    say(f"Stopping {stack_name(name)}; about a minute.")
    wait_for(account, found.instance_id, "stopped", name)


@explained
def start(name: str = NAME, region: str | None = None, say: Say = print) -> None:
    """Start a stopped machine again. Does no harm when it runs already."""
    account, found = whole_machine(name, region, "start")
    if found.state == "running":
        say(f"{stack_name(name)} is running already.")
        return
    if found.state == "stopping":
        wait_for(account, found.instance_id, "stopped", name)
    account.ec2.start_instances(InstanceIds=[found.instance_id])
    say(f"Starting {stack_name(name)}; about a minute.")
    wait_for(account, found.instance_id, "running", name)


@explained
def machine(
    name: str = NAME,
    region: str | None = None,
    key: str | Path | None = None,
    say: Say = print,
) -> tunnel.Machine:
    """Say how to reach the running machine by SSH, once its host keys are known.

    With Session Manager, SSH itself goes through it: so that Jupyter's token and the reader's
    files travel encrypted from end to end, and stand in no command's stored output.

    Raises:
        CatDogError: there is none, it does not run, or this computer has not what it takes.
    """
    account, found = whole_machine(name, region, "connect to")
    if found.state == "pending":
        wait_for(account, found.instance_id, "running", name)
        account, found = whole_machine(name, region, "connect to")
    if found.state != "running":
        raise CatDogError(
            f"{stack_name(name)} is {found.state}. Start it: "
            f"catdog aws start{named(name, account.region)}"
        )
    if key:
        private = Path(key).expanduser().absolute()  # it is used in other folders, too
    else:
        private = ssh_keys.private_key_of(found.parameters["PublicKey"])
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
    ssh_keys.remember_host_keys(account, found.instance_id, known, say)
    return tunnel.Machine(
        host, 22, USER, private, proxy=proxy, alias=found.instance_id, known_hosts=known
    )


@explained
def allow(name: str = NAME, region: str | None = None, address: str | None = None) -> str:
    """Open SSH to this computer's present address instead of the former one; return it.

    Raises:
        CatDogError: there is no such machine, or it is reached through Session Manager.
    """
    account, found = whole_machine(name, region, "open")
    if found.access != "ssh":
        raise CatDogError(
            f"{stack_name(name)} is reached through Session Manager, from any address: 'catdog "
            f"aws connect{named(name, account.region)}'. No port of it is opened."
        )
    new = one_address(address) if address else own_address()
    (group,) = account.ec2.describe_security_groups(
        Filters=cloudformation.tag_filter(stack_name(name))
    )["SecurityGroups"]
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


def wait_for_setup(reached: tunnel.Machine, wait: float = 1800, say: Say = print) -> None:
    """Wait until a new machine has installed everything, saying what it does.

    Raises:
        CatDogError: it failed, cannot be reached, or is not done within `wait` seconds.
    """
    told, deadline = 0, time.monotonic() + wait
    booted, waits = time.monotonic() + min(wait, BOOT), ""
    # sshd answers before the setup begins: that there are no notes yet is no failure
    look = ["sh", "-c", f"cat {SETUP_NOTES} 2>/dev/null || true"]
    while True:
        try:
            steps = reached.run(look).splitlines()
            now = "" if steps else "  waiting for its setup to begin"
        except Unreachable:
            if time.monotonic() > booted or told:
                raise
            steps, now = [], "  waiting for the machine to answer"
        if now and now != waits:
            say(now)
            waits = now
        for step in steps[told:]:
            if step.startswith("failed: "):
                raise CatDogError(
                    f"the machine could not be set up. The step that failed: {step[8:]}. Its log: "
                    "'journalctl -u catdog-setup' there. It stops itself in half an hour; 'catdog "
                    "aws stop' and 'start' let it try once more, 'catdog aws down' deletes it."
                )
            if step != "ready" and (told or steps[-1] != "ready"):
                say(f"  {step}")
        told = max(told, len(steps))
        if steps and steps[-1] == "ready":
            return
        if time.monotonic() > deadline:
            raise CatDogError(f"the machine is not set up after {wait / 60:.0f} minutes.")
        time.sleep(cloudformation.POLL)


def ready(
    name: str = NAME,
    region: str | None = None,
    key: str | Path | None = None,
    wait: float = 1800,
    say: Say = print,
) -> tunnel.Machine:
    """Return the machine once it can be reached and is set up; see `machine`.

    Args:
        key: the private SSH key; None finds in ~/.ssh the one the machine was started with.
        wait: seconds to wait for a new machine.
    """
    reached = machine(name, region, key, say)
    try:
        wait_for_setup(reached, wait, say)
    except Unreachable as error:
        if reached.proxy:
            raise
        raise Unreachable(
            f"{error} It lets in one address only: if yours has changed, 'catdog aws "
            f"allow{named(name, region)}' lets in the present one instead."
        ) from error
    return reached


@contextlib.contextmanager
def connect(
    name: str = NAME,
    region: str | None = None,
    key: str | Path | None = None,
    local_port: int | None = None,
    wait: float = 1800,
    say: Say = print,
) -> Iterator[tunnel.Connection]:
    """Open a tunnel to the machine's Jupyter: its `.url` and `.token`, until the end.

    Waits, saying so, until a new machine is set up.

    Args:
        key, wait: see `ready`.
        local_port: the port on this computer; None takes a free one.

    Raises:
        CatDogError: the machine or its Jupyter cannot be reached.
    """
    reached = ready(name, region, key, wait, say)
    with tunnel.tunnel(reached, local_port=local_port, warn=say) as connection:
        yield connection


def stay_connected(
    name: str = NAME,
    region: str | None = None,
    key: str | Path | None = None,
    local_port: int | None = None,
    show_token: bool = False,
    say: Say = print,
) -> None:
    """Open the machine's notebooks in this computer's browser and hold the tunnel until Ctrl-C.

    A tunnel that breaks, as when this computer sleeps, is opened again, at the same local port.

    Raises:
        CatDogError: the machine cannot be reached, or has stopped.
    """
    port, stood = local_port or tunnel.free_port(), False

    def hold() -> None:
        nonlocal stood
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(connect(name, region, key, port, say=say))
            if stood:
                say("Connected again.")
            else:
                address = stack.enter_context(
                    door.door(f"{connection.url}/lab?token={connection.token}")
                )
                say(f"JupyterLab is at {connection.url}/lab, through a tunnel.")
                if show_token:
                    say(f"Its token: {connection.token}")
                elif not webbrowser.open(address):
                    say(f"No browser could be started here. Open this in one, once: {address}")
                if found := status(name, region):
                    say(f"The machine stops {found.stops}; before, it says so here.")
                say("Ctrl-C closes the tunnel; the machine and its kernels go on.")
            stood = True
            while connection.alive():
                time.sleep(1)
        raise Unreachable("the tunnel broke.")

    try:
        hold()
    except Unreachable:
        if not stood:
            raise
    say("The tunnel broke.")
    tunnel.patiently(hold, say)


@explained
def send(
    files: Sequence[str | Path],
    folder: str = "project/data",
    name: str = NAME,
    region: str | None = None,
    key: str | Path | None = None,
    say: Say = print,
) -> None:
    """Copy files or folders to the machine, over SSH; see `copying.send`.

    Args:
        folder: where to, from the home folder there; made if it is not there.

    Raises:
        CatDogError: a file is missing, or the machine cannot be reached.
    """
    paths = [Path(path) for path in files]
    copying.must_exist(paths)
    reached = machine(name, region, key, say)
    tunnel.patiently(lambda: copying.send(reached, paths, folder), say)
