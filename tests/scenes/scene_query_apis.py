"""Jaeger's, Zipkin's and Tempo's query APIs, asked as Grafana's data sources, Jaeger UI and Kiali ask: what they answer is what SQL says."""
import hashlib
import json
import os
import re
import sqlite3
import sys
import time
from urllib.parse import quote, urlencode

import lib
from lib import otlp_body, otlp_span

sys.path.insert(0, os.path.join(lib.HERE, "..", "ui"))
import shop  # noqa: E402

TRACE = "7a5e%028x"
NO_DATA = {"data": None, "total": 0, "limit": 0, "offset": 0}
US, MS = 1000, 1_000_000


def fill(c, n=150):
    maker, now = shop.Maker(7), time.time()
    shop.window(maker, now, n=n)
    for body in maker.bodies():
        assert c.post_otlp(body, True)[0] == 200
    c.flush()
    return now


def jaeger(c, path, wanted=200, **parameters):
    status, text, headers = c.get(path + ("?" + urlencode(parameters, True) if parameters else ""))
    assert (status, headers["content-type"]) == (wanted, "application/json"), (path, parameters, status, text[:300])
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
    answer = json.loads(text)
    assert list(answer) == ["data", "total", "limit", "offset", "errors"], answer
    if wanted == 200:
        assert isinstance(answer["data"], list) and answer["total"] == len(answer["data"])
    else:
        assert {k: v for k, v in answer.items() if k != "errors"} == NO_DATA and [e["code"] for e in answer["errors"]] == [wanted], answer
    return answer


def zipkin(c, path, wanted=200, **parameters):
    status, text, headers = c.request(c.zipkin, "GET", "/api/v2/" + path + ("?" + urlencode(parameters, True) if parameters else ""))
    kind = "application/json" if wanted == 200 else "text/plain; charset=utf-8"
    assert (status, headers["content-type"]) == (wanted, kind), (path, parameters, status, text[:300])
    assert wanted == 200 or (text.endswith(b"\n") and text.count(b"\n") == 1), text
    return json.loads(text) if wanted == 200 else text.decode().strip()


def ids(traces):
    return [t["traceID"].rjust(32, "0") for t in traces]


def copied(c):
    """The views `span` and `trace` as tables in memory: many questions are asked of them."""
    copy = sqlite3.connect(":memory:")
    for view in ("span", "trace"):
        rows = c.sql("SELECT * FROM " + view)
        names = columns(c, "SELECT name FROM pragma_table_info(?)", view)
        copy.execute("CREATE TABLE %s (%s)" % (view, ", ".join(names)))
        copy.executemany("INSERT INTO %s VALUES (%s)" % (view, ", ".join("?" * len(names))), rows)
    return copy


def having(copy, *conditions):
    """Ids of the traces that have a span like this, newest first."""
    where = " AND ".join(conditions) or "1"
    return [r[0] for r in copy.execute("SELECT trace_id FROM trace t WHERE trace_id IN (SELECT trace_id FROM span s WHERE %s) ORDER BY start_ns DESC" % where)]


def columns(c, query, *args):
    return [r[0] for r in c.sql(query, *args)]


CODE = "attributes ->> '$.\"http.status_code\"' || '' = '%d'"  # proxies tell it as a text
# What one span must have: parameters of Jaeger, and the same as SQL on a span.
SEARCHES = [
    ({}, []),
    ({"operation": "GetCart"}, ["operation = 'GetCart'"]),
    ({"operation": "no such"}, ["0"]),
    ({"tags": '{"error":"true"}'}, ["status = 'error'"]),
    ({"tag": "error:true", "operation": "GetCart"}, ["status = 'error'", "operation = 'GetCart'"]),
    ({"tags": '{"http.status_code":"503"}'}, [CODE % 503]),
    ({"tags": '{"http.status_code":503,"rpc.system":"grpc"}'}, [CODE % 503, "attributes ->> '$.\"rpc.system\"' = 'grpc'"]),
    ({"tag": ["span.kind:client", "db.system:redis"]}, ["kind = 'client'", "attributes ->> '$.\"db.system\"' = 'redis'"]),
    ({"tags": '{"k8s.pod.name":"cart-v2-6b9f-x2x7q"}'}, ["resource ->> '$.\"k8s.pod.name\"' = 'cart-v2-6b9f-x2x7q'"]),
    ({"tags": '{"otel.status_description":"no basket: pool timeout"}'}, ["status_message = 'no basket: pool timeout'"]),
    ({"tags": '{"event":"pool.wait"}'}, ["events LIKE '%\"pool.wait\"%'"]),
    ({"tags": '{"exception.type":"PoolTimeout","error":"true"}'}, ["events LIKE '%PoolTimeout%'", "status = 'error'"]),
    ({"minDuration": "7ms"}, ["duration_ns >= 7000000"]),
    ({"maxDuration": "1.5ms", "minDuration": "300us"}, ["duration_ns BETWEEN 300000 AND 1500000"]),
    ({"minDuration": "6ms", "operation": "GetCart", "tag": "http.status_code:200"},
     ["duration_ns >= 6000000", "operation = 'GetCart'", CODE % 200]),
    ({"tags": '{"nothing":"here"}'}, ["0"]),
]


