"""The graph and what stands around it in the API: every number is what SQL says; places hold still; bad questions are refused."""
import json
import time

import lib
import mesh_shop as shop
from stitching import BASE_US, Trace, otlp

MINUTE = 60
EDGE_SQL = """SELECT caller_namespace || '/' || caller_service || '>' || callee_namespace || '/' || callee_service, sum(calls), sum(errors_origin),
    sum(errors_carried), sum(client_errors), sum(CASE WHEN known_by = 'caller_only' THEN errors_origin ELSE 0 END)
  FROM edge_minute WHERE minute_ns >= ? AND minute_ns < ? GROUP BY 1"""


def fill(c, **more):
    """An hour of the shop, its cart failing for the last 17 minutes. Gives the two windows as text, minutes whole."""
    now = int(time.time() - 15) // MINUTE * MINUTE  # of a minute that is just over, the last seconds may still come
    c.start()
    s = shop.Shop(7, canary=now - 18 * MINUTE, fault=now - 17 * MINUTE, **more)
    shop.feed(c, s, now - 60 * MINUTE, now, 2)
    return now - 30 * MINUTE, now


def ns(seconds):
    return seconds * 1_000_000_000


def short(id_):
    return "/".join(id_.split("#")[0].split("/")[1:])


def scene_the_graph_is_what_sql_says(c):
    begin, end = fill(c)
    g = c.api("graph?from=%d&to=%d&base=%d..%d" % (begin, end, begin - 1800, begin))
    truth = {r[0]: r[1:] for r in c.sql(EDGE_SQL, ns(begin), ns(end))}
    before = {r[0]: r[1:] for r in c.sql(EDGE_SQL, ns(begin - 1800), ns(begin))}
    assert len(g["edges"]) == len(truth) == 27, (len(g["edges"]), len(truth))
    for e in g["edges"]:
        name = short(e["caller"]) + ">" + short(e["callee"])
        assert (e["calls"], e["errors_origin"], e["errors_carried"], e["client_errors"], e["unreached"]) == truth[name], (name, e, truth[name])
        assert (e["was"]["calls"], e["was"]["errors_origin"]) == before.get(name, (0, 0))[:2], name
        assert sum(e["known_by"].values()) == e["calls"] and sum(e["security"].values()) == e["calls"]
        (p95,), = run_sql(c, """SELECT histogram_quantile(histogram_merge(histogram), 0.95) FROM edge_minute WHERE minute_ns >= %d AND minute_ns < %d AND
            caller_namespace || '/' || caller_service || '>' || callee_namespace || '/' || callee_service = '%s'""" % (ns(begin), ns(end), name))
        assert e["p95_ns"] == int(p95), (name, e["p95_ns"], p95)
    assert g["seconds"] == 1800, g["seconds"]
    # against a window that had all of it, an empty one has lost it all: shown on request, in its place
    empty = "graph?from=%d&to=%d&base=%d..%d" % (begin - 90000, begin - 86400, begin, end)
    gone = c.api(empty + "&gone=show")
    assert c.api(empty)["edges"] == [] and {short(e["caller"]) + ">" + short(e["callee"]): e["was"]["calls"] for e in gone["edges"]} == {k: v[0] for k, v in truth.items()}
    assert all(e["calls"] == 0 and e["points"] for e in gone["edges"]) and len(gone["nodes"]) == len(g["nodes"]) and all(n["w"] for n in gone["nodes"])
    by = {short(n["id"]): n for n in g["nodes"]}
    cart = by["shop/cart"]
    assert cart["mark"] == "began" and by["shop/frontend"]["mark"] == "passed" and by["shop/pricing"]["mark"] == "", cart
    versions = {v["version"]: v for v in cart["versions"]}
    for version, in [("v1",), ("v2",)]:
        calls, errors = c.sql("SELECT sum(calls), sum(errors) FROM edge_minute WHERE callee_service = 'cart' AND callee_version = ? AND minute_ns >= ?",
                              version, ns(begin))[0]
        assert (versions[version]["calls"], versions[version]["errors"]) == (calls, errors), version
    assert versions["v2"]["began"] == versions["v2"]["errors"] > 50 and versions["v1"]["errors"] == 0
    bad = next(e for e in g["edges"] if e["callee"].endswith("redis#cache") and "cart" in e["caller"])
    assert bad["mark"] == "began" and len(bad["examples"]["error"]) == 3, bad
    for trace in bad["examples"]["error"]:
        assert c.sql("SELECT status FROM trace WHERE trace_id = ?", trace) == [("error",)]


