"""Lines of access logs: what each kind becomes, what is refused, what comes again, and how lines join spans and one another."""
import gzip
import json
import os
import queue
import random
import subprocess
import threading
import zlib

from lib import GOLDEN, frames, free_port, golden, otlp_body, otlp_span, wait_for

KINDS = ("alb", "nlb", "apigw", "nginx", "haproxy", "envoy_log")
EDGES = ("SELECT caller_service, caller_role, callee_service, callee_role, via, known_by, sum(calls), sum(errors) FROM edge_minute "
         "GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6")
# What the lines of tests/golden/access_logs say, each known by the log alone: (caller, callee, callee's role, calls, errors, client errors).
SAID = {
    "alb": [("shop-edge", "cart", "workload", 1, 0, 0), ("shop-edge", "home", "workload", 1, 1, 0), ("shop-edge", "pay", "workload", 1, 1, 0),
            ("user", "shop-edge", "load_balancer", 4, 2, 0)],
    "nlb": [("user", "db-edge", "load_balancer", 2, 1, 0)],
    "apigw": [("user", "a1b2c3d4e5", "gateway", 1, 0, 0), ("user", "f6g7h8i9j0", "gateway", 2, 2, 0), ("user", "wsws000001", "gateway", 1, 0, 0)],
    "nginx": [("nginx", "10.0.3.21", "workload", 1, 0, 0), ("nginx", "10.0.3.22", "workload", 1, 1, 0),
              ("nginx", "default-reviews-9080", "workload", 1, 0, 0), ("user", "nginx", "gateway", 4, 1, 0),
              ("user", "web-edge", "gateway", 1, 1, 0), ("web-edge", "10.0.3.30", "workload", 1, 1, 0)],
    "haproxy": [("shop-in", "cart", "workload", 1, 0, 0), ("shop-in", "pay", "workload", 2, 2, 0), ("user", "shop-in", "gateway", 4, 2, 1)],
}


def lines(kind):
    return golden("access_logs", {"envoy_log": "envoy"}.get(kind, kind) + ".log")


def post(c, kind, body, encoding=None, **headers):
    if encoding:
        headers["Content-Encoding"] = encoding
    return c.request(c.otlp, "POST", "/v1/access-logs/" + kind, body, {"Content-Type": "text/plain", **headers})


def good(c, kind, body, **headers):
    status, text, _ = post(c, kind, body, **headers)
    assert (status, text) == (204, b""), (kind, status, text)


def mesh(name):
    folder = os.path.join(GOLDEN, "access_logs", "envoy_mesh")
    file = [f for f in os.listdir(folder) if f.startswith(name)][0]
    return gzip.open(os.path.join(folder, file)).read()


def edges(c):
    return c.sql("SELECT caller_service, callee_service, callee_role, sum(calls), sum(errors), sum(client_errors) FROM edge_minute GROUP BY 1, 2, 3 ORDER BY 1, 2")


def scene_every_kind(c):
    c.start()
    for kind in KINDS:
        good(c, kind, lines(kind))
    c.flush()
    for kind, rows in SAID.items():
        for caller, callee, role, calls, errors, client_errors in rows:
            got = c.sql("SELECT callee_role, known_by, sum(calls), sum(errors), sum(client_errors) FROM edge_minute WHERE caller_service = ? AND "
                        "callee_service = ? GROUP BY 1, 2", caller, callee)
            assert got == [(role, "log", calls, errors, client_errors)], (kind, caller, callee, got)
    counts = dict((f, (n, bad)) for f, n, bad in c.sql("SELECT format, sum(received), sum(rejected) FROM ingest_minute WHERE transport = 'http' GROUP BY 1"))
    assert counts == {"alb": (4, 0), "nlb": (2, 0), "apigw": (4, 0), "nginx": (5, 0), "haproxy": (4, 0), "envoy_log": (5, 0)}, counts
    c.check_ledger()
    # What a line says is in its row.
    row = c.sql("SELECT http_status, duration_ns, kind, start_time, trace_id, json_extract(attributes, '$.\"upstream_address\"'), "
                "json_extract(attributes, '$.\"url.path\"') || '?' || json_extract(attributes, '$.\"url.query\"') FROM span WHERE format = 'alb' ORDER BY start_ns")[1]
    assert row == (200, 116_500_000, "server", "2026-11-23T10:00:00.004000000Z", "6a5b4c3d0011223344556677889900aa", "10.0.3.21:8080",
                   "/cart/42?token=REDACTED"), row
    flags = dict(c.sql("SELECT http_status, response_flags FROM span WHERE format = 'alb' AND response_flags != ''"))
    assert flags == {504: "UT", 503: "UH"}, flags
    # Who could read it: TLS to the balancer, clear text to the other, what is behind them is not said.
    assert c.sql("SELECT sum(tls), sum(plaintext), sum(security_unknown) FROM edge_minute WHERE callee_service = 'shop-edge'") == [(1, 3, 0)]
    assert c.sql("SELECT sum(tls), sum(plaintext), sum(security_unknown) FROM edge_minute WHERE caller_service = 'shop-edge'") == [(0, 0, 3)]


