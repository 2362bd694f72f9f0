"""The page in a real browser: what it shows is what SQL says; keys, phones, themes, URLs, live answers, hostile names, large traces."""
import gzip
import json
import sys
import time

import lib
from browse import UI, browse, units
from lib import frames, golden, otlp_body, otlp_span

sys.path.insert(0, UI)
import shop  # noqa: E402


def fill(c, n=300, seed=1):
    """A shop's half hour with a fault; gives its window as text and the id of one trace that failed as the design draws it."""
    maker, now = shop.Maker(seed), time.time()
    shop.window(maker, now, n=n)
    failed = shop.basket(maker, now - 39.5, 1.0, True).id
    for body in maker.bodies():
        assert c.post_otlp(body, True)[0] == 200
    c.flush()
    return {"from": "%.3f" % (now - 1800), "to": "%.3f" % now, "failed_id": failed}


WHERE = "start_ns >= ? AND start_ns < ?"


def facts_of(c, facts):
    window = [int(float(facts[k]) * 1e9) for k in ("from", "to")]
    ids = lambda sql: [r[0] for r in c.sql(sql % WHERE, *window)]  # noqa: E731
    facts["count"], facts["failed"] = c.sql("SELECT count(*), sum(status = 'error') FROM trace WHERE " + WHERE, *window)[0]
    facts["entries"] = c.sql("SELECT entry_operation, count(*) FROM trace WHERE %s GROUP BY 1" % WHERE, *window)
    facts["services"] = c.sql("SELECT service, count(DISTINCT trace_id) FROM span WHERE trace_id IN (SELECT trace_id FROM trace WHERE %s) "
                              "AND service IN ('cart', 'frontend') GROUP BY 1" % WHERE, *window)
    facts["newest100"] = ids("SELECT trace_id FROM trace WHERE %s ORDER BY start_ns DESC LIMIT 100")
    facts["newest"] = facts["newest100"][:50]
    facts["slowest"] = ids("SELECT trace_id FROM trace WHERE %s ORDER BY duration_ns DESC LIMIT 20")
    facts["good_id"] = ids("SELECT trace_id FROM trace WHERE %s AND status = 'ok' AND entry_operation = 'GET /cart' LIMIT 1")[0]
    return facts


def ms(ns):
    x = ns / 1e6
    return "%.0f µs" % (x * 1e3) if x < 0.095 else "%.1f ms" % x


def scene_pure_parts_of_the_page(c):
    units("units.mjs")


def scene_page_shows_what_sql_says(c):
    c.start()
    facts = facts_of(c, fill(c))
    spans = c.sql("SELECT operation, duration_ns, role, fault, attributes, span_id FROM span WHERE trace_id = ?", facts["failed_id"])
    facts["spans"] = [(o, ms(d)) for o, d, *_ in spans]
    facts["folded"] = sum(role in ("sidecar", "gateway") for _, _, role, *_ in spans) - 1
    facts["places"] = c.sql("SELECT count(*) FROM (SELECT service FROM span WHERE trace_id = ?1 UNION SELECT peer FROM span WHERE trace_id = ?1 "
                            "AND peer NOT IN ('', 'user'))", facts["failed_id"])[0][0]
    facts["origins"] = sum(role == "sidecar" and fault == "origin" for _, _, role, fault, *_ in spans)
    last = [json.loads(a) for o, _, _, fault, a, _ in spans if o.startswith("HGETALL")][-1]
    facts["attributes"] = {k: v if isinstance(v, str) else json.dumps(v) for k, v in last.items()}
    out = browse(c, "page.mjs", "shows_what_sql_says", **facts)
    query = json.loads(out[out.index("SQL ") + 4:].splitlines()[0])
    window = [int(float(facts[k]) * 1e9) for k in ("from", "to")]
    wanted = [r[0] for r in c.sql("SELECT trace_id FROM trace WHERE %s AND status = 'error' AND trace_id IN (SELECT trace_id FROM span WHERE "
                                  "service = 'cart') ORDER BY start_ns DESC LIMIT 100" % WHERE, *window)]
    assert [r[0] for r in c.sql(query.rstrip(";"))] == wanted and wanted, query


