"""shop.py - the shop of the page's pictures as OTLP JSON: eleven services behind an ingress gateway, some with sidecars.

From `onset` on cart v2 runs out of connections to redis, and requests for the basket fail after a second attempt. What is made
is a function of the seed, so scenes can say what the page must show.
"""
import json
import random

CLUSTER = "eu-1"


class Maker:
    def __init__(self, seed=1):
        self.random = random.Random(seed)
        self.groups = {}

    def hex(self, digits):
        return "%0*x" % (digits, self.random.getrandbits(4 * digits) or 1)

    def resource(self, service, namespace, version, pod, **more):
        key = (service, namespace, version, pod, tuple(sorted(more.items())))
        if key not in self.groups:
            attributes = {"service.name": service, "service.namespace": namespace, "service.version": version,
                          "k8s.cluster.name": CLUSTER, "k8s.pod.name": pod, "k8s.namespace.name": namespace, **more}
            self.groups[key] = ({"attributes": pairs({k: v for k, v in attributes.items() if v})}, [])
        return self.groups[key][1]

    def bodies(self, most=5000):
        """The spans as OTLP requests of at most so many spans; forgets them."""
        out, spans, n = [], [], 0
        for resource, group in self.groups.values():
            for at in range(0, len(group), most):
                part = group[at:at + most]
                spans.append({"resource": resource, "scopeSpans": [{"spans": part}]})
                n += len(part)
                if n >= most:
                    out.append(json.dumps({"resourceSpans": spans}).encode())
                    spans, n = [], 0
        if spans:
            out.append(json.dumps({"resourceSpans": spans}).encode())
        self.groups = {}
        return out


def pairs(attributes):
    def value(v):
        if isinstance(v, bool):
            return {"boolValue": v}
        if isinstance(v, int):
            return {"intValue": str(v)}
        return {"doubleValue": v} if isinstance(v, float) else {"stringValue": v}
    return [{"key": k, "value": value(v)} for k, v in attributes.items()]


class Trace:
    """One trace that begins at `at` (Unix seconds); times of its spans are ms from there, stretched by `pace`."""

    def __init__(self, maker, at, pace=1.0):
        self.maker, self.at, self.pace, self.id = maker, at, pace, maker.hex(32)

    def span(self, where, name, start, length, parent="", kind=2, error="", events=(), links=(), **attributes):
        service, namespace, version, pod, more = where
        span = {"traceId": self.id, "spanId": self.maker.hex(16), "parentSpanId": parent, "name": name, "kind": kind,
                "startTimeUnixNano": str(int((self.at + start * self.pace / 1e3) * 1e9)),
                "endTimeUnixNano": str(int((self.at + (start + length) * self.pace / 1e3) * 1e9)),
                "attributes": pairs({k.replace("__", "."): v for k, v in attributes.items() if v is not None})}
        if error:
            span["status"] = {"code": 2, "message": error}
        if events:
            span["events"] = [{"timeUnixNano": str(int((self.at + t * self.pace / 1e3) * 1e9)), "name": n, "attributes": pairs(a)}
                              for t, n, a in events]
        if links:
            span["links"] = [{"traceId": t, "spanId": s} for t, s in links]
        self.maker.resource(service, namespace, version, pod, **more).append(span)
        return span["spanId"]

    def proxy(self, where, node, name, start, length, parent="", kind=2, status="200", flags="-", upstream="", url=""):
        service, namespace, version, pod, _ = where
        node_id = "%s~10.4.11.7~%s.%s~%s.svc.cluster.local" % (node, pod, namespace, namespace)
        return self.span((service, namespace, version, pod, {"telemetry.sdk.name": "envoy"}), name, start, length, parent, kind,
                         component="proxy", node_id=node_id, http__method="GET", http__status_code=status, response_flags=flags,
                         upstream_cluster=upstream, http__url=url or "http://shop.example/", istio__canonical_service=service,
                         istio__canonical_revision=version or "v1", istio__namespace=namespace, istio__cluster_id=CLUSTER)


