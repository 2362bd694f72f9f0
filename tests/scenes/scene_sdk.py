"""The real OpenTelemetry SDK: two JavaScript services (tests/real/otel-js) that nothing but environment variables points here, by
every protocol the collector takes; and the SDK's own repetition when the collector refuses, is killed, is away."""
import hashlib
import http.client
import json
import os
import threading

from lib import wait_for
from scene_tls import Authority
from real import INSTALLED, REAL, Process, free_ports, installed

APP = os.path.join(REAL, "otel-js")
PATHS = ["/ok", "/ok", "/ok", "/ok", "/missing", "/fail", "/queue", "/slow", "/refused"]
# Where the failure of a request began: the query that failed, the query that took the time, the port where nobody listens.
ORIGINS = {"/fail": "stock", "/slow": "stock", "/refused": "127.0.0.1"}
COLUMNS = ["calls", "errors", "errors_origin", "client_errors", "retries", "recovered"]


class Shop:
    """Frontend and backend, traced, and what they said of the requests that they answered."""

    def __init__(self, c, **exporter):
        installed("otel_js", "node_modules")
        self.folder, self.exporter, self.requests = c.folder, exporter, []
        frontend, backend = free_ports(2)
        self.port = frontend
        self.services = {"backend": self.start("backend", "2.1.0", backend), "frontend": self.start("frontend", "1.4.2", frontend, backend)}
        for service in self.services.values():
            assert "listening" in json.loads(service.line())

    def start(self, name, version, *ports):
        resource = "service.namespace=shop,service.version=%s,service.instance.id=%s-1" % (version, name)
        environment = {"OTEL_SERVICE_NAME": name, "OTEL_RESOURCE_ATTRIBUTES": resource, "OTEL_NODE_RESOURCE_DETECTORS": "env",
                       "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", "OTEL_BSP_SCHEDULE_DELAY": "300",
                       "NODE_PATH": os.path.join(INSTALLED, "otel_js", "node_modules"), **self.exporter}
        args = ["node", "-r", os.path.join(APP, "otel.js"), os.path.join(APP, "app.js"), name] + [str(p) for p in ports]
        return Process(args, os.path.join(self.folder, name + ".err"), **environment)

    def get(self, path):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        c.request("GET", path)
        c.getresponse().read()
        c.close()
        self.requests.append(path)

    def stop(self):
        """Waits for both to have answered all they got; then they flush and end. Gives the frontend's answers."""
        reached = [path for path in self.requests if path != "/refused"]
        for _ in reached:
            self.services["backend"].line()
        answers = [json.loads(self.services["frontend"].line()) for _ in self.requests]
        for service in self.services.values():
            assert service.stop() == "" and service.process.returncode == 0
        return answers

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for service in self.services.values():
            service.__exit__(*error)


def edges(c):
    rows = c.sql("SELECT caller_service, callee_service, %s FROM edge_minute GROUP BY 1, 2" % ", ".join("sum(%s)" % n for n in COLUMNS))
    return {row[:2]: dict(zip(COLUMNS, row[2:])) for row in rows}


def counts(*numbers):
    return dict(zip(COLUMNS, numbers))


def check_traces(c, answers):
    """The trace of each request, found by the id that the frontend itself saw, ended as the frontend answered."""
    for answer in answers:
        rows = c.sql("SELECT status, origin_service, entry_service, complete FROM trace WHERE trace_id = ?", answer["trace_id"])
        failed = answer["status"] >= 500
        assert failed == (answer["path"] in ORIGINS), answer
        wanted = ("error" if failed else "ok", ORIGINS.get(answer["path"], ""), "frontend", 1)
        assert rows == [wanted], (answer, rows, wanted)


def run(c, kind, **exporter):
    with Shop(c, **exporter) as shop:
        for path in PATHS:
            shop.get(path)
        answers = shop.stop()
    c.flush()
    assert edges(c) == {
        ("user", "frontend"): counts(9, 3, 0, 0, 0, 0),
        ("frontend", "backend"): counts(8, 2, 1, 1, 0, 0),  # the timeout began here, the failed query did not
        ("frontend", "127.0.0.1"): counts(1, 1, 1, 0, 0, 0),
        ("backend", "stock"): counts(8, 1, 1, 0, 0, 0),
        ("backend", "orders"): counts(1, 0, 0, 0, 0, 0),
        ("orders", "backend"): counts(1, 0, 0, 0, 0, 0),
    }, edges(c)
    check_traces(c, answers)
    assert c.sql("SELECT format, sum(received), sum(rejected), sum(duplicate) FROM ingest_minute GROUP BY 1") == [(kind, 36, 0, 0)]
    assert c.sql("SELECT count(*) FROM trace") == [(10,)]  # the message is consumed in a trace of its own
    text = c.sql("SELECT DISTINCT json_extract(attributes, '$.\"db.query.text\"') FROM span WHERE operation = 'SELECT stock'")
    assert text == [('SELECT * FROM stock WHERE name = \'Bücher → "日本"\'',)], text
    versions = c.sql("SELECT DISTINCT service, version, instance FROM span ORDER BY 1")
    assert versions == [("backend", "2.1.0", "backend-1"), ("frontend", "1.4.2", "frontend-1")], versions
    c.check_ledger()


def otlp(c, protocol="http/protobuf", **more):
    return {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + c.otlp,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, **more}


def scene_otlp_protobuf(c):
    c.start()
    run(c, "otlp_pb", **otlp(c))


def scene_otlp_json_with_gzip(c):
    c.start()
    run(c, "otlp_json", **otlp(c, "http/json", OTEL_EXPORTER_OTLP_COMPRESSION="gzip"))