def scene_rare_failures_have_examples(c):
    """Older than any number of traces that went well: the edge still names them, also where the request as a whole went well."""
    c.start()
    now, ids = time.time() * 1e6 - BASE_US - 90e6, {}

    def call(n, failed, whole):
        t = Trace(n)
        at = (now + n * 10_000) / 1000
        a = t.server("a", at, 8, status=2 if whole else 0)
        t.server("b", at + 2, 4, t.client("a", at + 1, 6, a, status=2 if failed else 0), status=2 if failed else 0)
        ids[n] = t.id
        return t.spans
    for of in (range(1, 4), range(4, 2004)):
        assert c.post_otlp(otlp([s for n in of for s in call(n, n < 4, n < 3)]), True)[0] == 200
        c.flush()
    edges = {short(e["caller"]) + ">" + short(e["callee"]): e for e in c.api("graph?from=10m")["edges"]}
    assert edges["/a>/b"]["errors"] == 3 and sorted(edges["/a>/b"]["examples"]["error"]) == sorted(ids[n] for n in (1, 2, 3)), edges
    assert sorted(edges["/user>/a"]["examples"]["error"]) == sorted(ids[n] for n in (1, 2)), edges
    assert all(len(e["examples"]["slow"]) == 3 for e in edges.values())


def scene_reasons_of_an_edge_are_counted_each_by_itself(c):
    """None at all, where the request went well, and a long one too, in whatever order they come."""
    c.start()
    start, long = (time.time() * 1e6 - BASE_US - 90e6) / 1000, "x" * 70
    for n, reason in enumerate(["502", "", long, "503", "", "502", long]):
        t = Trace(n)
        at, more = start + n * 10, {"status": 2, "attrs": {"http.response.status_code": int(reason)} if reason.isdigit() else {}}
        t.server("b", at + 2, 4, t.client("a", at + 1, 6, t.server("a", at, 8, status=2 if reason else 0), **more), **more)
        body = json.loads(otlp(t.spans))
        for span in (s for r in body["resourceSpans"] for scope in r["scopeSpans"] for s in scope["spans"]):
            if reason == long and span["status"].get("code") == 2:
                span["status"]["message"] = reason
        assert c.post_otlp(json.dumps(body).encode(), True)[0] == 200
    c.flush()
    edge = c.api("edge?from=10m&caller=a&callee=b")
    assert {r["reason"]: r["n"] for r in edge["reasons"]} == {"502": 2, "503": 1, "": 2, long: 2} and edge["reasons_of"] == 7, edge["reasons"]


def scene_a_step_of_the_way_is_all_that_went(c):
    """Calls from one service to another are two edges where some go to another zone: the way of the failure counts both."""
    c.start()
    begin, spans = time.time() * 1e6 - BASE_US - 90e6, []
    for n in range(40):
        t, at, place = Trace(n), (begin + n * 10_000) / 1000, lambda zone: {"resource": {"k8s.cluster.name": "c", "cloud.availability_zone": zone}}
        a = t.server("s/a", at, 8, status=2, **place("z1"))
        b = t.server("s/b", at + 1.5, 5, t.client("s/a", at + 1, 6, a, status=2, **place("z1")), status=2, **place("z%d" % (1 + n % 2)))
        t.server("s/d", at + 2.5, 2, t.client("s/b", at + 2, 3, b, status=2, **place("z%d" % (1 + n % 2))), status=2, **place("z1"))
        spans += t.spans
    assert c.post_otlp(otlp(spans), True)[0] == 200
    c.flush()
    assert sorted(e["calls"] for e in c.api("graph?from=10m")["edges"]) == [20, 20, 20, 20, 40]
    joined = c.api("graph?from=10m&crossings=joined")["edges"]  # as the page's picture has it: one edge a pair
    assert sorted((e["caller"][-1], e["calls"], e["errors"], e["crossing"], len(e["points"])) for e in joined) == [
        ("a", 40, 40, "cross_zone", 4), ("b", 40, 40, "cross_zone", 4), ("r", 40, 40, "in", 4)], joined
    assert c.api("graph?from=10m&crossings=joined&fold=all&most=9")["edges"] and c.get("/api/v1/graph?crossings=some")[0] == 400
    way = c.api("now?from=10m")["path"]
    assert [x["node"]["service"] for x in way["nodes"]] == ["user", "a", "b", "d"]
    assert [(e["calls"], e["errors"], e["errors_origin"]) for e in way["edges"]] == [(40, 40, 0), (40, 40, 0), (40, 40, 40)], way["edges"]