def at(service, version="v1", pod=None, namespace="shop"):
    return service, namespace, version, pod or "%s-%s-6b9f-k9fq2" % (service, version), {}


GATEWAY = at("ingressgateway", "", "ingressgateway-7d9c-4xkzj", "istio-system")
FRONTEND = at("frontend", "v4", "frontend-v4-77cc-p2m4d")
OUT = "outbound|8080||%s.shop.svc.cluster.local"


def database(trace, caller, peer, system, statement, start, length, parent, **more):
    return trace.span(caller, statement, start, length, parent, 3, db__system=system, peer__service=peer,
                      server__address="10.4.11.7", server__port=6379 if system == "redis" else 5432, **more)


def attempt(trace, parent, start, version, pod, number, fails):
    """One attempt of frontend to call cart: sidecar out, cart, its call to redis and what its sidecar says of it."""
    cart = at("cart", version, pod)
    length = 6.6 if number == 1 else 7.4
    out = trace.proxy(FRONTEND, "sidecar", "cart.shop.svc.cluster.local:8080/*", start, length + 0.5, parent, 3, "503" if fails else "200",
                      "-", OUT % "cart", "http://cart.shop:8080/cart")
    served = trace.span(cart, "GetCart", start + 0.25, length, out, error="no basket: pool timeout" if fails else "", rpc__system="grpc",
                        http__status_code=503 if fails else 200, cart__items=1 + int(trace.id[:4], 16) % 8)
    call = database(trace, cart, "redis", "redis", "HGETALL cart:{id}", start + 3.5, 0.3 if fails else 0.9, served,
                    error="pool timeout: no free connection" if fails else "", net__peer__ip="10.4.11.7",
                    events=[(start + 3.51, "pool.wait", {"in_use": 10, "waiting": 14}),
                            (start + 3.78, "exception", {"exception.type": "PoolTimeout", "exception.message": "no free connection"})] if fails else ())
    trace.proxy(cart, "sidecar", "redis:6379", start + 3.55, 0.2 if fails else 0.7, call, 3, "503" if fails else "200", "UO" if fails else "-",
                "outbound|6379||redis.shop-data.svc.cluster.local", "http://redis.shop-data:6379/")


def basket(maker, when, pace, fails, version="v2"):
    """GET /cart, as the design's waterfall shows it."""
    t = Trace(maker, when, pace)
    r, status = maker.random, "503" if fails else "200"
    total = 27.4 if fails else 19.6
    root = t.proxy(GATEWAY, "router", "shop.example/cart", 0, total, "", 2, status, "-", OUT % "frontend", "http://shop.example/cart")
    inside = t.proxy(FRONTEND, "sidecar", "frontend.shop.svc.cluster.local:8080/*", 0.4, total - 0.6, root, 2, status, "-", "inbound|8080||")
    front = t.span(FRONTEND, "GET /cart", 0.7, total - 1.2, inside, error="cart answered 503" if fails else "", http__request__method="GET",
                   http__route="/cart", http__response__status_code=int(status), user_agent__original=r.choice(["Firefox", "Chrome", "Safari"]),
                   app__currency=r.choice(["EUR", "USD", "SEK"]), cloud__availability_zone=r.choice(["a", "b", "c"]))
    account = at("account")
    session = t.span(account, "GetSession", 1.4, 3.3, front, rpc__system="grpc")
    database(t, account, "postgres", "postgresql", "SELECT sessions", 2.3, 1.5, session)
    t.span(at("currency"), "GetRates", 1.5, 2.2, front, rpc__system="grpc")
    if fails or r.random() < .3:
        recommend, catalog = at("recommend"), at("catalog", "v7")
        basket_for = t.span(recommend, "ForBasket", 5.0, 14.1, front, rpc__system="grpc")
        detour = t.proxy(GATEWAY, "router", "shop.example/products", 5.8, 12.0, basket_for, 2, "200", "-", OUT % "catalog", "http://shop.example/products")
        products = t.span(catalog, "GetProducts", 6.1, 11.3, detour, rpc__system="grpc")
        t.span(at("inventory"), "Stock", 10.9, 2.3, products, rpc__system="grpc")
        database(t, catalog, "postgres", "postgresql", "SELECT products", 13.2, 1.9, products)
        ads = at("ads")
        shown = t.span(ads, "GetAds", 5.1, 4.2, front, rpc__system="grpc")
        database(t, ads, "redis", "redis", "GET ads:home", 6, 0.6, shown)
    call = t.span(FRONTEND, "GetCart", 5.2, 19.8 if fails else 9.0, front, 3, error="503 after 2 attempts" if fails else "", rpc__system="grpc",
                  peer__service="cart", http__response__status_code=int(status))
    pods = ["cart-%s-6b9f-x2x7q" % version, "cart-%s-6b9f-k9fq2" % version]
    if fails:
        attempt(t, call, 5.4, version, pods[0], 1, True)
        attempt(t, call, 17.1, version, pods[1], 2, True)
        t.span(FRONTEND, "render error page", 25.3, 1.4, front, 1)
    else:
        attempt(t, call, 5.4, version, r.choice(pods), 2, False)
    return t


