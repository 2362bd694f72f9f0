"""Every response flag of Envoy with its side to blame (STITCHING §4): on the caller's way out, on the callee's way in, at a gateway."""
from scene_stitching import stitch
from stitching import INBOUND, Trace, expected_text, graph_text, otlp, out

# flag, code: who is to blame when the proxy of a, on the way to b, says so and nobody of b is heard of. '' fails nothing.
ON_THE_WAY_OUT = [
    ("UH", 503, "b"), ("UF", 503, "b"), ("UO", 503, "b"), ("UC", 503, "b"), ("UR", 503, "b"), ("URX", 503, "b"), ("UT", 504, "b"), ("UPE", 502, "b"),
    ("UMSDR", 504, "b"), ("SI", 504, "b"),
    ("LR", 503, "a"), ("NR", 404, "a"), ("NC", 503, "a"), ("DT", 504, "a"), ("RL", 429, "a"), ("RLSE", 500, "a"), ("UAEX", 403, "a"), ("UAEX", 401, "a"),
    ("FI", 503, "a"), ("NFCF", 500, "a"), ("OM", 503, "a"), ("DF", 503, "a"), ("DO", 503, "a"),
    ("DI", 200, ""), ("RFCF", 200, ""), ("-", 200, ""),
]
CLIENT_ERRORS = [("FI", 418), ("IH", 400), ("DPE", 400), ("SI", 408), ("UMSDR", 408), ("-", 404)]
# When the proxy before b says so of what came: its own application, which it could not reach or which answered so, or itself; b either way.
ON_THE_WAY_IN = [("LH", 503), ("UF", 503), ("UC", 503), ("UR", 503), ("UT", 504), ("UO", 503), ("OM", 503), ("RL", 429), ("UAEX", 403), ("FI", 503), ("-", 500)]
AT_A_GATEWAY = [("RL", 429), ("RLSE", 500), ("UAEX", 401), ("FI", 503), ("OM", 503), ("NFCF", 500), ("NR", 404)]


def graph(c, t):
    trace, = stitch(c, "otlp_json", [otlp(t.spans)])
    return graph_text(trace)


def same(c, t, text, what):
    seen = graph(c, t)
    assert seen == expected_text(text), "%s\n--- seen\n%s\n--- expected\n%s" % (what, seen, expected_text(text))


def scene_flags_on_the_way_out(c):
    for number, (flag, code, blamed) in enumerate(ON_THE_WAY_OUT):
        t = Trace(number + 1)
        a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, code=500 if blamed else 200)
        named = flag not in ("NR", "NC")
        t.proxy("a", "client", 1, 90, a, upstream=out("b") if named else None, host="b", code=code, flags=flag)
        if not blamed:
            same(c, t, "user > a entry\na > b caller_only\ntrace ok entry=a", (flag, code))
            continue
        same(c, t, "user > a entry carried\na > b caller_only origin\ntrace error entry=a origin=%s reason=%s" % (blamed, flag), (flag, code))


def scene_flags_of_an_attempt_name_both_sides_together(c):
    """They come in any order, and what could not be reached stays to blame."""
    for flags in ("UF,URX", "URX,UF", "UH,DI", "DI,UC"):
        t = Trace(1)
        a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, code=503)
        t.proxy("a", "client", 1, 90, a, upstream=out("b"), code=503, flags=flags)
        same(c, t, "user > a entry carried\na > b caller_only origin\ntrace error entry=a origin=b reason=%s" % flags, flags)


def scene_client_errors_begin_nothing_whatever_their_flag(c):
    for number, (flag, code) in enumerate(CLIENT_ERRORS):
        t = Trace(number + 1)
        a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND)
        t.proxy("a", "client", 1, 90, a, upstream=out("b"), code=code, flags=flag)
        same(c, t, "user > a entry\na > b caller_only client_error\ntrace ok entry=a", (flag, code))
        t = Trace(number + 1)  # what a made a 500 of is a's own
        a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, code=500)
        t.proxy("a", "client", 1, 90, a, upstream=out("b"), code=code, flags=flag)
        same(c, t, "user > a entry origin\na > b caller_only client_error\ntrace error entry=a origin=a reason=500", (flag, code))


def scene_flags_on_the_way_in(c):
    for number, (flag, code) in enumerate(ON_THE_WAY_IN):
        t = Trace(number + 1)
        a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, code=500)
        o = t.proxy("a", "client", 1, 90, a, upstream=out("b"), code=code)
        t.proxy("b", "server", 2, 80, o, upstream=INBOUND, code=code, flags=flag)
        reason = flag if flag != "-" else str(code)
        same(c, t, "user > a entry carried\na > b both origin\ntrace error entry=a origin=b reason=%s" % reason, (flag, code))


def scene_flags_at_a_gateway_that_answers_itself(c):
    """A filter before its router, or no route: the gateway is the callee, and made no call."""
    for number, (flag, code) in enumerate(AT_A_GATEWAY):
        t = Trace(number + 1)
        t.proxy("edge", "server", 0, 5, None, role="gateway", upstream=None if flag == "NR" else out("a"), code=code, flags=flag)
        same(c, t, "user > edge#gateway entry origin\ntrace error entry=edge#gateway origin=edge#gateway reason=%s" % flag, (flag, code))
    t = Trace(99)
    t.proxy("edge", "server", 0, 5, None, role="gateway", upstream=out("a"), flags="RFCF")
    same(c, t, "user > edge#gateway entry\ntrace ok entry=edge#gateway", "from its cache")
    for flag in ("UH", "UO", "UF"):  # the router answered: the call is there, sent or not
        t = Trace(98)
        t.proxy("edge", "server", 0, 5, None, role="gateway", upstream=out("a"), code=503, flags=flag)
        same(c, t, "user > edge#gateway entry carried\nedge#gateway > a caller_only origin\ntrace error entry=edge#gateway origin=a reason=%s" % flag, flag)


def scene_clients_that_went_away(c):
    """DC, DR, canceled and gRPC 1 count as calls alone, in an unbroken chain; broken, they are a timeout."""
    for marks in ({"flags": "DC"}, {"flags": "DR"}, {"attrs": {"canceled": "true"}}, {"code": 200, "attrs": {"grpc.status_code": "1"}}):
        t = Trace(1)
        marks = {"code": 0, **marks}
        g = t.proxy("edge", "server", 0, 100, None, role="gateway", upstream=out("a"), **marks)
        g = t.proxy("edge", "client", 1, 98, g, role="gateway", upstream=out("a"), path="", **marks)
        t.proxy("a", "server", 2, 96, g, upstream=INBOUND, **marks)
        same(c, t, "user > edge#gateway entry client_gone\nedge#gateway > a both client_gone\ntrace ok entry=edge#gateway", marks)
        t = Trace(2)
        a = t.proxy("a", "server", 0, 200, None, upstream=INBOUND, code=504)
        o = t.proxy("a", "client", 1, 100, a, upstream=out("b"), code=504, flags="UT")
        t.proxy("b", "server", 2, 98, o, upstream=INBOUND, **marks)
        same(c, t, "user > a entry carried\na > b both origin\ntrace error entry=a origin=b reason=UT", marks)