def scene_jaeger_answers_what_sql_says(c):
    """Names, searches as Grafana and Jaeger UI send them, calls between services; on both addresses of the web."""
    c.start(web__extra_listen="0")
    now = fill(c, 60)
    copy = copied(c)
    web = re.findall(r"web=(\S+)", c.ready)
    assert len(web) == 2 and web[0] != web[1]
    services = jaeger(c, "/api/services")["data"]
    assert services == columns(c, "SELECT DISTINCT service FROM operation WHERE service != '' ORDER BY 1") and {"cart", "frontend", "ingressgateway"} <= set(services)
    assert "redis" not in services  # it sends no spans
    for service in services:
        names = jaeger(c, "/api/services/%s/operations" % quote(service, safe=""))["data"]
        assert names == columns(c, "SELECT DISTINCT operation FROM operation WHERE service = ? ORDER BY 1", service) and names
        both = jaeger(c, "/api/operations", service=service)["data"]
        assert [(o["name"], o["spanKind"]) for o in both] == c.sql("SELECT DISTINCT operation, kind FROM operation WHERE service = ? ORDER BY 1, 2", service)
        client = jaeger(c, "/api/operations", service=service, spanKind="client")["data"]
        assert client == [o for o in both if o["spanKind"] == "client"]
    assert jaeger(c, "/api/services/nobody/operations")["data"] == [] == jaeger(c, "/api/operations", service="nobody")["data"]
    window = {"start": int((now - 1900) * 1e6), "end": int(now * 1e6), "lookback": "custom"}
    some = 0
    for service in ("cart", "cart.shop", "frontend", "nobody"):
        for parameters, sql in SEARCHES:
            wanted = having(copy, "service = '%s'" % service.split(".")[0], *sql)
            found = jaeger(c, "/api/traces", service=service, limit=1000, **window, **parameters)
            assert ids(found["data"]) == wanted and found["errors"] is None, (service, parameters, len(found["data"]), len(wanted))
            few = jaeger(c, "/api/traces", service=service, limit=3, **window, **parameters)
            assert ids(few["data"]) == wanted[:3], (service, parameters)
            some += 0 < len(wanted) < 60
    assert some > 25, some
    whole = having(copy, "service = 'cart'")
    middle = c.sql("SELECT start_ns FROM trace WHERE trace_id = ?", whole[len(whole) // 2])[0][0] // US
    early = jaeger(c, "/api/traces", service="cart", limit=1000, start=window["start"], end=middle)["data"]
    assert ids(early) == whole[len(whole) // 2:]  # the end is in
    assert ids(jaeger(c, "/api/traces", service="cart", lookback="2h", limit=1000)["data"]) == whole == ids(jaeger(c, "/api/traces", service="cart", limit=1000)["data"])
    # A query for a trace by its id, as the views of Grafana and the UI ask: case, padding and hints do not matter.
    for asked in (whole[0], whole[0].upper()):
        answer = jaeger(c, "/api/traces/" + asked, start=1, end=2, raw="true")
        assert ids(answer["data"]) == [whole[0]]
    spans = {s["spanID"]: s for s in answer["data"][0]["spans"]}
    processes = answer["data"][0]["processes"]
    for span_id, parent, kind, start, duration, service in c.sql(
            "SELECT span_id, parent_span_id, kind, start_ns, duration_ns, resource ->> '$.\"service.name\"' FROM span WHERE trace_id = ?", whole[0]):
        s = spans.pop(span_id)
        assert s["traceID"] == whole[0] and s["startTime"] == start // US and abs(s["duration"] - duration // US) <= 1
        assert [r["spanID"] for r in s["references"] if r["refType"] == "CHILD_OF"] == ([parent] if parent else [])
        assert {"key": "span.kind", "type": "string", "value": kind} in s["tags"] and processes[s["processID"]]["serviceName"] == service
    assert not spans
    two = jaeger(c, "/api/traces", traceID=[whole[1], TRACE % 99, whole[2]])
    assert ids(two["data"]) == whole[1:3] and two["errors"] == [{"code": 404, "msg": "trace not found", "traceID": TRACE % 99}]
    calls = c.sql("SELECT caller_service, callee_service, sum(calls) FROM edge_minute WHERE caller_role != 'user' AND caller_service != '' AND callee_service != '' "
                  "GROUP BY 1, 2 ORDER BY 1, 2")
    links = jaeger(c, "/api/dependencies", endTs=int(now * 1e3), lookback=3_600_000)["data"]
    assert [(d["parent"], d["child"], d["callCount"]) for d in links] == calls and ("cart", "redis") in [x[:2] for x in calls]
    assert jaeger(c, "/api/dependencies", endTs=int(now * 1e3) - 7_200_000, lookback=60_000)["data"] == []
    assert {x for d in jaeger(c, "/api/dependencies", service="ads")["data"] for x in (d["parent"], d["child"])} >= {"ads", "recommend"} - {"recommend"}
    for where in web:
        status, text, _ = c.request(where, "GET", "/api/services")
        assert status == 200 and json.loads(text)["data"] == services


def scene_zipkin_answers_what_sql_says(c):
    """On the port that takes spans: names in lower case, traces whose parts may be of different spans of a service, many by id."""
    c.start()
    now = fill(c, 80)
    copy = copied(c)
    services = zipkin(c, "services")
    assert services == sorted({s.lower() for s in columns(c, "SELECT DISTINCT service FROM operation WHERE service != ''")})
    assert zipkin(c, "spans", serviceName="cart") == sorted({o.lower() for o in columns(c, "SELECT operation FROM operation WHERE service = 'cart'")})
    assert zipkin(c, "remoteServices", serviceName="Cart") == columns(c, "SELECT DISTINCT callee_service FROM edge_minute WHERE caller_service = 'cart' ORDER BY 1") == ["redis"]
    assert zipkin(c, "autocompleteKeys") == [] == zipkin(c, "autocompleteValues", key="x") == zipkin(c, "spans", serviceName="nobody")
    window = {"endTs": int(now * 1e3), "lookback": 1_900_000, "limit": 1000}
    cart = "s.service = 'cart'"
    table = [({}, [cart]), ({"spanName": "getcart"}, [cart, "operation = 'GetCart'"]), ({"spanName": "all"}, [cart]), ({"remoteServiceName": "redis"}, [cart, "peer = 'redis'"]),
             ({"annotationQuery": "error"}, [cart, "status = 'error'"]), ({"annotationQuery": "http.status_code=503 and pool.wait"}, [cart, CODE % 503]),
             ({"annotationQuery": "error=no basket: pool timeout"}, [cart, "status_message = 'no basket: pool timeout'"]), ({"annotationQuery": "cart.items=3 and rpc.system"},
             [cart, "attributes ->> '$.\"cart.items\"' = 3"]), ({"minDuration": 7000}, [cart, "duration_ns >= 7000000"]), ({"minDuration": 300, "maxDuration": 800},
             [cart, "duration_ns BETWEEN 300000 AND 800000"]), ({"annotationQuery": "nothing=here"}, ["0"])]
    some = 0
    for parameters, sql in table:
        wanted = having(copy, *sql)
        found = zipkin(c, "traces", serviceName="CART", **window, **parameters)
        assert [t[0]["traceId"].rjust(32, "0") for t in found] == wanted, (parameters, len(found), len(wanted))
        some += 0 < len(wanted) < 80
    assert some >= 9, some
    # The operation is of one span, the tag of another of the same service.
    apart = zipkin(c, "traces", serviceName="cart", spanName="getcart", annotationQuery="db.system=redis", **window)
    assert len(apart) == len(having(copy, cart, "operation = 'GetCart'")) > 0
    assert not jaeger(c, "/api/traces", service="cart", operation="GetCart", tags='{"db.system":"redis"}')["data"]
    assert len(zipkin(c, "traces")) == 10 == len(zipkin(c, "traces", endTs=window["endTs"]))
    one, other = having(copy)[:2]
    spans = zipkin(c, "trace/" + one.upper())
    rows = c.sql("SELECT span_id, start_ns / 1000, max(1, duration_ns / 1000), resource ->> '$.\"service.name\"', status FROM span WHERE trace_id = ? ORDER BY 1", one)
    for s, row in zip(sorted(spans, key=lambda s: s["id"]), rows):
        assert (s["id"], s["timestamp"], s["localEndpoint"]["serviceName"], "error" in s["tags"]) == (row[0], row[1], row[3], row[4] == "error") and abs(s["duration"] - row[2]) <= 1
    assert len(spans) == len(rows)
    many = zipkin(c, "traceMany", traceIds="%s,%s,%s,%s" % (one, other, TRACE % 99, one))
    assert [t[0]["traceId"] for t in many] == [one, other]
    links = zipkin(c, "dependencies", endTs=int(now * 1e3))
    assert [(d["parent"], d["child"], d["callCount"], d.get("errorCount")) for d in links] == [
        r[:3] + (r[3] or None,) for r in c.sql("SELECT caller_service, callee_service, sum(calls), sum(errors) FROM edge_minute WHERE caller_role != 'user' AND "
                                               "caller_service != '' AND callee_service != '' GROUP BY 1, 2 ORDER BY 1, 2")]
    assert any("errorCount" in d for d in links) and any("errorCount" not in d for d in links)
    # It is still the port of spans.
    assert c.post_zipkin(b"[]")[0] == 202
    status, text, _ = c.request(c.zipkin, "GET", "/")
    assert status == 200 and b"query API" in text and text.count(b"\n") == 1


def scene_tempo_gives_the_trace_as_protobuf(c):
    """What it answers is an OTLP request: sent to another collector, it makes the same spans."""
    c.start()
    values = [("list", {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "a\"|\\ü\n"}, {"arrayValue": {"values": []}}, {"kvlistValue": {"values": [
        {"key": "k\"", "value": {"boolValue": False}}, {"key": "m", "value": {"kvlistValue": {}}}]}}]}}), ("big", {"intValue": str(2**62)}), ("small", {"intValue": "-7"}),
        ("real", {"doubleValue": 1.25}), ("nan", {"doubleValue": "NaN"}), ("empty", {"stringValue": ""}), ("none", {}), ("yes", {"boolValue": True}), ("no", {"boolValue": False})]
    _, span = otlp_span(TRACE % 1, "%016x" % 1, kind=2, status=2)
    span["attributes"] = [{"key": k, "value": v} for k, v in values]
    span["status"]["message"], span["traceState"] = "it broke", "a=1"
    span["events"] = [{"timeUnixNano": "1700000000001234567", "name": "e\"", "attributes": span["attributes"][:3]}]
    span["links"] = [{"traceId": TRACE % 9, "spanId": "%016x" % 9, "attributes": span["attributes"][:2]}]
    other = otlp_span(TRACE % 1, "%016x" % 2, "%016x" % 1, service="b", kind=3, name="out")
    late = otlp_span("%032x" % 0xabc, "%016x" % 3, service="b")  # an id whose zeros a reader may strip
    c.post_otlp(otlp_body([("a", span), other, late]), True)
    fill(c, 3)
    failed = columns(c, "SELECT trace_id FROM trace ORDER BY span_count DESC LIMIT 1")[0]
    kept, first = [], c.db
    names = ("SELECT trace_id, span_id, parent_span_id, namespace, service, version, instance, role, operation, kind, status, status_message, http_status, fault, peer, start_ns, "
             "duration_ns, resource, attributes, events, links FROM span WHERE trace_id = ? ORDER BY span_id")
    for trace in (TRACE % 1, "%032x" % 0xabc, failed):
        asked = trace.lstrip("0")
        status, v2, headers = c.get("/api/v2/traces/%s?start=1&end=2" % asked, Accept="application/protobuf")
        assert (status, headers["content-type"]) == (200, "application/protobuf")
        status, v1, headers = c.get("/api/traces/" + asked, Accept="application/protobuf")
        assert (status, headers["content-type"]) == (200, "application/protobuf")
        assert v2[:1] == b"\x0a" and v2.endswith(v1) and length(v2) == len(v1)  # TraceByIDResponse.trace
        status, text, headers = c.get("/api/v2/traces/" + asked)
        answer = json.loads(text)
        assert status == 200 and list(answer) == ["trace", "metrics", "status"] and answer["trace"]["resourceSpans"] and answer["status"] == "COMPLETE"
        kept.append((trace, v1, c.sql(names, trace)))
    for path, kind, text in (("/api/echo", "text/plain; charset=utf-8", b"echo"), ("/api/status/buildinfo", "application/json", None)):
        status, body, headers = c.get(path)
        assert (status, headers["content-type"]) == (200, kind) and (body == text if text else re.match(r"2\.\d+\.\d+$", json.loads(body)["version"])), (path, body)
    for path in ("/api/v2/traces/", "/api/traces/"):
        assert c.get(path + TRACE % 99, Accept="application/protobuf")[0] == 404 == c.get(path + TRACE % 99)[0]
        assert c.get(path + "xyz", Accept="application/protobuf")[0] == 400
    c.stop()
    c.db = first + "2"
    c.start(store__path=c.db)
    for trace, body, spans in kept:
        assert c.post_otlp(body)[:2] == (200, b"")
        c.flush()
        now = c.sql(names, trace)
        assert len(now) == len(spans) and now == spans, [(a, b) for was, is_ in zip(spans, now) for a, b in zip(was, is_) if a != b]


