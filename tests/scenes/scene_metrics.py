"""OTLP metrics by every way in: series, points, histograms that answer quantiles, what is refused, what is resent, kills, bounds."""
import gzip
import json
import os
import subprocess

import otlp
from h2raw import Peer, head, message
from lib import golden, wait_for
from otlp import AT, EXPONENTIAL, GAUGE, HISTOGRAM, SUM, SUMMARY

EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
POINTS = "SELECT name, type, unit, json_extract(attributes, '$.route'), at_ns, value, count, sum FROM metric_point JOIN metric_series USING (series_id) ORDER BY name, 4, at_ns"

# What both spellings say: (name, kind, unit, [(protobuf, JSON)])
MADE = [
    ("temperature", GAUGE, "Cel", [(otlp.number_pb, otlp.number_json, (21.5,), {"route": "/a"}), (otlp.number_pb, otlp.number_json, (-3,), {"route": "/b"})]),
    ("requests", SUM, "{request}", [(otlp.number_pb, otlp.number_json, (2**53 + 1,), {"route": "/a"})]),
    ("latency", HISTOGRAM, "s", [(otlp.histogram_pb, otlp.histogram_json, ([50, 40, 10, 0], [0.1, 0.5, 1.0], 25.0), {"route": "/a"})]),
    ("sizes", HISTOGRAM, "By", [(otlp.histogram_pb, otlp.histogram_json, ([0, 8, 2], [1000.0, 2000.0], 14000.0), {"route": "/a"})]),
    ("span", EXPONENTIAL, "ms", [(otlp.exponential_pb, otlp.exponential_json, (0, 3, [4, 0, 4], 2, 200.0), {"route": "/a"})]),
    ("old", SUMMARY, "ms", [(otlp.summary_pb, otlp.summary_json, (100, 900.0, [(0.5, 8.0), (0.99, 32.0)]), {"route": "/a"})]),
]
EXPECTED = [("latency", "histogram", "s", "/a", AT, None, 100, 25.0), ("old", "summary", "ms", "/a", AT, None, 100, 900.0),
            ("requests", "sum", "{request}", "/a", AT, 2**53 + 1, None, None), ("sizes", "histogram", "By", "/a", AT, None, 10, 14000.0),
            ("span", "exponential_histogram", "ms", "/a", AT, None, 10, 200.0), ("temperature", "gauge", "Cel", "/a", AT, 21.5, None, None),
            ("temperature", "gauge", "Cel", "/b", AT, -3, None, None)]


def made_pb(**more):
    return otlp.request_pb([otlp.metric_pb(name, kind, [pb(*a, **k, **more) for pb, _, a, k in points], unit) for name, kind, unit, points in MADE])


def made_json(**more):
    return otlp.request_json("Metrics", [otlp.metric_json(name, kind, [js(*a, **k, **more) for _, js, a, k in points], unit) for name, kind, unit, points in MADE])


def post(c, body, json_body=False, **headers):
    kind = "application/json" if json_body else "application/x-protobuf"
    return c.request(c.otlp, "POST", "/v1/metrics", body, {"Content-Type": kind, **headers})


