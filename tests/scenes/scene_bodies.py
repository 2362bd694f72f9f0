"""Bodies that are large, deep, packed, cut, malformed or odd, each with its exact answer. The numbers are those of the security cases
(tests/README.md)."""
import gzip
import json
import subprocess
import struct
import time
import zlib

from lib import otlp_body, otlp_span
from raw import GOOD, exchange, parse, post

JSON, PROTOBUF = b"application/json", b"application/x-protobuf"
TRACE = "0af7651916cd43dd8448eb211c80319c"


# ---- protobuf by hand ----

def varint(n):
    out = b""
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def span_pb(*more, trace=b"\1" * 16, span=b"\2" * 8):
    return field(1, trace) + field(2, span) + b"".join(more)


def body_pb(*spans):
    return field(1, field(2, b"".join(field(2, s) for s in spans)))


def nested_any(depth):
    """An attribute whose value is an array in an array …: `depth` values in each other, the innermost an empty one."""
    value = b""
    for _ in range(depth - 1):
        value = field(5, field(1, value))
    return body_pb(span_pb(field(9, field(1, b"k") + field(2, value))))


def nested_json(depth):
    """The document's own braces and lists count."""
    outer = {"resourceSpans": [{"scopeSpans": [{"spans": [json.loads(json.dumps(otlp_span(TRACE, "00000000000000a1")[1]))]}]}]}
    text = json.dumps(outer)
    # ten levels hold the value: document, resourceSpans, its item, scopeSpans, its item, spans, its item, attributes, its item, value
    inner = "{\"arrayValue\":{\"values\":[" * ((depth - 10) // 3) + "{}" + "]}}" * ((depth - 10) // 3)
    return text.replace("\"attributes\": []", "\"attributes\":[{\"key\":\"k\",\"value\":%s}]" % inner).encode()


# ---- zstd by hand: frames of raw and of run-length blocks ----

def zstd_frame(data):
    assert len(data) < 256
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(data)]) + (len(data) << 3 | 1).to_bytes(3, "little") + data


def zstd_run(n_blocks):
    """n_blocks × 128 KiB of blanks."""
    block = (131072 << 3 | 2).to_bytes(3, "little") + b" "
    last = (131072 << 3 | 3).to_bytes(3, "little") + b" "
    return b"\x28\xb5\x2f\xfd\x00\x58" + block * (n_blocks - 1) + last


ZSTD_WINDOW = b"\x28\xb5\x2f\xfd\x00\x90" + (1 << 3 | 1).to_bytes(3, "little") + b" "  # says that it needs 256 MiB
ZSTD_SKIPPED = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"

GZ = gzip.compress(GOOD)
BLANKS = b" " * (64 << 20)

