"""A real Prometheus scrapes a page of Istio's series and writes them to us: edges, kill -9 in between, what it says of our answers."""
import http.server
import os
import subprocess
import threading

import remote_write as rw
from lib import free_port, wait_for

HISTOGRAM = "istio_request_duration_milliseconds"


def page(n):
    """What the sidecars before `cart` and of `front` count after n fetches: ten calls each, one of them failed."""
    out = ["# HELP istio_requests_total Requests.", "# TYPE istio_requests_total counter"]
    told = [(9 * n, rw.istio("front", "cart")), (n, rw.istio("front", "cart", code="503")), (9 * n, rw.istio("front", "cart", reporter="source")),
            (n, rw.istio("front", "cart", code="503", reporter="source"))]

    def line(name, value, labels, **more):
        pairs = {k: v for k, v in {**labels, **more}.items() if k not in ("job", "instance")}
        return "%s{%s} %d" % (name, ",".join('%s="%s"' % kv for kv in sorted(pairs.items())), value)
    out += [line("istio_requests_total", value, labels) for value, labels in told]
    out += ["# HELP %s Durations." % HISTOGRAM, "# TYPE %s histogram" % HISTOGRAM]
    for value, labels in told:
        out += [line(HISTOGRAM + "_bucket", value if float(le) >= 25 else 0, labels, le=le) for le in rw.LE]
        out += [line(HISTOGRAM + "_sum", 20 * value, labels), line(HISTOGRAM + "_count", value, labels)]
    return ("\n".join(out) + "\n").encode()


class Sidecars:
    """The page, which counts on with every fetch until it is frozen."""

    def __init__(self):
        self.fetches, self.frozen = 0, False
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                owner.fetches += not owner.frozen
                body = page(owner.fetches)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def start_prometheus(c, target, url):
    config = os.path.join(c.folder, "prometheus.yml")
    with open(config, "w") as f:
        f.write("global: {scrape_interval: 500ms}\n"
                "scrape_configs: [{job_name: mesh, static_configs: [{targets: ['%s']}]}]\n"
                "remote_write:\n"
                "  - url: %s\n"
                "    send_exemplars: true\n"
                "    queue_config: {batch_send_deadline: 200ms, min_backoff: 50ms, max_backoff: 200ms}\n"
                "    metadata_config: {send_interval: 1s}\n" % (target, url))
    errors = os.path.join(c.folder, "prometheus.log")
    return errors, subprocess.Popen(["prometheus", "--config.file=" + config, "--storage.tsdb.path=" + os.path.join(c.folder, "tsdb"),
                                     "--web.listen-address=127.0.0.1:%d" % free_port()], stdout=subprocess.DEVNULL, stderr=open(errors, "wb"))


def newest(c):
    rows = c.sql("SELECT max(value), min(value) FROM metric_point JOIN metric_series USING (series_id) WHERE name = 'istio_requests_total' AND "
                 "json_extract(attributes, '$.response_code') = '200' AND json_extract(attributes, '$.reporter') = 'destination'")
    return rows[0] if rows[0][0] is not None else (0, 0)


def scene_real_prometheus_writes(c):
    """Ten calls a fetch; the collector is killed while it takes them and comes back: every call since the first sample is there, once."""
    port = free_port()
    c.start(receive__otlp_http__listen=str(port), store__commit_interval="50ms")
    sidecars = Sidecars()
    errors, prometheus = start_prometheus(c, sidecars.address, "http://127.0.0.1:%d/api/v1/write" % port)
    try:
        wait_for(lambda: newest(c)[0] >= 18, 30, "two samples")
        c.kill()
        fetched = sidecars.fetches
        wait_for(lambda: sidecars.fetches >= fetched + 2, 10, "two more fetches")
        c.start()
        wait_for(lambda: newest(c)[0] >= 9 * (fetched + 3), 20, "samples behind the restart")
        sidecars.frozen = True
        wait_for(lambda: newest(c)[0] == 9 * sidecars.fetches, 20, "the last sample")
    finally:
        prometheus.terminate()
        prometheus.wait()
        sidecars.close()
    c.flush()
    last, first = newest(c)
    n = (last - first) // 9
    rows = c.sql("SELECT sum(calls), sum(errors), sum(mtls), sum(server_ns_sum), count(DISTINCT known_by || callee_version) FROM edge_minute "
                 "WHERE caller_service = 'front' AND callee_service = 'cart'")
    assert rows == [(10 * n, n, 10 * n, 10 * n * 20 * 10**6, 1)], (rows, n, first, last)
    assert c.sql("SELECT DISTINCT known_by, security_unknown FROM edge_minute") == [("both", 0)]
    assert c.sql("SELECT DISTINCT type FROM metric_series WHERE name LIKE 'istio%'") == [("sum",)]
    assert c.sql("SELECT count(*) FROM metric_family WHERE name IN ('istio_requests_total', ?) AND description != ''", HISTOGRAM) == [(2,)]
    assert b"non-recoverable" not in open(errors, "rb").read(), open(errors).read()[-2000:]
    c.check_ledger()
