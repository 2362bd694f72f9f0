"""Envoy's access log service over gRPC: streams by raw frames, what they become, how they are held, how they end. What a real Envoy sent is in
golden/envoy/als.frames.gz, a message a frame; als.streams says of each which of the four streams it came on."""
import calendar
import gzip
import json
import os
import re
import resource
import struct
import time

from h2raw import DATA, END_STREAM, SETTINGS, WINDOW_UPDATE, Peer, frame, head, message
from lib import frames, golden, otlp_body, otlp_span, wait_for

ALS = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"


# ---- messages made by hand ----

def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """A protobuf field: bytes, text, or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def pair(key, value):
    return field(1, key) + field(2, value)


def address(host, port):
    return field(1, field(2, host) + field(3, port))


def identifier(node="sidecar~10.1.0.6~reviews-v2-7b8c.default~default.svc.cluster.local", cluster="reviews.default", labels=(("app", "reviews"), ("version", "v2")),
               extra=b""):
    struct_ = b"".join(field(1, pair(k, field(3, v))) for k, v in labels)
    metadata = field(1, pair("NAMESPACE", field(3, "default"))) + field(1, pair("CLUSTER_ID", field(3, "c1"))) + field(1, pair("LABELS", field(5, struct_))) + \
        field(1, pair("PLATFORM_METADATA", field(3, "x" * 500)))
    return field(1, field(1, field(1, node) + field(2, cluster) + field(3, metadata) + extra) + field(2, "http_envoy_accesslog"))


def http(start=1_795_428_000, request_id="7d3f0001-1111-9222-8333-444455556666", status=200, upstream="inbound|9080||", flags=b"", tls=b"", kind=0, between=0,
         headers=(), path="/reviews/0", more=b"", authority="reviews:9080", lasted=5_000_000):
    common = field(2, address("10.1.0.5", 41000)) + field(3, address("10.1.0.6", 9080)) + field(5, start if isinstance(start, bytes) else field(1, start)) + \
        field(15, upstream) + field(23, field(2, lasted))
    common += (field(4, tls) if tls else b"") + (field(16, flags) if flags else b"") + (field(33, kind) if kind else b"") + (field(27, between) if between else b"")
    request = field(1, 1) + field(3, authority) + field(5, path) + field(9, request_id) + b"".join(field(13, pair(k, v)) for k, v in headers)
    response = field(1, field(1, status)) if status else b""
    return field(1, field(1, common) + field(2, 2) + field(3, request) + field(4, response) + more)


def tcp(upstream, flags=b""):
    common = field(2, address("10.1.0.6", 41000)) + field(5, field(1, 1_795_428_001)) + field(15, upstream) + field(23, field(2, 1_000_000)) + \
        (field(16, flags) if flags else b"")
    return field(1, field(1, common) + field(2, field(1, 10) + field(2, 20)))


def logs(*entries, of_tcp=False):
    return field(3 if of_tcp else 2, b"".join(entries))


def open_stream(peer, first):
    return peer.call(message(first), head(ALS), end=False)


def more(peer, stream, body, split=16384):
    raw = message(body)
    for i in range(0, len(raw), split):
        peer.send(frame(DATA, 0, stream, raw[i:i + split]))


def end(peer, stream):
    peer.send(frame(DATA, END_STREAM, stream))
    return peer.answer(stream)


def received(c):
    return c.counter("faultline_ingest_records_total", format="envoy_als", outcome="accepted")


def stored(c, n):
    """Records are taken without an answer: their counter tells."""
    wait_for(lambda: received(c) >= n, 10, "%d records" % n)
    c.flush()


# ---- scenes ----

def scene_what_envoy_sent(c):
    """The real thing: four streams on one connection, their first messages larger than a window, the identity in them alone; nothing is answered
    until a stream ends. The spans of the same run beside them, before or after: the logs change no call and say how safe each was."""
    rows = ("SELECT caller_service, callee_service, known_by, sum(calls), sum(errors), sum(retries) FROM edge_minute WHERE protocol != 'tcp' GROUP BY 1, 2, 3 "
            "ORDER BY 1, 2, 3")
    c.start(stitch__trace_idle="1m", stitch__trace_max_age="5m")
    streams = {}
    with Peer(c.grpc) as peer:
        for body, which in zip(frames("als"), golden("envoy", "als.streams").split()):
            if which not in streams:
                streams[which] = open_stream(peer, body)
            else:
                more(peer, streams[which], body)
        wait_for(lambda: received(c) >= 222, 10, "all entries")
        peer.read(lambda: False, 0.3)
        assert not any(a.headers or a.data for a in peer.answers.values())
        for stream in streams.values():
            answer = end(peer, stream)
            assert answer.status == 0 and answer.data == message(b""), (answer.headers, answer.data)
    for body in frames("otlp_grpc"):
        assert c.post_otlp(body)[0] == 200
    c.flush()
    with_logs = c.sql(rows)
    c.check_ledger()
    assert c.sql("SELECT sum(received), sum(rejected) FROM ingest_minute WHERE format = 'envoy_als' AND transport = 'grpc'") == [(222, 0)]
    security = c.sql("SELECT sum(mtls), sum(plaintext) FROM edge_minute WHERE caller_service = 'reviews' AND callee_service = 'ratings' AND known_by = 'both'")
    assert security[0][0] >= 30 and security[0][1] == 0, security
    tcp_calls = dict((a, (n, e)) for a, n, e in c.sql("SELECT callee_service, sum(calls), sum(errors) FROM edge_minute WHERE protocol = 'tcp' GROUP BY 1"))
    assert tcp_calls == {"mongodb": (30, 0), "mysqldb": (1, 1)}, tcp_calls
    assert c.sql("SELECT DISTINCT caller_service FROM edge_minute WHERE protocol = 'tcp'") == [("ratings",)]
    c.stop()
    import lib
    import os
    alone = lib.Collector(c.build)
    try:
        alone.start()
        for body in frames("otlp_grpc"):
            assert alone.post_otlp(body)[0] == 200
        alone.flush()
        assert with_logs == alone.sql(rows), [x for x in with_logs if x not in alone.sql(rows)]
    finally:
        alone.close()


def send_als(c):
    streams = {}
    before = received(c)
    with Peer(c.grpc) as peer:
        for body, which in zip(frames("als"), golden("envoy", "als.streams").split()):
            streams.setdefault(which, []).append(message(body))
        for bodies in streams.values():
            stream = peer.call(b"".join(bodies), head(ALS))
            assert peer.answer(stream).status == 0
    wait_for(lambda: received(c) >= before + 222, 10, "all entries")


def send_spans(c):
    for body in frames("otlp_grpc"):
        assert c.post_otlp(body)[0] == 200


def send_logs(c):
    with Peer(c.grpc) as peer:
        for body in frames("otlp_grpc_logs"):
            assert peer.ask(message(body), head("/opentelemetry.proto.collector.logs.v1.LogsService/Export")).status == 0


def scene_every_way_at_once(c):
    """One run, told by spans, by records of the OpenTelemetry access logger and by ALS: whatever is there, in whatever order, in one turn or several, a hop
    counts once. Without spans the two logs are one as well."""
    rows = ("SELECT caller_service, callee_service, known_by, sum(calls), sum(errors), sum(retries), sum(mtls) FROM edge_minute WHERE protocol != 'tcp' "
            "GROUP BY 1, 2, 3 HAVING sum(calls) ORDER BY 1, 2, 3")
    first = c.db

    def after(*ways, turns=False):
        after.n += 1
        c.db = first + str(after.n)
        c.start(stitch__trace_idle="1m", stitch__trace_max_age="5m")
        for way in ways:
            way(c)
            if turns:
                c.flush()
        c.flush()
        c.check_ledger()
        found = c.sql(rows)
        assert c.stop() == 0
        return found

    after.n = 0
    of_spans = [r[:6] for r in after(send_spans)]
    two = after(send_spans, send_als)
    assert [r[:6] for r in two] == of_spans and ("reviews", "ratings", "both", 36, 12, 6, 36) in two, two
    for ways in ((send_spans, send_logs, send_als), (send_als, send_logs, send_spans), (send_logs, send_spans, send_als)):
        for turns in (False, True):
            all_three = after(*ways, turns=turns)
            assert all_three == two, (ways, turns, [r for r in all_three if r not in two])
    for turns in (False, True):
        logs_alone = after(send_logs, send_als, turns=turns)
        assert logs_alone == after(send_als, send_logs, turns=turns)
        calls = {}
        for caller, callee, _, n, *_ in logs_alone:
            calls[caller, callee] = calls.get((caller, callee), 0) + n
        assert calls["user", "istio-ingressgateway"] == 63 and calls["istio-ingressgateway", "productpage"] == 60 and calls["reviews", "ratings"] == 43, calls
        assert ("user", "ratings") not in calls and ("envoy", "ratings") not in calls, calls


def scene_what_of_a_run_is_there_makes_its_calls(c):
    """The run by its access logs alone, and with the spans of some of its proxies in place of others' logs: each call once, as the callers made them."""
    made = {(e["from"].replace("client", "user"), e["to"]): e["calls"] for e in json.loads(golden("envoy", "otlp_grpc.edges.json"))["calls as the callers made them"]
            if "tcp" not in e["to"]}
    first = c.db

    def some_spans(c):
        for body in frames("otlp_grpc"):
            if not any(b"\x0f" + name + b".default" in body for name in (b"reviews", b"ratings")):
                assert c.post_otlp(body)[0] == 200

    def calls(name, *ways, turns=False):
        c.db = "%s-%s" % (first, name)
        c.start()
        for way in ways:
            way(c)
            if turns:
                c.flush()
        c.flush()
        c.check_ledger()
        found = {(caller, callee): n for caller, callee, n in c.sql(
            "SELECT caller_service, callee_service, sum(calls) FROM edge_minute WHERE protocol != 'tcp' GROUP BY 1, 2 HAVING sum(calls)")}
        assert c.stop() == 0
        return found

    def lines(c):
        said = b"".join(line for body in frames("otlp_grpc_logs") for line in re.findall(rb"\[2026-[^\n]*\n", body))
        assert c.request(c.otlp, "POST", "/v1/access-logs/envoy_log", said, {"Content-Type": "text/plain"})[0] == 204

    for n, ways in enumerate(((send_logs,), (send_als, send_logs), (some_spans, send_als), (send_als, some_spans), (some_spans, send_logs))):
        for turns in (False, True):
            found = calls("%d-%d" % (n, turns), *ways, turns=turns)
            # Two first tries of gRPC were answered 14: lines that say 200 of them make the second tries calls.
            unseen = {("productpage", "details"): 46} if some_spans not in ways else {}
            assert found == {**made, **unseen}, (n, turns, {k: v for k, v in found.items() if made.get(k) != v}, {k: v for k, v in made.items() if found.get(k) != v})
    def others_spans(c):
        for body in frames("otlp_grpc"):
            if b"\x13productpage.default" not in body:
                assert c.post_otlp(body)[0] == 200

    def its_lines(c):
        said = b"".join(line for body in frames("otlp_grpc_logs") if b"productpage-v1" in body for line in re.findall(rb"\[2026-[^\n]*\n", body))
        assert c.request(c.otlp, "POST", "/v1/access-logs/envoy_log", said, {"Content-Type": "text/plain"})[0] == 204
    # A line without a name is no other proxy's way out that bears the same request, and its way in is nobody's whom a name meets.
    for n, ways in enumerate(((others_spans, its_lines), (its_lines, others_spans))):
        found = calls("its-%d" % n, *ways)
        assert found["envoy", "reviews"] == 43 and found["envoy", "details"] == 43 and found["istio-ingressgateway", "productpage"] == 60, found
        assert ("productpage", "envoy") not in found, found
    # All on one host, and neither pods nor spans said: the sidecar that called `ratings` may be that of either who waited, so it is none of the services'.
    found = calls("lines", lines)
    assert found["envoy", "ratings"] == 43 and found["envoy", "productpage"] == 60 and not {e for e in found if e[0] != "envoy"} - set(made) - {("user", "envoy")}, found


