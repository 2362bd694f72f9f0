"""Senders and readers that take their time, and crowds: each ends at its deadline, and others are served meanwhile. The numbers are those of
the security cases (tests/README.md). A scene here measures when the other side ends; it never waits for time."""
import os
import resource
import socket
import sqlite3
import threading
import time

from lib import otlp_body, otlp_span, wait_for
from h2raw import EXPORT, PING, Peer, frame, head, message
from raw import CHUNKED, GOOD, connect, exchange, parse, post

HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


class Dripper(threading.Thread):
    """Sends a beginning, then a byte every 0.2 s, until the other side ends; remembers when, and what it said."""

    def __init__(self, address, begin, drip, answers=0):
        super().__init__(daemon=True)
        self.socket, self.begin, self.drip, self.answers = connect(address), begin, drip, answers
        self.got, self.seconds = b"", None
        self.start()

    def run(self):
        begin = time.monotonic()
        try:
            self.socket.sendall(self.begin)
            while self.answers and len(parse(self.got)) < self.answers:
                self.got += self.socket.recv(65536)
            if self.answers:
                self.got, begin = b"", time.monotonic()
            i = 0
            while time.monotonic() < begin + 90:
                self.socket.sendall(self.drip[i % len(self.drip):][:1])
                i += 1
                try:
                    self.socket.settimeout(0.2)
                    part = self.socket.recv(65536)
                except socket.timeout:
                    continue
                if not part:
                    break
                self.got += part
        except OSError:
            pass
        self.seconds = time.monotonic() - begin
        self.socket.close()


def scene_slow_senders_end_at_their_deadline(c):
    c.start()
    good = post()
    # number, name, what it sends at once, what it drips, seconds until it is ended, whether it must be told 408
    rows = [(26, "a head", HEAD[:20], b"X", 10, True),
            (26, "a head's second line", HEAD, b"X-Aaaa", 10, True),
            (26, "the head of a second request", good + HEAD[:4], b"X", 10, True),
            (26, "nothing", b"", b"", 10, False),
            (27, "a body", HEAD + b"Content-Length: 1000000\r\n\r\n", b" ", 30, True),
            (27, "a body of 3 MiB", HEAD + b"Content-Length: 3145728\r\n\r\n" + b" " * 3000000, b" ", 33, True),
            (27, "chunks", HEAD + CHUNKED + b"\r\n", b"1\r\n \r\n", 30, True),
            (27, "the size of a chunk", HEAD + CHUNKED + b"\r\n1", b"0" * 14, 30, None),
            (27, "trailers", HEAD + CHUNKED + b"\r\n2\r\n{}\r\n0\r\n", b"X-A: 1\r\n", 30, True),
            (28, "blank lines", b"\r\n", b"\r\n", 10, None)]
    drippers = [Dripper(c.otlp, begin, drip or b" ", answers=1 if begin.startswith(good) else 0) if name != "nothing" else Silent(c.otlp)
                for _, name, begin, drip, _, _ in rows]
    n = 0
    while any(d.is_alive() for d in drippers):
        begin = time.monotonic()
        assert c.post_otlp(GOOD, True)[0] == 200
        assert time.monotonic() - begin < 5, "others wait"
        n += 1
        drippers[n % len(drippers)].join(0.2)
    for (number, name, _, _, seconds, told), d in zip(rows, drippers):
        where = (number, name, d.seconds, d.got[:100])
        if told is None:
            assert d.seconds < seconds + 3, where  # a seventeenth digit is refused first; half a blank line may count as a head
            continue
        assert seconds - 0.5 <= d.seconds < seconds + 3, where
        assert [a.status for a in parse(d.got)] == ([408] if told else []), where
    assert c.counter("faultline_ingest_requests_total", code="408") == sum(b" 408 " in d.got for d in drippers)