# number, name, path, type, coding, body, status
BODIES = [
    (0, "no Content-Type", b"/v1/traces", b"", b"", GOOD, 415),
    (0, "unknown Content-Type", b"/v1/traces", b"text/xml", b"", GOOD, 415),
    (0, "a type's name with more behind it", b"/v1/traces", b"application/jsonx", b"", GOOD, 415),
    (0, "parameters of a type", b"/v1/traces", b"Application/JSON; charset=utf-8", b"", GOOD, 200),
    (0, "a slash behind", b"/v1/traces/", JSON, b"", GOOD, 200),
    (0, "the bare address", b"/", JSON, b"", GOOD, 404),
    (0, "empty protobuf", b"/v1/traces", PROTOBUF, b"", b"", 200),
    (0, "empty JSON body", b"/v1/traces", JSON, b"", b"", 400),
    (0, "blanks", b"/v1/traces", JSON, b"", b" \r\n", 400),
    (0, "empty JSON request", b"/v1/traces", JSON, b"", b"{}", 200),
    (0, "two documents", b"/v1/traces", JSON, b"", b"{}{}", 400),
    (0, "lines of documents", b"/v1/traces", JSON, b"", GOOD + b"\n" + GOOD, 400),
    (0, "a list", b"/v1/traces", JSON, b"", b"[]", 400),
    (0, "not JSON", b"/v1/traces", JSON, b"", b"{\"resourceSpans\":", 400),
    (0, "a wrong type", b"/v1/traces", JSON, b"", b"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":7}]}]}]}", 400),
    (0, "protobuf said to be JSON", b"/v1/traces", JSON, b"", body_pb(span_pb()), 400),
    (0, "JSON said to be protobuf", b"/v1/traces", PROTOBUF, b"", GOOD, 400),
    (0, "malformed protobuf", b"/v1/traces", PROTOBUF, b"", b"\x0a\x05abc", 400),
    (45, "a value 32 deep", b"/v1/traces", PROTOBUF, b"", nested_any(32), 200),
    (45, "a value 34 deep", b"/v1/traces", PROTOBUF, b"", nested_any(34), 400),
    (45, "1,000 deep", b"/v1/traces", PROTOBUF, b"", nested_any(1000), 400),
    (46, "4 MiB of empty spans", b"/v1/traces", PROTOBUF, b"", field(1, field(2, b"\x12\x00" * (2 << 20))), 413),
    (46, "4 MiB of empty attributes", b"/v1/traces", PROTOBUF, b"", body_pb(span_pb(b"\x4a\x00" * (2 << 20))), 200),
    (46, "4 MiB of empty resources", b"/v1/traces", PROTOBUF, b"", b"\x0a\x00" * (2 << 20), 413),
    (47, "a length of 2^60", b"/v1/traces", PROTOBUF, b"", b"\x0a" + varint(1 << 60), 400),
    (47, "a length of 2^64 - 1", b"/v1/traces", PROTOBUF, b"", b"\x0a" + varint((1 << 64) - 1), 400),
    (48, "a varint of 11 bytes", b"/v1/traces", PROTOBUF, b"", b"\x0a" + b"\x80" * 10 + b"\x01", 400),
    (49, "a group, ended", b"/v1/traces", PROTOBUF, b"", body_pb(span_pb(b"\x93\x03\x08\x01\x94\x03")), 200),
    (49, "a group without end", b"/v1/traces", PROTOBUF, b"", b"\x0b", 400),
    (49, "wire types 6 and 7", b"/v1/traces", PROTOBUF, b"", b"\x0e\x00", 400),
    (50, "a million unknown fields", b"/v1/traces", PROTOBUF, b"", body_pb(span_pb(b"\xc0\x3e\x01" * 1000000)), 200),
    (51, "JSON 64 deep", b"/v1/traces", JSON, b"", nested_json(64), 200),
    (51, "JSON 65 deep, unknown", b"/v1/traces", JSON, b"", b"{\"a\":" * 65 + b"1" + b"}" * 65, 400),
    (51, "JSON a million deep", b"/v1/traces", JSON, b"", b"[" * 1000000, 400),
    (51, "JSON a million deep in a key we know", b"/v1/traces", JSON, b"", b"{\"resourceSpans\":" + b"[" * 1000000, 400),
    (52, "a key twice", b"/v1/traces", JSON, b"", b"{\"resourceSpans\":[],\"resourceSpans\":[]}", 200),
    (54, "1e999 as a time", b"/v1/traces", JSON, b"", GOOD.replace(b'"1700000000000000000"', b"1e999"), 400),
    (54, "2^64 as a time", b"/v1/traces", JSON, b"", GOOD.replace(b'"1700000000000000000"', b'"18446744073709551616"'), 400),
    (54, "-0 as a kind", b"/v1/traces", JSON, b"", GOOD.replace(b'"kind": 2', b'"kind": -0'), 200),
    (54, "01 as a kind", b"/v1/traces", JSON, b"", GOOD.replace(b'"kind": 2', b'"kind": 01'), 400),
    (54, "NaN", b"/v1/traces", JSON, b"", GOOD.replace(b'"kind": 2', b'"kind": NaN'), 400),
    (56, "gzip", b"/v1/traces", JSON, b"gzip", GZ, 200),
    (56, "two members", b"/v1/traces", JSON, b"gzip", gzip.compress(GOOD[:9]) + gzip.compress(GOOD[9:]), 200),
    (56, "bytes behind the end", b"/v1/traces", JSON, b"gzip", GZ + b"xyz", 400),
    (56, "cut", b"/v1/traces", JSON, b"gzip", GZ[:-3], 400),
    (56, "a wrong CRC", b"/v1/traces", JSON, b"gzip", GZ[:-8] + b"\0\0\0\0" + GZ[-4:], 400),
    (56, "gzip in gzip", b"/v1/traces", JSON, b"gzip", gzip.compress(GZ), 400),
    (56, "codings one on the other", b"/v1/traces", JSON, b"gzip, gzip", gzip.compress(GZ), 415),
    (56, "not gzip", b"/v1/traces", JSON, b"gzip", GOOD, 400),
    (56, "nothing", b"/v1/traces", JSON, b"gzip", b"", 400),
    (56, "deflate", b"/v1/traces", JSON, b"deflate", zlib.compress(GOOD), 200),
    (56, "raw deflate", b"/v1/traces", JSON, b"deflate", zlib.compress(GOOD)[2:-4], 400),
    (56, "zstd", b"/v1/traces", JSON, b"zstd", zstd_frame(b"{}"), 200),
    (56, "two frames", b"/v1/traces", JSON, b"zstd", zstd_frame(GOOD[:200]) + zstd_frame(GOOD[200:]), 200),
    (56, "a frame to skip", b"/v1/traces", JSON, b"zstd", ZSTD_SKIPPED + zstd_frame(b"{}"), 200),
    (56, "a cut frame", b"/v1/traces", JSON, b"zstd", zstd_frame(b"{}")[:-1], 400),
    (56, "bytes behind a frame", b"/v1/traces", JSON, b"zstd", zstd_frame(b"{}") + b"xyz", 400),
    (56, "a window of 256 MiB", b"/v1/traces", JSON, b"zstd", ZSTD_WINDOW, 413),
    (56, "an unknown coding", b"/v1/traces", JSON, b"br", GOOD, 415),
    (56, "a bomb by gzip", b"/v1/traces", JSON, b"gzip", gzip.compress(BLANKS, 9), 413),
    (56, "a bomb by deflate", b"/v1/traces", JSON, b"deflate", zlib.compress(BLANKS, 9), 413),
    (56, "a bomb by zstd", b"/v1/traces", JSON, b"zstd", zstd_run(512), 413),
]


