"""Files of every format, packed or not, in pieces: what comes of them, how much memory they take, and what is said of bad ones."""
import ctypes
import ctypes.util
import gzip
import json
import os
import re
import subprocess
import time

import otlp
from lib import frames, golden, otlp_body, otlp_span

TRACE = "5eed00000000000000000000000000%02x"


def zstd(data):
    library = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
    library.ZSTD_compressBound.restype = library.ZSTD_compress.restype = ctypes.c_size_t
    room = library.ZSTD_compressBound(ctypes.c_size_t(len(data)))
    out = ctypes.create_string_buffer(room)
    n = library.ZSTD_compress(out, ctypes.c_size_t(room), data, ctypes.c_size_t(len(data)), 3)
    return out.raw[:n]


def replay(c, data, *more, code=0, name="f.bin"):
    """Into a fresh database (c.db); gives the line of JSON, or what was said."""
    path = os.path.join(c.folder, name)
    with open(path, "wb") as f:
        f.write(data)
    for end in ("", "-wal", "-shm"):
        if os.path.exists(c.db + end):
            os.unlink(c.db + end)
    done = subprocess.run([c.program, "replay", path, "--db", c.db, *more], capture_output=True, text=True)
    assert done.returncode == code, (done.returncode, done.stderr)
    return done.stderr if code else json.loads(done.stdout)


def scene_jaeger_json(c):
    text = golden("jaeger", "checkout.json")
    document = json.loads(text)
    for data in (text, text.replace(b"\n", b""), json.dumps(document["data"]).encode(), json.dumps(document["data"][0]).encode(), gzip.compress(text),
                 zstd(text), b"\xef\xbb\xbf" + text, json.dumps(document, sort_keys=True).encode()):
        done = replay(c, data)
        assert (done["records"], done["accepted"], done["rejected"]) == (4, 3, 1), (done, data[:80])
        assert done["from"] == "2020-09-13T12:26:40.000000000Z" and done["to"] == "2020-09-13T12:26:40.120000000Z", done
        spans = c.sql("SELECT span_id, parent_span_id, service, version, kind, status, status_message, http_status, duration_ns, format FROM span ORDER BY 1")
        assert spans == [
            ("%016x" % 0xb1, "", "checkout", "v3", "server", "error", "", 500, 120_000_000, "jaeger_json"),
            ("%016x" % 0xb2, "%016x" % 0xb1, "checkout", "v3", "client", "error", "card refused", None, 90_000_000, "jaeger_json"),
            ("%016x" % 0xb3, "%016x" % 0xb2, "payment", "", "server", "error", "", None, 70_000_000, "jaeger_json")], spans
        event, attributes = c.sql("SELECT events, attributes FROM span WHERE parent_span_id = ''")[0]
        assert json.loads(event) == [{"time": "2020-09-13T12:26:40.050000000Z", "name": "cache miss", "attributes": {"key": "cart-7"}}], event
        assert json.loads(attributes)["retries"] == -3 and json.loads(attributes)["load"] == 0.25
        link = json.loads(c.sql("SELECT links FROM span WHERE operation = 'charge'")[0][0])
        assert link == [{"trace_id": "%032x" % 0xff, "span_id": "%016x" % 7, "attributes": {"opentracing.ref_type": "follows_from"}}], link
        assert c.sql("SELECT trace_id, origin_service FROM trace") == [("00000000000000005eed0000000000a1", "payment")]
        assert c.sql("SELECT caller_service, callee_service, calls, errors FROM edge_minute WHERE known_by = 'both'") == [("checkout", "payment", 1, 1)]
        c.check_ledger()
    said = subprocess.run([c.program, "replay", os.path.join(c.folder, "f.bin"), "--to", "http://127.0.0.1:1"], capture_output=True, text=True)
    assert said.returncode == 3 and "127.0.0.1:1" in said.stderr, said


