"""OTLP logs: records of traces stand with their spans, whenever they come; all others are refused with a reason."""
import datetime
import gzip
import json
import sqlite3
import subprocess
import time

import otlp
from h2raw import Peer, head, message
from lib import frames, otlp_body, otlp_span, wait_for
from otlp import AT, log_json, log_pb

EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
REASON = "no trace id: faultline keeps only logs of traces"
TRACE = "10905000000000000000000000000%03x"
SPAN = "%016x" % 7


def post(c, body, json_body=False, **headers):
    kind = "application/json" if json_body else "application/x-protobuf"
    return c.request(c.otlp, "POST", "/v1/logs", body, {"Content-Type": kind, **headers})


def send(c, *records, **more):
    status, text, _ = post(c, otlp.request_pb(list(records)), **more)
    assert status == 200 and text == b"", (status, text)


def send_span(c, trace, span=SPAN, parent="", **more):
    assert c.post_otlp(otlp_body([otlp_span(trace, span, parent, start=AT // 10**6, **more)]), True)[0] == 200


def events(c, trace, span=SPAN):
    rows = c.sql("SELECT events FROM span WHERE trace_id = ? AND span_id = ?", trace, span)
    assert len(rows) == 1, rows
    return json.loads(rows[0][0])


def bodies(c, trace, span=SPAN):
    return [e["body"] for e in events(c, trace, span) if e.get("kind") == "log"]


def scene_a_log_finds_its_span_whenever_it_comes(c):
    before, after, late, killed = (TRACE % i for i in range(4))
    c.start()
    send(c, log_pb("before its span", before, SPAN), log_pb("long before", killed, SPAN))
    send_span(c, before)
    send_span(c, after)
    c.flush()
    send(c, log_pb("after the cut", after, SPAN))
    c.flush()
    assert bodies(c, before) == ["before its span"] and bodies(c, after) == ["after the cut"]
    send_span(c, late)
    c.flush()
    c.stop()
    c.start()
    send(c, log_pb("in another life", late, SPAN))
    c.kill()
    c.start()
    send_span(c, killed)
    c.flush()
    assert bodies(c, late) == ["in another life"] and bodies(c, killed) == ["long before"]
    assert c.sql("SELECT reopened FROM trace") == [(0,)] * 4  # a log is no reason to stitch again
    c.check_ledger()
    assert c.sql("SELECT sum(stored) FROM ingest_minute") == [(4,)]
    for shown in (c.api("traces/" + late)["spans"][0], c.api("traces/%s/spans/%s" % (late, SPAN))["items"][0]):
        assert [e["body"] for e in shown["events"]] == ["in another life"] and shown["events"][0]["kind"] == "log", shown


def scene_every_field_by_every_way(c):
    """Protobuf, JSON, gRPC, packed: one record, whatever way it came, and once."""
    c.start()
    trace = TRACE % 16
    send_span(c, trace)
    fields = dict(trace=trace, span=SPAN, severity=17, event="db.query", route="/a", password="x")
    send(c, log_pb("it is slow", **fields))
    assert post(c, otlp.request_json("Logs", [log_json("it is slow", **fields)]), True)[:2] == (200, b"{}")
    assert post(c, gzip.compress(otlp.request_pb([log_pb("it is slow", **fields)])), **{"Content-Encoding": "gzip"})[0] == 200
    with Peer(c.grpc) as peer:
        answer = peer.ask(message(otlp.request_pb([log_pb("it is slow", **fields)])), head(EXPORT))
        assert answer.status == 0 and answer.data == message(b""), answer.headers
    c.flush()
    assert events(c, trace) == [{"time": "2023-11-14T22:13:20.000000000Z", "name": "db.query", "kind": "log", "severity": "ERROR", "body": "it is slow",
                                 "scope": "lib", "service": "cart", "attributes": {"route": "/a", "password": "REDACTED"}}], events(c, trace)
    assert c.sql("SELECT format, transport, stored, duplicate FROM ingest_minute WHERE stored + duplicate > 0 ORDER BY 1, 2") == [
        ("otlp_json", "http", 0, 1), ("otlp_pb", "http", 1, 1), ("otlp_pb", "grpc", 0, 1)][0:1] + [("otlp_pb", "grpc", 0, 1), ("otlp_pb", "http", 1, 1)]
    assert c.counter("faultline_ingest_records_total", format="otlp_pb", transport="grpc", outcome="duplicate") == 1
    # a body that is a map, a time that only the collector saw, a record of the trace as a whole
    map_body = otlp.field(5, otlp.field(6, otlp.field(1, otlp.field(1, "k") + otlp.field(2, otlp.field(1, "v")))))
    rest = otlp.field(9, bytes.fromhex(trace))
    send(c, map_body + otlp.fixed(11, AT + 1) + rest + otlp.field(10, bytes.fromhex(SPAN)), otlp.fixed(1, AT + 2) + otlp.field(3, "Notice") + rest)
    c.flush()
    found = events(c, trace)
    assert found[1]["body"] == {"k": "v"} and found[1]["time"].endswith("20.000000001Z"), found
    assert found[2]["severity"] == "Notice" and found[2]["body"] is None, found
    # a record without any time is of when it was received; sent again it is the same
    before = time.time()
    for _ in range(2):
        send(c, otlp.field(5, otlp.field(1, "when?")) + rest + otlp.field(10, bytes.fromhex(SPAN)))
        timeless = {"body": {"stringValue": "when?"}, "traceId": trace, "spanId": SPAN}
        assert post(c, otlp.request_json("Logs", [timeless]), True)[0] == 200
    c.flush()
    found = [e["time"] for e in events(c, trace) if e["body"] == "when?"]
    assert len(found) == 1 and before - 1 < datetime.datetime.fromisoformat(found[0][:19] + "+00:00").timestamp() <= time.time(), found
    send_span(c, trace, "%016x" % 8, SPAN)
    c.flush()
    assert events(c, trace, "%016x" % 8) == []  # the trace's own record stands with the span without a parent alone
    c.check_ledger()


def scene_refused(c):
    c.start()
    trace = TRACE % 32
    good = log_pb("good", trace, SPAN)
    status, text, _ = post(c, otlp.request_pb([log_pb("none"), good, log_pb("zero", "00" * 16, SPAN), log_pb("span only", "", SPAN)]))
    partial = otlp.read_fields(otlp.read_fields(text)[1][0])
    assert status == 200 and partial == {1: [3], 2: [REASON.encode()]}, partial
    status, text, _ = post(c, otlp.request_json("Logs", [log_json("none"), log_json("good", trace, SPAN)]), True)
    assert (status, json.loads(text)) == (200, {"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": REASON}}), text
    with Peer(c.grpc) as peer:
        answer = peer.ask(message(otlp.request_pb([log_pb("none")])), head(EXPORT))
        assert answer.status == 0 and otlp.read_fields(otlp.read_fields(answer.data[5:])[1][0]) == {1: [1], 2: [REASON.encode()]}, answer.data
    for record, reason in ((log_pb("short", "ab" * 8, SPAN), b"trace_id is not 16 bytes"), (log_pb("long", trace, SPAN + "00"), b"span_id is not 8 bytes")):
        status, text, _ = post(c, otlp.request_pb([record]))
        assert status == 200 and reason in text, (status, text)
    status, text, _ = post(c, otlp.request_json("Logs", [log_json("x", "zz" * 16, SPAN), log_json("y", trace, "12")]), True)
    assert json.loads(text)["partialSuccess"]["rejectedLogRecords"] == "2" and "traceId is not 32" in text.decode(), text
    deep = otlp.field(5, b"")
    for _ in range(40):
        deep = otlp.field(5, otlp.field(5, otlp.field(1, deep[2:] if len(deep) < 129 else deep[3:])))
    rows = [("text/plain", b"", 415), ("application/json", b"", 400), ("application/json", b"{}", 200), ("application/x-protobuf", b"", 200),
            ("application/json", good, 400), ("application/x-protobuf", b"{}", 400), ("application/x-protobuf", otlp.request_pb([deep]), 400),
            ("application/json", b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[7]}]}]}', 400),
            ("application/json", b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b"{}," * 60000 + b"{}]}]}]}", 413),
            ("application/x-protobuf", otlp.request_pb([b""] * 60000), 413)]
    for kind, body, wanted in rows:
        status, text, _ = c.request(c.otlp, "POST", "/v1/logs", body, {"Content-Type": kind})
        assert status == wanted, (kind, body[:40], status, text)
        assert wanted != 413 or b"records" in text and b" spans" not in text, text
    c.flush()
    assert c.sql("SELECT sum(received), sum(rejected), sum(stored), sum(duplicate) FROM ingest_minute") == [(11, 9, 1, 1)]
    c.check_ledger()


