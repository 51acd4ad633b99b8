"""The chapters as tagged PDF, one file each: the site's pages as Chromium prints them."""

from __future__ import annotations

import base64
import os
import shutil
from functools import partial
from pathlib import Path

# A link to another page leads to the site, or nowhere: never to a file of this machine.
READY = """
const [root, site, done] = arguments;
for (const link of document.querySelectorAll("a[href]")) {
  const [page] = location.href.split("#");
  if (!link.href.startsWith("file:") || link.href.startsWith(`${page}#`)) continue;
  if (site && !link.matches(".enlarge")) link.href = link.href.replace(root, site);
  else link.removeAttribute("href");
}
const pictures = [...document.querySelectorAll("article img")];
for (const picture of pictures) picture.loading = "eager";
Promise.all([document.fonts.ready, ...pictures.map((picture) => picture.decode())])
  .then(() => done(null), (error) => done(String(error)));
"""
PAPER = {  # A4, in inches
    "paperWidth": 8.27,
    "paperHeight": 11.69,
    "marginTop": 0.6,
    "marginBottom": 0.6,
    "marginLeft": 0.6,
    "marginRight": 0.6,
    "generateTaggedPDF": True,
    "generateDocumentOutline": True,
}


def is_at(address: str, browser) -> bool:
    """Whether a page has come: on a busy machine the browser may still have the one before."""
    now = browser.execute_script("return [location.href, document.readyState]")
    return now == [address, "complete"]


def write(html: Path, folder: Path, only: str = "") -> None:
    """Print the chapters, or those whose names contain `only`, of a built site into a folder."""
    root, site = f"{html.resolve().as_uri()}/", os.environ.get("SITE_URL", "")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        raise SystemExit("the PDF is printed by Chromium: install chromium and chromedriver.")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    folder.mkdir(parents=True, exist_ok=True)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        browser.set_script_timeout(120)
        for page in sorted((html.resolve() / "notebooks").glob("[0-9]*.html")):
            if only not in page.name:
                continue
            browser.get(page.as_uri())
            WebDriverWait(browser, 120).until(partial(is_at, page.as_uri()))
            if error := browser.execute_async_script(READY, root, site):
                raise SystemExit(f"{page.name} cannot be printed: {error}")
            printed = browser.execute_cdp_cmd("Page.printToPDF", PAPER)
            (folder / f"{page.stem}.pdf").write_bytes(base64.b64decode(printed["data"]))
    finally:
        browser.quit()
