"""Spans as text: one OTLP/JSON object each, put together to the lines that a collector's file exporter writes."""
import json
import re

bare = False      # as tables of spans have them: no kinds, no attributes, times in microseconds
KINDS = {"unset": 0, "internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}


def attribute(key, value):
    how = "intValue" if isinstance(value, int) else "stringValue"
    return '{"key":"%s","value":{"%s":%s}}' % (key, how, json.dumps(str(value)))


def attributes(pairs):
    return ",".join(attribute(key, value) for key, value in pairs)


class Words:
    """Names and attributes of spans: the older and the newer names of the conventions, http and gRPC."""

    def __init__(self, protocol, newer):
        self.protocol, self.newer, self.kept = protocol, newer, {}

    def of(self, kind, service, operation):
        """(name, attributes) of a call to this operation, as its client or its server writes it."""
        key = kind, service, operation
        if key not in self.kept:
            self.kept[key] = self.make(kind, service, operation)
        return self.kept[key]

    def make(self, kind, service, operation):
        if kind == "client":
            pairs = [("server.address" if self.newer else "net.peer.name", service)]
        else:
            pairs = []
        method, _, route = operation.partition(" ")
        if not route:                                    # no verb: a gRPC method
            full = "shop." + service.capitalize()
            pairs += [("rpc.system", "grpc"), ("rpc.service", full), ("rpc.method", operation)]
            return "%s/%s" % (full, operation), attributes(pairs)
        pairs.append(("http.request.method" if self.newer else "http.method", method))
        if kind == "server":
            pairs.append(("http.route", route))
        else:
            pairs.append(("url.full" if self.newer else "http.url", "http://%s%s" % (service, re.sub("{[^}]*}", "4f2a17", route))))
        return method if kind == "client" else operation, attributes(pairs)

    def code(self, operation, good, lost=None):
        """How the call ended, as an attribute behind others: not the span's status. `lost`: why there was no answer at all."""
        if " " not in operation:
            return "," + attribute("rpc.grpc.status_code", 0 if good else {None: 13, "Timeout": 4, "TimeoutException": 4}.get(lost, 14))
        if not lost:
            return "," + attribute("http.response.status_code" if self.newer else "http.status_code", 200 if good else 500)
        return "," + attribute("error.type", lost) if self.newer else ""

    def store(self, node, system, words):
        key = "store", node, words
        if key not in self.kept:
            pairs = [("db.system.name" if self.newer else "db.system", system),
                     ("db.query.text" if self.newer else "db.statement", words),
                     ("server.address" if self.newer else "net.peer.name", node)]
            self.kept[key] = words, attributes(pairs)
        return self.kept[key]

    def queue(self, name):
        pairs = [("messaging.system", "rabbitmq"), ("messaging.destination.name" if self.newer else "messaging.destination", name)]
        return attributes(pairs)


def span_text(trace, span, parent, name, kind, start, end, more, error, event):
    """start, end in ns; error: status ERROR; event: what an exception event says, or None."""
    if bare:
        kind, more, start, end = "unset", "", start // 1000 * 1000, end // 1000 * 1000
    status = '{"code":2}' if error else "{}"
    events = ""
    if event:
        events = ',"events":[{"timeUnixNano":"%d","name":"exception","attributes":[%s]}]' % (
            end, attributes([("exception.type", event), ("exception.message", "failed")]))
    return ('{"traceId":"%s","spanId":"%s","parentSpanId":"%s","name":"%s","kind":%d,"startTimeUnixNano":"%d","endTimeUnixNano":"%d",'
            '"attributes":[%s]%s,"status":%s}') % (trace, span, parent, name, KINDS[kind], start, end, more, events, status)


def write_lines(path, pods, every_ms):
    """Batches of `every_ms`, each a line with the pods that had something to say. pods: [(resource, [(end ms, span text)])]."""
    batches = {}
    for number, (_, out) in enumerate(pods):
        for end, text in out:
            batches.setdefault(int(end // every_ms), {}).setdefault(number, []).append(text)
    count = 0
    with open(path, "w") as f:
        for batch in sorted(batches):
            groups = []
            for number, texts in batches[batch].items():
                count += len(texts)
                groups.append('{"resource":{"attributes":[%s]},"scopeSpans":[{"scope":{"name":"tracing"},"spans":[%s]}]}'
                              % (pods[number][0], ",".join(texts)))
            f.write('{"resourceSpans":[%s]}\n' % ",".join(groups))
    return count