def check_status_message(name, kind, answer):
    """A refusal on 4318 is a google.rpc.Status in the request's content type."""
    if kind == PROTOBUF:
        assert answer.headers["content-type"] == "application/x-protobuf", (name, answer.headers)
        assert answer.body[:1] == b"\x08" and answer.body[2:3] == b"\x12" and len(answer.body) == 4 + answer.body[3], (name, answer.body)
    elif kind == JSON:
        assert answer.headers["content-type"] == "application/json", (name, answer.headers)
        assert set(json.loads(answer.body)) == {"code", "message"}, (name, answer.body)


def scene_bodies(c):
    assert len(GOOD) < 511 and b'"kind": 2' in GOOD and b'"1700000000000000000"' in GOOD
    c.start()
    for number, name, path, kind, coding, body, wanted in BODIES:
        name = "%d: %s" % (number, name)
        headers = b"Connection: close\r\n" + (b"Content-Encoding: " + coding + b"\r\n" if coding else b"")
        answers, _ = exchange(c.otlp, post(path, headers, body, kind), limit=30, ends=True)
        assert [a.status for a in answers] == [wanted], (name, [a.status for a in answers], answers and answers[0].body[:300])
        if wanted != 200:
            check_status_message(name, kind, answers[0])
        else:
            assert answers[0].body == (b"{}" if kind != PROTOBUF else b""), (name, answers[0].body)
    answers, _ = exchange(c.otlp, post(headers=b"Content-Length: 99999999\r\n", length=False, body=b""), ends=True)
    assert [a.status for a in answers] == [413]
    answers, _ = exchange(c.otlp, b"GET /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [a.status for a in answers] == [405] and answers[0].headers["allow"] == "POST"
    answers, _ = exchange(c.otlp, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"/v1/traces" in answers[0].body
    c.flush()
    c.check_ledger()


def scene_a_body_too_large_is_refused_while_it_comes(c):
    """The sender has it all on the wire before it reads: it must still see why, or it would send again for ever."""
    c.start(receive__max_body="1MiB", receive__max_decoded="1MiB")
    body = b" " * (24 << 20)
    for raw in (post(body=body), post(b"/nope", body=body), post(headers=b"Transfer-Encoding: chunked\r\n", length=False,
                                                                  body=b"%x\r\n%s\r\n" % (1 << 20, body[:1 << 20]) * 24)):
        answers, closed = exchange(c.otlp, raw, ends=True, limit=30)
        assert [a.status for a in answers] == [413] and closed


def scene_a_body_of_exactly_the_limit_is_taken(c):
    c.start(receive__max_body="1KiB")
    for n, answers in ((1023, (200, 202)), (1024, (200, 202)), (1025, (413, 413))):
        json_body = b"{}" + b" " * (n - 2)
        pb_body = body_pb(span_pb(field(999, b"x" * 500)))
        pb_body += field(999, b"x" * (n - len(pb_body) - 4))
        assert len(pb_body) == n
        assert c.post_otlp(json_body, True)[0] == answers[0], n
        assert c.post_otlp(pb_body)[0] == answers[0], n
        assert c.post_otlp(iter((json_body[:700], json_body[700:])), True)[0] == answers[0], n
        assert c.post_zipkin(b"[]" + b" " * (n - 2))[0] == answers[1], n


def scene_spans_are_refused_alone(c):
    c.start()
    good = otlp_span(TRACE, "00000000000000a1")[1]
    # number, what is different, is it taken, what the reason has in it
    rows = [(58, {"traceId": "0" * 32}, False, "trace"), (58, {"spanId": "0" * 16}, False, "span"), (58, {"traceId": TRACE[:-1]}, False, "trace"),
            (58, {"traceId": TRACE + "0"}, False, "trace"), (58, {"spanId": "a1"}, False, "span"), (58, {"spanId": "x" * 16}, False, "span"),
            (58, {"traceId": ""}, False, "trace"), (58, {"traceId": None}, False, "trace"), (58, {"traceId": 7}, False, "trace"),
            (58, {"spanId": {}}, False, "span"), (58, {"parentSpanId": "zz"}, False, "parent"), (58, {"traceId": TRACE.upper()}, True, ""),
            (58, {"parentSpanId": ""}, True, ""), (58, {"parentSpanId": "0" * 16}, True, ""),
            (59, {"endTimeUnixNano": "1"}, True, ""), (59, {"startTimeUnixNano": "0", "endTimeUnixNano": "0"}, True, ""),
            (59, {"startTimeUnixNano": "9223372036854775808"}, True, ""), (59, {"startTimeUnixNano": str((1 << 64) - 1)}, True, ""),
            (59, {"startTimeUnixNano": None}, True, ""), (59, {"endTimeUnixNano": None}, True, "")]
    for i, (number, change, taken, reason) in enumerate(rows):
        odd = dict(good, spanId="%016x" % (0x100 + i), **change) if "spanId" not in change else dict(good, **change)
        odd = {k: v for k, v in odd.items() if v is not None}
        body = otlp_body([("a", dict(good, spanId="%016x" % (0x200 + i))), ("a", odd)])
        status, text, _ = c.post_otlp(body, True)
        assert status == 200, (number, change, status, text)
        said = json.loads(text).get("partialSuccess", {})
        assert said.get("rejectedSpans", "0") == ("0" if taken else "1") and reason in said.get("errorMessage", ""), (number, change, text)
        assert taken == (text == b"{}"), (number, change, text)
    for trace, span in ((b"\1" * 15, b"\2" * 8), (b"\1" * 17, b"\2" * 8), (b"", b"\2" * 8), (b"\0" * 16, b"\2" * 8), (b"\1" * 16, b"\0" * 8), (b"\1" * 16, b"")):
        status, text, _ = c.post_otlp(body_pb(span_pb(trace=trace, span=span), span_pb()))
        assert status == 200 and text[:1] == b"\x0a" and text[2:4] == b"\x08\x01", (58, trace, span, text)
    # as many as a body may hold, of next to nothing each: rejected one by one, not the body for what it would take
    for short, good_ones in ((b"", 0), (b"", 1), (field(1, b"\1" * 16), 1), (field(2, b"\1" * 8) * 3, 1)):
        status, text, _ = c.post_otlp(body_pb(*[short] * (10_000 - good_ones), *[span_pb()] * good_ones))
        assert status == 200 and field(1, varint(1 << 3) + varint(10_000 - good_ones))[2:] in text, (short, status, text[:100])
    c.flush()
    n_bad = sum(not taken for _, _, taken, _ in rows) + 6 + 39_997
    assert c.sql("SELECT sum(rejected) FROM ingest_minute") == [(n_bad,)]
    assert c.sql("SELECT count(*) FROM span WHERE start_ns < 0 OR duration_ns < 0") == [(0,)]
    c.check_ledger()


def text_of(c, span):
    return json.loads(c.sql("SELECT attributes FROM span WHERE span_id = ?", span)[0][0])


def scene_enums_by_number_and_by_word(c):
    """What is no known number or word is a value that this version does not know, never a body that is refused."""
    c.start()
    kinds = [(3, "client"), ("SPAN_KIND_CLIENT", "client"), ("3", "client"), (-1, "internal"), ("-1", "internal"), (99, "internal"), (None, "unset"),
             ("SPAN_KIND_NEW", "unset")]
    for i, (kind, wanted) in enumerate(kinds):
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [dict(otlp_span(TRACE, "%016x" % (i + 1))[1], kind=kind, status={"code": -1})]}]}]})
        assert c.post_otlp(body.encode(), True)[:2] == (200, b"{}"), kind
    assert c.post_otlp(body_pb(span_pb(varint(6 << 3) + varint((1 << 64) - 1), span=b"\x99" * 8, trace=bytes.fromhex(TRACE))))[0] == 200
    c.flush()
    assert [k for (k,) in c.sql("SELECT kind FROM span ORDER BY span_id")] == [wanted for _, wanted in kinds] + ["internal"]
    severities = [("SEVERITY_NUMBER_WARN", "WARN"), ("SEVERITY_NUMBER_INFO3", "INFO"), ("SEVERITY_NUMBER_FATAL4", "FATAL"), ("13", "WARN"), (1, "TRACE"), (-1, None),
                  ("SEVERITY_NUMBER_UNSPECIFIED", None), (None, None)]
    records = [{"traceId": TRACE, "spanId": "%016x" % 1, "timeUnixNano": str(1_700_000_000_000_000_000 + i), "severityNumber": number}
               for i, (number, _) in enumerate(severities)]
    status, text, _ = c.request(c.otlp, "POST", "/v1/logs", json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}), {"Content-Type": "application/json"})
    assert (status, text) == (200, b"{}"), text
    c.flush()
    events = json.loads(c.sql("SELECT events FROM span WHERE span_id = '0000000000000001'")[0][0])
    assert [e.get("severity") for e in events] == [word for _, word in severities], events
    c.check_ledger()