def v3(c, path, wanted=200, **parameters):
    status, text, headers = c.get("/api/v3/" + path + ("?" + urlencode(parameters) if parameters else ""))
    assert (status, headers["content-type"]) == (wanted, "application/json"), (path, parameters, status, text[:300])
    answer = json.loads(text)
    assert wanted == 200 or answer["error"]["httpCode"] == wanted and answer["error"]["message"], answer
    return answer


def instant(ns, zone=""):
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9 + (7200 if zone else 0))) + ".%09d" % (ns % 10**9)
    return text + (zone or "Z")


def scene_jaegers_third_version_answers_the_same(c):
    """As the newest Jaeger UI and Grafana ask it: both spellings, a + that came as a blank, OTLP with what our own format has, summaries."""
    c.start()
    now = fill(c, 40)
    copy = copied(c)
    assert v3(c, "services") == {"services": jaeger(c, "/api/services")["data"]}
    assert v3(c, "operations", 400, service="cart", span_kind="SERVER")
    assert v3(c, "operations", service="cart", span_kind="server")["operations"] == jaeger(c, "/api/operations", service="cart", spanKind="server")["data"] != []
    first, last = int((now - 1900) * 1e9), int(now * 1e9)
    camel = {"query.serviceName": "cart", "query.startTimeMin": instant(first), "query.startTimeMax": instant(last), "query.searchDepth": 1000}
    snake = {"query.service_name": "cart", "query.start_time_min": instant(first, "+02:00"), "query.start_time_max": instant(last, " 02:00"), "query.num_traces": 1000}
    for more, sql in (({}, []), ({"query.attributes": '{"error":"true"}'}, ["status = 'error'"]), ({"query.duration_min": "6ms", "query.duration_max": "7ms"}, ["duration_ns BETWEEN 6000000 AND 7000000"]),
                      ({"query.operation_name": "GetCart"}, ["operation = 'GetCart'"])):
        wanted = having(copy, "service = 'cart'", *sql)
        assert 0 < len(wanted) <= 40
        for asked in (camel, snake):
            got = [s for r in v3(c, "traces", **asked, **more)["result"]["resourceSpans"] for sc in r["scopeSpans"] for s in sc["spans"]]
            assert list(dict.fromkeys(s["traceId"] for s in got)) == wanted and len(got) == copy.execute(
                "SELECT count(*) FROM span WHERE trace_id IN (%s)" % ",".join("?" * len(wanted)), wanted).fetchone()[0]
        told = v3(c, "trace-summaries", **camel, **more)["summaries"]
        assert [t["traceId"] for t in told] == wanted
    for t in told:
        spans = copy.execute("SELECT count(*), sum(status = 'error'), min(start_ns), max(start_ns + duration_ns) FROM span WHERE trace_id = ?", (t["traceId"],)).fetchone()
        assert (t["spanCount"], t["errorSpanCount"], int(t["minStartTimeUnixNano"]), int(t["maxEndTimeUnixNano"])) == spans and t["orphanSpanCount"] == 0
        assert (t["rootServiceName"], t["rootOperationName"]) == ("ingressgateway", "shop.example/cart")
        sums = copy.execute("SELECT resource ->> '$.\"service.name\"', count(*), sum(status = 'error') FROM span WHERE trace_id = ? GROUP BY 1 ORDER BY 1", (t["traceId"],)).fetchall()
        assert sorted((s["name"], s["spanCount"], s["errorSpanCount"]) for s in t["services"]) == sums
    one = v3(c, "traces/" + wanted[0], start_time=instant(first))
    assert one["result"] == c.api("traces/%s?format=otlp" % wanted[0])
    orphan = otlp_span(TRACE % 5, "%016x" % 5, "%016x" % 4, service="alone", start=now * 1e3 - 5000)
    c.post_otlp(otlp_body([orphan]), True)
    c.flush()
    told = v3(c, "trace-summaries", **{**camel, "query.serviceName": "alone"})["summaries"]
    assert [(t["orphanSpanCount"], t["rootServiceName"]) for t in told] == [(1, "")]
    assert v3(c, "traces", 404, **{**camel, "query.serviceName": "nobody"})["error"]["message"] == "No traces found"
    v3(c, "traces/" + TRACE % 99, 404)
    v3(c, "traces/xyz", 400)
    v3(c, "operations", 400)
    for bad in ({"query.startTimeMin": ""}, {"query.startTimeMax": "now"}, {"query.startTimeMax": "2026-11-23T10:00:00+99:00"}, {"query.startTimeMax": camel["query.startTimeMin"]}, {"query.searchDepth": "0"},
                {"query.searchDepth": "1001"}, {"query.attributes": "x"}, {"query.durationMin": "5"}, {"query.durationMin": "2s", "query.durationMax": "1s"}, {"query.filter": "{}"},
                {"query.startTimeMin": "1970-01-01T00:00:00+02:00"}, {"query.startTimeMax": "9999-12-31T23:59:59Z"}):
        v3(c, "traces", 400, **{**camel, **bad})