def scene_who_is_known_is_named(c):
    """Entries that do not know their own name, of connections that no trace has: spans told who is at their address, or in their pod, where all are on one host."""
    c.start()
    send_spans(c)
    node_id = "sidecar~10.0.0.1~cart-0.default~default.svc.cluster.local"
    span = otlp_span("%032x" % 0xca, "%016x" % 1, "", "cart.default", "op", 2, 1795428000000, 9, component="proxy", node_id=node_id, upstream_cluster="inbound|80||")
    assert c.post_otlp(otlp_body([span]), True)[0] == 200
    c.flush()
    send_logs(c)
    line = '[2026-11-23T10:00:01.00%dZ] "- - -" 0 %s - - "-" 0 0 3 - "-" "-" "-" "-" "10.0.0.9:3306" outbound|3306||stock.default.svc.cluster.local %s 10.96.0.9:3306 %s:47000 - -\n'
    said = line % (1, "-", "10.0.0.1:5", "10.0.0.1") + line % (2, "UF,URX", "-", "10.0.0.1") + line % (3, "-", "10.0.0.2:5", "10.0.0.2")
    assert c.request(c.otlp, "POST", "/v1/access-logs/envoy_log", said, {"Content-Type": "text/plain"})[0] == 204
    c.flush()
    found = c.sql("SELECT caller_service, callee_service, sum(calls), sum(errors) FROM edge_minute WHERE protocol = 'tcp' GROUP BY 1, 2 ORDER BY 2, 1")
    assert found == [("ratings", "mongodb", 30, 0), ("ratings", "mysqldb", 1, 1), ("10.0.0.2", "stock", 1, 0), ("cart", "stock", 2, 1)], found
    c.check_ledger()