def scene_times_of_what_has_no_end(c):
    """nginx's `combined` says when, not how long: the range that was fed is told all the same."""
    line = b'10.0.0.3 - - [23/Nov/2026:10:00:0%d +0000] "GET /cart HTTP/1.1" 200 9 "-" "-"\n'
    done = replay(c, line % 2 + line % 5)
    assert (done["from"], done["to"]) == ("2026-11-23T10:00:02.000000000Z", "2026-11-23T10:00:05.000000000Z"), done
    before = time.time_ns()
    done = replay(c, line % 2 + line % 5, "--shift")
    first, last = c.sql("SELECT min(start_ns), max(start_ns) FROM span")[0]
    assert last - first == 3 * 10**9 and before - 10**6 < last < time.time_ns(), (first, last, before)


def sent_on(c, files):
    """Starts, and replays these to it as files: their names, and what the command says."""
    names = [os.path.join(c.folder, "file%d" % i) for i in range(len(files))]
    for name, data in zip(names, files):
        with open(name, "wb") as f:
            f.write(data)
    c.start()
    done = subprocess.run([c.program, "replay", *names, "--to", "http://%s/" % c.otlp], capture_output=True, text=True)
    assert done.returncode == 0, done
    return names, json.loads(done.stdout)


def scene_to_a_collector(c):
    """Files of every kind sent on: the same rows as in a database, flushed when the command returns. Jaeger's spans go as OTLP."""
    columns = ("SELECT trace_id, span_id, parent_span_id, service, version, operation, kind, start_ns, duration_ns, status, status_message, http_status, resource, "
               "attributes, events, links FROM span ORDER BY 1, 2")
    files = [golden("jaeger", "checkout.json"), golden("otel_js", "json", "traces.frontend.json"), golden("otel_js", "proto", "metrics.backend.bin"),
             otlp.request_json("Logs", [otlp.log_json("x", "0" * 16 + "5eed0000000000a1", "%016x" % 0xb1)])]
    names, said = sent_on(c, files)
    assert (said["accepted"], said["duplicate"], said["rejected"]) == (said["records"] - 1, 0, 1), said
    sent, points = c.sql(columns), c.sql("SELECT count(*) FROM metric_point")
    c.stop()
    direct = os.path.join(c.folder, "direct.db")
    subprocess.run([c.program, "replay", *names, "--db", direct], check=True, capture_output=True)
    c.db = direct
    assert sent == c.sql(columns) and len(sent) > 20 and any('"kind":"log"' in row[14] for row in sent), [(a, b) for a, b in zip(sent, c.sql(columns)) if a != b]
    assert points == c.sql("SELECT count(*) FROM metric_point") and points[0][0] > 0


def scene_files_of_zipkin_beside_others_go_as_otlp(c):
    """One command for a folder of files: the graph of Zipkin's is what it is from the files themselves, shared ids included."""
    edges = ("SELECT caller_service, callee_service, connection_type, protocol, via, crossing, known_by, sum(calls), sum(errors), sum(errors_origin), sum(recovered), "
             "sum(plaintext), sum(mtls) FROM edge_minute GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7")
    names, said = sent_on(c, [golden("otel_js", "json", "traces.frontend.json")] + frames("zipkin_shared") + frames("zipkin_pb")[:3] +
                          [golden("otel_js", "json", "traces.backend.json")])
    sent = c.sql(edges)
    assert said["accepted"] == said["records"] > 100, said
    wrong = subprocess.run([c.program, "replay", names[0], "--to", "http://" + c.zipkin], capture_output=True, text=True)
    assert wrong.returncode == 3 and "receive.otlp_http.listen" in wrong.stderr, wrong
    c.check_ledger()
    c.stop()
    c.db = os.path.join(c.folder, "direct.db")
    subprocess.run([c.program, "replay", *names, "--db", c.db], check=True, capture_output=True)
    assert sent == c.sql(edges) and len(sent) > 4, (sent, c.sql(edges))


