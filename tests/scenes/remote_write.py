"""remote_write.py - prometheus.WriteRequest by hand, snappy's block format, and pages of Istio's series."""
import struct

from otlp import field, number, real, varint, zigzag

T0 = 1_700_000_040_000  # ms; a whole minute
STALE = struct.unpack("<d", struct.pack("<Q", 0x7ff0000000000002))[0]
LE = ("0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "+Inf")
HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}


def snappy(data):
    """Snappy's block format with nothing but literals."""
    out = varint(len(data))
    for at in range(0, len(data), 60):
        piece = data[at:at + 60]
        out += bytes([(len(piece) - 1) << 2]) + piece
    return out


def labels_pb(labels):
    return b"".join(field(1, field(1, k) + field(2, v)) for k, v in sorted(labels.items()))


def sample(value, at=T0):
    return field(2, (real(1, value) if value == value else varint(9) + struct.pack("<d", value)) + number(2, at))


def stale(at=T0):
    return field(2, varint(1 << 3 | 1) + struct.pack("<Q", 0x7ff0000000000002) + number(2, at))


def series(labels, *samples):
    return field(1, labels_pb(labels) + b"".join(samples))


def one(name, value, at=T0, **labels):
    return series({"__name__": name, **labels}, sample(value, at))


def family(name, kind, help_text="", unit=""):
    return field(3, number(1, kind) + field(2, name) + field(4, help_text) + field(5, unit))


def packed(numbers):
    return b"".join(varint(zigzag(n) & (1 << 64) - 1) for n in numbers)


def native(schema, spans, deltas, count, total, zero=0, at=T0, bounds=()):
    """A native histogram of whole numbers; spans: (offset, length)."""
    out = number(1, count) + real(3, total) + number(4, zigzag(schema) & (1 << 64) - 1) + number(6, zero)
    out += b"".join(field(11, number(1, zigzag(o) & (1 << 64) - 1) + number(2, n)) for o, n in spans) + field(12, packed(deltas))
    out += field(16, struct.pack("<%dd" % len(bounds), *bounds)) if bounds else b""
    return field(4, out + number(15, at))


def post(c, body, headers=None, compress=True):
    return c.request(c.otlp, "POST", "/api/v1/write", snappy(body) if compress else body, HEADERS if headers is None else headers)


def istio(source, destination, reporter="destination", code="200", flags="-", security=None, **more):
    """Labels of one series as Istio writes them; who is '' is unknown to it. NAME:VERSION is a workload of that version."""
    out = {"reporter": reporter, "response_code": code, "response_flags": flags, "request_protocol": "http", "job": "istio",
           "instance": (source if reporter == "source" else destination) + ":15090",
           "connection_security_policy": security or ("unknown" if reporter == "source" else "mutual_tls")}
    for side, who in (("source", source), ("destination", destination)):
        name, _, version = who.partition(":")
        for key, value in (("workload", name + "-" + (version or "v1")), ("canonical_service", name), ("app", name), ("workload_namespace", "default"),
                           ("cluster", "Kubernetes")):
            out["%s_%s" % (side, key)] = value if name else "unknown"
        out[side + "_canonical_revision"] = (version or "v1") if name else "latest"
        out[side + "_version"] = (version or "v1") if name else "unknown"
    name = destination.partition(":")[0]
    out["destination_service"] = name + ".default.svc.cluster.local" if name else "unknown"
    out["destination_service_name"] = name or "unknown"
    out["destination_service_namespace"] = "default" if name else "unknown"
    return {**out, **more}


def calls(n, at=T0, ms=0, **labels):
    """istio_requests_total, and durations: all n took `ms`."""
    out = one("istio_requests_total", n, at, **labels)
    for le in LE if ms else ():
        out += one("istio_request_duration_milliseconds_bucket", n if float(le) >= ms else 0, at, le=le, **labels)
    if ms:
        out += one("istio_request_duration_milliseconds_sum", n * ms, at, **labels) + one("istio_request_duration_milliseconds_count", n, at, **labels)
    return out
