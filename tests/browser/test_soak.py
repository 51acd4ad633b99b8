"""`python -m benchmarks.soak`: a short one finds nothing, one of a bad server what is bad."""

import http.server
import json
import sys
import threading

import pytest

from benchmarks import soak

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="counts open files by their number")


def test_soak_of_seconds_finds_no_problem_and_writes_its_record(tmp_path, capsys):
    record = tmp_path / "soak.json"
    with pytest.raises(SystemExit) as ended:
        soak.main(["--minutes", "0.08", "--record", str(record)], standalone_mode=False)
    found = json.loads(record.read_text("utf-8"))
    assert found["problems"] == [] and ended.value.code == 0
    assert "no problems" in capsys.readouterr().out
    told = found["requests"]
    assert told.keys() == soak.WEIGHTS.keys() and all(map(sum, (x.values() for x in told.values())))
    assert told["good"]["200"] > 10 and told["huge"]["413"] and told["gone"]["hung up"]
    assert 0 < found["seconds"]["median"] <= found["seconds"]["p99"]
    assert found["peak_server_memory_mb"] >= found["end"]["memory_mb"] > 50


class Bad(http.server.BaseHTTPRequestHandler):
    """Says 500 to small photos and nothing to others."""

    def do_POST(self):
        if (length := int(self.headers["Content-Length"])) < 10_000:
            self.rfile.read(length)
            self.send_error(500)

    def log_message(self, *_):
        pass


def test_soak_tells_who_got_no_answer_or_a_wrong_one():
    seen, still = soak.Seen(), {"memory_mb": 100, "threads": 8, "files": 10}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bad) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        bodies = {"good": [bytes(50_000)], "bad": [b"no photo"], "huge": [bytes(50_000)]}
        soak.load(server.server_port, 1, seen, bodies, clients=8)
        server.shutdown()
    problems = "\n".join(soak._problems(seen, still, still, 0.1, 0, ""))
    assert "no whole answer to good: RemoteDisconnected" in problems
    assert "bad photos were told 500" in problems and "no good photo was answered" in problems
    assert "answer to gone" not in problems


def test_soak_tells_what_has_grown_and_who_waited():
    seen = soak.Seen(seconds=[0.1])
    begin = {"memory_mb": 100, "threads": 8, "files": 10}
    assert soak._problems(seen, begin, begin | {"memory_mb": 149}, 1.9, 0, "") == []
    end = {"memory_mb": 151, "threads": 9, "files": 11}
    problems = soak._problems(seen, begin, end, float("inf"), 1, "Traceback")
    words = ("dawdled", "memory", "threads", "files", "Traceback")
    assert all(word in problem for word, problem in zip(words, problems, strict=True))
