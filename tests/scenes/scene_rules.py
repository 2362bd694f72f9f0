"""What is shipped for Prometheus and Grafana: promtool's word on the rules, names that are really shown, and a real Prometheus that scrapes, records and answers the
dashboard's questions."""
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import lib
from lib import free_port, golden, wait_for

sys.path.insert(0, os.path.join(lib.HERE, "..", "ui"))
import shop  # noqa: E402

SHIPPED = os.path.join(lib.HERE, "..", "..", "exporters")
RULES = [os.path.join(SHIPPED, "prometheus_recording.yml"), os.path.join(SHIPPED, "prometheus_alerts.yml")]
# Prometheus' own; and shown while an incident is open or two versions run, where scene_incidents and scene_compare see them under these names.
ELSEWHERE = {"up", "faultline_incident_active", "faultline_suspect_score", "faultline_canary_verdict"}
WORDS = {"sum", "by", "rate", "histogram_quantile", "increase", "count", "vector", "or", "and", "topk", "max", "offset", "sort_desc", "le", "on"}


def dashboard():
    return json.load(open(os.path.join(SHIPPED, "grafana_dashboard.json")))


def expressions():
    """Of the dashboard, with its variables as Grafana would fill them in."""
    board = dashboard()
    found = [t["expr"] for p in board["panels"] for t in p.get("targets", ())] + [a["expr"] for a in board["annotations"]["list"]]
    return [e.replace("$__rate_interval", "1m").replace("$service", ".*").replace("$job", ".*") for e in found]


def metrics_of(expr):
    """Names of metrics in an expression: words that are no function, no label, no text."""
    expr = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', "", expr)
    expr = re.sub(r"\bby \([^)]*\)", "", expr)
    return set(re.findall(r"(?<!\w)[a-zA-Z_:][a-zA-Z0-9_:]*", expr)) - WORDS


def fill(c, n, seed=3):
    maker, now = shop.Maker(seed), time.time()
    shop.window(maker, now, n=n)
    for body in maker.bodies():
        assert c.post_otlp(body, True)[0] == 200
    c.flush()


def scene_rules_do_what_they_say(c):
    """promtool finds nothing, and its unit tests hold; what rules and dashboard name is shown on /metrics, all of it."""
    check = subprocess.run(["promtool", "check", "rules", *RULES], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr
    test = os.path.join(c.folder, "rules.yml")
    with open(test, "w") as f:
        f.write(golden("prometheus", "rules.yml").decode().replace("EXPORTERS", os.path.abspath(SHIPPED)))
    tried = subprocess.run(["promtool", "test", "rules", test], capture_output=True, text=True)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    c.start()
    fill(c, 60)
    shown = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)", c.get("/metrics")[1].decode(), re.M):
        shown |= {name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    text = "".join(open(path).read() for path in RULES)
    recorded = set(re.findall(r"record: (\S+)", text))
    rules = re.findall(r"expr: (?:>-\n)?((?:.+\n(?:          .+\n)*))", text)
    assert len(rules) == text.count("expr:") == 23, len(rules)
    for expr in rules + expressions():
        names = metrics_of(expr)
        assert names and names <= shown | recorded | ELSEWHERE, (expr, names - shown - recorded)
    alerts = set(re.findall(r"alert: (\S+)", text))
    assert set(re.findall(r"alertname: (\w+)", open(test).read())) >= alerts - {"FaultlineStoresSlowly", "FaultlineSeriesLimited"}
    ids = [p["id"] for p in dashboard()["panels"]]
    assert len(set(ids)) == len(ids) and all(p["title"] and (p["type"] == "row" or p["description"]) for p in dashboard()["panels"])


class Prometheus:
    def __init__(self, c):
        self.port = free_port()
        config = os.path.join(c.folder, "prometheus.yml")
        with open(config, "w") as f:
            f.write("global: {scrape_interval: 500ms, evaluation_interval: 500ms}\nrule_files: [%s]\n"
                    "scrape_configs: [{job_name: faultline, static_configs: [{targets: ['%s']}]}]\n" % (", ".join(map(os.path.abspath, RULES)), c.web))
        self.process = subprocess.Popen(["prometheus", "--config.file=" + config, "--storage.tsdb.path=" + os.path.join(c.folder, "tsdb"),
                                         "--web.listen-address=127.0.0.1:%d" % self.port, "--enable-feature=exemplar-storage"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(self, path, **parameters):
        try:
            return json.load(urllib.request.urlopen("http://127.0.0.1:%d/api/v1/%s?%s" % (self.port, path, urllib.parse.urlencode(parameters)), timeout=5))["data"]
        except urllib.error.HTTPError as error:
            assert error.code == 503, "%s %s: %s" % (path, parameters, error.read())  # it starts
            return None
        except OSError:
            return None

    def query(self, expr):
        answer = self.ask("query", query=expr)
        return answer and answer["result"]

    def stop(self):
        self.process.kill()
        self.process.wait()


def scene_real_prometheus_scrapes_and_records(c):
    c.start()
    fill(c, 60)
    prometheus = Prometheus(c)
    try:
        seen = wait_for(lambda: prometheus.query("sum(traces_service_graph_request_total)"), 40, "the scraped counter")
        assert float(seen[0]["value"][1]) == c.counter("traces_service_graph_request_total")
        fill(c, 60, 4)
        more = wait_for(lambda: prometheus.query('server:traces_service_graph_request:rate5m{server="cart"} > 0'), 20, "the recorded rate")
        assert more[0]["metric"]["server_service_namespace"] == "shop"
        for expr in expressions():
            assert prometheus.query(expr) is not None, expr
        full = [e for e in expressions() if prometheus.query(e)]
        assert len(full) > 20, [e for e in expressions() if e not in full]
        rates = wait_for(lambda: prometheus.query("client_server:traces_service_graph_request:rate5m > 0"), 20, "the recorded rates of edges")
        edges = {(r["metric"]["client"], r["metric"]["server"]) for r in rates}
        assert {("frontend", "cart"), ("cart", "redis"), ("user", "ingressgateway")} <= edges, edges
        rules = [r for g in prometheus.ask("rules")["groups"] for r in g["rules"]]
        assert len(rules) == 23 and not [r for r in rules if r.get("lastError")], [r for r in rules if r.get("lastError")]
        assert not [r["name"] for r in rules if r["type"] == "alerting" and r["state"] == "firing" and r["name"] not in ("FaultlineIncident", "FaultlineVersionIsWorse")]
        assert prometheus.ask("targets")["activeTargets"][0]["lastError"] == ""
    finally:
        prometheus.stop()
