"""What is learnt across traces: who is at which address (STITCHING: knowledge, §1, §2.3, §2.7, §8.27)."""

from stitching import Trace, otlp


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