def length(message):
    """Of the field that a message begins with: a varint behind its tag."""
    n = shift = 0
    for byte in message[1:]:
        n |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return n


BAD_JAEGER = ["traces", "traces?service=", "traces?service=a&limit=0", "traces?service=a&limit=-1", "traces?service=a&limit=1001", "traces?service=a&limit=ten", "traces?service=a&start=now",
              "traces?service=a&start=20&end=10", "traces?service=a&end=99999999999999999999", "traces?service=a&end=9223372036854775807", "traces?service=a&minDuration=5", "traces?service=a&minDuration=-1s",
              "traces?service=a&minDuration=2s&maxDuration=1s", "traces?service=a&maxDuration=1d", "traces?service=a&tag=x", "traces?service=a&tag=:x", "traces?service=a&tags=x", "traces?service=a&tags=[]",
              "traces?service=a&tags={\"a\":{}}", "traces?service=a&tags={\"a\":null}", "traces?service=a&tags={\"a\":\"b\"}}", "traces?service=a&tags=" + "{" * 100, "traces?traceID=xyz", "traces/xyz",
              "traces/" + "0" * 33, "traces/1%202", "operations", "operations?service=", "operations?service=a&spanKind=bad", "dependencies?endTs=x", "dependencies?lookback=-1", "dependencies?endTs=18446744073709551615",
              "traces?service=a&" + "&".join("tag=k%d:v" % i for i in range(17))]