class Silent(threading.Thread):
    """Says nothing at all."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.socket, self.got, self.seconds = connect(address, 90), b"", None
        self.start()

    def run(self):
        begin = time.monotonic()
        self.got = self.socket.recv(1000)
        self.seconds = time.monotonic() - begin
        self.socket.close()


def rss_mb(c):
    for line in open("/proc/%d/status" % c.process.pid):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024


def descriptors(c):
    return len(os.listdir("/proc/%d/fd" % c.process.pid))


def scene_half_requests_hold_no_stop_up(c):
    """Before, each listener in turn waited for its own: 20 s in all. Nothing of theirs was acknowledged."""
    c.start()
    body = HEAD + b"Content-Length: 1000\r\n\r\n{"
    halves = [connect(where) for where in (c.otlp, c.zipkin, c.web)]
    for half, path in zip(halves, (b"/v1/traces", b"/api/v2/spans", b"/api/v1/sql")):
        half.sendall(body.replace(b"/v1/traces", path).replace(b"Host: x", b"Host: localhost"))
    with Peer(c.grpc) as peer:
        peer.call(message(b"x" * 100, length=1000), head(EXPORT), end=False)
        peer.send(frame(PING, 0, 0, b"it came?"))
        assert peer.read(lambda: peer.pings == 1)
        assert c.post_otlp(otlp_body([otlp_span("%032x" % 1, "%016x" % 1)]), True)[0] == 200
        begun = time.monotonic()
        assert c.stop() == 0
        assert time.monotonic() - begun < 7, time.monotonic() - begun
    for half in halves:
        half.close()
    assert c.sql("SELECT count(*) FROM span") == [(1,)]


def scene_a_database_that_is_held_makes_nobody_wait_for_ever(c):
    """Another program's transaction: health tells, a stop ends in time, and nothing is lost. Before, health was `ok` and the stop without an end."""
    c.start()
    send = lambda n: c.post_otlp(otlp_body([otlp_span("%032x" % n, "%016x" % n)]), True)[0]  # noqa: E731
    assert send(1) == 200
    c.flush()
    held = sqlite3.connect(c.db, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    assert send(2) == 200
    wait_for(lambda: c.get("/-/healthy")[:2] == (503, b"writer"), 60, "a word about it")
    begun = time.monotonic()
    assert c.stop() == 3
    assert time.monotonic() - begun < 12, time.monotonic() - begun
    assert "stopped_early" in c.said() and "waited_for=commit" in c.said(), c.said()
    held.close()
    c.start()
    c.flush()
    assert c.get("/-/healthy")[:2] == (200, b"ok")
    assert c.sql("SELECT count(*) FROM span") == [(2,)]
    c.check_ledger()
    assert c.stop() == 0


def scene_slow_readers_end_and_hold_little(c):
    """29: forty who read /metrics byte by byte; ingest goes on, memory stays bounded, all are ended."""
    c.start(receive__max_in_flight="64MiB")
    for service in range(20):
        spans = [otlp_span("%032x" % (service * 1000 + i + 1), "00000000000000a1", service="service-%d" % service,
                           name="operation-%s-with-a-name-of-some-length" % "".join(chr(97 + i // 10 ** k % 10) for k in range(3))) for i in range(300)]
        assert c.post_otlp(otlp_body(spans), True)[0] == 200
    c.flush()
    size = len(c.get("/metrics")[1])
    assert size > 8 << 20, size
    before, base, readers = rss_mb(c), descriptors(c), []
    begin = time.monotonic()
    for _ in range(40):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = c.web.rsplit(":", 1)
        s.settimeout(60)
        s.connect((host, int(port)))
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        readers.append(s)
    statuses = [s.recv(12)[9:12] for s in readers]
    held = rss_mb(c)
    for s, status in zip(readers, statuses):
        if status == b"503":
            s.close()  # they were answered, and may stay as any that keeps its connection
    readers = [s for s in readers if s.fileno() >= 0]
    assert statuses.count(b"200") >= 3 and set(statuses) <= {b"200", b"503"}, statuses
    assert held - before < 160, "%d MB before, %d MB with forty slow readers of %d MB each" % (before, held, size >> 20)
    while descriptors(c) > base:
        for s in readers:
            try:
                s.recv(1)
            except ConnectionResetError:
                pass
        time.sleep(0.1)
        assert c.post_otlp(GOOD, True)[0] == 200
        assert time.monotonic() - begin < 30 + (size >> 20) + 15, "slow readers stay: %d descriptors over %d after %d s, %d MB" % (descriptors(c), base, time.monotonic() - begin, size >> 20)
    assert time.monotonic() - begin > 25, "they had their time"
    for s in readers:
        s.close()
    assert c.get("/metrics")[0] == 200


def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 8192:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))


def scene_a_thousand_idle_connections(c):
    """30: they end after 10 s; a sender finds a place at any time, also beyond receive.max_connections."""
    many_descriptors()
    c.start()
    base = descriptors(c)
    idle = [connect(c.otlp, 60) for _ in range(1000)]
    begin = time.monotonic()
    assert c.post_otlp(GOOD, True)[0] == 200 and c.get("/-/healthy")[0] == 200
    more = [connect(c.zipkin, 60) for _ in range(200)]  # beyond 1,024: who waits longest leaves
    for _ in range(50):
        assert c.post_otlp(GOOD, True)[0] == 200
    assert time.monotonic() - begin < 8
    assert rss_mb(c) < 120, rss_mb(c)
    for s in idle + more:
        assert s.recv(200)[:12] in (b"", b"HTTP/1.1 503")
        s.close()
    assert time.monotonic() - begin < 14, time.monotonic() - begin
    wait_for(lambda: descriptors(c) <= base + 5, 5, "descriptors given back")


def scene_connections_beyond_the_limit(c):
    """All that are busy stay, and one more is told to come again."""
    c.start(receive__max_connections="4")
    busy = [connect(c.otlp) for _ in range(4)]
    for s in busy:
        s.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(GOOD))
        assert s.recv(100).startswith(b"HTTP/1.1 100")
    answers, closed = exchange(c.otlp, post(), ends=True)
    assert [a.status for a in answers] == [503] and 1 <= int(answers[0].headers["retry-after"]) <= 30 and closed
    for s in busy:
        s.sendall(GOOD)
        assert parse(s.recv(65536))[0].status == 200
    # now they are idle, and the one that waits longest makes room
    assert [a.status for a in exchange(c.otlp, post())[0]] == [200]
    assert busy[0].recv(100) == b""


def scene_churn(c):
    """31: thousands of connections that come, ask and go, also in the middle of everything."""
    c.start()
    base = descriptors(c)
    failures = []

    def work(seed):
        try:
            for i in range(500):
                s = connect(c.otlp)
                raw = post()
                if i % 4 == 1:
                    raw = raw[:(i * 37 + seed) % len(raw)]
                s.sendall(raw)
                if i % 4 != 1:
                    assert s.recv(65536).startswith(b"HTTP/1.1 200")
                if i % 3:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # ends with a reset
                s.close()
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures
    wait_for(lambda: descriptors(c) <= base + 5, 5, "descriptors given back")
    assert c.post_otlp(GOOD, True)[0] == 200
    c.flush()
    c.check_ledger()
