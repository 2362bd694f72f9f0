"""Raw requests with their exact answers (framing, bodies, content types), and slow senders."""
import gzip
import json
import re
import socket
import time
import zlib

from lib import golden, otlp_body, otlp_span

GOOD = otlp_body([otlp_span("0af7651916cd43dd8448eb211c80319c", "00000000000000a1")])


def exchange(address, raw, quiet=0.3, limit=5.0):
    """Sends bytes; gives all that comes until the other side closes or nothing comes for a while."""
    host, port = address.rsplit(":", 1)
    s = socket.create_connection((host, int(port)), timeout=limit)
    s.sendall(raw)
    s.settimeout(quiet)
    got, closed = b"", False
    try:
        while True:
            part = s.recv(65536)
            if not part:
                closed = True
                break
            got += part
    except socket.timeout:
        pass
    except ConnectionResetError:
        closed = True
    s.close()
    return got, closed


def statuses(got):
    """The statuses of the answers in got, each read to the end that its Content-Length states."""
    found = []
    while got:
        head, _, rest = got.partition(b"\r\n\r\n")
        found.append(int(re.match(rb"HTTP/1\.1 (\d{3}) ", head)[1]))
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        got = rest[int(length[1]) if length else 0:]
        if found[-1] >= 400:
            break  # the connection ends with a refusal; the library may leave bytes behind its own
    return found


def post(path=b"/v1/traces", headers=b"", body=GOOD, kind=b"application/json", length=True, host=b"Host: x\r\n"):
    head = b"POST " + path + b" HTTP/1.1\r\n" + host + (b"Content-Type: " + kind + b"\r\n" if kind else b"")
    if length:
        head += b"Content-Length: %d\r\n" % len(body)
    return head + headers + b"\r\n" + body


