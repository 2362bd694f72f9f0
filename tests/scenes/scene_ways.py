"""The ways of calls in SQL: hops, hairpins, clear text, events, clocks, gaps; corrected by what comes late, kept across a restart, deleted with their minutes."""
import json
import os
import sqlite3
import subprocess

from lib import HERE, wait_for
from stitching import BASE_US, INBOUND, Trace, otlp, out

SCHEMA = os.path.join(HERE, "..", "..", "schema", "sql")
VIEWS = {
    "hop_minute": "minute_ns minute CALLER CALLEE hop hop_name calls errors client_errors time_ns_sum p50_ns p95_ns p99_ns",
    "edge_event": "at_ns at kind CALLER CALLEE detail",
    "edge_violation": "minute_ns minute CALLER CALLEE connection_type protocol via crossing calls plaintext",
    "hairpin": "minute_ns minute CALLER gateway CALLEE calls added_ns_sum bytes",
    "clock_offset": "host_a host_b offset_ns error_ns samples updated_ns updated",
    "propagation_gap": "minute_ns minute cluster namespace service version role operation calls broken detail",
}
NODE = ["cluster", "namespace", "service", "version", "role"]
ALL = {view: "SELECT * FROM %s ORDER BY 1, 2, 3, 4, 5, 6, 7, 8" % view for view in VIEWS}


def columns(text):
    words = []
    for word in text.split():
        words += [word.lower() + "_" + n for n in NODE] if word.isupper() else [word]
    return words


def send(c, spans):
    assert c.post_otlp(otlp(spans), True)[0] == 200
    c.flush()


def between_sidecars(number, at=0, peer=None, version="", cluster="c1", callee="b"):
    """a -> the callee, each with its application and its sidecar: 100 ms at the caller, 60 at the callee; from outermost to innermost."""
    t = Trace(number)
    a = t.server("default/a", at, 120, resource={"k8s.cluster.name": cluster})
    ac = t.client("default/a", at + 1, 100, a, resource={"k8s.cluster.name": cluster})
    o = t.proxy("a", "client", at + 3, 94, ac, upstream=out(callee), cluster=cluster, host=callee)
    i = t.proxy(callee + "@" + version if version else callee, "server", at + 10, 80, o, upstream=INBOUND, cluster=cluster, host=callee)
    t.server("default/" + callee + ("@" + version if version else ""), at + 15, 60, i, resource={"k8s.cluster.name": cluster})
    return t


def u_turn(number, at=0):
    t = Trace(number)
    a = t.proxy("a", "server", at, 100, None, upstream=INBOUND, cluster="c1")
    o = t.proxy("a", "client", at + 1, 90, a, upstream="outbound|443||shop.example.com", cluster="c1")
    size = {"request_size": "100", "response_size": "23"}
    g = t.proxy("edge", "server", at + 4, 80, o, role="gateway", upstream=out("b"), cluster="c1", namespace="istio-system", attrs=size)
    g = t.proxy("edge", "client", at + 5, 76, g, role="gateway", upstream=out("b"), cluster="c1", namespace="istio-system", path="")
    t.proxy("b", "server", at + 8, 70, g, upstream=INBOUND, cluster="c1")
    return t


def clear(number, at=0, caller="shop", callee="stock", **more):
    t = Trace(number)
    s = t.server(caller, at, 50)
    k = t.client(caller, at + 1, 40, s, attrs={"url__full": "http://%s/x" % callee})
    t.server(callee, at + 2, 30, k, attrs={"url__scheme": "http"}, **more)
    return t


def scene_views_have_the_columns_of_the_contract_and_help(c):
    c.start()
    for view, text in VIEWS.items():
        seen = [row[1] for row in c.sql("PRAGMA table_info(%s)" % view)]
        assert seen == columns(text), (view, seen)
        helped = {row[0] for row in c.sql("SELECT column_name FROM help WHERE view_name = ?", view)}
        assert helped == set(seen) | {""}, (view, helped ^ (set(seen) | {""}))


def hops(c, callee="b"):
    return {(hop, name): row for hop, name, *row in
            c.sql("SELECT hop, hop_name, sum(calls), sum(time_ns_sum) / 1000000 FROM hop_minute WHERE callee_service = ? AND caller_service = 'a' "
                  "GROUP BY 1, 2", callee)}


