"""own_spans.py - an application's own spans, by the OpenTelemetry SDK for Python (tests/real/otel-python): one for each request it gets, one
for each call it makes. They go where and how the proxies' go: OTLP with traceparent, or Zipkin with B3 headers.
"""
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.zipkin.json import ZipkinExporter
from opentelemetry.propagators.b3 import B3MultiFormat
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode


class Count(SpanProcessor):
    ended = 0

    def on_end(self, span):
        self.ended += 1


class Spans:
    def __init__(self, settings, me):
        provider = TracerProvider(resource=Resource({"service.name": me["name"], "service.namespace": me["namespace"], "service.version": me["version"]}))
        if settings["provider"].startswith("zipkin"):
            exporter = ZipkinExporter(endpoint="http://127.0.0.1:%d/api/v2/spans" % settings["zipkin"])
            propagate.set_global_textmap(B3MultiFormat())
        else:
            exporter = OTLPSpanExporter(endpoint="http://127.0.0.1:%d/v1/traces" % settings["otlp_http"])
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=200))
        self.count = Count()
        provider.add_span_processor(self.count)
        self.tracer = provider.get_tracer("bookinfo")

    @property
    def ended(self):
        return self.count.ended

    def request(self, headers, method, path, grpc):
        """The span of a request that came with these headers (names in lower case)."""
        attributes = {"http.request.method": method, "url.path": path, "url.scheme": "http"}
        if grpc:
            name = path[1:]
            attributes.update({"rpc.system": "grpc", "rpc.service": path.split("/")[1], "rpc.method": path.split("/")[2]})
        else:
            route = path.replace("/0", "/{id}")
            name = "%s %s" % (method, route)
            attributes["http.route"] = route
        return self.tracer.start_as_current_span(name, context=propagate.extract(headers), kind=SpanKind.SERVER, attributes=attributes)

    def call(self, method, host, path, headers, grpc):
        """The span of a call, as a context; `headers` are given those that hand the trace on."""
        attributes = {"http.request.method": method, "url.full": "http://%s%s" % (host, path), "server.address": host.split(":")[0]}
        if grpc:
            attributes.update({"rpc.system": "grpc", "rpc.service": path.split("/")[1], "rpc.method": path.split("/")[2]})
        return Handing(self.tracer.start_as_current_span(method, kind=SpanKind.CLIENT, attributes=attributes), headers)

    def query(self, system, name):
        return self.tracer.start_as_current_span("find", kind=SpanKind.CLIENT, attributes={"db.system": system, "server.address": name, "db.operation.name": "find"})


class Handing:
    def __init__(self, span, headers):
        self.span, self.headers = span, headers

    def __enter__(self):
        span = self.span.__enter__()
        propagate.inject(self.headers)
        return span

    def __exit__(self, *raised):
        return self.span.__exit__(*raised)


def answered(span, status, grpc_status=None):
    """How a request or a call ended, by the semantic conventions."""
    client = span.kind == SpanKind.CLIENT
    span.set_attribute("http.response.status_code", status)
    failed = status >= (400 if client else 500)
    if grpc_status is not None:
        span.set_attribute("rpc.grpc.status_code", grpc_status)
        failed = failed or (grpc_status > 0 if client else grpc_status in (2, 4, 12, 13, 14, 15))
    if failed:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))


def failed(span, error):
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(Status(StatusCode.ERROR, repr(error)))


def current():
    return trace.get_current_span()
