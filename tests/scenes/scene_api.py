"""The API as its public contract tells it: every key of every answer, cursors, windows, and each way to ask wrongly."""
import json
import os
import subprocess
import time

NODE = "cluster namespace service version role"
EDGE = ("id caller callee connection_type protocol via crossing hairpin known_by calls errors client_errors errors_origin errors_carried retries "
        "recovered adjusted_calls p50_ns p95_ns p99_ns transit_p50_ns security examples")
TRACE = ("trace_id start_time duration_ns entry_cluster entry_namespace entry_service entry_operation span_count service_count error_count status "
         "origin_service origin_operation origin_reason complete parts reopened kept")
SPAN = ("trace_id span_id parent_span_id cluster namespace service version instance role operation kind start_time duration_ns self_ns status "
        "status_message http_status grpc_status response_flags fault peer format resource attributes events links critical hops")
SUSPECT = "rank kind node instance operation peer score confidence significant reason narrowed effects examples contrast not"
INCIDENT = "id state onset opened closed updated entry symptom failed_share affected_calls summary suspects"
ITEMS = {"services": "node first_seen last_seen", "operations": "node operation kind first_seen last_seen",
         "crossings": "caller callee crossing via calls errors share added_ns", "hairpins": "caller gateway callee calls share added_ns bytes",
         "security": "caller callee calls share mtls tls plaintext unknown violation", "traces": TRACE + " services"}
# What each takes beside from and to.
TAKES = {"graph": "level layer", "graph/diff": "base level", "diagnose": "baseline level limit", "compare": "", "incidents": "state limit cursor",
         "traces": "limit cursor status min_duration attr", "services": "limit cursor", "operations": "limit cursor", "crossings": "limit cursor",
         "security": "limit cursor", "hairpins": "limit cursor", "export": "incident"}


def has(where, value, *keys):
    missing = [k for k in " ".join(keys).split() if k not in value]
    assert not missing, "%s lacks %s: %s" % (where, missing, list(value))
    return value


def fed(c):
    """A mesh with a fault, in a database with the incident of it."""
    lines = os.path.join(c.folder, "shop.jsonl")
    begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(time.time()) // 60 * 60 - 1800))
    subprocess.run([c.program, "simulate", "--mesh", "shop", "--fault", "pool-overflow", "--speed", "fast", "--from", begin, "--past", "12m", "--for", "5m",
                    "--at", "2m", "--rate", "6", "--out", lines, "--seed", "3"], check=True, capture_output=True)
    subprocess.run([c.program, "replay", lines, "--db", c.db], check=True, capture_output=True)
    c.start()


