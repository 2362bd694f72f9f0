"""The search behind the page: every line means what its SQL says; pages, orders, counts, the fair sample, what is different."""
import json
import os
import subprocess
import sys
import time
from urllib.parse import quote

import lib
from lib import otlp_body, otlp_span

sys.path.insert(0, os.path.join(lib.HERE, "..", "ui"))
import shop  # noqa: E402

LINES = ["", "service=cart", "service!=cart", "service=nobody", "status=error", "status=ok took>20ms", "took<10ms", "spans>20", "services=5", "complete=1",
         'entry="GET /cart"', 'entry!="GET /cart"', "entry~checkout", "began=redis", 'began="cart v2→redis"', "began!=redis", "reason~uo", "version=v2",
         "cart:version=v2", "cart:version=v1 status=ok", "catalog:version!=v7", "namespace=shop", "cluster=eu-1", "operation=Stock", "operation~select",
         "flag=UO", "flag=none", "flag!=UO", "code=503", "code>499", "http.route=/cart", '"http.route"~"cart"', "http.route!=/cart",
         "app.currency=EUR user_agent.original=Firefox", "in_use=10", "cart.items>4", "redis", "getcart", "nosuchword", "instance~x2x7q", "cart:instance~x2x7q",
         "frontend:http.route=/cart", "service=redis", "service!=redis", "http.response.status_code=200", "http.response.status_code!=200",
         "http.response.status_code>=503", "http.response.status_code<=200", "http.response.status_code~20", "spans>=20", "took<=10ms", "db.rows>=0", "service=cart status=error entry=\"GET /cart\" flag=UO cart:version=v2 http.route=/cart redis"]


def fill(c, n=260):
    maker, now = shop.Maker(5), time.time()
    shop.window(maker, now, n=n)
    for body in maker.bodies():
        assert c.post_otlp(body, True)[0] == 200
    c.flush()
    return "from=%.3f&to=%.3f" % (now - 1800, now)


def every(c, path):
    """All items of a list, page after page."""
    items, cursor = [], ""
    while True:
        page = c.api(path + ("&cursor=" + quote(cursor) if cursor else ""))
        items += page["items"]
        cursor = page["next"]
        if not cursor:
            return items


def scene_search_lines_mean_their_sql(c):
    c.start()
    window = fill(c)
    different = 0
    for line in LINES:
        q = "%s&q=%s" % (window, quote(line))
        found = [t["trace_id"] for t in every(c, "search/traces?limit=90&" + q)]
        sql = c.api("search/sql?" + q)["sql"].replace("LIMIT 100", "LIMIT 100000").rstrip(";")
        wanted = [r[0] for r in c.sql(sql)]
        assert sorted(found) == sorted(wanted) and len(set(found)) == len(found), (line, len(found), len(wanted), sql)
        starts = dict(c.sql("SELECT trace_id, start_ns FROM trace"))
        assert [starts[i] for i in found] == sorted((starts[i] for i in found), reverse=True), line
        overview = c.api("search/overview?" + q)
        assert overview["count"] == len(found), (line, overview["count"], len(found))
        assert sum(v["count"] for f in overview["facets"] if f["key"] == "status" and "status" not in line for v in f["values"]) == (len(found) if "status" not in line else 0)
        different += 0 < len(found) < 261
    assert different > 25, different


def scene_search_retries_are_those_of_the_calls(c):
    c.start()
    window = fill(c)
    n = c.sql("SELECT count(*) FROM trace WHERE status = 'error'")[0][0]
    for line in ("frontend→cart:retries=1", "retries>0", "retries=1"):
        assert c.api("search/overview?%s&q=%s" % (window, quote(line)))["count"] == n, line
    assert c.api("search/overview?%s&q=%s" % (window, quote("cart→redis:retries>0")))["count"] == 0


