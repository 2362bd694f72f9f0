"""A mesh's own series without a single span, every 15 s: Istio's request totals and durations, Envoy's statistics of clusters."""
import json
import os
import random
import sqlite3
import subprocess
import time

import otlp
from lib import wait_for

BEGIN, MINUTES, STEP = 1_600_000_020, 20, 15
FAULT_AT = 15  # minute
# who calls whom, how often a visit, and what a visit takes itself, ms
CALLS = {"istio-ingressgateway": [("front", 1.0)], "front": [("cart", 0.6), ("ads", 0.8), ("checkout", 0.2)], "cart": [("store", 2.0)],
         "checkout": [("cart", 1.0), ("pay", 1.0)], "ads": [], "store": [], "pay": []}
OWN = {"front": 5, "cart": 4, "ads": 9, "checkout": 6, "store": 2, "pay": 30}


class Mesh:
    """Counters of every proxy; a fault is SLOW_x, FAIL_x (its application answers 500) or REFUSED_x (its callers reach nobody)."""

    def __init__(self, seed, fault):
        self.random, (self.how, self.who) = random.Random(seed), fault.split("_")
        self.totals, self.times, self.points, self.rests = {}, {}, {}, []

    def visit(self, service, bad):
        """Time and whether it failed, of one request to it."""
        ms = self.random.lognormvariate(0, 0.3) * OWN[service] * (12 if bad and self.how == "slow" and service == self.who else 1)
        failed = bad and self.how == "fail" and service == self.who and self.random.random() < 0.4
        for callee, often in CALLS[service]:
            for _ in range(int(often) + (self.random.random() < often % 1)):
                if not failed:
                    took, failed = self.call(service, callee, bad)
                    ms += took
        return ms, failed

    def call(self, caller, callee, bad):
        refused = bad and self.how == "refused" and callee == self.who and self.random.random() < 0.5
        took, failed = (0.4, True) if refused else self.visit(callee, bad)
        code, flags = ("503", "UF") if refused else ("500", "-") if failed else ("200", "-")
        for reporter in ("source",) if refused else ("source", "destination"):
            to = "unknown" if refused else callee
            labels = (reporter, caller, to, callee, code, flags)
            self.totals[labels] = self.totals.get(labels, 0) + 1
            n, ms = self.times.get(labels, (0, 0.0))
            self.times[labels] = n + 1, ms + took + (0.5 if reporter == "source" else 0)
        return took + 0.5, failed

    def scrape(self, at):
        def labels_of(key):
            reporter, caller, workload, name, code, flags = key
            return {"reporter": reporter, "source_canonical_service": caller, "source_workload_namespace": "shop", "source_version": "v1",
                    "destination_canonical_service": workload, "destination_service_name": name, "destination_service_namespace": "shop",
                    "destination_version": "unknown" if workload == "unknown" else "v1", "response_code": code, "response_flags": flags, "request_protocol": "http"}
        for key, n in self.totals.items():
            self.points.setdefault("istio_requests_total", []).append((labels_of(key), n, at))
        for key, (n, ms) in self.times.items():
            self.points.setdefault("istio_request_duration_milliseconds", []).append((labels_of(key), (n, ms), at))

    def run(self, rate, begin=BEGIN, seconds=MINUTES * 60, fault_at=FAULT_AT * 60):
        for step in range(int(seconds) // STEP):
            for _ in range(int(rate * STEP)):
                self.call("istio-ingressgateway", "front", step * STEP >= fault_at)
            self.scrape(int((begin + (step + 1) * STEP) * 10**9))

    def run_unseen(self, rate):
        """Of minutes 5 to 14, the bad ones, nobody looks at any."""
        self.run(rate, BEGIN, 5 * 60, 10**9)
        seen = {name: list(points) for name, points in self.points.items()}
        self.run(rate, BEGIN + 5 * 60, 9 * 60, 0)
        self.points = seen
        self.run(rate, BEGIN + 14 * 60, 6 * 60, 10**9)

    def rest(self, at):
        """A scrape that failed: of every counter is said that nothing was recorded."""
        self.rests += [(labels, at) for labels in {json.dumps(labels): labels for labels, _, _ in self.points["istio_requests_total"]}.values()]

    def as_otlp(self):
        """As the OpenTelemetry Collector's Prometheus receiver has it: a sum and a histogram."""
        totals = [otlp.number_json(n, at=at, **labels) for labels, n, at in self.points["istio_requests_total"]]
        totals += [otlp.number_json(0, at=at, flags=1, **labels) for labels, at in self.rests]
        times = [otlp.histogram_json([n, 0], [1e6], ms, at=at, **labels) for labels, (n, ms), at in self.points["istio_request_duration_milliseconds"]]
        return otlp.request_json("Metrics", [otlp.metric_json("istio_requests_total", otlp.SUM, totals),
                                             otlp.metric_json("istio_request_duration_milliseconds", otlp.HISTOGRAM, times)], "istio-proxies")

    def as_samples(self):
        """As plain samples, whose kind nobody says: what remote write has without metadata."""
        rows = {"istio_requests_total": [], "istio_request_duration_milliseconds_sum": [], "istio_request_duration_milliseconds_count": []}
        for labels, n, at in self.points["istio_requests_total"]:
            rows["istio_requests_total"].append(otlp.number_json(float(n), at=at, **labels))
        for labels, (n, ms), at in self.points["istio_request_duration_milliseconds"]:
            rows["istio_request_duration_milliseconds_sum"].append(otlp.number_json(ms, at=at, **labels))
            rows["istio_request_duration_milliseconds_count"].append(otlp.number_json(float(n), at=at, **labels))
        return otlp.request_json("Metrics", [otlp.metric_json(name, otlp.GAUGE, points) for name, points in rows.items()], "istio-proxies")


    def send(self, c):
        status, text, _ = c.request(c.otlp, "POST", "/v1/metrics", self.as_otlp(), {"Content-Type": "application/json"})
        assert status == 200, text
        self.points = {}
        c.flush()


class Envoys(Mesh):
    """The same mesh by its Envoys' own counters; no gateway stands before it: who calls front is not known."""

    def __init__(self, seed, fault):
        super().__init__(seed, fault)
        self.before, self.istio_too = {}, ()

    def call(self, caller, callee, bad):
        refused = bad and self.how == "refused" and callee == self.who and self.random.random() < 0.5
        took, failed = (0.4, True) if refused else self.visit(callee, bad)
        ends = [] if caller == "istio-ingressgateway" else [(caller, "outbound|80||%s.shop.svc.cluster.local" % callee, took + 0.5)]
        for proxy, cluster, ms in ends + ([] if refused else [(callee, "inbound|80||", took)]):
            code = "503" if refused else "500" if failed else "200"
            self.totals[proxy, cluster, code] = self.totals.get((proxy, cluster, code), 0) + 1
            if not refused:
                n, sum_ms = self.times.get((proxy, cluster), (0, 0.0))
                self.times[proxy, cluster] = n + 1, sum_ms + ms
        return took + 0.5, failed

    def scrape(self, at):
        for name, values in (("rq", self.totals), ("time", self.times)):
            for key, value in values.items():
                self.points.setdefault(key[0], []).append((name, key[1:], value, at))
        self.points.setdefault("cart", []).append(("rq", ("zipkin_or_so", "200"), at // 10**7 % 10**9, at))

    def less_before(self, proxy, name, key, value):
        was = self.before.get((proxy, name, key), (0, 0.0) if name == "time" else 0)
        self.before[proxy, name, key] = value
        return tuple(a - b for a, b in zip(value, was)) if name == "time" else value - was

    def by_sink(self, delta, torn, named=True):
        """One message of each Envoy, each at its own time; its own names, whole or torn apart."""
        messages = []
        for i, (proxy, points) in enumerate(sorted(self.points.items())):
            metrics = []
            for name, (cluster, *code), value, at in points:
                at -= i * 10**6
                value = self.less_before(proxy, name, (cluster, *code), value) if delta else value
                first, _, rest = cluster.partition(".") if torn else (cluster, "", "")
                attributes = {"envoy.cluster_name": first, **({"envoy.response_code": code[0]} if code else {})}
                for variant in ("", "external."):
                    front = "cluster." + (rest + "." if rest else "") + variant
                    point = (otlp.histogram_json([value[0], 0], [1e6], value[1], at=at, **attributes) if name == "time"
                             else otlp.number_json(value, at=at, **attributes))
                    metrics.append(otlp.metric_json(front + ("upstream_rq_time" if name == "time" else "upstream_rq"),
                                                    otlp.HISTOGRAM if name == "time" else otlp.SUM, [point], temporality=1 if delta else 2))
            messages.append(json.loads(otlp.request_json("Metrics", metrics, proxy))["resourceMetrics"][0])
            if not named:
                messages[-1]["resource"]["attributes"] = otlp.attributes_json({"telemetry.sdk.name": "envoy"})
        return json.dumps({"resourceMetrics": messages}).encode()

    def as_sink(self):
        return self.by_sink(False, True)

    def as_differences(self):
        return self.by_sink(True, False)

    def as_nameless(self):
        """As Envoy's sink has them unless it is told more: nobody says whose they are, and those of all lie in one another."""
        return self.by_sink(False, True, False)

    def as_nameless_differences(self):
        return self.by_sink(True, True, False)

    def as_scrapes(self):
        """As Prometheus has them: the pod's labels say whose they are. Calls of `istio_too` are told by Istio's series as well."""
        rows = {}
        for proxy, points in self.points.items():
            for name, (cluster, *code), value, at in points:
                labels = {"app": proxy, "namespace": "shop", "version": "v1", "cluster_name": cluster, **({"response_code": code[0]} if code else {})}
                for end, number in (("_time_sum", value[1]), ("_time_count", value[0])) if name == "time" else (("", value),):
                    rows.setdefault("envoy_cluster_upstream_rq" + end, []).append(otlp.number_json(float(number), at=at, **labels))
                if proxy in self.istio_too and name == "rq" and cluster.startswith("outbound"):
                    rows.setdefault("istio_requests_total", []).append(otlp.number_json(float(value), at=at, **{
                        "reporter": "source", "source_canonical_service": proxy, "source_workload_namespace": "shop", "response_code": code[0],
                        "destination_canonical_service": cluster[13:].partition(".")[0], "destination_workload_namespace": "shop"}))
        return otlp.request_json("Metrics", [otlp.metric_json(name, otlp.GAUGE, points) for name, points in rows.items()], "kubernetes-pods")


def diagnosed(c, fault, seed, code, spelling="as_otlp", rate=4, level="service", rests_at=(), kind=Mesh, istio_too=(), cut=False):
    mesh = kind(seed, fault)
    mesh.istio_too = istio_too
    if cut:
        mesh.run_unseen(rate)
    else:
        mesh.run(rate)
    for second in rests_at:
        mesh.rest(int((BEGIN + second) * 10**9))
    path, db = os.path.join(c.folder, fault + ".json"), os.path.join(c.folder, fault + spelling + ".db")
    with open(path, "wb") as out:
        out.write(getattr(mesh, spelling)())
    subprocess.run([c.program, "replay", "--db", db, path], check=True, stdout=subprocess.DEVNULL)
    p = subprocess.run([c.program, "diagnose", "--db", db, "--from", str(BEGIN + FAULT_AT * 60), "--to", str(BEGIN + MINUTES * 60), "--level", level,
                        "--baseline", "%d..%d" % (BEGIN, BEGIN + FAULT_AT * 60), "--format", "json"], stdout=subprocess.PIPE)
    answer = json.loads(p.stdout)
    assert p.returncode == code, (fault, p.returncode, answer)
    return answer


def scene_series_alone_rank_the_services(c):
    faults = [("slow_store", "as_otlp"), ("slow_cart", "as_samples"), ("slow_pay", "as_otlp"), ("fail_store", "as_samples"), ("fail_cart", "as_otlp"),
              ("fail_ads", "as_otlp"), ("refused_cart", "as_otlp"), ("refused_pay", "as_samples")]
    for seed, (fault, spelling) in enumerate(faults):
        how, who = fault.split("_")
        answer = diagnosed(c, fault, seed, 1, spelling)
        suspects = answer["suspects"]
        said = [(s["node"]["service"], round(s["score"], 3), s["significant"]) for s in suspects]
        first = suspects[0]
        assert answer["verdict"] == "incident" and first["node"]["service"] == who and first["significant"], (fault, said)
        evidence = first["evidence"][0]
        assert evidence["kind"] == ("self_time" if how == "slow" else "errors") and evidence["deviation"] > 3, (fault, evidence)
        assert how != "refused" or "503 UF" in first["reason"], first
        assert first["effects"] and first["effects"][-1]["service"] in ("front", "cart", "checkout"), first["effects"]
        requests = answer["requests"]
        assert 3300 <= requests["baseline"]["n"] <= 3600 and requests["now"]["n"] == 1200, requests
        assert requests["now"]["mean_ns"] > 5e6 and requests["now"]["p95_ns"] is None, requests
        opened = sqlite3.connect(os.path.join(c.folder, fault + spelling + ".db")).execute(
            "SELECT service, i.symptom, (opened_ns - onset_ns) / 60000000000, (onset_ns / 1000000000 - ?) / 60 FROM incident i JOIN suspect s ON s.incident_id = i.id "
            "WHERE s.rank = 1", (BEGIN,)).fetchall()
        assert opened == [(who, "latency" if how == "slow" else "errors", opened[0][2], opened[0][3])] and 1 <= opened[0][2] <= 3 and 14 <= opened[0][3] <= 16, (fault, opened)
        assert answer["incident"] == "1" and answer["onset"][:16] in ("2020-09-13T12:42", "2020-09-13T12:43"), answer["onset"]
    assert diagnosed(c, "fail_cart", 4, 1, level="version")["suspects"][0]["node"]["version"] == "v1"


def scene_series_without_a_fault_and_with_few_calls(c):
    for seed in (11, 12, 13):
        # A counter that rests goes on from where it was: nothing is counted again.
        answer = diagnosed(c, "none_%d" % seed, seed, 0, rests_at=(400, 1040) if seed == 13 else ())
        assert 3300 <= answer["requests"]["baseline"]["n"] <= 3600 and answer["requests"]["now"]["n"] == 1200, answer["requests"]
        assert answer["incident"] is None and answer["verdict"] == "no significant change" and not any(s["significant"] for s in answer["suspects"]), answer["suspects"][:2]
    # What grew while nobody looked is of no minute that is asked for, nor what began then.
    for kind, spelling in ((Mesh, "as_otlp"), (Mesh, "as_samples"), (Envoys, "as_sink"), (Envoys, "as_scrapes")):
        answer = diagnosed(c, "fail_store", 15, 0, spelling, kind=kind, cut=True)
        assert answer["verdict"] == "no significant change" and 1300 <= answer["requests"]["baseline"]["n"] <= 1440 and answer["requests"]["now"]["n"] == 1200, answer
    answer = diagnosed(c, "fail_pay", 14, 4, rate=0.08)
    assert answer["verdict"] == "not enough data" and answer["need"]["requests"] > 0, answer


def scene_envoys_alone_rank_the_services(c):
    faults = [("slow_store", "as_sink"), ("slow_cart", "as_scrapes"), ("fail_store", "as_scrapes"), ("fail_cart", "as_sink"), ("fail_ads", "as_differences"),
              ("refused_pay", "as_differences"), ("refused_cart", "as_scrapes"), ("slow_front", "as_sink"), ("fail_front", "as_differences")]
    for seed, (fault, spelling) in enumerate(faults):
        how, who = fault.split("_")
        answer = diagnosed(c, fault, seed, 1, spelling, kind=Envoys)
        said = [(s["node"]["service"], round(s["score"], 3), s["significant"]) for s in answer["suspects"]]
        first = answer["suspects"][0]
        assert answer["verdict"] == "incident" and first["node"]["service"] == who and first["significant"], (fault, said)
        assert first["node"]["namespace"] == ("shop" if spelling == "as_scrapes" or who != "front" else ""), (fault, first["node"])
        evidence = first["evidence"][0]
        assert evidence["kind"] == ("self_time" if how == "slow" else "errors") and evidence["metric"].startswith("envoy_cluster_upstream_rq"), (fault, evidence)
        assert how == "slow" or "most with %s" % ("503" if how == "refused" else "500") in first["reason"], first
        assert who == "front" or first["effects"][-1]["service"] in ("front", "cart", "checkout"), first["effects"]
        # Each request once: no variants of a name, no inbound call of whom others tell, nothing of the mesh's machinery.
        requests = answer["requests"]
        assert 3300 <= requests["baseline"]["n"] <= 3600 and 1150 <= requests["now"]["n"] <= 1200, (fault, requests)
        assert answer["incident"] == "1", answer["incident"]
    # A cluster names no version: of a service that has one, it is that.
    first = diagnosed(c, "fail_store", 20, 1, "as_scrapes", level="version", kind=Envoys)["suspects"][0]
    assert (first["node"]["service"], first["node"]["version"], [e["service"] for e in first["effects"]]) == ("store", "v1", ["front", "cart"]), first


def scene_envoys_without_a_fault_and_beside_istio(c):
    for seed, spelling in ((11, "as_sink"), (12, "as_differences"), (13, "as_scrapes")):
        answer = diagnosed(c, "none_%d" % seed, seed, 0, spelling, kind=Envoys)
        assert answer["verdict"] == "no significant change" and answer["incident"] is None, (spelling, answer["suspects"][:2])
    # What Istio tells of a caller is not counted again; the others are known by their Envoys.
    for istio_too in (("cart",), tuple(CALLS)):
        answer = diagnosed(c, "fail_store", 14, 1, "as_scrapes", kind=Envoys, istio_too=istio_too)
        first, normal = answer["suspects"][0], answer["requests"]["baseline"]["n"]
        assert first["node"]["service"] == "store" and first["evidence"][0]["metric"] == "istio_requests_total", first
    assert 3300 <= normal <= 3600, answer["requests"]


def scene_envoys_without_names(c):
    """What the callers saw of a service is told as such; who called, and so what is an entry, is not known."""
    for seed, (fault, spelling) in enumerate((("fail_store", "as_nameless"), ("slow_pay", "as_nameless"), ("fail_pay", "as_nameless_differences"),
                                              ("slow_cart", "as_nameless_differences"))):
        answer = diagnosed(c, fault, seed, 1, spelling, kind=Envoys)
        first = answer["suspects"][0]
        # Who fails each time because one callee does cannot be told from it.
        names = [s["node"]["service"] for s in answer["suspects"][:2 if fault[:4] == "fail" else 1]]
        assert fault[5:] in names and first["significant"] and first["effects"] == [] and "its own" not in first["reason"], (fault, answer["suspects"])
        assert answer["incident"] is None, answer["incident"]
        db = sqlite3.connect(os.path.join(c.folder, fault + spelling + ".db"))
        assert db.execute("SELECT count(*) FROM edge_minute").fetchone() == (0,)
    # cart is called by two, whose counters are one series: it falls and rises all the time, and tells nothing. Differences add up.
    calls = []
    for spelling in ("as_nameless", "as_nameless_differences"):
        answer = diagnosed(c, "none_0", 30, 0, spelling, kind=Envoys)
        assert answer["verdict"] == "no significant change" and not any(s["significant"] for s in answer["suspects"]), (spelling, answer["suspects"])
        assert spelling != "as_nameless" or "cart" not in {s["node"]["service"] for s in answer["suspects"]}, answer["suspects"]
        calls.append(answer["requests"]["now"]["n"])
    # Of 1200 requests, 0.8 call cart; of all calls beneath front these are the difference.
    assert 850 <= calls[1] - calls[0] <= 1070, calls


def scene_series_alone_open_an_incident_and_close_it(c):
    """Twelve minutes of a mesh, the last two bad; a kill; then five calm ones, for which the file is made five minutes older."""
    c.start(localise__close_after="1s")
    mesh = Mesh(21, "fail_cart")
    mesh.run(4, time.time() - 12 * 60, 12 * 60, 10 * 60)
    mesh.send(c)
    item = wait_for(lambda: c.api("incidents?state=open")["items"], 15, "an incident")[0]
    first = item["suspects"][0]
    assert item["entry"]["node"]["service"] == "istio-ingressgateway" and item["symptom"] == "errors" and 0.1 < item["failed_share"] < 0.5, item
    assert first["node"]["service"] == "cart" and first["significant"] and first["examples"] == [] and "It began in cart" in item["summary"], item
    assert 40 <= item["affected_calls"] <= 250 and c.api("incidents/1")["suspects"][0]["evidence"][0]["kind"] == "errors", item
    onset = c.sql("SELECT onset_ns FROM incident")[0][0] / 1e9
    assert time.time() - 200 <= onset <= time.time() - 50, onset - time.time()
    assert c.counter("faultline_incident_active", incident="1", entry_service="istio-ingressgateway") == 1
    c.kill()
    db = sqlite3.connect(c.db)
    db.execute("UPDATE metric_point_row SET at_ns = at_ns - 300000000000")
    db.execute("UPDATE metric_series_row SET last_ns = last_ns - 300000000000 WHERE last_ns > 0")
    db.execute("UPDATE incident_row SET onset_ns = onset_ns - 300000000000, updated_ns = updated_ns - 300000000000")
    db.commit()
    db.close()
    c.start()
    assert c.counter("faultline_incident_active", incident="1") == 1
    mesh.run(4, time.time() - 5 * 60, 5 * 60, 10**9)
    mesh.send(c)
    wait_for(lambda: c.api("incidents?state=closed")["items"], 15, "its end")
    assert c.api("incidents?state=open")["items"] == [] and c.counter("faultline_incident_active") == 0
