"""The GPU machines that AWS rents out: what is in them, what they cost, which of them will do."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from catdog import CatDogError

# USD, Linux, on demand, us-east-1. A copy of AWS's public price list of that day; the p2's are
# the article's own, of 2017. `catalogue` asks AWS for today's.
PRICES_OF = "2026-09-24"
DISK_USD_GB_MONTH = 0.08  # gp3
ADDRESS_USD_HOUR = 0.005  # a public IPv4 address, while the machine runs
HOURS_A_MONTH = 730

NAME = "gpu"  # the machine's, if the reader gives it none
# Where AWS keeps the id of its newest image with NVIDIA's driver (Deep Learning Base, OSS driver).
IMAGE = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"

# The oldest GPU that TensorFlow 2.21's wheel has code for: its build_info names sm_60, sm_70,
# sm_80, sm_89 and compute_90, and CUDA 12.5, which has no code for Kepler any more.
LEAST_CAPABILITY = 6.0
DRIVER_CAPABILITY = 7.5  # of the image: NVIDIA's open kernel modules begin with Turing
MOST_CAPABILITY = 9.0  # on newer ones, of the generation Blackwell, it fails: its issue 111958


@dataclass(frozen=True)
class Instance:
    """One instance type.

    Attributes:
        name: AWS's name for it.
        gpu: the GPU's name; gpus: how many; gpu_gb: memory of each, in GB.
        capability: the GPU's CUDA compute capability.
        vcpus: virtual cores (hyperthreads); memory_gb: main memory, in GiB.
        usd: dollars an hour, see `PRICES_OF`.
    """

    name: str
    gpu: str
    gpus: int
    gpu_gb: int
    capability: float
    vcpus: int
    memory_gb: int
    usd: float

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]

    @property
    def too_old(self) -> bool:
        return self.capability < max(LEAST_CAPABILITY, DRIVER_CAPABILITY)

    @property
    def too_new(self) -> bool:
        return self.capability > MOST_CAPABILITY


TYPES = {
    row[0]: Instance(*row)
    for row in (
        ("p2.xlarge", "K80", 1, 12, 3.7, 4, 61, 0.90),
        ("p2.8xlarge", "K80", 8, 12, 3.7, 32, 488, 7.20),
        ("p2.16xlarge", "K80", 16, 12, 3.7, 64, 732, 14.40),
        ("g4dn.xlarge", "T4", 1, 16, 7.5, 4, 16, 0.526),
        ("g4dn.2xlarge", "T4", 1, 16, 7.5, 8, 32, 0.752),
        ("g4dn.12xlarge", "T4", 4, 16, 7.5, 48, 192, 3.912),
        ("g5.xlarge", "A10G", 1, 24, 8.6, 4, 16, 1.006),
        ("g5.2xlarge", "A10G", 1, 24, 8.6, 8, 32, 1.212),
        ("g5.12xlarge", "A10G", 4, 24, 8.6, 48, 192, 5.672),
        ("g5.48xlarge", "A10G", 8, 24, 8.6, 192, 768, 16.288),
        ("g6.xlarge", "L4", 1, 24, 8.9, 4, 16, 0.8048),
        ("g6.2xlarge", "L4", 1, 24, 8.9, 8, 32, 0.9776),
        ("g6.12xlarge", "L4", 4, 24, 8.9, 48, 192, 4.6016),
        ("g6.48xlarge", "L4", 8, 24, 8.9, 192, 768, 13.3504),
        ("g6e.xlarge", "L40S", 1, 48, 8.9, 4, 32, 1.861),
        ("g6e.12xlarge", "L40S", 4, 48, 8.9, 48, 384, 10.49264),
        ("g6e.48xlarge", "L40S", 8, 48, 8.9, 192, 1536, 30.13118),
        ("p4d.24xlarge", "A100", 8, 40, 8.0, 96, 1152, 21.957642),
        ("p5.48xlarge", "H100", 8, 80, 9.0, 192, 2048, 55.04),
    )
}
# The cheapest machine that runs all of this: the networks here are small, 16 GB hold them many
# times over, and most regions and zones have it.
DEFAULT = "g4dn.xlarge"

K80 = """\
{name} has the article's GPU, the Tesla K80 of 2014, and today's TensorFlow cannot use it:
  - the K80's compute capability is 3.7; TensorFlow 2.21 has code for 6.0 and up, and the CUDA 12
    it is built with has none for the K80's generation (Kepler) at all;
  - NVIDIA's last driver for it is of the 470 series; the machine image used here has a much newer
    one, and lists no P2 among the instances it supports.
