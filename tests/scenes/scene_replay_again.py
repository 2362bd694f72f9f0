"""A replay that is interrupted goes on where it was, and adds nothing twice; a terminal shows how far it is."""
import gzip
import http.server
import json
import os
import pty
import signal
import sqlite3
import subprocess
import threading

import lib
from lib import wait_for

N_TRACES, LINES = 60000, 400


def big_files(c, n=1, pack=False):
    """Lines of the Collector's file exporter: traces whose spans stand in two lines far apart, so that a cut goes through them."""
    span = ('{"traceId":"%032x","spanId":"%016x","parentSpanId":"%s","name":"op %d","kind":%d,"startTimeUnixNano":"%d","endTimeUnixNano":"%d","attributes":['
            '{"key":"n","value":{"intValue":"%d"}},{"key":"pad","value":{"stringValue":"' + "x" * 120 + '"}}]}')
    line = '{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"%s"}}]},"scopeSpans":[{"spans":[%s]}]}]}'
    lines, begin = [], 1700000000000000000
    for at in range(0, N_TRACES, LINES):
        for half in (0, 1):
            spans = [span % (i + 1, 2 * i + half + 1, "%016x" % (2 * i + 1) if half else "", i % 50, 3 - half, begin + i * 1000000 + half,
                             begin + 900000 + i * 1000000 - half, i) for i in range(at, at + LINES)]
            lines.append((line % ("ab"[half], ",".join(spans))).encode())
    paths, share = [os.path.join(c.folder, "big%d.jsonl" % i) for i in range(n)], len(lines) // n + 1
    for i, path in enumerate(paths):
        with (gzip.open(path, "wb", 1) if pack else open(path, "wb")) as f:
            f.write(b"".join(line + b"\n" for line in lines[i * share:(i + 1) * share]))
    return paths


