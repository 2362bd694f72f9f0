"""Prometheus' remote write: samples as points, families, native histograms, what is refused and how, resent bodies, kills."""
import json
import os
import subprocess

import remote_write as rw
from lib import golden, wait_for
from otlp import field, number, real, varint

SERIES = "SELECT name, type, unit, json_extract(resource, '$.\"service.name\"'), json_extract(resource, '$.\"service.instance.id\"'), attributes FROM metric_series ORDER BY name"
MADE = (rw.series({"__name__": "up", "job": "node", "instance": "n1:9100"}, rw.sample(1.0), rw.stale(rw.T0 + 15000)) +
        rw.one("http_requests_total", 5.0, job="shop", code="200", zone="") +
        rw.one("http_duration_seconds_sum", 1.25, job="shop") + rw.one("http_duration_seconds_bucket", 3.0, job="shop", le="0.5") +
        rw.one("queue", float("nan"), job="shop") + rw.one("items", 7.0, job="shop") +
        rw.series({"__name__": "native_seconds", "job": "shop"}, rw.native(0, [(-1, 2), (1, 1)], [4, -2, 6], 15, 21.0, 1)) +
        rw.series({"__name__": "own_seconds", "job": "shop"}, rw.native(-53, [(1, 2)], [4, -2], 6, 3.0, bounds=(0.5, 1.0, 2.0))))


def scene_samples_are_points(c):
    """Labels, times, units, families, stale marks, native histograms; the same again changes nothing."""
    c.start()
    for _ in range(2):
        assert rw.post(c, MADE)[:2] == (204, b"")
    c.flush()
    shop = ("shop", None)
    assert c.sql(SERIES) == [
        ("http_duration_seconds_bucket", "sum", "", *shop, '{"le":"0.5"}'), ("http_duration_seconds_sum", "sum", "s", *shop, "{}"),
        ("http_requests_total", "sum", "", *shop, '{"code":"200"}'), ("items", "gauge", "", *shop, "{}"),
        ("native_seconds", "exponential_histogram", "s", *shop, "{}"), ("own_seconds", "histogram", "s", *shop, "{}"),
        ("queue", "gauge", "", *shop, "{}"), ("up", "gauge", "", "node", "n1:9100", "{}")], c.sql(SERIES)
    points = "SELECT name, at_ns / 1000000 - %d, value, count, sum FROM metric_point JOIN metric_series USING (series_id) ORDER BY name, at_ns" % rw.T0
    assert c.sql(points) == [
        ("http_duration_seconds_bucket", 0, 3.0, None, None), ("http_duration_seconds_sum", 0, 1.25, None, None), ("http_requests_total", 0, 5.0, None, None),
        ("items", 0, 7.0, None, None), ("native_seconds", 0, None, 15, 21.0), ("own_seconds", 0, None, 6, 3.0), ("queue", 0, None, None, None),
        ("up", 0, 1.0, None, None), ("up", 15000, None, None, None)], c.sql(points)
    # schema 0: (1/4, 1/2] 4, (1/2, 1] 2, nothing in (1, 2], (2, 4] 8; zero 1. Own bounds: (0.5, 1] 4, (1, 2] 2.
    for name, q, wanted in (("native_seconds", 0.05, 0), ("native_seconds", 0.3, 0.5e9), ("native_seconds", 0.45, 1e9), ("native_seconds", 1, 4e9),
                            ("own_seconds", 0.6, 1e9), ("own_seconds", 1, 2e9)):
        asked = subprocess.run([c.program, "sql", "--db", c.db, "--format", "json", "SELECT histogram_quantile(histogram, %s) AS q FROM metric_point JOIN "
                                "metric_series USING (series_id) WHERE name = '%s'" % (q, name)], capture_output=True, text=True)
        found = json.loads(asked.stdout)[0]["q"]
        assert wanted * 0.98 <= found <= wanted * 1.13, (name, q, found)
    assert c.sql("SELECT received, stored, duplicate FROM ingest_minute WHERE format = 'remote_write'") == [(18, 9, 9)]
    assert c.counter("faultline_ingest_records_total", format="remote_write", transport="http", outcome="duplicate") == 9
    # Families come apart, and need no samples; they are no records.
    told = rw.family("items", 1, "Items sold.") + rw.family("queue", 2) + rw.family("http_duration_seconds", 3, "How long.", "seconds")
    assert rw.post(c, told)[:2] == (204, b"")
    c.flush()
    assert c.sql("SELECT name, type, unit FROM metric_series WHERE name IN ('items', 'queue', 'http_duration_seconds_bucket') ORDER BY name") == [
        ("http_duration_seconds_bucket", "sum", "seconds"), ("items", "sum", ""), ("queue", "gauge", "")]
    assert c.api("tail")["items"][0]["format"] == "remote_write"
    # Samples that come late are stored; what Prometheus wrote it is not offered again.
    assert rw.post(c, rw.one("items", 6.0, rw.T0 - 60000, job="shop"))[0] == 204
    exemplar = field(3, field(1, field(1, "trace_id") + field(2, "ab" * 16)) + real(2, 1.0) + number(3, rw.T0))
    assert rw.post(c, rw.series({"__name__": "items", "job": "shop"}, rw.sample(8.0, rw.T0 + 1), exemplar))[0] == 204
    c.flush()
    assert c.sql("SELECT count(*) FROM metric_point JOIN metric_series USING (series_id) WHERE name = 'items'") == [(3,)]
    assert c.counter("faultline_ingest_truncated_total", field="exemplars") == 1
    c.check_ledger()


