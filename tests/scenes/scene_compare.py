"""A new version of a service against another, asked of the real program: LOCALISING §5, CONTRACT §2, §7, §8."""
import json
import os
import random
import subprocess
import time

from lib import otlp_span

BEGIN = 1_600_000_020_000  # a whole minute, in ms
MINUTES = 5
AT = "&from=1600000020&to=1600000320"


def requests(kind, seed, n, share=0.5, begin=BEGIN, minutes=MINUTES):
    """front -> cart v1 or v2 -> redis; what v2 does otherwise is the kind."""
    r, spans = random.Random(seed), []

    def new_id(bits=63):
        return "%016x" % (r.getrandbits(bits) + 1)
    for i in range(n):
        trace, at = "%032x" % (r.getrandbits(126) + 1), begin + i * minutes * 60e3 / n
        v2 = r.random() < share
        own = r.lognormvariate(1.5, 0.35) * (1.6 if v2 and kind == "slow" else 1)
        if v2 and kind == "lock" and r.random() < 0.2:
            own *= 8
        asks = not (v2 and kind == "stops" and r.random() < 0.3)
        redis_fails = asks and r.random() < (0.15 if v2 and kind == "redis" else 0)
        failed = redis_fails or r.random() < {"fails": 0.08 if v2 else 0.01, "heals": 0.01 if v2 else 0.08}.get(kind, 0.001)
        front, call, cart = new_id(), new_id(), new_id()
        redis = 0.8 if asks else 0
        spans += [(("front", "v7"), otlp_span(trace, front, "", "", "GET /", 2, at, own + 4 + redis, 2 if failed else 0)[1]),
                  (("front", "v7"), otlp_span(trace, call, front, "", "GET", 3, at + 1, own + 2 + redis, 2 if failed else 0, peer__service="cart")[1]),
                  (("cart", "v2" if v2 else "v1"), otlp_span(trace, cart, call, "", "GET /cart", 2, at + 2, own + redis, 2 if failed else 0)[1])]
        if asks:
            spans.append((("cart", "v2" if v2 else "v1"), otlp_span(trace, new_id(), cart, "", "HGETALL", 3, at + 2.5, redis, 2 if redis_fails else 0,
                                                                  db__system="redis", server__address="redis")[1]))
    return spans


def body(spans, namespace=""):
    by_place = {}
    for place, span in spans:
        by_place.setdefault(place, []).append(span)
    return json.dumps({"resourceSpans": [
        {"resource": {"attributes": [{"key": k, "value": {"stringValue": v}} for k, v in (("service.name", s), ("service.version", version),
                                                                                           ("service.namespace", namespace))]},
         "scopeSpans": [{"spans": list_}]} for (s, version), list_ in by_place.items()]})


def filled(c, kind, n=4000, share=0.5, seed=1):
    c.db = os.path.join(c.folder, kind + ".db")
    name = os.path.join(c.folder, kind + ".json")
    with open(name, "w") as out:
        out.write(body(requests(kind, seed, n, share)))
    subprocess.run([c.program, "replay", "--db", c.db, name], check=True, stdout=subprocess.DEVNULL)


