"""adjusted_calls: what the calls of sampled traces stand for, where a sender says so (STITCHING §4; formats/09 §9.2)."""
from stitching import Trace, otlp, zipkin

PROBABLY = {"sampler__type": "probabilistic", "sampler__param": 0.25}


def adjusted(c):
    return {callee: (calls, round(weighed, 3)) for callee, calls, weighed in
            c.sql("SELECT callee_service, sum(calls), sum(adjusted_calls) FROM edge_minute GROUP BY 1")}


def scene_a_threshold_in_tracestate_weighs_a_call(c):
    c.start()
    cases = {"ot=th:8": 2, "ot=th:0": 1, "ot=th:c": 4, "ot=th:fd70a3d70a3d71": 100, "es=s:1 , ot=rv:12345678901234;th:8,dd=x": 2, "": 1, "ot=th:xy": 1,
             "ot=th:": 1, "ot=th:123456789012345": 1, "ot=th:ffffffffffffff": 1e9, "th:8": 1}
    spans = []
    for n, state in enumerate(cases):
        t = Trace(n + 1)
        t.server("s%d" % n, 0, 100)["trace_state"] = state
        spans += t.spans
    assert c.post_otlp(otlp(spans), json_body=True)[0] == 200
    c.flush()
    assert adjusted(c) == {"s%d" % n: (1, weight) for n, weight in enumerate(cases.values())}, adjusted(c)


def scene_one_half_speaks_for_the_other_and_the_root_for_all(c):
    c.start()
    t, u, v = Trace(1), Trace(2), Trace(3)
    t.server("a", 0, 100, attrs=PROBABLY)  # Jaeger's samplers write it at the root alone
    t.server("b", 2, 80, t.client("a", 1, 90, t.spans[0]))
    u.server("c", 0, 100)  # its caller has lost it, the callee has it
    u.server("d", 2, 80, u.client("c", 1, 90, u.spans[0]))["trace_state"] = "ot=th:8"
    v.server("e", 0, 100, attrs={"sampler__type": "probabilistic", "sampler__param": "0.5"})
    v.client("e", 1, 90, v.spans[0])["trace_state"] = "ot=th:0"  # this one would have come in any case
    v.server("f", 2, 80, v.spans[1])
    assert c.post_otlp(otlp(t.spans + u.spans + v.spans), json_body=True)[0] == 200
    z = Trace(4)
    z.server("g", 0, 100, attrs=PROBABLY)
    z.client("g", 1, 90, z.spans[0], attrs={"peer__service": "h"})
    z2 = Trace(5)
    z2.server("i", 0, 100, attrs={"sampler__type": "const", "sampler__param": True})
    assert c.post_zipkin(zipkin(z.spans + z2.spans))[0] == 202
    c.flush()
    assert adjusted(c) == {"a": (1, 4), "b": (1, 4), "c": (1, 1), "d": (1, 2), "e": (1, 2), "f": (1, 1), "g": (1, 4), "h": (1, 4), "i": (1, 1)}, adjusted(c)
    total = {e["callee"]: e["adjusted_calls"] for e in c.api("graph?from=1699999000&to=1700001000")["edges"]}
    assert total and abs(sum(total.values()) - 23) < 0.01, total
    c.stop()
    c.start()
    late = dict(t.spans[2], id="00000000000000ee", kind="internal", parent=t.spans[2]["id"])
    assert c.post_otlp(otlp([late]), json_body=True)[0] == 200
    c.flush()  # opened again: taken back and counted anew by the same weight
    assert adjusted(c)["b"] == (1, 4) and adjusted(c)["a"] == (1, 4), adjusted(c)