def chunked(*parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


CHUNKED = b"Transfer-Encoding: chunked\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"

# name, raw request, allowed statuses in order of answers, does the connection end
FRAMING = [
    ("a good request", post(), [[200]], False),
    ("two of them in one piece", post() + post(), [[200], [200]], False),
    ("chunked", post(headers=CHUNKED, length=False, body=chunked(GOOD[:7], GOOD[7:])), [[200]], False),
    ("Content-Length with Transfer-Encoding", post(headers=CHUNKED, body=chunked(GOOD)), [[400]], True),
    ("two equal Content-Length", post(headers=b"Content-Length: %d\r\n" % len(GOOD)), [[400]], True),
    ("two different Content-Length", post(headers=b"Content-Length: 3\r\n"), [[400]], True),
    ("Content-Length with a sign", post(headers=b"Content-Length: +4\r\n", length=False, body=b"{}{}"), [[400]], True),
    ("negative Content-Length", post(headers=b"Content-Length: -4\r\n", length=False, body=b"{}{}"), [[400]], True),
    ("a list as Content-Length", post(headers=b"Content-Length: 4,4\r\n", length=False, body=b"{}{}"), [[400]], True),
    ("Content-Length of 2^64", post(headers=b"Content-Length: 18446744073709551616\r\n", length=False, body=b""), [[400, 413]], True),
    ("unknown Transfer-Encoding", post(headers=b"Transfer-Encoding: foo\r\n", length=False, body=b""), [[400, 501]], True),
    ("gzip, chunked", post(headers=b"Transfer-Encoding: gzip, chunked\r\n", length=False, body=b""), [[400, 501]], True),
    ("identity", post(headers=b"Transfer-Encoding: identity\r\n", length=False, body=b""), [[400, 501]], True),
    ("two Transfer-Encoding", post(headers=CHUNKED + CHUNKED, length=False, body=chunked(GOOD)), [[400]], True),
    ("a blank before the colon", post(headers=b"X-A : 1\r\n"), [[400]], True),
    ("no Host", post(host=b""), [[400]], True),
    ("two Host", post(host=b"Host: a\r\nHost: b\r\n"), [[400]], True),
    ("a body on GET", GET + b"Content-Length: 2\r\n\r\n{}", [[400]], True),
    ("a head of 40 kB", GET + b"X-A: " + b"a" * 40000 + b"\r\n\r\n", [[431]], True),
    ("2,000 headers", GET + b"".join(b"X-%d: 1\r\n" % i for i in range(2000)) + b"\r\n", [[431]], True),
    ("100-continue", post(headers=b"Expect: 100-continue\r\n"), [[100], [200]], False),
    ("a control byte in a value", GET + b"X-A: a\x01b\r\n\r\n", [[400]], True),
]


def scene_framing(c):
    c.start()
    for name, raw, wanted, ends in FRAMING:
        got, closed = exchange(c.otlp, raw)
        seen = statuses(got)
        assert len(seen) == len(wanted) and all(s in w for s, w in zip(seen, wanted)), (name, seen, got[:300])
        assert closed or not ends, (name, "the connection stays")
        # a length that is no number is answered by the library, before the guard sees the head
        if b"<html>" not in got:
            assert got.count(b"X-Content-Type-Options: nosniff") == len([s for s in seen if s != 100]), name


def scene_lax_bytes_are_one_request_at_most(c):
    c.start()
    for raw in (post().replace(b"\r\n", b"\n"), post(headers=b"X-A: 1\r\n  folded\r\n"), post(headers=b"X-A: a\0b\r\n"),
                post(headers=b"X-A: 1\rX-B: 2\r\n"), b"GET /\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        seen = statuses(exchange(c.otlp, raw)[0])
        assert len(seen) <= 1 and all(s in (200, 400, 404, 405, 505) for s in seen), (raw[:60], seen)
    assert c.post_otlp(GOOD, True)[0] == 200


BODIES = [
    ("no Content-Type", b"/v1/traces", b"", b"", GOOD, 415),
    ("unknown Content-Type", b"/v1/traces", b"text/xml", b"", GOOD, 415),
    ("parameters of a type", b"/v1/traces", b"Application/JSON; charset=utf-8", b"", GOOD, 200),
    ("a slash behind", b"/v1/traces/", b"application/json", b"", GOOD, 200),
    ("the bare address", b"/", b"application/json", b"", GOOD, 404),
    ("empty protobuf", b"/v1/traces", b"application/x-protobuf", b"", b"", 200),
    ("empty JSON body", b"/v1/traces", b"application/json", b"", b"", 400),
    ("empty JSON request", b"/v1/traces", b"application/json", b"", b"{}", 200),
    ("two documents", b"/v1/traces", b"application/json", b"", b"{}{}", 400),
    ("not JSON", b"/v1/traces", b"application/json", b"", b"{\"resourceSpans\":", 400),
    ("a wrong type", b"/v1/traces", b"application/json", b"", b"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":7}]}]}]}", 400),
    ("deep JSON", b"/v1/traces", b"application/json", b"", b"{\"a\":" * 70 + b"1" + b"}" * 70, 400),
    ("deep protobuf", b"/v1/traces", b"application/x-protobuf", b"", None, 400),
    ("malformed protobuf", b"/v1/traces", b"application/x-protobuf", b"", b"\x0a\x05abc", 400),
    ("gzip", b"/v1/traces", b"application/json", b"gzip", gzip.compress(GOOD), 200),
    ("two gzip members", b"/v1/traces", b"application/json", b"gzip", gzip.compress(GOOD[:9]) + gzip.compress(GOOD[9:]), 200),
    ("gzip with bytes behind", b"/v1/traces", b"application/json", b"gzip", gzip.compress(GOOD) + b"xyz", 400),
    ("cut gzip", b"/v1/traces", b"application/json", b"gzip", gzip.compress(GOOD)[:-3], 400),
    ("deflate", b"/v1/traces", b"application/json", b"deflate", zlib.compress(GOOD), 200),
    ("raw deflate", b"/v1/traces", b"application/json", b"deflate", zlib.compress(GOOD)[2:-4], 400),
    ("unknown coding", b"/v1/traces", b"application/json", b"br", GOOD, 415),
    ("a bomb", b"/v1/traces", b"application/json", b"gzip", gzip.compress(b" " * (64 << 20), 9), 413),
]