def quantile(c, name, q):
    done = subprocess.run([c.program, "sql", "--db", c.db, "--format", "json", "SELECT histogram_quantile(histogram, %s) AS q FROM metric_point JOIN "
                           "metric_series USING (series_id) WHERE name = '%s'" % (q, name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)[0]["q"]


def about(found, wanted):
    assert wanted * 0.98 <= found <= wanted * 1.13, (found, wanted)
    return True


def expect_made(c):
    assert c.sql(POINTS) == EXPECTED, c.sql(POINTS)
    for name, q, wanted in (("latency", 0.25, 50e6), ("latency", 0.5, 100e6), ("latency", 0.7, 300e6), ("latency", 0.9, 500e6), ("latency", 0.95, 750e6),
                            ("latency", 1, 1e9), ("sizes", 0.5, 1625), ("sizes", 0.99, 2000), ("span", 0.6, 16e6), ("span", 1, 64e6),
                            ("old", 0.5, 8e6), ("old", 0.99, 32e6)):
        assert about(quantile(c, name, q), wanted), (name, q)
    assert quantile(c, "span", 0.1) == 0 and quantile(c, "temperature", 0.5) is None
    resource, attributes = c.sql("SELECT resource, attributes FROM metric_series WHERE name = 'latency'")[0]
    assert json.loads(resource) == {"service.name": "cart"} and json.loads(attributes) == {"route": "/a"}
    assert c.sql("SELECT DISTINCT at FROM metric_point") == [("2023-11-14T22:13:20.000000000Z",)]


def scene_every_kind_by_every_way(c):
    """The same points as protobuf, JSON, gRPC, gzip: stored once, the same in all databases, and again after a restart."""
    c.start()
    assert post(c, made_pb())[:2] == (200, b"")
    c.flush()
    expect_made(c)
    for _ in range(2):
        assert post(c, made_json(), True)[:2] == (200, b"{}")
        assert post(c, gzip.compress(made_pb()), **{"Content-Encoding": "gzip"})[0] == 200
        with Peer(c.grpc) as peer:
            answer = peer.ask(message(made_pb()), head(EXPORT))
            assert answer.status == 0 and answer.data == message(b""), answer.headers
        c.flush()
        c.stop()
        c.start()
    expect_made(c)
    c.check_ledger()
    n = len(EXPECTED)
    assert c.sql("SELECT format, transport, received, duplicate, stored FROM (SELECT format, transport, sum(received) AS received, sum(duplicate) AS duplicate, "
                 "sum(stored) AS stored FROM ingest_minute GROUP BY 1, 2) ORDER BY 1, 2") == [
        ("otlp_json", "http", 2 * n, 2 * n, 0), ("otlp_pb", "grpc", 2 * n, 2 * n, 0), ("otlp_pb", "http", 3 * n, 2 * n, n)]
    post(c, made_pb())
    post(c, made_pb(at=AT + 1))
    c.flush()
    assert c.counter("faultline_ingest_records_total", format="otlp_pb", transport="http", outcome="accepted") == n
    assert c.counter("faultline_ingest_records_total", format="otlp_pb", transport="http", outcome="duplicate") == n
    for body, name in ((made_pb(), "pb"), (made_json(), "json")):
        db = os.path.join(c.folder, name + ".db")
        path = os.path.join(c.folder, name)
        with open(path, "wb") as f:
            f.write(body)
        done = json.loads(subprocess.run([c.program, "replay", path, "--db", db], capture_output=True, text=True, check=True).stdout)
        assert done["accepted"] == n, done
        c.db = db
        expect_made(c)


def scene_real_payloads(c):
    """What the OpenTelemetry SDK and Envoy sent; protobuf and JSON of one run name the same series."""
    c.start()
    for kind, suffix in (("proto", "bin"), ("json", "json")):
        for side in ("frontend", "backend"):
            assert post(c, golden("otel_js", kind, "metrics.%s.%s" % (side, suffix)), kind == "json")[0] == 200
    assert post(c, golden("envoy", "otlp_metrics.bin"))[0] == 200
    c.flush()
    durations = c.sql("SELECT json_extract(resource, '$.\"service.name\"'), count(DISTINCT series_id), count(*), sum(count) FROM metric_series JOIN metric_point "
                      "USING (series_id) WHERE name = 'http.server.request.duration' AND unit = 's' AND type = 'histogram' GROUP BY 1 ORDER BY 1")
    assert len(durations) == 2 and all(n == 2 * series for _, series, n, _ in durations), durations
    envoy = dict(c.sql("SELECT type, count(*) FROM metric_series WHERE resource LIKE '%\"envoy\"%' GROUP BY 1"))
    assert sum(envoy.values()) == 149 and set(envoy) == {"gauge", "sum", "histogram"}, envoy
    assert c.sql("SELECT value FROM metric_series JOIN metric_point USING (series_id) WHERE name = 'server.live'") == [(1,)]
    assert 0 < quantile(c, "http.server.request.duration", 0.5) < 10**9
    c.check_ledger()


def scene_spellings(c):
    """Unpacked arrays, points before the name, attributes in another order, words for enums, numbers as texts, no value."""
    c.start()
    point = otlp.histogram_pb([5, 5], [1.0], 4.0, packed=False)
    name_last = otlp.field(HISTOGRAM, otlp.field(1, point) + otlp.number(2, 1)) + otlp.field(1, "late name") + otlp.field(3, "s")
    two = otlp.fixed(3, AT) + otlp.fixed(6, 9) + otlp.attribute("b", "2", 7) + otlp.attribute("a", "1", 7)
    other = otlp.fixed(3, AT) + otlp.fixed(6, 9) + otlp.attribute("a", "1", 7) + otlp.attribute("b", "2", 7)
    body = otlp.request_pb([name_last, otlp.metric_pb("order", SUM, [two, other]), otlp.metric_pb("stale", GAUGE, [otlp.number_pb(5, flags=1)]),
                            otlp.metric_pb("delta", SUM, [otlp.number_pb(5)], temporality=1), otlp.metric_pb("delta", SUM, [otlp.number_pb(5)], temporality=2),
                            otlp.metric_pb("nan", GAUGE, [otlp.number_pb(float("nan")), otlp.number_pb(float("inf"), x="1")]), otlp.field(1, "nothing in it")])
    assert post(c, body)[0] == 200
    words = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"sum": {"dataPoints": [{"asInt": 3, "timeUnixNano": AT}, {"asDouble": "NaN", "timeUnixNano": str(AT + 1)}], "isMonotonic": True,
                 "aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA"}, "name": "words", "unknown": [1, {}]}], "scope": {"name": "late"}}], "resource": None}]}
    assert post(c, json.dumps(words), True)[:2] == (200, b"{}")
    c.flush()
    rows = c.sql("SELECT name, value, count FROM metric_series JOIN metric_point USING (series_id) ORDER BY name, at_ns, value")
    assert rows == [("delta", 5, None), ("delta", 5, None), ("late name", None, 10), ("nan", None, None), ("nan", float("inf"), None), ("order", 9, None),
                    ("stale", None, None), ("words", 3, None), ("words", None, None)], rows
    assert about(quantile(c, "late name", 0.5), 1e9)
    assert c.sql("SELECT sum(duplicate) FROM ingest_minute") == [(1,)]
    c.check_ledger()


