"""Traces written as OTLP, Jaeger and Zipkin, and replayed into an empty database: the same spans, edges and origins."""
import json
import os
import subprocess

import lib
from lib import frames, golden, otlp_body, otlp_span

EVER = ("--from", "2001-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z", "--limit", "1000")
FORMATS = ("otlp", "jaeger", "zipkin")
TRACE = "5eed00000000000000000000000000%02x"
EDGES = ("SELECT caller_service, callee_service, connection_type, protocol, via, known_by, sum(calls), sum(errors_origin), sum(errors_carried), sum(client_errors), "
         "sum(retries), sum(recovered), sum(mtls), sum(plaintext) FROM edge_minute GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6")
TRACES = ("SELECT trace_id, entry_service, entry_operation, span_count, service_count, error_count, status, origin_service, origin_operation, origin_reason, complete, "
          "parts FROM trace ORDER BY 1")
SPANS = ("SELECT trace_id, span_id, parent_span_id, namespace, service, version, instance, role, operation, kind, status, status_message, http_status, grpc_status, "
         "response_flags, fault, peer, start_ns, duration_ns, resource, attributes, events, links FROM span ORDER BY trace_id, span_id, kind, service, start_ns")
NAMES = SPANS[len("SELECT "):SPANS.index(" FROM")].split(", ")
IN_US = ("start_ns", "duration_ns")


