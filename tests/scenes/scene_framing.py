"""Requests that no good client sends, each with its exact answer, on all three ports, whole and in pieces. The numbers are those of the
security cases (tests/README.md)."""
import json

from raw import CHUNKED, GET, GOOD, chunked, exchange, post

MANY = 18446744073709551616  # 2^64


class Port:
    """What is good on a port, so that the same table can be asked of each."""

    def __init__(self, address, path, body, kind, good, host):
        self.address, self.path, self.body, self.kind, self.good, self.host = address, path, body, kind, good, host

    def post(self, headers=b"", body=None, **more):
        more.setdefault("path", self.path)
        more.setdefault("host", b"Host: " + self.host + b"\r\n")
        return post(headers=headers, body=self.body if body is None else body, kind=self.kind, **more)

    def get(self, path=b"/", headers=b""):
        return b"GET " + path + b" HTTP/1.1\r\nHost: " + self.host + b"\r\n" + headers + b"\r\n"


def rows(p):
    """number, name, the bytes, statuses of all answers, does the connection end"""
    body, n = p.body, len(p.body)
    inner = p.post()  # what must never be read as a request of its own
    head = b"POST " + p.path + b" HTTP/1.1\r\nHost: " + p.host + b"\r\nContent-Type: " + p.kind + b"\r\n"
    return [
        (0, "a good request", p.post(), [p.good], False),
        (0, "two of them in one piece", p.post() + p.post(), [p.good, p.good], False),
        (0, "chunked", p.post(CHUNKED, chunked(body[:1], body[1:]), length=False), [p.good], False),
        (0, "chunked, then another", p.post(CHUNKED, chunked(body), length=False) + p.post(), [p.good, p.good], False),
        (0, "Connection: close", p.post(b"Connection: close\r\n"), [p.good], True),
        (0, "blank lines before it", b"\r\n\r\n" + p.post(), [p.good], False),
        (1, "Content-Length with Transfer-Encoding", p.post(CHUNKED, chunked(body)), [400], True),
        (1, "the other order", p.post(CHUNKED + b"Content-Length: %d\r\n" % n, chunked(body), length=False), [400], True),
        (2, "unknown Transfer-Encoding", p.post(b"Transfer-Encoding: foo\r\n", b"", length=False), [400], True),
        (3, "gzip, chunked", p.post(b"Transfer-Encoding: gzip, chunked\r\n", b"", length=False), [400], True),
        (4, "identity", p.post(b"Transfer-Encoding: identity\r\n", b"", length=False), [400], True),
        (5, "two Transfer-Encoding", p.post(CHUNKED + CHUNKED, chunked(body), length=False), [400], True),
        (6, "two equal Content-Length", p.post(b"Content-Length: %d\r\n" % n), [400], True),
        (6, "two different Content-Length", p.post(b"Content-Length: 0\r\n"), [400], True),
        (7, "Content-Length with a sign", p.post(b"Content-Length: +%d\r\n" % n, length=False), [400], True),
        (7, "negative", p.post(b"Content-Length: -%d\r\n" % n, length=False), [400], True),
        (7, "a list", p.post(b"Content-Length: %d,%d\r\n" % (n, n), length=False), [400], True),
        (7, "hexadecimal", p.post(b"Content-Length: 0x2\r\n", length=False), [400], True),
        (7, "empty", p.post(b"Content-Length: \r\n", length=False), [400], True),
        (7, "2^64", p.post(b"Content-Length: %d\r\n" % MANY, length=False), [400], True),
        (7, "2^64 - 1", p.post(b"Content-Length: %d\r\n" % (MANY - 1), length=False), [413], True),
        (8, "a blank before the colon", p.post(b"Content-Length : %d\r\n" % len(inner), inner, length=False), [400], True),
        (9, "a bare CR in a value", p.post(b"X-A: 1\rX-B: 2\r\n"), [400], True),
        (10, "bare LF everywhere", p.post().replace(b"\r\n", b"\n"), [400], True),
        (10, "a bare LF in a value", p.post(b"X-A: 1\nX-B: 2\r\n"), [400], True),
        (11, "NUL in a value", p.post(b"X-A: a\0b\r\n"), [400], True),
        (11, "NUL in a length", p.post(b"Content-Length: 0\0%d\r\n" % len(inner), inner, length=False), [400], True),
        (11, "NUL in the path", p.get(b"/\0"), [400], True),
        (11, "a control byte in a value", p.get(headers=b"X-A: a\x01b\r\n"), [400], True),
        (11, "a control byte in the method", b"GE\x01T" + p.get()[3:], [400], True),
        (11, "DEL", p.get(headers=b"X-A: \x7f\r\n"), [400], True),
        (12, "a folded header", p.post(b"X-A: 1\r\n  folded\r\n"), [400], True),
        (12, "a folded Content-Length", head + b"Content-Length:\r\n %d\r\n\r\n" % len(inner) + inner, [400], True),
        (12, "folded before the first", p.post(host=b"  Folded: x\r\nHost: " + p.host + b"\r\n"), [400], True),
        (13, "no Host", p.post(host=b""), [400], True),
        (13, "no Host, HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", [200], True),
        (14, "two Host", p.post(host=b"Host: " + p.host + b"\r\nHost: b\r\n"), [400], True),
        (14, "Host is no name", p.post(host=b"Host: a/b\r\n"), [400], True),
        (15, "a header without colon", p.post(b"X-A\r\n"), [400], True),
        (15, "a header without name", head + b": x\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner, [400], True),
        (16, "a chunk of 0x2", p.post(CHUNKED, b"0x2\r\n{}\r\n0\r\n\r\n", length=False), [400], True),
        (16, "a chunk of -2", p.post(CHUNKED, b"-2\r\n{}\r\n0\r\n\r\n", length=False), [400], True),
        (16, "a size of 17 digits", p.post(CHUNKED, b"0" * 15 + b"%x\r\n%s\r\n0\r\n\r\n" % (n | 16, body), length=False), [400], True),
        (16, "a chunk too large", p.post(CHUNKED, b"ffffffffffffffff\r\n" + b" " * 100, length=False), [413], True),
        (16, "an extension", p.post(CHUNKED, b"%x;a=\"b\"\r\n%s\r\n0\r\n\r\n" % (n, body), length=False), [p.good], False),
        (16, "an endless extension", p.post(CHUNKED, b"2;" + b"a" * 100000, length=False), [400], True),
        (16, "more than the chunk", p.post(CHUNKED, b"1\r\n%s\r\n0\r\n\r\n" % b"{}", length=False), [400], True),
        (16, "a bare LF behind a size", p.post(CHUNKED, b"%x\n%s\r\n0\r\n\r\n" % (n, body), length=False), [400], True),
        (16, "no end yet", p.post(CHUNKED, b"%x\r\n%s\r\n0\r\n" % (n, body), length=False), [], None),
        (16, "trailers", p.post(CHUNKED, b"%x\r\n%s\r\n0\r\nX-T: 1\r\n\r\n" % (n, body), length=False), [p.good], False),
        (16, "a trailer without a colon", p.post(CHUNKED, b"%x\r\n%s\r\n0\r\nXTv\r\n\r\n" % (n, body), length=False), [400], True),
        (16, "no empty line at the end", p.post(CHUNKED, b"%x\r\n%s\r\n0\r\n" % (n, body), length=False) + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", [400], True),
        (16, "chunked in HTTP/1.0", p.post(CHUNKED, chunked(body), length=False).replace(b"HTTP/1.1", b"HTTP/1.0"), [400], True),
        (17, "a body on GET", p.get(headers=b"Content-Length: 2\r\n") + b"{}", [400], True),
        (17, "a body on HEAD", b"HEAD" + p.get(headers=b"Content-Length: 2\r\n")[3:] + b"{}", [400], True),
        (17, "a chunked body on GET", p.get(headers=CHUNKED) + b"0\r\n\r\n", [400], True),
        (18, "a head of 40 kB", p.get(headers=b"X-A: " + b"a" * 40000 + b"\r\n"), [431], True),
        (18, "a path of 20 kB", p.get(b"/" + b"a" * 20000), [431], True),
        (18, "a query of 20 kB", p.get(b"/?a=" + b"a" * 20000), [431], True),
        (18, "a head of 1 MB without end", p.get(headers=b"X-A: " + b"a" * 1000000)[:-2], [431], True),
        (18, "a head of 16 kB", p.get(headers=b"X-A: " + b"a" * 16000 + b"\r\n"), [200], False),
        (19, "2,000 headers", p.get(headers=b"".join(b"X-%d: 1\r\n" % i for i in range(2000))), [431], True),
        (19, "101 headers", p.get(headers=b"".join(b"X-%d: 1\r\n" % i for i in range(100))), [431], True),
        (20, "HTTP/0.9", b"GET /\r\n\r\n", [400], True),
        (20, "a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400], True),
        (21, "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", [505], True),
        (22, "a target with a host", b"POST http://" + p.host + p.path + p.post()[5 + len(p.path):], [p.good], False),
        (22, "two slashes", p.post(path=b"/" + p.path), [404], True),
        (22, "two dots", p.post(path=p.path + b"/.." + p.path), [404], True),
        (22, "two dots, escaped", p.post(path=b"/%2e%2e" + p.path), [404], True),
        (22, "an escaped letter", p.post(path=p.path[:-1] + b"%%%02x" % p.path[-1]), [p.good], False),
        (22, "an escaped NUL", p.post(path=p.path + b"%00"), [400], True),
        (22, "a malformed escape", p.post(path=p.path + b"%zz"), [400], True),
        (22, "a blank", p.get(b"/a b"), [400], True),
        (22, "no slash", p.get(b"x"), [400], True),
        (23, "another behind a framing error", p.post(b"Content-Length: 3\r\n") + p.post(), [400], True),
        (23, "another behind a wrong path", p.post(path=b"/nope") + p.post(), [404], True),
        (23, "another behind a wrong GET", p.get(b"/nope") + p.post(), [404, p.good], False),
        (24, "100-continue", p.post(b"Expect: 100-continue\r\n"), [100, p.good], False),
        (24, "100-continue of what is refused", p.post(b"Expect: 100-continue\r\n", path=b"/nope"), [404], True),
        (24, "another expectation", p.post(b"Expect: tea\r\n"), [417], True),
    ]


def check_refusal(p, name, raw, answer):
    assert answer.headers["x-content-type-options"] == "nosniff", name
    assert (answer.body or raw.startswith(b"HEAD")) and answer.headers["connection"] == "close", (name, answer.headers)
    if p.kind == b"application/json" and p.path == b"/v1/traces" and raw.startswith(b"POST") and answer.headers["content-type"] == "application/json":
        status = json.loads(answer.body)
        assert status["code"] and status["message"], (name, answer.body)


def check(p, pieces):
    for number, name, raw, wanted, ends in rows(p):
        where = "%d: %s" % (number, name)
        if pieces and len(raw) > 1000:
            continue
        parts = [raw[i:i + pieces] for i in range(0, len(raw), pieces)] if pieces else [raw]
        quiet = 0.15 if ends is None or not ends else 0.05
        answers, closed = exchange(p.address, raw, len(wanted), quiet=quiet, pieces=parts, ends=ends)
        assert [a.status for a in answers] == wanted, (p.address, where, pieces, [a.status for a in answers], wanted)
        assert ends is None or closed == ends, (p.address, where, "the connection ended" if closed else "the connection stays")
        for answer in answers:
            if answer.status >= 400 and ends:
                check_refusal(p, where, raw, answer)


def ports(c):
    return [Port(c.otlp, b"/v1/traces", GOOD, b"application/json", 200, b"x"),
            Port(c.zipkin, b"/api/v2/spans", b"[]", b"application/json", 202, b"x"),
            Port(c.web, b"/-/reload", b"{}", b"application/json", 200, b"localhost")]


def scene_framing_on_every_port(c):
    c.start()
    for p in ports(c):
        check(p, 0)
    # nothing of it was taken but the good ones, which are one span
    c.flush()
    assert c.sql("SELECT count(*) FROM span") == [(1,)]


def scene_framing_in_pieces(c):
    c.start()
    check(ports(c)[0], 7)
    check(ports(c)[0], 1)


def scene_what_was_refused_is_told_to_operators(c):
    c.start()
    exchange(c.otlp, post(headers=b"Content-Length: 3\r\n"), ends=True)
    exchange(c.otlp, GET + b"X: \0\r\n\r\n", ends=True)
    reasons = [i["reason"] for i in c.api("tail")["items"]]
    assert reasons[0].startswith("400: the head has a control byte") and "more than one Host, Content-Length" in reasons[1], reasons
    assert c.counter("faultline_ingest_requests_total", code="400") == 2