def every_key(c):
    graph = has("graph", c.api("graph?from=1h"), "from to nodes edges truncated")
    for node in graph["nodes"]:
        has("node", node, "id node calls errors client_errors errors_origin p50_ns p95_ns p99_ns x y")
        has("NODE", node["node"], NODE)
        assert node["node"]["version"] == "", node
    for where, edges in (("graph", graph["edges"]), ("physical", c.api("graph?from=1h&layer=physical")["edges"]),
                         ("version", c.api("graph?from=1h&level=version")["edges"])):
        for edge in edges:
            has(where, edge, EDGE)
            has(where, edge["security"], "mtls tls plaintext unknown")
            has(where, edge["examples"], "error slow")
            assert where == "physical" or sum(edge["known_by"].values()) == edge["calls"]
            assert isinstance(edge["hairpin"], bool), edge
    diff = has("diff", c.api("graph/diff?from=15m&to=12m&base=30m..17m"), "new gone slower redder")
    for kind in ("slower", "redder"):
        for item in diff[kind]:
            has(kind, has(kind, item, "edge was")["edge"], EDGE)
            has(kind, item["was"], EDGE)
    assert diff["redder"]
    found = c.api("incidents")["items"][0]
    whole = has("incident", c.api("incidents/" + has("incidents", found, INCIDENT)["id"]), INCIDENT, "timeline")
    has("entry", whole["entry"], "node operation")
    has("timeline", whole["timeline"][0], "at calls errors p95_ns")
    has("suspects", found["suspects"][0], SUSPECT)
    assert "evidence" not in found["suspects"][0]
    told = has("diagnose", c.api("diagnose?from=%s&to=%s" % (whole["onset"], whole["updated"])),
               "version window baseline verdict requests onset incident suspects need")
    assert told["version"] == 1 and told["verdict"] == "incident" and told["incident"] == whole["id"] and told["need"] is None
    has("requests", told["requests"]["now"], "n failed mean_ns p95_ns")
    for suspect in whole["suspects"] + told["suspects"]:
        has("suspect", suspect, SUSPECT, "evidence")
        has("suspect", suspect["node"], NODE)
        for evidence in suspect["evidence"]:
            has("evidence", evidence, "kind metric unit baseline observed deviation text")
        for narrowed in suspect["narrowed"]:
            has("narrowed", narrowed, "dimension name value share effect")
    has("window", c.api("diagnose?from=0&to=15")["window"], "from to")
    assert c.api("diagnose?from=0&to=15")["window"]["from"] == "1970-01-01T00:00:00.000000000Z"
    for path, keys in ITEMS.items():
        items = has(path, c.api(path + "?from=1h"), "items next")["items"]
        assert items, path
        for item in items:
            has(path, item, keys)
            for end in set(item) & {"node", "caller", "callee"}:
                has(path, item[end], NODE)
    failed = c.api("traces?from=1h&status=error&limit=1")["items"][0]
    trace = has("trace", c.api("traces/" + failed["trace_id"]), "trace spans calls")
    assert {k: v for k, v in failed.items() if k != "services"} == {k: v for k, v in trace["trace"].items() if k != "services"}
    for span in trace["spans"]:
        has("span", span, SPAN)
        assert all(isinstance(span[k], t) for k, t in (("attributes", dict), ("resource", dict), ("events", list), ("links", list), ("critical", bool)))
        for hop in span["hops"]:
            has("hop", hop, "hop name time_ns")
    for call in trace["calls"]:
        has("call", call, "caller_span callee_span known_by transit_ns fault")
    status = has("status", c.api("status"), "version uptime_s sqlite listeners inbox live store limits last_errors")
    has("inbox", status["inbox"], "bytes records oldest_s")
    has("live", status["live"], "traces spans bytes")
    has("store", status["store"], "bytes spans oldest newest wal_bytes")


def walk(c, path, limit):
    out, cursor, pages = [], "", 0
    while True:
        page = c.api("%slimit=%d&cursor=%s" % (path, limit, cursor))
        assert len(page["items"]) <= limit
        out, cursor, pages = out + page["items"], page["next"], pages + 1
        if cursor is None:
            return out, pages


