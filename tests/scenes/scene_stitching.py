"""The traces that stitching must own (stitching_cases.py), through stitch() alone and through the whole program; in every order, split, repeated, late."""
import json
import os
import random
import sqlite3
import subprocess
import time

from lib import otlp_body, otlp_span, wait_for
from stitching import INBOUND, Trace, expected_text, frames_of, graph_text, otlp, out, zipkin
from stitching_cases import CASES, a_service_that_only_reports_as_a_client, kong_before_a_service_with_spans_of_its_plugins


def stitch(c, format_, bodies, *options):
    p = subprocess.run([os.path.join(c.build, "tools", "stitch_file"), *options, format_, "-"], input=frames_of(bodies), capture_output=True)
    assert p.returncode == 0, p.stderr
    return [json.loads(line) for line in p.stdout.splitlines()]


def differences(name, traces, text):
    wanted = [expected_text(part) for part in text.split("---")]
    seen = [graph_text(trace, "/" in text) for trace in traces]
    if seen == wanted:
        return ""
    return "\n%s\n--- seen\n%s\n--- expected\n%s\n" % (name, "\n".join(seen), "\n".join(wanted))


def scene_graphs(c):
    wrong = ""
    for function in CASES:
        spans, text = function()
        wrong += differences(function.__name__, stitch(c, "otlp_json", [otlp(spans)]), text)
    assert not wrong, wrong


def scene_a_store_behind_a_sidecar_keeps_its_protocol(c):
    """What the application calls a store, or a queue, is http to its proxy at most; of others the proxy's word counts, and a store that the proxy itself names."""
    for own, proxy, wanted in (({"db__system": "elasticsearch", "db__name": "orders"}, {}, "elasticsearch"), ({"messaging__system": "aws_sqs", "messaging__destination__name": "q"}, {}, "aws_sqs"),
                               ({}, {}, "http"), ({}, {"db__system": "redis"}, "redis"), ({"db__system": "mongodb", "db__name": "carts"}, None, "mongodb")):
        t = Trace(1)
        k = t.client("a", 1, 50, t.server("a", 0, 100), attrs=own)
        if proxy is not None:
            t.proxy("a", "client", 2, 48, k, upstream="outbound|9200||store.shop.svc.cluster.local", attrs=proxy)
        calls, = ([call for call in trace["calls"] if call["caller"][2] == "a"] for trace in stitch(c, "otlp_json", [otlp(t.spans)]))
        assert [call["protocol"] for call in calls] == [wanted], (own, proxy, calls)


def scene_a_gateway_answers_and_not_its_plugins(c):
    spans, _ = kong_before_a_service_with_spans_of_its_plugins()
    trace, = stitch(c, "otlp_json", [otlp(spans)])
    entry, = (call for call in trace["calls"] if call["known_by"] == "entry")
    assert (entry["operation"], entry["callee_ns"]) == ("kong", 100_000_000), entry


def scene_a_timeout_is_a_failure_of_the_callee_that_lost_its_client(c):
    """DC or `canceled` at a callee whose caller gave up: its span, its operation and the trace say so alike, also where a retry made it good; where the client of the whole left, nobody failed."""
    c.start()
    for n, (code, flags, again) in enumerate(((500, "UT", False), (200, "-", True), (0, "DC", False))):
        t = Trace(n + 1)
        ended = {"code": code, "flags": "DC" if code == 0 else "-"}
        a = t.proxy("a", "server", 0, 500, None, upstream=INBOUND, **ended)
        ab = t.proxy("a", "client", 10, 400, a, upstream=out("b"), code=504 if flags == "UT" else code, flags=flags)
        t.proxy("b", "server", 12, 99, ab, upstream=INBOUND, code=0, flags="DC")
        if again:
            t.proxy("b", "server", 212, 99, ab, upstream=INBOUND)
        assert c.post_otlp(otlp(t.spans), json_body=True)[0] == 200
    c.flush()
    assert c.sql("SELECT fault FROM span WHERE service = 'b' ORDER BY trace_id, start_ns") == [("origin",), ("recovered",), ("",), ("client_gone",)]
    assert c.sql("SELECT sum(calls), sum(errors) FROM operation_minute WHERE service = 'b'") == [(4, 2)]
    assert c.sql("SELECT status, error_count FROM trace ORDER BY trace_id") == [("error", 3), ("ok", 1), ("ok", 0)]


