"""Requests whose trace headers were lost, joined by their x-request-id (STITCHING §2, rule 6; §8.6): whichever trace comes first, in one turn or in two,
and across a restart."""
from stitching import INBOUND, Trace, otlp, out

RID = "7b2c1d9e-0a4f-9c3b-8d21-5e6f70819203"  # as sampled; another hop may write the digit of the trace decision anew
OTHER = RID.replace("-9c3b", "-4c3b")


def caller(number, half=True, code=200, flags="-", rid=RID, at=0):
    """user > a, whose sidecar sends a request to b, or has no span of it."""
    t = Trace(number)
    a = t.proxy("a", "server", at, 100, None, upstream=INBOUND, rid=rid)
    if half:
        t.proxy("a", "client", at + 10, 60, a, upstream=out("b"), rid=rid, code=code, flags=flags)
    return t


def callee(number, rid=OTHER, at=0, code=200):
    """b took a request that came without trace headers, and asked c."""
    t = Trace(number)
    b = t.proxy("b@v2", "server", at + 15, 40, None, upstream=INBOUND, rid=rid, code=code)
    o = t.proxy("b@v2", "client", at + 20, 20, b, upstream=out("c"), rid=rid)
    t.proxy("c", "server", at + 22, 15, o, upstream=INBOUND, rid=rid)
    return t


def give(c, *traces):
    assert c.post_otlp(otlp(sum((t.spans for t in traces), [])), json_body=True)[0] == 200


def edges(c):
    return {"%s > %s %s" % row[:3]: row[3] for row in c.sql(
        "SELECT caller_service, callee_service, known_by, sum(calls) FROM edge_minute GROUP BY 1, 2, 3 HAVING sum(calls)")}


def fresh(c, name):
    c.stop()
    c.sets["store.path"] = c.db = "%s/%s.db" % (c.folder, name)
    c.start()


BENEATH = {"user > a entry": 1, "b > c both": 1}
ONCE = {**BENEATH, "a > b request_id": 1}


def scene_one_request_is_one_call(c):
    """Both traces in memory when the first of them is cut, in either order, with the caller's half or without."""
    for n, half in enumerate((True, False)):
        for order in (0, 1):
            fresh(c, "once-%d-%d" % (n, order))
            pair = [caller(1, half), callee(2)]
            for t in pair[::-1] if order else pair:
                give(c, t)
            c.flush()
            assert edges(c) == ONCE, (half, order, edges(c))
            client, server, transit = c.sql("SELECT client_ns_sum, server_ns_sum, transit_ns_sum FROM edge_minute WHERE known_by = 'request_id'")[0]
            assert (client, server, transit) == ((60_000_000, 40_000_000, 20_000_000) if half else (0, 40_000_000, 0)), (client, server, transit)
            assert c.sql("SELECT DISTINCT callee_version FROM edge_minute WHERE callee_service = 'b'") == [("v2",)]
            # what comes late changes no count: a step of each
            for t in pair:
                t.spans = [dict(t.spans[0], id="00000000000000ee", parent=t.spans[0]["id"], kind="internal", attrs={}, resource={"service.name": t.spans[0]["service"]})]
                give(c, t)
                c.flush()
            assert edges(c) == ONCE, (half, order, edges(c))
            c.check_ledger()


def scene_a_half_that_failed_is_told_with_the_call(c):
    """The caller gave up; the callee, in its own trace, did not notice."""
    c.start()
    give(c, caller(1, code=504, flags="UT"), callee(2))
    c.flush()
    assert c.sql("SELECT sum(calls), sum(errors) FROM edge_minute WHERE caller_service = 'a' AND callee_service = 'b'") == [(1, 1)], edges(c)
    assert edges(c) == ONCE, edges(c)


def scene_an_applications_half_that_failed_is_told_with_the_call(c):
    """The same without a proxy, where the application's span has the request's id and names whom it called."""
    said = {"http.request.header.x-request-id": [RID]}
    for n, name in enumerate(("peer.service", "server.address", "url.full")):
        for order in (0, 1):
            fresh(c, "application-%d-%d" % (n, order))
            t, to = Trace(1), Trace(2)
            a = t.server("a", 0, 1100, attrs={**said, "http.response.status_code": 500}, status=2)
            t.client("a", 10, 1000, a, attrs={**said, name: "http://b/y" if name == "url.full" else "b", "http.response.status_code": 504}, status=2)
            to.server("b", 20, 60, None, attrs={**said, "http.response.status_code": 200})
            for trace in (to, t) if order else (t, to):
                give(c, trace)
            c.flush()
            assert edges(c) == {"user > a entry": 1, "a > b request_id": 1}, (name, order, edges(c))
            row = c.sql("SELECT errors, errors_origin, client_ns_sum / 1000000, server_ns_sum / 1000000, transit_ns_sum / 1000000 FROM edge_minute WHERE caller_service = 'a'")
            assert row == [(1, 1, 1000, 60, 940)], (name, order, row)
    # What the caller's trace was counted as stays, and the callee's then tells its own half alone.
    fresh(c, "application-late")
    for trace in (t, to):
        give(c, trace)
        c.flush()
    assert edges(c) == {"user > a entry": 1, "a > b caller_only": 1, "a > b request_id": 1}, edges(c)
    assert c.sql("SELECT known_by, errors, client_ns_sum / 1000000 FROM edge_minute WHERE caller_service = 'a' ORDER BY 1") == [("caller_only", 1, 1000), ("request_id", 0, 0)]
    c.check_ledger()