def nested_any(depth):
    """An AnyValue of arrays in arrays, in a span's attribute."""
    def field(number, data):
        n, out = len(data), bytes([number << 3 | 2])
        while n >= 128:
            out += bytes([n & 127 | 128])
            n >>= 7
        return out + bytes([n]) + data
    value = b""
    for _ in range(depth):
        value = field(5, field(1, value))
    span = field(1, b"\1" * 16) + field(2, b"\1" * 8) + field(9, field(1, b"k") + field(2, value))
    return field(1, field(2, field(2, span)))


def scene_bodies(c):
    c.start()
    for name, path, kind, coding, body, wanted in BODIES:
        body = nested_any(1000) if body is None else body
        headers = b"Connection: close\r\n" + (b"Content-Encoding: " + coding + b"\r\n" if coding else b"")
        got, _ = exchange(c.otlp, post(path, headers, body, kind), quiet=5)
        assert statuses(got) == [wanted], (name, statuses(got), got[:400])
        text = got.split(b"\r\n\r\n", 1)[1]
        if wanted != 200 and kind.startswith(b"application/json"):
            assert json.loads(text)["code"] and json.loads(text)["message"], (name, text)
        if wanted != 200 and kind == b"application/x-protobuf":
            assert text[:1] == b"\x08", (name, text)  # google.rpc.Status
    got, _ = exchange(c.otlp, post(body=nested_any(31), kind=b"application/x-protobuf"))
    assert statuses(got) == [200], got[:300]
    got, closed = exchange(c.otlp, post(headers=b"Content-Length: 99999999\r\n", length=False, body=b""))
    assert statuses(got) == [413] and closed
    got, _ = exchange(c.otlp, b"GET /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n")
    assert statuses(got) == [405] and b"Allow: POST" in got
    assert b"/v1/traces" in exchange(c.otlp, GET + b"\r\n")[0]


def scene_limits(c):
    c.start(receive__max_spans="10", limit__attribute_bytes="16")
    spans = [otlp_span("0af7651916cd43dd8448eb211c80319c", "%016x" % (i + 1), long="x" * 100) for i in range(11)]
    assert c.post_otlp(otlp_body(spans), True)[0] == 413
    assert c.post_otlp(otlp_body(spans[:10]), True)[0] == 200
    c.flush()
    assert c.sql("SELECT DISTINCT length(json_extract(attributes, '$.long')) FROM span") == [(16,)]
    assert c.counter("faultline_ingest_truncated_total", field="attribute_value") == 10
    assert c.sql("SELECT received, rejected FROM ingest_minute") == [(10, 0)]


def scene_zipkin(c):
    c.start()
    span = {"traceId": "463ac35c9f6413ad", "id": "a2fb4a1d1a96d312", "name": "GET", "timestamp": 1700000000000000, "duration": 10,
            "localEndpoint": {"serviceName": "cart"}, "kind": "SERVER", "tags": {"n": None, "a\u0000b": "x\ud800y"}}
    table = [([], 202), ([span], 202), ([dict(span, id="zz"), dict(span, id="a2fb4a1d1a96d313", timestamp="1700000000000001")], 202),
             ({"not": "a list"}, 400), ([dict(span, binaryAnnotations=[])], 400), ([7], 400)]
    for body, wanted in table:
        status, text, _ = c.post_zipkin(json.dumps(body))
        assert status == wanted and (text == b"" if wanted == 202 else text.count(b"\n") == 1), (body, status, text)
    assert c.post_zipkin(b"")[0] == 202
    assert c.request(c.zipkin, "GET", "/health")[:2] == (200, b'{"status":"UP"}')
    assert c.request(c.zipkin, "POST", "/api/v1/spans", b"[]")[0] == 404
    c.flush()
    assert c.sql("SELECT trace_id, span_id, start_ns, duration_ns FROM span ORDER BY start_ns") == [
        ("0000000000000000463ac35c9f6413ad", "a2fb4a1d1a96d312", 1700000000000000000, 10000),
        ("0000000000000000463ac35c9f6413ad", "a2fb4a1d1a96d313", 1700000000000001000, 10000)]
    assert c.sql("SELECT sum(rejected), sum(entry) FROM ingest_minute") == [(1, 2)]
    assert "\ufffd" in c.sql("SELECT attributes FROM span LIMIT 1")[0][0]
    c.check_ledger()


