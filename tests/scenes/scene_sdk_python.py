"""The real OpenTelemetry SDK for Python: two services (tests/real/otel-python), traces, metrics and logs, by gRPC and by HTTP; their graph is what they did."""
import http.client
import json
import os

from real import REAL, Process, free_ports, installed
from scene_sdk import counts, edges

PATHS = ["/ok", "/ok", "/missing", "/fail", "/slow", "/refused"]
FAIL = ("/fail", "/slow", "/refused")


def run(c, protocol, endpoint, transport, **more):
    python, (frontend, backend) = installed("otel_python", "bin/python"), free_ports(2)
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_BSP_SCHEDULE_DELAY": "200", **more}

    def start(name, *ports):
        return Process([python, os.path.join(REAL, "otel-python", "app.py"), name, *map(str, ports)], os.path.join(c.folder, name + ".err"), OTEL_SERVICE_NAME=name,
                       OTEL_RESOURCE_ATTRIBUTES="service.namespace=shop,service.version=3.1", **environment)
    with start("backend", backend) as callee, start("frontend", frontend, backend) as caller:
        assert "listening" in json.loads(callee.line()) and "listening" in json.loads(caller.line())
        answers = []
        for path in PATHS:
            connection = http.client.HTTPConnection("127.0.0.1", frontend, timeout=30)
            connection.request("GET", path)
            status = connection.getresponse().status
            connection.close()
            answers.append(json.loads(caller.line()))
            assert answers[-1]["status"] == status == (502 if path in FAIL else 200), answers[-1]
        for _ in range(len(PATHS) - 1):  # the slow one too
            callee.line()
        assert caller.stop() == callee.stop() == "" and caller.process.returncode == callee.process.returncode == 0, (caller.errors, open(caller.errors).read()[-2000:])
    c.flush()
    found = edges(c)
    assert found == {("user", "frontend"): counts(6, 3, 0, 0, 0, 0), ("frontend", "backend"): counts(5, 2, 2, 1, 0, 0),
                     ("frontend", "127.0.0.1"): counts(1, 1, 1, 0, 0, 0)}, found
    for answer in answers:
        rows = c.sql("SELECT status, entry_service, complete FROM trace WHERE trace_id = ?", answer["trace_id"])
        assert rows == [("error" if answer["path"] in FAIL else "ok", "frontend", 1)], (answer, rows)
    assert c.sql("SELECT DISTINCT transport, format FROM ingest_minute") == [(transport, "otlp_pb")]
    assert c.sql("SELECT sum(rejected), sum(duplicate) FROM ingest_minute") == [(0, 0)]
    attributes, events = c.sql("SELECT attributes, events FROM span WHERE operation = 'count stock' AND status = 'error'")[0]
    assert json.loads(attributes)["text"] == "Bücher → 日本" and json.loads(attributes)["names"] == ["a", "b"], attributes
    logs = [e for e in json.loads(events) if e.get("kind") == "log"]
    assert [e["body"] for e in logs] == ["the stock of Bücher cannot be counted"] and "row" in [e.get("name") for e in json.loads(events)], events
    points = c.sql("SELECT json_extract(resource, '$.\"service.name\"'), sum(value) FROM metric_point JOIN metric_series USING (series_id) WHERE name = 'shop.requests' GROUP BY 1 ORDER BY 1")
    assert points == [("backend", 5), ("frontend", 6)], points
    assert c.sql("SELECT count(*) FROM metric_series WHERE name LIKE 'http.server%'")[0][0] > 0
    assert c.sql("SELECT DISTINCT version FROM service WHERE service IN ('frontend', 'backend') AND role = 'workload'") == [("3.1",)]
    c.check_ledger()


def scene_python_by_grpc(c):
    c.start()
    run(c, "grpc", "http://" + c.grpc, "grpc", OTEL_EXPORTER_OTLP_INSECURE="true")


def scene_python_by_http(c):
    c.start()
    run(c, "http/protobuf", "http://" + c.otlp, "http")
