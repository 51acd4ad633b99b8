"""Where the web edition is built from, and what its tests do with a browser."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITE = ROOT / "scripts" / "site"
sys.path += [str(SITE), str(SITE / "extensions")]


def resize(browser, width, height=800):
    settings = dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 800)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", settings)


def media(browser, kind="", scheme="light"):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": features})


WATCH = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