def scene_text_is_cleaned_and_cut(c):
    c.start(limit__attribute_bytes="16", limit__attributes="5", limit__name_bytes="20", limit__events="2", limit__links="2")
    body = otlp_body([otlp_span(TRACE, "00000000000000b1", a="1", b="2", c="3")])
    body = body.replace(b'"stringValue": "1"', b'"stringValue": "x\\ud800y"').replace(b'"stringValue": "2"', b'"stringValue": "a\\u0000b"')
    body = body.replace(b'"stringValue": "3"', b'"stringValue": "\xff\xfe"')
    assert c.post_otlp(body, True)[0] == 200
    pb = body_pb(span_pb(field(5, b"n\xc0\x80\0m"), field(9, field(1, b"k\xff") + field(2, field(1, b"v\xed\xa0\x80"))), span=b"\xb2" * 8))
    assert c.post_otlp(pb)[0] == 200
    many = [{"key": "k%d" % i, "value": {"stringValue": "\u00e4" * 100}} for i in range(9)]
    span = dict(otlp_span(TRACE, "00000000000000b3", name="n" * 100)[1], attributes=many,
                events=[{"name": "e%d" % i} for i in range(5)], links=[{"traceId": TRACE, "spanId": "00000000000000b1"}] * 5)
    assert c.post_otlp(otlp_body([("a", span)]), True)[0] == 200
    twice = dict(otlp_span(TRACE, "00000000000000b4")[1], attributes=[{"key": "k", "value": {"intValue": i}} for i in (1, 2)])
    assert c.post_otlp(otlp_body([("a", twice)]).replace(b'"name": "op"', b'"name": "first", "name": "last"'), True)[0] == 200
    failed = [field(9, field(1, key) + field(2, value)) for key, value in [(b"k%d" % i, b"\x18\1") for i in range(5)] + [(b"http.response.status_code", b"\x18\xf7\3")]]
    assert c.post_otlp(body_pb(span_pb(*failed, span=b"\xb5" * 8)))[0] == 200
    c.flush()
    # how it went is read beyond the limit too, in the place of what has no meaning
    assert c.sql("SELECT http_status FROM span WHERE span_id = ?", "b5" * 8) == [(503,)] and len(text_of(c, "b5" * 8)) == 5
    assert text_of(c, "00000000000000b1") == {"a": "x\ufffdy", "b": "a\ufffdb", "c": "\ufffd\ufffd"}
    assert c.sql("SELECT operation FROM span WHERE span_id = ?", "b2" * 8)[0][0] == "n\ufffd\ufffd\ufffdm"
    assert list(text_of(c, "b2" * 8)) == ["k\ufffd"]
    cut = text_of(c, "00000000000000b3")
    assert len(cut) == 5 and set(cut.values()) == {"\u00e4" * 8}, cut
    events, links = c.sql("SELECT events, links FROM span WHERE span_id = '00000000000000b3'")[0]
    assert len(json.loads(events)) == len(json.loads(links)) == 2
    # a key given twice: the last counts, as in a map (52)
    assert text_of(c, "00000000000000b4") == {"k": 2} and c.sql("SELECT operation FROM span WHERE span_id = '00000000000000b4'") == [("last",)]
    for what, n in (("attribute_value", 5), ("attributes", 5), ("name", 1), ("events", 3), ("links", 3)):
        assert c.counter("faultline_ingest_truncated_total", field=what) == n, (what, c.counter("faultline_ingest_truncated_total", field=what))
    n = c.counter("faultline_ingest_truncated_total", field="utf8")
    assert n == 6, n  # the name, the key and the value of the protobuf span; the three values of JSON
    c.check_ledger()


