"""mesh_shop.py - a small shop's traffic as OTLP JSON: twenty services, two versions of the cart, of which the newer one fails at its
cache from a moment on. A seed in, bodies out: what the pages of the graph are tested and pictured with.
"""
import json
import random

NAMESPACES = {"ingress": "istio-system", "notify": "partners"}
PODS = {"ingress": 1, "frontend": 2, "cart": 4}
ENTRIES = [("GET /", 131), ("GET /cart", 118), ("GET /p/{id}", 84), ("POST /cart", 24), ("GET /search", 19), ("POST /checkout", 9.6)]
MS = 1_000_000


class Shop:
    """Requests between two times (Unix s); `fault`, `canary` and `slow` (the payment's partner) are times too, None for never."""

    def __init__(self, seed=1, canary=None, fault=None, share=0.2, slow=None):
        self.random = random.Random(seed)
        self.canary, self.fault, self.share = canary, fault, share
        self.slow = slow
        self.spans = {}

    def id(self, n):
        return "%0*x" % (2 * n, self.random.getrandbits(8 * n))

    def took(self, ms):
        return ms * self.random.lognormvariate(0, 0.25)

    def span(self, service, version, pod, body):
        self.spans.setdefault((service, version, pod), []).append(body)

    def add(self, service, version, trace, parent, name, kind, start, ms, failed=False, attrs=(), message=""):
        pod = "%s-%s-%d" % (service, version or "0", self.random.randrange(PODS.get(service, 2)))
        span = self.id(8)
        body = {"traceId": trace, "spanId": span, "parentSpanId": parent, "name": name, "kind": kind,
                "startTimeUnixNano": str(int(start * 1e9)), "endTimeUnixNano": str(int(start * 1e9 + ms * MS)),
                "status": {"code": 2, "message": message} if failed else {},
                "attributes": [{"key": k, "value": {"stringValue": str(v)}} for k, v in attrs]}
        self.span(service, version, pod, body)
        return span

    # A call: the caller's client span, and what answers below it. Gives (ms, failed).
    def call(self, caller, version, trace, parent, callee, operation, at, steps=(), self_ms=2.0, fails=False, callee_version="v1"):
        client = self.id(8)
        inside, failed, t = self_ms / 2, fails, at + self_ms / 4000
        server = self.id(8)
        for step in steps:
            ms, bad = step(callee, callee_version, trace, server, t)
            t += ms / 1000
            inside += ms
            failed = failed or bad
        inside += self.took(self_ms)
        code = 503 if failed else 200
        pod = "%s-%s-%d" % (callee, callee_version, self.random.randrange(PODS.get(callee, 2)))
        for service, v, p, span, up, kind, begin, ms in (
                (callee, callee_version, pod, server, client, 2, at + .0002, inside),
                (caller, version, "%s-%s-0" % (caller, version), client, parent, 3, at, inside + .4)):
            self.span(service, v, p, {
                "traceId": trace, "spanId": span, "parentSpanId": up, "name": operation, "kind": kind,
                "startTimeUnixNano": str(int(begin * 1e9)), "endTimeUnixNano": str(int(begin * 1e9 + ms * MS)),
                "status": {"code": 2} if failed else {},
                "attributes": [{"key": "http.response.status_code", "value": {"intValue": code}}]})
        return inside + .4, failed

    def store(self, system, name, operation, ms, refuses=None):
        def step(caller, version, trace, parent, at):
            bad = bool(refuses and refuses(version, at))
            took = .1 if bad else self.took(ms)
            attrs = [("db.system", system), ("server.address", name), ("db.operation.name", operation)]
            if bad:
                attrs += [("error.type", "503 UO"), ("response_flags", "UO")]
            self.add(caller, version, trace, parent, operation, 3, at, took, bad, attrs, "upstream connect error: overflow" if bad else "")
            return took, bad
        return step

    def external(self, host, operation, ms):
        def step(caller, version, trace, parent, at):
            took = self.took(ms * 1.5 if self.slow and at >= self.slow else ms)
            self.add(caller, version, trace, parent, operation, 3, at, took, False,
                     [("http.request.method", "POST"), ("url.full", "https://%s/charge" % host), ("server.address", host),
                      ("http.response.status_code", 200)])
            return took, False
        return step

    def queue(self, name, operation):
        def step(caller, version, trace, parent, at):
            self.add(caller, version, trace, parent, operation, 4, at, 1.0, False,
                     [("messaging.system", "kafka"), ("messaging.destination.name", name)])
            return 1.0, False
        return step

    def to(self, callee, operation, *steps, self_ms=2.0, often=1.0, fails=None):
        def step(caller, version, trace, parent, at):
            if self.random.random() > often:
                return 0, False
            v = "v1"
            if callee == "cart" and self.canary and at >= self.canary and self.random.random() < self.share:
                v = "v2"
            bad = bool(fails and fails(at))
            return self.call(caller, version, trace, parent, callee, operation, at, steps, self_ms, bad, v)
        return step

    def broken(self, version, at):
        return version == "v2" and self.fault and at >= self.fault and self.random.random() < .61

    def steps_of(self, entry):
        redis, postgres = self.store("redis", "redis", "HGETALL", .9, self.broken), self.store("postgresql", "postgres", "SELECT", 3)
        cart = self.to("cart", "GetCart", redis, self.to("pricing", "Quote", postgres, self_ms=2, often=.3), self_ms=6)
        catalog = self.to("catalog", "GetProduct", postgres, self.to("inventory", "GetStock", postgres, self_ms=3, often=.4), self_ms=5)
        currency = self.to("currency", "Convert", self_ms=2)
        quiet = lambda at: self.random.random() < .0008  # noqa: E731
        return {
            "GET /": [self.to("account", "GetAccount", postgres, self_ms=5, often=.5), self.to("ads", "GetAds", self.store("redis", "redis", "GET", .8), self_ms=4, often=.7),
                      catalog, self.to("recommend", "List", self.to("catalog", "ListProducts", postgres, self_ms=6, often=.3), self_ms=30, often=.4), currency],
            "GET /p/{id}": [catalog, currency, self.to("recommend", "List", self_ms=30, often=.7)],
            "GET /cart": [cart, currency],
            "POST /cart": [self.to("cart", "AddItem", self.store("redis", "redis", "HSET", .9, self.broken), self_ms=7)],
            "GET /search": [self.to("search", "Search", self_ms=90, fails=quiet)],
            "POST /checkout": [self.to("checkout", "PlaceOrder", self.to("cart", "EmptyCart", self.store("redis", "redis", "DEL", .9, self.broken), self_ms=5), currency,
                                       self.queue("orders", "orders publish"), self.to("shipping", "Ship", self.to("inventory", "Reserve", postgres, self_ms=3), self_ms=30),
                                       self.to("payment", "Charge", self.external("api.paynet.example", "POST", 180), self_ms=12),
                                       self.to("notify", "Send", self_ms=8, often=.3), self_ms=20)],
        }[entry]

    def request(self, at, entry=None):
        entry = entry or self.random.choices([e for e, _ in ENTRIES], [w for _, w in ENTRIES])[0]
        trace, front, client, server = self.id(16), self.id(8), self.id(8), self.id(8)
        took, failed, t = self.took(8), False, at + .002
        for step in self.steps_of(entry):
            ms, bad = step("frontend", "v1", trace, front, t)
            took, failed, t = took + ms, failed or bad, t + ms / 1000
        code = (502 if entry == "POST /checkout" else 503) if failed else 200
        proxy = [("component", "proxy"), ("node_id", "router~10.0.0.1~ingress-0.istio-system~istio-system.svc.cluster.local"),
                 ("upstream_cluster", "outbound|8080||frontend.shop.svc.cluster.local"), ("http.url", "http://shop.example" + entry.split(" ")[1]),
                 ("http.method", entry.split(" ")[0])]
        for service, version, pod, span, up, kind, begin, ms, attrs in (
                ("frontend", "v1", "frontend-v1-0", front, client, 2, at + .0006, took, []),
                ("ingress", "", "ingress-0", client, server, 3, at + .0004, took + .6, proxy),
                ("ingress", "", "ingress-0", server, "", 2, at, took + 1.2, proxy)):
            self.span(service, version, pod, {
                "traceId": trace, "spanId": span, "parentSpanId": up, "name": entry, "kind": kind,
                "startTimeUnixNano": str(int(begin * 1e9)), "endTimeUnixNano": str(int(begin * 1e9 + ms * MS)),
                "status": {"code": 2} if failed else {},
                "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in attrs] +
                              [{"key": "http.response.status_code", "value": {"intValue": code}}]})
        return trace, entry, failed

    def body(self):
        """What was gathered, as one ExportTraceServiceRequest."""
        resources = []
        for (service, version, pod), spans in self.spans.items():
            attrs = [("service.name", service), ("service.namespace", NAMESPACES.get(service, "shop")), ("k8s.cluster.name", "eu-2" if service == "search" else "eu-1"),
                     ("service.instance.id", pod)] + ([("service.version", version)] if version else [])
            resources.append({"resource": {"attributes": [{"key": k, "value": {"stringValue": v}} for k, v in attrs]}, "scopeSpans": [{"spans": spans}]})
        self.spans = {}
        return json.dumps({"resourceSpans": resources}).encode()

    def bodies(self, begin, end, rate, per_body=300):
        """Evenly spread requests; `per_body` of them in one."""
        n = int((end - begin) * rate)
        for i in range(n):
            self.request(begin + i / rate + self.random.random() / rate)
            if (i + 1) % per_body == 0 or i + 1 == n:
                yield self.body()


def feed(collector, shop, begin, end, rate):
    """Sends it and waits until all is stitched and committed."""
    for body in shop.bodies(begin, end, rate):
        status, text, _ = collector.post_otlp(body, json_body=True)
        assert status == 200, (status, text[:500])
    collector.flush()