def scene_text_beside_als(c):
    """A proxy that writes lines and sends ALS: what is one request in both is one, also where only ALS has the trace, whichever comes first and across a restart.
    Entries that are equal within one log stay so many requests, and another start is another hop."""
    def line(request_id, at="2026-11-23T10:00:00.000Z", n=1, **more):
        text = json.dumps({"start_time": at, "duration": 5, "method": "GET", "path": "/reviews/0", "response_code": 200, "upstream_cluster": "inbound|9080||",
                           "authority": "reviews:9080", "request_id": request_id, "service": "reviews", "namespace": "default",
                           "downstream_remote_address": "10.1.0.5:41000", **more}) + "\n"
        assert c.request(c.otlp, "POST", "/v1/access-logs/envoy_log", text * n, {"Content-Type": "text/plain"})[0] == 204

    def als(request_id, n=1, trace=""):
        before = received(c)
        headers = [("traceparent", "00-%s-00000000000000a1-01" % trace)] if trace else []
        with Peer(c.grpc) as peer:
            stream = open_stream(peer, identifier() + logs(*[http(start=int(START), request_id=request_id, headers=headers)] * n))
            wait_for(lambda: received(c) >= before + n, 10, "entries")
            assert end(peer, stream).status == 0

    def calls():
        c.flush()
        return c.sql("SELECT sum(calls) FROM edge_minute WHERE callee_service = 'reviews'")[0][0] or 0

    START = calendar.timegm((2026, 11, 23, 10, 0, 0))
    c.start()
    now = 0
    for n, (says, counts) in enumerate([
            ([lambda i: als(i), lambda i: line(i)], 1),
            ([lambda i: line(i), lambda i: als(i)], 1),
            ([lambda i: als(i, 2), lambda i: line(i, n=2)], 2),
            ([lambda i: als(i), lambda i: line(i, "2026-11-23T10:00:00.005Z")], 2),
            ([lambda i: als(i), lambda i: line(i, service="ratings", authority="ratings:9080")], 1),
            ([lambda i: als(i, trace="%032x" % 0xa11), lambda i: line(i)], 1),
            ([lambda i: line(i), lambda i: als(i, trace="%032x" % 0xa12)], 1)]):
        for turns in (False, True):
            request_id = "7d3f%04x-1111-9222-8333-44445555%04x" % (n, turns)
            for say in says:
                say(request_id)
                if turns:
                    c.flush()
                    assert c.stop() == 0
                    c.start()
            assert calls() == now + counts, (n, turns, calls() - now)
            now += counts
    c.check_ledger()


