"""Real bodies in; graph, ledger, rows and answers out; again, in other orders, across restarts."""
import datetime
import gzip
import json
import os
import random
import re
import signal
import subprocess
import zlib

from lib import frames, golden, otlp_body, otlp_span, wait_for

EDGES = ("SELECT caller_service, caller_version, caller_role, callee_service, callee_version, callee_role, connection_type, "
         "via, known_by, sum(calls), sum(errors), sum(errors_origin), sum(client_errors), sum(retries), sum(recovered), "
         "sum(client_ns_sum), sum(server_ns_sum), sum(transit_ns_sum) FROM edge_minute GROUP BY 1,2,3,4,5,6,7,8,9 ORDER BY 1,2,3,4,5,6,7,8,9")
# What the localiser counts; a row of nothing but zeros is never written.
TALLIES = """SELECT t.minute, k.channel, k.what, a.service, a.version, a.role, p.service, p.version, n.text, d.text,
  t.n, t.bad, t.client_errors, t.origins, t.retries, t.recovered, t.sum_ns, hex(t.histogram)
FROM tally_row t JOIN tally_key k ON k.id = t.tally
  JOIN (SELECT d.id, s.text AS service, v.text AS version, d.role FROM node d JOIN name s ON s.id = d.service JOIN name v ON v.id = d.version) a
    ON a.id = k.node
  JOIN (SELECT d.id, s.text AS service, v.text AS version FROM node d JOIN name s ON s.id = d.service JOIN name v ON v.id = d.version) p
    ON p.id = k.peer
  JOIN name n ON n.id = k.name JOIN name d ON d.id = k.detail ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"""
TRACES = "SELECT trace_id, status, origin_service, origin_reason, span_count, complete, parts FROM trace ORDER BY 1"


def calls(c, caller, callee, what="calls"):
    return c.sql("SELECT coalesce(sum(%s), 0) FROM edge_minute WHERE caller_service = ? AND callee_service = ?" % what,
                 caller, callee)[0][0]


def scene_any_order_any_split_any_repetition(c):
    bodies = frames("otlp_http")
    results = []
    for seed in range(4):
        c.db = os.path.join(c.folder, "order%d.db" % seed)
        c.sets["store.path"] = c.db
        c.start(stitch__trace_idle="10s" if seed != 3 else "100ms")
        order = bodies + (random.Random(seed).sample(bodies, 40) if seed else [])
        if seed:
            random.Random(seed).shuffle(order)
        for i, body in enumerate(order):
            encoding = {}
            if seed == 2 and i % 3:
                body, encoding = ((gzip.compress(body), {"Content-Encoding": "gzip"}) if i % 3 == 1 else
                                  (zlib.compress(body), {"Content-Encoding": "deflate"}))
            assert c.post_otlp(body, **encoding)[0] == 200
            if seed == 3 and i % 10 == 0:
                c.flush()  # cut in the middle: late halves reopen their traces
            if seed == 2 and i == 30:
                c.stop()
                c.start()
        c.flush()
        c.check_ledger()
        received, duplicate = c.sql("SELECT sum(received), sum(duplicate) FROM ingest_minute")[0]
        assert received - duplicate == 235
        results.append((c.sql(EDGES), c.sql(TRACES), c.sql(TALLIES)))
        c.stop()
    assert len(results[0][2]) > 30, len(results[0][2])
    for other in results[1:]:
        for rows, expected in zip(other, results[0]):
            assert rows == expected, sorted(set(rows) ^ set(expected))


def scene_a_resent_batch_changes_nothing(c):
    c.start()
    body = golden("otel_js", "proto", "traces.frontend.bin")
    c.post_otlp(body)
    c.flush()
    before = (c.sql(EDGES), c.sql(TRACES), c.counter("traces_service_graph_request_total"))
    for _ in range(3):
        assert c.post_otlp(body)[0] == 200
    c.flush()
    assert (c.sql(EDGES), c.sql(TRACES), c.counter("traces_service_graph_request_total")) == before
    assert c.sql("SELECT sum(duplicate), sum(conflict) FROM ingest_minute") == [(54, 0)]
    c.check_ledger()