def scene_a_balancer_whose_client_left(c):
    """ALB writes 460 as nginx writes 499 and Envoy a flag, by its short or its long name: nobody answered, and nobody failed."""
    c.start()
    good(c, "alb", 'http 2026-11-23T10:00:00.120000Z app/front/1 203.0.113.7:51034 10.0.0.9:443 0.001 -1 -1 460 - 1 1 "GET http://shop.example.com:80/pets/7 HTTP/1.1" '
         '"curl" - - arn:aws:x:targetgroup/api/0 "Root=1-6a5b4c3d-0011223344556677889900aa" "-" "-" 1 2026-11-23T10:00:00.000000Z "forward" "-" "-"')
    c.flush()
    assert c.sql("SELECT caller_service, callee_service, calls, errors, client_errors FROM edge_minute ORDER BY 1") == [("front", "api", 1, 0, 0), ("user", "front", 1, 0, 0)]
    good(c, "nginx", '203.0.113.7 - - [23/Nov/2026:10:00:01 +0000] "GET /pets/8 HTTP/1.1" 499 0 "-" "curl"')
    good(c, "envoy_log", json.dumps({"start_time": "2026-11-23T10:00:02Z", "method": "GET", "path": "/pets/9", "response_code": 0, "duration": 5, "service": "api",
                                     "response_flags": "DownstreamConnectionTermination", "upstream_cluster": "inbound|80||"}))
    c.flush()
    assert c.sql("SELECT fault, response_flags FROM span") == [("client_gone", "DC")] * 3 and set(c.sql("SELECT status FROM trace")) == {("ok",)}


def scene_real_nginx_and_haproxy(c):
    """What nginx 1.22.1 (the README's format, JSON, combined) and HAProxy 2.6.12 wrote of the same eight requests, one of them to nobody, one answered 503 by
    the application, with quotes and backslashes in path and user agent."""
    c.start()
    for kind, file in (("nginx", "nginx.log"), ("nginx", "nginx.json"), ("nginx", "nginx_combined.log"), ("haproxy", "haproxy.log")):
        other = {"nginx.json": b"1af7651916cd43dd"}.get(file, b"0af7651916cd43dd")  # the same requests twice: another trace
        good(c, kind, golden("access_logs", "real", file).replace(b"0af7651916cd43dd", other))
    c.flush()
    rows = {(a, b): row for a, b, *row in c.sql("SELECT caller_service, callee_service, sum(calls), sum(errors), sum(client_errors) FROM edge_minute GROUP BY 1, 2")}
    assert rows == {("user", "edge"): [8, 2, 1], ("edge", "127.0.0.1"): [7, 2, 1], ("user", "edge-json"): [8, 2, 1], ("edge-json", "127.0.0.1"): [7, 2, 1],
                    ("user", "nginx"): [8, 2, 1], ("user", "shop-in"): [8, 2, 1], ("shop-in", "cart"): [7, 1, 1], ("shop-in", "dead"): [1, 1, 0]}, rows
    assert set(c.sql("SELECT http_status, response_flags FROM span WHERE response_flags != ''")) == {(503, "UF")}  # nginx's 502 may be the upstream's own
    assert c.sql("SELECT count(*) FROM span WHERE parent_span_id = 'b7ad6b7169203331' AND trace_id LIKE '_af7651916cd43dd8448eb211c8031__'") == [(24,)]
    assert c.sql("SELECT sum(rejected) FROM ingest_minute") == [(0,)]
    assert not c.sql("SELECT * FROM span WHERE attributes LIKE '%abc%'"), "a token stays in no attribute"
    c.check_ledger()


def scene_istio_lines(c):
    """Gateway and sidecar of one request, joined by its x-request-id; a database behind TCP; Envoy's stock format; JSON with a traceparent."""
    c.start()
    good(c, "envoy_log", lines("envoy_log"))
    c.flush()
    got = c.sql(EDGES)
    assert got == [("envoy", "gateway", "productpage", "workload", "", "request_id", 1, 0),
                   ("envoy", "workload", "mysqldb", "workload", "", "log", 1, 1), ("envoy", "workload", "ratings", "workload", "", "log", 1, 1),
                   ("user", "user", "envoy", "gateway", "", "log", 1, 0), ("user", "user", "reviews", "workload", "", "log", 1, 0)], got
    assert c.sql("SELECT protocol FROM edge_minute WHERE callee_service = 'mysqldb'") == [("tcp",)]
    assert c.sql("SELECT trace_id, parent_span_id, version FROM span WHERE service = 'reviews'") == [
        ("0af7651916cd43dd8448eb211c80319c", "00000000000000a1", "v2")]
    c.check_ledger()


def scene_mesh_lines_alone(c):
    """The logs of the real mesh without its spans: who called whom, how often, and with what end, as its driver knows."""
    c.start()
    for name in ("istio-ingressgateway", "reviews", "ratings"):
        good(c, "envoy_log", mesh(name))
    c.flush()
    calls = {(a, b): (n, errors) for a, b, n, errors in c.sql(
        "SELECT caller_service, callee_service, sum(calls), sum(errors) FROM edge_minute GROUP BY 1, 2")}
    assert calls[("user", "envoy")][0] == 63 and calls[("envoy", "productpage")][0] == 60, calls
    assert calls[("reviews", "ratings")] == (43, 19), calls
    assert ("user", "ratings") not in calls, calls
    c.check_ledger()