def scene_hops_add_up_whatever_comes_late(c):
    c.start()
    for n in range(3):
        send(c, between_sidecars(n).spans)
    whole = hops(c)
    assert whole == {("sidecar_out", "a"): [3, 18], ("network", "b"): [3, 42], ("sidecar_in", "b"): [3, 60], ("application", "b"): [3, 180]}, whole
    # piece by piece, each after the last was committed: the same rows; and a restart between changes nothing
    c.sets["store.path"] = c.db = os.path.join(c.folder, "pieces.db")
    c.stop()
    c.start()
    for n in range(3):
        spans = between_sidecars(n).spans
        for k in (4, 1, 3, 0, 2):
            send(c, [spans[k]])
        if n == 1:
            c.stop()
            c.start()
    assert hops(c) == whole, (hops(c), whole)
    c.check_ledger()


def scene_a_delay_that_a_sidecar_says_it_made_is_its_own(c):
    c.start()
    spans = between_sidecars(1).spans
    spans[2]["attrs"]["response_flags"] = "DI"
    send(c, spans)
    rows = hops(c)
    assert rows == {("sidecar_out", "a"): [1, 6 + 14], ("network", "b"): [1, 0], ("sidecar_in", "b"): [1, 20], ("application", "b"): [1, 60]}, rows


