"""Where a fault began by what services say of themselves alone: no spans, no mesh's series; whoever a series names is a service."""
import json
import os
import random
import subprocess

import otlp
import remote_write as rw
from scene_diagnose import BEGIN as SPANS_BEGIN, write

BEGIN, STEP = 1600000000 - 1600000000 % 60, 15  # ten minutes of normal times, five of now
NORMAL, NOW = (BEGIN, BEGIN + 600), (BEGIN + 600, BEGIN + 900)
CALLED = {"front": 60, "cart": 8, "pay": 20, "list": 12, "mail": 15}  # ms


class Shop:
    """Each service's gauges: cpu, memory, latency, requests. The cart takes 100 ms longer, and with it the front; its CPU is busy."""

    def __init__(self, seed, slow=100):
        self.random, self.slow = random.Random(seed), slow

    def near(self, value):
        return value * self.random.lognormvariate(0, 0.05)

    def values(self, service, now):
        slow = self.slow if now and service in ("front", "cart") else 0
        busy = 0.6 if now and self.slow and service == "cart" else 0
        return {"cpu": self.near(0.1) + busy, "memory": self.near(2e8), "latency": self.near(CALLED[service]) + slow, "requests": self.near(40)}

    def series(self):
        """(service, what, [(at, value)])"""
        made = {}
        for at in range(NORMAL[0], NOW[1], STEP):
            for service in CALLED:
                for what, value in self.values(service, at >= NOW[0]).items():
                    made.setdefault((service, what), []).append((at, value))
        return [(*key, points) for key, points in made.items()]


def pod_of(service):
    return service + "-7d9c5b8f6d-x2k4z"


def plain(service, what):
    return [("service.name", service)], {"latency": "latency-90"}.get(what, what), {}


def by_label(label):
    def spelt(service, what):
        name = {"cpu": "container_cpu_usage", "memory": "container_memory_rss", "latency": "request_duration_milliseconds", "requests": "rps"}[what]
        more = {"quantile": "0.9"} if what == "latency" else {}
        return [("service.name", "kubernetes-pods")], name, {label: pod_of(service) if label == "pod" else service, **more}
    return spelt


def by_deployment(service, what):
    return [("k8s.deployment.name", service), ("k8s.pod.name", pod_of(service))], {"latency": "http.server.latency"}.get(what, what), {}


def by_column(service, what):
    return [("service.name", "table")], service + "_" + {"latency": "latency_p90", "requests": "load"}.get(what, what), {}


SPELT = {"plain": plain, "deployment": by_deployment, "column": by_column,
         **{label: by_label(label) for label in ("service", "app", "container", "pod", "workload", "destination_workload")}}


def written(shop, spelt):
    resources = {}
    for service, what, points in shop.series():
        resource, name, labels = spelt(service, what)
        made = [otlp.number_json(value, at=at * 10**9, **labels) for at, value in points]
        resources.setdefault(tuple(resource), []).append(otlp.metric_json(name, otlp.GAUGE, made))
    return {"resourceMetrics": [{"resource": {"attributes": [{"key": k, "value": {"stringValue": v}} for k, v in resource]}, "scopeMetrics": [{"metrics": metrics}]}
                                for resource, metrics in resources.items()]}


def diagnosed(c, name, body, code=1):
    db, path = os.path.join(c.folder, name + ".db"), os.path.join(c.folder, name + ".json")
    with open(path, "w") as f:
        json.dump(body, f)
    subprocess.run([c.program, "replay", "--db", db, path], check=True, stdout=subprocess.DEVNULL)
    p = subprocess.run([c.program, "diagnose", "--db", db, "--baseline", "%d..%d" % NORMAL, "--from", str(NOW[0]), "--to", str(NOW[1]), "--format", "json"],
                       capture_output=True, text=True)
    assert p.returncode == code, (name, p.returncode, p.stderr, p.stdout)
    return json.loads(p.stdout)


def scene_whoever_says_it(c):
    """The same fault however its series name their service: the cart is first, the front it spoils is behind it."""
    for i, (name, spelt) in enumerate(SPELT.items()):
        answer = diagnosed(c, name, written(Shop(i), spelt))
        names = [suspect["node"]["service"] for suspect in answer["suspects"]]
        assert names[:2] == ["cart", "front"] and answer["verdict"] == "incident", (name, answer)
        told = [e["text"].split(":")[0] for e in answer["suspects"][0]["evidence"]]
        assert told == ["CPU", "slower"], (name, answer["suspects"][0])


def scene_quiet(c):
    """Nothing happened, or too little was sent to tell."""
    for seed in range(5):
        answer = diagnosed(c, "quiet%d" % seed, written(Shop(seed, slow=0), plain), code=0)
        assert answer["verdict"] == "no significant change", answer
    few = written(Shop(9), plain)
    for resource in few["resourceMetrics"]:
        for metric in resource["scopeMetrics"][0]["metrics"]:
            del metric["gauge"]["dataPoints"][4:]
    assert diagnosed(c, "few", few, code=4)["verdict"] == "not enough data"


