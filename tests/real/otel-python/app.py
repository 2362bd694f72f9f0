"""app.py NAME PORT [BACKEND_PORT]: one of two services, frontend -> backend, traced by the OpenTelemetry SDK for Python with its instrumentation of WSGI
and urllib, and by nothing else; OTEL_EXPORTER_OTLP_PROTOCOL is grpc or http/protobuf. Writes a line of JSON for each request it answered.

  /missing  the backend has no such thing: 404       /fail     the backend's work fails: 500, the frontend says 502
  /slow     the frontend gives up after 300 ms       /refused  the frontend asks a port where nobody listens
"""
import json
import logging
import os
import signal
import socketserver
import sys
import threading
import time
import urllib.error
import urllib.request
import wsgiref.simple_server

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.instrumentation.urllib import URLLibInstrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

name, port, backend = sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None
spans, logs = TracerProvider(), LoggerProvider()
spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
points = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(), 600000)])  # once, at the end
trace.set_tracer_provider(spans)
metrics.set_meter_provider(points)
set_logger_provider(logs)
logging.getLogger().addHandler(LoggingHandler(logger_provider=logs))
URLLibInstrumentor().instrument()
tracer, requests = trace.get_tracer("shop." + name, "1.2.3"), metrics.get_meter("shop").create_counter("shop.requests")


def say(**fact):
    print(json.dumps({"service": name, **fact}), flush=True)


def fetch(path):
    where = 9 if path == "/refused" else backend
    try:
        with urllib.request.urlopen("http://127.0.0.1:%s%s" % (where, path), timeout=0.3 if path == "/slow" else 20) as answer:
            return answer.status
    except urllib.error.HTTPError as answer:
        return answer.code
    except OSError as error:
        return str(error)


def work(path):
    with tracer.start_as_current_span("count stock", attributes={"rows": 3, "ratio": 0.25, "names": ["a", "b"], "text": "Bücher → 日本"}) as span:
        span.add_event("row", {"n": 1})
        if path == "/slow":
            time.sleep(1.5)
        if path == "/fail":
            logging.getLogger("stock").error("the stock of %s cannot be counted", "Bücher")
            span.set_status(trace.StatusCode.ERROR, "no such table")
    return {"/missing": 404, "/fail": 500}.get(path, 200)


def answer(environ, start_response):
    path = environ["PATH_INFO"]
    requests.add(1, {"path": path})
    context = trace.get_current_span().get_span_context()
    saw = fetch(path) if backend else work(path)
    status = (200 if saw in (200, 404) else 502) if backend else saw
    start_response("%d x" % status, [("Content-Type", "text/plain")])
    say(path=path, status=status, trace_id="%032x" % context.trace_id)
    return [name.encode()]


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = False


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass


server = wsgiref.simple_server.make_server("127.0.0.1", port, OpenTelemetryMiddleware(answer), Server, Quiet)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
say(listening=port)
server.serve_forever()
server.server_close()
for provider in (spans, logs, points):
    provider.shutdown()