def scene_istios_lines_beside_als(c):
    """Istio's own text, which names neither its proxy nor a trace, beside the ALS of the same run, whose entries do: the lines add nothing, before or after."""
    rows = "SELECT caller_service, callee_service, known_by, sum(calls), sum(errors), sum(mtls) FROM edge_minute GROUP BY 1, 2, 3 HAVING sum(calls) ORDER BY 1, 2, 3"
    c.start(stitch__trace_idle="1m", stitch__trace_max_age="5m")
    send_als(c)
    c.flush()
    alone = c.sql(rows)
    text = []
    for start, ns, code, attributes in c.sql("SELECT start_time, duration_ns, http_status, attributes FROM span WHERE operation != 'tcp'"):
        a = json.loads(attributes)
        at = [a.get(k, "-") for k in ("upstream_cluster", "upstream_local_address", "downstream_local_address", "peer.address", "requested_server_name")]
        text.append('[%sZ] "GET %s HTTP/1.1" %d - %s - "-" 0 10 %d 3 "-" "x" "%s" "%s" "%s" %s default' % (
            start[:23], a["url.path"], code, a.get("response_code_details", "-"), ns // 10**6, a["guid:x-request-id"], a["http.host"],
            a.get("upstream_address", "-"), " ".join(at)))
    assert len(text) == 191, len(text)
    text = "\n".join(text)

    def send_lines():
        assert c.request(c.otlp, "POST", "/v1/access-logs/envoy_log", text, {"Content-Type": "text/plain"})[0] == 204
        c.flush()

    send_lines()
    assert c.sql(rows) == alone, [r for r in c.sql(rows) if r not in alone]
    c.check_ledger()
    c.stop()
    c.db += "2"
    c.start()
    send_lines()
    assert c.sql(rows) != alone
    send_als(c)
    c.flush()
    assert c.sql(rows) == alone, [r for r in c.sql(rows) if r not in alone]
    c.check_ledger()


