"""Where a fault began, asked of the real program about replayed files with old times: the words of LOCALISING §6."""
import json
import os
import random
import re
import subprocess

import otlp
from lib import otlp_body, otlp_span

BEGIN = 1_600_000_000_000
MINUTES = 5
MESH = {"front": ["cart", "ads", "checkout"], "cart": ["redis"], "ads": ["redis"], "checkout": ["pay", "cart", "ship"],
        "pay": ["bank"], "ship": ["pg"]}


class Mesh:
    """A few services whose faults are drawn by name: slow_X, fail_X, stop_X; rare_X: one visit in 25 takes very long; quit_X, throw_X: some
    visits end at their start, without or with an exception noted, and whoever called stops as well, and no status tells; lost_X: some calls
    do not come there, and nobody says so; dead_X, died_X: the same, and whoever called stops, in silence or with a failure; again_X: some fail
    at once and are made again, with success."""

    def __init__(self, fault, seed):
        self.random, self.fault, self.spans = random.Random(seed), fault, []

    def new_id(self):
        return "%016x" % (self.random.getrandbits(63) + 1)

    def call(self, trace, caller, parent, callee, at):
        """One call; gives its end and whether it failed."""
        if self.fault == "again_" + callee and self.random.random() < 0.4:
            span = self.new_id()
            self.spans += [otlp_span(trace, span, parent, caller, "call " + callee, 3, at, 1, 2, peer__service=callee),
                           otlp_span(trace, self.new_id(), span, callee, "GET /" + callee, 2, at + 0.3, 0.4, 2)]
            at += 1.5
        span, start = self.new_id(), at
        quits = False
        if callee in MESH and self.fault in ("lost_" + callee, "dead_" + callee, "died_" + callee) and self.random.random() < 0.4:
            at, failed, peer, quits = at + 1, self.fault[:4] == "died", {"peer__service": callee}, self.fault[:4] == "dead"
        elif callee in MESH:
            at, failed, quits = self.visit(trace, callee, span, at + 0.3)
            at += 0.3
            peer = {"peer__service": callee}
        else:
            at += self.random.lognormvariate(0, 0.3) * (20 if self.fault == "slow_" + callee else 1)
            failed = self.fault == "fail_" + callee and self.random.random() < 0.4
            peer = {"db__system": "postgresql", "server__address": callee}
        self.spans.append(otlp_span(trace, span, parent, caller, "call " + callee, 3, start, at - start, 2 if failed else 0, **peer))
        return at, failed, quits

    def visit(self, trace, service, parent, start):
        own = self.random.lognormvariate(1.0, 0.4) * (6 if self.fault == "slow_" + service else 1)
        if self.fault == "rare_" + service and self.random.random() < 0.04:
            own *= 30
        span, at, failed = self.new_id(), start + own / 2, False
        quits = self.fault in ("quit_" + service, "throw_" + service) and self.random.random() < 0.4
        callees = [] if quits else MESH[service]
        if service == "front":
            callees = [self.random.choice(callees)]
        for callee in callees:
            at, failed, quits = self.call(trace, service, span, callee, at)
            if failed or quits or (self.fault == "stop_" + service and self.random.random() < 0.6):
                break
        failed = failed or (self.fault == "fail_" + service and self.random.random() < 0.3)
        at += own / 2
        self.spans.append(otlp_span(trace, span, parent, service, "GET /" + service, 2, start, at - start, 2 if failed else 0))
        if quits and self.fault.startswith("throw_"):
            self.spans[-1][1]["events"] = [{"timeUnixNano": str(int(at * 1e6)), "name": "exception", "attributes": []}]
        return at, failed, quits


def servers_only(spans):
    """Calls are known by who got them alone; what a database does is still its caller's span."""
    by_id = {span["spanId"]: span for _, span in spans}
    dropped = {span["parentSpanId"] for _, span in spans if span["kind"] == 2 and span.get("parentSpanId")}
    for _, span in spans:
        while span.get("parentSpanId") in dropped:
            span["parentSpanId"] = by_id[span["parentSpanId"]]["parentSpanId"]
    return [(service, span) for service, span in spans if span["spanId"] not in dropped]


def behind_inner_spans(spans):
    """What a visit does stands below a span of its own framework, and a client says when it connects."""
    inner = {}
    for service, span in spans:
        if span["kind"] == 2:
            inner[span["spanId"]] = "%016x" % (int(span["spanId"], 16) ^ 1 << 63)
    wrapped = []
    for service, span in spans:
        if span["kind"] == 3:
            wrapped.append((service, {**span, "spanId": "%016x" % (int(span["spanId"], 16) ^ 1 << 63), "parentSpanId": span["spanId"],
                                      "kind": 1, "name": "connect", "attributes": [],
                                      "endTimeUnixNano": str(int(span["startTimeUnixNano"]) + 100_000)}))
        if span["kind"] == 2:
            wrapped.append((service, {**span, "spanId": inner[span["spanId"]], "parentSpanId": span["spanId"], "kind": 1, "name": "handle",
                                      "events": []}))
        elif span.get("parentSpanId") in inner:
            span["parentSpanId"] = inner[span["parentSpanId"]]
    return wrapped + spans


