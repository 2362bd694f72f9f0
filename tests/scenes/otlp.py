"""otlp.py - metrics and logs by hand: as protobuf, and the same as JSON."""
import base64
import json
import struct

AT = 1_700_000_000_000_000_000


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, data):
    """Bytes, text, a message."""
    data = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | 2) + varint(len(data)) + data


def fixed(number, n):
    return varint(number << 3 | 1) + struct.pack("<Q", n)


def real(number, n):
    return varint(number << 3 | 1) + struct.pack("<d", n)


def number(which, n):
    return varint(which << 3) + varint(n)


def zigzag(n):
    return (n << 1) ^ (n >> 63)


def attribute(key, value, at):
    return field(at, field(1, key) + field(2, field(1, value)))


def attributes_pb(at, attributes):
    return b"".join(attribute(k, v, at) for k, v in attributes.items())


def attributes_json(attributes):
    return [{"key": k, "value": {"intValue": str(v)} if isinstance(v, int) else {"stringValue": v}} for k, v in attributes.items()]


def request_pb(items, service="cart", scope="lib"):
    return field(1, field(1, attribute("service.name", service, 1)) + field(2, field(1, field(1, scope)) + b"".join(field(2, i) for i in items)))


def request_json(signal, items, service="cart", scope="lib"):
    item = {"Metrics": "metrics", "Logs": "logRecords", "Spans": "spans"}[signal]
    return json.dumps({"resource" + signal: [{"resource": {"attributes": attributes_json({"service.name": service})},
                                             "scope" + signal: [{"scope": {"name": scope}, item: items}]}]}).encode()


# ---- metrics ----

GAUGE, SUM, HISTOGRAM, EXPONENTIAL, SUMMARY = 5, 7, 9, 10, 11
NAMES = {GAUGE: "gauge", SUM: "sum", HISTOGRAM: "histogram", EXPONENTIAL: "exponentialHistogram", SUMMARY: "summary"}


def metric_pb(name, kind, points, unit="", temporality=2, monotonic=True):
    data = b"".join(field(1, p) for p in points)
    if kind in (SUM, HISTOGRAM, EXPONENTIAL):
        data += number(2, temporality)
    if kind == SUM and monotonic:
        data += number(3, 1)
    return field(1, name) + field(3, unit) + field(kind, data)


def metric_json(name, kind, points, unit="", temporality=2, monotonic=True):
    data = {"dataPoints": points}
    if kind in (SUM, HISTOGRAM, EXPONENTIAL):
        data["aggregationTemporality"] = temporality
    if kind == SUM and monotonic:
        data["isMonotonic"] = True
    return {"name": name, "unit": unit, NAMES[kind]: data}


def number_pb(value, at=AT, flags=0, **attributes):
    out = fixed(3, at) + (fixed(6, value & (1 << 64) - 1) if isinstance(value, int) else real(4, value)) + attributes_pb(7, attributes)
    return out + (number(8, flags) if flags else b"")


def number_json(value, at=AT, flags=0, **attributes):
    return {"timeUnixNano": str(at), "attributes": attributes_json(attributes), "flags": flags,
            **({"asInt": str(value)} if isinstance(value, int) else {"asDouble": value})}


def histogram_pb(counts, bounds, total, at=AT, packed=True, **attributes):
    out = fixed(3, at) + fixed(4, sum(counts)) + real(5, total)
    if packed:
        out += field(6, struct.pack("<%dQ" % len(counts), *counts)) + field(7, struct.pack("<%dd" % len(bounds), *bounds))
    else:
        out += b"".join(fixed(6, c) for c in counts) + b"".join(real(7, b) for b in bounds)
    return out + attributes_pb(9, attributes)


def histogram_json(counts, bounds, total, at=AT, **attributes):
    return {"timeUnixNano": str(at), "count": str(sum(counts)), "sum": total, "bucketCounts": [str(c) for c in counts],
            "explicitBounds": bounds, "attributes": attributes_json(attributes)}


def exponential_pb(scale, offset, counts, zero, total, below=(), at=AT, **attributes):
    out = attributes_pb(1, attributes) + fixed(3, at) + fixed(4, sum(counts) + zero + sum(below)) + real(5, total)
    out += number(6, zigzag(scale)) + fixed(7, zero)
    out += field(8, number(1, zigzag(offset)) + field(2, b"".join(varint(c) for c in counts)))
    return out + (field(9, number(1, 0) + field(2, b"".join(varint(c) for c in below))) if below else b"")


def exponential_json(scale, offset, counts, zero, total, below=(), at=AT, **attributes):
    out = {"timeUnixNano": str(at), "count": str(sum(counts) + zero + sum(below)), "sum": total, "scale": scale, "zeroCount": str(zero),
           "positive": {"offset": offset, "bucketCounts": [str(c) for c in counts]}, "attributes": attributes_json(attributes)}
    return {**out, **({"negative": {"offset": 0, "bucketCounts": [str(c) for c in below]}} if below else {})}


def summary_pb(count, total, quantiles, at=AT, **attributes):
    return (fixed(3, at) + fixed(4, count) + real(5, total) + b"".join(field(6, real(1, q) + real(2, v)) for q, v in quantiles) +
            attributes_pb(7, attributes))


def summary_json(count, total, quantiles, at=AT, **attributes):
    return {"timeUnixNano": str(at), "count": str(count), "sum": total, "attributes": attributes_json(attributes),
            "quantileValues": [{"quantile": q, "value": v} for q, v in quantiles]}


# ---- logs ----

def log_pb(text, trace="", span="", at=AT, severity=9, event="", observed=0, **attributes):
    out = (fixed(1, at) if at else b"") + number(2, severity) + field(5, field(1, text)) + attributes_pb(6, attributes)
    out += (field(9, bytes.fromhex(trace)) if trace else b"") + (field(10, bytes.fromhex(span)) if span else b"")
    return out + (fixed(11, observed) if observed else b"") + (field(12, event) if event else b"")


def log_json(text, trace="", span="", at=AT, severity=9, event="", observed=0, **attributes):
    return {"timeUnixNano": str(at), "severityNumber": severity, "body": {"stringValue": text}, "traceId": trace, "spanId": span,
            "observedTimeUnixNano": str(observed), "eventName": event, "attributes": attributes_json(attributes)}


def read_fields(data):
    """The fields of a message: number -> values; whole numbers and bytes."""
    at, out = 0, {}

    def take():
        nonlocal at
        n = shift = 0
        while True:
            b = data[at]
            at += 1
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return n
    while at < len(data):
        tag = take()
        if tag & 7 == 0:
            value = take()
        else:
            n = take()
            value = data[at:at + n]
            at += n
        out.setdefault(tag >> 3, []).append(value)
    return out


def frames_of(messages):
    """As the OpenTelemetry Collector's file exporter writes what is not a line of JSON: each behind its length."""
    return b"".join(struct.pack(">I", len(m)) + m for m in messages)


def base64_of(text):
    return base64.b64encode(text).decode()
