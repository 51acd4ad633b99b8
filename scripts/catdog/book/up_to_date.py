"""Whether a chapter that was executed before would say the same again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from functools import cache
from importlib import metadata
from pathlib import Path

import nbformat

import catdog
from catdog.core import paths, resources

# environment variables that change how a network computes
SETTINGS = re.compile(r"CUDA_VIS|NVIDIA_|TF_(?!CPP)|XLA_|JAX_|ONEDNN_|DNNL_|OPENBLAS_|OMP_|MKL_")


def code_hash(notebook) -> str:
    """Return a hash of a notebook's code cells, which says whether its outputs are theirs."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]


def code(path: Path) -> str:
    """Return a hash of a chapter's code, of the package's, and of the records and models."""
    digest = hashlib.sha256(code_hash(nbformat.read(path, 4)).encode())
    scripts = Path(catdog.__file__).parents[1]
    sources = [file for name in ("benchmarks", "catdog") for file in (scripts / name).rglob("*.py")]
    for file in [*sorted(sources), *sorted(paths.MODELS.rglob("*.json"))]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


@cache
def _libraries() -> dict[str, str]:
    """Return the versions of what the package says it needs, but for what its extras need."""
    found = {}
    for line in metadata.requires("catdog") or ():
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        with contextlib.suppress(metadata.PackageNotFoundError):  # that of another system
            if "extra ==" not in line:
                found[name] = metadata.version(name)
    return found


def key(path: Path, made_of: str, scale: str) -> str:
    """Return a hash of all that a chapter's outputs depend on.

    That is `code`, the photos that there are, the weights of the backbones that it names, the
    libraries, the processor, and what the environment tells them.

    Args:
        made_of: what `code` returned when the chapter was executed.
    """
    from catdog.core import recording  # these bring Keras
    from catdog.models import backbones

    text = path.read_text("utf-8")
    known = {
        "scale": scale,
        "code": made_of,
        "weights": [b for b in backbones.BACKBONES if b in text and backbones.available(b)],
        "libraries": recording.versions() | _libraries(),
        "machine": [resources.cores(), resources.instruction_sets(), resources.has_gpu()],
        "settings": {k: v for k, v in os.environ.items() if SETTINGS.match(k)},
    }
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode())
    for set_ in sorted(paths.DATA.glob("*/dataset.json")):
        digest.update(set_.read_bytes())
    return digest.hexdigest()