def scene_sdk_by_every_format(c):
    """9 requests to the frontend, their truth is in the payloads' description."""
    c.start()
    for run in ("proto", "json", "zipkin"):
        for service in ("frontend", "backend"):
            if run == "zipkin":
                assert c.post_zipkin(golden("otel_js", run, "spans.%s.json" % service))[0] == 202
            else:
                kind = "json" if run == "json" else "bin"
                assert c.post_otlp(golden("otel_js", run, "traces.%s.%s" % (service, kind)), run == "json")[0] == 200
    c.flush()
    assert calls(c, "frontend", "backend") == 24
    assert calls(c, "frontend", "127.0.0.1") == 3
    assert calls(c, "backend", "stock") == 24
    assert calls(c, "backend", "stock", "errors_origin") == 3
    assert calls(c, "backend", "orders") == 3 == calls(c, "orders", "backend")
    assert c.sql("SELECT count(*) FROM span WHERE json_extract(attributes, '$.\"db.query.text\"') LIKE '%日本%'") == [(24,)]
    assert c.sql("SELECT count(*) FROM span WHERE json_array_length(events) > 0 AND fault = 'origin' AND service = 'backend'"
                 " AND json_extract(events, '$[1].name') = 'exception'") == [(3,)]
    c.check_ledger()


def scene_late_half_across_a_restart(c):
    c.start(stitch__trace_idle="100ms")
    t = "0af7651916cd43dd8448eb211c80319c"
    child = otlp_body([otlp_span(t, "00000000000000b1", "00000000000000a2", "b")])
    parents = otlp_body([otlp_span(t, "00000000000000a1", "", "a", ms=30), otlp_span(t, "00000000000000a2", "00000000000000a1", "a", kind=3, ms=20)])
    assert c.post_otlp(child, True)[0] == 200
    c.flush()
    assert c.sql("SELECT orphan, paired FROM ingest_minute") == [(1, 0)]
    c.stop()
    c.start()
    assert c.post_otlp(parents, True)[0] == 200
    c.flush()
    assert calls(c, "a", "b") == 1 and calls(c, "user", "a") == 1
    assert c.sql("SELECT sum(orphan), sum(paired), sum(entry), sum(late) FROM ingest_minute") == [(0, 2, 1, 2)]
    assert c.sql("SELECT span_count, reopened, complete FROM trace") == [(3, 1, 1)]
    assert c.counter("traces_spanmetrics_calls_total", service="a") == 2 == c.counter("traces_spanmetrics_calls_total")  # the process counts what it took
    c.check_ledger()


def scene_part_of_a_request_is_bad(c):
    c.start()
    good, bad = otlp_span("0af7651916cd43dd8448eb211c80319c", "00000000000000a1"), otlp_span("00", "00000000000000a2")
    status, text, headers = c.post_otlp(otlp_body([good, bad]), True)
    answer = json.loads(text)["partialSuccess"]
    assert status == 200 and headers["content-type"] == "application/json" and answer["rejectedSpans"] == "1"
    assert "traceId" in answer["errorMessage"]
    c.flush()
    assert c.sql("SELECT received, rejected, entry FROM ingest_minute") == [(2, 1, 1)]
    c.check_ledger()


def scene_clean_stop_leaves_one_file(c):
    c.start()
    c.post_otlp(golden("otel_js", "proto", "traces.backend.bin"))
    assert c.stop() == 0
    assert sorted(f for f in os.listdir(c.folder) if f != "stderr") == ["f.db"]
    assert c.sql("SELECT count(*) FROM span") == [(18,)]


def scene_stock_shell_reads_while_it_runs(c):
    c.start()
    c.post_otlp(golden("otel_js", "proto", "traces.backend.bin"))
    c.flush()
    out = subprocess.run(["sqlite3", "-readonly", c.db, "SELECT view_name, column_name FROM help ORDER BY 1, 2"],
                         capture_output=True, text=True, check=True).stdout.split()
    views = [r[0] for r in c.sql("SELECT DISTINCT view_name FROM help")]
    columns = []
    for view in views:
        columns += [view + "|"] + ["%s|%s" % (view, r[1]) for r in c.sql("PRAGMA table_info(%s)" % view)]
    assert sorted(out) == sorted(columns)
    for view in views:
        subprocess.run(["sqlite3", "-readonly", c.db, "SELECT * FROM %s" % view], capture_output=True, check=True)
        nulls = [r[1] for r in c.sql("PRAGMA table_info(%s)" % view)
                 if c.sql("SELECT count(*) FROM %s WHERE %s IS NULL" % (view, r[1]))[0][0]]
        allowed = {"http_status", "grpc_status", "self_ns", "duration_ns", "p50_ns", "p95_ns", "p99_ns", "max_ns"}
        assert set(nulls) <= allowed, (view, nulls)


