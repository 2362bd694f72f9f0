"""What real senders did, some of it only now and then (scene_envoy.py and scene_sdk.py found it), put down span by span."""
import json
import time

from lib import frames, otlp_body, otlp_span

TRACE = "0af7651916cd43dd8448eb211c80319c"
NODES = {"gateway": "router~10.0.0.1~gateway-1.istio-system~istio-system.svc.cluster.local",
         "shop": "sidecar~10.0.0.2~shop-1.default~default.svc.cluster.local",
         "stock": "sidecar~10.0.0.3~stock-1.default~default.svc.cluster.local"}
OUT, IN = "outbound|9080||%s.default.svc.cluster.local", "inbound|9080||"


def span(number, parent, service, kind, upstream, start, ms, status, **attrs):
    """A proxy's span as Envoy's tracer writes it; kind 2 is server, 3 client."""
    name = "router %s egress" % upstream if kind == 3 and "http__url" not in attrs else service + ".default.svc.cluster.local:9080/*"
    return otlp_span(TRACE, "%016x" % number, parent and "%016x" % parent, service, name, kind, 1_700_000_000_000 + start, ms,
                     component="proxy", node_id=NODES[service], upstream_cluster=upstream, http__status_code=status, **attrs)


def stitched(c, spans):
    c.start()
    assert c.post_otlp(otlp_body(spans), True)[0] == 200
    c.flush()
    c.check_ledger()


def scene_a_gateway_that_closes_its_inner_span_late_only_carries(c):
    stitched(c, [
        span(1, None, "gateway", 2, OUT % "shop", 0, 10, 500, http__url="http://shop.example/"),
        span(2, 1, "gateway", 3, OUT % "shop", 0.1, 14, 500),
        span(3, 2, "shop", 2, IN, 1, 8, 500, http__url="http://shop.example/")])
    assert c.sql("SELECT caller_service, callee_service, errors, errors_origin FROM edge_minute ORDER BY 1 DESC") == [
        ("user", "gateway", 1, 0), ("gateway", "shop", 1, 1)]
    assert c.sql("SELECT origin_service FROM trace") == [("shop",)]


def scene_attempts_are_recovered_only_where_the_last_one_succeeds(c):
    def attempts(first, last_status):
        url = {"http__url": "http://stock:9080/stock"}
        call = span(first, 1, "shop", 3, OUT % "stock", 1, 40, last_status, **url)
        return [call] + [span(first + i, first, "stock", 2, IN, 2 + 10 * i, 5, status, **url)
                         for i, status in ((1, 503), (2, 503), (3, last_status))]
    stitched(c, [span(1, None, "shop", 2, IN, 0, 100, 500, http__url="http://shop/")] + attempts(0x10, 503))
    marks = "SELECT fault, count(*) FROM span WHERE service = 'stock' GROUP BY 1 ORDER BY 1"
    assert c.sql(marks) == [("origin", 3)]
    c.stop()
    c.sets["store.path"] = c.db = c.db + "2"
    stitched(c, [span(1, None, "shop", 2, IN, 0, 100, 200, http__url="http://shop/")] + attempts(0x10, 200))
    assert c.sql(marks) == [("", 1), ("recovered", 2)]
    assert c.sql("SELECT retries, recovered, errors FROM edge_minute WHERE callee_service = 'stock'") == [(2, 1, 0)]


def scene_an_unreached_callee_has_the_operation_of_the_request_not_of_the_attempt(c):
    """With a span for every attempt, only the proxy's outer span has the URL and the flags of the whole."""
    attempt = {"error": "true", "response_flags": "UF"}
    stitched(c, [
        span(1, None, "shop", 2, IN, 0, 100, 500, http__url="http://shop/", http__method="GET"),
        span(2, 1, "shop", 2, OUT % "stock", 1, 90, 503, http__url="http://stock:9080/stock/7", http__method="GET",
             response_flags="URX,UF"),
        span(3, 2, "shop", 3, OUT % "stock", 2, 1, 0, **attempt),
        span(4, 2, "shop", 3, OUT % "stock", 40, 1, 0, retry__count=1, **attempt)])
    assert c.sql("SELECT origin_service, origin_operation, origin_reason FROM trace") == [("stock", "GET /stock/{}", "URX,UF")]
    assert c.sql("SELECT retries, errors_origin FROM edge_minute WHERE callee_service = 'stock'") == [(1, 1)]


def scene_a_timeout_is_named_where_only_the_outer_span_knows_it(c):
    stitched(c, [
        span(1, None, "shop", 2, IN, 0, 500, 500, http__url="http://shop/", http__method="GET"),
        span(2, 1, "shop", 2, OUT % "stock", 1, 400, 504, http__url="http://stock:9080/stock/7", http__method="GET",
             response_flags="UT"),
        span(3, 2, "shop", 3, OUT % "stock", 2, 398, 0, error="true")])
    assert c.sql("SELECT origin_service, origin_operation, origin_reason FROM trace") == [("stock", "GET /stock/{}", "UT")]


