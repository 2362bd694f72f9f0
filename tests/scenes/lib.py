"""lib.py - what every scene needs: the real program in a folder of its own, posts, rows, counters.

A scene is a file with functions whose names begin with `scene_`; each gets a Collector that is not started yet. A scene
waits for facts with a limit, never for time.
"""
import gzip
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "golden")


class Skip(Exception):
    """Something outside cannot be had here; the text says what."""


def wait_for(fact, limit=20.0, what="a fact"):
    begun, pause = time.monotonic(), 0.01
    while time.monotonic() < begun + limit:
        value = fact()
        if value:
            return value
        time.sleep(pause)
        pause = min(pause * 1.2, 0.1)  # who waits long need not ask as often: asking costs both sides
    raise AssertionError("%s did not come true within %.0f s" % (what, limit))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Collector:
    def __init__(self, build):
        self.program = os.path.join(build, "faultline")
        self.build = build
        self.folder = tempfile.mkdtemp(prefix="faultline-scene-")
        self.db = os.path.join(self.folder, "f.db")
        self.process = None
        self.config = None  # a settings file
        self.sets = {}
        self.headers = {}  # of every request: a token
        self.tls = None  # an ssl.SSLContext: requests go by https
        self.environment = {}  # of the process, beside what is there

    def start(self, **sets):
        self.sets.update({k.replace("__", "."): v for k, v in sets.items()})
        base = {"store.path": self.db, "receive.otlp_grpc.listen": "0", "receive.otlp_http.listen": "0", "receive.zipkin.listen": "0",
                "web.listen": "0", "store.min_free": "0"}
        base.update(self.sets)
        args = [self.program, "serve"] + (["--config", self.config] if self.config else [])
        for name, value in base.items():
            args += ["--set", "%s=%s" % (name, value)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FAULTLINE_")}
        environment.update(self.environment)
        self.errors = open(os.path.join(self.folder, "stderr"), "ab")
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=self.errors, env=environment)
        self.ready = self.process.stdout.readline().decode()
        found = dict(re.findall(r"(\w+)=(\S+)", self.ready))
        if "otlp_http" not in found:
            raise AssertionError("not ready: %r\n%s" % (self.ready, self.said()))
        self.grpc = found["otlp_grpc"]
        self.otlp, self.zipkin, self.web = found["otlp_http"], found["zipkin"], found["web"]
        return self

    def said(self):
        self.errors.flush()
        return open(os.path.join(self.folder, "stderr"), errors="replace").read()

    def stop(self, limit=30):
        if not self.process:
            return 0
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(limit)
        self.process.stdout.close()
        self.process = None
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def close(self):
        if self.process:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connection(self, where, timeout=60):
        return http.client.HTTPSConnection(where, timeout=timeout, context=self.tls) if self.tls else http.client.HTTPConnection(where, timeout=timeout)

    def request(self, where, method, path, body=None, headers=None, timeout=60):
        c = self.connection(where, timeout)
        c.request(method, path, body=body, headers={**self.headers, **(headers or {})})
        r = c.getresponse()
        text = r.read()
        c.close()
        return r.status, text, dict((k.lower(), v) for k, v in r.getheaders())

    def post_otlp(self, body, json_body=False, **headers):
        kind = "application/json" if json_body else "application/x-protobuf"
        return self.request(self.otlp, "POST", "/v1/traces", body, {"Content-Type": kind, **headers})

    def post_zipkin(self, body):
        return self.request(self.zipkin, "POST", "/api/v2/spans", body, {"Content-Type": "application/json"})

    def get(self, path, **headers):
        return self.request(self.web, "GET", path, None, headers)

    def api(self, path):
        status, text, _ = self.get("/api/v1/" + path)
        assert status == 200, (status, text)
        return json.loads(text)

    def flush(self):
        status, text, _ = self.request(self.web, "POST", "/-/flush")
        assert status == 200, (status, text)
        return json.loads(text)

    def sql(self, query, *args):
        db = sqlite3.connect("file:%s?mode=ro" % self.db, uri=True)
        try:
            return db.execute(query, args).fetchall()
        finally:
            db.close()

    def age_points(self):
        """Of a stopped one: as if all points had been stored ten days earlier."""
        db = sqlite3.connect(self.db)
        db.execute("UPDATE metric_generation SET begun_s = begun_s - 864000")
        db.commit()
        db.close()

    def counter(self, name, **labels):
        _, text, _ = self.get("/metrics")
        total = 0.0
        for line in re.findall("(?m)^%s[{ ].*" % re.escape(name), text.decode()):
            m = re.match(r"[a-zA-Z_:]+(?:\{(.*)\})? (\S+)", line)
            if all('%s="%s"' % kv in (m.group(1) or "") for kv in labels.items()):
                total += float(m.group(2))
        return total

    def check_ledger(self, dropped=0):
        """received is the sum of the ten, every minute; nothing is pending after a flush. dropped: spans that store.keep took."""
        bad = self.sql("SELECT * FROM ingest_minute WHERE received != rejected + duplicate + pending + paired + "
                       "caller_only + callee_only + entry + orphan + local + stored")
        assert not bad, bad
        classes = "paired + caller_only + callee_only + entry + orphan + local"
        rows = self.sql("SELECT sum(%s), (SELECT count(*) FROM span) FROM ingest_minute" % classes)
        assert (rows[0][0] or 0) == rows[0][1] + dropped, ("stored spans and classed records", rows)
        assert self.sql("PRAGMA integrity_check") == [("ok",)]


def frames(name):
    """Messages of a capture: byte 0, 32-bit length, message."""
    data = gzip.open(os.path.join(GOLDEN, "envoy", name + ".frames.gz")).read()
    at, out = 0, []
    while at < len(data):
        n = int.from_bytes(data[at + 1:at + 5], "big")
        out.append(data[at + 5:at + 5 + n])
        at += 5 + n
    return out


def golden(*path):
    return open(os.path.join(GOLDEN, *path), "rb").read()


def otlp_span(trace, span, parent="", service="a", name="op", kind=2, start=1_700_000_000_000, ms=10, status=0, **attrs):
    """One span as OTLP JSON with its resource; times in ms."""
    return service, {"traceId": trace, "spanId": span, "parentSpanId": parent, "name": name, "kind": kind,
                     "startTimeUnixNano": str(int(start * 1_000_000)), "endTimeUnixNano": str(int((start + ms) * 1_000_000)),
                     "status": {"code": status},
                     "attributes": [{"key": k.replace("__", "."), "value": {"stringValue": str(v)}} for k, v in attrs.items()]}


def otlp_body(spans):
    by_service = {}
    for service, span in spans:
        by_service.setdefault(service, []).append(span)
    return json.dumps({"resourceSpans": [
        {"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": s}}]},
         "scopeSpans": [{"spans": list_}]} for s, list_ in by_service.items()]}).encode()