def scene_commands(c):
    c.start()
    for body in frames("otlp_grpc"):
        c.post_otlp(body)
    c.flush()

    def run(*args, code=0, **environment):
        p = subprocess.run([c.program, *args], capture_output=True, text=True, env={**os.environ, **environment})
        assert p.returncode == code, (args, p.returncode, p.stderr)
        return p.stdout

    window = ("--from", "2026-01-01T00:00:00Z", "--to", "2027-01-01T00:00:00Z")
    graph = json.loads(run("graph", "--db", c.db, "--format", "json", *window))
    by_url = json.loads(run("graph", "--url", "http://" + c.web, "--format", "json", *window))
    assert graph["edges"] == by_url["edges"] and len(graph["edges"]) >= 6
    edge = [e for e in graph["edges"] if e["caller"].endswith("/reviews") and e["callee"].endswith("/ratings")]
    assert sum(e["calls"] for e in edge) == 43 and sum(e["errors_origin"] for e in edge) == 19
    assert "reviews" in run("graph", "--db", c.db, *window)
    assert run("graph", "--db", c.db, "--format", "dot", *window).startswith("digraph")
    failed = json.loads(run("traces", "--db", c.db, "--status", "error", "--format", "json", "--limit", "100", *window))
    assert len(failed["items"]) == 31
    one = failed["items"][0]["trace_id"]
    assert "failed here" in run("trace", one, "--db", c.db)
    assert "\033" not in run("trace", one, "--db", c.db)
    assert json.loads(run("trace", one.lstrip("0"), "--url", "http://" + c.web, "--format", "json"))["trace"]["trace_id"] == one
    assert run("sql", "SELECT count(*) AS n FROM span", "--db", c.db, "--format", "csv") == "n\n449\n"
    assert json.loads(run("sql", "SELECT histogram_quantile(histogram_merge(histogram), 0.5) AS p FROM edge_minute",
                          "--db", c.db, "--format", "json"))[0]["p"] > 0
    odd = "SELECT 1 AS a, 'x,\"y' AS b, NULL AS c, 9007199254740993 AS d, 1.5 AS e UNION ALL SELECT 2, 3, 4, 5, 6"
    for name in ("table", "csv", "json", "ndjson", "markdown"):
        assert run("sql", odd, "--db", c.db, "--format", name) == run("sql", odd, "--url", "http://" + c.web, "--format", name), name
    run("sql", "DELETE FROM name", "--url", "http://" + c.web, code=2)
    run("sql", "SELECT 1", "--url", "http://" + c.web, "--db", c.db, code=2)
    started = re.search(r"  (\S+)Z  ", run("trace", one, "--db", c.db)).group(1)
    local = re.search(r"  (\S+)\+0530  ", run("trace", one, "--db", c.db, "--local", TZ="Asia/Kolkata")).group(1)
    utc = datetime.datetime.fromisoformat(started[:26])
    assert datetime.datetime.fromisoformat(local[:26]) - utc == datetime.timedelta(hours=5, minutes=30) and local[26:] == started[26:]
    run("sql", "DELETE FROM name", "--db", c.db, code=2)
    run("sql", "ATTACH 'x' AS y", "--db", c.db, code=2)
    assert "otlp_pb" in run("tail", "--url", "http://" + c.web)
    for wrong in (("--status", "bad"), ("--attr", "key"), ("--min-duration", "5"), ("--limit", "0"), ("--from", "now", "--to", "1h")):
        run("traces", "--db", c.db, *wrong, code=2)
    run("trace", "0123", "--db", c.db, code=3)
    run("nonsense", code=2)
    assert "store.path" in run("check-config")
    c.stop()
    other = os.path.join(c.folder, "replayed.db")
    capture = os.path.join(c.folder, "lines.jsonl")
    with open(capture, "wb") as f:
        f.write(golden("otel_js", "json", "traces.frontend.json") + b"\n" + golden("otel_js", "json", "traces.backend.json") + b"\n")
    done = json.loads(run("replay", capture, "--db", other))
    assert (done["files"], done["records"], done["accepted"], done["duplicate"]) == (1, 36, 36, 0)
    assert json.loads(run("replay", capture, "--db", other))["duplicate"] == 36
    shifted = json.loads(run("replay", capture, "--db", os.path.join(c.folder, "now.db"), "--shift"))
    assert shifted["to"] > done["to"]


