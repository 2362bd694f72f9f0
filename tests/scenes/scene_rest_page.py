"""Now with an incident, Network, SQL and Status in a real browser: what they show is what SQL says; keys, phones, themes, URLs, states, hostile names."""
import json
import re
import time
from urllib.parse import quote

import lib
from browse import browse, units
from lib import otlp_body, otlp_span, wait_for
from scene_graph_page import fill
from scene_incidents import begun
from scene_page import HOSTILE
from scene_ways import between_sidecars, clear, u_turn
from stitching import BASE_US, otlp


def share(x):
    p = x * 100
    return "%.0f %%" % p if p in (0, 100) else "%.*f %%" % (2 if p < .1 else 1 if p < 9.95 or p > 99 else 0, p)


def fault(c, bad, **sets):
    """A shop whose cart fails or is slow for the last twenty seconds, and its open incident; nothing comes after it, so its numbers stand still."""
    shop, now = begun(c, **sets)
    shop.send(c, now - 20, time.time(), bad)
    c.flush()
    wait_for(lambda: c.api("incidents?state=open")["items"], 15, "an incident")
    c.flush()
    return shop


def facts_of(c):
    one, affected, failed, operation = c.sql("SELECT id, affected_calls, failed_share, entry_operation FROM incident")[0]
    suspects = c.sql("SELECT service, reason, example_trace_ids FROM suspect ORDER BY rank")
    whole = c.api("incidents/%d" % one)["suspects"][0]
    rows = c.sql("SELECT text, deviation FROM evidence WHERE rank = 1")
    assert sorted(rows) == sorted((e["text"], e["deviation"]) for e in whole["evidence"])
    worded = {}  # the same sentence with other numbers is told once, the first of them
    for e in whole["evidence"]:
        worded.setdefault(re.sub(r"\d[\d.]*", "", e["text"]), (e["text"], e["deviation"]))
    rows = list(worded.values())
    strong = [t for t, d in rows if abs(d) >= 3]
    examples = json.loads(suspects[0][2]) + [whole["contrast"]]
    codes = dict(c.sql("SELECT trace_id, http_status FROM span WHERE parent_span_id = '' AND trace_id IN (%s)" % ", ".join("?" * len(examples)), *examples))
    began = c.sql("SELECT max(http_status), max(response_flags) FROM span WHERE trace_id = ? AND fault = 'origin'", examples[0])[0]
    return {"began": " ".join(str(code) for code in began if code and code != "-"), "codes": [str(codes[t] or "") for t in examples], "id": one, "affected": affected, "share": share(failed), "operation": operation, "suspects": suspects, "evidence": strong[:4] or [rows[0][0]],
            "examples": examples}


def scene_rest_page_tells_an_incident(c):
    shop = fault(c, "fail")
    facts = facts_of(c)
    for q in (str(facts["id"]), "incident %d" % facts["id"], "cart began", facts["operation"]):
        found = [i for i in c.api("search?q=" + quote(q))["items"] if i["kind"] == "incident"]
        assert [i["id"] for i in found] == [str(facts["id"])] and found[0]["text"] == c.sql("SELECT summary FROM incident")[0][0], (q, found)
    assert not [i for q in ("9", "incident 9", "cart nowhere") for i in c.api("search?q=" + quote(q))["items"] if i["kind"] == "incident"]
    browse(c, "rest.mjs", "incident_is_told", **facts)
    browse(c, "rest.mjs", "several_incidents", **facts)
    begin, end = time.time(), time.time() + 60

    def closed():
        nonlocal begin
        shop.send(c, begin, time.time())
        begin = time.time()
        c.flush()
        time.sleep(1)
        return c.api("incidents?state=closed")["items"]
    wait_for(closed, end - time.time(), "the end")
    browse(c, "rest.mjs", "incident_is_over")


def scene_rest_page_tells_slowness(c):
    fault(c, "slow", localise__close_after="10m")
    browse(c, "rest.mjs", "slowness_is_told", operation="GET /cart")