def scene_who_used_the_time_of_a_server_span_that_ended_with_its_connection(c):
    """The caller gives up after 300 ms; the callee's SDK ends the server's span then, a hair before the caller's, its query later."""
    stitched(c, [
        otlp_span(TRACE, "00000000000000a1", None, "front", kind=2, ms=302, status=2, http__response__status_code=502),
        otlp_span(TRACE, "00000000000000a2", "00000000000000a1", "front", kind=3, ms=301.9, status=2),
        otlp_span(TRACE, "00000000000000b1", "00000000000000a2", "shop", kind=2, ms=301.8),
        otlp_span(TRACE, "00000000000000b2", "00000000000000b1", "shop", kind=3, ms=900, db__system="postgresql", db__name="stock")])
    assert c.sql("SELECT origin_service FROM trace") == [("stock",)]
    assert c.sql("SELECT callee_service, errors, errors_origin FROM edge_minute ORDER BY 1") == [
        ("front", 1, 0), ("shop", 1, 1), ("stock", 0, 0)]


def scene_a_zipkin_span_of_envoy_ends_where_its_annotation_says(c):
    """From a sidecar on a busy machine, in microseconds: the duration of the server span misses the first 1.6 ms, in which its
    stream had begun and the span was not made yet."""
    def zipkin(number, parent, kind, start, duration, ended, status):
        return {"traceId": TRACE, "id": "%016x" % number, "kind": kind, "name": "reviews", "timestamp": 1_700_000_000_000_000 + start,
                "duration": duration, "localEndpoint": {"serviceName": "shop"}, **({"parentId": "%016x" % parent} if parent else {}),
                "annotations": [{"timestamp": 1_700_000_000_000_000 + ended, "value": "ss" if kind == "SERVER" else "cr"}],
                "tags": {"component": "proxy", "node_id": NODES["shop"], "upstream_cluster": IN if kind == "SERVER" else OUT % "stock",
                         "http.status_code": str(status)}}
    c.start()
    body = json.dumps([zipkin(1, None, "SERVER", 5118, 2784, 9530, 502), zipkin(2, 1, "CLIENT", 8036, 1281, 9316, 500)])
    assert c.post_zipkin(body)[0] == 202
    c.flush()
    c.check_ledger()
    assert c.sql("SELECT start_ns, duration_ns FROM span WHERE kind = 'server'") == [(1_700_000_000_005_118_000, 4_412_000)]
    assert c.sql("SELECT callee_service, errors_origin FROM edge_minute ORDER BY 1") == [("shop", 0), ("stock", 1)]


def scene_a_trace_is_cut_twice_before_it_is_stored(c):
    """A span that comes between the end of its trace and the commit, then a flush at once: both are there, once (found by kills under load).
    Another trace that never rests keeps turns open, so that both cuts fall into one."""
    c.start(stitch__trace_idle="100ms")
    end, numbers = time.monotonic() + 60, iter(range(1, 1 << 20))

    def post(trace, number, parent=None):
        assert c.post_otlp(otlp_body([otlp_span("%032x" % trace, "%016x" % number, parent)]), True)[0] == 200

    for i in range(10):
        for _ in range(4 * i):
            post(999, next(numbers))
        post(i + 1, 1)
        before = c.counter("faultline_stitch_cut_total")
        while c.counter("faultline_stitch_cut_total") == before:
            post(999, next(numbers))
            assert time.monotonic() < end, "no first cut"
        post(i + 1, 2, "%016x" % 1)
        c.flush()
        c.check_ledger()
        assert c.sql("SELECT count(*), count(DISTINCT span_id) FROM span WHERE trace_id = ?", "%032x" % (i + 1)) == [(2, 2)]
    assert "store_rolled_back" not in c.said()


def scene_ids_of_envoy_s_zipkin_protobuf_are_turned_round(c):
    """Envoy writes the ids of spans there, but not of traces, in the byte order of its machine: headers, and so everybody else, have them the other
    way round. What an application behind it sends as JSON, and what that calls through the proxy, belongs to the same tree."""
    turned = lambda id_: bytes.fromhex(id_)[::-1].hex()  # noqa: E731
    c.start()
    for body in frames("zipkin_pb"):
        assert c.request(c.zipkin, "POST", "/api/v2/spans", body, {"Content-Type": "application/x-protobuf"})[0] == 202
    c.flush()
    trace, above, start, ns, beneath = c.sql(
        "SELECT i.trace_id, i.span_id, i.start_ns, i.duration_ns, o.span_id FROM span i JOIN span o ON o.trace_id = i.trace_id AND o.parent_span_id = i.span_id "
        "WHERE i.service = 'reviews' AND i.kind = 'server' AND o.service = 'reviews' AND i.status != 'error' ORDER BY 1 LIMIT 1")[0]
    before = c.sql("SELECT caller_service, callee_service, sum(calls) FROM edge_minute GROUP BY 1, 2 ORDER BY 1, 2")
    own = {"traceId": trace, "id": "00000000000000a1", "parentId": turned(above), "kind": "SERVER", "name": "get", "timestamp": start // 1000 + 1,
           "duration": ns // 1000 - 2, "localEndpoint": {"serviceName": "reviews"}}
    assert c.post_zipkin(json.dumps([own]))[0] == 202
    c.flush()
    assert c.sql("SELECT parts, complete FROM trace WHERE trace_id = ?", trace) == [(1, 1)]
    assert c.sql("SELECT caller_service, callee_service, sum(calls) FROM edge_minute GROUP BY 1, 2 ORDER BY 1, 2") == before
    assert c.sql("SELECT sum(orphan) FROM ingest_minute") == [(0,)]
    spans = {s["span_id"]: s for s in c.api("traces/" + trace)["spans"]}
    assert spans["00000000000000a1"]["service"] == "reviews" and beneath in spans
    c.check_ledger()