def grpc(c, **more):
    return {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + c.grpc, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", **more}


def scene_otlp_grpc(c):
    c.start()
    run(c, "otlp_pb", **grpc(c))
    assert c.sql("SELECT DISTINCT transport FROM ingest_minute") == [("grpc",)]


def scene_otlp_grpc_with_gzip_and_a_token(c):
    c.start(auth__tokens_file=ingest_token(c, "s3nd"))
    c.headers = {"Authorization": "Bearer s3nd"}
    run(c, "otlp_pb", **grpc(c, OTEL_EXPORTER_OTLP_COMPRESSION="gzip", OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer s3nd"))


def scene_otlp_by_tls(c):
    """By gRPC the SDK shows a certificate of its own, by HTTP it only trusts ours."""
    authority = Authority(c.folder)
    server, client = authority.issue("server"), authority.issue("client")
    c.start(tls__cert_file=server[0], tls__key_file=server[1], tls__client_ca_file=authority.path)
    c.tls = authority.trusting(*client)
    run(c, "otlp_pb", **grpc(c, OTEL_EXPORTER_OTLP_ENDPOINT="https://localhost:" + c.grpc.rsplit(":", 1)[1],
                             OTEL_EXPORTER_OTLP_CERTIFICATE=authority.path, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=client[0],
                             OTEL_EXPORTER_OTLP_CLIENT_KEY=client[1]))


def scene_otlp_json_by_tls(c):
    authority = Authority(c.folder)
    server = authority.issue("server")
    c.start(tls__cert_file=server[0], tls__key_file=server[1])
    c.tls = authority.trusting()
    run(c, "otlp_json", **otlp(c, "http/json", OTEL_EXPORTER_OTLP_ENDPOINT="https://" + c.otlp, NODE_EXTRA_CA_CERTS=authority.path))


def ingest_token(c, token):
    path = os.path.join(c.folder, "tokens")
    with open(path, "w") as out:
        out.write("admin %s the SDK and the test\n" % hashlib.sha256(token.encode()).hexdigest())
    return path


def scene_zipkin_json(c):
    c.start()
    run(c, "zipkin_json", OTEL_TRACES_EXPORTER="zipkin", OTEL_EXPORTER_ZIPKIN_ENDPOINT="http://%s/api/v2/spans" % c.zipkin)


class Load:
    """Requests one after the other, from the beginning to the end of a block."""

    def __init__(self, shop):
        self.shop, self.ended = shop, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ended.wait(0.02):
            self.shop.get("/ok")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def check_nothing_lost_or_doubled(c, requests):
    c.flush()
    assert edges(c) == {(a, b): counts(requests, 0, 0, 0, 0, 0)
                        for a, b in (("user", "frontend"), ("frontend", "backend"), ("backend", "stock"))}, (requests, edges(c))
    assert c.sql("SELECT count(*) FROM span") == [(4 * requests,)]
    assert c.sql("SELECT count(*), min(span_count), min(complete) FROM trace") == [(requests, 4, 1)]
    c.check_ledger()


def scene_refused_then_killed_then_away_the_sdk_sends_again(c):
    """An OTLP exporter repeats a body for ten seconds; what it was told is stored, and what it repeats, is there once."""
    c.start(receive__otlp_http__listen=str(free_ports(1)[0]), store__min_free="1000000GiB")  # a full disk: 503
    with Shop(c, **otlp(c)) as shop:
        with Load(shop):
            wait_for(lambda: c.counter("faultline_ingest_requests_total", code="503") >= 2, what="two refusals")
            c.kill()
            c.start(store__min_free="0")
            for _ in range(2):
                seen = c.counter("faultline_ingest_requests_total", code="200")
                wait_for(lambda: c.counter("faultline_ingest_requests_total", code="200") >= seen + 4, what="four bodies taken")
                c.kill()
                away = len(shop.requests) + 10
                wait_for(lambda: len(shop.requests) >= away, what="ten requests while nobody listens")
                c.start()
        requests = len(shop.requests)
        shop.stop()
    check_nothing_lost_or_doubled(c, requests)


def scene_metrics_of_the_sdk(c):
    """What the SDK counted itself, by each protocol: the newest point of every series adds up to the requests that were made."""
    c.start()
    for i, (protocol, where) in enumerate((("http/protobuf", c.otlp), ("http/json", c.otlp), ("grpc", c.grpc))):
        exporter = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + where,
                    "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_METRIC_EXPORT_INTERVAL": "300", "OTEL_METRIC_EXPORT_TIMEOUT": "250"}
        before = c.sql("SELECT coalesce(max(at_ns), 0) FROM metric_point")[0][0]
        with Shop(c, **exporter) as shop:
            for path in PATHS:
                shop.get(path)
            shop.stop()
        c.flush()
        newest = dict(c.sql("SELECT json_extract(resource, '$.\"service.name\"'), sum(count) FROM (SELECT series_id, count, max(at_ns) FROM metric_point "
                            "WHERE at_ns > ? GROUP BY 1) JOIN metric_series USING (series_id) WHERE name = 'http.server.request.duration' AND unit = 's' "
                            "AND type = 'histogram' GROUP BY 1", before))
        assert newest == {"frontend": 9, "backend": 8}, (protocol, newest)
        assert c.sql("SELECT sum(rejected) FROM ingest_minute") == [(0,)]
    assert set(c.sql("SELECT format, transport FROM ingest_minute WHERE stored > 0")) == {("otlp_pb", "http"), ("otlp_json", "http"), ("otlp_pb", "grpc")}
    c.check_ledger()