def scene_limits_hold_for_a_body_as_a_whole(c):
    c.start(receive__max_spans="10", receive__max_decoded="20000B")
    spans = [otlp_span(TRACE, "%016x" % (i + 1)) for i in range(11)]
    status, text, _ = c.post_otlp(otlp_body(spans), True)
    assert status == 413 and "receive.max_spans" in json.loads(text)["message"]
    assert c.post_otlp(body_pb(*[span_pb(span=b"%08d" % i) for i in range(11)]))[0] == 413
    assert c.post_otlp(otlp_body(spans[:10]), True)[0] == 200
    status, text, _ = c.post_otlp(gzip.compress(b" " * 20001), True, **{"Content-Encoding": "gzip"})
    assert status == 413 and "20000" in json.loads(text)["message"]
    status, text, _ = c.post_otlp(b" " * 20001, True)
    assert status == 413 and "receive.max_decoded" in json.loads(text)["message"]
    c.flush()
    assert c.sql("SELECT received, rejected FROM ingest_minute") == [(10, 0)]


def scene_keys_that_were_chosen_to_collide_cost_nothing(c):
    """55: a hundred thousand attribute keys, made so that common hashes of them are equal."""
    c.start(receive__max_spans="100000")
    alphabet = ("Aa", "BB")  # equal under the hash that multiplies by 31
    keys = ["".join(alphabet[i >> k & 1] for k in range(10)) for i in range(1024)]
    spans = [dict(otlp_span("%032x" % (i + 1), "00000000000000a1")[1], attributes=[{"key": k + str(i), "value": {"stringValue": k}} for k in keys[i * 8 % 1024:][:100]])
             for i in range(1000)]
    body = otlp_body([("a", s) for s in spans])
    begin = time.monotonic()
    assert c.post_otlp(body, True)[0] == 200
    c.flush()
    assert time.monotonic() - begin < 20, time.monotonic() - begin
    c.check_ledger()


def scene_shapes_of_traces(c):
    """60: loops, chains, crowds, several roots, one id for two spans."""
    c.start()

    def send(trace, pairs, **more):
        spans = [otlp_span(trace, span, parent, **more) for span, parent in pairs]
        for i in range(0, len(spans), 20000):
            status, text, _ = c.post_otlp(otlp_body(spans[i:i + 20000]), True)
            assert (status, text) == (200, b"{}"), text

    def span(i):
        return "%016x" % i

    send("%032x" % 1, [(span(1), span(1))])
    send("%032x" % 2, [(span(1), span(2)), (span(2), span(3)), (span(3), span(1))])
    send("%032x" % 3, [(span(1), "")] + [(span(i), span(i - 1)) for i in range(2, 10001)])
    send("%032x" % 4, [(span(1), "")] + [(span(i), span(1)) for i in range(2, 60001)])
    send("%032x" % 5, [(span(1), ""), (span(2), ""), (span(3), span(2)), (span(4), span(99))])
    send("%032x" % 6, [(span(1), "")], name="one")
    send("%032x" % 6, [(span(1), "")], name="two", ms=99)
    begin = time.monotonic()
    c.flush()
    assert time.monotonic() - begin < 30, time.monotonic() - begin
    found = {int(t, 16): (n, complete) for t, n, complete in c.sql("SELECT trace_id, span_count, complete FROM trace")}
    assert {t: n for t, (n, _) in found.items()} == {1: 1, 2: 3, 3: 10000, 4: 60000, 5: 4, 6: 1}, found
    assert found[3][1] == 1 and found[4][1] == 1 and found[5][1] == 0, found
    assert c.sql("SELECT sum(duplicate), sum(conflict) FROM ingest_minute") == [(1, 1)]
    for t in (1, 2, 3, 5, 6):
        assert len(c.api("traces/%x" % t)["spans"]) == found[t][0]
    c.check_ledger()


