"""The GPU machines that AWS rents out today, asked of AWS; the table of `instances` otherwise."""

from __future__ import annotations

import contextlib
import datetime
import json

from catdog import CatDogError
from catdog.cloud import instances
from catdog.cloud.account import REFUSALS, Account
from catdog.cloud.instances import Instance

# CUDA compute capability by the name that AWS gives a GPU: AWS does not tell it.
CAPABILITY = {
    "K80": 3.7,
    "M60": 5.2,
    "V100": 7.0,
    "T4": 7.5,
    "A10G": 8.6,
    "A100": 8.0,
    "L4": 8.9,
    "L40S": 8.9,
    "H100": 9.0,
    "H200": 9.0,
    "B200": 10.0,
    "B300": 10.3,
    "RTX PRO Server 4500": 12.0,
    "RTX PRO Server 6000": 12.0,
}
LINUX = {
    "operatingSystem": "Linux",
    "preInstalledSw": "NA",
    "tenancy": "Shared",
    "capacitystatus": "Used",
}


def types(region: str | None = None) -> tuple[dict[str, Instance], str]:
    """Return the types a region has, by name, and in words where sizes and prices are from.

    Without credentials, a region or an answer it is the table that ships with this.
    """
    why = "you are not signed in"
    with contextlib.suppress(CatDogError, *REFUSALS):
        account = Account(region, "us-east-1")
        if account.signed_in():
            why = "AWS did not answer"
            if found := asked(account, ["g*", "p*"]):
                today = datetime.date.today().isoformat()
                return found, f"On demand, Linux, {account.region}, asked of AWS {today}."
    return instances.TYPES, f"{instances.SOURCE} (AWS was not asked: {why}.)"


def find(account: Account, name: str) -> Instance:
    """Return an instance type by its name: of the table, or as AWS describes it.

    Raises:
        CatDogError: there is no such type, its GPU is too old or too new, or its price is not
            to be had.
    """
    found = {} if name in instances.TYPES else asked(account, [name])
    return instances.find(name, {**instances.TYPES, **found})


def asked(account: Account, names: list[str]) -> dict[str, Instance]:
    """Ask AWS for the types of these names (with *), and their prices; none without a price."""
    wanted = [{"Name": "instance-type", "Values": names}]
    pages = account.ec2.get_paginator("describe_instance_types").paginate(Filters=wanted)
    found = [one for page in pages for one in page["InstanceTypes"] if _usable(one)]
    usd = _prices(account, names[0] if len(names) == 1 else None)
    made = (_instance(one, usd.get(one["InstanceType"])) for one in found)
    return {one.name: one for one in sorted(filter(None, made), key=lambda one: one.usd)}


def _usable(one: dict) -> bool:
    """Whether it has whole NVIDIA GPUs of one kind, known here, and a processor of the image's."""
    gpus = one.get("GpuInfo", {}).get("Gpus", [])
    return (
        len(gpus) == 1
        and gpus[0]["Manufacturer"] == "NVIDIA"
        and gpus[0]["Name"] in CAPABILITY
        and gpus[0].get("GpuPartitionSize", 1) == 1
        and "x86_64" in one["ProcessorInfo"]["SupportedArchitectures"]
    )


def _instance(one: dict, usd: float | None) -> Instance | None:
    known = instances.TYPES.get(one["InstanceType"])
    if usd is None and known:
        usd = known.usd
    if usd is None:
        return None
    (gpu,) = one["GpuInfo"]["Gpus"]
    return Instance(
        name=one["InstanceType"],
        gpu=gpu["Name"],
        gpus=gpu["Count"],
        gpu_gb=round(gpu["MemoryInfo"]["SizeInMiB"] / 1024),
        capability=CAPABILITY[gpu["Name"]],
        vcpus=one["VCpuInfo"]["DefaultVCpus"],
        memory_gb=one["MemoryInfo"]["SizeInMiB"] // 1024,
        usd=usd,
    )


def _prices(account: Account, name: str | None = None) -> dict[str, float]:
    """Return today's dollars an hour on demand, by type: of one, or of all with GPUs."""
    wanted = {**LINUX, "regionCode": account.region}
    wanted |= {"instanceType": name} if name else {"instanceFamily": "GPU instance"}
    filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in wanted.items()]
    usd: dict[str, float] = {}
    with contextlib.suppress(*REFUSALS, KeyError, ValueError):
        pages = account.client("pricing", "us-east-1").get_paginator("get_products")
        for page in pages.paginate(ServiceCode="AmazonEC2", Filters=filters):
            for product in map(json.loads, page["PriceList"]):
                paid = [
                    float(dimension["pricePerUnit"]["USD"])
                    for term in product["terms"].get("OnDemand", {}).values()
                    for dimension in term["priceDimensions"].values()
                    if dimension["unit"] == "Hrs"
                ]
                if any(paid):
                    usd[product["product"]["attributes"]["instanceType"]] = max(paid)
    return usd


def price(account: Account, name: str) -> float | None:
    """Return today's price on demand, in dollars an hour; None if AWS does not tell it."""
    return _prices(account, name).get(name)
