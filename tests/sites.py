"""Where the web edition is built from, and what its tests do with a browser."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITE = ROOT / "scripts" / "site"
sys.path += [str(SITE), str(SITE / "extensions")]

from build import Pages as Pages  # noqa: E402


def made(site, settings, language="en", call="build.pages(site, language)"):
    """Make the pages of what is gathered in a folder, or what is called, in another program."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import build, pathlib; "
    code += f"site, language = pathlib.Path(sys.argv[2]), sys.argv[3]; {call}"
    command = [sys.executable, "-c", code, str(SITE), str(site), language]
    return subprocess.run(command, capture_output=True, text=True, env=settings)


def wait(browser, script, *values, seconds=60):
    """Wait until a script returns something true; return that."""
    end = time.monotonic() + seconds
    while not (found := browser.execute_script(script, *values)):
        assert time.monotonic() < end, script
        time.sleep(0.05)
    return found


def show(browser, element):
    """Scroll to an element, at once."""
    script = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})"
    browser.execute_script(script, element)


def resize(browser, width, height=800):
    settings = dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 800)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", settings)


def media(browser, kind="", scheme="light"):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": features})


WATCH = """
window.shift = [];  // how much moved, and which elements
new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries()) {
    const moved = sources.map(({ node }) => (node?.outerHTML ?? node?.data ?? "").slice(0, 120));
    window.shift.push([value, ...moved]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