BAD_ZIPKIN = ["traces?limit=0", "traces?limit=1001", "traces?limit=x", "traces?endTs=now", "traces?endTs=9223372036854775807", "traces?lookback=-1", "traces?minDuration=1s", "traces?maxDuration=5",
              "traces?minDuration=6&maxDuration=5", "traces?annotationQuery==x", "traces?annotationQuery=" + " and ".join("a%d" % i for i in range(17)), "trace/xyz", "trace/" + "1" * 33, "traceMany", "traceMany?traceIds=1",
              "traceMany?traceIds=1,1", "traceMany?traceIds=1,x", "traceMany?traceIds=" + ",".join("%x" % i for i in range(1, 102)), "dependencies", "dependencies?endTs=x", "spans", "remoteServices", "autocompleteValues"]


def odd(text):
    """Percent-encoded but for what a query is made of."""
    return quote(text, safe="/?&=:%,")


def scene_query_apis_say_what_is_wrong(c):
    """An empty database, unknown traces, hostile parameters, methods, other hosts, tokens: each API in its own words."""
    path = os.path.join(c.folder, "tokens")
    with open(path, "w") as f:
        for role in ("ingest", "read", "admin"):
            f.write("%s %s %s\n" % (role, hashlib.sha256(role.encode()).hexdigest(), role))
    c.start(auth__tokens_file=path)
    for where, paths in ((c.web, ("/api/services", "/api/traces?service=a", "/api/traces/1", "/api/echo", "/api/v2/traces/1")), (c.zipkin, ("/api/v2/services", "/api/v2/spans?serviceName=a", "/api/v2/trace/1"))):
        for path in paths:
            for token, wanted in (("", 401), ("nobody", 401), ("ingest", 403), ("read", (200, 404)), ("admin", (200, 404))):
                status, _, headers = c.request(where, "GET", path, None, {"Authorization": "Bearer " + token} if token else {})
                assert status == wanted or wanted == (200, 404) and status in wanted, (path, token, status)
                assert status != 401 or "www-authenticate" in headers
    assert jaeger(c, "/api/services", 401)["errors"][0]["msg"].startswith("a token is needed")
    c.headers = {"Authorization": "Bearer admin"}
    assert jaeger(c, "/api/services")["data"] == [] == jaeger(c, "/api/traces", service="a")["data"] == jaeger(c, "/api/dependencies")["data"]
    assert zipkin(c, "services") == [] == zipkin(c, "traces") == zipkin(c, "dependencies", endTs=1) == zipkin(c, "traceMany", traceIds="1,2")
    assert jaeger(c, "/api/traces/" + TRACE % 1, 404)["errors"][0]["msg"] == "there is no trace " + TRACE % 1
    assert zipkin(c, "trace/" + TRACE % 1, 404) == TRACE % 1 + " not found"
    assert jaeger(c, "/api/services/a", 404) and jaeger(c, "/api/services//operations", 404) and jaeger(c, "/api/archive/1", 404)
    for asked in BAD_JAEGER:
        assert jaeger(c, "/api/" + odd(asked), 400)["errors"][0]["msg"], asked
    for asked in BAD_ZIPKIN:
        assert zipkin(c, odd(asked), 400), asked
    # Empty values are the defaults, unknown parameters nobody's; odd bytes are no names.
    assert jaeger(c, "/api/traces", service="a", limit="", start="", end="", minDuration="", tags="", tag="", prettyPrint="true", sort="x")["data"] == []
    for text in ("%00", "%ff%fe", "'%20OR%201=1--", "%22%5C", "a" * 4000):
        assert c.get("/api/traces?service=%s&operation=%s&tag=%s:%s" % (text, text, text, text))[0] in (200, 400)
        assert c.get("/api/services/%s/operations" % text)[0] in (200, 400)
        assert c.request(c.zipkin, "GET", "/api/v2/traces?serviceName=%s&annotationQuery=%s" % (text, text))[0] in (200, 400)
    for where, path, allow in ((c.web, "/api/services", "GET, HEAD"), (c.web, "/api/v2/traces/1", "GET, HEAD"), (c.zipkin, "/api/v2/services", "GET, HEAD"), (c.zipkin, "/api/v2/spans", "GET, HEAD, POST")):
        status, _, headers = c.request(where, "PUT", path, b"")
        assert (status, headers["allow"]) == (405, allow), path
    for where, path in ((c.web, "/api/services"), (c.zipkin, "/api/v2/services")):
        status, text, _ = c.request(where, "GET", path, None, {"Host": "evil.example"})
        assert status == 421 and b"web.hosts" in text
        assert c.request(where, "HEAD", path)[:2] == (200, b"")
    assert c.request(c.zipkin, "GET", "/health", None, {"Host": "any.example"})[0] == 200  # who sends may name the host as it likes
    assert c.request(c.zipkin, "GET", "/api/v2/nothing")[0] == 404
    c.stop()
    c.start(web__listen="off")
    assert c.request(c.zipkin, "GET", "/api/v2/services")[0] == 404 and c.request(c.zipkin, "GET", "/api/v2/spans")[2]["allow"] == "POST"