def scene_mesh_lines_with_spans(c):
    """Spans and logs of one run, in either order: the logs change no call."""
    rows = ("SELECT caller_service, callee_service, known_by, sum(calls), sum(errors), sum(retries) FROM edge_minute "
            "WHERE protocol != 'tcp' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")
    operations = "SELECT service, operation, kind, sum(calls) FROM operation_minute WHERE service != 'envoy' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    c.start(stitch__trace_idle="1m", stitch__trace_max_age="5m")
    for body in frames("otlp_grpc"):
        assert c.post_otlp(body)[0] == 200
    c.flush()
    before, before_operations = c.sql(rows), c.sql(operations)
    for name in ("istio-ingressgateway", "reviews", "ratings", "details"):
        good(c, "envoy_log", mesh(name))
    c.flush()
    assert c.sql(rows) == before, [x for x in c.sql(rows) if x not in before]
    c.check_ledger()
    assert c.sql("SELECT count(*) FROM span WHERE format = 'envoy_log'") == [(265,)]
    assert [x for x in c.sql(operations) if x in before_operations] == before_operations
    # A traceparent in the line puts it into the trace itself: beneath its proxy's span, where it counts nowhere.
    trace, span, start, ns = c.sql("SELECT trace_id, span_id, start_time, duration_ns FROM span WHERE format = 'otlp_pb' AND service = 'reviews' AND kind = 'server' "
                                   "ORDER BY start_ns LIMIT 1")[0]
    was = c.api("traces/" + trace)
    line = {"start_time": start, "duration": ns // 10**6, "method": "GET", "path": "/x", "response_code": 503, "response_flags": "UC", "upstream_cluster": "inbound|9080||",
            "authority": "reviews:9080", "traceparent": "00-%s-%s-01" % (trace, span)}
    good(c, "envoy_log", json.dumps(line))
    c.flush()
    now = c.api("traces/" + trace)
    assert now["calls"] == was["calls"] and len(now["spans"]) == len(was["spans"]) + 1, (now["calls"], was["calls"])
    assert [s["parent_span_id"] for s in now["spans"] if s["format"] == "envoy_log"] == [span]
    assert now["trace"]["status"] == was["trace"]["status"] and now["trace"]["error_count"] == was["trace"]["error_count"]
    assert c.sql(rows) == before and [x for x in c.sql(operations) if x in before_operations] == before_operations
    c.check_ledger()


def scene_lines_before_spans(c):
    """Lines that were stitched and stored before the spans of the same requests came count no more when they have come; a restart between the two changes
    nothing but that."""
    rows = ("SELECT caller_service, callee_service, known_by, sum(calls), sum(errors), sum(retries) FROM edge_minute "
            "WHERE protocol != 'tcp' GROUP BY 1, 2, 3 HAVING sum(calls) > 0 ORDER BY 1, 2, 3")
    c.start(stitch__trace_idle="1m", stitch__trace_max_age="5m")
    for body in frames("otlp_grpc"):
        assert c.post_otlp(body)[0] == 200
    c.flush()
    of_spans = c.sql(rows)
    c.stop()
    c.db = os.path.join(c.folder, "other.db")
    c.start()
    for name in ("istio-ingressgateway", "reviews", "ratings", "details"):
        good(c, "envoy_log", mesh(name))
    c.flush()
    assert c.sql(rows) != of_spans
    for body in frames("otlp_grpc"):
        assert c.post_otlp(body)[0] == 200
    c.flush()
    assert c.sql(rows) == of_spans, [x for x in c.sql(rows) if x not in of_spans]
    c.check_ledger()


def scene_any_order(c):
    """The mesh's lines in any order, split anyhow, some of them twice, across a stop: the same graph."""
    rows = EDGES.replace("sum(errors)", "sum(errors), sum(client_ns_sum), sum(server_ns_sum), sum(retries)")
    whole = {}
    for name in ("istio-ingressgateway", "reviews", "ratings", "details"):
        whole[name] = [x for x in dict.fromkeys(mesh(name).splitlines())]
    c.start(stitch__trace_idle="1m", stitch__trace_max_age="5m")
    for name in whole:
        good(c, "envoy_log", b"\n".join(whole[name]))
    c.flush()
    first = c.sql(rows)
    c.stop()
    for seed in range(3):
        dice = random.Random(seed)
        c.db = os.path.join(c.folder, "order-%d.db" % seed)
        c.start()
        lines_left = [x for name in whole for x in whole[name]]
        dice.shuffle(lines_left)
        lines_left += dice.sample(lines_left, 40)
        n = 0
        while lines_left:
            size = dice.randint(1, 60)
            good(c, "envoy_log", b"\r\n".join(dict.fromkeys(lines_left[:size])))
            lines_left = lines_left[size:]
            n += 1
            if n == 4:
                assert c.stop() == 0
                c.start()
        c.flush()
        assert c.sql(rows) == first, (seed, [x for x in c.sql(rows) if x not in first], [x for x in first if x not in c.sql(rows)])
        c.check_ledger()
        c.stop()