def scene_tail_follows(c):
    c.start()

    def send(n):
        there = c.connection(c.otlp)
        for i in range(n):
            there.request("POST", "/v1/traces", otlp_body([]), {"Content-Type": "application/json", "X-Number": str(i)})
            assert there.getresponse().read() == b"{}"
        there.close()

    follow = [c.program, "tail", "--follow", "--url", "http://" + c.web]
    told, errors = [open(os.path.join(c.folder, "tail." + kind), "w+b") for kind in ("json", "err")]
    text = subprocess.Popen(follow, stdout=subprocess.PIPE)
    tail = subprocess.Popen(follow + ["--format", "json"], stdout=told, stderr=errors)
    bare = lambda: os.pread(told.fileno(), 1 << 26, 0).decode()
    shown = lambda: [i for line in bare().splitlines(True) if line.endswith("\n") for i in json.loads(line)["items"]]
    try:
        # A line is there at once, also in a pipe or a file.
        send(1)
        assert b" 0 records" in text.stdout.readline()
        wait_for(lambda: len(shown()) == 1)
        # All of a burst comes, oldest first.
        send(90)
        wait_for(lambda: len(shown()) == 91)
        times = [i["at"] for i in shown()]
        assert times == sorted(times)
        assert all(b" 0 records" in text.stdout.readline() for _ in range(90))
        # What is past what the collector remembers is told of.
        tail.send_signal(signal.SIGSTOP)
        send(1100)
        tail.send_signal(signal.SIGCONT)
        wait_for(lambda: len(shown()) == 91 + 1024)
        assert os.pread(errors.fileno(), 4096, 0) == b"faultline tail: 76 batches were missed: more came at once than the collector remembers\n"
        tail.send_signal(signal.SIGTERM)
        tail.wait(10)
        assert bare().endswith("\n")
    finally:
        for process in (text, tail):
            process.kill()
            process.wait()
        text.stdout.close()
    page = c.api("tail?follow=1&cursor=0&limit=1000")
    assert len(page["items"]) == 1000 and page["next"] == "1167", page["next"]
    assert len(c.api("tail?follow=1&cursor=1167")["items"]) == 24 and c.api("tail?follow=1&limit=5")["next"] == "1191"
    assert c.api("tail?follow=1&cursor=1191") == {"items": [], "next": "1191"}
    assert len(c.api("tail")["items"]) == 20 and c.get("/api/v1/tail?follow=x")[0] == 400