def scene_zipkin_bodies(c):
    c.start()
    span = {"traceId": "463ac35c9f6413ad", "id": "a2fb4a1d1a96d312", "name": "GET", "timestamp": 1700000000000000, "duration": 10,
            "localEndpoint": {"serviceName": "cart"}, "kind": "SERVER", "tags": {"n": None, "a\u0000b": "x\ud800y"}}
    table = [([], 202), ([span], 202), ([dict(span, id="zz"), dict(span, id="a2fb4a1d1a96d313", timestamp="1700000000000001")], 202),
             ({"not": "a list"}, 400), ([dict(span, binaryAnnotations=[])], 400), ([7], 400)]
    for body, wanted in table:
        status, text, _ = c.post_zipkin(json.dumps(body))
        assert status == wanted and (text == b"" if wanted == 202 else text.count(b"\n") == 1), (body, status, text)
    assert c.post_zipkin(b"")[0] == 202
    for kind, coding, body, wanted in (("application/x-protobuf", "", b"", 202), ("application/x-protobuf", "", b"\x0a\x05abc", 400), ("application/x-protobuf", "", b"[]", 400), ("text/plain", "", b"[]", 415), ("", "", b"[]", 202), ("application/json", "gzip", gzip.compress(b"[]"), 202),
                                       ("application/json", "gzip", b"[]", 400), ("application/json", "br", b"[]", 415), ("application/json", "", b"[][]", 400),
                                       ("application/json", "", b"[" * 100000, 400), ("application/json", "", b"[" + b"{}," * 60000 + b"{}]", 413)):
        headers = {k: v for k, v in (("Content-Type", kind), ("Content-Encoding", coding)) if v}
        status, text, _ = c.request(c.zipkin, "POST", "/api/v2/spans", body, headers)
        assert status == wanted, (kind, coding, body[:20], status, text)
    status, text, _ = c.request(c.zipkin, "GET", "/health")
    assert status == 200 and json.loads(text) == {"status": "UP", "zipkin": {"status": "UP", "details": {}}}, text
    assert c.request(c.zipkin, "POST", "/api/v1/spans", b"[]")[0] == 404
    status, _, headers = c.request(c.zipkin, "PUT", "/api/v2/spans", b"[]")
    assert status == 405 and headers["allow"] == "GET, HEAD, POST"
    status, _, headers = c.request(c.zipkin, "POST", "/health", b"[]")
    assert status == 405 and headers["allow"] == "GET, HEAD"
    c.flush()
    assert c.sql("SELECT trace_id, span_id, start_ns, duration_ns FROM span ORDER BY start_ns") == [
        ("0000000000000000463ac35c9f6413ad", "a2fb4a1d1a96d312", 1700000000000000000, 10000),
        ("0000000000000000463ac35c9f6413ad", "a2fb4a1d1a96d313", 1700000000000001000, 10000)]
    assert c.sql("SELECT sum(rejected), sum(entry) FROM ingest_minute") == [(1, 2)]
    assert "\ufffd" in c.sql("SELECT attributes FROM span LIMIT 1")[0][0]
    assert c.counter("faultline_ingest_truncated_total", field="utf8") == 6  # key and value of a tag, in three spans: one of them has a bad id
    c.check_ledger()


def scene_durations_that_cannot_be_are_in_no_statistics(c):
    """Negative, or beyond what any time can hold: unknown, as if there were none, and not 0 ns that would pull every percentile down."""
    c.start()
    at = 1_700_000_000_000_000
    for i, duration in enumerate((1000, -1, 1 << 62, -(1 << 63))):
        body = [{"traceId": "%032x" % (i + 1), "id": "1", "name": "get", "kind": "SERVER", "timestamp": at, "duration": duration, "localEndpoint": {"serviceName": "z"},
                 "annotations": [{"timestamp": -1, "value": "ss"}]}]
        assert c.post_zipkin(json.dumps(body))[0] == 202
    pb = field(1, b"\x05" * 16) + field(3, b"\1" * 8) + varint(4 << 3) + varint(2) + field(5, b"get") + varint(6 << 3 | 1) + struct.pack("<Q", at) + \
        varint(7 << 3) + varint((1 << 64) - 1) + field(8, field(1, b"z"))
    assert c.request(c.zipkin, "POST", "/api/v2/spans", field(1, pb), {"Content-Type": "application/x-protobuf"})[0] == 202
    c.flush()
    assert c.sql("SELECT duration_ns, self_ns, count(*) FROM span GROUP BY 1, 2 ORDER BY 1") == [(None, None, 4), (1_000_000, 1_000_000, 1)]
    calls, least = c.sql("SELECT sum(calls), min(p50_ns) FROM operation_minute")[0]
    assert calls == 5 and least > 900_000, (calls, least)
    c.check_ledger()