def scene_page_head_and_clocks(c):
    c.start()
    facts = fill(c, 30)
    skewed, orphan, now = "%032x" % 0xc10c, "%032x" % 0xc10d, time.time() * 1000 - 5000
    assert c.post_otlp(otlp_body([
        otlp_span(skewed, "%016x" % 1, "", "web", "GET /", 2, now, 100), otlp_span(skewed, "%016x" % 2, "%016x" % 1, "web", "GET", 3, now + 10, 80),
        otlp_span(skewed, "%016x" % 3, "%016x" % 2, "stock", "GET /stock", 2, now + 4920, 60), otlp_span(skewed, "%016x" % 4, "%016x" % 3, "stock", "read", 1, now + 4930, 40),
        otlp_span(orphan, "%016x" % 5, "%016x" % 99, "lost", "read", 2, now, 40)]), True)[0] == 200
    c.flush()
    browse(c, "page.mjs", "head_and_clocks", skewed=skewed, orphan=orphan, **facts)


def scene_page_links_to_where_logs_are(c):
    c.start(web__log_link='https://logs.example/find?a="b"&q={trace_id}')
    facts = fill(c, 30)
    assert b'content="https://logs.example/find?a=&quot;b&quot;&amp;q={trace_id}"' in c.get("/traces")[1]
    browse(c, "page.mjs", "links_to_logs", **facts)


def scene_page_selection_says_what_is_different(c):
    browse(c.start(), "page.mjs", "selecting_says_what_is_different", **fill(c))


def scene_page_by_keyboard_only(c):
    c.start()
    browse(c, "page.mjs", "keyboard_only", **facts_of(c, fill(c, 120)))


def scene_page_on_a_phone(c):
    browse(c.start(), "page.mjs", "on_a_phone", **fill(c, 120))


def scene_page_gives_axe_nothing_to_say(c):
    c.start()
    browse(c, "page.mjs", "axe_finds_nothing", **facts_of(c, fill(c, 120)))


def scene_page_urls_round_trip(c):
    browse(c.start(), "page.mjs", "urls_round_trip", **fill(c, 120))


def scene_page_live_does_not_move_what_one_reads(c):
    c.start()
    fill(c, 120)
    maker, now = shop.Maker(77), time.time()
    for i in range(12):
        shop.simple(maker, now - 2 - i / 100, 1.0, "GET /p/7", "catalog", "GetProduct")
    browse(c, "page.mjs", "live_does_not_move_what_one_reads", bodies=[b.decode() for b in maker.bodies()], fresh=12)


def scene_page_says_when_contact_is_lost(c):
    c.start()
    fill(c, 60)
    browse(c, "page.mjs", "lost_contact_is_said")


def scene_page_failure_is_one_line(c):
    c.start()
    browse(c, "page.mjs", "a_failure_is_one_line", **facts_of(c, fill(c, 60)))


def scene_page_on_first_start(c):
    browse(c.start(), "page.mjs", "first_start")


HOSTILE = ["<script>window.ran=1</script>", "<img src=x onerror=window.ran=1>", "\"><svg onload=window.ran=1>", "javascript:window.ran=1",
           "${window.ran=1}{{window.ran=1}}", "\u202egnihtemos\u2066\u200f", "a\0b\x01\x1b[31mred", "' OR 1=1 --", "line\nfeed\ttab", "x" * 10000,
           "\U0001f4a5" * 40, "</style><style>*{display:none}", "__proto__", "constructor", "-1", "&lt;b&gt;", "=cmd|'/c calc'!A1"]


def scene_page_hostile_names_stay_text(c):
    c.start()
    now, spans, ids = time.time() * 1000, [], []
    for i, name in enumerate(HOSTILE):
        trace = "%032x" % (0xabc000 + i)
        ids.append(trace)
        spans.append(otlp_span(trace, "%016x" % (i * 10 + 1), "", name, name, 2, now - 5000, 50, 2 if i % 2 else 0, **{"http__route": name}))
        service, span = otlp_span(trace, "%016x" % (i * 10 + 2), "%016x" % (i * 10 + 1), name[::-1] + "2", name, 3, now - 4990, 30, 2 if i % 2 else 0,
                                  peer__service=name, db__system=name, url=name)
        span["attributes"].append({"key": name, "value": {"stringValue": name}})
        span["attributes"].append({"key": "deep", "value": {"kvlistValue": {"values": [{"key": name, "value": {"stringValue": name}}]}}})
        span["status"]["message"] = name
        span["events"] = [{"timeUnixNano": span["startTimeUnixNano"], "name": name, "attributes": [{"key": name, "value": {"stringValue": name}}]}]
        span["links"] = [{"traceId": "%032x" % 0xabc000, "spanId": "%016x" % 1, "attributes": [{"key": name, "value": {"stringValue": name}}]}]
        spans.append((service, span))
    status, text, _ = c.post_otlp(otlp_body(spans), True)
    assert status == 200, text
    c.flush()
    assert c.sql("SELECT count(*) FROM span")[0][0] == 2 * len(HOSTILE)
    browse(c, "page.mjs", "hostile_names_stay_text", ids=[i for k, i in enumerate(ids) if k in (0, 1, 5, 6, 8, 9, 11, 12)])


