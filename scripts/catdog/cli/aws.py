"""A GPU machine of your own AWS account. None of these commands needs Keras."""

from __future__ import annotations

import click

from catdog import CatDogError
from catdog.cli import options
from catdog.cli.output import note, reports, say
from catdog.cloud.instances import DEFAULT, IMAGE, NAME

_name = click.option("--name", default=NAME, help="the machine's name")
_region = click.option("--region", help="such as us-east-1", show_default="your AWS settings'")
_key = click.option(
    "--key", type=options.PATH, help="your private SSH key", show_default="found in ~/.ssh"
)
_machine = options.options(_name, _region)
_machine_by_ssh = options.options(_name, _region, _key)
_yes = click.option("--yes", is_flag=True, help="do not ask")
_address = click.option(
    "--from", "address", help="with ssh, your address", show_default="asked for"
)


@click.group(cls=options.Group)
def aws() -> None:
    """A GPU machine of your own AWS account."""


def _confirm(yes: bool, question: str) -> None:
    """Ask yes or no, unless --yes was given; anything but yes ends the command."""
    if yes:
        return
    try:
        answer = input(f"{question} [y/N] ").strip().lower()
    except EOFError:
        answer = ""
    if answer not in ("y", "yes"):
        raise CatDogError("nothing was done. (--yes answers this question.)")


@aws.command()
@_region
@reports
def types(region: str | None) -> list[dict]:
    """List the machines and their prices.

    AWS is asked, if you are signed in; else a table that ships with this is shown.
    """
    from catdog.cloud import catalogue, instances

    known, source = catalogue.types(region)
    say(instances.table(known, source))
    return instances.rows(known)


@aws.command()
@_machine_by_ssh
@click.argument("instance_type", required=False, metavar="[TYPE]")
@click.option(
    "--access",
    type=click.Choice(["ssm", "ssh"]),
    default="ssm",
    help="ssm: through AWS's Session Manager, no open port; ssh: port 22 open to you alone",
)
@_address
@click.option("--spot", is_flag=True, help="cheaper, but AWS may take it back")
@options.number("--disk", default=100, help="GB")
@click.option("--zone", help="such as us-east-1a", show_default="the first that has one free")
@click.option("--idle-minutes", type=int, default=30, help="without work")
@click.option("--max-hours", type=int, default=8, help="after each start")
@click.option("--repository", help="the project's https address", show_default="this clone's")
@click.option("--commit", show_default="the one checked out here")
@click.option("--image", default=IMAGE, help="the SSM parameter that names the image")
@_yes
def up(name: str, yes: bool, **how) -> None:
    from catdog.cloud import lifecycle, planning

    plan, warnings = planning.plan(name=name, **how)
    say(plan)
    for warning in warnings:
        say(f"Note: {warning}")
    _confirm(yes, "Start it?")
    lifecycle.up(plan, say=note)
    which = lifecycle.named(name, plan.region)
    note(
        f"{lifecycle.stack_name(name)} is running, and installs itself now. What comes next:\n"
        f"  catdog aws connect{which}   waits until it is ready, and opens its notebooks here\n"
        f"  catdog aws stop{which}      when you are done for today\n"
        f"  catdog aws down{which}      when you are done with it: deletes it, and its disk"
    )


up.help = (
    f"Start a machine, after showing what it costs.\n\nTYPE: see 'catdog aws types'; default: "
    f"{DEFAULT}."
)


@aws.command()
@_machine
@click.option("--all", "everywhere", is_flag=True, help="your machines of any name, in all regions")
@reports
def status(name: str, region: str | None, everywhere: bool) -> dict | list[dict]:
    """Say whether it runs, and what it has cost."""
    from catdog.cloud import lifecycle, machine_status

    if everywhere:
        machines = machine_status.everywhere()
        say("\n".join(one.line for one in machines) or "No machine is there in any region.")
        return [one.document() for one in machines]
    found = lifecycle.status(name, region)
    region = lifecycle.Account(region).region
    say(
        found
        or f"No machine {lifecycle.stack_name(name)} is there in {region}. "
        "All of yours: catdog aws status --all"
    )
    return found.document() if found else {"name": name, "region": region, "state": None}


@aws.command()
@_machine_by_ssh
@click.option(
    "--port", type=click.IntRange(0, 65535), help="on this computer", show_default="a free one"
)
@click.option("--show-token", is_flag=True, help="print Jupyter's token")
def connect(name, region, key, port, show_token) -> None:
    """Open its notebooks in this browser."""
    from catdog.cloud import lifecycle

    lifecycle.stay_connected(name, region, key, port, show_token)


@aws.command()
@_machine_by_ssh
@click.argument("files", nargs=-1, required=True, type=options.PATH)
@click.option("--to", default="project/data", help="a folder there")
def send(name, region, key, files, to) -> None:
    """Copy files to it, such as your train.zip.

    FILES are files or folders. Given again after a break, it goes on where it stopped.
    """
    from catdog.cloud import lifecycle

    lifecycle.send(list(files), to, name, region, key, say=note)
    note(f"Sent to {to}/ in the machine's home folder.")


@aws.command(short_help="Execute chapters on it and bring back the results")
@_machine_by_ssh
@click.argument("notebooks", nargs=-1, metavar="[NOTEBOOK]...")
@options.scale
@click.option("--force", is_flag=True, help="also those that are up to date")
@click.option("--cancel", is_flag=True, help="stop the run that is going on there")
def run(name, region, key, notebooks, scale, force, cancel) -> int:
    """Execute chapters on it and bring back the results.

    NOTEBOOK is such as 06; default: all.
    """
    import shlex

    from catdog.cloud import lifecycle, remote

    again = ["catdog", "aws", "run", *notebooks]
    given = {"name": name, "region": region, "key": key}
    for word, value in given.items():
        if value not in (None, NAME):
            again += [f"--{word}", str(value)]
    if scale != "sample":
        again += ["--scale", scale]
    machine = lifecycle.ready(name, region, key, say=note)
    if cancel:
        return remote.cancel(machine)
    return remote.run(machine, list(notebooks), scale, force, shlex.join(again))


@aws.command(short_help="With --access ssh: let in your present address instead")
@_machine
@_address
def allow(name, region, address) -> None:
    """With --access ssh: let in your present address instead."""
    from catdog.cloud import lifecycle

    address = lifecycle.allow(name, region, address)
    say(f"{lifecycle.stack_name(name)} lets in {address} by SSH, and nobody else.")


@aws.command()
@_machine
def stop(name, region) -> None:
    """Stop it; its disk stays and costs a little."""
    from catdog.cloud import lifecycle

    lifecycle.stop(name, region, say=note)
    say(lifecycle.status(name, region))


@aws.command()
@_machine
def start(name, region) -> None:
    """Start it again."""
    from catdog.cloud import lifecycle

    lifecycle.start(name, region, say=note)
    say(lifecycle.status(name, region))


@aws.command(short_help="Delete it and its disk, and look that nothing is left")
@_machine
@_yes
def down(name, region, yes) -> None:
    """Delete it and its disk, and look that nothing is left."""
    from catdog.cloud import lifecycle

    if there := lifecycle.status(name, region):
        say("The disk goes too, with all that was trained or saved there.")
        _confirm(yes, f"Delete {lifecycle.stack_name(name)}?")
    looked_for = lifecycle.down(name, region, say=note)
    region = lifecycle.Account(region).region
    say(
        f"Nothing of {lifecycle.stack_name(name)} is left in {region}. "
        f"Looked for, and found none: {', '.join(looked_for)}."
    )
    if not there:
        say("All of yours, in every region: catdog aws status --all")
