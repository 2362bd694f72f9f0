"""The pages Graph, Now, Services and Service in a real browser: what they show is what SQL says; keys, phones, themes, URLs, live answers,
hostile names, captured data, three hundred services."""
import glob
import gzip
import json
import os
import time

import lib
import mesh_300
import mesh_shop
from browse import browse, units
from lib import frames, otlp_body, otlp_span

MINUTE = 60


def ns(seconds):
    return int(seconds) * 1_000_000_000


def fill(c, minutes=60, rate=2):
    """The shop, its cart failing for the last 17 minutes; the half hour that the pages are asked for, in whole minutes."""
    now = int(time.time() - 15) // MINUTE * MINUTE  # of a minute that is just over, the last seconds may still come
    s = mesh_shop.Shop(7, canary=now - 18 * MINUTE, fault=now - 17 * MINUTE)
    mesh_shop.feed(c, s, now - minutes * MINUTE, now, rate)
    return {"from": now - 30 * MINUTE, "to": now, "seconds": 1800}


def facts_of(c, facts):
    window = (ns(facts["from"]), ns(facts["to"]))
    minutes = "minute_ns >= ? AND minute_ns < ?"
    facts["edges"] = c.sql("SELECT caller_service, callee_service, sum(calls), sum(errors_origin), sum(errors_carried) FROM edge_minute WHERE %s GROUP BY 1, 2" % minutes, *window)
    facts["nodes"] = len({n for e in facts["edges"] for n in e[:2]})
    facts["requests"] = c.sql("SELECT sum(calls), sum(errors) FROM edge_minute WHERE caller_role = 'user' AND " + minutes, *window)[0]
    facts["entries"] = c.sql("SELECT operation, sum(calls), sum(errors) FROM operation_minute WHERE service = 'ingress' AND kind = 'server' AND %s GROUP BY 1" % minutes, *window)
    facts["versions"] = c.sql("SELECT caller_version, sum(calls), sum(errors_origin) FROM edge_minute WHERE caller_service = 'cart' AND callee_service = 'redis' AND %s "
                              "GROUP BY 1 ORDER BY 3 DESC" % minutes, *window)
    facts["services"] = c.sql("SELECT callee_service, sum(calls) FROM edge_minute WHERE callee_role IN ('workload', 'gateway') AND %s GROUP BY 1" % minutes, *window)
    facts["cart"] = c.sql("SELECT sum(calls), sum(errors) FROM edge_minute WHERE callee_service = 'cart' AND " + minutes, *window)[0]
    facts["operations"] = c.sql("SELECT operation, sum(calls), sum(errors) FROM operation_minute WHERE service = 'cart' AND kind = 'server' AND %s GROUP BY 1" % minutes, *window)
    return facts


def scene_graph_page_shows_what_sql_says(c):
    c.start()
    facts = facts_of(c, fill(c))
    browse(c, "graph.mjs", "graph_shows_what_sql_says", **facts)
    browse(c, "graph.mjs", "now_shows_what_sql_says", **facts)
    browse(c, "graph.mjs", "services_show_what_sql_says", **facts)


def scene_graph_page_by_keyboard_only(c):
    c.start()
    browse(c, "graph.mjs", "keyboard_only", **facts_of(c, fill(c)))


def scene_graph_page_on_a_phone(c):
    c.start()
    browse(c, "graph.mjs", "on_a_phone", **fill(c, 30))


def scene_graph_page_gives_axe_nothing_to_say(c):
    c.start()
    browse(c, "graph.mjs", "axe_finds_nothing", **fill(c, 60, 1))


def scene_graph_page_urls_round_trip(c):
    c.start()
    fill(c, 30)
    browse(c, "graph.mjs", "urls_round_trip")


def scene_graph_page_live_does_not_move_what_one_reads(c):
    c.start()
    fill(c, 30)
    more, now = mesh_shop.Shop(99), time.time()
    for i in range(3000):
        more.request(now - 20 - i / 3000, "GET /search")
    browse(c, "graph.mjs", "live_does_not_move_what_one_reads", bodies=[more.body().decode()])