def scene_identity_comes_once(c):
    """Each stream's own node, from its first message, is that of all its entries; two streams of one connection are two senders."""
    c.start()
    with Peer(c.grpc) as peer:
        a = open_stream(peer, identifier(extra=field(9, field(1, "x" * 300)) * 200) + logs(http(request_id="a1")))
        b = open_stream(peer, identifier("router~10.1.0.2~gw-1.istio-system~istio-system.svc.cluster.local", "gw.istio-system", (("app", "gw"),)) +
                        logs(http(request_id="b1", upstream="outbound|9080||productpage.default.svc.cluster.local")))
        for n in range(3):
            more(peer, a, logs(http(request_id="a%d" % (n + 2))))
            more(peer, b, logs(http(request_id="b%d" % (n + 2), upstream="outbound|9080||productpage.default.svc.cluster.local")))
        stored(c, 8)
        assert end(peer, a).status == 0 and end(peer, b).status == 0
    assert c.sql("SELECT cluster, namespace, service, version, instance, role, count(*) FROM span GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 3") == [
        ("c1", "istio-system", "gw", "", "gw-1", "gateway", 4), ("c1", "default", "reviews", "v2", "reviews-v2-7b8c", "sidecar", 4)]
    assert dict(c.sql("SELECT callee_service, sum(calls) FROM edge_minute WHERE known_by = 'log' GROUP BY 1")) == {"gw": 4, "productpage": 4, "reviews": 4}
    c.check_ledger()