def feed(c, db, *files):
    done = subprocess.run([c.program, "replay", *files, "--db", db], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    c.db = db
    return json.loads(done.stdout)


def written(c, *args):
    done = subprocess.run([c.program, *args], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"\n") and done.stdout.count(b"\n") == 1, done.stdout[:200]
    json.loads(done.stdout)
    return done.stdout


def rows(c):
    return [dict(zip(NAMES, row)) for row in c.sql(SPANS)]


def texts(value):
    """As Zipkin has values: every one a text."""
    return {k: v if isinstance(v, str) else json.dumps(v, separators=(",", ":"), ensure_ascii=False) if v is not None else "" for k, v in value.items()}


def same_span(was, now, form):
    for name in NAMES:
        a, b = was[name], now[name]
        if name == "start_ns" and form != "otlp":
            a, b = a // 1000, b // 1000
        elif name == "duration_ns" and form != "otlp" and a is not None:
            a, b = 0, 0 if abs(a - b) < 2000 else (a, b)
        elif name in ("resource", "attributes", "events", "links"):
            a, b = json.loads(a), json.loads(b)
            if name == "events" and form != "otlp":
                for event in a:
                    event["time"] = event["time"][:-4] + "000Z"
            if form == "zipkin" and name in ("attributes", "resource"):  # tags are texts, and have the resource's attributes too
                a, b = texts(a), texts(b)
                if was["status"] == "error" and a.get("error") != "false":  # there it is the status itself
                    a.pop("error", None)
                of_resource = {} if name == "resource" else texts(json.loads(was["resource"]))
                b = {k: v for k, v in b.items() if k in a or of_resource.get(k) != v}
                if name == "resource":  # Zipkin's resource is what identifies a workload
                    a = {k: v for k, v in a.items() if k in b}
            if form == "jaeger" and name in ("attributes", "resource"):  # nested values are their JSON text
                a, b = texts(a), texts(b)
            if name == "links" and form == "jaeger":
                a, b = ([(link["trace_id"], link["span_id"]) for link in x] for x in (a, b))
        elif name == "kind" and form == "zipkin" and a == "unset":
            continue
        elif name == "status" and form == "zipkin" and a == "unset" and json.loads(was["attributes"]).get("error", "false") != "false":
            a = "error"  # there the tag says it
        assert a == b, (form, name, a, b, was)


def there_and_back(c, label, *files):
    """All traces of the files in each format, and again: what Python's JSON reads, and the same graph."""
    first = os.path.join(c.folder, label + ".db")
    feed(c, first, *files)
    edges, traces, spans = c.sql(EDGES), c.sql(TRACES), rows(c)
    assert len(spans) >= 3 and edges
    for form in FORMATS:
        path = os.path.join(c.folder, "%s.%s" % (label, form))
        with open(path, "wb") as f:
            f.write(written(c, "traces", *EVER, "--format", form, "--db", first))
        done = feed(c, os.path.join(c.folder, "%s-%s.db" % (label, form)), path)
        assert (done["accepted"], done["rejected"], done["duplicate"]) == (len(spans), 0, 0), (label, form, done, len(spans))
        assert c.sql(TRACES) == traces, (label, form, [(a, b) for a, b in zip(traces, c.sql(TRACES)) if a != b])
        assert c.sql(EDGES) == edges, (label, form, set(edges) ^ set(c.sql(EDGES)))
        for was, now in zip(spans, rows(c)):
            same_span(was, now, form)
        c.check_ledger()


def put(c, name, *bodies):
    path = os.path.join(c.folder, name)
    with open(path, "wb") as f:
        f.write(b"".join(bodies))
    return path


def scene_real_traces_come_back(c):
    """What Envoy and the JavaScript SDK sent, failures, retries and shared ids included."""
    there_and_back(c, "envoy", put(c, "envoy.bin", *frames("otlp_http")))
    there_and_back(c, "sdk", *[put(c, "sdk%d.json" % i, golden("otel_js", "json", "traces.%s.json" % who)) for i, who in enumerate(("frontend", "backend"))])
    there_and_back(c, "shared", put(c, "shared.json", b"\n".join(frames("zipkin_shared"))))
    there_and_back(c, "jaeger", put(c, "jaeger.json", golden("jaeger", "checkout.json")))


def scene_what_formats_can_hardly_say(c):
    """Nested values, numbers beyond JavaScript's, odd texts and times, events and links with attributes, a link of a root, tracestate, scopes, 64-bit ids."""
    trace, low = TRACE % 1, "0" * 16 + "5eed000000000002"
    values = [("list", {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "a\"|\\ü\n"}, {"arrayValue": {"values": []}}, {"kvlistValue": {"values": [
        {"key": "k\"", "value": {"boolValue": False}}, {"key": "m", "value": {"kvlistValue": {}}}]}}]}}),
        ("map", {"kvlistValue": {"values": [{"key": "x", "value": {"doubleValue": 0.5}}, {"key": "n", "value": {}}]}}), ("big", {"intValue": str(2**62)}),
        ("small", {"intValue": "-7"}), ("real", {"doubleValue": 1.25}), ("nan", {"doubleValue": "NaN"}), ("empty", {"stringValue": ""}), ("none", {}),
        ("yes", {"boolValue": True}), ("bytes", {"bytesValue": "AP8="}), ("error", {"boolValue": False}), ("peer.service", {"stringValue": "b"}),
        ("network.peer.address", {"stringValue": "10.0.0.7"}), ("network.peer.port", {"intValue": "8080"})]
    attributes = [{"key": k, "value": v} for k, v in values]
    event = {"timeUnixNano": "1700000000001234567", "name": "retry|{", "attributes": attributes[:3] + attributes[4:8]}
    link = {"traceId": TRACE % 9, "spanId": "%016x" % 9, "attributes": attributes[:2]}
    root = otlp_span(trace, "%016x" % 1, kind=2, status=2)[1]
    root.update(attributes=attributes, events=[event, {"timeUnixNano": "1700000000002000000", "name": "plain"}], links=[link], traceState="ot=th:8;rv:1,v=1",
                status={"code": 2, "message": "no \"such\" thing"})
    child = otlp_span(trace, "%016x" % 2, "%016x" % 1, kind=1)[1]
    child.update(startTimeUnixNano="0", endTimeUnixNano="0", status={"code": 1})
    late = otlp_span(trace, "%016x" % 3, "%016x" % 1, kind=3, status=2)[1]
    late.update(endTimeUnixNano=str(int(late["startTimeUnixNano"]) - 5), name="")
    looped = otlp_span(low, "%016x" % 4, kind=2, status=0)[1]
    looped.update(links=[{"traceId": low, "spanId": "%016x" % 5}])
    resources = [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "a"}}, {"key": "service.version", "value": {"stringValue": "v1"}},
                                              {"key": "k8s.namespace.name", "value": {"stringValue": "shop"}}, {"key": "list", "value": values[0][1]}]},
                  "scopeSpans": [{"scope": {"name": "lib", "version": "1.2"}, "spans": [root, child]}, {"spans": [late]}]},
                 {"resource": {"attributes": []}, "scopeSpans": [{"spans": [looped]}]}]
    path = put(c, "odd.json", json.dumps({"resourceSpans": resources}).encode())
    first = os.path.join(c.folder, "odd.db")
    feed(c, first, path)
    edges, spans, traces = c.sql(EDGES), rows(c), c.sql(TRACES)
    assert len(spans) == 4 and "bad" not in str(traces)
    out = os.path.join(c.folder, "odd.out")
    for form in FORMATS:
        with open(out, "wb") as f:
            for t in traces:
                f.write(written(c, "trace", t[0], "--format", form, "--db", first))
        feed(c, os.path.join(c.folder, "odd-%s.db" % form), out)
        now = rows(c)
        for a, b in zip([dict(span) for span in spans], now):
            if form == "jaeger" and a["trace_id"] == low:
                assert b["links"] == "[]" and b["parent_span_id"] == ""
                continue
            if form == "jaeger":  # events' nested values are texts there
                assert [e["name"] for e in json.loads(a["events"])] == [e["name"] for e in json.loads(b["events"])]
                a["events"] = b["events"] = "[]"
            if form != "otlp":  # an end before the start cannot be said
                a["duration_ns"] = b["duration_ns"] = 0 if b["duration_ns"] is not None else a["duration_ns"]
            same_span(a, b, form)
        assert c.sql(EDGES) == edges and c.sql(TRACES) == traces, (form, c.sql(TRACES), traces)
    said = json.loads(written(c, "trace", trace, "--format", "jaeger", "--db", first))["data"][0]
    tags = {t["key"]: t for span in said["spans"] if span["spanID"].endswith("1") for t in span["tags"]}
    assert tags["big"]["value"] == str(2**62) and tags["small"] == {"key": "small", "type": "int64", "value": -7} and tags["span.kind"]["value"] == "server"
    assert {p["serviceName"] for p in said["processes"].values()} == {"a"} and said["traceID"] == trace