def scene_a_sidecar_that_delays_is_to_blame_for_it(c):
    c.start()
    minute = 60_000
    begin = -(BASE_US // 1000) % minute
    for n in range(200):
        at = begin + (minute if n >= 100 else 0) + 100 * (n % 100)
        spans = between_sidecars(n, at=at).spans
        if n >= 100 and n % 3:  # the callee's half is as ever, and begins when the delay is over
            for i, span in enumerate(spans):
                span["start_us"] += 150_000 * (i > 2)
                span["us"] += 150_000 * (i <= 2)
            spans[2]["attrs"]["response_flags"] = "DI"
        spans += between_sidecars(1000 + n, at=at, callee="c").spans  # its other calls are as ever
        assert c.post_otlp(otlp(spans), True)[0] == 200
    c.flush()
    from_s = (BASE_US // 1000 + begin) // 1000
    found = c.api("diagnose?baseline=%d..%d&from=%d&to=%d" % (from_s, from_s + 60, from_s + 60, from_s + 120))
    first = found["suspects"][0]
    assert found["verdict"] == "incident" and first["node"]["service"] == "a", found["suspects"]
    assert "most of it in the proxy of a" in first["evidence"][0]["text"], first["evidence"]


def scene_a_call_through_the_gateway_and_back_is_a_hairpin(c):
    c.start()
    for n in range(4):
        send(c, u_turn(n).spans)
    rows = c.sql("SELECT caller_service, gateway, callee_service, calls, added_ns_sum, bytes FROM hairpin")
    assert rows == [("a", "edge", "b", 4, 4 * 14_000_000, 4 * 123)], rows
    assert c.sql("SELECT kind, detail FROM edge_event WHERE caller_service = 'a' ORDER BY at_ns, kind") == [("first_plaintext", ""), ("hairpin", "edge"), ("new", "")]
    assert c.counter("faultline_hairpin_requests_total", client="a", server="b", gateway="edge") == 4
    assert c.sql("SELECT sum(calls) FROM hop_minute WHERE hop = 'gateway' AND hop_name = 'edge'") == [(4,)]


def scene_clear_text_is_a_violation_unless_it_is_allowed(c):
    c.config = os.path.join(c.folder, "faultline.yml")
    open(c.config, "w").write("security.allow_plaintext: ['shop -> st*', 'x[ -> *']\n")
    c.start()
    send(c, clear(1).spans)
    send(c, clear(2, callee="pay").spans)
    found = "SELECT caller_service, callee_service, calls, plaintext FROM edge_violation"
    assert c.sql(found) == [("shop", "pay", 1, 1)], c.sql(found)
    assert c.sql("SELECT callee_service FROM edge_event WHERE kind = 'first_plaintext' ORDER BY 1") == [("pay",), ("stock",)]
    assert c.counter("faultline_edge_security_total", client="shop", server="pay", security="plaintext") == 1
    open(c.config, "w").write("security.allow_plaintext: []\n")
    assert c.request(c.web, "POST", "/-/reload")[0] == 200
    wait_for(lambda: len(c.sql(found)) == 2, what="both violations")
    open(c.config, "w").write("security.allow_plaintext: ['shop']\n")
    status, text, _ = c.request(c.web, "POST", "/-/reload")
    assert status == 400 and b"caller -> callee" in text, text
    open(c.config, "w").write("security.allow_plaintext: ['other/shop -> *']\n")
    c.stop()
    c.start()
    wait_for(lambda: len(c.sql(found)) == 2, what="a namespace that is another")


def scene_a_call_that_reached_nobody_is_no_clear_text(c):
    """Its proxy has no TLS version to tell, as there was no connection; with one and without a version it is clear text."""
    c.start()
    for number, flags, code, kind, upstream in ((1, "UO", 503, "client", out("b")), (2, "UH", 503, "client", out("b")), (3, "-", 200, "client", out("b")),
                                                (4, "NC", 503, "server", None)):
        t = Trace(number)
        a = t.proxy("a", "server", 0, 50, None, upstream=INBOUND)
        t.proxy("a", kind, 1, 40, a, upstream=upstream, host="b", code=code, flags=flags, attrs={"tls__protocol__version": " "})
        send(c, t.spans)
    assert c.sql("SELECT sum(plaintext), sum(security_unknown) FROM edge_minute WHERE callee_service = 'b'") == [(1, 3)]


def scene_events_are_told_once_also_across_a_restart(c):
    c.start()
    for n in range(6):
        spans = between_sidecars(n, 60_000 * n, version="v1").spans
        send(c, spans[:-1])
        send(c, spans[-1:])  # its trace is opened again: the same call, not one more
    assert c.sql("SELECT min(reopened) FROM trace") == [(1,)]
    send(c, between_sidecars(6, 400_000, version="v2").spans)
    c.stop()
    c.start()
    send(c, between_sidecars(7, 420_000, version="v2").spans)
    # an hour of others' calls: a -> b is gone; then it is back
    for n in range(8, 12):
        send(c, clear(n, 1_000_000 * (n - 7)).spans)
    events = lambda: c.sql("SELECT kind, detail FROM edge_event WHERE caller_service = 'a' AND callee_service = 'b' ORDER BY at_ns")  # noqa: E731
    wait_for(lambda: any(kind == "gone" for kind, _ in events()), 20, "an edge that is gone")
    send(c, between_sidecars(12, 4_100_000, version="v2").spans)
    kinds = [kind for kind, _ in events()]
    assert kinds == ["new", "new_version", "gone", "returned"], events()
    assert events()[1][1] == "callee v2"
    assert events()[2][1].endswith("usually one every 60.000 s"), events()  # eight calls in seven minutes


def scene_a_silence_that_is_over_when_it_is_stored_is_told(c):
    """Calls that come together are judged in order of time, not of arrival: a -> b paused for half an hour, shop -> stock did not."""
    c.start()
    spans = []
    for minute in (41, 40, 4, 3, 2, 1, 0):
        spans += between_sidecars(minute, 60_000 * minute).spans
    for minute in (0, 1, 2, 3, 4, 40, 41, *range(5, 40)):
        spans += clear(100 + minute, 60_000 * minute).spans
    send(c, spans)
    events = c.sql("SELECT (at_ns - ?) / 60000000000, kind, detail FROM edge_event WHERE caller_service IN ('a', 'shop') AND kind IN ('gone', 'returned') "
                   "ORDER BY at_ns", BASE_US * 1000)
    assert events == [(14, "gone", "no call for 600 s, usually one every 60.000 s"), (40, "returned", "after 2160 s")], events


def scene_clock_offsets_lie_within_their_error(c):
    c.start()
    for n in range(20):
        t = Trace(n)
        a = t.server("a", 0, 100, resource={"host.name": "one"})
        k = t.client("a", 1, 60 + n, a, resource={"host.name": "one"})
        t.server("b", 5_010 + n, 40, k, resource={"host.name": "two"})
        send(c, t.spans)
    t.client("a", 2, 3, a)
    send(c, t.spans[-1:])  # opens the last one again: its calls were looked at
    assert c.counter("faultline_stitch_reopened_total") == 1
    c.stop()
    (a, b, offset, error, samples), = c.sql("SELECT host_a, host_b, offset_ns, error_ns, samples FROM clock_offset")
    assert (a, b, samples) == ("one", "two", 20)
    assert abs(offset - 5_000_000_000) <= error < 20_000_000, (offset, error)


def scene_a_proxy_that_begins_traces_is_a_gap(c):
    c.start()
    send(c, between_sidecars(1).spans)
    t = Trace(2)  # b got a call, yet its proxy's call to c is in a trace of its own
    o = t.proxy("b", "client", 20, 20, None, upstream=out("c"), cluster="c1", host="c")
    t.proxy("c", "server", 22, 10, o, upstream=INBOUND, cluster="c1", host="c")
    send(c, t.spans)
    rows = c.sql("SELECT service, operation, calls, broken, detail FROM propagation_gap")
    assert rows == [("b", "GET /", 1, 1, "its proxy began traces of its own")], rows
    other = Trace(3)  # this one began so, it seems; then its root comes
    root = other.server("default/b", 10, 40, resource={"k8s.cluster.name": "c1"})
    o = other.proxy("b", "client", 20, 20, root, upstream=out("c"), cluster="c1", host="c")
    send(c, [dict(o, parent="")])
    assert c.sql("SELECT sum(broken) FROM gap_minute_row") == [(2,)]
    send(c, other.spans)
    assert c.sql("SELECT sum(broken) FROM gap_minute_row") == [(1,)]
    # Now tells it as a standing finding when it is worth a mark, and no longer than the window has it
    standing = lambda begin: [f for f in c.api("now?from=%d&to=%d" % (begin, begin + 60))["standing"] if f["kind"] == "gap"]  # noqa: E731
    minute = BASE_US // 60_000_000 * 60
    assert standing(minute) == []
    for n in (4, 5):
        t = Trace(n)
        t.proxy("b", "client", 20, 20, None, upstream=out("c"), cluster="c1", host="c")
        send(c, t.spans)
    (gap,) = standing(minute)
    assert (gap["id"], gap["operation"], gap["calls"], gap["of"]) == ("c1/default/b", "GET /", 3, 2), gap
    assert standing(minute + 600) == []


def scene_ways_are_deleted_with_their_minutes(c):
    c.start()
    for t in (between_sidecars(1), u_turn(2), clear(3)):
        send(c, t.spans)
    t = Trace(4)
    o = t.proxy("b", "client", 20, 20, None, upstream=out("c"), cluster="c1", host="c")
    t.proxy("c", "server", 22, 10, o, upstream=INBOUND, cluster="c1", host="c")
    send(c, t.spans)
    tables = ["edge_minute_row", "operation_minute_row", "hop_minute_row", "gap_minute_row", "minute_age", "edge_event_row"]
    filled = {table: c.sql("SELECT count(*) FROM " + table)[0][0] for table in tables}
    assert all(filled.values()), filled
    c.stop()
    db = sqlite3.connect(c.db)  # as if all had been touched long ago
    for table, column in (("minute_age", "touched_s"), ("edge_event_row", "told_s")):
        db.execute("UPDATE %s SET %s = %s - 90 * 86400" % (table, column, column))
    db.commit()
    db.close()
    c.start()
    wait_for(lambda: not any(c.sql("SELECT count(*) FROM " + table)[0][0] for table in tables), 30, "empty tables of minutes")
    assert c.sql("PRAGMA integrity_check") == [("ok",)]


def scene_an_older_file_is_taken_over(c):
    """A file of schema 4 with an edge in it: its rows stay, the new views fill."""
    files = sorted(f for f in os.listdir(SCHEMA) if f.endswith(".sql"))
    assert files[4].startswith("0005")
    db = sqlite3.connect(c.db)
    db.executescript("PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL;")
    for name in files[:4]:
        db.executescript(open(os.path.join(SCHEMA, name)).read())
    db.executescript("PRAGMA application_id = %d; PRAGMA user_version = 4;" % 0x664c6e31)
    columns_of_edges = [row[1] for row in db.execute("PRAGMA table_info(edge_minute_row)")]
    db.executescript("INSERT INTO name (id, text) VALUES (901, 'old-a'), (902, 'old-b');"
                     "INSERT INTO node (id, cluster, namespace, service, version, role, first_seen_ns, last_seen_ns) VALUES (901, 0, 0, 901, 0, 0, 1, 2), (902, 0, 0, 902, 0, 0, 1, 2);")
    edge = [row[1] for row in db.execute("PRAGMA table_info(edge)")]
    values = {"id": 901, "caller": 901, "callee": 902}
    db.execute("INSERT INTO edge (%s) VALUES (%s)" % (", ".join(edge), ", ".join("?" * len(edge))), [values.get(k, 0) for k in edge])
    blank = {"minute": 28_333_333, "edge": 901, "calls": 7, "histogram": b"", "transit": b"", "transit_histogram": b""}
    db.execute("INSERT INTO edge_minute_row (%s) VALUES (%s)" % (", ".join(columns_of_edges), ", ".join("?" * len(columns_of_edges))),
               [blank.get(k, 0) for k in columns_of_edges])
    db.commit()
    db.close()
    # Who reads it before says what helps, unless the file has what is asked for.
    said = "the database has schema version 4, this program %d; let 'faultline serve' of this program open it once" % len(files)
    for args in (("diagnose", "--from", "15m"), ("graph", "--check"),
                 ("export", c.db + ".out"), ("backup", c.db + ".out"), ("sql", "SELECT count(*) FROM incident")):
        p = subprocess.run([c.program, *args, "--db", c.db], capture_output=True, text=True, timeout=20)
        assert p.returncode == 3 and said in p.stderr and p.stderr.count("\n") == 1 and not p.stdout, (args, p)
    for args, code in ((("sql", "SELECT calls FROM edge_minute"), 0), (("traces",), 0), (("sql", "SELEKT 1"), 2)):
        p = subprocess.run([c.program, *args, "--db", c.db], capture_output=True, text=True, timeout=20)
        assert p.returncode == code and said not in p.stderr, (args, p)
    c.start()
    assert c.sql("PRAGMA user_version") == [(len(files),)]
    assert c.sql("SELECT caller_service, callee_service, calls FROM edge_minute") == [("old-a", "old-b", 7)]
    for n in range(2):
        send(c, u_turn(n).spans)
    assert c.sql("SELECT sum(calls) FROM hairpin") == [(2,)] and c.sql("SELECT count(*) FROM hop_minute")[0][0] > 0
    assert c.sql("SELECT DISTINCT kind FROM edge_event ORDER BY 1") == [("first_plaintext",), ("hairpin",), ("new",)]
    c.check_ledger()


def node(service, namespace="", cluster="", role="workload"):
    return {"cluster": cluster, "namespace": namespace, "service": service, "version": "", "role": role}


def scene_a_proxy_without_a_tls_version_says_clear_text(c):
    c.start()
    for n, version, wanted in ((1, " ", "plaintext"), (2, "-", "plaintext"), (3, "", "plaintext"), (4, " TLSv1.3", "tls"), (5, "TLSv1.2", "tls")):
        t = Trace(n)
        a = t.proxy("a%d" % n, "server", 0, 100, None, upstream=INBOUND, cluster="c1", attrs={"tls__protocol__version": version})
        o = t.proxy("a%d" % n, "client", 1, 90, a, upstream=out("b"), cluster="c1", attrs={"tls__protocol__version": version})
        t.proxy("b", "server", 3, 80, o, upstream=INBOUND, cluster="c1", attrs={"tls__protocol__version": version})
        send(c, t.spans)
        assert c.sql("SELECT sum(plaintext), sum(tls) FROM edge_minute WHERE caller_service = 'a%d' AND callee_service = 'b'" % n) == [(1, 0) if wanted == "plaintext" else (0, 1)], (n, version)


def scene_api_of_ways_says_what_sql_says(c):
    c.start()
    for n in range(3):
        send(c, u_turn(n).spans)
    for n in range(3, 5):
        send(c, clear(n).spans)
    window = "from=1699999000&to=1700001000"
    total = c.sql("SELECT sum(calls) FROM edge_minute")[0][0]
    share = lambda n: float("%.6g" % (n / total))  # noqa: E731
    a, b, user = node("a", "default", "c1"), node("b", "default", "c1"), node("user", role="user")
    assert c.api("hairpins?" + window) == {"items": [
        {"caller": a, "callee": b, "gateway": "edge", "calls": 3, "share": share(3), "added_ns": 14_000_000, "bytes": 369}], "next": None}
    (turn,) = [f for f in c.api("now?" + window)["standing"] if f["kind"] == "hairpin"]  # Now and the graph tell the same mean
    edge = next(e for e in c.api("graph?" + window)["edges"] if e["hairpin"])
    assert (turn["caller"], turn["calls"], turn["added_ns"], edge["added_ns"]) == (edge["caller"], 3, 14_000_000, 14_000_000), (turn, edge)
    items = c.api("security?" + window)["items"]
    assert {(i["caller"]["service"], i["callee"]["service"]): (i["calls"], i["plaintext"], i["violation"]) for i in items} == {
        ("a", "b"): (3, 3, True), ("shop", "stock"): (2, 2, True), ("user", "a"): (3, 0, False), ("user", "shop"): (2, 0, False)}
    assert [i["violation"] for i in items] == [True, True, False, False] and sum(i["calls"] for i in items) == total
    for item in items:
        assert item["mtls"] + item["tls"] + item["plaintext"] + item["unknown"] == item["calls"] and item["share"] == share(item["calls"])
    crossings = c.api("crossings?" + window)["items"]
    seen = sorted((i["caller"]["service"], i["callee"]["service"], i["crossing"], i["via"], i["calls"]) for i in crossings)
    assert seen == sorted(c.sql("SELECT caller_service, callee_service, crossing, via, sum(calls) FROM edge_minute GROUP BY 1, 2, 3, 4")), seen
    assert [i["caller"] for i in crossings if i["callee"] == a] == [user]
    assert [i["added_ns"] for i in crossings if i["callee"]["service"] == "stock"] == [10_000_000]
    # pages, filters, windows
    first = c.api("security?limit=3&" + window)
    assert first["items"] + c.api("security?limit=3&cursor=%s&%s" % (first["next"], window))["items"] == items
    assert [i["callee"]["service"] for i in c.api("security?service=stock&" + window)["items"]] == ["stock"]
    assert c.api("security?service=a&namespace=other&" + window)["items"] == [] and c.api("crossings") == {"items": [], "next": None}
    for bad in ("limit=0", "cursor=x", "from=never", "from=2&to=1"):
        assert c.get("/api/v1/hairpins?" + bad)[0] == 400, bad


def scene_graph_check_ends_with_1_on_clear_text(c):
    c.config = os.path.join(c.folder, "faultline.yml")
    open(c.config, "w").write("security.allow_plaintext: ['shop -> stock']\n")
    c.start()
    send(c, clear(1).spans)
    window = ["--from", "2023-11-14T22:00:00Z", "--to", "2023-11-14T23:00:00Z"]

    def check(*more):
        p = subprocess.run([c.program, "graph", "--check", *window, *more], capture_output=True, text=True)
        return p.returncode, p.stdout

    url, db = ["--url", "http://" + c.web], ["--db", c.db]
    assert check(*url) == check(*db) == (0, "")
    send(c, clear(2, callee="pay").spans)
    assert check(*url) == check(*db) == (1, "%-34s \u2192  %-34s  1 of 1 calls in clear text\n" % ("shop", "pay")), (check(*url), check(*db))
    code, text = check("--format", "json", *db)
    assert code == 1 and text.startswith('{"items":[{"caller":'), (code, text)
    assert [item["violation"] for item in json.loads(text)["items"]] == [True, False, False], text  # all edges; such ones first
    assert check(*db, "--from", "15m", "--to", "now") == (0, "")


def scene_what_a_crossing_adds_is_of_the_calls_whose_way_is_known(c):
    """A callee that outlived its caller's half tells nothing of the way: 40 ms are the mean of one, not of two."""
    c.start()
    for number, ms in ((1, 60), (2, 500)):
        t = Trace(number)
        a = t.server("a", 0, 120)
        t.server("b", 20, ms, t.client("a", 1, 100, a))
        send(c, t.spans)
    items = [i for i in c.api("crossings?from=1699999000&to=1700001000")["items"] if i["callee"]["service"] == "b"]
    assert [(i["calls"], i["added_ns"]) for i in items] == [(2, 40_000_000)], items
    counted = "SELECT sum(histogram_count(histogram)), sum(calls) FROM edge_minute WHERE callee_service = 'b'"
    assert json.loads(subprocess.check_output([c.program, "sql", "--db", c.db, "--format", "json", counted])) == [
        {"sum(histogram_count(histogram))": 2, "sum(calls)": 2}]


def scene_what_was_flushed_is_in_all_lists(c):
    """When things were first and last seen is told to the last span, also what comes late, or is early."""
    c.start()
    at = 1_700_000_040  # a whole minute

    def give(number, second):
        t = Trace(number)
        t.server("a", (second - at) * 1000 - (BASE_US // 1000 - at * 1000), 5)
        send(c, t.spans)

    for n, second in enumerate((at, at - 7200, at + 3, at - 5, at + 5)):
        give(n, second)
    seen = c.sql("SELECT first_seen_ns / 1000000000, last_seen_ns / 1000000000 FROM operation WHERE service = 'a'")
    assert seen == [(at - 7200, at + 5)] == c.sql("SELECT first_seen_ns / 1000000000, last_seen_ns / 1000000000 FROM service WHERE service = 'a'"), seen
    for span, n in (((at - 7300, at - 7100), 1), ((at + 4, at + 60), 1), ((at + 6, at + 60), 0)):
        for what in ("operations", "services"):
            assert sum(i["node"]["service"] == "a" for i in c.api("%s?from=%d&to=%d" % (what, *span))["items"]) == n, (what, span)
    # What is compared with by default ends before the minutes that answer begin.
    diff = c.api("graph/diff?from=%d&to=%d" % (at + 10, at + 40))
    assert [x[11:19] for x in (diff["base"]["from"], diff["base"]["to"], diff["from"], diff["to"])] == ["22:13:00", "22:14:00", "22:14:00", "22:15:00"], diff
    assert c.stop() == 0


def scene_graph_diff_names_what_changed(c):
    def call(number, at, callee, ms=30, failed=False):
        t = Trace(number)
        s = t.server("shop", at, 4000)
        k = t.client("shop", at + 1, ms + 10, s)
        t.server(callee, at + 2, ms, k, status=2 if failed else 0, attrs={"http__response__status_code": 500 if failed else 200})
        return t.spans

    c.start()
    hour, spans = 3_600_000, []
    for n in range(40):
        spans += call(n, n * 100, "old") + call(100 + n, hour + n * 100, "young")
        spans += call(200 + n, n * 100, "slow") + call(300 + n, hour + n * 100, "slow", ms=300)
        spans += call(400 + n, n * 100, "red") + call(500 + n, hour + n * 100, "red", failed=n < 10)
        spans += call(600 + n, n * 100, "same") + call(700 + n, hour + n * 100, "same", ms=31)
    send(c, spans)
    windows = "from=1700003000&to=1700004200&base=1699999800..1700001000"
    diff = c.api("graph/diff?" + windows)
    last = lambda edge: edge["callee"].rsplit("/", 1)[-1]  # noqa: E731
    assert [last(e) for e in diff["new"]] == ["young"] and [last(e) for e in diff["gone"]] == ["old"], diff
    assert [(last(p["edge"]), p["was"]["calls"]) for p in diff["slower"]] == [("slow", 40)]
    assert [(last(p["edge"]), p["edge"]["errors"], p["was"]["errors"]) for p in diff["redder"]] == [("red", 10, 0)]
    edges = c.api("graph?from=1700003000&to=1700004200")["edges"]
    assert diff["new"] == [e for e in edges if last(e) == "young"]
    whole = ("1690000000..1695000000", "1695000000", "1700004200")  # two months each: sums, however long
    assert sorted(last(e) for e in c.api("graph/diff?base=%s&from=%s&to=%s" % whole)["new"] if last(e) in ("young", "old")) == ["old", "young"]
    url = ("graph", "--diff", whole[0], "--from", whole[1], "--to", whole[2], "--format", "json")
    said = [subprocess.check_output([c.program, *url, *where]) for where in (("--db", c.db), ("--url", "http://" + c.web))]
    assert said[0] == said[1], said
    for bad in ("base=1", "level=x"):
        assert c.get("/api/v1/graph/diff?" + bad)[0] == 400, bad
    args = ["graph", "--from", "1700003000", "--to", "1700004200", "--diff", "1699999800..1700001000"]
    shown = [subprocess.run([c.program, *args, *where], capture_output=True, text=True, check=True).stdout
             for where in (["--url", "http://" + c.web], ["--db", c.db])]
    assert shown[0] == shown[1]
    assert shown[0].splitlines()[:2] == ["2023-11-14T23:03:00.000000000Z .. 2023-11-14T23:24:00.000000000Z", "was     2023-11-14T22:10:00.000000000Z .. 2023-11-14T22:30:00.000000000Z"], shown[0]
    assert (diff["from"], diff["base"]["to"]) == ("2023-11-14T23:03:00.000000000Z", "2023-11-14T22:30:00.000000000Z")
    assert [line[:8].strip() for line in shown[0].splitlines()[3:]] == ["new", "gone", "slower", "was", "redder", "was"], shown[0]
    assert subprocess.run([c.program, "graph", "--db", c.db, "--diff", "x"], capture_output=True).returncode == 2


def scene_series_of_an_edge_say_what_the_table_says(c):
    """And what comes late corrects the table alone, and counts as a correction."""
    c.start()
    t = Trace(1)
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, cluster="c1")
    o = t.proxy("a", "client", 1, 60, a, upstream=out("b"), cluster="c1")
    t.proxy("b", "server", 3, 10, o, upstream=INBOUND, cluster="c1", code=503)
    t.proxy("b", "server", 20, 36, o, upstream=INBOUND, cluster="c1")
    k = t.proxy("a", "client", 70, 20, a, upstream=out("c"), cluster="c1", code=404, path="/c")
    t.proxy("c", "server", 72, 15, k, upstream=INBOUND, cluster="c1", code=404, path="/c")
    d = t.proxy("a", "client", 92, 5, a, upstream=out("d"), cluster="c1", path="/d")
    send(c, t.spans)
    series = lambda name, server: c.counter("faultline_edge_" + name, client="a", server=server)  # noqa: E731
    row = lambda server: c.sql("SELECT sum(calls), sum(client_errors), sum(retries), sum(recovered), sum(transit_ns_sum) FROM edge_minute "  # noqa: E731
                               "WHERE caller_service = 'a' AND callee_service = ?", server)[0]
    assert row("b") == (1, 0, 1, 1, 0) and row("c") == (1, 1, 0, 0, 5_000_000) and row("d") == (1, 0, 0, 0, 0), (row("b"), row("c"), row("d"))
    for server in "bcd":
        assert [series(n, server) for n in ("client_errors_total", "retries_total", "recovered_total")] == list(row(server)[1:4]), server
    assert series("transit_seconds_count", "c") == 1 and abs(series("transit_seconds_sum", "c") - 0.005) < 1e-9
    assert c.counter("faultline_edge_errors_total", client="a") == 0
    t.spans = []
    t.proxy("d", "server", 93, 3, d, upstream=INBOUND, cluster="c1", path="/d", code=503, id="00000000000000dd")
    send(c, t.spans)
    assert c.sql("SELECT sum(calls), sum(errors), sum(transit_ns_sum) FROM edge_minute WHERE callee_service = 'd'") == [(1, 1, 2_000_000)]
    assert series("errors_total", "d") == 0 and c.counter("traces_service_graph_request_total", client="a", server="d") == 1
    assert c.counter("faultline_stitch_corrections_total") >= 1


def scene_a_trace_opens_where_its_failure_began(c):
    """Behind folded proxies that is the application's span, which their mark is lent to; not a caller's."""
    c.start()
    t = Trace(1)
    g = t.proxy("edge", "server", 0, 100, None, role="gateway", upstream=out("b"), cluster="c1", namespace="istio-system", code=500)
    g = t.proxy("edge", "client", 1, 98, g, role="gateway", upstream=out("b"), cluster="c1", namespace="istio-system", code=500)
    i = t.proxy("b", "server", 3, 90, g, upstream=INBOUND, cluster="c1", code=500)
    t.server("default/b", 5, 80, i, status=2, attrs={"http__response__status_code": 500}, resource={"k8s.cluster.name": "c1"})
    send(c, t.spans)
    layout = c.api("traces/%s/layout" % t.id)
    row, spans = layout["began"]["row"], layout["spans"]
    assert (row, spans["lent"][row], spans["folded"][row]) == (3, 1, 0), (layout["began"], spans["lent"], spans["folded"])