def scene_hints_where_requests_speak_against_nobody(c):
    """A leak that no request shows yet, of a database that no span names: a hint, the first one, and no incident."""
    begins, files = (SPANS_BEGIN, SPANS_BEGIN + 600_000), []
    for i, begin in enumerate(begins):
        files += [os.path.join(c.folder, "%s%d.json" % (kind, i)) for kind in ("spans", "leak")]
        write(files[-2], "", 900 + i, begin, 1200)
        with open(files[-1], "w") as out:
            for k, service in enumerate(("cart", "pay", "ship-db")):
                used = [otlp.number_json((900 if i and service == "ship-db" else 300) * 2**20 + (j + k) % 3 * 2**20, at=(begin + j * 30_000) * 10**6) for j in range(10)]
                out.write(otlp.request_json("Metrics", [otlp.metric_json("memory", otlp.GAUGE, used, "By")], service).decode() + "\n")
    db = os.path.join(c.folder, "leak.db")
    subprocess.run([c.program, "replay", "--db", db, *files], check=True, stdout=subprocess.DEVNULL)
    p = subprocess.run([c.program, "diagnose", "--db", db, "--baseline", "1600000000..1600000300", "--from", "1600000600", "--to", "1600000900", "--format", "json"],
                       capture_output=True, text=True)
    answer = json.loads(p.stdout)
    first = answer["suspects"][0]
    assert p.returncode == 0 and answer["verdict"] == "no significant change" and not any(s["significant"] for s in answer["suspects"]), answer
    assert first["node"]["service"] == "ship-db" and first["score"] <= 0.05 and first["evidence"][0]["text"].startswith("memory: "), first


def scene_causes_alone_are_no_verdict(c):
    """Nothing tells of anybody's requests: too little for a verdict, and the cause is a hint."""
    body = written(Shop(7), plain)
    for resource in body["resourceMetrics"]:
        metrics = resource["scopeMetrics"][0]["metrics"]
        metrics[:] = [metric for metric in metrics if metric["name"] in ("cpu", "memory")]
    answer = diagnosed(c, "causes", body, code=4)
    assert answer["verdict"] == "not enough data" and [s["node"]["service"] for s in answer["suspects"]] == ["cart"], answer


def scene_what_an_sdk_counts_of_its_server(c):
    """Histograms of durations by a status that is a number, and nothing else; ratings fails 40 %, and with it reviews. Normal times of four minutes by
    exports of 15 s, and of one minute by exports of 5 s."""
    for name, every_s, normal_s in (("slow", 15, 240), ("short", 5, 60)):
        rows, total = {}, {}
        for at in range(every_s, 2 * normal_s, every_s):
            for service in ("productpage", "reviews", "ratings", "details"):
                failing = at > normal_s and service in ("reviews", "ratings")
                for status, n in ((500, 4 if failing else 0), (200, 6 if failing else 10)):
                    made = total[service, status] = total.get((service, status), 0) + n * every_s / 5
                    if made:
                        rows.setdefault(service, {}).setdefault(status, []).append(otlp.histogram_json(
                            [0, int(made), 0], [0.005, 0.1], made * 0.02, at=(BEGIN + at) * 10**9, **{"http.response.status_code": status, "http.route": "/x"}))
        db, path = os.path.join(c.folder, name + ".db"), os.path.join(c.folder, name + ".json")
        with open(path, "wb") as out:
            for service, by_status in rows.items():
                metrics = [otlp.metric_json("http.server.request.duration", otlp.HISTOGRAM, points, "s") for points in by_status.values()]
                out.write(otlp.request_json("Metrics", metrics, service) + b"\n")
        subprocess.run([c.program, "replay", "--db", db, path], check=True, stdout=subprocess.DEVNULL)
        p = subprocess.run([c.program, "diagnose", "--db", db, "--baseline", "%d..%d" % (BEGIN, BEGIN + normal_s), "--from", str(BEGIN + normal_s), "--to",
                            str(BEGIN + 2 * normal_s), "--format", "json"], capture_output=True, text=True)
        answer = json.loads(p.stdout)
        assert answer["verdict"] == "incident" and {s["node"]["service"] for s in answer["suspects"][:2]} == {"ratings", "reviews"}, (name, answer)


def scene_prometheus_writes_counters(c):
    """By remote write, as a scrape of pods has them: sums and counts of a summary, CPU as a counter, requests by their status. The pay
    fails half, and the front a quarter; then the cart is slow. The job names who scraped."""
    series = {}
    for service in CALLED:
        labels = {"job": "kubernetes-pods", "instance": service + ":9090", "pod": pod_of(service)}
        total = {"cpu": 0, "sum": 0, "count": 0, "200": 0, "500": 0}
        for i in range(80):  # five minutes each: normal, failing, normal, slow
            fails = {"pay": 0.5, "front": 0.25}.get(service, 0) if 20 <= i < 40 else 0
            slow = 0.1 if i >= 60 and service in ("cart", "front") else 0
            n = 100 + i % 7
            total["cpu"] += 1.5 + 0.1 * (i % 3) + (9 if i >= 60 and service == "cart" else 0)
            total["count"] += n
            total["sum"] += n * (CALLED[service] / 1e3 * (1 + i % 5 / 50) + slow)
            total["500"] += n * fails
            total["200"] += n * (1 - fails)
            for name, more, value in (("container_cpu_usage_seconds_total", {}, "cpu"), ("request_duration_seconds_sum", {}, "sum"),
                                      ("request_duration_seconds_count", {}, "count"), ("http_requests_total", {"status": "200"}, "200"),
                                      ("http_requests_total", {"status": "500"}, "500")):
                if value != "500" or total["500"]:
                    key = tuple({"__name__": name, **labels, **more}.items())
                    series.setdefault(key, []).append(rw.sample(float(total[value]), (BEGIN + STEP * i) * 1000))
    c.start()
    for labels, samples in series.items():
        assert rw.post(c, rw.series(dict(labels), *samples))[0] == 204
    c.flush()
    for begin, wanted, kinds in ((300, ["pay", "front"], "failures"), (900, ["cart", "front"], "CPU")):
        answer = c.api("diagnose?baseline=%d..%d&from=%d&to=%d" % tuple(BEGIN + begin + s for s in (-300, 0, 0, 300)))
        assert answer["verdict"] == "incident" and [s["node"]["service"] for s in answer["suspects"]][:2] == wanted, answer
        assert answer["suspects"][0]["reason"].startswith(kinds), answer["suspects"][0]