def without_kinds(spans):
    for _, span in spans:
        span["kind"] = 0
    return spans


def nameless(spans):
    """Clients that do not say whom they call."""
    for _, span in spans:
        if span["kind"] == 3 and any(a["key"] == "peer.service" for a in span["attributes"]):
            span["name"], span["attributes"] = "call", []
    return spans


SHAPES = {"": lambda spans: spans, "inner spans": behind_inner_spans, "servers": servers_only, "no kinds": without_kinds, "servers without kinds": lambda s: without_kinds(servers_only(s))}


def write(path, fault, seed, begin, requests, shape=""):
    mesh = Mesh(fault, seed)
    for i in range(requests):
        mesh.visit("%032x" % (mesh.random.getrandbits(127) + 1), "front", "", begin + i * MINUTES * 60e3 / requests)
    write_spans(path, (shape if callable(shape) else SHAPES[shape])(mesh.spans))


def write_spans(path, spans):
    by_service = {}
    for service, span in spans:
        by_service.setdefault(service, []).append(span)
    with open(path, "w") as out:
        json.dump({"resourceSpans": [
            {"resource": {"attributes": [{"key": k, "value": {"stringValue": v}} for k, v in
                                         (("service.name", s), ("service.version", "v1"), ("k8s.pod.name", s + "-0"))]},
             "scopeSpans": [{"spans": spans}]} for s, spans in by_service.items()]}, out)


def diagnosed(c, fault, seed=1, requests=1200, level="service", code=1, now_requests=None, shape=""):
    base, now = os.path.join(c.folder, "base.json"), os.path.join(c.folder, "fault.json")
    db = os.path.join(c.folder, "%s%s%s.db" % (fault, level, shape.__name__ if callable(shape) else shape.replace(" ", "")))
    write(base, "", seed, BEGIN, requests, shape)
    write(now, fault, seed + 1, BEGIN + 600_000, now_requests or requests, shape)
    return asked(c, db, base, now, level, code)