def scene_a_collector_writes_them_too(c):
    """--url and the API: the same bytes; a list of traces; what is asked wrongly."""
    trace, other = TRACE % 1, TRACE % 2
    c.start()
    c.post_otlp(otlp_body([otlp_span(trace, "%016x" % 1, kind=3, service="a", status=2), otlp_span(trace, "%016x" % 2, "%016x" % 1, service="b", status=2),
                           otlp_span(other, "%016x" % 3, service="b", start=1_700_000_001_000)]), json_body=True)
    c.flush()
    url, window = "http://" + c.web, ("--from", "2023-11-14T00:00:00Z", "--to", "2023-11-15T00:00:00Z")
    for form in FORMATS:
        one = written(c, "trace", trace, "--format", form, "--url", url)
        assert one == written(c, "trace", trace[:0] + trace, "--format", form, "--db", c.db)
        all_ = written(c, "traces", *window, "--format", form, "--url", url)
        assert all_ == written(c, "traces", *window, "--format", form, "--db", c.db) and other in all_.decode() and trace in all_.decode()
        failed = written(c, "traces", *window, "--status", "error", "--format", form, "--db", c.db).decode()
        assert trace in failed and other not in failed
        assert c.get("/api/v1/traces/%s?format=%s" % (TRACE % 7, form))[0] == 404
    assert c.get("/api/v1/traces/%s?format=tempo" % trace)[0] == 400 and c.get("/api/v1/traces?format=tempo")[0] == 400
    assert c.get("/api/v1/traces?ids=%s&format=otlp" % trace)[0] == 400 and c.get("/api/v1/traces/%s?format=" % trace)[0] == 200
    said = subprocess.run([c.program, "trace", trace, "--format", "tempo", "--db", c.db], capture_output=True, text=True)
    assert said.returncode == 2 and "zipkin" in said.stderr, said
    said = subprocess.run([c.program, "trace", TRACE % 7, "--format", "otlp", "--db", c.db], capture_output=True, text=True)
    assert said.returncode == 3 and "no trace" in said.stderr, said


def scene_what_is_left_out_or_not_known_is_said(c):
    """A file of another format is not all of them in silence; formats that a command does not write are refused."""
    spans = [lib.otlp_span("%032x" % (n + 1), "%016x" % (n + 1)) for n in range(25)]
    path = os.path.join(c.folder, "spans.json")
    with open(path, "wb") as f:
        f.write(lib.otlp_body(spans))
    subprocess.run([c.program, "replay", "--db", c.db, path], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(*args):
        p = subprocess.run([c.program, *args, "--db", c.db], capture_output=True, text=True)
        return p.returncode, p.stdout, p.stderr

    window = ("--from", "1699999000", "--to", "1700001000")
    for form in ("text", "otlp", "jaeger", "zipkin"):
        code, said, told = run("traces", *window, "--format", form)
        assert code == 0 and "the 20 that were stored last" in told and said, (form, told)
        code, said, told = run("traces", *window, "--format", form, "--limit", "25")
        assert code == 0 and not told and said, (form, told)
    for args in (("--diff", "1699999000..1700000000"), ("--check",)):
        for form in ("dot", "mermaid"):
            code, said, told = run("graph", *window, *args, "--format", form)
            assert code == 2 and not said and "table or json" in told, (args, told)
    p = subprocess.run([c.program, "tail", "--format", "xml"], capture_output=True, text=True)
    assert p.returncode == 2 and "text or json" in p.stderr, p.stderr