def run_sql(c, query):
    """By `faultline sql`, which has the functions for histograms."""
    import subprocess
    text = subprocess.run([c.program, "sql", "--db", c.db, "--format", "json", query], stdout=subprocess.PIPE, check=True).stdout
    answer = json.loads(text)
    rows = answer["rows"] if isinstance(answer, dict) else answer
    return [list(r.values()) if isinstance(r, dict) else r for r in rows]


def scene_places_hold_still(c):
    begin, end = fill(c)
    places = lambda g: {n["id"]: (n["x"], n["y"]) for n in g["nodes"]}  # noqa: E731
    first = c.api("graph?from=%d&to=%d&versions=show" % (begin, end))
    status, body, headers = c.get("/api/v1/graph?from=%d&to=%d&versions=show" % (begin, end))
    status, _, _ = c.get("/api/v1/graph?from=%d&to=%d&versions=show" % (begin, end), **{"If-None-Match": headers["etag"]})
    assert status == 304, status
    # Other numbers, the same services: nothing moves.
    later = c.api("graph?from=%d&to=%d&versions=show" % (begin + 10 * MINUTE, end))
    assert places(later) == places(first)
    # A new service: the others keep their order.
    now = time.time()
    spans = [lib.otlp_span("%032x" % i, "%016x" % (2 * i), "", "frontend", "GET /x", 2, now * 1000) for i in range(1, 6)]
    spans += [lib.otlp_span("%032x" % i, "%016x" % (2 * i + 1), "%016x" % (2 * i), "beta-newcomer", "Look", 2, now * 1000 + 1, 5) for i in range(1, 6)]
    c.post_otlp(lib.otlp_body(spans), json_body=True)
    c.flush()
    grown = c.api("graph?from=%d&versions=show" % begin)
    assert any("beta-newcomer" in n["id"] for n in grown["nodes"])
    columns = {}
    for n in first["nodes"]:
        columns.setdefault(n["column"], []).append((n["y"], n["id"]))
    after = {n["id"]: n for n in grown["nodes"]}
    for column in columns.values():
        names = [i for _, i in sorted(column) if after[i]["column"] == after[sorted(column)[0][1]]["column"]]
        assert names == sorted(names, key=lambda i: after[i]["y"]), names
    tall = next(n for n in first["nodes"] if n["id"] == "eu-1/shop/cart")
    assert (tall["h"], tall["w"]) == (62, 110), tall
    for e in first["edges"]:
        assert len(e["points"]) % 4 == 0, e


def scene_views_fold_and_focus(c):
    begin, end = fill(c)
    span = "from=%d&to=%d" % (begin, end)
    near = c.api("graph?%s&focus=shop/payment&hops=1" % span)
    assert sorted(short(n["id"]) for n in near["nodes"]) == ["/api.paynet.example", "shop/checkout", "shop/payment"], near["nodes"]
    assert near["all"]["nodes"] == 20
    folded = c.api("graph?%s&fold=all" % span)
    shop_ = next(n for n in folded["nodes"] if n.get("fold"))
    whole = c.api("graph?%s" % span)
    names = [n["fold"]["name"] for n in folded["nodes"] if n.get("fold")]
    assert "shop" in names and "stores" in names and shop_["fold"]["nodes"] > 1, names
    # What goes into a fold from outside is the sum of what went to its nodes.
    inside = {n["id"] for n in whole["nodes"] if n["node"]["namespace"] == "shop" and n["node"]["cluster"] == "eu-1"}
    into = sum(e["calls"] for e in whole["edges"] if e["callee"] in inside and e["caller"] not in inside)
    assert next(n["calls"] for n in folded["nodes"] if n.get("fold") and n["fold"]["name"] == "shop" and n["fold"]["cluster"] == "eu-1") == into
    open_ = c.api("graph?%s&fold=all&unfold=shop" % span)
    assert any(n["id"] == "eu-1/shop/cart" for n in open_["nodes"])
    few = c.api("graph?%s&most=6" % span)
    assert any(n["id"] == "eu-1/shop/cart" for n in few["nodes"]) and len(few["nodes"]) < 20
    quiet = c.api("graph?%s&fold=quiet" % span)
    assert len(quiet["nodes"]) == 20  # so few are never folded