def scene_page_and_api(c):
    c.start()
    c.post_otlp(golden("otel_js", "proto", "traces.frontend.bin"))
    c.post_otlp(golden("otel_js", "proto", "traces.backend.bin"))
    evil = otlp_body([otlp_span("0af7651916cd43dd8448eb211c80319c", "00000000000000a1", service="<script>alert(1)</script>",
                                name='"><img src=x onerror=alert(1)>')])
    c.post_otlp(evil, True)
    c.flush()
    status, text, headers = c.get("/plain")
    assert status == 200 and b"<script" not in text and b"<img" not in text and b"&lt;script&gt;" in text
    assert "default-src 'none'" in headers["content-security-policy"] and "unsafe" not in headers["content-security-policy"]
    status, text, _ = c.get("/trace/0af7651916cd43dd8448eb211c80319c")
    assert status == 200 and b"<img" not in text
    status, text, _ = c.get("/plain/trace/0af7651916cd43dd8448eb211c80319c")
    assert status == 200 and b"<img" not in text and b"&lt;img" in text
    assert c.get("/trace/zz")[0] == 400 and c.get("/trace/" + "0" * 31 + "1")[0] == 404
    services = c.api("services?limit=1000")["items"]
    assert {"frontend", "backend"} <= {s["node"]["service"] for s in services}
    first = c.api("operations?limit=2")
    assert len(first["items"]) == 2 and first["next"] and c.api("operations?limit=2&cursor=" + first["next"])["items"]
    found = c.api("traces?from=2026-01-01T00:00:00Z&service=backend&attr=db.namespace%3Dstock&limit=5")
    assert len(found["items"]) == 5 and found["next"] and "backend" in found["items"][0]["services"]
    trace = c.api("traces/" + found["items"][0]["trace_id"])
    assert {"trace", "spans", "calls"} <= set(trace) and trace["spans"][0]["attributes"]
    status = c.api("status")
    assert status["store"]["spans"] == 37 and status["live"]["traces"] == 0 and status["inbox"]["records"] == 0
    assert len(c.api("tail")["items"]) == 3 and c.api("tail")["next"] is None
    page = c.api("tail?limit=2")
    assert page["items"] + c.api("tail?limit=2&cursor=" + page["next"])["items"] == c.api("tail")["items"]
    for bad in ("traces?limit=0", "tail?limit=0", "tail?limit=1001", "tail?limit=x", "tail?cursor=x", "traces?limit=1001", "traces?limit=x", "traces?from=tomorrow", "graph?from=now&to=1h",
                "graph?level=pod", "traces/xyz"):
        code, text, _ = c.get("/api/v1/" + bad)
        assert code == 400 and json.loads(text)["error"]["code"] == "invalid", (bad, code, text)
    for odd in ("export?service=%ff", "compare?service=%ff&baseline=1&candidate=2"):
        code, text, _ = c.get("/api/v1/" + odd)
        assert code == 404 and "\ufffd" in json.loads(text)["error"]["message"], (odd, code, text)
    code, text, headers = c.get("/api/v1/traces/123")
    assert code == 404 and json.loads(text)["error"]["code"] == "not_found" and headers["cache-control"] == "no-store"
    assert c.get("/api/v1/traces?limit=&from=&whatever=1")[0] == 200
    code, _, headers = c.request(c.web, "POST", "/metrics")
    assert code == 405 and "GET" in headers["allow"]
    assert c.request(c.web, "POST", "/-/flush", headers={"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert c.get("/", Host="evil.example")[0] == 421
    assert c.get("/-/ready")[:2] == (200, b"ready") and c.get("/-/healthy")[:2] == (200, b"ok")


# Families and their labels, as the public contract has them.
EDGE = ("client", "server", "connection_type", "client_service_namespace", "server_service_namespace", "client_service_version",
        "server_service_version", "client_cluster", "server_cluster")
SPAN = ("service", "span_name", "span_kind", "status_code")
FAMILIES = {"traces_service_graph_request_total": EDGE, "traces_service_graph_request_failed_total": EDGE,
            "traces_service_graph_request_client_seconds_bucket": EDGE + ("le",), "traces_service_graph_request_server_seconds_bucket": EDGE + ("le",),
            "traces_spanmetrics_calls_total": SPAN, "traces_spanmetrics_latency_bucket": SPAN + ("le",),
            "faultline_edge_transit_seconds_bucket": EDGE + ("le",), "faultline_edge_client_errors_total": EDGE, "faultline_edge_retries_total": EDGE,
            "faultline_edge_recovered_total": EDGE, "faultline_edge_errors_total": EDGE + ("fault",), "faultline_edge_security_total": EDGE + ("security",),
            "faultline_incidents_total": (), "faultline_ingest_records_total": ("format", "transport", "outcome"),
            "faultline_ingest_requests_total": ("transport", "code"), "faultline_ingest_rejected_total": ("reason",), "faultline_ingest_seconds_bucket": ("le",),
            "faultline_inbox_bytes": (), "faultline_inbox_oldest_seconds": (), "faultline_inbox_replay_bytes": (), "faultline_stitch_live_traces": (),
            "faultline_stitch_live_bytes": (), "faultline_stitch_reopened_total": (), "faultline_stitch_too_late_total": (),
            "faultline_stitch_lateness_seconds_bucket": ("le",), "faultline_stitch_cut_total": ("reason",), "faultline_stitch_overflow_total": ("limit",),
            "faultline_stitch_corrections_total": ("reason",), "faultline_store_bytes": (), "faultline_store_wal_bytes": (),
            "faultline_store_commit_seconds_bucket": ("le",), "faultline_store_spans": (), "faultline_store_oldest_seconds": (),
            "faultline_store_deleted_spans_total": (), "faultline_series_limited_total": ("family",), "faultline_config_last_reload_successful": (),
            "faultline_build_info": ("version", "sqlite", "revision"), "process_cpu_seconds_total": (), "process_resident_memory_bytes": ()}


def check_families(text):
    """Each is there; labels stand in order, and only those of an edge may be left out; buckets double from half a millisecond."""
    found, bounds = {}, {}
    for line in text.splitlines():
        name, labels = re.match(r"([a-z_]+)(?:\{(.+)\})? ", line).groups() if line[0] != "#" else ("", "")
        if name:
            found.setdefault(name, []).append(re.findall(r'(\w+)="((?:[^"\\\\]|\\\\.)*)"', labels or ""))
    for name, wanted in FAMILIES.items():
        assert name in found, name
        for labels in found[name]:
            names = tuple(k for k, _ in labels)
            assert names == tuple(k for k in wanted if k in names) and (EDGE[0] in wanted or names == wanted), (name, names)
            assert EDGE[0] not in wanted or set(EDGE[:3]) <= set(names), (name, names)
            if name.endswith("_bucket"):
                bounds.setdefault((name,) + tuple(labels[:-1]), []).append(dict(labels)["le"])
    doubling = [repr(0.0005 * 2 ** k) for k in range(16)] + ["+Inf"]
    assert all([b if b == "+Inf" else repr(float(b)) for b in le] == doubling for le in bounds.values())


def scene_metrics_are_clean(c):
    c.start()
    for body in frames("otlp_grpc"):
        c.post_otlp(body)
    c.flush()
    assert c.counter("faultline_inbox_bytes") == c.counter("faultline_inbox_oldest_seconds") == 0
    assert c.counter("traces_service_graph_request_total", client="reviews", server="ratings") == 43
    assert c.counter("traces_service_graph_request_failed_total", client="reviews", server="ratings") == 19
    assert c.counter("faultline_edge_errors_total", client="productpage", server="reviews", fault="carried") == 19
    assert c.counter("traces_spanmetrics_calls_total") == 449
    check_families(c.get("/metrics")[1].decode())
    status, text, headers = c.get("/metrics", Accept="application/openmetrics-text;version=1.0.0")
    assert text.endswith(b"# EOF\n") and b'# {trace_id="' in text and "openmetrics" in headers["content-type"]
    for accept, wanted in (("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", True), ("application/openmetrics-text; q=0", False), ("Application/OpenMetrics-Text; Q=0.8, text/plain; q=0.3", True), ("application/openmetrics-text;Q=0.1,text/plain", False),
                           ("application/openmetrics-text;q=0.1, text/plain;q=0.9", False), ("text/plain", False), ("*/*", False)):
        assert c.get("/metrics", Accept=accept)[1].endswith(b"# EOF\n") == wanted, accept
    status, packed, headers = c.get("/metrics", **{"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == "gzip" and b"process_cpu_seconds_total" in gzip.decompress(packed)
    lint = subprocess.run(["promtool", "check", "metrics"], input=c.get("/metrics")[1], capture_output=True)
    assert lint.returncode == 0 and not lint.stdout and not lint.stderr, (lint.returncode, lint.stdout, lint.stderr)
    wait_for(lambda: c.counter("faultline_store_bytes") == os.path.getsize(c.db) > 100_000, 10, "the size of the file after its log was written into it")
    t = "%032x" % 0x5eed
    assert c.post_otlp(otlp_body([otlp_span(t, "00000000000000c1", "", "w"), otlp_span(t, "00000000000000c2", "00000000000000c1", "w", kind=3, ms=8, db__system="redis")]), True)[0] == 200
    c.flush()
    for side in ("client", "server"):  # who sends no spans took what its caller waited
        assert c.counter("traces_service_graph_request_%s_seconds_sum" % side, client="w", server="redis") == 0.008, side


def scene_long_names_leave_metrics_readable(c):
    """Labels were cut in the middle of a value when names were long, and no scraper could read the rest. What no label can hold is `other`."""
    c.start(limit__attribute_bytes="300000")
    for i, n in enumerate((4096, 60000, 300000)):
        body = json.loads(otlp_body([("x" * n, otlp_span("%032x" % (i + 1), "%016x" % (i + 1), status=2)[1])]))
        body["resourceSpans"][0]["resource"]["attributes"].append({"key": "service.namespace", "value": {"stringValue": "\\" * n}})
        assert c.post_otlp(json.dumps(body).encode(), True)[0] == 200
    c.flush()
    text = c.get("/metrics")[1].decode()
    lint = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True)
    assert lint.returncode == 0 and not lint.stderr, lint
    failed = re.findall(r'^faultline_edge_errors_total\{client="user",server="(x+|other)",.*fault="origin"\} 1$', text, re.M)
    assert sorted(map(len, failed)) == [4096, 60000] and 'server="other"' in text, list(map(len, failed))