def scene_balancer_to_application(c):
    """ALB, API Gateway and nginx by their logs, the application by its span: one trace by X-Amzn-Trace-Id."""
    c.start()
    root = "1-6a5b4c3d-0011223344556677889900aa"
    alb = ('https 2026-11-23T10:00:00.120000Z app/front/1 203.0.113.7:51034 10.0.0.9:443 0.001 0.118 0.000 200 200 1 1 "GET https://shop.example.com:443/pets/7 '
           'HTTP/2.0" "curl" TLS_AES_128_GCM_SHA256 TLSv1.3 arn:aws:x:targetgroup/api/0 "Root=%s" "-" "-" 1 2026-11-23T10:00:00.000000Z "forward" "-" "-"') % root
    api = json.dumps({"apiId": "a1b2c3d4e5", "status": "200", "responseLatency": "100", "integrationStatus": "200", "requestTimeEpoch": "1795428000010",
                      "httpMethod": "GET", "path": "/pets/7", "xrayTraceId": root})
    nginx = ('10.0.0.3 - - [23/Nov/2026:10:00:00 +0000] "GET /pets/7 HTTP/1.1" 200 9 "-" "-" msec=1795428000.100 rt=0.080 upstream_addr=10.0.3.21:8080 '
             'x_amzn_trace_id="Root=%s"') % root
    start = 1795428000025
    span = otlp_span("6a5b4c3d0011223344556677889900aa", "00000000000000b1", "", "pets", "GET /pets", 2, start, 70)
    for kind, body in (("nginx", nginx), ("alb", alb), ("apigw", api)):
        good(c, kind, body)
    assert c.post_otlp(otlp_body([span]), True)[0] == 200
    c.flush()
    assert c.sql(EDGES) == [("front", "load_balancer", "pets", "workload", "a1b2c3d4e5,nginx", "both", 1, 0),
                            ("user", "user", "front", "load_balancer", "", "log", 1, 0)], c.sql(EDGES)
    hops = c.sql("SELECT hop, hop_name FROM hop_minute WHERE callee_service = 'pets'")
    assert {("gateway", "a1b2c3d4e5"), ("gateway", "nginx")} <= set(hops), hops
    assert c.sql("SELECT parts, complete, span_count FROM trace") == [(1, 1, 4)]
    c.check_ledger()


def scene_proxy_hands_the_header_on(c):
    """nginx logs the traceparent that it got: the caller's span stands above its line, the callee's, with the same parent, beneath it."""
    c.start()
    trace = "0af7651916cd43dd8448eb211c80319c"
    start = 1795428000000
    spans = [otlp_span(trace, "00000000000000a1", "", "web", "op", 2, start, 100), otlp_span(trace, "00000000000000a2", "00000000000000a1", "web", "GET", 3, start + 5, 80),
             otlp_span(trace, "00000000000000a3", "00000000000000a2", "cart", "op", 2, start + 15, 60)]
    line = ('10.0.0.3 - - [23/Nov/2026:10:00:00 +0000] "GET /cart HTTP/1.1" 200 9 "-" "-" msec=1795428000.080 rt=0.070 upstream_addr=10.0.3.21:8080 '
            'traceparent=00-%s-00000000000000a2-01') % trace
    good(c, "nginx", line)
    assert c.post_otlp(otlp_body(spans), True)[0] == 200
    c.flush()
    assert c.sql(EDGES) == [("user", "user", "web", "workload", "", "entry", 1, 0), ("web", "workload", "cart", "workload", "nginx", "both", 1, 0)], c.sql(EDGES)
    c.check_ledger()


def scene_a_balancer_between_two(c):
    """The same with a load balancer of AWS: its hop has its own time, and it is no end of the call."""
    c.start()
    trace, root, start = "6a5b4c3d0011223344556677889900cc", "1-6a5b4c3d-0011223344556677889900cc", 1795428000000
    spans = [otlp_span(trace, "00000000000000a1", "", "web", "op", 2, start, 100), otlp_span(trace, "00000000000000a2", "00000000000000a1", "web", "GET", 3, start + 5, 80),
             otlp_span(trace, "00000000000000a3", "00000000000000a2", "cart", "op", 2, start + 15, 60)]
    line = ('http 2026-11-23T10:00:00.080000Z app/inner/1 10.0.0.7:51034 10.0.3.21:8080 0.001 0.065 0.004 200 200 1 1 "GET http://cart:80/ HTTP/1.1" "-" - - '
            'arn:aws:x:targetgroup/cart-tg/0 "Parent=00000000000000a2;Root=%s;Sampled=1" "-" "-" 1 2026-11-23T10:00:00.010000Z "forward" "-" "-"') % root
    assert c.post_otlp(otlp_body(spans), True)[0] == 200
    c.flush()
    assert c.sql("SELECT via FROM edge_minute WHERE callee_service = 'cart'") == [("",)]
    good(c, "alb", line)  # it comes late: the trace opens again
    c.flush()
    assert c.sql(EDGES) == [("user", "user", "web", "workload", "", "entry", 1, 0), ("web", "workload", "cart", "workload", "inner", "both", 1, 0)], c.sql(EDGES)
    hops = dict((h, ns) for h, name, ns in c.sql("SELECT hop, hop_name, time_ns_sum FROM hop_minute WHERE callee_service = 'cart'") if name == "inner")
    assert hops["load_balancer"] == 10_000_000, hops
    assert c.sql("SELECT role, peer FROM span WHERE format = 'alb'") == [("load_balancer", "cart")]
    c.check_ledger()


def scene_lost_headers(c):
    """Two traces of spans that share an x-request-id: the call is the later one's, and says how it is known; the digit of the decision is no part of it."""
    c.start()
    start = 1795428000000
    a = otlp_span("%032x" % 1, "00000000000000a1", "", "a", "op", 2, start, 100, **{"guid:x-request-id": "7d3f0001-1111-4222-8333-444455556666"})
    b = otlp_span("%032x" % 2, "00000000000000b1", "", "b", "op", 2, start + 20, 50, **{"guid:x-request-id": "7d3f0001-1111-9222-8333-444455556666"})
    other = otlp_span("%032x" % 3, "00000000000000c1", "", "c", "op", 2, start + 20, 50, **{"guid:x-request-id": "7d3f0001-1111-9222-8333-444455556667"})
    assert c.post_otlp(otlp_body([a, other]), True)[0] == 200
    c.flush()
    before = c.sql("SELECT * FROM trace ORDER BY trace_id")
    assert c.post_otlp(otlp_body([b]), True)[0] == 200
    c.flush()
    assert c.sql(EDGES) == [("a", "workload", "b", "workload", "", "request_id", 1, 0), ("user", "user", "a", "workload", "", "entry", 1, 0),
                            ("user", "user", "c", "workload", "", "entry", 1, 0)], c.sql(EDGES)
    assert [r for r in c.sql("SELECT * FROM trace ORDER BY trace_id") if r in before] == before
    c.check_ledger()