def scene_slow_senders_end_and_others_are_served(c):
    c.start()
    host, port = c.otlp.rsplit(":", 1)
    slow = socket.create_connection((host, int(port)))
    slow.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n")
    begin = time.monotonic()
    slow.settimeout(0.5)
    ended = False
    while not ended and time.monotonic() - begin < 20:
        try:
            slow.sendall(b"X")  # a byte now and then keeps an inactivity timeout from ending it
            ended = slow.recv(1000) == b""
        except socket.timeout:
            assert c.post_otlp(GOOD, True)[0] == 200
        except OSError:
            ended = True
    assert ended and time.monotonic() - begin < 14, time.monotonic() - begin


def scene_a_full_inbox_refuses_and_says_when_to_come_again(c):
    c.start(store__min_free="1000000GiB")
    status, text, headers = c.post_otlp(GOOD, True)
    assert status == 503 and 1 <= int(headers["retry-after"]) <= 30 and "disk_full" in json.loads(text)["message"]
    assert c.get("/-/ready")[:2] == (503, b"disk_full")


def scene_bad_starts(c):
    import os
    import sqlite3
    import subprocess

    def start(code, text, *args, **environment):
        p = subprocess.run([c.program, "serve", "--set", "store.path=" + c.db, *args], capture_output=True, text=True,
                           timeout=20, env=dict(os.environ, **environment))
        assert p.returncode == code and text in p.stderr, (p.returncode, p.stderr)

    settings = os.path.join(c.folder, "f.yml")
    with open(settings, "w") as f:
        f.write("store:\n  path: x.db\nstitch.trace_idel: 5s\nstitch:\n  memory: 12\nreceive.max_spans: many\n")
    p = subprocess.run([c.program, "check-config", "--config", settings], capture_output=True, text=True)
    assert p.returncode == 2 and p.stderr.count("\n") == 3, p.stderr
    assert "f.yml:3: stitch.trace_idel: unknown setting; did you mean stitch.trace_idle?" in p.stderr
    assert "f.yml:5: stitch.memory" in p.stderr and "f.yml:6: receive.max_spans" in p.stderr
    start(2, "FAULTLINE_STORE_PATHH", FAULTLINE_STORE_PATHH="x")
    db = sqlite3.connect(c.db)
    db.execute("CREATE TABLE other (x)")
    db.commit()
    db.close()
    before = open(c.db, "rb").read()
    start(3, "another program")
    assert open(c.db, "rb").read() == before
    os.unlink(c.db)
    c.start()
    start(3, "in use by another faultline")
    start(3, "cannot listen", "--set", "store.path=" + c.db + "2", "--set", "web.listen=" + c.web)
    c.post_otlp(GOOD, True)
    c.stop()
    db = sqlite3.connect(c.db)
    db.execute("PRAGMA user_version = 99")
    db.close()
    start(3, "schema version 99")
    db = sqlite3.connect(c.db)
    db.execute("PRAGMA user_version = 1")
    db.close()
    with open(c.db, "r+b") as f:
        f.seek(100)
        f.write(b"\xff" * 9000)
    c.start()
    assert [n for n in os.listdir(c.folder) if ".corrupt-" in n]
    assert c.post_otlp(GOOD, True)[0] == 200