def scene_every_answer_is_as_documented(c):
    fed(c)
    every_key(c)
    for path in ("services?", "operations?", "crossings?from=1h&", "security?from=1h&", "hairpins?from=1h&", "traces?from=1h&service=cart&min_duration=40ms&"):
        whole, one = walk(c, path, 1000)
        by_few, pages = walk(c, path, max(1, len(whole) // 3))
        assert one == 1 and whole and by_few == whole and pages >= (3 if len(whole) > 2 else 1), (path, len(whole), len(by_few), pages)
    # Windows are half open; of names those seen in them; without any, all.
    assert c.api("services?from=2001-01-01T00:00:00Z&to=2002-01-01T00:00:00Z")["items"] == [] == c.api("operations?to=3h")["items"]
    assert c.api("services?service=cart&namespace=shop&cluster=eu-1")["items"] and not c.api("services?service=cart&namespace=other")["items"]
    for name in ("services", "operations", "crossings", "security", "traces", "incidents"):  # a node as one text
        asked = lambda node: c.api("%s?from=1h&service=%s" % (name, node))["items"]  # noqa: E731
        assert asked("cart") and asked("cart") == asked("shop/cart") == asked("eu-1/shop/cart") and not asked("other/cart"), name
    assert not c.api("incidents?to=3h")["items"] and not c.api("incidents?service=nobody")["items"]
    assert len(c.api("incidents?from=1h&service=cart&namespace=shop")["items"]) == 1
    one = c.api("traces?from=1h&service=cart&min_duration=40ms")["items"][0]
    after = one["start_time"][:-10] + "%09dZ" % (int(one["start_time"][-10:-1]) + 1)
    for window, there in (("from=1h&to=" + one["start_time"], False), ("from=1h&to=" + after, True), ("from=" + one["start_time"], True), ("from=" + after, False)):
        assert (one["trace_id"] in {t["trace_id"] for t in c.api("traces?service=cart&min_duration=40ms&limit=1000&" + window)["items"]}) == there, window

    for path, takes in TAKES.items():
        base = "/api/v1/%s?%s" % (path, {"compare": "service=cart&", "export": "service=notify&"}.get(path, ""))
        for name in ["from", "to"] + takes.split():
            bad = ("x", "-", "1h..2h", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z")
            if name == "limit":
                bad = ("0", "1001", "x", "-1", "1.5", "99999999999999999999")
            elif name not in ("from", "to"):
                bad = ("x", "1..", "..", "-1")
            for value in bad:
                status, text, _ = c.get(base + "%s=%s" % (name, value))
                assert status == 400 and json.loads(text)["error"]["code"] == "invalid", (base, name, value, status, text[:200])
            assert c.get(base + name + "=")[0] == 200, (base, name)
        assert c.get(base + "from=5m&to=10m")[0] == 400 and c.get(base + "from=1h&foo=bar")[0] == 200, base
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            status, text, headers = c.request(c.web, method, base)
            assert status == 405 and headers["allow"] == "GET, HEAD" and headers["x-content-type-options"] == "nosniff", (method, base)
        status, _, headers = c.get(base + "from=1h")
        assert headers["cache-control"] == "no-store" and headers["x-content-type-options"] == "nosniff", base
    for path, wanted in (("traces/1", 404), ("traces/zz", 400), ("traces/" + "1" * 33, 400), ("incidents/99", 404), ("incidents/x", 404), ("nope", 404),
                         ("compare", 400), ("compare?service=nobody", 404), ("sql", 405), ("traces?attr=x", 400), ("traces?attr==x", 400)):
        status, text, _ = c.get("/api/v1/" + path)
        assert status == wanted and set(json.loads(text)) == {"error"} and set(json.loads(text)["error"]) == {"code", "message"}, (path, status, text)


def scene_limits_say_which_were_met(c):
    from lib import otlp_body, otlp_span
    c.start(limit__attributes=2, limit__services=1, limit__operations=1, stitch__max_spans_per_trace=2, export__prometheus__max_series=100)
    limits = {l["name"]: l for l in c.api("status")["limits"]}
    assert list(limits) == ["receive.max_connections", "receive.max_in_flight", "store.inbox_max", "store.max_size", "store.min_free", "stitch.memory",
                            "stitch.max_spans_per_trace", "limit.attributes", "limit.attribute_bytes", "limit.name_bytes", "limit.events", "limit.links",
                            "limit.services", "limit.operations", "limit.edges", "export.prometheus.max_series"], list(limits)
    assert not any(l["hit"] for l in limits.values()), limits
    assert (limits["store.max_size"]["value"], limits["store.max_size"]["unit"]) == (10 << 30, "bytes")
    assert (limits["stitch.max_spans_per_trace"]["value"], limits["stitch.max_spans_per_trace"]["unit"]) == (2, "count")
    spans = [otlp_span("%032x" % (1 + i // 3), "%016x" % (i + 1), service="ab"[i % 2], name="op%s" % "xyz"[i % 3], a=1, b=2, c=3) for i in range(6)]
    assert c.post_otlp(otlp_body(spans), json_body=True)[0] == 200
    c.flush()
    hit = {l["name"] for l in c.api("status")["limits"] if l["hit"]}
    assert hit == {"stitch.max_spans_per_trace", "limit.attributes", "limit.services", "limit.operations"}, hit
    assert c.counter("faultline_stitch_overflow_total", limit="services") > 0 and c.counter("faultline_stitch_overflow_total", limit="names") == 0
    c.stop()
    c.sets = {}
    c.start(store__min_free="900GiB")  # as in life: no disk has it
    assert [l["name"] for l in c.api("status")["limits"] if l["hit"]] == ["store.min_free"]


def scene_the_status_knows_the_newest_trace_beside_those_without_a_time(c):
    from lib import otlp_body, otlp_span
    c.start()
    for n, start in enumerate((0, 1_700_000_000_000, 1_700_000_060_000, 0)):
        assert c.post_otlp(otlp_body([otlp_span("%032x" % (n + 1), "%016x" % (n + 1), start=start)]), json_body=True)[0] == 200
        c.flush()
    store = c.api("status")["store"]
    assert (store["oldest"], store["newest"]) == ("2023-11-14T22:13:20.000000000Z", "2023-11-14T22:14:20.000000000Z"), store