def scene_search_orders_and_boxes(c):
    c.start()
    window = fill(c)
    rows = c.sql("SELECT trace_id, start_ns, duration_ns, status = 'error' FROM trace")
    slow = every(c, "search/traces?limit=70&order=slow&" + window)
    assert [t["trace_id"] for t in slow] == [r[0] for r in sorted(rows, key=lambda r: (-r[2], -r[1]))]
    failed = every(c, "search/traces?limit=70&order=failed&" + window)
    assert [t["trace_id"] for t in failed] == [r[0] for r in sorted(rows, key=lambda r: (-r[3], -r[1]))]
    starts = sorted(r[1] for r in rows)
    low, high = starts[len(starts) // 4] / 1e9, starts[-10] / 1e9
    for only in ("", ",failed", ",good"):
        sel = "&sel=%.3f,%.3f,12.5,25%s" % (low, high, only)
        inside = [r for r in rows if round(low, 3) * 1e9 <= r[1] < round(high, 3) * 1e9 and 12.5e6 <= r[2] <= 25e6 and (not only or r[3] == (only == ",failed"))]
        assert sorted(t["trace_id"] for t in every(c, "search/traces?limit=70&" + window + sel)) == sorted(r[0] for r in inside), only
        assert c.api("search/overview?" + window + sel)["selected"] == {"count": len(inside), "failed": sum(r[3] for r in inside)}
    o = c.api("search/overview?%s&q=%s" % (window, quote("a=1 b!=1 spans>1 spans>=1 spans<1 spans<=1 e~1")))
    assert [x["op"] for x in o["conditions"]] == ["=", "!=", ">", ">=", "<", "<=", "~"], o["conditions"]
    # nothing found: what each condition alone keeps out
    o = c.api("search/overview?%s&q=%s" % (window, quote("service=cart cart:version=v9 status=error")))
    conditions = {x["key"]: x["count_without"] for x in o["conditions"]}
    assert o["count"] == 0 and conditions["version"] == sum(r[3] for r in rows) and conditions["service"] == conditions["status"] == 0, conditions


def scene_search_of_named_traces_keeps_their_order(c):
    """What an incident names is shown as it names it, whenever it was, with what was answered."""
    c.start()
    window = fill(c)
    found = c.api("search/traces?order=failed&limit=3&" + window)["items"][::-1]
    ids = [t["trace_id"] for t in found]
    assert all(t["answer"]["http_status"] >= 500 and t["began"]["callee"]["service"] for t in found), found
    assert c.api("search/traces?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z&ids=" + ",".join(ids)) == {"items": found, "next": None}
    assert [t["trace_id"] for t in c.api("search/traces?limit=3&ids=fff,%s,%s" % (ids[2], ids[0]))["items"]] == [ids[2], ids[0]]
    for bad in ("ids=x", "limit=2&ids=" + ",".join(ids)):
        assert c.get("/api/v1/search/traces?" + bad)[0] == 400, bad


def scene_search_sample_is_fair_and_keeps_what_matters(c):
    """6,000 traces of one span: 4,000 drawn, among them the 200 slowest and 200 of the failed; asked again, the same."""
    c.start()
    now, rows = time.time() * 1000, []
    for i in range(6000):
        failed = i % 20 == 0
        rows.append(otlp_span("%032x" % (0x1234567 * (i + 1)), "%016x" % (i + 1), "", "a", "op", 2, now - 60000 + i, 1 + i % 997, 2 if failed else 0))
    for at in range(0, 6000, 2000):
        c.post_otlp(otlp_body(rows[at:at + 2000]), True)
    c.flush()
    window = "from=%.3f&to=%.3f" % (now / 1000 - 120, now / 1000)
    o = c.api("search/overview?" + window)
    points = list(zip(o["points"]["trace_id"], o["points"]["duration_ns"], o["points"]["failed"]))
    assert o["count"] == 6000 and o["failed"] == 300 and 4000 <= len(points) <= 4400 and len({p[0] for p in points}) == len(points)
    drawn = {p[0] for p in points}
    assert all(i in drawn for i, in c.sql("SELECT trace_id FROM trace ORDER BY duration_ns DESC, trace_id LIMIT 150"))
    assert sum(p[2] for p in points) >= 200
    assert sum(o["histogram"]["good"]) + sum(o["histogram"]["failed"]) == 6000 and sum(o["histogram"]["failed"]) == 300
    mean = sum(p[1] for p in points) / len(points)
    true = c.sql("SELECT avg(duration_ns) FROM trace")[0][0]
    assert abs(mean / true - 1) < 0.15, (mean, true)
    status, _, headers = c.get("/api/v1/search/overview?" + window)
    assert c.get("/api/v1/search/overview?" + window, **{"If-None-Match": headers["etag"]})[0] == 304


def scene_search_different_finds_the_cause_and_nothing_in_noise(c):
    c.start()
    window = fill(c, 900)
    d = c.api("search/different?%s&q=service%%3Dcart" % window)
    first = next(x for x in d["different"][:4] if (x["key"], x["scope"], x["value"]) == ("version", "cart", "v2"))
    assert d["what"] == "failed" and first["selected"] == 1.0 and first["others"] < .3 and first["follows"] is None, first
    assert [abs(x["selected"] - x["others"]) for x in d["different"]][0] == max(abs(x["selected"] - x["others"]) for x in d["different"])
    keys = [(x["key"], x["value"]) for x in d["different"]]
    assert ("flag", "UO") in keys and ("retries", "1") in keys, keys
    assert any(x["follows"] for x in d["different"]), d["different"] # the flag and the second attempt are the same traces
    assert {"user_agent.original", "app.currency", "cloud.availability_zone"} <= {s["key"] for s in d["same"]}, d["same"]
    share = {v: n for v, n in c.sql("SELECT version, count(DISTINCT trace_id) FROM span WHERE service = 'cart' AND trace_id IN (SELECT trace_id FROM trace WHERE status = 'ok') GROUP BY 1")}
    assert abs(first["others"] - share["v2"] / sum(share.values())) < 1e-9, (first, share)
    # traces that failed by chance alone: no attribute differs
    maker, now, r = shop.Maker(9), time.time(), __import__("random").Random(3)
    noise = []
    for i in range(900):
        _, span = s = otlp_span(maker.hex(32), maker.hex(16), "", "dice", "roll", 2, now * 1000 - 90000 + i, r.uniform(5, 9), 2 if r.random() < .3 else 0)
        span["attributes"] += [{"key": "k%d" % k, "value": {"stringValue": "v%d" % r.randrange(6)}} for k in range(40)]
        noise.append(s)
    c.post_otlp(otlp_body(noise), True)
    c.flush()
    d = c.api("search/different?from=%.3f&to=%.3f&q=service%%3Ddice" % (now - 1800, time.time()))
    assert d["compared"] >= 40 and d["differing"] == 0, json.dumps(d["different"])[:500]


def scene_search_places(c):
    c.start()
    fill(c, 60)
    items = lambda q: [(i["kind"], i["text"]) for i in c.api("search?q=" + quote(q))["items"]]  # noqa: E731
    assert items("cart")[0] == ("service", "cart") and ("operation", "GetCart") in items("cart")
    assert ("edge", "cart → redis") in items("cart redis") and ("edge", "cart → redis") in items("cart → redis") and ("edge", "cart → redis") in items("car>red")
    assert items("") == [] and items("%") == [] and items("' OR 1") == [] and len(items("a")) <= 8


def scene_search_of_a_past_window_reads_its_minutes_only(c):
    """Two bursts a day apart, the older one stored last: each window shows its own, newest first."""
    c.start()
    now = time.time() * 1000
    for back in (0, 86_400_000):
        c.post_otlp(otlp_body([otlp_span("%032x" % (back + i + 1), "%016x" % (i + 1), "", "a", "op%d" % i, 2, now - back - 60000 + i * 7, 5) for i in range(50)]), True)
        c.flush()
    old = "from=%.3f&to=%.3f" % (now / 1000 - 86400 - 120, now / 1000 - 86400)
    new = "from=%.3f&to=%.3f" % (now / 1000 - 120, now / 1000)
    for window in (old, new, "from=%.3f&to=%.3f" % (now / 1000 - 90000, now / 1000)):
        items = every(c, "search/traces?limit=20&" + window)
        starts = [t["start_time"] for t in items]
        assert starts == sorted(starts, reverse=True) and len(items) == (100 if window not in (old, new) else 50), (window, len(items))
        assert len(c.api("traces?limit=1000&" + window)["items"]) == len(items)
    low, high, rows = c.sql("SELECT min(first_no), max(last_no), count(*) FROM trace_minute")[0]
    assert (low, high) == c.sql("SELECT min(trace_no), max(trace_no) FROM trace_row")[0] and rows >= 2


def scene_traces_by_what_a_span_or_a_callee_is(c):
    """`attr` finds numbers and booleans, of spans and resources; `service` also who sends no spans; through cursors, and as SQL has them."""
    c.start()
    window = fill(c)
    body = otlp_body([otlp_span("%032x" % (n + 1), "%016x" % (n + 1), start=time.time() * 1000 - 5000 + n, service="typed") for n in range(4)])
    spans = json.loads(body)
    for n, value in enumerate(({"intValue": "500"}, {"boolValue": True}, {"doubleValue": 1.5}, {"stringValue": "500"})):
        spans["resourceSpans"][0]["scopeSpans"][0]["spans"][n]["attributes"] = [{"key": "typed.value", "value": value}]
    spans["resourceSpans"][0]["resource"]["attributes"].append({"key": "process.pid", "value": {"intValue": "77"}})
    assert c.post_otlp(json.dumps(spans).encode(), True)[0] == 200
    c.flush()
    for value, n in (("500", 2), ("true", 1), ("1.5", 1), ("1", 0), ("false", 0)):
        assert len(every(c, "traces?from=1h&attr=typed.value=" + value)) == n, value
    assert len(every(c, "traces?from=1h&limit=3&attr=process.pid=77")) == 4
    assert len(every(c, "traces?from=1h&attr=process.pid=77&service=typed&operation=op")) == 4 and not every(c, "traces?from=1h&attr=process.pid=77&service=cart")
    # Repeated, all of them hold, of one span, in any order; asked of the file or of the collector.
    body = json.loads(otlp_body([otlp_span("%032x" % (n + 9), "%016x" % (2 * n + k + 30), start=time.time() * 1000 - 5000, service="both") for n in range(2) for k in range(2)]))
    for n, (k, value) in enumerate((("a", "1"), ("b", "x=y"), ("a", "1"), ("c", "3"))):
        body["resourceSpans"][0]["scopeSpans"][0]["spans"][n]["attributes"] = [{"key": k, "value": {"stringValue": value}}]
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][2]["attributes"].append({"key": "b", "value": {"stringValue": "x=y"}})
    assert c.post_otlp(json.dumps(body).encode(), True)[0] == 200
    c.flush()
    for attrs, n in ((("a=1",), 2), (("b=x=y",), 2), (("a=1", "b=x=y"), 1), (("b=x=y", "a=1"), 1), (("a=1", "b=no"), 0), (("b=no", "a=1"), 0), (("a=1", "c=3"), 0), (("typed.value=500", "process.pid=77"), 2),
                     (("process.pid=77", "typed.value=true"), 1)):
        for service in ("", "&service=typed" if "process.pid=77" in attrs else "&service=both"):
            assert len(every(c, "traces?from=1h%s&attr=%s" % (service, "&attr=".join(attrs)))) == n, (attrs, service)
        for source in (("--db", c.db), ("--url", "http://" + c.web)):
            said = subprocess.run([c.program, "traces", *source, "--from", "1h", "--format", "json"] + [a for attr in attrs for a in ("--attr", attr)], capture_output=True, check=True)
            assert len(json.loads(said.stdout)["items"]) == n, (attrs, source)
    assert c.get("/api/v1/traces?attr=a=1" + "&attr=a=1" * 7)[0] == 200 and c.get("/api/v1/traces?attr=a=1" + "&attr=a=1" * 8)[0] == 400
    for source in (("--db", c.db), ("--url", "http://" + c.web)):
        for wrong in (["--attr", "=x"], ["--attr", ""], ["--attr", "a=1"] * 9, ["--attr", "a=1"] * 99, ["--attr", "a=1", "--attr", "k"]):
            said = subprocess.run([c.program, "traces", *source, *wrong], capture_output=True)
            assert said.returncode == 2 and b"--attr" in said.stderr and not said.stdout, (source, wrong, said)
    for path, sql in (("attr=http.response.status_code=200", "attributes ->> '$.\"http.response.status_code\"' = 200"),
                      ("attr=cart.items=3&service=cart", "service = 'cart' AND attributes ->> '$.\"cart.items\"' = 3"),
                      ("service=redis", "peer = 'redis'"), ("service=redis&operation=Stock", "0"), ("service=nobody", "0"), ("service=catalog&namespace=shop", "service = 'catalog' AND namespace = 'shop'")):
        wanted = [r[0] for r in c.sql("SELECT DISTINCT trace_id FROM span WHERE " + sql)]
        found = [t["trace_id"] for t in every(c, "traces?limit=90&%s&%s" % (window, path))]
        assert sorted(found) == sorted(wanted) and (wanted or sql == "0"), (path, len(found), len(wanted))
