"""The checks of the exercises, a file a chapter; importing this registers them all.

Those of the chapter on machines in the cloud stand in `catdog.cloud.exercises`.
"""

from importlib import import_module
from pkgutil import iter_modules

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")