def asked(c, *args, source=None, when=("--from", "1600000020", "--to", "1600000320")):
    p = subprocess.run([c.program, "compare", *(source or ("--db", c.db)), *args, *when], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def compared(c, *args):
    code, said, _ = asked(c, "--service", "cart", "--baseline", "v1", "--candidate", "v2", "--format", "json", *args)
    return code, json.loads(said)


def checks(answer, metric):
    return [x for x in answer["checks"] if x["metric"] == metric]


def scene_a_worse_version_is_worse_where_it_is(c):
    for kind, metric in (("fails", "errors"), ("slow", "latency"), ("lock", "latency"), ("redis", "downstream_errors"), ("stops", "flow")):
        filled(c, kind)
        code, answer = compared(c)
        assert code == 1 and answer["verdict"] == "worse", (kind, answer)
        assert any(x["verdict"] == "worse" for x in checks(answer, metric)), (kind, answer["checks"])
        if kind != "redis":
            assert {x["metric"] for x in answer["checks"] if x["verdict"] == "worse"} == {metric}, (kind, answer["checks"])
        for x in answer["checks"]:
            assert x["unit"] == "ns" or abs(x["candidate"] - x["baseline"] - x["effect"]) < 1e-6, x
            assert x["interval"][0] <= x["effect"] <= x["interval"][1] and (x["peer"] is None) == (x["metric"] in ("errors", "latency")), x
            assert (x["need"] is not None) == (x["verdict"] == "not_enough_data"), x
        rows = dict(c.sql("SELECT version, count(*) FROM span WHERE service = 'cart' AND kind = 'server' GROUP BY 1"))
        assert (answer["baseline"]["calls"], answer["candidate"]["calls"]) == (rows["v1"], rows["v2"]), (answer, rows)
        failed = dict(c.sql("SELECT version, count(*) FROM span WHERE service = 'cart' AND kind = 'server' AND status = 'error' GROUP BY 1"))
        for side in ("baseline", "candidate"):
            s = answer[side]
            assert s["errors"] == failed.get(s["version"], 0) and s["error_share"] == s["errors"] / s["calls"], s
        assert len(answer["examples"]) == 3
        for trace in answer["examples"]:
            assert c.sql("SELECT 1 FROM span WHERE trace_id = ? AND service = 'cart' AND version = 'v2'", trace), trace
        if kind == "fails":
            assert c.sql("SELECT status FROM trace WHERE trace_id = ?", answer["examples"][0]) == [("error",)]


def scene_the_same_is_the_same_and_better_is_better(c):
    filled(c, "same")
    code, answer = compared(c)
    assert code == 0 and answer["verdict"] == "same", answer
    assert {x["verdict"] for x in answer["checks"]} == {"same"}, answer["checks"]
    assert answer["version"] == 1 and answer["confidence_level"] == 0.95 and answer["service"]["service"] == "cart"
    assert answer["window"] == {"from": "2020-09-13T12:27:00.000000000Z", "to": "2020-09-13T12:32:00.000000000Z"}
    filled(c, "heals")
    code, answer = compared(c)
    assert code == 0 and answer["verdict"] == "better" and checks(answer, "errors")[0]["effect"] < -0.04, answer
    # Turned round, it is worse; the versions need not be named.
    code, said, _ = asked(c, "--service", "cart", "--baseline", "v2", "--candidate", "v1")
    assert code == 1 and said.startswith("worse  cart"), said
    code, said, _ = asked(c, "--service", "cart", "--format", "json")
    assert (code, json.loads(said)["candidate"]["version"]) in ((0, "v2"), (1, "v1"))


def scene_too_few_calls_are_not_enough(c):
    filled(c, "fails", n=2000, share=0.01)
    code, answer = compared(c)
    assert code == 4 and answer["verdict"] == "not_enough_data", answer
    assert answer["candidate"]["calls"] < 30 and checks(answer, "errors")[0]["need"] >= 30 - answer["candidate"]["calls"]
    code, said, _ = asked(c, "--service", "cart", "--baseline", "v1", "--candidate", "v2")
    assert code == 4 and said.startswith("not_enough_data  cart") and "more calls needed" in said
    # A version that never came, and one that came at another time.
    code, said, _ = asked(c, "--service", "cart", "--baseline", "v1", "--candidate", "v9", "--format", "json")
    answer = json.loads(said)
    assert code == 4 and answer["candidate"] == {"version": "v9", "calls": 0, "errors": 0, "error_share": 0, "p50_ns": None, "p95_ns": None, "p99_ns": None}
    assert answer["checks"][0]["interval"] == [-1, 1] and answer["checks"][0]["need"] == 30
    code, said, _ = asked(c, "--service", "front", "--format", "json")
    assert code == 4 and json.loads(said)["baseline"]["version"] == "v7"


def scene_other_hours_are_no_difference(c):
    """v1 alone in a bad minute, then both in good ones: a plain sum would call v2 better."""
    c.db = os.path.join(c.folder, "hours.db")
    name = os.path.join(c.folder, "hours.json")
    with open(name, "w") as out:
        early = [s for s in requests("heals", 3, 1500, share=0, minutes=2)]
        out.write(body(early + requests("same", 4, 4000, begin=BEGIN + 120_000, minutes=3)))
    subprocess.run([c.program, "replay", "--db", c.db, name], check=True, stdout=subprocess.DEVNULL)
    code, answer = compared(c)
    assert code == 0 and answer["verdict"] == "same" and answer["baseline"]["errors"] < 20, answer


def scene_what_cannot_be_compared_is_said(c):
    filled(c, "same", n=100)
    for args, code, words in ((("--service", "nobody"), 3, "nobody called a service nobody in this window"),
                              ((), 2, "--service NAME"), (("--service", "cart", "--format", "yaml"), 2, "text or json"),
                              (("--service", "cart", "--baseline", "v1", "--candidate", "v1"), 2, "the same version")):
        got, said, error = asked(c, *args)
        assert got == code and words in error and not said, (args, got, said, error)
    # a pipeline asks before the first call of an hour: too few, and no mistake
    for versions in (("--baseline", "v1", "--candidate", "v2"), ("--candidate", "v2"), ()):
        got, said, _ = asked(c, "--service", "cart", *versions, "--format", "json", when=("--from", "1h"))
        answer = json.loads(said)
        assert got == 4 and answer["verdict"] == "not_enough_data" and answer["baseline"]["calls"] == answer["candidate"]["calls"] == 0, (got, said)
    for when, words in ((("--from", "now", "--to", "1h"), "--from is before --to"), (("--from", "x"), "--from is a time")):
        got, said, error = asked(c, "--service", "cart", when=when)
        assert got == 2 and words in error and not said, (when, got, error)


def scene_the_api_says_the_same(c):
    filled(c, "fails")
    _, by_command = compared(c)
    text = asked(c, "--service", "cart")
    c.start(store__path=c.db)
    assert c.api("compare?service=cart&baseline=v1&candidate=v2" + AT) == by_command
    assert c.api("compare?service=cart&namespace=&cluster=" + AT) == by_command
    url = ("--url", "http://" + c.web)
    assert asked(c, "--service", "cart", source=url) == text
    assert asked(c, "--service", "nobody", source=url) == asked(c, "--service", "nobody") and asked(c, "--service", "nobody")[0] == 3
    status, said, _ = c.get("/api/v1/compare?service=nobody" + AT)
    assert status == 404 and json.loads(said)["error"]["code"] == "not_found"
    for bad in ("", "service=", "service=cart&from=x", "service=cart&from=now&to=1h", "service=cart&baseline=v1&candidate=v1"):
        status, said, _ = c.get("/api/v1/compare?" + bad)
        assert status == 400 and json.loads(said)["error"]["code"] == "invalid", (bad, status, said)


def scene_each_canary_has_a_series(c):
    c.start()
    assert c.counter("faultline_canary_verdict") == 0
    begin = (time.time() - 360) * 1e3
    status, _, _ = c.post_otlp(body(requests("fails", 5, 3000, begin=begin)).encode(), json_body=True)
    assert status == 200
    c.flush()
    assert c.counter("faultline_canary_verdict", service="cart", baseline="v1", candidate="v2", verdict="worse") + c.counter(
        "faultline_canary_verdict", service="cart", baseline="v2", candidate="v1", verdict="better") == 1
    assert c.counter("faultline_canary_verdict") == 1  # front has one version


def scene_one_service_in_two_namespaces_has_one_series(c):
    c.start()
    now = time.time() * 1e3
    for seed, namespace, kind in ((7, "blue", "same"), (8, "green", "fails")):
        for part, share, begin in ((0, 0, now - 900e3), (100, 0.5, now - 420e3)):  # the candidate came later
            spans = body(requests(kind, seed + part, 1500, share, begin), namespace)
            assert c.post_otlp(spans.encode(), json_body=True)[0] == 200
    c.flush()
    one = {n: c.api("compare?service=%s/cart" % n)["verdict"] for n in ("blue", "green")}
    assert one["blue"] != "worse" and one["green"] == "worse", one
    # Its labels know no namespace: the worst of them is what it says, once.
    assert c.counter("faultline_canary_verdict", service="cart", baseline="v1", candidate="v2", verdict="worse") == 1
    assert c.counter("faultline_canary_verdict") == 1