def scene_bytes_of_a_prometheus(c):
    """Two scrapes of scene_prometheus.py's page and its metadata, as Prometheus 2.42 sent them."""
    c.start()
    for name in ("samples_1", "metadata", "samples_2", "samples_1"):
        answer = c.request(c.otlp, "POST", "/api/v1/write", golden("prometheus", name + ".snappy"), rw.HEADERS)
        assert answer[:2] == (204, b""), (name, answer)
    c.flush()
    # Of each scrape 68 samples of the page, and five of Prometheus' own.
    assert c.sql("SELECT received, rejected, stored, duplicate FROM ingest_minute") == [(3 * 73, 0, 2 * 73, 73)], c.sql("SELECT * FROM ingest_minute")
    assert c.sql("SELECT name, value FROM metric_point JOIN metric_series USING (series_id) WHERE name IN ('up', 'scrape_samples_scraped') ORDER BY 1, at_ns") == [
        ("scrape_samples_scraped", 68.0), ("scrape_samples_scraped", 68.0), ("up", 1.0), ("up", 1.0)]
    assert c.sql("SELECT sum(calls), sum(errors), sum(mtls), min(known_by) FROM edge_minute") == [(10, 1, 10, "both")]
    assert c.sql("SELECT name, type, description FROM metric_family ORDER BY 1") == [
        ("istio_request_duration_milliseconds", 3, "Durations."), ("istio_requests_total", 1, "Requests.")]
    c.check_ledger()


