"""What the tests of the AWS machine pretend: an image's name, prices, an ssh."""

import json
import sys

import pytest

IMAGE = "/catdog-test/image"  # moto refuses new names under /aws/service
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "tOkEnOfTheTests0123456789tOkEnOfTheTests0123"

# A pretended ssh: it notes its words, does what it is told in a folder that is the far home, and
# forwards to a pretended Jupyter.
SSH = f"""#!{sys.executable}
import http.server, os, re, subprocess, sys
with open({{log!r}}, "a") as log:
    log.write(repr(sys.argv) + "\\n")
    log.write("{TOKEN}\\n" if "{TOKEN}" in repr(dict(os.environ)) else "")
if "-L" not in sys.argv:
    sys.exit(subprocess.run(["sh", "-c", sys.argv[-1]], cwd={{home!r}}).returncode)
else:
    class Jupyter(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            good = self.headers.get("Authorization") == "token {TOKEN}"
            self.send_response(200 if good else 403)
            self.end_headers()
        def log_message(self, *words):
            pass
    port = int(re.match(r"127.0.0.1:(\\d+):127.0.0.1:8888", sys.argv[sys.argv.index("-L") + 1])[1])
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Jupyter).serve_forever()
"""


@pytest.fixture
def ssh(account, tmp_path, monkeypatch):
    """Put the pretended ssh (and sftp) first in the path; return where it notes its words."""
    setup, log, home = tmp_path / "setup", tmp_path / "ssh.log", tmp_path / "far"
    setup.write_text("fetching the project\nstarting Jupyter\nready\n")
    (home / ".catdog").mkdir(parents=True)
    (home / ".catdog" / "setup").symlink_to(setup)
    (home / ".catdog" / "token").write_text(TOKEN)
    for name in ("ssh", "sftp"):
        program = tmp_path / "programs" / name
        program.write_text(
            SSH.replace("{log!r}", repr(str(log))).replace("{home!r}", repr(str(home)))
        )
        program.chmod(0o755)
    return log


def product(name, usd):
    """An entry of AWS's price list, with the yearly contracts that it has besides."""
    paid = {"b": {"unit": "Hrs", "pricePerUnit": {"USD": usd}}}
    once = {"c": {"unit": "Quantity", "pricePerUnit": {"USD": "99999"}}}
    terms = {"OnDemand": {"a": {"priceDimensions": paid | once}}}
    return json.dumps({"product": {"attributes": {"instanceType": name}}, "terms": terms})


def failed(outcome, *words):
    code, said = outcome
    assert code == 1 and said.count("catdog: ") == 1, said
    assert all(word in said for word in words), said
    assert "Traceback" not in said