def scene_zipkin_errors(c):
    """The tag `error` is Zipkin's status, whatever it says but false; a stated status comes before it. A 4xx stays a client's error."""
    c.start()
    rows = [({"error": "true"}, "error", "", "origin"), ({"error": "no stock"}, "error", "no stock", "origin"), ({"error": ""}, "error", "", "origin"),
            ({"error": True}, "error", "", "origin"), ({"error": "false"}, "unset", "", ""), ({"error": False}, "unset", "", ""), ({}, "unset", "", ""),
            ({"error": "x", "otel.status_code": "OK"}, "ok", "x", ""), ({"error": "404", "http.status_code": "404"}, "error", "404", "client_error")]
    spans = [{"traceId": "%x" % (i + 1), "id": "1", "kind": "SERVER", "timestamp": 1700000000000000 + i, "duration": 5, "localEndpoint": {"serviceName": "cart"}, "tags": tags}
             for i, (tags, *_) in enumerate(rows)]
    assert c.post_zipkin(json.dumps(spans))[0] == 202
    c.flush()
    assert c.sql("SELECT status, status_message, fault FROM span ORDER BY start_ns") == [tuple(row[1:]) for row in rows]
    assert c.counter("traces_spanmetrics_calls_total", status_code="STATUS_CODE_ERROR") == 5
    c.check_ledger()