def scene_points_are_refused_alone(c):
    """A point that contradicts itself is counted and named, the others are stored."""
    c.start()
    good = otlp.metric_pb("good", GAUGE, [otlp.number_pb(1)])
    bad = [otlp.metric_pb("h", HISTOGRAM, [otlp.histogram_pb([1, 2], [1.0, 2.0], 3.0)]), otlp.metric_pb("h", HISTOGRAM, [otlp.histogram_pb([1, 2, 3], [2.0, 1.0], 3.0)]),
           otlp.metric_pb("", GAUGE, [otlp.number_pb(1), otlp.number_pb(2)]),
           otlp.metric_pb("many", EXPONENTIAL, [otlp.exponential_pb(0, 0, [1] * 16385, 0, 1.0)])]
    status, text, headers = post(c, otlp.request_pb([good] + bad))
    partial = otlp.read_fields(otlp.read_fields(text)[1][0])
    assert status == 200 and partial[1] == [5] and b"point 2: there must be one bucket count more than bounds" in partial[2][0], (status, text)
    status, text, _ = post(c, otlp.request_json("Metrics", [otlp.metric_json("h", HISTOGRAM, [otlp.histogram_json([1], [1.0], 1.0)])]), True)
    answer = json.loads(text)["partialSuccess"]
    assert status == 200 and answer["rejectedDataPoints"] == "1" and "bounds" in answer["errorMessage"], text
    c.flush()
    assert c.sql("SELECT name FROM metric_series") == [("good",)] and c.sql("SELECT sum(rejected), sum(stored) FROM ingest_minute") == [(6, 1)]
    c.check_ledger()


def nested(depth):
    value = b""
    for _ in range(depth - 1):
        value = otlp.field(5, otlp.field(1, value))
    return otlp.field(1, "k") + otlp.field(2, value)