def scene_what_comes_again(c):
    """The same bodies again, at once, after a stop and after a kill: nothing changes. Lines that are equal within one body are so many requests."""
    c.start()
    twice = lines("nginx").splitlines()[0] + b"\n"
    for kind in KINDS:
        good(c, kind, lines(kind))
    good(c, "nginx", twice * 3)
    c.flush()
    first = c.sql(EDGES)
    assert c.sql("SELECT count(*) FROM span WHERE format = 'nginx'") == [(7,)]
    for turn in ("again", "stopped", "killed"):
        for kind in KINDS:
            good(c, kind, lines(kind))
        good(c, "nginx", twice * 3)
        if turn == "killed":
            c.kill()
        elif turn == "stopped":
            assert c.stop() == 0
        if turn != "again":
            c.start()
        c.flush()
        assert c.sql(EDGES) == first, turn
        c.check_ledger()
    assert c.sql("SELECT sum(received), sum(duplicate) FROM ingest_minute") == [(27 * 4, 81 + 1)]


def scene_killed_at_once(c):
    """Answered is on disk: what a kill finds unstitched is there after the next start."""
    c.start(stitch__trace_idle="10m", stitch__trace_max_age="10m")
    for kind in KINDS:
        good(c, kind, lines(kind))
    c.kill()
    c.start()
    c.flush()
    assert c.sql("SELECT count(*) FROM span") == [(24,)]
    c.check_ledger()


def scene_kills_under_load(c):
    """Lines by several senders at once, killed in the middle of it, each line sent again until it is answered: every one is there, once."""
    todo = queue.Queue()
    for body in range(300):
        todo.put(b"\n".join(b'10.0.0.%d - - [23/Nov/2026:10:00:00 +0000] "GET /%d HTTP/1.1" 200 1 "-" "-" msec=1795428000.%03d rt=0.001' % (n, body, n)
                           for n in range(50)))
    answered = []

    def send():
        while True:
            try:
                body = todo.get_nowait()
            except queue.Empty:
                return
            while len(answered) < 300:
                try:
                    if post(c, "nginx", body)[0] == 204:
                        answered.append(body)
                        break
                except OSError:
                    pass
                except Exception as e:  # a connection that broke within its answer
                    assert type(e).__module__ == "http.client", e

    c.start(receive__otlp_http__listen=str(free_port()), stitch__trace_idle="300ms", store__commit_interval="100ms")
    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    for n in (60, 130, 220):
        wait_for(lambda: len(answered) >= n, 30, "%d answers" % n)
        c.kill()
        c.start()
    for sender in senders:
        sender.join(60)
    assert len(answered) == 300
    c.flush()
    assert c.sql("SELECT count(*), count(DISTINCT trace_id || span_id) FROM span") == [(15000, 15000)]
    assert c.sql("SELECT sum(calls) FROM edge_minute") == [(15000,)]
    c.check_ledger()


def scene_every_answer(c):
    c.start(receive__max_spans="10", receive__max_body="64KiB", receive__max_decoded="128KiB")
    body = lines("alb")
    for path in ("/v1/access-logs", "/v1/access-logs/", "/v1/access-logs/iis", "/v1/access-logs/alb/x", "/v1/access-logs/otlp_pb"):
        status, text, _ = c.request(c.otlp, "POST", path, body, {"Content-Type": "text/plain"})
        assert status == 404 and all(k in text.decode() for k in KINDS) and text.count(b"\n") == 1, (path, status, text)
    assert c.request(c.otlp, "POST", "/v1/access-logsx", body, {"Content-Type": "text/plain"})[0] == 404
    for kind in ("application/json", "text/html", "text/plainer", ""):
        status, text, _ = post(c, "alb", body, **{"Content-Type": kind})
        assert status == 415 and b"text/plain" in text, (kind, status, text)
    status, _, headers = c.request(c.otlp, "PUT", "/v1/access-logs/alb", body, {"Content-Type": "text/plain"})
    assert status == 405 and headers["allow"] == "POST"
    assert c.request(c.otlp, "GET", "/v1/access-logs/alb")[0] == 405
    good(c, "alb", body, **{"Content-Type": "text/plain; charset=utf-8"})
    good(c, "alb", b"")
    good(c, "alb", b"\n\r\n \n")
    good(c, "alb", gzip.compress(body), encoding="gzip")
    good(c, "alb", zlib.compress(body), encoding="deflate")
    good(c, "alb", gzip.compress(body[:100]) + gzip.compress(body[100:]), encoding="gzip")
    for encoding, bad in (("gzip", body), ("gzip", gzip.compress(body)[:-5]), ("gzip", gzip.compress(body) + b"x"), ("zstd", body)):
        assert post(c, "alb", bad, encoding)[0] == 400, encoding
    assert post(c, "alb", body, "br")[0] == 415
    assert post(c, "alb", body, "snappy")[0] == 415
    assert post(c, "nginx", (lines("nginx").splitlines()[0] + b"\n") * 11)[0] == 413  # receive.max_spans
    assert post(c, "alb", gzip.compress(b"\n" * 140000), "gzip")[0] == 413
    assert post(c, "alb", b"x" * 70000)[0] == 413
    c.flush()
    assert c.sql("SELECT sum(received - duplicate) FROM ingest_minute") == [(4,)]
    c.check_ledger()