def scene_together_within_the_limit(c):
    """Events and logs of a span are limit.events at most; what is beyond is counted, and known when it is sent again."""
    c.start(limit__events="10")
    trace = TRACE % 48
    span = otlp_span(trace, SPAN, start=AT // 10**6)
    span[1]["events"] = [{"timeUnixNano": str(AT + i), "name": "e%d" % i} for i in range(4)]
    records = [log_pb("log %d" % i, trace, SPAN, at=AT + i) for i in range(25)]
    for _ in range(2):
        send(c, *records)
        assert c.post_otlp(otlp_body([span]), True)[0] == 200
        c.flush()
        found = events(c, trace)
        assert [e["name"] for e in found[:4]] == ["e0", "e1", "e2", "e3"] and bodies(c, trace) == ["log %d" % i for i in range(6)], found
    assert c.counter("faultline_ingest_truncated_total", field="events") == 15
    assert c.sql("SELECT sum(stored), sum(duplicate) FROM ingest_minute") == [(25, 26)]
    c.check_ledger()
    c.stop()
    c.start(limit__events="3")
    c.flush()
    assert bodies(c, trace) == []


def scene_logs_go_with_their_traces(c):
    """By age: records of stored traces, and those whose trace never came. Any reader of the file sees them as the program does."""
    c.start()
    kept, alone = TRACE % 64, TRACE % 65
    send_span(c, kept)
    send(c, log_pb("kept", kept, SPAN), log_pb("alone", alone, SPAN))
    c.flush()
    stock = subprocess.run(["sqlite3", "-readonly", c.db, "SELECT json_extract(events, '$[0].body') FROM span"], capture_output=True, text=True)
    assert stock.stdout == "kept\n", stock
    c.stop()
    db = sqlite3.connect(c.db)
    assert db.execute("SELECT count(*) FROM log_row").fetchone() == (2,)
    db.execute("UPDATE log_row SET stored_s = stored_s - 864000")
    db.execute("UPDATE trace_row SET stored_s = stored_s - 864000")
    db.commit()
    db.close()
    c.start(store__retention="1h")
    wait_for(lambda: c.sql("SELECT (SELECT count(*) FROM log_row), (SELECT count(*) FROM trace)") == [(0, 0)], limit=60, what="all gone by age")


def scene_real_payloads(c):
    """Envoy's OpenTelemetry access logger beside its traces: its records are entries of access logs, and change no call that the spans tell."""
    rows = ("SELECT caller_service, callee_service, known_by, sum(calls), sum(errors), sum(retries) FROM edge_minute WHERE protocol != 'tcp' GROUP BY 1, 2, 3 "
            "ORDER BY 1, 2, 3")
    c.start(stitch__trace_idle="1m", stitch__trace_max_age="5m")
    for body in frames("otlp_http"):
        c.post_otlp(body)
    c.flush()
    before = c.sql(rows)
    for body in frames("otlp_http_logs"):
        status, text, _ = post(c, body)
        assert (status, text) == (200, b"")
    c.flush()
    received, accepted = c.sql("SELECT sum(received), sum(received) - sum(rejected) - sum(duplicate) FROM ingest_minute WHERE format = 'access_log_otlp'")[0]
    assert received == accepted > 50, (received, accepted)
    assert c.sql("SELECT count(*) FROM span WHERE format = 'access_log_otlp'") == [(accepted,)]
    after = c.sql(rows)
    assert after == before, [row for row in after if row not in before]
    c.check_ledger()