def scene_who_took_its_caller_s_id_and_sends_nothing(c):
    """Zipkin's shared ids: whose parent is a client's span came through a workload that sent none. Its caller names it; without a name the two stay one call."""
    def silent(middle, code=200, heard=False):
        t = Trace(1)
        a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, code=code)
        ab = t.proxy("a", "client", 1, 90, a, upstream=middle, code=code)
        cd = {"id": "00000000000000cc", "parent": ab["id"], "kind": "client", "service": "b"}  # b's half, which is lost
        if heard:  # another one of it is not
            t.proxy("b", "client", 10, 20, ab, upstream=out("d"))
        if middle == out("bee"):  # whom b answers to
            t.proxy("b", "server", 92, 5, t.proxy("a", "client", 91, 7, a, upstream=middle, path="/b"), upstream=INBOUND)
        t.proxy("c", "server", 20, 50, cd, upstream=INBOUND, code=code, shared=True)
        return zipkin(t.spans)

    for body, text in ((silent(out("b")), """user > a entry
                            a > b caller_only
                            b > c callee_only
                            trace ok entry=a"""),
                       (silent(out("b"), 500), """user > a entry carried
                            a > b caller_only carried
                            b > c callee_only origin
                            trace error entry=a origin=c reason=500"""),
                       (silent(out("b"), heard=True), """user > a entry
                            a > b caller_only
                            b > c callee_only
                            b > d caller_only
                            trace ok entry=a"""),
                       (silent(out("bee")), """user > a entry
                            a > b both
                            a > b caller_only
                            b > c callee_only
                            trace ok entry=a"""),
                       (silent("outbound|443||shop.example.com"), """user > a entry
                            a > c both
                            trace ok entry=a"""),
                       (silent(out("c")), """user > a entry
                            a > c both
                            trace ok entry=a""")):
        wrong = differences("silent", stitch(c, "zipkin_json", [body]), text)
        assert not wrong, wrong


def scene_of_a_callee_known_by_its_calls_no_hop_is_told(c):
    spans, _ = a_service_that_only_reports_as_a_client()
    c.start()
    assert c.post_otlp(otlp(spans), json_body=True)[0] == 200
    c.flush()
    assert c.sql("SELECT hop, time_ns_sum FROM hop_minute WHERE callee_service = 'middle'") == [("network", 0)], c.sql("SELECT * FROM hop_minute")


