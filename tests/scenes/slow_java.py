"""OpenTelemetry's real Java agent: two services (tests/real/otel-java) that know nothing of it; their graph is what they did. Java starts slowly: `make slow`."""
import http.client
import json
import os

from real import REAL, Process, free_ports, installed
from scene_sdk import counts, edges

PATHS = ["/ok", "/ok", "/missing", "/fail", "/slow", "/refused"]
FAIL = ("/fail", "/slow", "/refused")


def run(c, transport, **environment):
    libs, (frontend, backend) = installed("otel_java", "libs"), free_ports(2)
    agent = [f for f in os.listdir(libs) if f.startswith("opentelemetry-javaagent")][0]

    def start(name, *ports):
        return Process(["java", "-Xmx200m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-javaagent:" + os.path.join(libs, agent), "-cp", libs + "/*",
                        "org.openjdk.nashorn.tools.Shell", os.path.join(REAL, "otel-java", "app.js"), "--", name, *map(str, ports)],
                       os.path.join(c.folder, name + ".err"), OTEL_SERVICE_NAME=name, OTEL_RESOURCE_ATTRIBUTES="service.namespace=shop,service.version=4.0",
                       OTEL_METRIC_EXPORT_INTERVAL="2000", **environment)
    with start("backend", backend) as callee, start("frontend", frontend, backend) as caller:
        assert "listening" in json.loads(callee.line()) and "listening" in json.loads(caller.line())
        for path in PATHS:
            connection = http.client.HTTPConnection("127.0.0.1", frontend, timeout=60)
            connection.request("GET", path)
            status = connection.getresponse().status
            connection.close()
            assert json.loads(caller.line())["status"] == status == (502 if path in FAIL else 200), path
        for _ in range(len(PATHS) - 1):
            callee.line()
        for process in (caller, callee):
            process.process.stdin.close()
            assert process.process.wait(60) == 0
    c.flush()
    found = edges(c)
    known = {k: v for k, v in found.items() if k[0] != "frontend" or k[1] == "backend"}
    assert known == {("user", "frontend"): counts(6, 3, 0, 0, 0, 0), ("frontend", "backend"): counts(5, 2, 2, 1, 0, 0)}, found
    assert [v for k, v in found.items() if k not in known] == [counts(1, 1, 1, 0, 0, 0)], found  # where nobody listens
    assert c.sql("SELECT status, count(*) FROM trace GROUP BY 1 ORDER BY 1") == [("error", 3), ("ok", 3)]
    assert c.sql("SELECT DISTINCT transport FROM ingest_minute WHERE format = 'otlp_pb'") == [(transport,)]
    assert c.sql("SELECT sum(rejected), sum(duplicate) FROM ingest_minute") == [(0, 0)]
    assert c.sql("SELECT count(*) FROM metric_series WHERE name LIKE 'jvm.%'")[0][0] > 5, c.sql("SELECT DISTINCT name FROM metric_series")  # what the agent measures by itself
    assert json.loads(c.sql("SELECT resource FROM span LIMIT 1")[0][0])["telemetry.sdk.language"] == "java"
    c.check_ledger()


def scene_java_agent_by_http(c):
    c.start()
    run(c, "http", OTEL_EXPORTER_OTLP_ENDPOINT="http://" + c.otlp, OTEL_EXPORTER_OTLP_COMPRESSION="gzip")


def scene_java_agent_by_grpc(c):
    c.start()
    run(c, "grpc", OTEL_EXPORTER_OTLP_ENDPOINT="http://" + c.grpc, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
