"""The framing cases through a real HAProxy and a real nginx with kept connections to the collector (security case 25): what a proxy holds for a
body is never a request here, and what it sent as a request is one.

Every request bears its number in its path and its span: what a proxy wrote into its log as answered is held against the spans that were taken."""
import concurrent.futures
import os
import re
import shutil
import subprocess

import lib
import raw
from scene_framing import Port, rows

HAPROXY = """
global
    log stdout format raw local0
defaults
    mode http
    log global
    timeout client 2s
    timeout server 2s
    timeout connect 2s
    timeout http-request 2s
    log-format "%%HM %%HU %%ts %%ST"
frontend in
    bind 127.0.0.1:%(port)d
    default_backend collector
backend collector
    http-reuse always
    server one %(collector)s
"""
NGINX = """
daemon off; master_process off; pid %(folder)s/pid; error_log %(folder)s/error.log;
events { worker_connections 512; }
http {
    log_format told '$request_method $request_uri -- $upstream_status';
    access_log %(folder)s/log told;
    client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy; fastcgi_temp_path %(folder)s/f; uwsgi_temp_path %(folder)s/u; scgi_temp_path %(folder)s/s;
    client_header_timeout 2s; client_body_timeout 2s; proxy_read_timeout 2s;
    upstream collector { server %(collector)s; keepalive 8; }
    server {
        listen 127.0.0.1:%(port)d;
        location / { proxy_pass http://collector; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; }
    }
}
"""
NUMBER = b"?n=0000"
PATH = b"/v1/traces" + NUMBER
BODY = lib.otlp_body([lib.otlp_span("0af7651916cd43dd8448eb211c80319c", "%016x" % 0xa5a5)])
SPAN = b"000000000000a5a5"
CODINGS = (b"Transfer-Encoding : chunked", b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: chunKed",
           b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: chunked;a=b",
           b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", b"X: x\nTransfer-Encoding: chunked",
           b"Transfer-Encoding:\r\n chunked", b" Transfer-Encoding: chunked", b"Transfer_Encoding: chunked", b"Transfer-Encoding: chunked\0", b"\0Transfer-Encoding: chunked")


def attacks(p):
    """Bodies that hold a whole request, by each of the ways in which two readers may differ about where they end."""
    inner = p.post()
    behind = b"0\r\n\r\n" + inner
    for coding in CODINGS + (b"Transfer-Encoding: chunked",):
        yield p.post(coding + b"\r\n", behind)  # one reads the length, the other the chunks
        yield p.post(b"Content-Length: 4\r\n" + coding + b"\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner), length=False)
    for length in (b"Content-Length : %d", b"Content-Length:\r\n %d", b"Content-Length: 0,%d", b"Content-Length: 0\r\nContent-Length: %d", b"Content-Length: 0\r\nContent-length: %d",
                   b"Content-Length: +%d", b"Content-Length: 0%d", b"Content-Length: %d ", b"Content-Length: %d\0", b"X: \nContent-Length: %d", b"Content-Length: \x0c%d",
                   b"Content_Length: %d", b"Content-Length\t: %d"):
        yield p.post(length % len(inner) + b"\r\n", inner, length=False)
    for end in (b"0\n\r\n", b"0\r\n\n", b"00\r\n\r\n", b"0;x\n\r\n\r\n", b"0 \r\n\r\n", b"\r\n0\r\n\r\n", b"0x0\r\n\r\n", b"-0\r\n\r\n", b"10000000000000000\r\n\r\n", b"0\r\nA: \n\r\n\r\n",
                b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\n" + b"A" * 20000 + b": 1\r\n\r\n"):
        yield p.post(raw.CHUNKED, end + inner, length=False)
    for target in (b"GET", b"HEAD", b"DELETE", b"OPTIONS"):
        yield target + p.post(body=inner)[4:]  # bodies where some expect none
    yield b"POST http://x" + p.post(body=inner)[5:]
    yield p.post(b"Expect: 100-continue\r\n", inner)
    yield p.post(b"Connection: Content-Length\r\n", inner)  # named as one that ends at the proxy
    yield p.post(b"Connection: Transfer-Encoding\r\n" + raw.CHUNKED, raw.chunked(BODY) + inner, length=False)
    yield p.post(b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", inner)
    yield p.post(body=inner).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    yield p.post(raw.CHUNKED, behind, length=False).replace(b"HTTP/1.1", b"HTTP/1.0", 1)


def numbered(case, bytes_):
    """Each request in them gets a number of its own, in its path and in the span behind it."""
    pieces = bytes_.split(NUMBER)
    out = pieces[0].replace(SPAN, b"%016x" % (case * 8))
    for i, piece in enumerate(pieces[1:]):
        out += b"?n=%04d" % (case * 8 + i) + piece.replace(SPAN, b"%016x" % (case * 8 + i))
    return out


def send(address, bytes_):
    """Until the proxy ends, or nothing comes for a while: what it answers is not judged here."""
    s = raw.connect(address, 3)
    try:
        s.sendall(bytes_)
        s.settimeout(0.7)
        while s.recv(65536):
            pass
    except OSError:
        pass
    s.close()


def told(path):
    """The proxy's log: what the collector answered to each request that was sent on."""
    with open(path, "rb") as log:
        found = [re.match(rb"(\S+) (\S+) -- (\d{3})$", line) for line in log.read().splitlines()]
    return [(f[1], re.search(rb"n=(\d{4})", f[2]), int(f[3])) for f in found if f]


def through(c, name, command, config):
    program = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not program:
        raise lib.Skip("no %s here: make deps installs it" % name)
    folder, port = os.path.join(c.folder, name), lib.free_port()
    os.mkdir(folder)
    c.start()
    path, address = os.path.join(folder, "config"), "127.0.0.1:%d" % port
    with open(path, "w") as f:
        f.write(config % {"folder": folder, "port": port, "collector": c.otlp})
    with open(os.path.join(folder, "log"), "w") as out, open(os.path.join(folder, "said"), "w") as said:
        proxy = subprocess.Popen([program, *command, path], stdout=out, stderr=said)
    try:
        lib.wait_for(lambda: reaches(address), 10, name)
        p = Port(address, PATH, BODY, b"application/json", 200, b"x")
        cases = [row[2] for row in rows(p) if row[0] != 22] + list(attacks(p))
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            list(pool.map(lambda case: send(address, numbered(case[0] + 1, case[1])), enumerate(cases)))
        for n in range(8):  # the kept connections are in step
            assert raw.exchange(address, numbered(1000 + n, p.post()), quiet=0.01)[0][0].status == 200
    finally:
        proxy.terminate()
        proxy.wait(10)
    c.flush()
    answers = told(os.path.join(folder, "log"))
    good = sorted(int(n[1]) for _, n, status in answers if n and status == 200)
    taken = sorted(int(row[0], 16) for row in c.sql("SELECT span_id FROM span"))
    assert taken == good and len(good) > 30, ("not in its log: %s, not taken: %s" % (set(taken) - set(good), set(good) - set(taken)), good)
    for status in (400, 404, 405):  # also what was refused is as many requests on both sides
        sent, seen = sum(answer[2] == status for answer in answers), c.counter("faultline_ingest_requests_total", transport="http", code=str(status))
        assert sent == seen > 0, (status, sent, seen)
    assert c.stop() == 0


def reaches(address):
    try:
        raw.connect(address).close()
        return True
    except OSError:
        return False


def scene_haproxy(c):
    through(c, "haproxy", ["-db", "-f"], HAPROXY)


def scene_nginx(c):
    through(c, "nginx", ["-c"], NGINX)