def scene_a_graph_of_one_end_has_its_edges_alone(c):
    begin, end = fill(c)
    span = "from=%d&to=%d" % (begin, end)
    whole = c.api("graph?%s" % span)
    for asked, fits in (("service=payment", lambda n: n["service"] == "payment"), ("service=shop/payment", lambda n: n["service"] == "payment" and n["namespace"] == "shop"),
                        ("namespace=shop&fold=all", lambda n: n["namespace"] == "shop"), ("service=stores/payment", lambda n: False)):
        of = {n["id"] for n in whole["nodes"] if fits(n["node"])}
        edges = [e for e in whole["edges"] if e["caller"] in of or e["callee"] in of]
        part = c.api("graph?%s&%s" % (span, asked))
        assert sorted(e["id"] for e in part["edges"]) == sorted(e["id"] for e in edges) and bool(edges) == bool(of), asked
        assert {n["id"] for n in part["nodes"]} == of.union(*[{e["caller"], e["callee"]} for e in edges]), asked
        assert len(part["edges"]) < len(whole["edges"])
    base = "graph/diff?%s&base=%d..%d" % (span, begin - 7200, begin - 3600)
    new, of_payment = c.api(base)["new"], c.api(base + "&service=payment")["new"]
    assert {e["id"] for e in of_payment} == {e["id"] for e in new if "/payment" in e["caller"] + e["callee"]} != set()
    assert len(of_payment) < len(new)


def scene_now_is_what_sql_says(c):
    begin, end = fill(c)
    n = c.api("now?from=%d&to=%d" % (begin, end))
    calls, errors = c.sql("SELECT sum(calls), sum(errors) FROM edge_minute WHERE caller_role = 'user' AND minute_ns >= ? AND minute_ns < ?", ns(begin), ns(end))[0]
    assert (n["requests"]["calls"], n["requests"]["errors"]) == (calls, errors), n["requests"]
    assert sum(n["series"]["requests"]) == calls and sum(n["series"]["failed"]) == errors
    ops = {r[0]: r[1:] for r in c.sql("SELECT operation, sum(calls), sum(errors) FROM operation_minute WHERE service = 'ingress' AND kind = 'server' "
                                      "AND minute_ns >= ? AND minute_ns < ? GROUP BY 1", ns(begin), ns(end))}
    assert {e["operation"]: (e["calls"], e["errors"]) for e in n["entries"]} == ops, (n["entries"], ops)
    assert [short(x["id"]).split("/")[1] for x in n["path"]["nodes"]] == ["user", "ingress", "frontend", "cart", "redis"]
    assert [e["mark"] for e in n["path"]["edges"]] == ["passed"] * 3 + ["began"]
    kinds = [(x["kind"], x["at"]) for x in n["changes"]]
    onset = next(at for kind, at in kinds if kind == "failures")
    assert onset[:16] == time.strftime("%Y-%m-%dT%H:%M", time.gmtime(end - 17 * MINUTE)), (onset, kinds)
    assert [x.get("version") for x in n["changes"] if x["kind"] == "new_version"] == ["v2"], kinds
    assert sum(n["origins"][0]["began"]) == c.sql(
        "SELECT sum(errors_origin) FROM edge_minute WHERE caller_service = 'cart' AND callee_service = 'redis' AND minute_ns >= ?", ns(begin))[0][0]
    # Nothing was known before the first hour: then no service and no edge is called new, but the version that came later is.
    first = c.api("now?from=%d&to=%d" % (end - 61 * MINUTE, end))
    assert first["base"]["seconds"] == 0 and {(x["kind"], x.get("version")) for x in first["changes"]} == {("failures", None), ("new_version", "v2")}, first["changes"]