def scene_what_is_refused(c):
    """Each with its status and a line that says what to do; the good samples of a body stay."""
    c.start(receive__max_body="32KiB", receive__max_decoded="64KiB", receive__max_spans="100")
    good = rw.one("up", 1.0, job="j")

    def says(answer, status, *words):
        assert answer[0] == status and answer[1].count(b"\n") == 1, answer
        assert all(w.encode() in answer[1] for w in words), answer
    says(rw.post(c, good, {**rw.HEADERS, "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}), 415, "remote write 1.0")
    says(rw.post(c, good, {**rw.HEADERS, "Content-Type": "application/json"}), 415, "application/x-protobuf")
    says(rw.post(c, good, {k: v for k, v in rw.HEADERS.items() if k != "Content-Type"}), 415, "application/x-protobuf")
    for encoding in ("gzip", "identity", "br", None):
        headers = {**rw.HEADERS, "Content-Encoding": encoding}
        says(rw.post(c, good, {k: v for k, v in headers.items() if v}), 415, "Content-Encoding must be snappy")
    assert rw.post(c, good, {**rw.HEADERS, "Content-Type": "application/x-protobuf; proto=prometheus.WriteRequest"})[0] == 204
    answer = c.request(c.otlp, "GET", "/api/v1/write")
    assert answer[0] == 405 and answer[2]["allow"] == "POST", answer
    assert c.request(c.otlp, "POST", "/v1/metrics", rw.snappy(b""), {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"})[0] == 415
    # Bodies: no length, cut, more than it claims, a bomb by its length and by its claim, malformed protobuf, too many samples.
    for body, status, words in ((b"", 400, "empty"), (b"\xff" * 5, 400, "snappy length"), (rw.snappy(good)[:-2], 400, "damaged"),
                                (rw.snappy(good) + b"\0a", 400, "damaged"), (varint(1 << 20) + b"\0a", 413, "larger than 65536 bytes"),
                                (varint(60000) + b"\0a", 400, "more than its bytes can give"), (rw.snappy(good[:-3]), 400, "malformed"),
                                (rw.snappy(b"\x0b" * 100), 400, "malformed"), (rw.snappy(good * 101), 413, "receive.max_spans")):
        says(c.request(c.otlp, "POST", "/api/v1/write", body, rw.HEADERS), status, words)
    says(c.request(c.otlp, "POST", "/api/v1/write", b"x" * 40000, rw.HEADERS), 413, "receive.max_body")
    assert rw.post(c, b"")[:2] == (204, b"")
    # Of a body with bad series the good ones are kept, and Prometheus is told; it does not send them again.
    bad = rw.series({"a": "b"}, rw.sample(1.0)) + rw.series({"__name__": "h"}, rw.native(0, [(0, 3)], [5], 5, 1.0), rw.native(9, [(0, 1)], [5], 5, 1.0))
    twice = field(1, b"".join(field(1, field(1, k) + field(2, "v")) for k in ("__name__", "x", "x")) + rw.sample(1.0))
    says(rw.post(c, bad + twice + rw.one("kept", 2.0)), 400, "4 of 5 samples were rejected, the others are kept", "the series has no __name__")
    c.flush()
    assert c.sql("SELECT name, value FROM metric_point JOIN metric_series USING (series_id) ORDER BY 1") == [("kept", 2.0), ("up", 1.0)]
    assert c.sql("SELECT sum(received), sum(rejected), sum(stored) FROM ingest_minute") == [(6, 4, 2)]
    assert c.counter("faultline_ingest_requests_total", transport="http", code="415") == 8
    assert "remote write" in c.request(c.otlp, "GET", "/")[1].decode()
    c.check_ledger()


def scene_tokens(c):
    import hashlib
    tokens = os.path.join(c.folder, "tokens")
    with open(tokens, "w") as f:
        f.write("ingest %s prometheus\nread %s me\n" % tuple(hashlib.sha256(t).hexdigest() for t in (b"writes", b"reads")))
    c.start(auth__tokens_file=tokens)
    body = rw.one("up", 1.0)
    for token, status in ((None, 401), ("reads", 403), ("writes", 204)):
        answer = rw.post(c, body, {**rw.HEADERS, **({"Authorization": "Bearer " + token} if token else {})})
        assert answer[0] == status, (token, answer)
        assert status != 401 or "www-authenticate" in answer[2]


def scene_killed(c):
    """Bodies and kill -9: what was acknowledged counts once, whether it was committed, waited in the inbox, or is sent again."""
    c.start(store__commit_interval="50ms")
    labels = rw.istio("front", "cart")

    def body(i):
        return rw.calls(10 * i, rw.T0 + 5000 * i, 20, **labels) + rw.calls(i, rw.T0 + 5000 * i, 20, **{**labels, "response_code": "503"})
    for i in range(1, 25):
        assert rw.post(c, body(i))[0] == 204
        if i % 6 == 0:
            if i % 12 == 0:
                wait_for(lambda: c.sql("SELECT count(*) FROM metric_point")[0][0] > 0, what="a commit")
            c.kill()
            c.start()
            assert rw.post(c, body(i))[0] == 204  # its answer may not have come through
    c.flush()
    row = c.sql("SELECT sum(calls), sum(errors), sum(mtls) FROM edge_minute")
    assert row == [(230 + 23, 23, 253)], row
    assert c.sql("SELECT sum(calls), sum(errors) FROM edge_told_minute") == [(253, 23)]
    received, stored, duplicate = c.sql("SELECT sum(received), sum(stored), sum(duplicate) FROM ingest_minute WHERE format = 'remote_write'")[0]
    assert stored == 24 * 34 == c.sql("SELECT count(*) FROM metric_point")[0][0] and duplicate == 4 * 34 and received == stored + duplicate, (received, stored, duplicate)
    c.check_ledger()