def scene_entries(c):
    """What an entry says: security by its TLS properties, flags, codes, TCP, trace headers; entries in between and of attempts are none."""
    c.start()
    mutual = field(1, 4) + field(4, field(1, field(1, "spiffe://c/ns/default/sa/reviews"))) + field(5, field(1, field(1, "spiffe://c/ns/default/sa/productpage")))
    entries = [http(request_id="r1", tls=mutual), http(request_id="r2", tls=field(1, 3)), http(request_id="r3"),
               http(request_id="r4", status=503, flags=field(6, 1) + field(16, 1), upstream="outbound|9080|v1|ratings.default.svc.cluster.local"),
               http(request_id="r5", kind=4), http(request_id="r6", kind=9), http(request_id="r7", between=1), http(request_id="r8", kind=6),
               http(request_id="r9", status=0, flags=field(15, 1)),
               http(request_id="r10", path="/login?password=x", headers=[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-00000000000000a1-01")])]
    with Peer(c.grpc) as peer:
        stream = open_stream(peer, identifier() + logs(*entries))
        more(peer, stream, logs(tcp("outbound|3306||mysqldb.default.svc.cluster.local", field(6, 1)), of_tcp=True))
        more(peer, stream, logs(http(request_id="r1", tls=mutual), http(request_id="r1", tls=mutual)))  # the first one again, and one more like it
        stored(c, 9)
        assert end(peer, stream).status == 0
    c.flush()
    into = c.sql("SELECT sum(calls), sum(mtls), sum(tls), sum(plaintext) FROM edge_minute WHERE callee_service = 'reviews'")
    assert into == [(7, 2, 1, 4)], into
    out = c.sql("SELECT callee_service, callee_version, protocol, known_by, calls, errors, security_unknown FROM edge_minute WHERE caller_service = 'reviews' ORDER BY 1")
    assert out == [("mysqldb", "", "tcp", "log", 1, 1, 1), ("ratings", "v1", "http", "log", 1, 1, 1)], out
    assert c.sql("SELECT json_extract(attributes, '$.request_size'), json_extract(attributes, '$.response_size') FROM span WHERE operation = 'tcp'") == [("10", "20")]
    assert c.sql("SELECT response_flags, fault FROM span WHERE http_status = 503") == [("UF,URX", "origin")]
    assert c.sql("SELECT fault FROM span WHERE response_flags = 'DC'") == [("client_gone",)]
    assert c.sql("SELECT trace_id, json_extract(attributes, '$.\"url.query\"') FROM span WHERE parent_span_id = '00000000000000a1'") == [
        ("0af7651916cd43dd8448eb211c80319c", "password=REDACTED")]
    assert c.sql("SELECT sum(received), sum(duplicate) FROM ingest_minute") == [(10, 1)]
    c.check_ledger()


def scene_the_other_end_is_told(c):
    """Istio's filter state, by ALS, in OTLP records and in JSON lines: who called, and the version and cluster of who was called. A gateway that the state names
    between two workloads is none of them."""
    def any_of(peer):
        return field(1, b"type.googleapis.com/google.protobuf.Struct") + field(2, b"".join(field(1, pair(k, field(3, v))) for k, v in peer.items()))

    def peer(name, version):
        return {"workload": name + "-" + version, "namespace": "default", "cluster": "c1", "service": name, "revision": version, "app": name + "-app", "version": "x",
                "type": "deployment", "name": name + "-0"}
    START = calendar.timegm((2026, 11, 23, 10, 0, 0))
    pp, rt, egress = peer("pp", "v3"), peer("rt", "v7"), peer("egress", "v1")
    ids = ["7d3f0001-%04d-9222-8333-444455556666" % n for n in range(6)]
    out = "outbound|80||rt.default.svc.cluster.local"

    def by_als():
        def entry(n, upstream, key, who):
            common = field(2, address("10.1.0.5", 41000)) + field(5, field(1, START)) + field(15, upstream.encode()) + field(23, field(2, 5_000_000)) + field(21, pair(key, any_of(who)))
            return field(1, field(1, common) + field(3, field(1, 1) + field(3, b"reviews:9080") + field(5, b"/r") + field(9, ids[n].encode())) + field(4, field(1, field(1, 200))))
        with Peer(c.grpc) as p:
            body = identifier() + field(2, entry(0, "inbound|9080||", "downstream_peer", pp) + entry(1, out, "upstream_peer", rt) + entry(2, out, "upstream_peer", egress))
            stream = open_stream(p, body)
            wait_for(lambda: received(c) >= 3, 10, "entries")
            assert end(p, stream).status == 0

    def said(n, upstream, key, who):
        return {"start_time": "2026-11-23T10:00:00.000Z", "duration": 5, "method": "GET", "path": "/r", "response_code": 200, "upstream_cluster": upstream, "authority": "reviews:9080",
                "request_id": ids[n], "namespace": "default", "pod": "reviews-v2-7b8c", "version": "v2", "cluster": "c1", key: who, **({"service": "reviews"} if n else {})}
    three = [(0, "inbound|9080||", "downstream_peer", pp), (1, out, "upstream_peer", rt), (2, out, "upstream_peer", egress)]

    def by_lines(text):
        body = "".join(json.dumps(said(n, upstream, key, json.dumps(who) if text else who)) + "\n" for n, upstream, key, who in three)
        assert c.request(c.otlp, "POST", "/v1/access-logs/envoy_log", body, {"Content-Type": "text/plain"})[0] == 204

    def by_records():
        records = [{"timeUnixNano": str(START * 10**9), "attributes": [{"key": k, "value": {"stringValue": json.dumps(v) if isinstance(v, dict) else str(v)}}
                                                                     for k, v in said(*three[n]).items()]} for n in range(3)]
        body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})
        assert c.request(c.otlp, "POST", "/v1/logs", body, {"Content-Type": "application/json"})[0] == 200
    first = c.db
    for n, way in enumerate((by_als, lambda: by_lines(False), lambda: by_lines(True), by_records)):
        c.db = "%s-%d" % (first, n)
        c.start()
        way()
        c.flush()
        found = c.sql("SELECT caller_cluster, caller_service, caller_version, callee_service, callee_version, callee_cluster, sum(calls) FROM edge_minute GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 2, 5")
        assert found == [("c1", "pp", "v3", "reviews", "v2", "c1", 1), ("c1", "reviews", "v2", "rt", "", "", 1), ("c1", "reviews", "v2", "rt", "v7", "c1", 1)], (n, found)
        c.check_ledger()
        assert c.stop() == 0


def scene_nothing_is_refused_for_its_time(c):
    """No start, one before 1970, one that no number holds; a duration below zero: accepted, marked, and in no statistics of time."""
    c.start()
    below = (1 << 64) - 5
    starts = [1_795_428_000, below, 1 << 40, field(2, 2_000_000_000), 5, b""]
    entries = [http(request_id="r%d" % i, start=start) for i, start in enumerate(starts)] + [http(request_id="r9", lasted=below)]
    with Peer(c.grpc) as peer:
        stream = open_stream(peer, identifier() + logs(*entries))
        stored(c, len(entries))
        assert end(peer, stream).status == 0
    c.flush()
    assert c.counter("faultline_ingest_rejected_total") == 0
    assert c.sql("SELECT duration_ns IS NULL OR self_ns IS NULL, count(*) FROM span GROUP BY 1 ORDER BY 1") == [(0, 1), (1, len(entries) - 1)]
    assert c.sql("SELECT count(*) FROM span WHERE start_ns = 5000000000") == [(1,)]
    c.check_ledger()


def scene_on_disk_without_an_answer(c):
    """Taken means on disk within a second: a kill right after loses nothing, and nothing comes twice."""
    c.start(stitch__trace_idle="10m", stitch__trace_max_age="10m")
    with Peer(c.grpc) as peer:
        stream = open_stream(peer, identifier() + logs(*[http(request_id="k%d" % n) for n in range(50)]))
        begun = time.monotonic()
        wait_for(lambda: received(c) >= 50, 10, "50 records")
        assert time.monotonic() - begun < 5
        assert not peer.answers[stream].headers
        c.kill()
    c.start()
    c.flush()
    assert c.sql("SELECT count(*), count(DISTINCT trace_id) FROM span") == [(50, 50)]
    assert c.sql("SELECT sum(calls) FROM edge_minute") == [(50,)]
    c.check_ledger()


def scene_sidecars_hand_the_header_on(c):
    """Proxies that do not trace log the caller's header, and hand it on: the callee's span names the same parent as its sidecar's entry, and stands beneath it.
    Beneath one caller's span each entry has the span of its own request. Whatever comes first."""
    trace, at = "0af7651916cd43dd8448eb211c80319c", 1_795_428_000_000
    mutual = field(1, 4) + field(4, field(1, field(1, "spiffe://c/ns/default/sa/reviews"))) + field(5, field(1, field(1, "spiffe://c/ns/default/sa/web")))
    spans = [otlp_span(trace, "%016x" % 0xa0, "", "web", "op", 2, at - 20, 3000), otlp_span(trace, "%016x" % 0xa1, "%016x" % 0xa0, "web", "GET", 3, at - 2, 2500),
             otlp_span(trace, "%016x" % 0xb1, "%016x" % 0xa1, "reviews", "first", 2, at + 1, 3, status=2), otlp_span(trace, "%016x" % 0xb2, "%016x" % 0xa1, "reviews", "again", 2, at + 2001, 9)]
    headers = [("traceparent", "00-%s-%016x-01" % (trace, 0xa1))]
    entries = identifier() + logs(http(request_id="r", status=503, tls=mutual, headers=headers), http(start=at // 1000 + 2, request_id="r", tls=mutual, headers=headers))

    def post():
        assert c.post_otlp(otlp_body(spans), True)[0] == 200
        c.flush()

    def log():
        with Peer(c.grpc) as peer:
            assert peer.ask(message(entries), head(ALS)).status == 0
        c.flush()
    for first, second in ((post, log), (log, post)):
        c.start(store__path=os.path.join(c.folder, first.__name__ + ".db"))
        c.db = os.path.join(c.folder, first.__name__ + ".db")
        first()
        second()
        calls = c.sql("SELECT caller_service, callee_service, known_by, calls, errors, mtls FROM edge_minute WHERE calls <> 0 ORDER BY 2")
        assert calls == [("web", "reviews", "both", 2, 1, 2), ("user", "web", "entry", 1, 0, 0)], (first.__name__, calls)
        beneath = c.sql("SELECT DISTINCT hop FROM hop_minute WHERE callee_service = 'reviews' AND calls <> 0 ORDER BY 1")
        assert ("sidecar_in",) in beneath and ("application",) in beneath, beneath
        c.check_ledger()
        c.stop()


def scene_compressed_messages(c):
    """A stream's messages may be compressed, one by one; what does not decompress, or to too much, ends it. Each stream is counted once."""
    c.start()
    encoded = head(ALS, more=[("grpc-encoding", "gzip")])
    first, second, third = identifier() + logs(http(request_id="z1")), logs(http(request_id="z2")), logs(http(request_id="z3"))
    with Peer(c.grpc) as peer:
        assert peer.ask(message(gzip.compress(first), 1) + message(second) + message(gzip.compress(third), 1), encoded).status == 0
        for body, status in ((b"no gzip", 3), (gzip.compress(b"\0" * (21 << 20)), 8), (gzip.compress(b"\xff" * 20), 3)):
            assert peer.ask(message(body, 1), encoded).status == status, body[:9]
    c.flush()
    assert c.sql("SELECT service, count(*) FROM span GROUP BY 1") == [("reviews", 3)]
    refused = [i for i in c.api("tail")["items"] if i["reason"]]
    assert [(i["format"], i["reason"][:2]) for i in refused] == [("envoy_als", "3:"), ("envoy_als", "8:"), ("envoy_als", "3:")], refused
    assert [c.counter("faultline_ingest_requests_total", transport="grpc", code=code) for code in "038"] == [1, 2, 1]
    assert [c.counter("faultline_ingest_rejected_total", reason=reason) for reason in ("invalid", "too_big")] == [2, 1]
    c.check_ledger()


def scene_bad_streams(c):
    """What is no message ends its stream alone, with a status that says why; the others go on."""
    c.start(receive__max_grpc_message="128KiB")
    good = identifier() + logs(http(request_id="g"))
    with Peer(c.grpc) as peer:
        other = open_stream(peer, good)
        rows = [("not protobuf", message(b"\xff" * 20), 3, None), ("broken entries", message(good + field(2, b"\x0a\x7f")), 3, None),
                ("too large", message(b"", length=2**31), 8, None), ("a flag of 2", message(good, 2), 13, None), ("compressed, it does not say how", message(good, 1), 13, None),
                ("cut", message(good)[:-1], 3, True)]
        for name, raw, status, ends in rows:
            answer = peer.ask(raw, head(ALS)) if ends else peer.answer(peer.call(raw, head(ALS), end=False))
            assert answer.status == status, (name, answer.headers)
        stream = open_stream(peer, good)  # a good message, then a bad one: the good one counts
        more(peer, stream, b"\xff" * 9)
        assert peer.answer(stream).status == 3
        assert peer.ask(None, head(ALS)).status == 0  # no message at all
        assert peer.ask(message(b""), head(ALS)).status == 0
        one_bad = open_stream(peer, identifier() + logs(http(request_id="x1"), field(1, b"\x0a\x03\x08\x80\x80"), field(1, b""), http(request_id="x2")))
        stored(c, 3)
        assert end(peer, one_bad).status == 0
        assert not peer.answers[other].ended
        assert end(peer, other).status == 0
    assert c.sql("SELECT sum(rejected) FROM ingest_minute WHERE format = 'envoy_als'") == [(2,)]
    c.check_ledger()


def scene_byte_by_byte(c):
    c.start()
    body = message(identifier() + logs(http(request_id="s1"))) + message(logs(http(request_id="s2"))) + message(logs(http(request_id="s3")))
    with Peer(c.grpc) as peer:
        stream = peer.call(None, head(ALS), end=False)
        for i in range(len(body)):
            peer.send(frame(DATA, 0, stream, body[i:i + 1]))
        stored(c, 3)
        assert end(peer, stream).status == 0
    c.check_ledger()


class FairPeer(Peer):
    """Sends on one stream no more than it was given credit for."""

    def __init__(self, address):
        self.room = {0: 65535}
        super().__init__(address)

    def take(self, kind, flags, stream, payload):
        if kind == WINDOW_UPDATE:
            self.room[stream] = self.room.get(stream, 0) + struct.unpack(">I", payload)[0]
        elif kind == SETTINGS and not flags:
            for i in range(0, len(payload), 6):
                if payload[i:i + 2] == b"\0\x04":
                    self.room[1] = self.room.get(1, 0) + struct.unpack(">I", payload[i + 2:i + 6])[0]
        super().take(kind, flags, stream, payload)

    def feed(self, stream, raw, limit):
        """Sends what may be sent within the time; gives what is left."""
        until = time.monotonic() + limit
        while raw and time.monotonic() < until:
            n = min(len(raw), 16384, self.room[0], self.room[stream])
            if n <= 0:
                self.read(lambda: min(self.room[0], self.room[stream]) > 0, 0.1)
                continue
            self.send(frame(DATA, 0, stream, raw[:n]))
            self.room[0] -= n
            self.room[stream] -= n
            raw = raw[n:]
        return raw


def scene_the_window_holds_back(c):
    """While the disk takes nothing the peer gets no credit: it can send a window and no more. Then all of it is taken, once."""
    c.start()
    bodies = [message((identifier() if not m else b"") + logs(*[http(request_id="w%d-%d" % (m, n), more=field(60, "x" * 200)) for n in range(100)]))
              for m in range(60)]
    raw = b"".join(bodies)
    with FairPeer(c.grpc) as peer:
        assert peer.read(lambda: 1 in peer.room)
        stream = peer.call(None, head(ALS), end=False)
        left = peer.feed(stream, bodies[0], 5)
        wait_for(lambda: received(c) >= 100, 10, "the first message")
        resource.prlimit(c.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        left = peer.feed(stream, raw[len(bodies[0]):], 1.5)
        assert len(raw) - len(left) < 600_000 and len(left) > 1_000_000, (len(raw), len(left))
        assert not peer.answers[stream].ended and received(c) == 100
        resource.prlimit(c.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert not peer.feed(stream, left, 20)
        stored(c, 6000)
        assert end(peer, stream).status == 0
    assert c.sql("SELECT count(*) FROM span") == [(6000,)]
    assert c.sql("SELECT sum(received), sum(duplicate), sum(rejected) FROM ingest_minute") == [(6000, 0, 0)]
    c.check_ledger()


def scene_a_stop_ends_streams(c):
    """An open stream does not hold a stop up: it is told to come again."""
    c.start()
    with Peer(c.grpc) as peer:
        stream = open_stream(peer, identifier() + logs(http(request_id="z1")))
        wait_for(lambda: received(c) >= 1, 10, "a record")
        begun = time.monotonic()
        assert c.stop() == 0
        assert time.monotonic() - begun < 8
        answer = peer.answer(stream)
        assert answer.status == 14 and answer.retry, answer.headers
    c.start()
    assert c.sql("SELECT count(*) FROM span") == [(1,)]
    c.check_ledger()


def scene_tokens_guard_streams(c):
    import hashlib
    import os
    path = os.path.join(c.folder, "tokens")
    with open(path, "w") as f:
        f.write("ingest %s in\nread %s out\n" % (hashlib.sha256(b"good").hexdigest(), hashlib.sha256(b"reader").hexdigest()))
    c.start(auth__tokens_file=path)
    first = identifier() + logs(http())
    with Peer(c.grpc) as peer:
        assert peer.ask(message(first), head(ALS)).status == 16
        assert peer.ask(message(first), head(ALS, more=[("authorization", "Bearer reader")])).status == 7
        assert peer.ask(message(first), head(ALS, more=[("authorization", "Bearer good")])).status == 0