The last TensorFlow wheels with code for it (sm_35, which 3.7 runs) are those up to 2.14; the
pins tested together in their day: Python 3.10, tensorflow==2.11.1, CUDA 11.2, cuDNN 8.1, driver
470 on Ubuntu 20.04 or 22.04. Keras 3, which these notebooks are written in, does not run on
them, so there is nothing here to start on a {name}.
Instead: {instead}"""


def find(name: str, known: dict[str, Instance] | None = None) -> Instance:
    """Return an instance type by its name, of the table or of those `known` otherwise.

    Raises:
        CatDogError: there is no such type, or today's TensorFlow cannot use its GPU.
    """
    known = known or TYPES
    if name not in known:
        raise CatDogError(
            f"no instance type with a price is called {name!r} here. 'catdog aws types' lists "
            f"those that are; without one, {DEFAULT} is taken."
        )
    one = known[name]
    if one.too_new:
        raise CatDogError(
            f"{name} has the {one.gpu}, of compute capability {one.capability}: TensorFlow 2.21 is "
            f"known to fail above {MOST_CAPABILITY} (Blackwell; its issue 111958). Take an older "
            f"one: {replacements(one)}. Nothing was started."
        )
    if one.too_old:
        raise CatDogError(f"{unsupported_reason(one)}\nNothing was started.")
    return one


def unsupported_reason(one: Instance) -> str:
    """Say why a type with an old GPU cannot be used, and which comes nearest today."""
    if one.gpu == "K80":
        return K80.format(name=one.name, instead=replacements(one))
    return (
        f"{one.name} has the {one.gpu}, of compute capability {one.capability}: the driver of the "
        f"machine image begins with {DRIVER_CAPABILITY}. Take a newer one: {replacements(one)}."
    )


def replacements(one: Instance) -> str:
    """Name today's types with as many GPUs, or with the most there are."""
    usable = [t for t in TYPES.values() if not t.too_old]
    most = max(t.gpus for t in usable)
    near = sorted((t for t in usable if t.gpus == min(one.gpus, most)), key=lambda t: t.usd)[:3]
    text = ", ".join(f"{t.name} ({t.gpus} {t.gpu}, ${t.usd:.2f} an hour)" for t in near)
    if one.gpus > most:
        text += f". None of today's has {one.gpus} GPUs."
    return text


SOURCE = (
    f"On demand, Linux, us-east-1, AWS's price list of {PRICES_OF} (the p2: of 2017); other "
    "regions differ."
)


def table(known: dict[str, Instance] | None = None, source: str = SOURCE) -> str:
    """Draw a table of instance types, for the terminal, with where it is from."""
    lines = [
        f"{'type':14} {'GPUs':>10} {'each':>6} {'cores':>5} {'memory':>8} {'$/hour':>8}  "
        "compute capability"
    ]
    for t in (known or TYPES).values():
        note = f"{t.capability}"
        if t.too_old:
            note += ": too old for today's TensorFlow"
        elif t.too_new:
            note += ": too new for today's TensorFlow"
        elif t.name == DEFAULT:
            note += "; the default"
        lines.append(
            f"{t.name:14} {f'{t.gpus} {t.gpu}':>10} {t.gpu_gb:>3} GB {t.vcpus:>5} "
            f"{t.memory_gb:>5} GB {t.usd:>8.2f}  {note}"
        )
    return "\n".join([*lines, source])


def rows(known: dict[str, Instance] | None = None) -> list[dict]:
    """Return the same for JSON: a dictionary a type, dollars an hour, memory in GB."""
    return [
        {**asdict(t), "too_old": t.too_old, "too_new": t.too_new, "default": t.name == DEFAULT}
        for t in (known or TYPES).values()
    ]


def disk_usd_hour(gigabytes: float) -> float:
    """Return what a disk costs, in dollars an hour, whether the machine runs or not."""
    return gigabytes * DISK_USD_GB_MONTH / HOURS_A_MONTH
