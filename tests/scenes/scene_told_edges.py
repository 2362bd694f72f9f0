"""Counters of proxies as edges: who is believed, what is taken back when spans come, resets and new series, Envoy's clusters."""
import gzip
import json
import os
import subprocess

import otlp as wire
import remote_write as rw
from lib import GOLDEN, otlp_body, otlp_span, wait_for
from stitching import INBOUND, Trace, otlp, out

STEP = 15000
EDGES = ("SELECT caller_service, callee_service, known_by, sum(calls), sum(errors), sum(client_errors) FROM edge_minute "
         "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")


def scrape(c, i, *pages):
    answer = rw.post(c, b"".join(pages))
    assert answer[0] == 204, (i, answer)


def scene_who_is_believed(c):
    """The callee's proxy, then the caller's; of the caller's besides what never arrived; 4xx, timeouts, clear text, users."""
    c.start()
    for i, at in enumerate((rw.T0, rw.T0 + STEP)):
        k = 10 * i

        def told(n, ms=20, **labels):
            return rw.calls(n * i, at, ms, **labels)
        scrape(c, i,
               # Both tell: the callee saw 100 and timed one out for the caller's sake; 7 never came to it.
               told(90, **rw.istio("front", "cart")), told(4, **rw.istio("front", "cart", code="404")), told(5, **rw.istio("front", "cart", code="500")),
               told(1, **rw.istio("front", "cart", code="0", flags="DC")),
               told(94, 30, **rw.istio("front", "cart", reporter="source")), told(5, **rw.istio("front", "cart", code="500", reporter="source")),
               told(1, **rw.istio("front", "cart", code="504", flags="UT", reporter="source")),
               told(7, **rw.istio("front", "", code="503", flags="UF,URX", reporter="source", destination_service="cart.default.svc.cluster.local",
                                  destination_service_name="cart", destination_service_namespace="default")),
               # Only one tells.
               told(20, 20000, **rw.istio("cart", "stock")), told(30, **rw.istio("cart", "rates", reporter="source")),
               # Clear text; a caller without a proxy; a host outside; nobody that could be named.
               told(8, **rw.istio("cart", "legacy", security="none")), told(40, **rw.istio("", "front", security="none")),
               told(3, **rw.istio("cart", "", reporter="source", destination_service="api.example.com", destination_service_name="PassthroughCluster")),
               told(9, **rw.istio("cart", "", reporter="source")),
               told(2, **rw.istio("front", "grpcd", grpc_response_status="14", request_protocol="grpc")), told(k, **{"reporter": "nobody"}),
               # What Envoy counts of a cluster besides says the same again.
               rw.one("envoy_cluster_upstream_rq", 100 * i, at, job="envoys", instance="front:15090", app="front", namespace="default", response_code="200",
                      cluster_name="outbound|80||cart.default.svc.cluster.local"))
    c.flush()
    assert c.sql(EDGES) == [
        ("cart", "api.example.com", "caller_only", 3, 0, 0), ("cart", "legacy", "callee_only", 8, 0, 0), ("cart", "rates", "caller_only", 30, 0, 0),
        ("cart", "stock", "callee_only", 20, 0, 0), ("front", "cart", "both", 100, 6, 4), ("front", "cart", "caller_only", 7, 7, 0),
        ("front", "grpcd", "callee_only", 2, 2, 0), ("user", "front", "entry", 40, 0, 0)], c.sql(EDGES)
    row = "SELECT protocol, crossing, connection_type, caller_version, callee_version, callee_namespace, callee_cluster, callee_role, mtls, plaintext, security_unknown, adjusted_calls"
    assert c.sql(row + " FROM edge_minute WHERE callee_service = 'cart' AND known_by = 'both'") == [
        ("http", "inside", "", "v1", "v1", "default", "Kubernetes", "workload", 100, 0, 0, 100.0)]
    assert c.sql(row + " FROM edge_minute WHERE callee_service = 'api.example.com'") == [
        ("http", "out", "virtual_node", "v1", "", "", "", "external", 0, 0, 3, 3.0)]
    # The caller's durations where there are any: 94 took 25 to 50 ms; the sums are of each side.
    histogram, client, server = c.sql("SELECT p50_ns, client_ns_sum, server_ns_sum FROM edge_minute WHERE callee_service = 'cart' AND known_by = 'both'")[0]
    assert 25e6 < histogram <= 53e6 and client == (94 * 30 + 6 * 20) * 10**6 and server == 100 * 20 * 10**6, (histogram, client, server)
    # Longer than the last bound.
    assert 10e9 < c.sql("SELECT p50_ns FROM edge_minute WHERE callee_service = 'stock'")[0][0] < 11.3e9
    assert c.sql("SELECT count(*) FROM edge_told WHERE teller = 2") == [(1,)]
    # Everything that asks edges sees them.
    window = "from=%d&to=%d" % (rw.T0 // 1000, rw.T0 // 1000 + 60)
    graph = c.api("graph?" + window)
    edges = sorted((e["calls"], e["known_by"], e["errors"], e["security"]["mtls"], e["unreached"]) for e in graph["edges"] if e["callee"].endswith("/cart"))
    assert edges == [(7, {"caller_only": 7}, 7, 0, 7), (100, {"both": 100}, 6, 100, 0)], edges
    items = {i["callee"]["service"]: i for i in c.api("security?" + window)["items"]}
    assert items["legacy"]["violation"] and items["legacy"]["plaintext"] == 8 and not items["cart"]["violation"], items
    check = subprocess.run([c.program, "graph", "--db", c.db, "--check", "--from", str(rw.T0 // 1000), "--to", str(rw.T0 // 1000 + 60)], capture_output=True, text=True)
    assert check.returncode == 1 and "legacy" in check.stdout, check
    assert {s for s, in c.sql("SELECT service FROM service")} >= {"front", "cart", "stock", "legacy"}
    assert ("legacy", ) in c.sql("SELECT callee_service FROM edge_event WHERE kind = 'first_plaintext'")
    # Counters of the service graph are of traces alone: Prometheus has the others already.
    assert c.counter("traces_service_graph_request_total") == 0
    c.check_ledger()


def call_by_span(i, at, failed=False):
    """front calls cart, told by the callee's span alone, in the namespaces of Istio's labels."""
    trace = "%032x" % (0xabc0 + i)
    service, span = otlp_span(trace, "%016x" % 1, service="front", kind=3, start=at, status=2 if failed else 0)
    other, below = otlp_span(trace, "%016x" % 2, "%016x" % 1, service="cart", kind=2, start=at + 1, ms=5)
    return [(service, span), (other, below)]


def by_minute(c, callee="cart"):
    return c.sql("SELECT minute_ns / 60000000000 - %d, known_by, sum(calls), sum(mtls) FROM edge_minute WHERE caller_service = 'front' AND callee_service = ? "
                 "GROUP BY 1, 2 ORDER BY 1, 2" % (rw.T0 // 60000), callee)


def scene_spans_win(c):
    """In a minute in which spans tell of an edge its counters count nothing, whichever came first; other minutes and edges stay."""
    c.start()

    def page(i):
        at = rw.T0 + 5000 + STEP * i
        return rw.calls(10 * i, at, 20, **rw.istio("front", "cart")) + rw.calls(20 * i, at, 20, **rw.istio("front", "stock"))
    for i in range(13):  # 5 s, 20 s … 185 s
        scrape(c, i, page(i))
    c.flush()
    # Ten between two samples; of those across a minute's end six lie before it, by time.
    assert [(m, n) for m, _, n, _ in by_minute(c)] == [(0, 36), (1, 40), (2, 40), (3, 4)], by_minute(c)
    # Spans of the second minute: of those beside it goes what may lie in it.
    assert c.post_otlp(otlp_body(call_by_span(1, rw.T0 + 61_000)), True)[0] == 200
    c.flush()
    assert by_minute(c) == [(0, "callee_only", 30, 30), (1, "both", 1, 0), (2, "callee_only", 36, 36), (3, "callee_only", 4, 4)], by_minute(c)
    assert [n for _, _, n, _ in by_minute(c, "stock")] == [73, 80, 80, 7]
    # More of both in that minute, the other way round; a restart in between.
    c.stop()
    c.start()
    scrape(c, 13, page(13))
    assert c.post_otlp(otlp_body(call_by_span(2, rw.T0 + 62_000)), True)[0] == 200
    scrape(c, 14, page(14))
    c.flush()
    assert by_minute(c) == [(0, "callee_only", 30, 30), (1, "both", 2, 0), (2, "callee_only", 36, 36), (3, "callee_only", 24, 24)], by_minute(c)
    assert c.sql("SELECT sum(calls) FROM edge_told_minute JOIN edge_told t ON t.id = told JOIN node n ON n.id = callee JOIN name s ON "
                                      "s.id = n.service WHERE s.text = 'cart'") == [(140,)]
    c.check_ledger()


def scene_ways_through_a_gateway(c):
    """Spans tell of a call through a gateway as one edge; its proxies count the way to it and the way from it."""
    c.start()
    gateway = "istio-ingressgateway"
    for i in (0, 1):
        scrape(c, i, *(rw.calls(5 * i, rw.T0 + 20000 * i, 20, **rw.istio(a, b, **{side + "_workload_namespace": "istio-system"}))
                       for a, b, side in (("a", gateway, "destination"), (gateway, "b", "source"), (gateway, "c", "source"))))
    c.flush()
    assert [row[:2] for row in c.sql(EDGES)] == [("a", gateway), (gateway, "b"), (gateway, "c")], c.sql(EDGES)
    t, at = Trace(1), 41_000  # a second after T0
    a = t.proxy("a", "server", at, 100, None, upstream=INBOUND, cluster="Kubernetes")
    o = t.proxy("a", "client", at + 1, 90, a, upstream="outbound|443||shop.example.com", cluster="Kubernetes")
    g = t.proxy(gateway, "server", at + 4, 80, o, role="gateway", upstream=out("b"), cluster="Kubernetes", namespace="istio-system")
    g = t.proxy(gateway, "client", at + 5, 76, g, role="gateway", upstream=out("b"), cluster="Kubernetes", namespace="istio-system", path="")
    t.proxy("b", "server", at + 8, 70, g, upstream=INBOUND, cluster="Kubernetes")
    assert c.post_otlp(otlp(t.spans), True)[0] == 200
    c.flush()
    assert c.sql("SELECT caller_service, callee_service, via, calls FROM edge_minute ORDER BY 1, 2") == [
        ("a", "b", gateway, 1), (gateway, "c", "", 5), ("user", "a", "", 1)], c.sql("SELECT * FROM edge_minute")
    c.check_ledger()


def scene_counters(c):
    """Resets, series that begin, series that rest, samples out of order and twice, gaps over minutes: no call is lost, none counted twice."""
    c.start()
    ok, bad = rw.istio("front", "cart"), rw.istio("front", "cart", code="503")

    def total():
        c.flush()
        rows = c.sql("SELECT sum(calls), sum(errors) FROM edge_minute")
        return rows[0]
    scrape(c, 0, rw.calls(1000, rw.T0, **ok))
    assert total() == (None, None)  # what was before is nobody's
    scrape(c, 1, rw.calls(1010, rw.T0 + STEP, **ok), rw.calls(3, rw.T0 + STEP, **bad))  # its target was scraped without it: from 0
    assert total() == (13, 3)
    scrape(c, 1, rw.calls(1010, rw.T0 + STEP, **ok), rw.calls(3, rw.T0 + STEP, **bad))
    assert total() == (13, 3)
    scrape(c, 2, rw.calls(4, rw.T0 + 2 * STEP, **ok), rw.calls(3, rw.T0 + 2 * STEP, **bad))  # began again at 0
    assert total() == (17, 3)
    stale = rw.series({"__name__": "istio_requests_total", **ok}, rw.stale(rw.T0 + 3 * STEP))
    scrape(c, 3, stale)
    scrape(c, 4, rw.calls(9, rw.T0 + 4 * STEP, **ok))
    assert total() == (22, 3)
    scrape(c, 3, rw.calls(6, rw.T0 + 3 * STEP + 5000, **ok))  # between two that are counted
    assert total() == (22, 3)
    c.kill()
    c.start()
    scrape(c, 3, rw.calls(5, rw.T0 + 3 * STEP + 2000, **ok))  # the first after a restart
    scrape(c, 20, rw.calls(69, rw.T0 + 20 * STEP, **ok))  # after four minutes: each has its share
    assert total() == (82, 3)
    assert c.sql("SELECT minute_ns / 60000000000 - %d, sum(calls) FROM edge_minute GROUP BY 1" % (rw.T0 // 60000)) == [(0, 22), (1, 15), (2, 15), (3, 15), (4, 15)]
    # Another target is another counter of the same edge; a new target's first value says nothing.
    other = {**ok, "instance": "cart-2:15090"}
    scrape(c, 21, rw.calls(500, rw.T0 + 21 * STEP, **other))
    assert total() == (82, 3)
    scrape(c, 22, rw.calls(505, rw.T0 + 22 * STEP, **other), rw.calls(69, rw.T0 + 22 * STEP, **ok))
    assert total() == (87, 3)
    # Retention takes the points, and with them what a counter was: that it is new does not mean that it began at 0.
    c.stop()
    c.age_points()
    c.start(store__retention="1h")
    wait_for(lambda: c.sql("SELECT count(*) FROM metric_series") == [(0,)], 60, "no series left")
    scrape(c, 23, rw.calls(600, rw.T0 + 23 * STEP, **other))
    assert total() == (87, 3)
    scrape(c, 24, rw.calls(602, rw.T0 + 24 * STEP, **other))
    assert total() == (89, 3)
    # After two hours: the last sixty minutes have it all, and of each it is said that the samples lie outside.
    scrape(c, 504, rw.calls(1082, rw.T0 + 504 * STEP, **other))
    assert total() == (569, 3)
    first = rw.T0 // 60000
    assert c.sql("SELECT wide, count(*), min(minute) - %d, max(minute) - %d FROM edge_told_minute WHERE minute > %d GROUP BY 1" % (first, first, first + 10)) == [
        (1, 1, 125, 125), (3, 59, 66, 124)]
    c.check_ledger()


def scene_envoy_clusters(c):
    """Statistics of an Envoy as it wrote them for Prometheus, under both rules for tags, scraped twice: the second time all is twice as much."""
    for name, host in (("stats_reviews.prom.gz", "envoy"), ("stats_reviews_istio_tags.prom.gz", "istio")):
        c.start()
        page = gzip.open(os.path.join(GOLDEN, "envoy", name)).read().decode()
        for times in (1, 2):
            body = b""
            for line in page.splitlines():
                if line.startswith("#") or not line.strip():
                    continue
                metric, value = line.rsplit(" ", 1)
                label_text = metric.partition("{")[2].rstrip("}")
                labels = dict(p.split("=", 1) for p in label_text.replace('",', '"\n').splitlines() if p)
                labels = {k: json.loads(v) for k, v in labels.items()}
                body += rw.one(metric.partition("{")[0], float(value) * times, rw.T0 + STEP * times, job="envoys", instance="reviews:15090", app="reviews",
                               namespace="default", version="v1", **labels)
            assert rw.post(c, body)[0] == 204
        c.flush()
        rows = c.sql("SELECT caller_service, caller_version, callee_service, callee_namespace, known_by, sum(calls), sum(errors), sum(retries), "
                     "max(p50_ns) > 0 FROM edge_minute GROUP BY 1, 2, 3, 4, 5 ORDER BY 3")
        assert rows == ENVOY[host], (host, rows)
        c.check_ledger()
        c.stop()
        os.remove(c.db)



BOUNDS = [0.5, 1, 5, 10, 25, 50, 100]
SUB = {"envoy.cluster_name": "outbound|80|v2|cart"}


def flush_of(i, delta, service, reset=0):
    """A flush of an Envoy's OTLP sink, the i-th, 3 s after a whole minute: in each the same came, from the fifth on slower."""
    since = i if delta else reset
    n, at = i + 1 - since, rw.T0 * 10**6 + i * 15 * 10**9 + 3 * 10**9
    temporality, torn = 1 if delta else 2, "cluster.default.svc.cluster.local."
    slow = max(0, i - max(3, since - 1))
    counts = [k * (n - slow) for k in (0, 2, 6, 12, 0, 0, 0, 0)]
    counts[5] += 20 * slow
    took = 200.0 * (n - slow) + 800 * slow

    def number(name, value, **attributes):
        return wire.metric_json(name, wire.SUM, [wire.number_json(value * n, at=at, **attributes)], temporality=temporality)
    metrics = [number(torn + "upstream_rq", 16, **SUB, **{"envoy.response_code": "200"}), number(torn + "upstream_rq", 4, **SUB, **{"envoy.response_code": "503"}),
               number(torn + "upstream_rq_xx", 16, **SUB, **{"envoy.response_code_class": "2"}), number(torn + "upstream_rq_total", 20, **SUB),
               number(torn + "external.upstream_rq", 16, **SUB, **{"envoy.response_code": "200"}), number(torn + "upstream_rq_retry", 2, **SUB),
               number(torn + "retry.upstream_rq", 2, **SUB, **{"envoy.response_code": "503"}),
               number("cluster.upstream_rq", 20, **{"envoy.cluster_name": "inbound|80||", "envoy.response_code": "200"}),
               number("cluster.upstream_rq", 20, **{"envoy.cluster_name": "xds-grpc", "envoy.response_code": "200"}),
               wire.metric_json(torn + "upstream_rq_time", wire.HISTOGRAM, [wire.histogram_json(counts, BOUNDS, took, at=at, **SUB)], temporality=temporality)]
    return wire.request_json("Metrics", metrics, service)


def scene_the_sink_of_an_envoy(c):
    """Its own names over OTLP, growing or as differences, are the same edges; a restart on either side; who is not named tells of none."""
    for delta in (False, True):
        c.start()
        for i in range(8):
            if i == 4:
                c.flush()
                c.kill()
                c.start()
            for service in ("front", "web", "unknown_service:envoy"):
                status, text, _ = c.request(c.otlp, "POST", "/v1/metrics", flush_of(i, delta, service, 6 if service == "web" and i > 5 else 0), {"Content-Type": "application/json"})
                assert status == 200, text
        c.flush()
        n = 8 if delta else 7  # what the first says of a counter that grows is older
        rows = c.sql("SELECT caller_service, callee_namespace, callee_service, callee_version, known_by, sum(calls), sum(errors), sum(retries), sum(client_ns_sum) "
                     "FROM edge_minute GROUP BY 1, 2, 3, 4, 5 ORDER BY 1")
        assert rows == [(who, "default", "cart", "v2", "caller_only", 20 * n, 4 * n, 2 * n, (200 * (n - 4) + 800 * 4) * 10**6) for who in ("front", "web")], (delta, rows)
        # Of each 20: two up to 1 ms, six to 5, twelve to 10; then all to 50.
        minutes = c.sql("SELECT calls, p50_ns, p95_ns, max_ns FROM edge_minute WHERE caller_service = 'front' ORDER BY minute_ns")
        assert sum(m[0] for m in minutes) == 20 * n and len(minutes) == 2, minutes
        assert 5e6 < minutes[0][1] <= 11e6 and 25e6 < minutes[1][1] <= minutes[1][2] <= minutes[1][3] <= 57e6, minutes
        c.check_ledger()
        c.stop()
        os.remove(c.db)


# caller, its version, callee, its namespace, known_by, calls, errors, retries, is there a median: two runs of the mesh
ENVOY = {"envoy": [("reviews", "v1", "otlp_collector", "", "caller_only", 27, 0, 0, 1), ("reviews", "v1", "ratings", "default", "caller_only", 43, 19, 6, 1)],
         "istio": [("reviews", "v1", "otlp_collector", "", "caller_only", 25, 0, 0, 1), ("reviews", "v1", "ratings", "default", "caller_only", 22, 4, 2, 1)]}