def scene_any_order_any_split_any_repetition(c):
    draw = random.Random(20261123)
    for function in CASES:
        spans, _ = function()
        first = stitch(c, "otlp_json", [otlp(spans)])
        key = lambda s: (s["span_id"], s["kind"], s["start_ns"], s["node"])  # noqa: E731
        for trace in first:
            trace["spans"].sort(key=key)
        for _ in range(4):
            again = spans + draw.sample(spans, len(spans) // 2)
            draw.shuffle(again)
            bodies = []
            while again:
                n = draw.randint(1, len(again))
                bodies.append(otlp(again[:n]))
                again = again[n:]
            other = stitch(c, "otlp_json", bodies)
            for trace in other:
                trace["spans"].sort(key=key)
            assert other == first, function.__name__


def summary(trace):
    calls = {}
    for call in trace["calls"]:
        key = call["caller"][2], call["callee"][2], call["known_by"], call["fault"]
        calls[key] = calls.get(key, 0) + 1
    return calls, trace["parts"], trace["complete"]


def scene_extreme_traces_give_a_right_or_a_marked_graph(c):
    """A chain 10,000 deep, 100,000 spans, who is its own parent, a cycle of parents; however they come."""
    draw = random.Random(5)

    def graph(spans):
        shuffled = spans[:]
        draw.shuffle(shuffled)
        one, = stitch(c, "otlp_json", [otlp(shuffled[i:i + 40000]) for i in range(0, len(shuffled), 40000)])
        return summary(one)

    t = Trace(901)  # s0 -> s1 -> s2 -> s0 …; the deepest fails and all above with it
    above, bad = None, {"http__response__status_code": 500}
    for n in range(5000):
        above = t.server("s%d" % (n % 3), n / 100, 1000 - n / 50, above, attrs=bad)
        if n < 4999:
            above = t.client("s%d" % (n % 3), n / 100, 1000 - n / 50, above, attrs=bad)
    calls, parts, complete = graph(t.spans)
    assert calls == {("user", "s0", "entry", "carried"): 1, ("s0", "s1", "both", "origin"): 1, ("s0", "s1", "both", "carried"): 1666,
                     ("s1", "s2", "both", "carried"): 1666, ("s2", "s0", "both", "carried"): 1666} and (parts, complete) == (1, True), (calls, parts)
    t = Trace(902)  # one that calls 49,999 times
    root = t.server("wide", 0, 60_000)
    for n in range(49_999):
        t.server("leaf", n + 0.1, 0.5, t.client("wide", n, 0.8, root))
    calls, parts, complete = graph(t.spans)
    assert calls == {("user", "wide", "entry", ""): 1, ("wide", "leaf", "both", ""): 49_999} and (parts, complete) == (1, True), (calls, parts)
    t = Trace(903)
    a = t.server("self", 0, 10)
    a["parent"] = a["id"]
    b = t.client("self", 1, 5, a)
    t.server("below", 2, 3, b)
    calls, parts, complete = graph(t.spans)
    assert calls == {("user", "self", "entry", ""): 1, ("self", "below", "both", ""): 1}, (calls, parts, complete)
    t = Trace(904)
    ring = [t.server("r%d" % n, n, 10) for n in range(4)]
    for n in range(4):
        ring[n]["parent"] = ring[n - 1]["id"]
    calls, parts, complete = graph(t.spans)
    assert len(calls) <= 4 and parts == 1 and not complete, (calls, parts, complete)


# What the tables hold of all cases, but for the order in which traces were cut, and how often.
TABLES = ["SELECT * FROM edge_minute", "SELECT * FROM hop_minute", "SELECT * FROM hairpin", "SELECT * FROM edge_violation", "SELECT * FROM operation_minute",
          "SELECT trace_id, start_ns, duration_ns, entry_cluster, entry_namespace, entry_service, entry_operation, span_count, service_count, error_count, "
          "status, origin_service, origin_operation, origin_reason, complete, parts FROM trace",
          "SELECT trace_id, span_id, kind, start_ns, duration_ns, self_ns, cluster, namespace, service, version, role, operation, status, fault, peer FROM span",
          "SELECT sum(received) - sum(duplicate), sum(paired), sum(caller_only), sum(callee_only), sum(entry), sum(orphan), sum(local) FROM ingest_minute"]


def tables(c):
    c.check_ledger()
    return {query: sorted(c.sql(query)) for query in TABLES}


def scene_late_and_across_restarts(c):
    """All cases through the whole program: at once; and span by span, each after the last was committed, some again, with a stop and a kill between."""
    draw = random.Random(8)
    cases = [function()[0] for function in CASES]
    c.start()
    for spans in cases:
        assert c.post_otlp(otlp(spans), json_body=True)[0] == 200
    c.flush()
    at_once = tables(c)
    c.stop()
    c.sets["store.path"] = c.db = os.path.join(c.folder, "late.db")
    c.start()
    for spans in cases:
        draw.shuffle(spans)
    for n in range(max(len(spans) for spans in cases)):
        now = [spans[n] for spans in cases if n < len(spans)]
        again = [draw.choice(spans[:n]) for spans in cases if 0 < n <= len(spans) and draw.random() < 0.2]
        assert c.post_otlp(otlp(now + again), json_body=True)[0] == 200
        if n == 2:
            c.stop()
            c.start()
        elif n == 4:  # answered, and not committed
            c.kill()
            c.start()
        c.flush()
    late = tables(c)
    for query in TABLES:
        assert late[query] == at_once[query], (query, sorted(set(late[query]) ^ set(at_once[query]), key=str)[:6])


def scene_a_trace_that_is_sent_again_is_not_forgotten_before_its_commit(c):
    """Cut, sent again, and then a span more, all before the writer commits: what is not in the file yet must still be known."""
    c.start(stitch__trace_idle="100ms", store__commit_interval="60s")
    live = lambda: c.api("status")["live"]["traces"]  # noqa: E731
    first, again = "%032x" % 0xa1, 8
    bodies = [otlp_body([otlp_span(first, "%016x" % (n + 1), "%016x" % n if n else "", service="s%d" % n)]) for n in range(again)]
    for n, body in enumerate(bodies):
        assert c.post_otlp(body, True)[0] == 200
        wait_for(lambda: c.counter("faultline_stitch_cut_total") == n + 1 and live() == 0)
        assert c.post_otlp(body, True)[0] == 200
        time.sleep(0.3)  # it is cut once more, without anything new, which no counter tells
        assert live() == 0
    c.flush()
    assert c.sql("SELECT span_count, reopened FROM trace") == [(again, again - 1)] and c.sql("SELECT count(*) FROM span") == [(again,)]
    c.check_ledger()


def scene_what_comes_after_the_reopen_window_is_a_trace_of_its_own(c):
    c.start(stitch__reopen_window="1h")
    t = Trace(905)
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    b = t.server("b", 5, 80, ab)
    bc = t.client("b", 6, 70, b)
    give = lambda *spans: (c.post_otlp(otlp(list(spans)), json_body=True), c.flush())  # noqa: E731
    rows = lambda: c.sql("SELECT span_count, parts, complete FROM trace ORDER BY span_count")  # noqa: E731
    give(a, ab)
    give(b)
    assert rows() == [(3, 1, 1)] and c.counter("faultline_stitch_too_late_total") == 0, rows()
    c.stop()
    db = sqlite3.connect(c.db)  # as if it had been stored two hours ago
    db.execute("UPDATE trace_row SET stored_s = stored_s - 7200")
    db.commit()
    db.close()
    c.start()
    give(bc)
    assert rows() == [(1, 2, 0), (3, 1, 1)] and c.counter("faultline_stitch_too_late_total") == 1, rows()
    give(t.server("c", 7, 60, bc))  # opens the newer part again
    assert rows() == [(2, 2, 0), (3, 1, 1)] and c.counter("faultline_stitch_too_late_total") == 1, rows()
    assert c.sql("SELECT caller_service, callee_service, sum(calls) FROM edge_minute GROUP BY 1, 2") == [("a", "b", 1), ("b", "c", 1), ("user", "a", 1)]
    assert c.counter("faultline_stitch_reopened_total") == 1 and c.counter("faultline_stitch_lateness_seconds_count") >= 1
    # Whoever asks for the trace is shown both.
    whole = c.api("traces/" + t.id)
    assert [s["service"] for s in whole["spans"]] == ["a", "a", "b", "b", "c"] and whole["trace"]["services"] == ["a", "b", "c"], whole
    assert [whole["trace"][k] for k in ("span_count", "service_count", "parts", "complete")] == [5, 3, 2, 0], whole["trace"]
    ids = {s["span_id"]: s["service"] for s in whole["spans"]}
    assert [(ids.get(x["caller_span"]), ids.get(x["callee_span"])) for x in whole["calls"]] == [(None, "a"), ("a", "b"), ("b", "c")], whole["calls"]
    view = c.api("traces/%s/layout" % t.id)
    assert view["trace"]["span_count"] == view["all_rows"] == 5, view
    for span in whole["spans"]:
        one = c.api("traces/%s/spans/%s" % (t.id, span["span_id"]))["items"]
        assert [x["service"] for x in one] == [span["service"]], one
    otlp_spans = json.loads(subprocess.check_output([c.program, "trace", t.id, "--db", c.db, "--format", "otlp"]))["resourceSpans"]
    assert sum(len(x["spans"]) for r in otlp_spans for x in r["scopeSpans"]) == 5, otlp_spans
    c.check_ledger()


def scene_an_id_that_was_cut_short_joins_the_whole_one(c):
    """A hop that knows ids of 64 bits only hands on the lower half: one trace, in any order, late, and behind a restart; two whole ids stay two."""
    from lib import otlp_body, otlp_span
    short, n = "%032x", [0]

    def spans():
        n[0] += 1
        whole = "%016x%016x" % (0xabc << 40 | n[0], n[0])
        return whole, [otlp_span(whole, "%016x" % 1, service="a", ms=100), otlp_span(whole, "%016x" % 2, "%016x" % 1, service="a", kind=3, start=1_700_000_000_010, ms=60),
                       otlp_span(short % n[0], "%016x" % 3, "%016x" % 2, service="b", start=1_700_000_000_015, ms=40)]

    def give(*some):
        assert c.post_otlp(otlp_body(some), json_body=True)[0] == 200

    def is_one(whole):
        rows = c.sql("SELECT trace_id, span_count, parts, complete FROM trace WHERE substr(trace_id, 17) = '%s'" % whole[16:])
        assert [tuple(r) for r in rows] == [(whole, 3, 1, 1)], rows
        assert len(c.api("traces/" + whole)["spans"]) == 3
        assert len(c.api("traces/" + whole[16:])["spans"]) == 3  # all that b knows of it
        assert c.request(c.zipkin, "GET", "/api/v2/trace/" + whole[16:])[0] == 200

    c.start()
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        whole, three = spans()
        for i in order:
            give(three[i])
        c.flush()
        is_one(whole)
    whole, three = spans()
    give(*three[:2])
    c.flush()
    give(three[2])  # the trace is stored
    c.flush()
    is_one(whole)
    whole, three = spans()
    give(*three[:2])
    c.flush()
    c.kill()
    c.start()
    give(three[2])
    c.flush()
    is_one(whole)
    for restart in (False, True):
        whole, three = spans()
        give(three[2])  # the trace is stored under the lower half
        c.flush()
        if restart:
            c.kill()
            c.start()
        other = "%016x%s" % (78 + restart, whole[16:])
        give(*three[:2], otlp_span(other, "%016x" % 9, service="z"))  # the other is one of its own
        c.flush()
        assert {tuple(r) for r in c.sql("SELECT trace_id, span_count FROM trace WHERE substr(trace_id, 17) = '%s'" % whole[16:])} == {(whole, 3), (other, 1)}
        assert len(c.api("traces/" + whole)["spans"]) == 3
    whole, three = spans()
    other = "%016x%s" % (77, whole[16:])
    give(*three[:2], otlp_span(other, "%016x" % 9, service="z"))
    c.flush()
    assert {tuple(r) for r in c.sql("SELECT trace_id, span_count FROM trace WHERE substr(trace_id, 17) = '%s'" % whole[16:])} == {(whole, 2), (other, 1)}
    assert c.sql("SELECT known_by, sum(calls) FROM edge_minute WHERE caller_service = 'a' AND callee_service = 'b' GROUP BY 1") == [("both", 7)]
    c.check_ledger()


def scene_a_call_whose_client_span_has_no_times_is_in_the_callee_s_minute(c):
    c.start()
    t = Trace(906)
    a = t.server("a", 0, 100)
    k = t.client("a", 0, 0, a, no_start=True, no_duration=True)
    t.server("b", 5, 80, k)
    assert c.post_otlp(otlp(t.spans), json_body=True)[0] == 200
    c.flush()
    assert c.sql("SELECT callee_service, minute FROM edge_minute ORDER BY 1") == [("a", "2023-11-14T22:13:00.000000000Z"), ("b", "2023-11-14T22:13:00.000000000Z")]
