"""stitch.alias, stitch.sidecars, stitch.gateways, stitch.inside, stitch.zones: what each does to the graph, and that a reload does it to what comes next."""
import os

from stitching import INBOUND, Trace, otlp, out


def settle(c, text):
    """Takes other settings: at the start, then by a reload."""
    c.config = os.path.join(c.folder, "faultline.yml")
    with open(c.config, "w") as config:
        config.write(text)
    if not c.process:
        c.start()
    else:
        status, said, _ = c.request(c.web, "POST", "/-/reload")
        assert status == 200, said


def graph(c, t):
    """The calls of one more trace: the difference it made."""
    query = "SELECT caller_service || ' > ' || callee_service || '#' || callee_role || ' ' || crossing || ' ' || via, sum(calls) FROM edge_minute GROUP BY 1"
    before = dict(c.sql(query))
    assert c.post_otlp(otlp(t.spans), json_body=True)[0] == 200
    c.flush()
    return {edge: n - before.get(edge, 0) for edge, n in c.sql(query) if n != before.get(edge, 0)}


def scene_an_alias_renames_who_speaks_and_who_is_called(c):
    def calls(n):
        t = Trace(n)
        a = t.server("front-v2", 0, 100)
        t.client("front-v2", 1, 5, a, attrs={"server__address": "ledger-svc"})
        t.server("pay.svc", 11, 5, t.client("front-v2", 10, 10, a))
        return graph(c, t)

    plain = {"user > front-v2#workload in ": 1, "front-v2 > ledger-svc#workload unknown ": 1, "front-v2 > pay.svc#workload unknown ": 1}
    named = {"user > front#workload in ": 1, "front > ledger#workload unknown ": 1, "front > pay#workload unknown ": 1}
    settle(c, "log.level: info\n")
    assert calls(1) == plain, calls(11)
    settle(c, "stitch.alias: {front-v2: front, ledger-svc: ledger, pay.svc: pay}\n")
    assert calls(2) == named, calls(12)
    assert c.sql("SELECT DISTINCT service FROM span WHERE trace_id = ? ORDER BY 1", Trace(2).id) == [("front",), ("pay",)]
    settle(c, "log.level: info\n")
    assert calls(3) == plain


def scene_settings_say_who_is_a_sidecar_and_who_a_gateway(c):
    """Over what the proxies say of themselves."""
    def calls(n):
        t = Trace(n)
        a = t.server("a", 0, 100)
        g = t.proxy("edge", "server", 11, 48, t.client("a", 10, 50, a), role="gateway", upstream=out("b"), namespace="web")
        t.server("b", 12, 40, g)
        return graph(c, t)

    by_gateway = {"user > a#workload in ": 1, "a > b#workload unknown edge": 1}
    by_sidecar = {"user > a#workload in ": 1, "a > edge#workload unknown ": 1, "edge > b#workload unknown ": 1}
    settle(c, "log.level: info\n")
    assert calls(1) == by_gateway, calls(11)
    settle(c, "stitch.sidecars: [web/ed*]\n")
    assert calls(2) == by_sidecar, calls(12)
    settle(c, "stitch.sidecars: [other/edge]\n")
    assert calls(3) == by_gateway
    t = Trace(4)  # a sidecar that stands before others
    a = t.server("a", 0, 100)
    p = t.proxy("relay", "server", 11, 48, t.client("a", 10, 50, a), upstream=out("b"), namespace="web")
    t.server("b", 12, 40, p)
    settle(c, "stitch.gateways: [web/relay]\n")
    assert graph(c, t) == {"user > a#workload in ": 1, "a > b#workload unknown relay": 1}