def simple(maker, when, pace, entry, service, operation, length=12.0):
    """Another entry: gateway, frontend, one service with its database."""
    t = Trace(maker, when, pace)
    method, path = entry.split(" ")
    root = t.proxy(GATEWAY, "router", "shop.example" + path, 0, length + 2, "", 2, "200", "-", OUT % "frontend", "http://shop.example" + path)
    front = t.span(FRONTEND, entry, 0.5, length + 1, root, http__request__method=method, http__route=path, http__response__status_code=200)
    served = t.span(at(service), operation, 1.0, length, front, rpc__system="grpc")
    database(t, at(service), "postgres", "postgresql", "SELECT " + service, 2.0, length / 2, served)
    return t


def window(maker, now, seconds=1800, n=2000, onset=0.4222, failing=0.14):
    """Traces over the last `seconds`, most of them for the basket; gives (trace, entry, failed)."""
    r, made = maker.random, []
    for _ in range(n):
        x = r.random()
        when, pace = now - 40 - (1 - x) * (seconds - 60), max(0.4, r.gauss(1, .16))
        kind = r.random()
        if kind < .8:
            v2 = x > onset - 0.028 and r.random() < .2
            fails = x > onset and r.random() < failing
            if not fails and r.random() < .03:
                pace *= r.uniform(1.5, 6)
            made.append((basket(maker, when, pace if not fails else pace * .75, fails, "v2" if v2 or fails else "v1"), "GET /cart", fails))
        elif kind < .93:
            made.append((simple(maker, when, pace, "GET /p/7", "catalog", "GetProduct"), "GET /p/{}", False))
        else:
            made.append((simple(maker, when, pace, "POST /checkout", "checkout", "PlaceOrder", 40.0), "POST /checkout", False))
    return made


def large(maker, when, n=10000):
    """One trace of n spans, 40 services, nine deep at most, with failures on the way to one origin."""
    t, r = Trace(maker, when, 1.0), maker.random
    root = t.span(at("entry"), "GET /report", 0, 9000.0, error="report failed", http__route="/report", http__response__status_code=500)
    open_, made = [(root, 0, 9000.0, 1)], 1
    while made < n:
        parent, start, length, depth = open_[r.randrange(max(0, len(open_) - 400), len(open_))]
        own = length * r.uniform(.02, .3)
        begin = start + r.uniform(0, length - own)
        service = "svc-%02d" % r.randrange(40)
        span = t.span(at(service), "step %d" % r.randrange(30), begin, own, parent, http__route="/s/%d" % r.randrange(9))
        made += 1
        if depth < 8 and own > 1:
            open_.append((span, begin, own, depth + 1))
    t.span(at("ledger"), "POST /close", 8000, 500.0, root, error="disk quota", http__response__status_code=500)
    return t
