"""What is learnt across traces: who is at which address, and which proxy is a gateway (STITCHING: knowledge, §1, §2.3, §2.7, §3, §8.27)."""

import os
import sqlite3
import subprocess

from stitching import INBOUND, Trace, otlp, out


def calls(c):
    rows = {}
    for caller, callee, known_by, n in c.sql("SELECT caller_cluster || '/' || caller_namespace || '/' || caller_service, callee_cluster || '/' || "
                                             "callee_namespace || '/' || callee_service || ' ' || callee_role, known_by, sum(calls) FROM edge_minute "
                                             "GROUP BY 1, 2, 3"):
        rows[caller, callee, known_by] = n
    return rows


def give(c, *traces):
    for t in traces:
        assert c.post_otlp(otlp(t.spans), json_body=True)[0] == 200
    c.flush()


def asks(number, address="10.2.3.4"):
    t = Trace(number)
    a = t.server("a", 0, 100)
    t.client("a", 1, 5, a, attrs={"server__address": address})
    return t


def speaks(number, service="b", address="10.2.3.4", namespace="shop"):
    t = Trace(number)
    t.server("%s/%s" % (namespace, service), 0, 10, resource={"k8s.pod.ip": address})
    return t


def scene_an_address_learnt_after_the_cut_names_the_next_callee(c):
    """And what was counted stays as it was until its trace is opened again."""
    c.start()
    first = asks(1)
    give(c, first)
    by_address = ("//a", "//10.2.3.4 workload", "caller_only")
    by_name = ("//a", "/shop/b workload", "caller_only")
    assert calls(c)[by_address] == 1 and by_name not in calls(c), calls(c)
    give(c, speaks(2))
    assert c.sql("SELECT address, namespace, service FROM address") == [("10.2.3.4", "shop", "b")]
    give(c, asks(3), asks(4))
    assert calls(c)[by_name] == 2 and calls(c)[by_address] == 1, calls(c)
    late = Trace(1)
    late.spans = [dict(first.spans[0], id="00000000000000ee", parent=first.spans[0]["id"], kind="internal", start_us=first.spans[0]["start_us"] + 10)]
    give(c, late)
    assert calls(c)[by_name] == 3 and by_address not in calls(c), calls(c)
    c.stop()
    c.start()  # what was learnt is kept
    give(c, asks(5))
    assert calls(c)[by_name] == 4, calls(c)


def scene_a_replay_knows_every_address_its_files_tell(c):
    """Whichever trace tells it, before or behind those that call there."""
    for name, traces in (("behind", [asks(1), asks(2), speaks(3)]), ("before", [speaks(3), asks(1), asks(2)])):
        path, db = os.path.join(c.folder, name + ".json"), os.path.join(c.folder, name + ".db")
        with open(path, "wb") as f:
            f.write(b"\n".join(otlp(t.spans) for t in traces))
        said = subprocess.run([c.program, "replay", "--db", db, path], capture_output=True, text=True, check=True)
        assert '"accepted":5' in said.stdout, said
        rows = sqlite3.connect(db).execute("SELECT callee_service, sum(calls) FROM edge_minute WHERE caller_service = 'a' GROUP BY 1").fetchall()
        assert rows == [("b", 2)], (name, rows)


def scene_an_entry_from_a_known_address_has_its_workload_as_caller(c):
    c.start()
    give(c, speaks(1, "front", "10.2.0.1"))
    t = Trace(2)
    t.server("b", 0, 10, attrs={"network__peer__address": "10.2.0.1"})
    u = Trace(3)
    u.server("b", 0, 10, attrs={"network__peer__address": "10.2.0.9"})
    own = Trace(4)  # its sidecar hands on what came, from the address they share
    own.server("shop/front", 0, 10, attrs={"network__peer__address": "10.2.0.1"}, resource={"k8s.pod.ip": "10.2.0.1"})
    give(c, t, u, own)
    seen = calls(c)
    assert seen == {("/shop/front", "//b workload", "entry"): 1, ("//user", "//b workload", "entry"): 1, ("//user", "/shop/front workload", "entry"): 2}, seen


def scene_an_address_of_two_is_nobody_s(c):
    """A node's own address, shared by what runs on it; a gateway's and a host's own tell nothing."""
    c.start()
    local = Trace(9)
    local.server("shop/near", 0, 10, resource={"k8s.pod.ip": "127.0.0.1"})
    gateway = Trace(10)
    gateway.proxy("edge", "server", 0, 10, None, role="gateway", attrs={"node_id": "router~10.2.9.9~edge-1.web~web.svc.cluster.local"})
    give(c, speaks(1, "b"), speaks(2, "c"), speaks(3, "d", "10.2.3.5"), local, gateway)
    assert len(c.sql("SELECT * FROM address")) == 3
    give(c, asks(4), asks(5, "10.2.3.5"), asks(6, "10.2.9.9"))
    seen = {callee: n for (caller, callee, _), n in calls(c).items() if caller == "//a"}
    assert seen == {"//10.2.3.4 workload": 1, "/shop/d workload": 1, "//10.2.9.9 workload": 1}, seen


def untold(trace):
    """Without the node ids that say what each proxy is."""
    for span in trace.spans:
        span["attrs"].pop("node_id", None)
    return trace


