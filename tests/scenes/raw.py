"""raw.py - bytes on a socket and exactly what comes back: for requests that no client library would send."""
import re
import socket
import time

from lib import otlp_body, otlp_span

GOOD = otlp_body([otlp_span("0af7651916cd43dd8448eb211c80319c", "00000000000000a1")])
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def post(path=b"/v1/traces", headers=b"", body=GOOD, kind=b"application/json", length=True, host=b"Host: x\r\n"):
    head = b"POST " + path + b" HTTP/1.1\r\n" + host + (b"Content-Type: " + kind + b"\r\n" if kind else b"")
    if length:
        head += b"Content-Length: %d\r\n" % len(body)
    return head + headers + b"\r\n" + body


def chunked(*parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


def connect(address, limit=10.0):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), timeout=limit)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


def parse(got, to_head=False):
    """Every answer in these bytes, each to the end that its Content-Length states; what is no answer is an error.
    Answers to HEAD state a length and have no body."""
    answers = []
    while got:
        head, blank, rest = got.partition(b"\r\n\r\n")
        line = re.match(rb"HTTP/1\.1 (\d{3}) [A-Za-z -]+(?:\r\n|$)", head)
        assert line and blank, "no answer: %r" % got[:200]
        status = int(line[1])
        headers = {}
        for header in head.split(b"\r\n")[1:]:
            name, _, value = header.decode().partition(": ")
            assert name.lower() not in headers, "%s is there twice" % name
            headers[name.lower()] = value
        n = int(headers.get("content-length", 0)) if status != 100 and not to_head else 0
        assert len(rest) >= n, "%d of %d bytes of the body" % (len(rest), n)
        answers.append(Answer(status, headers, rest[:n]))
        got = rest[n:]
    return answers


def exchange(address, raw, n=1, quiet=0.3, limit=10.0, pieces=None, ends=None):
    """Sends bytes (in pieces); gives the answers and whether the connection ended. Reads until n answers are whole and, as `ends` says,
    the other side has closed (True), or nothing came for `quiet` seconds behind them (False)."""
    s, to_head = connect(address, limit), raw.startswith(b"HEAD")
    got, closed, end = b"", False, time.monotonic() + limit
    try:
        for piece in pieces or [raw]:
            s.sendall(piece)
        while time.monotonic() < end:
            done = whole(got, to_head) >= n
            s.settimeout(quiet if done and not ends else max(0.01, end - time.monotonic()))
            part = s.recv(65536)
            if not part:
                closed = True
                break
            got += part
    except socket.timeout:
        pass
    except (ConnectionResetError, BrokenPipeError):
        closed = True
    s.close()
    return parse(got, to_head), closed


def whole(got, to_head):
    try:
        return len(parse(got, to_head))
    except AssertionError:
        return 0