def scene_bodies(c):
    """Types, packing, size, depth: the answers of traces, on the path of metrics."""
    c.start(receive__max_decoded="4MiB", receive__max_body="4MiB")
    empty_points = otlp.request_pb([otlp.field(1, "n") + otlp.field(GAUGE, b"\x0a\x00" * 60000)])
    deep = lambda n: otlp.request_pb([otlp.metric_pb("deep", GAUGE, [otlp.number_pb(1) + otlp.field(7, nested(n))])])
    rows = [("text/plain", "", b"", 415), ("", "", b"", 415), ("application/json", "", b"", 400), ("application/json", "", b"{}{}", 400),
            ("application/json", "", made_pb(), 400), ("application/x-protobuf", "", made_json(), 400), ("application/x-protobuf", "", b"", 200),
            ("application/json", "", b"{}", 200), ("application/x-protobuf", "gzip", gzip.compress(made_pb())[:-4], 400), ("application/x-protobuf", "", empty_points, 413),
            ("application/x-protobuf", "gzip", gzip.compress(b"\0" * (5 << 20)), 413), ("application/x-protobuf", "br", b"", 415),
            ("application/x-protobuf", "", deep(32), 200), ("application/x-protobuf", "", deep(34), 400), ("application/x-protobuf", "", b"\x0a\x05abc", 400),
            ("application/x-protobuf", "", otlp.request_pb([otlp.metric_pb("h", HISTOGRAM, [otlp.field(6, b"1234567")])]), 400),
            ("application/x-protobuf", "", otlp.request_pb([otlp.metric_pb("e", EXPONENTIAL, [otlp.field(8, otlp.field(2, b"\xff" * 12))])]), 400),
            ("application/json", "", b"[" * 5000, 400), ("application/json", "", b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":7}]}]}]}', 400),
            ("application/json", "", b'{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asDouble":"x"}]}}]}]}]}', 400)]
    for kind, coding, body, wanted in rows:
        headers = {k: v for k, v in (("Content-Type", kind), ("Content-Encoding", coding)) if v}
        status, text, _ = c.request(c.otlp, "POST", "/v1/metrics", body, headers)
        assert status == wanted, (kind, coding, body[:30], status, text)
    assert c.request(c.otlp, "GET", "/v1/metrics")[0] == 405
    assert c.request(c.otlp, "POST", "/v1/metricsx", b"{}", {"Content-Type": "application/json"})[0] == 404
    c.flush()
    c.check_ledger()


def scene_kills_lose_and_double_nothing(c):
    """Every body that was answered is there after a kill, with each point once."""
    sent = {}
    for life in range(4):
        c.start(store__commit_interval="200ms")
        for i in range(40):
            at = AT + life * 40 + i
            body = otlp.request_pb([otlp.metric_pb("m%d" % k, GAUGE, [otlp.number_pb(i * 10 + k, at=at)]) for k in range(5)])
            assert post(c, body)[0] == 200
            sent[at] = 5
            if i % 7 == 0:
                assert post(c, body)[0] == 200  # resent
        if life % 2:
            wait_for(lambda: c.sql("SELECT count(*) FROM metric_point")[0][0] > life * 100, what="points in the file")
        c.kill()
    c.start()
    c.flush()
    assert dict(c.sql("SELECT at_ns, count(*) FROM metric_point GROUP BY 1")) == sent
    assert c.sql("SELECT sum(stored), sum(duplicate) FROM ingest_minute") == [(800, 120)]
    c.check_ledger()
    c.stop()
    assert not os.path.exists(c.db + "-inbox")


def scene_series_are_bounded(c):
    """Beyond 50,000 series further ones share an overflow of their metric, each point kept, a counter says so; resent it changes nothing."""
    c.start(receive__max_spans="60000")
    for k in range(2):
        points = [otlp.number_pb(i, id="%d" % i) for i in range(k * 26000, (k + 1) * 26000)]
        assert post(c, otlp.request_pb([otlp.metric_pb("flood", GAUGE, points)]))[0] == 200
    new = otlp.request_pb([otlp.metric_pb("brand new", GAUGE, [otlp.number_pb(7, id="a"), otlp.number_pb(8, id="b")])])
    assert post(c, new)[0] == 200
    c.flush()
    overflow = c.sql("SELECT name, count(*), count(DISTINCT value) FROM metric_series JOIN metric_point USING (series_id) WHERE attributes = "
                     "'{\"faultline.overflow\":true}' GROUP BY 1 ORDER BY 1")
    assert overflow == [("flood", 2000, 2000), ("other", 2, 2)], overflow
    assert c.sql("SELECT count(*) FROM metric_series") == [(50002,)]
    assert c.counter("faultline_series_limited_total", family="metric_series") == 2002
    c.stop()
    c.start()
    assert post(c, new)[0] == 200
    c.flush()
    assert c.sql("SELECT count(*) FROM metric_point") == [(52002,)] and c.sql("SELECT sum(duplicate) FROM ingest_minute") == [(2,)]
    c.check_ledger()


def scene_retention_by_size_takes_the_oldest_points(c):
    c.start(store__max_size="16MiB", receive__max_spans="60000", store__commit_interval="50ms")
    sent = 0

    def oldest_gone():
        nonlocal sent
        at = AT + sent
        points = [otlp.histogram_pb([9, 9, 9, 9, 9], [1.0, 2.0, 4.0, 8.0], 3.0, at=at, id="%d" % i) for i in range(20000)]
        assert post(c, otlp.request_pb([otlp.metric_pb("h", HISTOGRAM, points)]))[0] == 200
        sent += 1
        c.flush()
        return sent > 3 and c.sql("SELECT count(*) FROM metric_point WHERE at_ns = ?", AT)[0][0] == 0
    wait_for(oldest_gone, limit=60, what="the oldest points gone")
    assert c.sql("SELECT count(*) FROM metric_point WHERE at_ns = ?", AT + sent - 1) == [(20000,)]
    wait_for(lambda: os.path.getsize(c.db) < 17 << 20, limit=60, what="a smaller file")
    c.check_ledger()


def scene_retention_by_age_takes_series_too(c):
    """What was stored too long ago goes, whatever its own times; then its series; what comes later is stored again."""
    c.start()
    assert post(c, made_pb())[0] == 200
    c.flush()
    c.stop()
    c.age_points()
    c.start(store__retention="1h")
    wait_for(lambda: c.sql("SELECT (SELECT count(*) FROM metric_point), (SELECT count(*) FROM metric_series)") == [(0, 0)], limit=60, what="all gone by age")
    assert post(c, made_pb())[0] == 200
    c.flush()
    assert c.sql(POINTS) == EXPECTED


def scene_ingested_metrics_are_exposed(c):
    """On /metrics under Prometheus' names, when that is switched on: newest values, deltas added up, our own names kept from others, a bound."""
    c.start(export__prometheus__ingested="true", export__prometheus__max_series="400")
    post(c, made_pb())
    for body in (golden("otel_js", "proto", "metrics.frontend.bin"), golden("envoy", "otlp_metrics.bin")):
        assert post(c, body)[0] == 200
    delta = [otlp.metric_pb("jobs.done", SUM, [otlp.number_pb(5, at=AT + i)], temporality=1) for i in range(3)]
    delta += [otlp.metric_pb("jobs.waiting", SUM, [otlp.number_pb(n, at=AT + i)], temporality=1, monotonic=False) for i, n in enumerate((4, 4, -3))]
    delta += [otlp.metric_pb("jobs.running", SUM, [otlp.number_pb(n, at=AT + i)], temporality=2, monotonic=False) for i, n in enumerate((4, 7, 6))]
    for _ in range(2):
        post(c, otlp.request_pb(delta))
    post(c, otlp.request_pb([otlp.metric_pb("requests", SUM, [otlp.number_pb(9, at=AT + 5, route="/a")], "{request}"),
                             otlp.metric_pb("faultline_spoof", GAUGE, [otlp.number_pb(1)]), otlp.metric_pb("old_seconds_count", GAUGE, [otlp.number_pb(1)]),
                             otlp.metric_pb("odd name\n", GAUGE, [otlp.number_pb(1, **{"a.b": "x\"\n\\", "a-b": "y", "le": "z", "job": "j"})])]))
    c.flush()
    _, text, _ = c.get("/metrics")
    lines = text.decode().splitlines()
    for line in ('requests_total{job="cart",route="/a"} 9', 'temperature_celsius{job="cart",route="/a"} 21.5', 'latency_seconds_count{job="cart",route="/a"} 100',
                 'latency_seconds_sum{job="cart",route="/a"} 25', 'latency_seconds_bucket{job="cart",route="/a",le="+Inf"} 100', 'old_seconds_sum{job="cart",route="/a"} 0.9',
                 'jobs_done_total{job="cart"} 15', 'jobs_waiting{job="cart"} 5', '# TYPE jobs_waiting gauge', 'jobs_running{job="cart"} 6', 'sizes_bytes_bucket{job="cart",route="/a",le="4096"} 10',
                 'odd_name{job="cart",a_b="y",exported_job="j",exported_le="z"} 1', '# TYPE requests_total counter', '# TYPE latency_seconds histogram'):
        assert line in lines, (line, [l for l in lines if l[:6] == line[:6]])
    assert not any("spoof" in l or l.startswith("old_seconds_count{job=\"cart\"}") for l in lines)
    assert c.counter("faultline_series_limited_total", family="ingested") == 2
    assert float(next(l for l in lines if l.startswith('latency_seconds_bucket{job="cart",route="/a",le="0.512"}')).split()[-1]) in range(80, 100)
    assert len([l for l in lines if l.startswith("http_server_request_duration_seconds_count{")]) >= 1
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=False)
    assert lint.returncode in (0, 3), lint  # 3: advice about names that others chose
    _, text, _ = c.get("/metrics", Accept="application/openmetrics-text;version=1.0.0")
    names = [l.split()[2] for l in text.decode().splitlines() if l.startswith("# TYPE ")]
    assert len(names) == len(set(names)) and "requests" in names and text.endswith(b"# EOF\n")
    post(c, otlp.request_pb([otlp.metric_pb("flood", GAUGE, [otlp.number_pb(1, id="%d" % i) for i in range(1000)])]))
    c.flush()
    exposed = [l for l in c.get("/metrics")[1].decode().splitlines() if l.startswith("flood{")]
    assert 100 < len(exposed) < 400 and c.counter("faultline_series_limited_total", family="ingested") == 1002 - len(exposed)
    c.stop()
    c.sets["export.prometheus.ingested"] = "false"
    c.start()
    post(c, made_pb(at=AT + 9))
    c.flush()
    assert b"latency_seconds" not in c.get("/metrics")[1]