def scene_page_ten_thousand_spans(c):
    c.start()
    maker = shop.Maker(3)
    trace = shop.large(maker, time.time() - 60, 10000)
    for body in maker.bodies(4000):
        assert c.post_otlp(body, True)[0] == 200
    c.flush()
    browse(c, "page.mjs", "ten_thousand_spans", id=trace.id, n=10001)


def scene_page_opens_captured_data(c):
    c.start()
    for who in ("frontend", "backend"):
        assert c.post_otlp(golden("otel_js", "proto", "traces.%s.bin" % who))[0] == 200
    for body in frames("otlp_http"):
        assert c.post_otlp(body)[0] == 200
    for body in frames("zipkin_shared"):
        assert c.post_zipkin(body)[0] == 202
    c.flush()
    assert len(c.sql("SELECT DISTINCT format FROM span")) == 2 and c.sql("SELECT count(*) FROM span WHERE service = 'frontend' AND format = 'otlp_pb'")[0][0]
    low, high, n = c.sql("SELECT min(start_ns), max(start_ns), count(*) FROM trace")[0]
    rows = c.sql("SELECT trace_id, span_count, status = 'error' FROM (SELECT *, row_number() OVER (PARTITION BY entry_service, status ORDER BY span_count DESC, trace_id) "
                 "AS place FROM trace) WHERE place <= 2 ORDER BY span_count DESC LIMIT 10")
    browse(c, "page.mjs", "captured_data_opens", count=n, traces=[(i, s, bool(e)) for i, s, e in rows], **{"from": "%.3f" % (low / 1e9 - 1), "to": "%.3f" % (high / 1e9 + 1)})


def scene_page_without_scripts(c):
    c.start()
    fill(c, 60)
    browse(c, "page.mjs", "without_scripts", rows=50)


def scene_page_and_files_have_their_headers(c):
    c.start()
    status, page, headers = c.get("/traces")
    if b"/assets/" not in page:
        raise lib.Skip("built with UI=0: there is no page")
    policy = headers["content-security-policy"]
    assert status == 200 and "default-src 'none'" in policy and "unsafe" not in policy and "require-trusted-types-for 'script'" in policy, policy
    for path in ("/", "/graph", "/trace/abc", "/service/a/b/c", "/incident/1", "/sql", "/network", "/status"):
        assert c.get(path)[2]["content-security-policy"] == policy, path
    import re
    names = re.findall(rb'/assets/([^"]+)', page)
    assert not re.search(rb'<script(?! type="module" src="/assets/)| style=| on\w+=', page)
    assert any(n.startswith(b"spans-") for n in names) and not any(n.startswith((b"calls-", b"others-")) for n in names), names
    for name in names:
        path = "/assets/" + name.decode()
        status, whole, headers = c.get(path)
        assert status == 200 and "immutable" in headers["cache-control"] and headers["x-content-type-options"] == "nosniff"
        status, packed, more = c.get(path, **{"Accept-Encoding": "gzip"})
        assert more["content-encoding"] == "gzip" and gzip.decompress(packed) == whole
        assert c.get(path, **{"If-None-Match": headers["etag"]})[:2] == (304, b"")
    for path in ("/", "/graph", "/traces", "/trace/abc", "/services"):
        wanted = re.findall(rb'/assets/([^"]+)', c.get(path)[1])
        assert sum(len(c.get("/assets/" + n.decode(), **{"Accept-Encoding": "gzip"})[1]) for n in wanted) <= 60000, path
    assert c.get("/assets/app-000000000000.js")[0] == 404
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}  # is led on by a page; who asks for anything else gets the error as JSON
    status, page, headers = c.get("/no/such/<page>", **browser)
    assert status == 404 and b'<div id="app">' in page and b"such/<" not in page and headers["content-security-policy"] == policy
    for path, accept in (("/no/such", {}), ("/no/such", {"Accept": "application/json"}), ("/api/v1/nothing", browser)):
        status, text, headers = c.get(path, **accept)
        assert status == 404 and headers["content-type"].startswith("application/json") and json.loads(text)["error"], (path, text)
    for path in ("/assets/../server.c", "/assets/%2e%2e%2fserver.c", "//assets/x"):
        assert c.get(path)[0] in (400, 404), path