def scene_a_byte_order_mark_is_no_part_of_the_first_line(c):
    c.start()
    bom = b"\xef\xbb\xbf"
    good(c, "nginx", bom + b'203.0.113.7 - - [23/Nov/2026:10:00:01 +0000] "GET /pets/8 HTTP/1.1" 200 0 "-" "curl"\n')
    for kind in ("alb", "envoy"):
        path = os.path.join(c.folder, kind + ".log")
        with open(path, "wb") as f:
            f.write(bom + golden("access_logs", kind + ".log"))
        for more in ([], ["--as", {"envoy": "envoy_log"}.get(kind, kind)]):
            done = subprocess.run([c.program, "replay", path, "--db", os.path.join(c.folder, "bom%d.db" % len(more)), *more], capture_output=True, text=True)
            assert done.returncode == 0 and json.loads(done.stdout)["rejected"] == 0 and not done.stderr, (kind, more, done)
    c.flush()
    assert c.sql("SELECT json_extract(attributes, '$.\"peer.address\"') FROM span WHERE format = 'nginx'") == [("203.0.113.7",)]


def scene_bad_lines(c):
    """A line that is none of its kind is rejected alone, counted, and its reason is kept; the good ones beside it stay."""
    c.start()
    total = 0
    for kind in KINDS:
        all_lines = lines(kind).splitlines()
        bad = [b"not a line", b"\xff\xfe\x00", b'{"a":', b"{}", b"[", b'"', b'"' * 50, b"[" * 70000, all_lines[0][:len(all_lines[0]) // 3], b"{" + b'"a":{' * 200]
        mixed = [b for pair in zip(bad, (all_lines * 10)[:len(bad)]) for b in pair]
        good(c, kind, b"\r\n".join(mixed))
        total += len(bad)
        kept = c.api("tail")["items"][0]
        assert kept["format"] == kind and kept["records"] == 2 * len(bad) and kept["rejected"] == len(bad), kept
        assert kept["reason"].startswith("line 1: %s: " % kind), kept
    c.flush()
    assert c.sql("SELECT sum(rejected) FROM ingest_minute") == [(total,)]
    assert c.counter("faultline_ingest_records_total", outcome="rejected") == total
    c.check_ledger()


def scene_no_line_is_refused_for_its_time(c):
    c.start()
    line = '[%s] "POST /a HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "x" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80"'
    times = ["2023-11-14T22:13:20Z", "1960-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:07Z", "2262-02-01T00:00:00Z", "2300-01-01T00:00:00Z",
             "9999-12-31T23:59:59Z"]
    good(c, "envoy_log", "\n".join(line % t for t in times).encode())
    assert c.api("tail")["items"][0]["rejected"] == 0
    good(c, "envoy_log", "\n".join(line % t for t in ("-", "yesterday", "2026-02-30T00:00:00Z")).encode())
    assert c.api("tail")["items"][0]["rejected"] == 3
    c.flush()
    assert c.sql("SELECT start_ns, count(*) FROM span GROUP BY 1 ORDER BY 1") == [
        (0, 4), (7_000_000_000, 1), (1_700_000_000_000_000_000, 1), (9_217_324_800_000_000_000, 1)]
    assert c.sql("SELECT sum(calls), min(p50_ns) > 200000000 FROM operation_minute WHERE p50_ns > 0") == [(1, 1)]
    c.check_ledger()


def scene_files(c):
    """replay knows each kind by its first line, and --as says it; from a file and over HTTP the records are the same."""
    folder = os.path.join(GOLDEN, "access_logs")
    db = os.path.join(c.folder, "files.db")

    def replay(*args):
        done = subprocess.run([c.program, "replay", "--set", "store.min_free=0", *args], capture_output=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    files = [os.path.join(folder, {"envoy_log": "envoy"}.get(k, k) + ".log") for k in KINDS]
    said = replay("--db", db, *files)
    assert (said["files"], said["records"], said["accepted"], said["rejected"]) == (6, 24, 24, 0), said
    c.start()
    for kind in KINDS:
        good(c, kind, lines(kind))
    c.flush()
    over_http = c.sql(EDGES)
    to = replay("--to", "http://" + c.otlp, *files)
    assert to["accepted"] == 24
    c.flush()
    assert c.sql(EDGES) == over_http
    c.stop()
    c.db, mine = db, c.db
    assert c.sql(EDGES) == over_http
    assert c.sql("SELECT DISTINCT transport FROM ingest_minute") == [("file",)]
    again = replay("--db", db, "--as", "alb", files[0])
    assert again["duplicate"] == 4 and again["accepted"] == 0, again
    wrong = subprocess.run([c.program, "replay", "--db", db, "--as", "iis", files[0]], capture_output=True)
    assert wrong.returncode == 2 and b"envoy_log" in wrong.stderr
    c.db = mine


def scene_tokens_guard_logs(c):
    import hashlib
    path = os.path.join(c.folder, "tokens")
    with open(path, "w") as f:
        f.write("ingest %s in\nread %s out\n" % (hashlib.sha256(b"good").hexdigest(), hashlib.sha256(b"reader").hexdigest()))
    c.start(auth__tokens_file=path)
    for token, status in ((None, 401), ("bad", 401), ("reader", 403), ("good", 204)):
        headers = {"Authorization": "Bearer " + token} if token else {}
        assert post(c, "alb", lines("alb"), **headers)[0] == status, token


def scene_ipv6_without_brackets(c):
    """Balancers and HAProxy write address:port without brackets: the last colon parts them, so that a caller inside is known by its address."""
    c.start()
    rows = ["2001:db8::7:40123", "fd00::5:2817", "10.0.1.2:33317", "::1:80"]
    alb = lines("alb").split(b"\n")[0].decode().split(" ")
    good(c, "alb", "\n".join(" ".join(alb[:3] + [client] + alb[4:]) for client in rows))
    good(c, "haproxy", "\n".join("%s [23/Nov/2026:10:00:00.000] in b/s1 0/0/0/5/7 200 1 - - ---- 1/1/1/1/0 0/0 \"GET /x HTTP/1.1\"" % client for client in rows))
    c.flush()
    for kind in ("alb", "haproxy"):
        found = c.sql("SELECT json_extract(attributes, '$.\"peer.address\"') FROM span WHERE format = ? ORDER BY 1", kind)
        assert found == [("10.0.1.2:33317",), ("2001:db8::7",), ("::1",), ("fd00::5",)], (kind, found)


def scene_grpc_codes_by_name(c):
    """Envoy's %GRPC_STATUS% is a name in camel case unless told otherwise; in capitals and as a number it is the same code."""
    c.start()
    rows = [("OK", 0), ("Ok", 0), ("Canceled", 1), ("CANCELLED", 1), ("Unavailable", 14), ("DeadlineExceeded", 4), ("DEADLINE_EXCEEDED", 4), ("14", 14),
            ("NotFound", 5), ("InvalidCode", None), ("-", None)]
    good(c, "envoy_log", "\n".join(json.dumps({
        "start_time": "2026-11-23T10:00:%02d.000Z" % i, "method": "POST", "path": "/p.S/M", "response_code": 200, "duration": 5, "response_flags": "-",
        "upstream_cluster": "inbound|80||", "service": "cart", "grpc_status": word}) for i, (word, _) in enumerate(rows)))
    c.flush()
    assert c.sql("SELECT grpc_status FROM span ORDER BY start_ns") == [(code,) for _, code in rows]
    assert c.sql("SELECT sum(calls), sum(errors), sum(client_errors) FROM edge_minute WHERE callee_service = 'cart'") == [(len(rows), 4, 1)]
    c.check_ledger()


def scene_default_lines_beside_spans_of_applications(c):
    """Istio's default text does not say whose sidecar wrote a line. Its way out stands beneath the application's call, its way in above the application's span:
    no node of its address, no second call, whatever comes first."""
    trace, start = "0af7651916cd43dd8448eb211c80319c", 1795428000000
    spans = [otlp_span(trace, "00000000000000a1", "", "web", "op", 2, start, 100), otlp_span(trace, "00000000000000a2", "00000000000000a1", "web", "GET", 3, start + 5, 80),
             otlp_span(trace, "00000000000000a3", "00000000000000a2", "cart", "op", 2, start + 20, 60)]
    line = ('[2026-11-23T10:00:00.%03dZ] "GET /x HTTP/1.1" 200 - via_upstream - "-" 0 1 %d 45 "-" "ua" "-" "cart:9080" "10.0.0.2:9080" %s %s - traceparent=00-' + trace +
            '-00000000000000a2-01')
    way_out = line % (8, 75, "outbound|9080||cart.shop.svc.cluster.local 10.0.0.1:41000 10.96.0.5:9080 10.0.0.1:40000", "-")
    way_in = line % (15, 66, "inbound|9080|| 127.0.0.6:1 10.0.0.2:9080 10.0.0.1:41000", "outbound_.9080_._.cart.shop.svc.cluster.local")

    def feed(what):
        if what is spans:
            assert c.post_otlp(otlp_body(spans), True)[0] == 200
        else:
            good(c, "envoy_log", what)
        c.flush()
    for i, order in enumerate(((spans, way_out), (way_in, spans), (spans, way_in, way_out), (way_out, spans, way_in), (way_out, way_in, spans))):
        c.db = os.path.join(c.folder, "%d.db" % i)
        c.start(store__path=c.db)
        for what in order:
            feed(what)
        found = c.sql("SELECT caller_service, callee_service, known_by, calls, server_ns_sum FROM edge_minute WHERE calls <> 0 ORDER BY 2")
        assert found == [("web", "cart", "both", 1, 60_000_000), ("user", "web", "entry", 1, 100_000_000)], (i, found)
        assert c.sql("SELECT DISTINCT service FROM span ORDER BY 1") == [("cart",), ("web",)], i
        c.check_ledger()
        c.stop()


def scene_addresses_tell_whose_sidecar_sent_it(c):
    """Istio's default text of one request: `a` calls `b`, then `c`, then both at once. Whose way out a line is its own address says; where no line of that pod
    came, or none has an address and two might have sent it, nobody is named who need not have called."""
    request_id = "101725ff-462f-9132-8f8e-c1526ce5a2%02x"
    text = '[2026-11-23T10:00:00.%03dZ] "GET /%s HTTP/1.1" 200 - via_upstream - "-" 0 37 %d %d "-" "x" "%s" "%s.default.svc.cluster.local" "%s:80" %s %s %s %s - default\n'

    def way_in(name, at, ms, own, client):
        return lambda i: text % (at, name, ms, ms, request_id % i, name, own, "inbound|80||", "127.0.0.6:7", own + ":80", client)

    def way_out(name, at, ms, own, to, port=400):
        return lambda i: text % (at, name, ms, ms, request_id % i, name, to, "outbound|80||%s.default.svc.cluster.local" % name, "%s:%d" % (own, port), "10.96.0.2:80",
                                 own + ":501")
    A, B, C, HERE = "10.0.0.1", "10.0.0.2", "10.0.0.3", "127.0.0.1"
    a, b, c_ = way_in("a", 100, 10, A, "10.0.0.9:5"), way_in("b", 103, 1, B, A + ":400"), way_in("c", 105, 1, C, A + ":402")
    to_b, to_c = way_out("b", 102, 2, A, B), way_out("c", 104, 2, A, C, 402)
    both_b, both_in = way_out("b", 102, 6, A, B), way_in("b", 103, 5, B, A + ":400")
    cases = [
        ([a, to_b, b, to_c, c_], {"user > a": 1, "a > b": 1, "a > c": 1}),
        ([a, both_b, both_in, to_c, c_], {"user > a": 1, "a > b": 1, "a > c": 1}),  # side by side
        ([a, to_b, to_c, c_], {"user > a": 1, "a > b": 1, "a > c": 1}),
        ([both_b, both_in, to_c, c_], {"10.0.0.1 > b": 1, "10.0.0.1 > c": 1}),  # no line of a's way in
        ([a, to_b, way_in("b", 103, 1, B, "10.0.0.7:9")], {"user > a": 1, "a > b": 1, "user > b": 1}),  # b's came from another pod
        ([way_in("a", 100, 10, HERE, "-"), way_out("b", 102, 6, HERE, HERE, 1), way_in("b", 103, 5, HERE, HERE + ":1"), way_out("c", 104, 2, HERE, HERE, 2)],
         {"user > a": 1, "a > b": 1, "envoy > c": 1}),  # either a or b
        ([way_in("a", 100, 10, HERE, "-"), way_out("b", 102, 2, HERE, HERE, 1), way_in("b", 103, 1, HERE, HERE + ":1"), way_out("c", 108, 1, HERE, HERE, 2)],
         {"user > a": 1, "a > b": 1, "a > c": 1}),  # b had answered
        ([way_in("a", 100, 10, HERE, "-"), way_out("b", 102, 6, HERE, HERE, 1), way_out("c", 104, 2, HERE, HERE, 2)],
         {"user > a": 1, "a > b": 1, "envoy > c": 1}),  # b may have asked c: no line of b came
    ]
    first = c.db
    for n, (said, wanted) in enumerate(cases):
        for order in (said, said[::-1]):
            c.db = "%s-%d-%d" % (first, n, order is said)
            c.start()
            good(c, "envoy_log", "".join(line(n) for line in order).encode())
            c.flush()
            found = {"%s > %s" % (caller, callee): calls for caller, callee, calls in c.sql("SELECT caller_service, callee_service, sum(calls) FROM edge_minute GROUP BY 1, 2")}
            assert found == wanted, (n, order is said, found)
            c.check_ledger()
            assert c.stop() == 0


def scene_a_line_of_the_callee_beside_a_span_of_the_caller(c):
    """Only `a` sends spans, and `b`'s sidecar writes lines, of an attempt that failed too: one call in either order, in one turn or two, and it keeps its span's
    times where that was counted first."""
    request_id, first, start = "101725ff-462f-9132-8f8e-c1526ce5a295", c.db, 1795428000000
    sidecar = {"component": "proxy", "node_id": "sidecar~10.0.0.1~a-0.default~default.svc.cluster.local", "guid:x-request-id": request_id}
    spans = [otlp_span("%032x" % 1, "%016x" % 1, "", "a.default", "op", 2, start, 50, upstream_cluster="inbound|80||", **sidecar),
             otlp_span("%032x" % 1, "%016x" % 2, "%016x" % 1, "a.default", "op", 3, start + 2, 40, upstream_cluster="outbound|80||b.default.svc.cluster.local",
                       **sidecar)]

    def line(at, ms, code):
        return json.dumps({"start_time": "2026-11-23T10:00:00.%03dZ" % at, "duration": ms, "method": "GET", "path": "/b", "response_code": code, "upstream_cluster": "inbound|80||",
                           "authority": "b.default", "request_id": request_id}) + "\n"
    n = 0
    for said, ms in ((line(3, 30, 200), 30), (line(3, 5, 503) + line(10, 25, 200), None)):
        for order in (0, 1):
            for turns in (False, True):
                n += 1
                c.db = "%s-%d" % (first, n)
                c.start()
                for what in (0, 1) if order else (1, 0):
                    if what:
                        assert c.post_otlp(otlp_body(spans), True)[0] == 200
                    else:
                        good(c, "envoy_log", said.encode())
                    if turns:
                        c.flush()
                c.flush()
                found = c.sql("SELECT caller_service, callee_service, sum(calls), sum(client_ns_sum) FROM edge_minute WHERE callee_service = 'b' GROUP BY 1, 2 HAVING sum(calls)")
                assert found == [("a", "b", 1, 40_000_000)], (said, order, turns, found)
                c.check_ledger()
                assert c.stop() == 0