def asked(c, db, base, now, level="service", code=1):
    subprocess.run([c.program, "replay", "--db", db, base, now], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    p = subprocess.run([c.program, "diagnose", "--db", db, "--baseline", "1600000000..1600000300", "--from", "1600000600",
                        "--to", "1600000900", "--level", level, "--format", "json"], stdout=subprocess.PIPE)
    assert p.returncode == code, (db, p.returncode, p.stdout)
    return json.loads(p.stdout)


def scene_each_fault_is_found_where_it_was_put(c):
    for i, fault in enumerate(("slow_cart", "slow_pay", "slow_redis", "slow_pg", "fail_pay", "fail_ship", "fail_bank", "fail_redis",
                               "stop_checkout")):
        answer = diagnosed(c, fault, seed=10 * i)
        assert answer["verdict"] == "incident" and answer["need"] is None
        first = answer["suspects"][0]
        assert first["node"]["service"] == fault.split("_")[1], (fault, [s["node"]["service"] for s in answer["suspects"]])
        assert first["rank"] == 1 and first["significant"] and first["evidence"] and first["examples"], (fault, first)
        assert [s["rank"] for s in answer["suspects"]] == list(range(1, len(answer["suspects"]) + 1))
        assert len({s["node"]["service"] for s in answer["suspects"]}) == len(answer["suspects"])
        assert answer["window"] == {"from": "2020-09-13T12:36:00.000000000Z", "to": "2020-09-13T12:42:00.000000000Z"}
        if not fault.startswith("stop"):
            assert answer["onset"] == "2020-09-13T12:36:00.000000000Z", (fault, answer["onset"])


def scene_senders_that_say_less_and_few_requests(c):
    for shape in SHAPES:
        for i, fault in enumerate(("slow_cart", "fail_pay", "slow_redis")):
            answer = diagnosed(c, fault, seed=100 + 10 * i, requests=300, shape=shape)
            names = [s["node"]["service"] for s in answer["suspects"]]
            assert names[0] == fault.split("_")[1], (shape, fault, names)


def scene_faults_that_no_status_tells_of(c):
    for shape, faults in (("", ("quit_pay", "throw_pay", "throw_ship", "stop_checkout")), ("inner spans", ("throw_pay", "quit_pay"))):
        for i, fault in enumerate(faults):
            answer = diagnosed(c, fault, seed=200 + 10 * i, requests=600, shape=shape)
            suspects = answer["suspects"]
            assert suspects[0]["node"]["service"] == fault.split("_")[1], (shape, fault, [(s["node"]["service"], s["score"]) for s in suspects])
            told = [e["text"] for e in suspects[0]["evidence"] if e["metric"] == "stops_here"]
            assert all("call " not in text for text in told), told      # the callee's word for it, not its client's
            noted = [e["text"] for s in suspects for e in s["evidence"] if "note an exception" in e["text"]]
            assert bool(noted) == fault.startswith("throw"), (fault, noted)


def scene_calls_that_never_come_to_their_callee(c):
    for i, fault in enumerate(("lost_pay", "lost_cart")):
        first = diagnosed(c, fault, seed=400 + 10 * i, requests=600)["suspects"][0]
        assert first["node"]["service"] == fault.split("_")[1] and first["significant"], (fault, first)
        assert any("never come there" in e["text"] for e in first["evidence"]), first["evidence"]


def scene_calls_that_are_made_again_are_told_as_such(c):
    """A visit whose failure another attempt made good has failed: before, it had stopped without calling anybody."""
    first = diagnosed(c, "again_pay", seed=450, requests=600)["suspects"][0]
    told = [e["text"] for e in first["evidence"]]
    assert first["node"]["service"] == "pay" and first["significant"] and not any("visits end" in t for t in told), first
    assert any(t.endswith(" of requests see a failure first at pay when checkout calls (normal 0 %)") for t in told), told
    assert any(re.search(r"→ pay GET /pay: 1 → 1\.[34]\d* calls a visit, [34]\d\.\d % are tried again \(normal 0 %\)$", t) for t in told), told


def scene_who_did_not_answer_is_told_by_what_comes_next(c):
    """Nobody names whom the lost calls were for: it is who used to be called at that place. What comes behind it lacks its calls as well."""
    for i, (shape, fault) in enumerate((shape, fault) for shape in (nameless, "servers", "servers without kinds") for fault in ("dead_cart", "died_cart")):
        suspects = diagnosed(c, fault, seed=500 + 10 * i, requests=900, shape=shape)["suspects"]
        names = [s["node"]["service"] for s in suspects if s["significant"]]
        assert names[0] == "cart" and "ship" not in names and "unknown" not in names, (shape, fault, [(s["node"]["service"], s["score"]) for s in suspects])


def pods(path, begin, bad):
    """1,200 visits of a service of two pods, one of which has six of seven; bad: it fails a third, or is slow for all of its half."""
    spans, draw = {"web-a": [], "web-b": []}, random.Random(begin)
    for i in range(1200):
        pod = "web-b" if (i % 2 if bad == "slow" else i % 7 == 0) else "web-a"
        fails, slow = bad == "fail" and pod == "web-a" and i % 3 == 1, bad == "slow" and pod == "web-a"
        spans[pod].append(otlp_span("%032x" % draw.getrandbits(127), "%016x" % draw.getrandbits(63), "", "web", "GET /", 2, begin + i * 250,
                                    draw.lognormvariate(1, .3) + 200 * slow, 2 * fails)[1])
    with open(path, "w") as out:
        json.dump({"resourceSpans": [{"resource": {"attributes": [{"key": k, "value": {"stringValue": v}} for k, v in (("service.name", "web"), ("k8s.pod.name", pod))]},
                                      "scopeSpans": [{"spans": some}]} for pod, some in spans.items()]}, out)


def scene_the_pod_with_most_of_the_traffic_may_be_the_bad_one(c):
    for bad in ("fail", "slow"):
        base, now, db = (os.path.join(c.folder, bad + name) for name in ("base.json", "now.json", ".db"))
        pods(base, BEGIN, "")
        pods(now, BEGIN + 600_000, bad)
        subprocess.run([c.program, "replay", "--db", db, base, now], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        p = subprocess.run([c.program, "diagnose", "--db", db, "--baseline", "1600000000..1600000300", "--from", "1600000600", "--to", "1600000900",
                            "--format", "json"], stdout=subprocess.PIPE)
        first = json.loads(p.stdout)["suspects"][0]
        assert [n["value"] for n in first["narrowed"] if n["dimension"] == "instance"] == ["web-a"], first
        assert not any("instance" in text for text in first["not"]), first["not"]
        if bad == "slow":  # what is said of so many calls is so of them, though half of them count as all
            assert re.search(r", (4[6-9]|5[0-4])(\.\d)? % of calls slow", first["evidence"][0]["text"]), first["evidence"]


def scene_few_calls_that_take_very_long(c):
    for i, fault in enumerate(("rare_cart", "rare_ship")):
        first = diagnosed(c, fault, seed=300 + 10 * i, requests=600)["suspects"][0]
        assert first["node"]["service"] == fault.split("_")[1] and first["significant"], (fault, first)


def scene_other_requests_than_before_are_no_fault(c):
    """Checks of health come three times as often: front makes fewer calls a visit, and of none of its requests."""
    def more_checks(part):
        return lambda spans: spans + [otlp_span("%032x" % (i + 1), "%016x" % (i + 1), "", "front", "GET /health", 2,
                                                BEGIN + (part > 1) * 600_000 + i * 200, 1) for i in range(200 * part)]
    base, now, db = (os.path.join(c.folder, name) for name in ("base.json", "now.json", "mix.db"))
    for path, begin, seed, part in ((base, BEGIN, 41, 1), (now, BEGIN + 600_000, 42, 6)):
        write(path, "", seed, begin, 400, more_checks(part))
    subprocess.run([c.program, "replay", "--db", db, base, now], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    p = subprocess.run([c.program, "diagnose", "--db", db, "--baseline", "1600000000..1600000300", "--from", "1600000600", "--to",
                        "1600000900", "--format", "json"], stdout=subprocess.PIPE)
    answer = json.loads(p.stdout)
    assert answer["verdict"] == "no significant change", answer["suspects"][:2]


def write_metrics(path, begin, cause, bad):
    """Every half minute of five: a gauge, a counter and Envoy's overflow of a pool, of cart's pod and of two others."""
    points = {name: {} for name in ("cart", "ads", "front")}
    for i in range(10):
        at = (begin + i * 30_000) * 10**6
        for k, (service, metrics) in enumerate(points.items()):
            hit = bad and service == "cart"
            used = (0.93 if hit and cause == "CPU" else 0.2) + 0.01 * ((i + k) % 3)
            metrics.setdefault("process.cpu.utilization", []).append(otlp.number_json(used, at=at, pod=service + "-0"))
            metrics.setdefault("jvm.thread.count", []).append(otlp.number_json(9 if hit and cause == "CPU" else 1, at=at, pod=service + "-1"))
            metrics.setdefault("jvm.memory.used", []).append(otlp.number_json((900 if hit and cause == "memory" else 300) * 2**20 + i * 1000, at=at))
            metrics.setdefault("http.server.active_requests", []).append(otlp.number_json(90 if bad else 3, at=at))
            if bad and service == "front" and cause == "pool overflow":
                metrics.setdefault("cluster.upstream_rq_pending_overflow", []).append(
                    otlp.number_json(40 * (i + 1), at=at, cluster_name="outbound|9080||cart.shop.svc.cluster.local"))
    with open(path, "w") as out:
        for service, metrics in points.items():
            out.write(otlp.request_json("Metrics", [
                otlp.metric_json(name, otlp.SUM if "overflow" in name else otlp.GAUGE, values, "By" if "memory" in name else "1")
                for name, values in metrics.items()], service).decode() + "\n")


def scene_metrics_name_the_cause(c):
    """They add a sentence and at most a twentieth to who is suspect anyway; with nobody suspect they accuse nobody."""
    for seed, (fault, cause) in enumerate((("slow_cart", "CPU"), ("fail_cart", "memory"), ("slow_cart", "pool overflow"), ("none", "CPU"))):
        db, files = os.path.join(c.folder, "m%d.db" % seed), []
        for i, begin in enumerate((BEGIN, BEGIN + 600_000)):
            files += [os.path.join(c.folder, "%s%d.json" % (kind, i)) for kind in ("spans", "metrics")]
            write(files[-2], fault if i else "", 300 + 10 * seed + i, begin, 1200)
            write_metrics(files[-1], begin, cause, i == 1)
        answers = []
        for with_metrics in (False, True):
            subprocess.run([c.program, "replay", "--db", db] + (files[1::2] if with_metrics else files[::2]), check=True, stdout=subprocess.DEVNULL)
            p = subprocess.run([c.program, "diagnose", "--db", db, "--baseline", "1600000000..1600000300", "--from", "1600000600",
                                "--to", "1600000900", "--format", "json"], stdout=subprocess.PIPE)
            answers.append((p.returncode, json.loads(p.stdout)))
        (code, without), (code_with, answer) = answers
        said = {(s["node"]["service"], e["text"].split(":")[0]): e for s in answer["suspects"] for e in s["evidence"] if e["kind"] == "metric"}
        assert code == code_with and answer["verdict"] == without["verdict"], (fault, cause, answer)
        if fault == "none":
            assert code == 0 and not any(s["significant"] for s in answer["suspects"]), answer
            continue
        sister = [("cart", "threads")] if cause == "CPU" else []  # of another pod, and weaker
        assert list(said) == [("cart", cause)] + sister and said["cart", cause]["deviation"] > 3, (fault, cause, said)
        first, before = answer["suspects"][0], without["suspects"][0]
        assert first["node"]["service"] == before["node"]["service"] == "cart" and before["score"] < first["score"] <= before["score"] + 0.05, (first, before)
        if cause == "CPU":
            p = subprocess.run([c.program, "diagnose", "--db", db, "--baseline", "1600000000..1600000300", "--from", "1600000600", "--to", "1600000900",
                                "--level", "instance", "--format", "json"], stdout=subprocess.PIPE)
            alone = [(s["instance"], e["metric"]) for s in json.loads(p.stdout)["suspects"] for e in s["evidence"] if e["kind"] == "metric"]
            assert alone == [("cart-0", "process.cpu.utilization")], alone
        if cause == "pool overflow":
            assert said["cart", cause]["metric"] == "cluster.upstream_rq_pending_overflow", said


def without_clients(spans):
    return [(service, span) for service, span in servers_only(spans) if span["kind"] != 3]


def write_store_metrics(path, begin, busy):
    """Every half minute of five: CPU and disk of the ship, of its database and of another's; `busy`: whose rose."""
    with open(path, "w") as out:
        for k, service in enumerate(("ship", "ship-db", "cart-db")):
            cpu = [otlp.number_json((0.9 if service == busy else 0.1) + 0.01 * ((i + k) % 3), at=(begin + i * 30_000) * 10**6) for i in range(10)]
            out.write(otlp.request_json("Metrics", [otlp.metric_json("cpu", otlp.GAUGE, cpu)], service).decode() + "\n")


def scene_a_database_that_only_its_metrics_name(c):
    """The ship's own time grew. Its database sends no spans and no client tells of it: whose metrics say why decides between the two."""
    for seed, (busy, first) in enumerate((("ship-db", "ship-db"), ("ship", "ship"), ("cart-db", "ship"), ("", "ship"))):
        db, files = os.path.join(c.folder, "store%d.db" % seed), []
        for i, begin in enumerate((BEGIN, BEGIN + 600_000)):
            files += [os.path.join(c.folder, "%s%d.json" % (kind, i)) for kind in ("spans", "metrics")]
            write(files[-2], "slow_pg" if i else "", 700 + 10 * seed + i, begin, 1200, without_clients)
            write_store_metrics(files[-1], begin, busy if i else "")
        subprocess.run([c.program, "replay", "--db", db, *files], check=True, stdout=subprocess.DEVNULL)
        p = subprocess.run([c.program, "diagnose", "--db", db, "--baseline", "1600000000..1600000300", "--from", "1600000600", "--to", "1600000900",
                            "--format", "json"], stdout=subprocess.PIPE)
        suspects = json.loads(p.stdout)["suspects"]
        assert p.returncode == 1 and suspects[0]["node"]["service"] == first, (busy, suspects)
        if busy == "ship-db":
            assert suspects[1]["node"]["service"] == "ship" and suspects[0]["effects"][-1]["service"] == "ship", suspects
            assert [e["kind"] for e in suspects[0]["evidence"]] == ["gap", "metric"] and suspects[0]["score"] <= suspects[1]["score"] + 0.1, suspects


def scene_no_fault_is_no_significant_change(c):
    for seed in (3, 5, 7):
        answer = diagnosed(c, "none%d" % seed, seed=seed, code=0)
        assert answer["verdict"] == "no significant change" and not any(s["significant"] for s in answer["suspects"])


def scene_the_order_of_spans_tells_nothing(c):
    """Behind one client's span two services, as where one between them hands the context on and sends nothing: the same requests, told from the other end."""
    files = []
    for time in range(2):
        spans = []
        for n in range(200):
            trace, at = "%032x" % (0x0dde << 32 | time << 16 | n), BEGIN + time * 600_000 + n * 1400
            one = [otlp_span(trace, "%016x" % i, parent, service, name, kind, at + begin, ms) for i, parent, service, name, kind, begin, ms in (
                (1, "", "a", "GET /a", 2, 0, 20), (2, "%016x" % 1, "a", "GET", 3, 1, 18), (3, "%016x" % 2, "b", "GET /b", 2, 2, 4), (4, "%016x" % 2, "c", "GET /c", 2, 8, 10))]
            spans += one[::-1] if time else one
        files.append(os.path.join(c.folder, "order-%d.json" % time))
        write_spans(files[-1], spans[::-1] if time else spans)
    answer = asked(c, os.path.join(c.folder, "order.db"), *files, code=0)
    assert answer["verdict"] == "no significant change" and not answer["suspects"], answer["suspects"]


def scene_too_little_data_is_said(c):
    answer = diagnosed(c, "slow_cart", code=4, now_requests=12)
    assert answer["verdict"] == "not enough data" and answer["need"] == {"requests": 18} and answer["suspects"] == []


def scene_the_option_that_is_wrong_is_named_alone(c):
    good = {"--from": "10", "--to": "20", "--level": "service", "--limit": "3", "--baseline": "1..5"}
    for name, value, said in (("--from", "30", "--from is after --to"), ("--from", "x", "--from is a time"), ("--to", "x", "--to is a time"), ("--limit", "0", "--limit is 1 to 1000"),
                              ("--level", "pod", "--level is service, version, instance or operation"), ("--baseline", "5..1", "--baseline is FROM..TO")):
        p = subprocess.run([c.program, "diagnose", "--db", "x", *sum({**good, name: value}.items(), ())], capture_output=True, text=True)
        assert p.returncode == 2 and p.stderr.startswith("faultline diagnose: " + said) and len(p.stderr.splitlines()) == 1, (name, value, p.stderr)
    for command in (["graph"], ["traces"], ["export", "out.db"]):
        for name, value, said in (("--from", "30", "--from is after --to"), ("--from", "x", "--from is a time"), ("--to", "x", "--to is a time")):
            p = subprocess.run([c.program, *command, "--db", "x", *sum({"--from": "10", "--to": "20", name: value}.items(), ())], capture_output=True, text=True)
            assert p.returncode == 2 and p.stderr.startswith("faultline %s: %s" % (command[0], said)), (command, name, value, p.stderr)
    time = " is a time (15m, 2026-11-23T10:00:00Z)"
    for text, said in (("traces --status bad --limit 0 --from x --to y --format q --min-duration z --attr a", ["--format is text, json, otlp, jaeger or zipkin", "--to" + time, "--from" + time, "--limit is 1 to 1000",
                                                                                                       "--min-duration is a duration: 250ms", "--status is ok or error", "--attr is key=value"]),
                       ("graph --from x --to y --format q --level l --layer m", ["--format is table, dot, mermaid or json", "--level is service or version", "--layer is logical or physical", "--to" + time, "--from" + time]),
                       ("diagnose --from x --to y --level l --limit 0 --format q --baseline b", ["--to" + time, "--from" + time, "--baseline is FROM..TO, from before to", "--format is text or json",
                                                                                                 "--level is service, version, instance or operation", "--limit is 1 to 1000"]),
                       ("compare --from x --format q --baseline a --candidate a", ["--from" + time, "--format is text or json", "--baseline and --candidate are the same version",
                                                                                   "--service NAME, with --baseline and --candidate: two of its versions"])):
        p = subprocess.run([c.program, *text.split(), "--db", "x"], capture_output=True, text=True)  # all of them at once
        assert p.returncode == 2 and p.stderr.splitlines() == ["faultline %s: %s" % (text.split()[0], one) for one in said], p


def scene_levels_and_the_api_say_the_same(c):
    assert diagnosed(c, "slow_cart", level="version")["suspects"][0]["node"]["version"] == "v1"
    assert diagnosed(c, "slow_cart", level="instance")["suspects"][0]["instance"] == "cart-0"
    assert diagnosed(c, "slow_cart", level="operation")["suspects"][0]["operation"] == "GET /cart"
    by_command = diagnosed(c, "slow_cart")
    c.db = os.path.join(c.folder, "slow_cartservice.db")
    c.start(store__path=c.db)
    query = "diagnose?from=1600000600&to=1600000900&baseline=1600000000..1600000300"
    assert c.api(query) == by_command
    for bad in ("level=pod", "limit=0", "baseline=x", "baseline=5..2", "from=now&to=1h"):
        status, text, _ = c.get("/api/v1/diagnose?" + bad)
        assert status == 400 and json.loads(text)["error"]["code"] == "invalid", (bad, status, text)


def scene_the_attribute_that_the_bad_ones_have_is_named(c):
    """cart fails, or is slow, for one tenant of four and in one zone of three; nobody else is. A proxy knows what was asked for by its URL."""
    for how in ("fails", "slow", "fails by url"):
        key, value = ("http.url", "http://cart:80/get?for=%s") if "url" in how else ("tenant", "%s")
        r, db = random.Random(how), os.path.join(c.folder, how + ".db")
        paths = []
        for begin, bad in ((BEGIN, False), (BEGIN + 600_000, True)):
            by_zone = {}
            for i in range(1200):
                trace, root, call, inner = "%032x" % r.getrandbits(127), *("%016x" % r.getrandbits(63) for _ in range(3))
                at, zone, tenant = begin + i * 250, r.choice("abc"), r.choice(("acme", "bolt", "corp", "dyne"))
                hit = bad and tenant == "acme" and zone == "b"
                own, status = r.lognormvariate(1, .3) * (20 if hit and how == "slow" else 1), 2 if hit and how != "slow" else 0
                spans = by_zone.setdefault(zone, [])
                spans.append(otlp_span(trace, inner, call, "cart", "get", 2, at + 1, own, status, **{key.replace(".", "__"): value % tenant}, colour=r.choice("rgb"),
                                       # what a sender does not know tells nothing, nor what the answer was
                                       tls=" " if hit else "v1.3", response_size="0" if hit or r.random() < .02 else "1841"))
                spans.append(otlp_span(trace, call, root, "front", "call", 3, at + .5, own + 1, status))
                spans.append(otlp_span(trace, root, "", "front", "GET /", 2, at, own + 3, status))
            paths.append(os.path.join(c.folder, "%s-%d.json" % (how, begin)))
            with open(paths[-1], "w") as out:
                json.dump({"resourceSpans": [
                    {"resource": {"attributes": [{"key": k, "value": {"stringValue": v}} for k, v in
                                                 (("service.name", service), ("cloud.availability_zone", "zone-" + zone))]},
                     "scopeSpans": [{"spans": [s for name, s in spans if name == service]}]}
                    for zone, spans in by_zone.items() for service in ("front", "cart")]}, out)
        subprocess.run([c.program, "replay", "--db", db] + paths, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        p = subprocess.run([c.program, "diagnose", "--db", db, "--baseline", "1600000000..1600000300", "--from", "1600000600", "--to",
                            "1600000900", "--format", "json"], stdout=subprocess.PIPE)
        first = json.loads(p.stdout)["suspects"][0]
        assert first["node"]["service"] == "cart", first
        found = {(n["dimension"], n["name"]): n["value"] for n in first["narrowed"]}
        assert found[("attribute", key)] == value % "acme" and found[("zone", "cloud.availability_zone")] == "zone-b", (how, first["narrowed"])
        assert not {("attribute", k) for k in ("colour", "tls", "response_size")} & set(found), first["narrowed"]
        assert all(n["share"] >= .8 and (n["effect"] >= 2 or n["effect"] == 0) for n in first["narrowed"]), first["narrowed"]


def scene_counters_of_many_minutes_at_once_are_all_kept(c):
    """A thousand minutes, a trace of sixty operations in each: more counters than a turn or a commit holds."""
    path, r = os.path.join(c.folder, "days.jsonl"), random.Random(4)
    with open(path, "w") as out:
        for part in range(20):
            spans = []
            for minute in range(part, 1000, 20):
                trace, root, at = "%032x" % r.getrandbits(127), "%016x" % r.getrandbits(63), BEGIN + minute * 60_000
                spans.append(otlp_span(trace, root, "", "front", "GET /", 2, at, 100, 0))
                spans += [otlp_span(trace, "%016x" % r.getrandbits(63), root, "back", "step %s" % (chr(97 + i // 8) * (1 + i % 8)), 2, at + i, 1, 0)
                          for i in range(60)]
            out.write(otlp_body(spans).decode() + "\n")
    subprocess.run([c.program, "replay", "--db", c.db, path, "--set", "localise.enabled=false", "--set", "store.commit_interval=60s"], check=True, stdout=subprocess.DEVNULL)
    counted = dict(c.sql("SELECT k.channel, sum(t.n) FROM tally_row t JOIN tally_key k ON k.id = t.tally GROUP BY 1"))
    assert counted[0] == 1000 and counted[1] == counted[2] == counted[4] == counted[5] == 1000 * 61, counted


def scene_what_opened_an_incident_is_significant_in_a_wide_window(c):
    """One request in twenty of an entry that is one of many fails: below a hundredth of all, yet the incident of it stands."""
    spans, db = os.path.join(c.folder, "spans"), os.path.join(c.folder, "db")
    subprocess.run([c.program, "simulate", "--mesh", "shop", "--fault", "bad-canary", "--for", "20m", "--at", "750s", "--seed", "3", "--rate", "20", "--speed", "fast",
                    "--from", "2026-11-28T10:00:00Z", "--out", spans], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run([c.program, "replay", "--db", db, spans], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    p = subprocess.run([c.program, "diagnose", "--db", db, "--from", "2026-11-28T10:10:00Z", "--to", "2026-11-28T10:20:00Z",
                        "--baseline", "2026-11-28T10:00:00Z..2026-11-28T10:10:00Z", "--format", "json"], capture_output=True, text=True)
    answer = json.loads(p.stdout)
    first = answer["suspects"][0]
    assert p.returncode == 1 and answer["verdict"] == "incident" and answer["incident"] == "1", answer
    assert first["significant"] and first["node"]["service"] == "cart" and first["score"] < 0.02, first


def replayed(c, name, traces, begin, middle, end):
    """What diagnose says of these traces, those before `middle` being normal."""
    from stitching import otlp as written
    path, db = os.path.join(c.folder, name + ".json"), os.path.join(c.folder, name + ".db")
    with open(path, "wb") as out:
        out.write(b"\n".join(written(t.spans) for t in traces))
    subprocess.run([c.program, "replay", "--db", db, path], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    p = subprocess.run([c.program, "diagnose", "--db", db, "--baseline", "%d..%d" % (begin, middle), "--from", str(middle), "--to", str(end), "--format", "json"],
                       capture_output=True, text=True)
    assert p.returncode == 1, (p.stdout, p.stderr)
    return json.loads(p.stdout)["suspects"][0]


def scene_an_instance_whose_failures_are_made_good_is_told(c):
    """The application of one of two pods is dead: its sidecar says UF, and the second attempt goes to the other pod."""
    from stitching import BASE_US, INBOUND, Trace, out
    begin = BASE_US // 10**6 // 60 * 60 + 60
    pods, traces = ("b-one", "b-two"), []
    for n in range(600):
        at, dead = (begin - BASE_US / 1e6) * 1000 + n * 400, n >= 300 and n % 2
        t = Trace(n)
        a = t.proxy("a", "server", at, 60, None, upstream=INBOUND, path="/a")

        def ask(start, pod, code):
            pod = {"node_id": "sidecar~10.1.0.%d~%s.default~default.svc.cluster.local" % (5 + pods.index(pod), pod)}
            flags = "UF" if code == 503 else "-"
            o = t.proxy("a", "client", start, 12, a, upstream=out("b"), host="b", path="/b", code=code, flags="-" if code == 200 else "URX")
            t.proxy("b", "server", start + 1, 10, o, upstream=INBOUND, path="/b", code=code, flags=flags, attrs=pod)
        if dead:
            ask(at + 2, pods[0], 503)
        ask(at + 20, pods[1] if dead or n % 2 == 0 else pods[0], 200)
        traces.append(t)
    first = replayed(c, "pods", traces, begin, begin + 120, begin + 240)
    assert first["node"]["service"] == "b" and ("instance", "b-one") in [(x["dimension"], x["value"]) for x in first["narrowed"]], first
    assert not any("not one instance" in text for text in first["not"]), first["not"]


def scene_an_attribute_of_calls_further_down_narrows_nobody(c):
    """b is slow for some requests, for which it also asks c for another path: what it asked for is no word on b. A tenant on its own spans is."""
    from stitching import BASE_US, Trace
    begin = BASE_US // 10**6 // 60 * 60 + 60
    for known in (True, False):
        traces = []
        for n in range(600):
            at, big = (begin - BASE_US / 1e6) * 1000 + n * 400, n % 3 == 0
            slow = 90 if big and n >= 300 else 0
            path = {"url__path": "/c/big" if big else "/c/%d" % (n % 7)}
            t = Trace(n)
            a = t.server("a", at, 30 + n % 5 + slow, name="GET /a")
            k = t.client("a", at + 1, 27 + n % 5 + slow, a, name="GET b")
            b = t.server("b", at + 2, 25 + n % 5 + slow, k, name="GET /b", attrs={"tenant": "big" if big else "small%d" % (n % 7)} if known else {})
            k = t.client("b", at + 3 + slow, 10, b, name="GET c", attrs=path)
            t.server("c", at + 4 + slow, 8, k, name="GET /c", attrs=path)
            traces.append(t)
        first = replayed(c, "tenants%d" % known, traces, begin, begin + 120, begin + 240)
        assert first["node"]["service"] == "b", first
        told = [(x["name"], x["value"]) for x in first["narrowed"] if x["dimension"] == "attribute"]
        assert told == ([("tenant", "big")] if known else []), (known, told)


def scene_the_examples_show_the_failure_that_is_told(c):
    """cart's v2 fails at its cache. Now and then cart fails by itself, as always, and did so last of all, as v1 did at the cache: that is no example."""
    from stitching import BASE_US, Trace
    begin = BASE_US // 10**6 // 60 * 60 + 60
    traces, told = [], set()
    for n in range(600):
        at, new = (begin - BASE_US / 1e6) * 1000 + n * 400, n >= 300 and n % 4 == 0
        own = n % 60 == 7 or n > 595 and n % 4 > 1
        cart = "cart@v2" if new else "cart@v1"
        old = n > 592 and n % 4 == 1
        t, bad = Trace(n), 2 if own or new or old else 0
        a = t.server("front", at, 30, name="GET /cart", status=bad)
        b = t.server(cart, at + 2, 20, t.client("front", at + 1, 24, a, name="GET", status=bad), name="GET /cart", status=bad)
        t.client(cart, at + 3, 2, b, name="HGETALL", status=2 if new or old else 0, attrs={"db.system": "redis", "server.address": "redis"})
        if new:
            told.add(t.id)
        traces.append(t)
    first = replayed(c, "told", traces, begin, begin + 120, begin + 240)
    assert first["node"]["service"] == "cart" and ("version", "v2") in [(x["dimension"], x["value"]) for x in first["narrowed"]], first
    assert len(first["examples"]) == 3 and set(first["examples"]) <= told and first["contrast"] not in told, first
    window = ["--baseline", "%d..%d" % (begin, begin + 120), "--from", str(begin + 120), "--to", str(begin + 240), "--format", "json"]
    p = subprocess.run([c.program, "diagnose", "--db", os.path.join(c.folder, "told.db"), "--level", "version", *window], stdout=subprocess.PIPE)
    first = next(x for x in json.loads(p.stdout)["suspects"] if x["node"]["version"] == "v2")
    assert len(first["examples"]) == 3 and set(first["examples"]) <= told, first
