"""Why do my spans not show? Each mistake a sender can make stands in `tail` with what to do; a sender that fails beside a busy one has a line of its own."""
import hashlib
import os
import socket
import subprocess

import lib
import scene_tls as tls
from lib import otlp_body, otlp_span, wait_for

JSON, PB = {"Content-Type": "application/json"}, {"Content-Type": "application/x-protobuf"}
TRACE = "5eed" + "0" * 27 + "1"


def raw(where, data):
    host, port = where.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := s.recv(4096):
                answer += part
        except ConnectionResetError:
            pass
        return answer.decode(errors="replace")


def told(c, url):
    done = subprocess.run([c.program, "tail", "--url", url], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def scene_each_mistake_is_told_with_what_to_do(c):
    c.start()
    url, good = "http://" + c.web, otlp_body([otlp_span(TRACE, "%016x" % 1)])
    assert "Nothing came since the collector started" in told(c, url) and c.otlp in told(c, url)
    hello, preface = bytes.fromhex("16030100c8010000c40303") + b"\0" * 190, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
    posts = [  # where, path, body, headers, what is said
        (c.otlp, "/v1/traces", good, {"Content-Type": "text/plain"}, "text/plain: Content-Type must be application/x-protobuf or application/json"),
        (c.otlp, "/v1/traces", good, {}, "Content-Type must be"),
        (c.otlp, "/", good, JSON, "may lack the path"),
        (c.otlp, "/v1/traces/v1/traces", good, JSON, "/v1/traces/v1/traces: this port takes POST /v1/traces"),
        (c.otlp, "/v1/%7f%ff", good, JSON, "/v1/??: this port takes"),
        (c.otlp, "/api/v2/spans", b"[]", JSON, "receive.zipkin.listen (9411)"),
        (c.zipkin, "/v1/traces", good, JSON, "receive.otlp_http.listen (4318)"),
        (c.zipkin, "/api/v2/spans", good, JSON, "an array was expected"),
        (c.web, "/v1/traces", good, JSON, "this is the page's port; OTLP goes to receive.otlp_http.listen (4318)"),
        (c.web, "/api/v1/write", b"", PB, "this is the page's port; remote write"),
        (c.web, "/api/v2/spans", b"[]", JSON, "this is the page's port; Zipkin"),
        (c.grpc, "/v1/traces", good, JSON, "this port takes gRPC over HTTP/2"),
        (c.otlp, "/v1/traces", b"{nonsense", JSON, "malformed at byte 1"),
        (c.otlp, "/v1/traces", good, PB, "looks like JSON, but it is sent as protobuf"),
        (c.otlp, "/v1/traces", lib.frames("otlp_http")[0], JSON, "looks like protobuf, but it is sent as JSON"),
        (c.otlp, "/v1/traces", good.replace(b'"5eed', b'"'), JSON, "traceId is not 32 hexadecimal digits"),
        (c.otlp, "/v1/traces", b" " * (17 << 20), JSON, "larger than receive.max_body"),
        (c.otlp, "/v1/traces", good, {**JSON, "Content-Encoding": "br"}, "Content-Encoding may be gzip"),
        (c.otlp, "/v1/traces", good, {**JSON, "Content-Encoding": "gzip"}, "the compressed body is damaged")]
    for where, path, body, headers, words in posts:
        status, answer, _ = c.request(where, "POST", path, body, headers)
        assert status >= 400 or b"rejectedSpans" in answer, (path, status)
        item = c.api("tail")["items"][0]
        assert words in item["reason"] and item["sender"] == "127.0.0.1" and words.encode() in answer, (words, item, answer)
        assert words in told(c, url)
    for where, data, words in ((c.otlp, preface, "gRPC goes to receive.otlp_grpc.listen (4317)"), (c.zipkin, preface, "gRPC goes to"),
                               (c.otlp, hello, "looks like TLS"), (c.zipkin, hello, "looks like TLS"), (c.grpc, hello, "looks like TLS")):
        assert words in raw(where, data), (where, words)
        assert words in c.api("tail")["items"][0]["reason"], words


def scene_a_sender_that_fails_now_and_then_is_not_drowned(c):
    c.start()
    c.post_zipkin(b'[{"traceId":"1"}]')
    for i in range(30):
        assert c.post_otlp(otlp_body([otlp_span(TRACE, "%016x" % (i + 1), start=1_600_000_000_000)]), True)[0] == 200
    assert all(not item["reason"] for item in c.api("tail")["items"])
    senders = {s["format"]: s for s in c.api("status")["senders"]}
    bad, good = senders["zipkin_json"], senders["otlp_json"]
    assert (bad["batches"], bad["records"], bad["rejected"], bad["refused"], bad["reason"]) == (1, 1, 1, 0, "span 1: id is missing"), bad
    assert (good["batches"], good["records"], good["rejected"], good["reason"], good["last_refusal"]) == (30, 30, 0, "", None), good
    assert good["last_event"].startswith("2020-09-13T12:26:40"), good
    text = told(c, "http://" + c.web)
    assert "id is missing" in text and "days ago" in text, text  # a clock that is wrong, or old spans: they show in no window of today


def scene_tokens_and_tls_are_told_too(c):
    tokens = os.path.join(c.folder, "tokens")
    with open(tokens, "w") as f:
        for role, token in (("ingest", b"s3nd"), ("read", b"r3ad"), ("admin", b"4dm")):
            f.write("%s %s x\n" % (role, hashlib.sha256(token).hexdigest()))
    tls.start(c, auth__tokens_file=tokens)
    tail = lambda: c.request(c.web, "GET", "/api/v1/tail", None, {"Authorization": "Bearer 4dm"})[1].decode()  # noqa: E731
    for headers, words in (({}, "no token came"), ({"Authorization": "Bearer wrong"}, "not in auth.tokens_file"), ({"Authorization": "Bearer r3ad"}, "needs the role ingest")):
        assert c.request(c.otlp, "POST", "/v1/traces", b"{}", {**JSON, **headers})[0] in (401, 403)
        assert words in tail(), (words, tail())
    for where in (c.otlp, c.grpc):
        assert "takes TLS" in raw(where, b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    wait_for(lambda: tail().count("clear text came, and this port takes TLS") == 2, what="both stand in tail")