def scene_rest_page_network_shows_what_sql_says(c):
    c.start(security__allow_plaintext="shop -> stock")
    spans = [s for i in range(30) for t in (clear(i + 1, i), clear(i + 100, i, "web", "pay"), u_turn(i + 200, i)) for s in t.spans]
    assert c.post_otlp(otlp(spans), True)[0] == 200
    c.flush()
    at = BASE_US // 1_000_000
    window = (at // 60 * 60 * 1_000_000_000, (at // 60 + 2) * 60 * 1_000_000_000)
    plain = c.sql("SELECT caller_service, callee_service, 1.0 * sum(plaintext) / sum(calls) FROM edge_minute WHERE minute_ns >= ? AND minute_ns < ? GROUP BY 1, 2 HAVING sum(plaintext)", *window)
    bad = {tuple(r) for r in c.sql("SELECT caller_service, callee_service FROM edge_violation")}
    pins = c.sql("SELECT caller_service, gateway, callee_service, 1.0 * sum(added_ns_sum) / sum(calls) / 1e6 FROM hairpin GROUP BY 1, 2, 3")
    assert len(plain) == 3 and len(bad) == 2 and len(pins) == 1, (plain, bad, pins)
    browse(c, "rest.mjs", "network_shows_what_sql_says", clear=sorted([[a, b, share(s), (a, b) in bad] for a, b, s in plain], key=lambda r: (not r[3], r[0])),
           pins=[[a, g, b, "%.1f ms" % ms] for a, g, b, ms in pins], **{"from": at // 60 * 60, "to": (at // 60 + 2) * 60})


def filled(c):
    """Over more than two minutes, whenever in a minute it is: a line needs two of them."""
    now = time.time() * 1000
    spans = [otlp_span("%032x" % (i + 1), "%016x" % (i + 1), "", "shop", "GET /cart", 2, now - 250000 + 4000 * i, 5 + i, 2 if i % 5 == 0 else 0) for i in range(40)]
    assert c.post_otlp(otlp_body(spans), True)[0] == 200
    c.flush()


def scene_rest_page_sql(c):
    c.start()
    filled(c)
    sql = "SELECT trace_id, entry_operation, duration_ns, status\nFROM trace WHERE status = 'error'\nORDER BY start_ns"
    now = int(time.time()) // 60 * 60
    browse(c, "rest.mjs", "sql_answers", sql=sql, rows=[[str(v) for v in r] for r in c.sql(sql)], columns=["trace_id", "entry_operation", "duration_ns", "status"], **{"from": now - 1800, "to": now})


def scene_rest_page_sql_limits(c):
    c.start(web__sql_timeout="200ms", web__sql_rows=1500)
    browse(c, "rest.mjs", "sql_limits_are_said")


def scene_rest_page_trace_has_the_hops_of_a_call(c):
    c.start()
    t = between_sidecars(7)
    assert c.post_otlp(otlp(t.spans), True)[0] == 200
    c.flush()
    spans = c.api("traces/" + t.id)["spans"]
    outer = next(s for s in spans if s["service"] == "b" and s["hops"])
    app = next(s for s in spans if s["service"] == "b" and s["role"] == "workload" and s["kind"] == "server")
    names = {"sidecar_out": "sidecar out", "sidecar_in": "sidecar in"}
    ms = lambda ns: "%.1f ms" % (ns / 1e6)  # noqa: E731
    assert outer["role"] == "sidecar" and len(outer["hops"]) >= 4, outer
    browse(c, "rest.mjs", "hops_of_a_call", id=t.id, app=app["span_id"], sidecar=outer["span_id"], total=round(sum(h["time_ns"] for h in outer["hops"]) / 1e6, 1), hops=[[names.get(h["hop"], h["name"] if h["hop"] == "application" else h["hop"]), ms(h["time_ns"])] for h in outer["hops"]])


def scene_rest_page_service_compares(c):
    c.start()
    facts = fill(c, 40)
    window = (facts["from"] * 1_000_000_000, facts["to"] * 1_000_000_000)
    op = c.sql("SELECT operation, sum(calls) FROM operation_minute WHERE service = 'cart' AND kind = 'server' AND minute_ns >= ? AND minute_ns < ? GROUP BY 1 ORDER BY 2 DESC", *window)[0]
    versions = c.sql("SELECT version, sum(calls), 1.0 * sum(errors) / sum(calls) FROM operation_minute WHERE service = 'cart' AND operation = ? AND minute_ns >= ? AND minute_ns < ? GROUP BY 1 ORDER BY 1", op[0], *window)
    browse(c, "rest.mjs", "service_compares", op=op, op_versions=[[v, n, share(x)] for v, n, x in versions], **facts)


def scene_rest_page_by_keyboard_only(c):
    fault(c, "fail", localise__close_after="10m")
    browse(c, "rest.mjs", "keyboard_only")


def scene_rest_page_on_a_phone(c):
    fault(c, "fail", localise__close_after="10m")
    browse(c, "rest.mjs", "on_a_phone")


def scene_rest_page_gives_axe_nothing_to_say(c):
    fault(c, "fail", localise__close_after="10m")
    browse(c, "rest.mjs", "axe_finds_nothing")


def scene_rest_page_says_failures(c):
    fault(c, "fail", localise__close_after="10m")
    browse(c, "rest.mjs", "failures_are_said")


def scene_rest_page_on_first_start(c):
    browse(c.start(), "rest.mjs", "first_start")


def scene_rest_page_without_sql(c):
    c.start(web__sql="false")
    filled(c)
    browse(c, "rest.mjs", "sql_is_off")


def scene_rest_page_hostile_names_stay_text(c):
    c.start()
    now, spans = time.time() * 1000, []
    for i, name in enumerate(HOSTILE):
        trace = "%032x" % (0xabc000 + i)
        spans.append(otlp_span(trace, "%016x" % (100 * i + 1), "", name, name, 2, now - 5000, 50, 2, service__namespace=name))
        spans.append(otlp_span(trace, "%016x" % (100 * i + 2), "%016x" % (100 * i + 1), name, name, 3, now - 4990, 30, 2, db__system=name, peer__service=name + "2", url__full="http://x/"))
    assert c.post_otlp(otlp_body(spans), True)[0] == 200
    c.flush()
    browse(c, "rest.mjs", "hostile_names_stay_text")


def scene_rest_page_pure_parts(c):
    units("rest_units.mjs")