def through_the_edge(number):
    """user > edge > a, then a > edge > b: from outside, and a U-turn; nothing says what the proxies are."""
    t = Trace(number)
    g = t.proxy("edge", "server", 0, 120, None, role="gateway", upstream=out("a"), cluster="c1")
    g = t.proxy("edge", "client", 1, 118, g, role="gateway", upstream=out("a"), cluster="c1", path="")
    a = t.proxy("a", "server", 2, 100, g, upstream=INBOUND, cluster="c1")
    o = t.proxy("a", "client", 3, 90, a, upstream="outbound|443||shop.example.com", cluster="c1")
    g = t.proxy("edge", "server", 4, 80, o, role="gateway", upstream=out("b"), cluster="c1")
    t.proxy("b", "server", 6, 70, g, upstream=INBOUND, cluster="c1")
    return untold(t)


def roads(c):
    return {row[:3]: row[3] for row in c.sql("SELECT caller_service || '#' || caller_role, callee_service || '#' || callee_role, via, sum(calls) "
                                             "FROM edge_minute GROUP BY 1, 2, 3")}


def scene_a_proxy_that_serves_others_is_a_gateway(c):
    """From the trace after the one that told it, also after a restart; its own application beneath, or a setting, says otherwise."""
    c.config = os.path.join(c.folder, "faultline.yml")
    open(c.config, "w").close()
    c.start()
    give(c, through_the_edge(1))
    assert "edge#workload" in {callee for _, callee, _ in roads(c)}, roads(c)
    before = roads(c)
    assert c.sql("SELECT service, namespace, cluster, itself_minute > 0, others_minute > 0 FROM proxy ORDER BY 1") == [
        ("a", "default", "c1", 1, 0), ("b", "default", "c1", 1, 0), ("edge", "default", "c1", 0, 1)]
    by_gateway = {("user#user", "edge#gateway", ""): 1, ("edge#gateway", "a#workload", ""): 1, ("a#workload", "b#workload", "edge"): 1}

    def came(number):
        was = roads(c)
        give(c, through_the_edge(number))
        return {edge: n - was.get(edge, 0) for edge, n in roads(c).items() if n != was.get(edge, 0)}

    assert came(2) == by_gateway, (before, roads(c))
    assert c.sql("SELECT sum(calls) FROM hairpin") == [(1,)]
    c.stop()
    c.start()
    assert came(3) == by_gateway, roads(c)
    open(c.config, "w").write("stitch.sidecars: ['edge']\n")
    assert c.request(c.web, "POST", "/-/reload")[0] == 200
    assert came(4) == before, (before, roads(c))
    open(c.config, "w").close()
    assert c.request(c.web, "POST", "/-/reload")[0] == 200
    t = Trace(5)  # behind this one stands its own application
    g = t.proxy("edge", "server", 0, 120, None, upstream=None)
    t.server("default/edge", 1, 118, g)
    give(c, untold(t))
    c.stop()
    c.start()
    assert came(6) == before, roads(c)


def through(number, ratings="ratings", unreached=0, answered=1, cluster="rt-svc"):
    """a calls a cluster: in vain so often, then answered by who calls himself otherwise."""
    t = Trace(number)
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND)
    at = 2
    for n in range(unreached + answered):
        in_vain = n < unreached
        o = t.proxy("a", "client", at, 5 if in_vain else 20, a, upstream=out(cluster), host=cluster, path="/lost" if in_vain else "/found",
                    code=503 if in_vain else 200, flags="UF" if in_vain else "-")
        if not in_vain:
            t.proxy(ratings, "server", at + 1, 15, o, upstream=INBOUND)
        at += 30
    return t


def callees(c, db=None):
    return sorted(sqlite3.connect(db or c.db).execute("SELECT callee_service, sum(calls), sum(errors) FROM edge_minute WHERE caller_service = 'a' GROUP BY 1").fetchall())


def scene_who_answers_to_a_cluster_s_name_is_its_callee_when_nobody_answers(c):
    """In one trace, in later ones, behind a restart, in a replay in either order; and by a bare name that an SDK says. Not when others answer to that name."""
    c.start()
    give(c, through(1, unreached=1))
    assert callees(c) == [("ratings", 2, 1)], callees(c)
    c.stop()
    c.start()
    give(c, through(2, unreached=1, answered=0))
    assert callees(c) == [("ratings", 3, 2)], callees(c)
    give(c, through(3, "others"))
    c.stop()
    c.start()
    give(c, through(4, unreached=1, answered=0))
    assert callees(c) == [("others", 1, 0), ("ratings", 3, 2), ("rt-svc", 1, 1)], callees(c)
    for name, traces in (("before", [through(5), through(6, unreached=1, answered=0)]), ("behind", [through(6, unreached=1, answered=0), through(5)])):
        path, db = os.path.join(c.folder, name + ".json"), os.path.join(c.folder, name + ".db")
        with open(path, "wb") as f:
            f.write(b"\n".join(otlp(t.spans) for t in traces))
        subprocess.run([c.program, "replay", "--db", db, path], capture_output=True, check=True)
        assert callees(c, db) == [("ratings", 2, 1)], (name, callees(c, db))
    t = Trace(7)
    x = t.server("x", 0, 100)
    for host, answered in (("rt", True), ("rt", False), ("api.example.com", True), ("api.example.com", False)):
        k = t.client("x", 2, 20, x, attrs={"server__address": host}, status=0 if answered else 2, name="GET /" + str(answered))
        if answered:
            t.server("stars", 3, 10, k)
    give(c, t)
    assert c.sql("SELECT callee_service, sum(calls) FROM edge_minute WHERE caller_service = 'x' GROUP BY 1") == [("api.example.com", 1), ("stars", 3)]