def start(c, paths, *more, hold="", at=1):
    """`hold`: a file whose opening number `at` waits for release(), so that the replay cannot be done before."""
    environment = {**os.environ, "XDG_STATE_HOME": c.folder}
    if hold:
        open(os.path.join(c.folder, "hold"), "w").close()
        environment.update(LD_PRELOAD=os.path.join(c.build, "shims", "hold.so"), HOLD_PATH=hold, HOLD_UNTIL=os.path.join(c.folder, "hold"), HOLD_AT=str(at),
                           ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
    return subprocess.Popen([c.program, "replay", *paths, "--set", "store.commit_interval=50ms", "--set", "stitch.trace_idle=100ms", *more],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)


def release(c):
    os.unlink(os.path.join(c.folder, "hold"))


def number(db, sql):
    try:
        with sqlite3.connect("file:%s?mode=ro" % db, uri=True) as connection:
            return connection.execute(sql).fetchone()[0]
    except (sqlite3.Error, TypeError):
        return 0


def whole(c, db, broken=0):
    c.db = db
    assert c.sql("SELECT count(*), count(DISTINCT trace_id) FROM span") == [(2 * N_TRACES, N_TRACES)]
    assert c.sql("SELECT sum(calls) FROM edge_minute WHERE known_by = 'both'") == [(N_TRACES,)]
    assert c.sql("SELECT sum(received), sum(duplicate), sum(pending), sum(paired) FROM ingest_minute") == [(2 * N_TRACES + broken, 0, 0, 2 * N_TRACES)]
    assert c.sql("SELECT count(*) FROM replay_row") == [(0,)]
    c.check_ledger()


def scene_killed_and_interrupted_it_goes_on(c):
    paths, db = big_files(c, 3, pack=True), os.path.join(c.folder, "again.db")
    with gzip.open(paths[0], "ab") as f:
        f.write(b"broken\n")  # which is counted as often as it is read, and moves no other piece
    for way, hold in ((signal.SIGKILL, paths[1]), (signal.SIGINT, paths[2])):
        before = number(db, "SELECT needed_from FROM position")
        p = start(c, paths, "--db", db, hold=hold)
        wait_for(lambda: p.poll() is not None or number(db, "SELECT needed_from FROM position") > before + 1, what="some are stored")
        assert p.poll() is None, "it was done too soon"
        p.send_signal(way)
        release(c)
        out, said = p.communicate(timeout=20)
        assert out == "" and p.returncode == (-9 if way == signal.SIGKILL else 3), (p.returncode, said)
        assert way == signal.SIGKILL or "interrupted; the same command goes on" in said, said
        assert not before or "goes on where it was interrupted, behind" in said, said
    p = start(c, paths, "--db", db)
    out, said = p.communicate(timeout=60)
    assert p.returncode == 0 and json.loads(out)["accepted"] < 2 * N_TRACES and "goes on where it was interrupted" in said, (out, said)
    whole(c, db, 1)
    out, said = start(c, paths, "--db", db).communicate(timeout=60)  # a whole one begins anew, and everything is there already
    assert (json.loads(out)["accepted"], json.loads(out)["duplicate"], said.count("\n")) == (0, 2 * N_TRACES, 1), (out, said)


def scene_shifted_times_are_shifted_alike(c):
    paths, db = big_files(c, 2), os.path.join(c.folder, "shift.db")
    p = start(c, paths, "--db", db, "--shift", hold=paths[1], at=2)  # the first is to look for the latest time
    wait_for(lambda: p.poll() is not None or number(db, "SELECT needed_from FROM position") > 4, what="some are stored")
    assert p.poll() is None, p.communicate()
    p.kill()
    p.communicate()
    out, said = start(c, paths, "--db", db, "--shift").communicate(timeout=60)
    assert json.loads(out)["rejected"] == 0 and "goes on" in said, (out, said)
    whole(c, db)
    assert c.sql("SELECT max(start_ns) - min(start_ns) FROM span") == [((N_TRACES - 1) * 1000000 + 1,)]


def scene_sent_to_a_collector_it_goes_on(c):
    paths = big_files(c, 2)
    c.start(store__commit_interval="50ms")
    url, received = "http://" + c.otlp, lambda: c.counter("faultline_ingest_records_total", transport="http")
    p = start(c, paths, "--to", url, "--shift", hold=paths[1], at=2)
    wait_for(lambda: p.poll() is not None or received() > 4000, what="some are received")
    assert p.poll() is None, p.communicate()
    p.kill()
    p.communicate()
    before = received()
    out, said = start(c, paths, "--to", url, "--shift").communicate(timeout=60)
    assert "goes on where it was interrupted, behind" in said, said
    assert json.loads(out)["records"] <= 2 * N_TRACES - before + 2 * LINES, (out, before)
    assert c.sql("SELECT count(*), count(DISTINCT trace_id) FROM span") == [(2 * N_TRACES, N_TRACES)]
    assert c.sql("SELECT max(start_ns) - min(start_ns) FROM span") == [((N_TRACES - 1) * 1000000 + 1,)]  # both parts are shifted alike
    c.check_ledger()
    assert not os.listdir(os.path.join(c.folder, "faultline"))


def equal_lines(c):
    """An access log of several pieces, in order of time: 100 equal lines a second, and two that cannot be read. Gives its path, and how many are good."""
    line = b'10.1.2.3 - - [28/Nov/2026:02:%02d:%02d +0000] "GET /health HTTP/1.1" 200 2 "-" "kube-probe/1.30"\n'
    text = b"".join(line % (i // 6000, i // 100 % 60) for i in range(30000))
    path = os.path.join(c.folder, "probes.log")
    with open(path, "wb") as f:
        f.write(b"\r\n" + text[:150000] + b"not a line\n" + text[150000:])
    return path, text.count(b"\n") - 1  # one was cut in two


class Sink(http.server.ThreadingHTTPServer):
    """Takes bodies, of which all behind `most` are answered 503."""
    def __init__(self, most):
        super().__init__(("127.0.0.1", 0), Answer)
        self.bodies, self.most = [], most
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        taken = len(self.server.bodies) < self.server.most
        if taken:
            self.server.bodies.append(body)
        self.answer(204 if taken else 503)

    def do_GET(self):
        self.answer(404)

    def answer(self, status):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def scene_equal_lines_of_one_log_all_count(c):
    """A file's pieces are its own matter: equal lines count on both sides of a cut, into a file, to a collector, and behind an interruption; and once."""
    path, n = equal_lines(c)
    own, c.db = c.db, os.path.join(c.folder, "lines.db")
    rows = "SELECT trace_id, span_id, start_ns FROM span ORDER BY 1, 2"
    for accepted, duplicate in ((n, 0), (0, n)):
        out, said = start(c, [path], "--db", c.db).communicate(timeout=60)
        done = json.loads(out)
        assert (done["accepted"], done["duplicate"], done["rejected"]) == (accepted, duplicate, 2), (done, said)
    direct = c.sql(rows)
    assert len(direct) == n and {k for k, in c.sql("SELECT count(*) FROM span GROUP BY start_ns")} == {100, 99}
    sink = Sink(2)
    url = "http://127.0.0.1:%d" % sink.server_port
    p = start(c, [path], "--to", url)
    assert p.communicate(timeout=60)[0] == "" and p.returncode == 3 and len(sink.bodies) == 2
    sink.most = 100
    p = start(c, [path], "--to", url)
    said = p.communicate(timeout=60)
    assert p.returncode == 0 and "goes on where it was interrupted, behind 2 pieces" in said[1] and len(sink.bodies) > 2, said
    sink.shutdown()
    c.db = own
    c.start()
    for body in sink.bodies:
        assert c.request(c.otlp, "POST", "/v1/access-logs/nginx", body, {"Content-Type": "text/plain"})[0] == 204
    c.flush()
    assert c.sql(rows) == direct
    assert start(c, [path], "--to", "http://" + c.otlp).wait(60) == 0
    counted = c.sql("SELECT sum(received), sum(duplicate) FROM ingest_minute")
    assert counted == [(2 * (n + 2), n)] and c.sql(rows) == direct, (counted, n)
    c.check_ledger()


def scene_a_terminal_shows_how_far_it_is(c):
    path, = big_files(c)
    ours, theirs = pty.openpty()
    p = subprocess.Popen([c.program, "replay", path, "--db", os.path.join(c.folder, "bar.db")], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # the other end is gone
        pass
    os.close(ours)
    assert p.wait(30) == 0 and json.loads(p.stdout.read())["files"] == 1
    p.stdout.close()
    assert b"reading  [" in shown and b" of " in shown and b" MB" in shown and shown.endswith(b"\r\033[K"), shown[-300:]