def scene_what_was_counted_is_not_changed_for_another_trace(c):
    """The call is then told by the trace that is cut later, and the row of the other stays."""
    late = {(True, "caller first"): {**BENEATH, "a > b caller_only": 1, "a > b request_id": 1}, (False, "caller first"): ONCE,
            (True, "callee first"): {**ONCE, "user > b entry": 1}, (False, "callee first"): {**ONCE, "user > b entry": 1}}
    for n, ((half, order), wanted) in enumerate(late.items()):
        for restart in (False, True):
            fresh(c, "late-%d-%d" % (n, restart))
            pair = [caller(1, half), callee(2)]
            for t in pair if order == "caller first" else pair[::-1]:
                give(c, t)
                c.flush()
                if restart:
                    c.stop()
                    c.start()
            assert edges(c) == wanted, (half, order, restart, edges(c))
            step = dict(pair[0].spans[0], id="00000000000000ee", parent=pair[0].spans[0]["id"], kind="internal", attrs={}, resource={"service.name": "a"})
            pair[0].spans = [step]
            give(c, pair[0])  # its trace is opened again: the same calls
            c.flush()
            assert edges(c) == wanted, (half, order, restart, "again", edges(c))
            c.check_ledger()


def scene_who_had_the_request_at_another_time_is_no_caller(c):
    """A client that gives every request one id: those one after the other are requests of their own."""
    c.start()
    give(c, caller(1, False), callee(2, at=500), callee(3, rid=RID.replace("7b2c", "7b2d")))
    c.flush()
    assert edges(c) == {"user > a entry": 1, "user > b entry": 2, "b > c both": 2}, edges(c)


def scene_an_application_that_lost_the_headers_calls_once(c):
    """The call is told by the application's own span, which knows no request id, as its workload's incoming span does: of a sidecar, or by the header that an
    SDK was told to keep, a list or a text, also on the call's own span."""
    header = "http.request.header.x-request-id"
    ways = [("sidecar", None, None), ("list", header, [RID]), ("text", header, RID), ("old", "http.request.header.x_request_id", [RID]), ("both", header, [RID])]
    for name, key, value in ways:
        for order in (0, 1):
            fresh(c, "%s-%d" % (name, order))
            said = {key: value} if key else {}
            t, to = Trace(1), Trace(2)
            above = None if key else t.proxy("a", "server", 0, 101, None, upstream=INBOUND, rid=RID)
            a = t.server("a", 0, 100, above, attrs=said)
            t.client("a", 10, 60, a, attrs={"server.address": "b", **(said if name == "both" else {})})
            if key:
                to.server("b", 15, 40, None, attrs=said)
            else:
                to.proxy("b", "server", 15, 40, None, upstream=INBOUND, rid=RID)
            for trace in (to, t) if order else (t, to):
                give(c, trace)
            c.flush()
            assert edges(c) == {"user > a entry": 1, "a > b request_id": 1}, (name, order, edges(c))
            c.check_ledger()


def scene_who_sent_it_comes_before_who_had_it_too(c):
    """`a` asks `b`, whose headers are lost, and `c` at the same time, which has the request as well, and later."""
    for order in (0, 1):
        fresh(c, "too-%d" % order)
        t = caller(1)
        o = t.proxy("a", "client", 12, 60, t.spans[0], upstream=out("c"), rid=RID)
        t.proxy("c", "server", 13, 55, o, upstream=INBOUND, rid=RID)
        to = Trace(2)
        to.proxy("b", "server", 15, 40, None, upstream=INBOUND, rid=RID)
        for trace in (to, t) if order else (t, to):
            give(c, trace)
        c.flush()
        assert edges(c) == {"user > a entry": 1, "a > b request_id": 1, "a > c both": 1}, (order, edges(c))
