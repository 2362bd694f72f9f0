"""A mesh's own series without a single span: Istio's request totals and durations as a scraper hands them on, every 15 s."""
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


def diagnosed(c, fault, seed, code, spelling="as_otlp", rate=4, level="service", rests_at=()):
    mesh = Mesh(seed, fault)
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
    answer = diagnosed(c, "fail_pay", 14, 4, rate=0.08)
    assert answer["verdict"] == "not enough data" and answer["need"]["requests"] > 0, answer


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