def scene_a_document_larger_than_a_collector_takes(c):
    """By the number of spans and by bytes: it is sent in parts, and nothing is missing; what cannot be parted is said."""
    span = {"traceId": TRACE % 1, "name": "n", "kind": 2, "startTimeUnixNano": str(otlp.AT), "endTimeUnixNano": str(otlp.AT + 10**6)}
    many = [{**span, "spanId": "%016x" % (i + 1)} for i in range(60000)]
    large = [{**s, "traceId": TRACE % 2, "attributes": [{"key": "k", "value": {"stringValue": "x" * 4000}}]} for s in many[:5000]]
    c.start()
    for spans, total in ((many, 60000), (large, 65000)):
        path = os.path.join(c.folder, "document.json")
        with open(path, "w") as f:
            json.dump({"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]}, "scopeSpans": [{"spans": spans}]}]}, f)
        done = subprocess.run([c.program, "replay", path, "--to", "http://" + c.otlp], capture_output=True, text=True)
        assert done.returncode == 0 and json.loads(done.stdout)["accepted"] == len(spans), done
        assert c.sql("SELECT count(*), count(DISTINCT trace_id || span_id) FROM span WHERE service = 's'") == [(total, total)]
    c.check_ledger()
    with open(path, "w") as f:
        json.dump([{"traceId": "1", "id": "1", "timestamp": otlp.AT // 1000}], f)
    assert subprocess.run([c.program, "replay", path, "--to", "http://" + c.zipkin], capture_output=True).returncode == 0


def scene_zipkin_protobuf(c):
    """The capture of Envoy's HTTP_PROTO, from a file and over HTTP: the graph that JSON with shared ids gives of the same requests."""
    edges = "SELECT caller_service, callee_service, sum(calls), sum(errors), sum(errors_origin), sum(recovered) FROM edge_minute GROUP BY 1, 2 ORDER BY 1, 2"
    bodies = frames("zipkin_pb")
    done = replay(c, b"".join(bodies))
    assert (done["accepted"], done["rejected"]) == (235, 0)
    from_file = c.sql(edges)
    assert c.sql("SELECT DISTINCT format FROM span") == [("zipkin_pb",)]
    c.db = os.path.join(c.folder, "http.db")
    c.sets["store.path"] = c.db
    c.start()
    for body in bodies:
        assert c.request(c.zipkin, "POST", "/api/v2/spans", body, {"Content-Type": "application/x-protobuf"})[:2] == (202, b"")
    c.flush()
    over_http = c.sql(edges)
    assert over_http == from_file and len(from_file) > 4, from_file
    assert c.counter("faultline_ingest_records_total", format="zipkin_pb", transport="http", outcome="accepted") == 235
    c.check_ledger()
    c.stop()
    c.db = c.sets["store.path"] = os.path.join(c.folder, "json.db")
    c.start()
    for body in frames("zipkin_shared"):
        c.post_zipkin(body)
    c.flush()
    assert c.sql(edges) == from_file


def scene_lines_and_frames_of_the_collector(c):
    """All three signals in one file, a document a line; and each behind its length, in protobuf and packed."""
    trace = TRACE % 1
    span = otlp_body([otlp_span(trace, "%016x" % 1, service="cart")])
    metric = otlp.request_json("Metrics", [otlp.metric_json("requests", otlp.SUM, [otlp.number_json(7, route="/a")])])
    log = otlp.request_json("Logs", [otlp.log_json("slow", trace, "%016x" % 1)])
    lines = b"\n".join((log, metric, span)) + b"\n"
    binary = [otlp.request_pb([otlp.log_pb("slow", trace, "%016x" % 1)]),
              otlp.request_pb([otlp.metric_pb("requests", otlp.SUM, [otlp.number_pb(7, route="/a")])])]
    for data in (lines, lines.replace(b"\n", b"\r\n\r\n"), gzip.compress(lines), gzip.compress(lines[:100]) + gzip.compress(lines[100:]), zstd(lines),
                 otlp.frames_of([log, metric, span]), otlp.frames_of([zstd(b) for b in binary] + [b"", gzip.compress(span)]),
                 zstd(otlp.frames_of(binary + [span]))):
        done = replay(c, data)
        assert (done["records"], done["accepted"]) == (3, 3), (done, data[:60])
        assert c.sql("SELECT name, value FROM metric_point JOIN metric_series USING (series_id)") == [("requests", 7)]
        assert [e["body"] for e in json.loads(c.sql("SELECT events FROM span")[0][0])] == ["slow"]
        again = json.loads(subprocess.run([c.program, "replay", os.path.join(c.folder, "f.bin"), "--db", c.db], capture_output=True, text=True).stdout)
        assert (again["accepted"], again["duplicate"]) == (0, 3), again
        c.check_ledger()
    for body in binary:  # a file of one signal in protobuf
        assert replay(c, body + body)["duplicate"] == 1


def scene_shift_moves_all_signals(c):
    trace = TRACE % 2
    lines = b"\n".join((otlp.request_json("Logs", [otlp.log_json("x", trace, "%016x" % 1, at=otlp.AT + 4_000_000)]),
                        otlp.request_json("Metrics", [otlp.metric_json("m", otlp.GAUGE, [otlp.number_json(1, at=otlp.AT + 5_000_000)])]),
                        otlp_body([otlp_span(trace, "%016x" % 1, start=otlp.AT // 10**6, ms=10)])))
    done = replay(c, lines, "--shift")
    start, events = c.sql("SELECT start_ns, events FROM span")[0]
    assert start > otlp.AT + 10**15 and done["to"] > "2026", (start, done)
    assert c.sql("SELECT at_ns FROM metric_point") == [(start + 5_000_000,)]
    moved = c.sql("SELECT strftime('%Y-%m-%dT%H:%M:%S', ?1 / 1000000000, 'unixepoch') || printf('.%09dZ', ?1 % 1000000000)", start + 4_000_000)
    assert json.loads(events)[0]["time"] == moved[0][0]


def told(c):
    """What a database holds, its times from its first span's start on; what cannot be a time as it is."""
    first = c.sql("SELECT min(start_ns) FROM span WHERE start_ns > 1000000000")[0][0]
    spans = c.sql("SELECT trace_id, span_id, service, operation, kind, CASE WHEN start_ns > 1000000000 THEN start_ns - ? ELSE start_ns END, duration_ns, attributes, links FROM span ORDER BY 1, 2, 3, 5, 6, 7", first)
    points = c.sql("SELECT name, at_ns - ?, value, count, sum FROM metric_point JOIN metric_series USING (series_id) ORDER BY 1, 2, 3, 4, 5", first)
    return first, spans, points


def event_times(c, first):
    """Of span events and logs, from the first span's start on, to the microsecond; as SQL reads the text."""
    return c.sql("SELECT CAST(strftime('%s', json_extract(value, '$.time')) AS INTEGER) * 1000000 + CAST(substr(json_extract(value, '$.time'), 21, 6) AS INTEGER) - ? / 1000 "
                 "FROM span, json_each(span.events) ORDER BY 1", first)


def scene_shift_on_the_way_to_a_collector(c):
    """Every format whose times are numbers: all of them move alike, to a collector as into a file, and nothing else changes."""
    from lib import Collector
    trace, at = TRACE % 2, otlp.AT
    span = {"traceId": trace, "spanId": "%016x" % 1, "name": "n", "kind": 2, "startTimeUnixNano": at, "endTimeUnixNano": str(at + 10**7), "flags": 1,
            "attributes": [{"key": "timeUnixNano", "value": {"stringValue": "17"}}, {"key": "s", "value": {"stringValue": 'a "timeUnixNano":"1700000000000000000" b'}}],
            "events": [{"timeUnixNano": str(at + 1000), "name": "e"}]}
    own = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span, {**span, "spanId": "%016x" % 2, "startTimeUnixNano": "5", "endTimeUnixNano": "0"}]}]}]}).encode()
    zipkin = json.dumps([{"traceId": trace, "id": "1", "kind": "SERVER", "timestamp": at // 1000, "duration": 10, "localEndpoint": {"serviceName": "z"},
                          "tags": {"timestamp": "1700000000000000", "startTime": "5"}, "annotations": [{"timestamp": at // 1000 + 3, "value": "x"}]}]).encode()
    mixed = b"\n".join((otlp.request_json("Logs", [otlp.log_json("x", trace, "%016x" % 1, at=at + 4_000_000)]),
                        otlp.request_json("Metrics", [otlp.metric_json("m", otlp.GAUGE, [otlp.number_json(1, at=at + 5_000_000)])]), own))
    packed = otlp.frames_of([otlp.request_pb([otlp.metric_pb("requests", otlp.SUM, [otlp.number_pb(7, route="/a")])]), golden("otel_js", "proto", "traces.frontend.bin"),
                             golden("otel_js", "proto", "metrics.frontend.bin")])
    for data, port in ((mixed, "otlp"), (zipkin, "zipkin"), (golden("otel_js", "zipkin", "spans.frontend.json"), None), (golden("jaeger", "checkout.json"), "otlp"), (packed, "otlp"),
                       (golden("otel_js", "proto", "traces.backend.bin"), None), (b"".join(frames("zipkin_pb")[:3]), "zipkin")):
        replay(c, data)
        was, spans, points = told(c)
        events = event_times(c, was)
        replay(c, data, "--shift")
        moved = told(c)
        assert moved[1:] == (spans, points) and event_times(c, moved[0]) == events and moved[0] > was, (data[:60], moved, spans)
        if not port:
            continue
        with_port = Collector(c.build)
        try:
            with_port.start()
            done = subprocess.run([c.program, "replay", os.path.join(c.folder, "f.bin"), "--shift", "--to", "http://" + getattr(with_port, port)], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            with_port.flush()
            sent = told(with_port)
            assert sent[1:] == (spans, points) and event_times(with_port, sent[0]) == events and sent[0] >= moved[0], (data[:60], sent, spans)
            assert json.loads(done.stdout)["to"] > "2026"
            with_port.check_ledger()
        finally:
            with_port.close()
    with open(os.path.join(c.folder, "f.bin"), "wb") as f:
        f.write(golden("access_logs", "nginx.log"))
    done = subprocess.run([c.program, "replay", os.path.join(c.folder, "f.bin"), "--as", "nginx", "--shift", "--to", "http://127.0.0.1:1"], capture_output=True, text=True)
    assert done.returncode == 2 and "access logs keep their times" in done.stderr, done


def peak(c, path, more=()):
    """Most memory that a replay took, in bytes, and its line."""
    for end in ("", "-wal", "-shm"):
        if os.path.exists(c.db + end):
            os.unlink(c.db + end)
    p = subprocess.Popen([c.program, "replay", path, "--db", c.db, *more], stdout=subprocess.PIPE)
    said = p.stdout.read()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = 0
    assert status == 0, status
    return usage.ru_maxrss * 1024, json.loads(said)


def scene_large_documents_come_in_pieces(c):
    """One document of 60 MB takes the memory of one of 6 MB: what is refused span by span stays nowhere."""
    path = os.path.join(c.folder, "large")
    jaeger = json.dumps({"traceID": "0", "spans": [{"traceID": "0", "spanID": "1", "operationName": "x" * 700}] * 10, "processes": {}})
    zipkin = json.dumps({"traceId": "0", "id": "1", "name": "y" * 700})
    resource = json.loads(otlp_body([otlp_span("0" * 32, "%016x" % 1, name="z" * 700)] * 10))["resourceSpans"][0]
    kinds = [('{"data":[', jaeger, '],"total":0}', 10), ("[", zipkin, "]", 1), ('{"resourceSpans":[', json.dumps(resource), "]}", 10)]
    for opening, element, closing, spans in kinds:
        took = []
        for size in (6_000_000, 60_000_000):
            n = size // (len(element) + 2)
            with open(path, "w") as f:
                f.write(opening)
                for at in range(0, n, 1000):
                    f.write((",\n" if at else "") + ",\n".join([element] * min(1000, n - at)))
                f.write(closing)
            memory, done = peak(c, path)
            assert (done["records"], done["rejected"]) == (n * spans, n * spans), (done, n, opening)
            took.append(memory)
        assert took[1] < took[0] * 1.5 + 30_000_000, (took, opening)


def scene_cuts_lose_nothing(c):
    """Larger than a piece, every span distinct: as many rows as spans, whole or in pieces."""
    spans = [{"traceID": "%x" % (i // 5 + 1), "spanID": "%x" % (i + 1), "operationName": "op,]}\\\"[{%d" % (i % 7), "startTime": 1600000000000000 + i, "duration": 5,
              "tags": [{"key": "pad", "value": "[\"{" + "p" * 200}], "processID": "p"} for i in range(15000)]
    traces = [{"traceID": s["traceID"], "spans": spans[i:i + 5], "processes": {"p": {"serviceName": "s%d" % (i % 3)}}} for i, s in enumerate(spans) if i % 5 == 0]
    for indent in (None, 1):
        done = replay(c, json.dumps({"errors": [], "data": traces, "limit": [1, 2]}, indent=indent).encode())
        assert done["accepted"] == 15000 and c.sql("SELECT count(*), count(DISTINCT span_id), count(DISTINCT trace_id) FROM span") == [(15000, 15000, 3000)]
        c.check_ledger()
    body = otlp.request_pb([otlp.metric_pb("m%d" % i, otlp.GAUGE, [otlp.number_pb(i, pad="p" * 300)]) for i in range(500)])
    parts = b"".join(body.replace(b"pppppp", b"%06d" % k) for k in range(16))
    done = replay(c, parts)
    assert len(parts) > 2_000_000 and done["accepted"] == 8000 and c.sql("SELECT count(*) FROM metric_series") == [(8000,)], done


def scene_lines_keep_the_format_of_the_first(c):
    """An access log whose pieces begin with lines that cannot be read: these are rejected alone, wherever they stand."""
    line = golden("access_logs", "nginx.log").splitlines()[0]
    done = replay(c, line + b"\n" + b"nonsense that is no line of any log\n" * 90000 + line + b"\n")
    assert (done["records"], done["rejected"]) == (90002, 90000), done
    c.check_ledger()
    path = os.path.join(c.folder, "f.bin")
    said = lambda: subprocess.run([c.program, "replay", path, path, "--db", c.db], capture_output=True, text=True).stderr.splitlines()  # noqa: E731
    assert said() == ["faultline replay: %s: 90000 records are rejected; the first: line 2: nginx: not the combined format, nor one that begins with it" % path] * 2
    with open(path, "wb") as f:  # counted from where its piece begins
        f.write((line + b"\n") * (1536 * 1024 // len(line)) + b"nonsense\n")
    assert [re.sub(r"\d{2,}|line \d+", "N", x[x.index(": 1 "):]) for x in said()] == [": 1 record is rejected: from byte N on: N: nginx: not the combined format, nor one that begins with it"] * 2


def scene_a_broken_line_is_left_out(c):
    """A document a line: one that is cut off, in a text or between, is none at all, or is not what it should be, is told by its number and counted."""
    good = [json.dumps(json.loads(otlp_body([otlp_span(TRACE % (i + 1), "%016x" % (i + 1), service="cart")]))).encode() for i in range(5)]
    long = json.loads(good[3])
    long["resourceSpans"] = [json.loads(json.dumps(long["resourceSpans"][0]).replace('"%016x"' % 4, '"%016x"' % (100 + i))) for i in range(9000)]
    long = json.dumps(long).encode()
    assert len(long) > 2 << 20
    cut = good[0].index(b"endTime") - 3
    for bad in (good[0][:cut], good[0][:cut + 6], b'{"a', b"{broken", b"hello", b"]", b'"', b'{"resourceSpans":7}', b'{"resourceSpans":[}', b'{"a":1}', good[0][:-1] + b"]",
                b"hello {} \" {", b"\xff\0"):
        for end, at in ((b"\n", 0), (b"\r\n", 0), (b"\n", 1), (b"\r\n", 3), (b"\n\n", 5)):
            path = os.path.join(c.folder, "lines.jsonl")
            with open(path, "wb") as f:
                f.write(end.join(good[:at] + [bad] + good[at:]) + (end if at < 5 else b""))
            done = subprocess.run([c.program, "replay", path, "--db", c.db], capture_output=True, text=True)
            said = json.loads(done.stdout)
            assert (said["records"], said["rejected"]) == (6, 1), (bad, end, at, done)
            assert "lines.jsonl: line %d is left out: " % (at * end.count(b"\n") + 1) in done.stderr and done.stderr.count("\n") == 1, (bad, end, at, done)
    assert c.sql("SELECT count(*) FROM span") == [(5,)]
    c.check_ledger()
    done = replay(c, b"\n".join([good[0], long[:-len(long) // 8], good[1], b"x", good[2], b'{"resourceSpans":7}', long, good[4]]))
    assert done["rejected"] == 3 and c.sql("SELECT count(DISTINCT span_id) FROM span") == [(9004,)], done
    c.check_ledger()
    # A rotated file begins in the middle of a line, wherever that may be, also before one of its commas or brackets, or in a long one.
    for begin in list(range(1, len(good[0]), 23)) + [good[0].index(b"[") + 1, good[0].index(b",") + 1, good[0].index(b'{"key"')]:
        for first in (good[0][begin:], good[0][:begin]):
            done = replay(c, b"\n".join([first, good[1], good[2]]))
            assert (done["records"], done["rejected"]) == (3, 1), (first, done)
    done = replay(c, b"\n".join([long[len(long) // 3:], good[1]]) + b"\n", "--as", "otlp_json")
    assert (done["records"], done["rejected"]) == (2, 1), done
    # Lines of one document are none by themselves.
    spaced = lambda i: json.dumps(json.loads(good[i])["resourceSpans"][0])  # noqa: E731
    for text in ('{"resourceSpans":[\n%s\n]}\n', '{"resourceSpans":\n[%s\n,\n%%s]}\n' % "%s", '{"resourceSpans":[\n%s,\n%%s\n]\n}{}' % "%s"):
        text = text % ((spaced(1), spaced(2)) if text.count("%s") == 2 else spaced(1))
        done = replay(c, text.encode())
        assert (done["records"], done["rejected"]) == (text.count('"startTimeUnixNano"'), 0), (text, done)
    c.check_ledger()
    c.stop()
    data = b"\n".join([b'{"resourceSpans":7}', good[0]] + [b"x"] * 30 + [b"\n", good[1]])
    with open(path, "wb") as f:
        f.write(data)
    c.start()
    done = subprocess.run([c.program, "replay", path, "--to", "http://" + c.otlp, "--shift"], capture_output=True, text=True)
    said = json.loads(done.stdout)
    assert (said["accepted"], said["rejected"], done.stderr.count("\n")) == (2, 31, 11), done
    assert c.counter("faultline_ingest_requests_total", code="400") == 0


def scene_bad_files_are_named(c):
    good = golden("otel_js", "json", "traces.frontend.json")
    packed = gzip.compress(good)
    rows = [(good[:500], 2, "ends in the middle"), (b"nonsense", 2, "--as"), (b"[\n]\n!", 2, "byte 4"), (good + b"!", 2, "byte %d" % len(good)),
            (packed[:-20], 2, "ends in the middle"), (packed[:50] + b"\xff" * 40 + packed[90:], 2, "damaged"), (zstd(good)[:-9], 2, "ends in the middle"),
            (b"\0\0\0\x09abc", 2, "ends in the middle"), (b"\xff\xff\xff\xff", 2, ""), (b'{"resourceSpans":7}', 2, "malformed"),
            (b'{"data":[{"spans":[{"traceID":1}],"processes":[]}]}', 2, "malformed"), (b"{}{}", 0, None), (b"", 0, None), (b" \n\n", 0, None), (b"[]", 0, None)]
    for data, code, text in rows:
        said = replay(c, data, code=code)
        if code:
            assert "f.bin" in said and text in said and said.count("\n") == 1, (data[:40], said)
        else:
            assert said == {"files": 1, "records": 0, "accepted": 0, "duplicate": 0, "rejected": 0, "from": None, "to": None}, (data, said)
    assert "larger than 256 MiB" in replay(c, otlp.frames_of([good]) + b"\xff\xff\xff\xffx", code=3)
    said = subprocess.run([c.program, "replay", "/no/such/file", "--db", c.db], capture_output=True, text=True)
    assert said.returncode == 3 and "/no/such/file" in said.stderr, said
    said = subprocess.run([c.program, "replay", "x", "--as", "alb2"], capture_output=True, text=True)
    assert said.returncode == 2 and "jaeger_json" in said.stderr, said
    assert replay(c, b'{"data":[]}', "--as", "jaeger_json")["records"] == 0
    assert replay(c, golden("otel_js", "zipkin", "spans.frontend.json"), "--as", "zipkin_json")["accepted"] > 5
    assert "malformed" in replay(c, golden("otel_js", "zipkin", "spans.frontend.json"), "--as", "otlp_json", code=2)