def scene_refusals_are_counted_by_reason(c):
    """Each request or record that is refused adds to one reason, however early it was refused."""
    c.start(store__min_free="1000000GiB")
    assert c.post_otlp(otlp_body([otlp_span(TRACE, "%016x" % 1)]), True)[0] == 503
    assert c.counter("faultline_ingest_rejected_total", reason="disk") == 1
    c.stop()
    c.start(store__min_free="0")
    post_ = lambda path, body, kind: c.request(c.otlp, "POST", path, body, {"Content-Type": kind})[0]
    assert post_("/v1/traces", b"", "text/plain") == 415 and post_("/v1/nothing", b"", "text/plain") == 404
    assert post_("/v1/traces", b"\xff", "application/x-protobuf") == 400
    assert post_("/v1/traces", b"x" * ((16 << 20) + 1), "application/x-protobuf") == 413
    assert post_("/v1/traces", otlp_body([otlp_span("7", "%016x" % 1)]), "application/json") == 200
    assert post_("/v1/logs", json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {}]}]}]}), "application/json") == 200
    histogram = {"name": "h", "histogram": {"dataPoints": [{"timeUnixNano": "5", "bucketCounts": ["1"], "explicitBounds": [1, 2]}]}}
    assert post_("/v1/metrics", json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [histogram]}]}]}), "application/json") == 200
    assert post_("/v1/access-logs/alb", b"none\n" * 3, "text/plain") == 204
    bad_ids = [{"traceId": "ab" * 8}, {"traceId": TRACE, "spanId": "12"}]
    assert post_("/v1/logs", json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": bad_ids}]}]}), "application/json") == 200
    assert post_("/v1/logs", field(1, field(2, field(2, field(9, b"\1" * 15)))), "application/x-protobuf") == 200
    for reason, n in (("unsupported", 2), ("invalid", 1), ("too_big", 1), ("bad_id", 4), ("no_trace_id", 2), ("bad_point", 1), ("bad_entry", 3), ("disk", 0)):
        assert c.counter("faultline_ingest_rejected_total", reason=reason) == n, (reason, n)
    c.check_ledger()


def scene_61_64_names_without_end(c):
    """Services, operations and edges beyond their limits become `other`, everything is counted, and /metrics stays clean whatever the names are."""
    c.start(limit__services="50", limit__operations="20", limit__edges="60", export__prometheus__max_series="60")
    odd = ['quo"te', "new\nline", "back\\slash", "le", "__name__", "{}", "a" * 1000, "\u202eover", "\u00e9", ","]
    spans = [otlp_span("%032x" % (i + 1), "%016x" % (i + 1), service="svc-%s" % odd[i % 10] if i < 100 else "s%d" % i, name=odd[i % 7] + chr(97 + i % 26),
                       le="0.5", __name__="x", **{"http__route": odd[i % 10]}) for i in range(2000)]
    spans += [otlp_span("%032x" % (i + 5001), "%016x" % (i + 5001), service="one", name="op " + "".join(chr(97 + (i >> k & 15)) for k in (0, 4, 8)))
              for i in range(1000)]
    for first in range(0, len(spans), 1000):
        assert c.post_otlp(otlp_body(spans[first:first + 1000]), True)[0] == 200
    c.flush()
    assert c.counter("traces_spanmetrics_calls_total") == 3000 == c.counter("traces_service_graph_request_total")
    assert c.counter("traces_spanmetrics_calls_total", service="other") > 1000 and c.counter("traces_spanmetrics_calls_total", span_name="other") > 500
    assert c.sql("SELECT count(*) <= 52 FROM service") == [(1,)] and c.sql("SELECT sum(calls), count(*) <= 61 FROM edge_minute") == [(3000, 1)]
    assert c.sql("SELECT max(n) <= 21 FROM (SELECT count(DISTINCT operation) AS n FROM operation GROUP BY service)") == [(1,)]
    assert sum(c.counter("faultline_series_limited_total", family=f) for f in ("traces_spanmetrics", "traces_service_graph")) > 0
    text = c.get("/metrics")[1]
    assert len(text) < 1 << 20
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert lint.returncode == 0 and not lint.stderr, (lint.stdout, lint.stderr)
    c.check_ledger()


def scene_61_peers_namespaces_and_versions_without_end(c):
    """limit.services bounds every node: who only others name, namespaces, versions; peers leave senders their names, and one service others their versions."""
    n = [0]

    def post(*senders, **attributes):
        spans = []
        for resource in senders:
            n[0] += 1
            _, span = otlp_span("%032x" % n[0], "%016x" % n[0], **{k: v % n[0] if "%d" in str(v) else v for k, v in attributes.items()})
            spans.append({"resource": {"attributes": [{"key": k, "value": {"stringValue": v}} for k, v in resource.items()]}, "scopeSpans": [{"spans": [span]}]})
        assert c.post_otlp(json.dumps({"resourceSpans": spans}).encode(), True)[0] == 200
        c.flush()

    def over(limit):
        return c.counter("faultline_stitch_overflow_total", limit=limit)

    def services(where="1"):
        return c.sql("SELECT count(*) FROM (SELECT DISTINCT cluster, namespace, service FROM service WHERE %s)" % where)[0][0]

    c.start(limit__services="20")
    front = [{"service.name": "front"}]
    for kind, peer in enumerate(({"peer__service": "peer%d"}, {"server__address": "h%d.example"}, {"db__system": "postgresql", "db__name": "d%d"})):
        post(*front * 30, kind=3, **peer)
        assert services("service NOT IN ('front', 'other', 'user')") == 20, (peer, services())
        assert c.sql("SELECT sum(calls) FROM edge_minute WHERE callee_service = 'other'") == [(10 + 30 * kind,)]
    assert over("services") >= 70 and over("versions") == 0
    assert "limit.services" in [l["name"] for l in c.api("status")["limits"] if l["hit"]]
    # Nineteen more that send have their names all the same.
    post(*[{"service.name": "s%d" % i} for i in range(9)], *[{"service.name": "s", "service.namespace": "n%d" % i} for i in range(40)])
    assert services("service LIKE 's_'") == 9 and services("service = 's'") == 10
    assert c.sql("SELECT sum(calls) FROM operation_minute WHERE service = 'other'") == [(30,)]
    # Eighty versions, of one service eight.
    post(*[{"service.name": "s1", "service.version": "v%d" % i} for i in range(50)], {"service.name": "s2", "service.version": "v"})
    assert c.sql("SELECT service, count(*) FROM service WHERE version != '' GROUP BY 1 ORDER BY 1") == [("s1", 8), ("s2", 1)]
    assert c.sql("SELECT sum(calls) FROM operation_minute WHERE service = 's1' AND version = ''") == [(43,)] and over("versions") >= 42
    assert c.sql("SELECT count(*) FROM span") == [(n[0],)] and c.sql("SELECT sum(calls) FROM operation_minute") == [(n[0],)]
    c.check_ledger()
    # What was counted for a node is found again in the next life, whoever came first in it.
    c.stop()
    c.start()
    post(*front * 20, kind=3, peer__service="later%d")
    assert c.sql("SELECT sum(calls) FROM edge_minute WHERE callee_service = 'peer1'") == [(1,)]
    assert c.post_otlp(otlp_body([otlp_span("%032x" % 1, "%016x" % 0xabc, parent="%016x" % 1, service="peer1", name="late")]), True)[0] == 200
    c.flush()
    assert c.sql("SELECT caller_service, callee_service, sum(calls) FROM edge_minute WHERE 'peer1' IN (caller_service, callee_service) GROUP BY 1, 2") == [
        ("front", "peer1", 1)]
    c.check_ledger()


def scene_a_wrong_type_is_told_also_where_the_value_is_not_kept(c):
    c.start()
    span = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "00000000000000a1", "name": "op", "startTimeUnixNano": "1700000000000000000",
            "endTimeUnixNano": "1700000000001000000"}

    def post(more={}, event={}, scope={}, scopes={}, resource={}, resources={}):
        body = {"resourceSpans": [{"resource": {"attributes": [], **resource}, **resources,
                                   "scopeSpans": [{"scope": {"name": "s", **scope}, **scopes, "spans": [{**span, **more, "events": [{"name": "e", **event}]}]}]}]}
        return c.request(c.otlp, "POST", "/v1/traces", json.dumps(body).encode(), {"Content-Type": "application/json"})[0]
    for good in (1, "1", None):
        assert post({"flags": good, "droppedLinksCount": good}, {"droppedAttributesCount": good}, {"droppedAttributesCount": good},
                    {"schemaUrl": "x"}, {"droppedAttributesCount": good}, {"schemaUrl": None}) == 200, good
    assert post({"later": {"droppedThings": []}, "dropped": "x"}) == 200
    for bad in ("x", {}, [], True):
        assert post({"flags": bad}) == post({"droppedEventsCount": bad}) == post(event={"droppedAttributesCount": bad}) == 400, bad
        assert post(scope={"droppedAttributesCount": bad}) == 400, bad
        assert post(resource={"droppedAttributesCount": bad}) == 400, bad
    assert post(scopes={"schemaUrl": 5}) == post(resources={"schemaUrl": {}}) == 400