def scene_a_call_that_fails_twice_is_one_of_its_calls(c):
    c.start()
    spans = []
    for i in range(120):
        t = Trace(i + 1)
        bad = i % 2
        s = t.server("shop/cart@v%d" % (1 + bad), i * 100, 30, status=2 * bad)
        for k in range(2):
            t.client("shop/cart@v%d" % (1 + bad), i * 100 + 1 + 10 * k, 8, s, name=("GET", "SET")[k], status=2 * bad, attrs={"db__system": "redis", "server__address": "redis"})
        spans += t.spans
    assert c.post_otlp(otlp(spans), True)[0] == 200
    c.flush()
    assert c.sql("SELECT sum(errors_origin) FROM edge_minute WHERE callee_service = 'redis'") == [(120,)]
    compare = c.api("service/-/shop/cart?from=%d&to=%d" % (BASE_US // 1_000_000 - 60, BASE_US // 1_000_000 + 120))["compare"]
    assert (compare["baseline"]["error_share"], compare["candidate"]["error_share"]) == (0, 1), compare
    assert (compare["checks"][0]["metric"], compare["checks"][0]["verdict"]) == ("errors", "worse"), compare


def scene_a_service_and_an_edge_are_what_sql_says(c):
    begin, end = fill(c)
    span = "from=%d&to=%d" % (begin, end)
    s = c.api("service/eu-1/shop/cart?" + span)
    calls, errors = c.sql("SELECT sum(calls), sum(errors) FROM edge_minute WHERE callee_service = 'cart' AND minute_ns >= ? AND minute_ns < ?", ns(begin), ns(end))[0]
    assert s["service"]["calls"] == calls == sum(s["series"]["calls"]) and s["service"]["errors"] == errors
    assert {v["version"]: v["calls"] for v in s["versions"]} == dict(c.sql(
        "SELECT callee_version, sum(calls) FROM edge_minute WHERE callee_service = 'cart' AND minute_ns >= ? GROUP BY 1", ns(begin)))
    assert {o["operation"]: (o["calls"], o["errors"]) for o in s["operations"]} == {r[0]: r[1:] for r in c.sql(
        "SELECT operation, sum(calls), sum(errors) FROM operation_minute WHERE service = 'cart' AND kind = 'server' AND minute_ns >= ? GROUP BY 1", ns(begin))}
    parts = s["compare"].pop("parts")  # the errors again, by where they began
    assert s["compare"] == c.api("compare?service=eu-1/shop/cart&" + span)
    judged = next(x for x in s["compare"]["checks"] if x["metric"] == "errors")
    assert [p["metric"] for p in parts] == ["began", "passed"] and abs(sum(p["effect"] for p in parts) - judged["effect"]) < 1e-9, (parts, judged)
    assert s["compare"]["minutes"] == c.sql("SELECT count(*) FROM (SELECT 1 FROM edge_minute WHERE callee_service = 'cart' AND minute_ns >= ? "
                                            "GROUP BY minute HAVING count(DISTINCT callee_version) = 2)", ns(begin))[0][0], s["compare"]["minutes"]
    versions = lambda x: (x["baseline"]["version"], x["candidate"]["version"])
    assert s["compare"]["verdict"] == "worse" and versions(s["compare"]) == ("v1", "v2")
    turned = c.api("service/eu-1/shop/cart?%s&compare=v2..v1" % span)["compare"]
    assert versions(turned) == ("v2", "v1") and turned["checks"][0]["verdict"] == "better", turned
    assert c.api("service/eu-1/shop/cart?%s&compare=v1..v9" % span)["compare"] is None
    assert sorted(short(e["caller"]) for e in s["callers"]) == ["shop/checkout", "shop/frontend"]
    assert sorted(short(e["callee"]) for e in s["callees"]) == ["/redis", "shop/pricing"]
    # Instances come from spans, here of all traces there are: no more than a thousand of the cart.
    late = end - 12 * MINUTE
    few = c.api("service/eu-1/shop/cart?from=%d&to=%d" % (late, end))
    traces = c.sql("SELECT count(DISTINCT trace_id) FROM span WHERE service = 'cart' AND start_ns >= ?", ns(late))[0][0]
    assert 1000 > few["sampled"]["traces"] >= traces > 200 and not few["sampled"]["more"], (few["sampled"], traces)
    told = {i["instance"]: (i["calls"], i["errors"]) for i in few["instances"]}
    true = {r[0]: r[1:] for r in c.sql("SELECT instance, count(*), sum(fault IN ('origin', 'carried')) FROM span WHERE service = 'cart' "
                                       "AND kind = 'server' AND trace_id IN (SELECT trace_id FROM trace WHERE start_ns >= ?) GROUP BY 1", ns(late))}
    assert told == true, (told, true)
    # … of more, a thousand from all parts of the window: who came late has no more of them than of the calls.
    many = c.api("service/eu-1/shop/cart?from=%d&to=%d" % (end - 55 * MINUTE, end))
    share = lambda rows: sum(r["calls"] for r in rows if r["version"] == "v2") / sum(r["calls"] for r in rows)  # noqa: E731
    assert many["sampled"]["traces"] > 950 and 0 < share(many["instances"]) < share(many["versions"]) + .02, (many["sampled"], share(many["instances"]))
    e = c.api("edge?%s&caller=shop/cart&callee=redis" % span)
    assert {v["version"]: (v["calls"], v["errors_origin"]) for v in e["caller_versions"]} == {r[0]: r[1:] for r in c.sql(
        "SELECT caller_version, sum(calls), sum(errors_origin) FROM edge_minute WHERE caller_service = 'cart' AND callee_service = 'redis' AND minute_ns >= ? GROUP BY 1", ns(begin))}
    assert e["reasons"] == [{"reason": "UO", "n": e["edges"][0]["errors_origin"]}], e["reasons"]
    assert [short(o["caller"]) for o in e["others"]] == ["shop/ads"]
    assert sum(e["series"]["began"]) == e["edges"][0]["errors_origin"]
    red = {short(i["id"]): i for i in c.api("red?" + span)["items"]}
    assert sum(red["shop/cart"]["failed"]) == errors and red["shop/cart"]["calls"] == calls and "/redis" not in red
    strip = c.api("series?from=%d&to=%d" % (end - 3 * 3600, end))
    assert strip["step_ns"] == 60_000_000_000 and len(strip["requests"]) == 180 and strip["requests"][0] is None
    assert sum(x or 0 for x in strip["requests"]) == c.sql("SELECT sum(calls) FROM edge_minute WHERE caller_role = 'user'")[0][0]


def scene_bad_questions_are_refused(c):
    c.start()
    for path in ("graph?fold=some", "graph?hops=4", "graph?most=0", "graph?base=yesterday", "graph?versions=3", "graph?gone=1", "edge?caller=a", "edge?callee=b",
                 "now?from=2h&to=3h", "series?from=0", "service/a/b/c?from=x", "service/a/b/c?compare=v1", "graph?level=pod"):
        status, text, _ = c.get("/api/v1/" + path)
        assert status == 400 and json.loads(text)["error"]["code"] == "invalid", (path, status, text)
    for path in ("service/a/b/c", "service/a", "edge?caller=a&callee=b"):
        status, text, _ = c.get("/api/v1/" + path)
        assert status == 404, (path, status, text)
    for path in ("graph", "now", "series", "red"):
        status, text, _ = c.get("/api/v1/" + path)
        assert status == 200, (path, text)
        assert json.loads(text)


def scene_hostile_names_stay_text(c):
    """Names with every sign that means something in HTML, JSON, URLs or SQL."""
    bad = "<script>alert('x')</script>\"&/>%2F|;--\u202e\u0000"
    c.start()
    now = time.time() * 1000
    spans = []
    for i in range(1, 9):
        spans.append(lib.otlp_span("%032x" % i, "%016x" % (3 * i), "", "front>door", "GET /<b>", 2, now))
        spans.append(lib.otlp_span("%032x" % i, "%016x" % (3 * i + 1), "%016x" % (3 * i), bad, "<i>op</i>", 2, now + 1, 5, 2 if i > 3 else 0))
    status, _, _ = c.post_otlp(lib.otlp_body(spans), json_body=True)
    assert status == 200
    c.flush()
    g = c.api("graph?from=15m")
    names = {n["node"]["service"] for n in g["nodes"]}
    clean = bad.replace("\u0000", "\ufffd")
    assert clean in names and "front>door" in names, names
    edge = next(e for e in g["edges"] if clean in e["callee"])
    assert edge["mark"] == "began", edge
    from urllib.parse import quote
    one = c.api("edge?from=15m&caller=%s&callee=%s" % (quote(edge["caller"], ""), quote(edge["callee"], "")))
    assert one["callee"]["node"]["service"] == clean
    s = c.api("service/-/-/%s?from=15m" % quote(clean, ""))
    assert s["service"]["node"]["service"] == clean and s["operations"][0]["operation"] == "<i>op</i>"
