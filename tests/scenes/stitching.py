"""Traces put down span by span, and the graph they must give, a line a call.

`Trace` gathers spans; `otlp()` and `zipkin()` write them as bodies. A graph is written as

    user > shop entry carried
    shop > stock@v2 both origin retries=1 via=edge hairpin
    shop > orders#queue caller_only [messaging_system]
    trace error entry=shop origin=stock@v2 reason=503

with what is ordinary left out: version '', role workload (or user), no fault, no retries, a plain connection.
"""
import json

BASE_US = 1_700_000_000_000_000
KINDS = {"unset": 0, "internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
NODE_ID = {"sidecar": "sidecar", "gateway": "router", "waypoint": "waypoint"}


def out(host, subset="", port=9080, namespace="default"):
    return "outbound|%d|%s|%s.%s.svc.cluster.local" % (port, subset, host, namespace)


INBOUND = "inbound|9080||"


class Trace:
    def __init__(self, number):
        self.id = "%032x" % (0x5717c4 << 64 | number)
        self.spans = []

    def span(self, service, kind, start, ms, parent=None, **more):
        """`service` is name, name@version, namespace/name or cluster/namespace/name; times in ms, down to the microsecond.
        Further: id, shared, status (0 unset, 1 ok, 2 error), name, links, resource, attrs, no_duration, no_start."""
        path, _, version = service.partition("@")
        parts = path.split("/")
        resource = {"service.name": parts[-1]}
        if version:
            resource["service.version"] = version
        if len(parts) > 1:
            resource["service.namespace"] = parts[-2]
        if len(parts) > 2:
            resource["k8s.cluster.name"] = parts[-3]
        resource.update(more.get("resource", {}))
        attrs = {k.replace("__", "."): v for k, v in more.get("attrs", {}).items()}
        span = {"trace": self.id, "id": more.get("id") or "%016x" % (0xa00 + len(self.spans)), "kind": kind, "service": parts[-1],
                "parent": parent["id"] if isinstance(parent, dict) else parent or "", "resource": resource, "attrs": attrs,
                "start_us": None if more.get("no_start") else BASE_US + round(start * 1000),
                "us": None if more.get("no_duration") else round(ms * 1000), "status": more.get("status", 0),
                "name": more.get("name") or "op", "shared": more.get("shared", False), "links": more.get("links", []), "scope": more.get("scope", "")}
        if span["shared"]:
            span["id"], span["parent"] = parent["id"], parent["parent"]
        self.spans.append(span)
        return span

    def server(self, service, start, ms, parent=None, **more):
        return self.span(service, "server", start, ms, parent, **more)

    def client(self, service, start, ms, parent=None, **more):
        return self.span(service, "client", start, ms, parent, **more)

    def proxy(self, service, kind, start, ms, parent=None, role="sidecar", upstream=None, namespace="default", cluster="", code=200,
              flags="-", path="/", host=None, method="GET", version="", rid=None, attrs=None, **more):
        """A span as Envoy with Istio's tags writes it."""
        name, _, revision = service.partition("@")
        tags = {"component": "proxy", "node_id": "%s~10.1.0.1~%s-1.%s~%s.svc.cluster.local" % (NODE_ID[role], name, namespace, namespace),
                "http__status_code": str(code), "response_flags": flags, "istio__canonical_service": name,
                "istio__namespace": namespace, "istio__canonical_revision": revision or version or "latest",
                "istio__cluster_id": cluster or "unknown", "istio__mesh_id": "cluster.local"}
        if upstream:
            tags["upstream_cluster"] = upstream
        if host or path:
            tags["http__url"] = "http://%s%s" % (host or name, path)
            tags["http__method"] = method
        if rid:
            tags["guid:x-request-id"] = rid
        if code == 0 or code >= 500:
            tags["error"] = "true"
        tags.update(attrs or {})
        resource = {"service.name": "%s.%s" % (name, namespace)}
        return self.span(name, kind, start, ms, parent, attrs=tags, resource=resource,
                         **dict({"status": 2 if code >= 500 or (code >= 400 and kind == "client") else 0}, **more))


def value(v):
    if isinstance(v, bool):
        return {"boolValue": v}
    if isinstance(v, int):
        return {"intValue": str(v)}
    if isinstance(v, list):
        return {"arrayValue": {"values": [value(x) for x in v]}}
    return {"doubleValue": v} if isinstance(v, float) else {"stringValue": v}


def attributes(pairs):
    return [{"key": k, "value": value(v)} for k, v in pairs.items()]


def otlp(spans):
    """An OTLP JSON body."""
    groups = {}
    for s in spans:
        end = 0 if s["us"] is None or s["start_us"] is None else (s["start_us"] + s["us"]) * 1000
        one = {"traceId": s["trace"], "spanId": s["id"], "parentSpanId": s["parent"], "name": s["name"], "kind": KINDS[s["kind"]],
               "startTimeUnixNano": str((s["start_us"] or 0) * 1000), "endTimeUnixNano": str(end),
               "status": {"code": s["status"]}, "attributes": attributes(s["attrs"]),
               "links": [{"traceId": t, "spanId": i} for t, i in s["links"]]}
        if s.get("trace_state"):
            one["traceState"] = s["trace_state"]
        groups.setdefault((json.dumps(s["resource"], sort_keys=True), s["scope"]), []).append(one)
    return json.dumps({"resourceSpans": [{"resource": {"attributes": attributes(json.loads(r))}, "scopeSpans": [{"scope": {"name": scope}, "spans": list_}]}
                                         for (r, scope), list_ in groups.items()]}).encode()


def zipkin(spans):
    """A Zipkin JSON body. Resource attributes travel as tags, as Zipkin's exporters send them."""
    items = []
    for s in spans:
        endpoint = {"serviceName": s["resource"]["service.name"]}
        tags = {k: v if isinstance(v, str) else json.dumps(v) for k, v in {**s["resource"], **s["attrs"]}.items() if k != "service.name"}
        if "net.host.ip" in tags:
            endpoint["ipv4"] = tags.pop("net.host.ip")
        if s["status"] == 2:
            tags.setdefault("error", "true")
        if s["status"] == 1:
            tags["otel.status_code"] = "OK"
        one = {"traceId": s["trace"], "id": s["id"], "name": s["name"], "localEndpoint": endpoint, "tags": tags}
        if s["parent"]:
            one["parentId"] = s["parent"]
        if s["kind"] in ("client", "server", "producer", "consumer"):
            one["kind"] = s["kind"].upper()
        if s["start_us"] is not None:
            one["timestamp"] = s["start_us"]
        if s["us"] is not None:
            one["duration"] = s["us"]
        if s["shared"]:
            one["shared"] = True
        items.append(one)
    return json.dumps(items).encode()


def frames_of(bodies):
    return b"".join(b"\0" + len(b).to_bytes(4, "big") + b for b in bodies)


# ---- graphs as text ----

def node_text(node, whole=False):
    if not node:
        return "nobody"
    cluster, namespace, service, version, role = node
    text = "/".join([cluster, namespace, service]) if whole else service
    return text + ("@" + version if version else "") + ("#" + role if role not in ("workload", "user") else "")


def call_text(call, whole=False, more=()):
    words = [node_text(call["caller"], whole), ">", node_text(call["callee"], whole), call["known_by"]]
    if call["fault"]:
        words.append(call["fault"])
    if call["retries"]:
        words.append("retries=%d" % call["retries"])
    if call["recovered"]:
        words.append("recovered")
    if call["via"]:
        words.append("via=" + call["via"])
    if call["hairpin"]:
        words.append("hairpin")
    if call["connection_type"] not in ("", "virtual_node"):
        words.append("[%s]" % call["connection_type"])
    words += ["%s=%s" % (name, call[name]) for name in more]
    return " ".join(words)


def graph_text(trace, whole=False, more=()):
    lines = sorted(call_text(c, whole, more) for c in trace["calls"])
    last = "trace %s entry=%s" % (trace["status"], node_text(trace["entry"], whole))
    if trace["status"] == "error":
        last += " origin=%s reason=%s" % (node_text(trace["origin"], whole), trace["origin_reason"])
    if trace["parts"] != 1:
        last += " parts=%d" % trace["parts"]
    if not trace["complete"]:
        last += " incomplete"
    return "\n".join(lines + [last])


def expected_text(text):
    lines = [line.strip() for line in text.strip().splitlines()]
    calls = sorted(line for line in lines if not line.startswith("trace "))
    return "\n".join(calls + [line for line in lines if line.startswith("trace ")])