def scene_graph_page_says_failures_and_emptiness(c):
    c.start()
    browse(c, "graph.mjs", "failures_and_emptiness_are_said", **fill(c, 30))


def scene_graph_page_on_first_start(c):
    browse(c.start(), "graph.mjs", "first_start")


HOSTILE = ["<script>window.ran=1</script>", "<img src=x onerror=window.ran=1>", "\"><svg onload=window.ran=1>", "javascript:window.ran=1", "a>b", "a/b/c", "x#user", "\u202egnihtemos\u2066",
           "' OR 1=1 --", "line\nfeed\ttab", "x" * 400, "\U0001f4a5" * 20, "__proto__", "constructor", "%2F%3E", "a b", "-", "users"]


def scene_graph_page_hostile_names_stay_text(c):
    c.start()
    now, spans = time.time() * 1000, []
    for i, name in enumerate(HOSTILE):
        trace = "%032x" % (0xabc000 + i)
        for k in range(4):
            trace = "%032x" % (0xabc000 + 8 * i + k)
            spans.append(otlp_span(trace, "%016x" % (100 * i + 10 * k + 1), "", name, "GET <b>", 2, now - 5000, 50, 2))
            spans.append(otlp_span(trace, "%016x" % (100 * i + 10 * k + 2), "%016x" % (100 * i + 10 * k + 1), HOSTILE[(i + 1) % len(HOSTILE)] if i % 3 else name + "2", name, 2, now - 4990, 30, 2))
    body = json.loads(otlp_body(spans))
    for resource in body["resourceSpans"]:
        resource["resource"]["attributes"].append({"key": "service.version", "value": {"stringValue": "<u>v1"}})
    status, text, _ = c.post_otlp(json.dumps(body).encode(), True)
    assert status == 200, text
    c.flush()
    nodes = c.sql("SELECT count(*) FROM (SELECT caller_service, caller_role FROM edge_minute UNION SELECT callee_service, callee_role FROM edge_minute)")[0][0]
    browse(c, "graph.mjs", "hostile_names_stay_text", nodes=nodes)


def scene_graph_page_opens_captured_data(c):
    c.start()
    for path in sorted(glob.glob(os.path.join(lib.GOLDEN, "otel_js", "proto", "*.bin"))) + sorted(glob.glob(os.path.join(lib.GOLDEN, "otel_js", "gzip", "*.gz"))):
        data = open(path, "rb").read()
        c.post_otlp(gzip.decompress(data) if path.endswith(".gz") else data)
    for name in ("otlp_grpc", "otlp_http", "spawn_all"):
        for body in frames(name):
            c.post_otlp(body)
    c.flush()
    low, high = c.sql("SELECT min(minute_ns), max(minute_ns) FROM edge_minute")[0]
    graph = c.api("graph?from=%d&to=%d" % (low // 1_000_000_000, high // 1_000_000_000 + 60))
    calls = c.sql("SELECT sum(calls) FROM edge_minute")[0][0]
    assert sum(e["calls"] for e in graph["edges"]) == calls > 100, calls
    services = [[n["node"][k] for k in ("cluster", "namespace", "service")] for n in graph["nodes"] if n["node"]["role"] in ("workload", "gateway")][:4]
    browse(c, "graph.mjs", "captured_data_opens", edges=len(graph["edges"]), nodes=len(graph["nodes"]), services=services, **{"from": low // 1_000_000_000, "to": high // 1_000_000_000 + 60})


def scene_graph_page_of_three_hundred_services(c):
    c.start()
    c.stop()
    mesh_300.fill(c.db, int(time.time() - 15) // 60)
    c.start()
    now = int(time.time() - 15) // 60 * 60
    print(browse(c, "graph.mjs", "three_hundred_services", **{"from": now - 1800, "to": now}))


def scene_graph_page_of_too_many_edges_is_a_table(c):
    c.start()
    c.stop()
    mesh_300.fill(c.db, int(time.time() - 15) // 60, 300, 2200, 3)
    c.start()
    now = int(time.time() - 15) // 60 * 60
    browse(c, "graph.mjs", "too_many_edges_are_a_table", **{"from": now - 120, "to": now})


def scene_pure_parts_of_the_graph_page(c):
    units("graph_units.mjs")