def scene_a_gateway_without_marks_is_one_by_its_name(c):
    """An own gateway, its spans by an SDK: with and without steps in between, alone in front, and one that answers itself."""
    def calls(n):
        t = Trace(n)
        a = t.server("a", 0, 100)
        g = t.server("bff", 11, 48, t.client("a", 10, 50, a))
        t.server("b", 13, 40, t.client("bff", 12, 42, t.span("bff", "internal", 11.5, 47, g)))
        t.server("bff", 71, 8, t.client("a", 70, 10, a), status=2)
        front = t.server("bff", 200, 50)
        t.server("b", 211, 8, t.client("bff", 210, 10, front))
        return graph(c, t)

    plain = {"user > a#workload in ": 1, "user > bff#workload in ": 1, "a > bff#workload unknown ": 2, "bff > b#workload unknown ": 2}
    named = {"user > a#workload in ": 1, "user > bff#gateway in ": 1, "a > b#workload unknown bff": 1, "a > bff#gateway unknown ": 1, "bff > b#workload unknown ": 1}
    settle(c, "log.level: info\n")
    assert calls(1) == plain, calls(11)
    settle(c, "stitch.gateways: [b*f]\n")
    assert calls(2) == named, calls(12)
    way = c.sql("SELECT hop, hop_name, sum(time_ns_sum) FROM hop_minute WHERE caller_service = 'a' AND callee_service = 'b' GROUP BY 1, 2")
    assert {(h, n): ns / 1_000_000 for h, n, ns in way} == {("network", "bff"): 2, ("gateway", "bff"): 6, ("network", "b"): 2, ("application", "b"): 40}, way
    settle(c, "log.level: info\n")
    assert calls(3) == plain


def scene_what_is_inside_is_a_setting(c):
    def calls(n):
        t = Trace(n)
        a = t.server("a", 0, 100)
        t.client("a", 1, 5, a, attrs={"server__address": "10.9.9.9"})
        t.client("a", 10, 5, a, attrs={"server__address": "100.64.1.1"})
        for i, peer in enumerate(("100.64.0.7", "10.0.0.7")):  # orphans: who came from outside entered here
            t.server("entry%d" % i, 20, 5, "00000000000000f%d" % i, attrs={"network__peer__address": peer})
        return graph(c, t)

    settle(c, "log.level: info\n")
    assert calls(1) == {"user > a#workload in ": 1, "a > 10.9.9.9#workload unknown ": 1, "a > 100.64.1.1#external out ": 1,
                        "user > entry0#workload in ": 1}, calls(11)
    settle(c, "stitch.inside: [100.64.0.0/10]\n")
    assert calls(2) == {"user > a#workload in ": 1, "a > 10.9.9.9#external out ": 1, "a > 100.64.1.1#workload unknown ": 1,
                        "user > entry1#workload in ": 1}, calls(12)


def scene_zones_are_read_from_addresses(c):
    def calls(n):
        t = Trace(n)
        def where(address):
            return {"node_id": "sidecar~%s~x-1.default~default.svc.cluster.local" % address}
        a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, cluster="c1", attrs=where("10.1.0.1"))
        for i, (callee, address) in enumerate((("near", "10.1.0.2"), ("far", "10.2.0.2"), ("lost", "10.3.0.2"))):
            o = t.proxy("a", "client", 1 + 20 * i, 15, a, upstream=out(callee), cluster="c1", attrs=where("10.1.0.1"))
            t.proxy(callee, "server", 2 + 20 * i, 10, o, upstream=INBOUND, cluster="c1", attrs=where(address))
        return graph(c, t)

    def zones():
        items = c.api("zones?from=0&to=now")["items"]
        assert all(i["caller"]["service"] == "a" and i["errors"] == 0 and i["added_ns"] == 5_000_000 for i in items), items
        return sorted((i["callee"]["service"], i["from_zone"], i["to_zone"], i["calls"]) for i in items)

    def expected(near, far):
        return {"user > a#workload in ": 1, "a > near#workload %s " % near: 1, "a > far#workload %s " % far: 1, "a > lost#workload inside ": 1}

    settle(c, "log.level: info\n")
    assert calls(1) == expected("inside", "inside"), calls(11)
    assert zones() == [], zones()
    settle(c, "stitch.zones:\n  east: [10.1.0.0/16]\n  west: [10.2.0.0/16]\n")
    assert calls(2) == expected("inside", "cross_zone"), calls(12)
    assert zones() == [("far", "east", "west", 1), ("near", "east", "east", 1)], zones()
    settle(c, "stitch.zones: {east: [10.1.0.1/32], west: [10.1.0.2/32, 10.2.0.0/16]}\n")
    assert calls(3) == expected("cross_zone", "cross_zone"), calls(13)
    settle(c, "log.level: info\n")
    assert calls(4) == expected("inside", "inside"), calls(14)
