"""Random traces, as a mesh of services with and without sidecars would send them, and as it would not: some spans are lost, of a wrong kind, doubled,
their own parents or in a ring. All comes from the seed. `trace(seed)` gives a `stitching.Trace`."""
import random

from stitching import INBOUND, Trace, out

NAMES = "abcdefg"


class Mesh:
    """What a trace's services are like."""
    def __init__(self, draw, zipkin):
        self.draw, self.zipkin = draw, zipkin
        self.clusters = draw.random() < 0.3
        style = draw.choice(["applications", "sidecars", "both", "mixed", "mixed"]) if not zipkin else draw.choice(["applications", "mixed"])
        self.like = {n: style if style != "mixed" else draw.choice(["applications", "sidecars", "both"]) for n in NAMES}
        self.attempts = draw.random() < 0.3  # a span for every attempt
        self.unset = draw.random() < 0.15
        self.plain = draw.random() < 0.5     # applications say neither version nor namespace
        self.skew = {n: draw.choice([0, 0, 0, 5000, -3000]) if draw.random() < 0.2 else 0 for n in NAMES}
        self.cluster_of = {n: draw.choice(["c1", "c2"]) if self.clusters else "" for n in NAMES}
        self.grpc = draw.random() < 0.15
        self.bare = draw.random() < 0.3      # applications name all their requests `GET`


class Maker:
    def __init__(self, seed, zipkin=False):
        self.draw = random.Random(seed)
        self.mesh = Mesh(self.draw, zipkin)
        self.t = Trace(seed + 100_000)
        self.t.ring = False
        self.budget = self.draw.randint(1, 12)

    # -- spans --

    def codes(self, code):
        if code == 200 and self.draw.random() < 0.3:
            return {}
        if self.mesh.grpc and code in (200, 503, 404):
            return {"rpc__system": "grpc", "rpc__grpc__status_code": {200: 0, 503: 14, 404: 5}[code]}
        return {self.draw.choice(["http__response__status_code", "http__status_code"]): code}

    def app(self, service, kind, start, ms, parent, code=200, **more):
        version = "" if self.mesh.plain else "@v1"
        where = "" if self.mesh.plain or self.mesh.like[service] == "applications" else "default/"
        attrs = {**self.codes(code), **more.pop("attrs", {})}
        wrong = 2 if (code >= 500 and self.draw.random() < 0.8) or (400 <= code < 500 and kind == "client" and self.draw.random() < 0.8) else 0
        kind = "unset" if self.mesh.unset and kind in ("server", "client") and "db__system" not in attrs else kind
        return self.t.span(where + service + version, kind, start + self.mesh.skew[service], ms, parent, status=more.pop("status", wrong), attrs=attrs, **more)

    def side(self, service, kind, start, ms, parent, upstream, code, flags="-", **more):
        return self.t.proxy(service, kind, start + self.mesh.skew.get(service, 0), ms, parent, upstream=upstream, code=code, flags=flags,
                            version="v1", cluster=self.mesh.cluster_of.get(service, ""), **more)

    # -- a call's callee --

    def shares(self, service, parent):
        """Does the callee take the id of its caller's half?"""
        return bool(self.mesh.zipkin and parent and parent["kind"] == "client" and parent["service"] != service and self.draw.random() < 0.7)

    def serve(self, service, start, ms, parent, depth, path, host=None, want=None):
        """The callee's half and all beneath; gives the code it answered."""
        d, like = self.draw, self.mesh.like[service]
        code, work = want or 200, (start + 1, ms - 2)
        marks = []
        if like in ("sidecars", "both"):
            s = self.side(service, "server", start, ms, parent, INBOUND, 200, path=path, host=host, shared=self.shares(service, parent))
            marks.append(s)
            parent, work = s, (start + 0.5, ms - 1)
            if self.mesh.attempts and d.random() < 0.5:
                parent = self.side(service, "client", start + 0.2, ms - 0.4, parent, INBOUND, 200, path="")
                marks.append(parent)
        if like in ("applications", "both"):
            kind = "server"
            joins = self.mesh.zipkin and like == "both" and parent["kind"] == "server" and d.random() < 0.5  # as Brave does behind a sidecar
            parent = self.app(service, kind, work[0], work[1], parent, 200, shared=joins or self.shares(service, parent))
            marks.append(parent)
        if d.random() < 0.1 and like != "sidecars":
            parent = self.app(service, "internal", work[0] + 0.1, work[1] - 0.2, parent)
        worst, at = 200, work[0] + 0.5
        end = work[0] + work[1]
        while depth < 5 and self.budget > 0 and d.random() < 0.75 and end - at > 6:
            self.budget -= 1
            took = d.uniform(5, max(5.1, (end - at) * d.choice([0.4, 0.9])))
            took = min(took, end - at - 0.5)
            if took < 4:
                break
            worst = max(worst, self.call(service, at, took, parent, depth + 1))
            at += took + 0.2 if d.random() < 0.8 else 0.4
        if want is None:
            code = 200
            if worst >= 400 and d.random() < 0.7:
                code = d.choice([500, 500, 502, 404])
            elif d.random() < 0.15:
                code = d.choice([500, 503, 404, 429, 400])
        for span in marks:
            self.answered(span, code)
        return code

    def answered(self, span, code):
        """What a span says of the answer, put in when it is known."""
        if span["attrs"].get("component") == "proxy":
            span["attrs"]["http.status_code"] = str(code)
            if code >= 500:
                span["attrs"]["error"] = "true"
            span["status"] = 2 if code >= 500 or (code >= 400 and span["kind"] == "client") else 0
            return
        for key in ("http.response.status_code", "http.status_code", "rpc.grpc.status_code"):
            span["attrs"].pop(key, None)
        span["attrs"].update({k.replace("__", "."): v for k, v in self.codes(code).items()})
        sure = code >= 500 or (code >= 400 and span["kind"] == "client")
        told = any(k in span["attrs"] for k in ("http.response.status_code", "http.status_code", "rpc.grpc.status_code"))
        span["status"] = 2 if sure and (not told or self.draw.random() < 0.8) else 0

    # -- a call --

    def call(self, caller, start, ms, parent, depth):
        d = self.draw
        kind = d.choices(["service", "database", "cache", "external", "queue", "silent"], [12, 1, 1, 1, 1, 1])[0]
        if self.mesh.like[caller] == "sidecars" and kind in ("database", "cache", "queue", "external"):
            kind = "service"
        if kind in ("database", "cache", "external", "queue"):
            return self.leaf(caller, kind, start, ms, parent)
        callee = d.choice(NAMES) if d.random() < 0.97 else caller
        path = "/%s/%d" % (callee, len(self.t.spans))
        if kind == "silent":
            return self.half(caller, "silent%d" % d.randint(1, 2), start, ms, parent, path, None, d.choice([200, 200, 503, 404]))[1]
        n, code, at = 0, 0, start
        tries = d.choice([1, 1, 1, 1, 2, 3]) if ms > 20 else 1
        while n < tries:
            took = ms / tries - 0.4
            last = n == tries - 1
            want = None if last else 503
            code = self.attempt(caller, callee, at, took, parent, depth, path, want, n)
            at += took + 0.3
            n += 1
            if code < 500:
                break
        return code

    def leaf(self, caller, kind, start, ms, parent):
        d, code = self.draw, self.draw.choice([200, 200, 200, 500])
        attrs = {"database": {"db__system": d.choice(["postgresql", "mysql"]), "server__address": "10.0.0.9", **({"db__name": "orders"} if d.random() < 0.5 else {})},
                 "cache": {"db__system": "redis", "server__address": "cache-1"},
                 "external": {"url__full": "https://api.partner.example/v1/x"},
                 "queue": {"messaging__system": "kafka", "messaging__destination__name": "orders"}}[kind]
        status = 2 if code == 500 else 0
        if kind == "queue":
            send = self.app(caller, "producer", start, ms, parent, 200, attrs=attrs, status=0)
            for n in range(d.randint(0, 2)):
                consumer = d.choice(NAMES)
                if self.mesh.like[consumer] != "sidecars":
                    c = self.app(consumer, "consumer", start + 1 + n, 20, send, 200, attrs=attrs, status=0,
                                 links=[("%032x" % 77, "%016x" % 1)] if d.random() < 0.3 and not self.mesh.zipkin else [])
                    if self.budget > 0 and d.random() < 0.5:
                        self.budget -= 1
                        self.call(consumer, start + 2 + n, 10, c, 4)
            return 200
        self.app(caller, "client", start, ms, parent, 200, attrs=attrs, status=status, name="q%d" % len(self.t.spans))
        return code

    def half(self, caller, callee, start, ms, parent, path, top, code, n=0, flags="-"):
        """The caller's half; gives its lowest span, the code, and all spans of it."""
        like, spans = self.mesh.like[caller], []
        if like in ("applications", "both"):
            attrs = {"server__address": callee} if like == "applications" or callee.startswith("silent") else {}
            if self.mesh.bare:
                attrs["url__full"] = "http://%s%s" % (callee, path)
            parent = self.app(caller, "client", start, ms, parent, code, attrs=attrs, name="GET" if self.mesh.bare else "GET " + path)
            spans.append(parent)
        if like in ("sidecars", "both"):
            each = self.mesh.attempts
            parent = self.side(caller, "server" if each else "client", start + 0.2, ms - 0.4, parent, out(callee), code, path=path, flags=flags)
            spans.append(parent)
            if each:
                parent = self.side(caller, "client", start + 0.3, ms - 0.6, parent, out(callee), code, path="", flags=flags)
                spans.append(parent)
        return parent, code, spans

    def attempt(self, caller, callee, start, ms, parent, depth, path, want, n):
        d = self.draw
        flags, has_sidecar = "-", self.mesh.like[caller] != "applications"
        if has_sidecar and (want or d.random() < 0.05):
            flags = d.choice(["-", "UF", "UH", "UO", "UF,URX"]) if want else d.choice(["UF", "UH", "UO", "RL"])
        if flags != "-":
            return self.half(caller, callee, start, ms, parent, path, None, 429 if flags == "RL" else 503, n, flags)[1]
        if not want and n == 0 and not self.mesh.unset and d.random() < 0.2:
            special = d.choice([self.gives_up, self.under_one_span, self.sure_of_itself, self.wrongly_named])
            code = special(caller, callee, start, ms, parent, path, has_sidecar)
            if code:
                return code
        low, _, spans = self.half(caller, callee, start, ms, parent, path, None, 200, n)
        at, left = start + 0.6, ms - 1.2
        if d.random() < 0.12 and callee != caller:
            low, at, left = self.through(callee, at, left, low, path, spans)
        code = self.serve(callee, at + 0.2, left - 0.4, low, depth, path, None, want)
        if has_sidecar and callee != caller and d.random() < 0.05 and code < 500:
            other = d.choice([n for n in NAMES if n not in (caller, callee if self.mesh.zipkin else caller)])
            self.side(other, "server", at + 0.3, left + 20, low, INBOUND, d.choice([200, 500]), host=callee + "-shadow", path=path,
                      shared=bool(self.mesh.zipkin and low["kind"] == "client"))
        for span in spans:
            self.answered(span, code)
        return code

    # -- what is rarer: each gives the code it answered, or 0 when it does not fit here --

    def plain_callee(self, callee, start, ms, parent, code, path, **more):
        """A callee's half that calls nobody; gives its spans."""
        spans = []
        if self.mesh.like[callee] != "applications":
            parent = self.side(callee, "server", start, ms, parent, INBOUND, code, path=path, **more)
            spans.append(parent)
        if self.mesh.like[callee] != "sidecars":
            spans.append(self.app(callee, "server", start + 0.3, ms - 0.6, parent, code))
        return spans

    def gives_up(self, caller, callee, start, ms, parent, path, has_sidecar):
        """The caller's time is over while the callee goes on and succeeds."""
        low, _, spans = self.half(caller, callee, start, ms, parent, path, None, 504, 0, "UT" if has_sidecar else "-")
        cut_off = has_sidecar and self.mesh.like[callee] == "sidecars" and self.draw.random() < 0.5
        if cut_off:
            self.side(callee, "server", start + 1, ms - 2, low, INBOUND, 0, flags="DC", path=path)
        else:
            self.plain_callee(callee, start + 1, ms * 2 + 30, low, 200, path)
        return 504

    def under_one_span(self, caller, callee, start, ms, parent, path, has_sidecar):
        """A proxy's single span with several of its callee beneath: attempts, or copies that nothing marks."""
        d = self.draw
        if not has_sidecar or self.mesh.attempts or self.mesh.like[callee] != "sidecars" or callee == caller:
            return 0
        low, _, spans = self.half(caller, callee, start, ms, parent, path, None, 200)
        if d.random() < 0.5:
            n = d.randint(2, 3)
            codes = [503] * (n - 1) + [d.choice([200, 503])]
            for i, code in enumerate(codes):
                self.side(callee, "server", start + 1 + i * (ms - 2) / n, (ms - 2) / n - 0.3, low, INBOUND, code, path=path, shared=self.mesh.zipkin)
        else:
            codes = [200]
            self.side(callee, "server", start + 1, ms - 2, low, INBOUND, 200, path=path)
            self.side(callee, "server", start + 1.5, ms, low, INBOUND, d.choice([200, 500]), path=path)
        for span in spans:
            self.answered(span, codes[-1])
        return codes[-1]

    def sure_of_itself(self, caller, callee, start, ms, parent, path, has_sidecar):
        """An explicit OK overrules the codes of its span, and of no other."""
        if has_sidecar or self.mesh.like[callee] != "applications":
            return 0
        low, code, _ = self.half(caller, callee, start, ms, parent, path, None, 200)
        low["attrs"].update({"http.response.status_code": self.draw.choice([500, 404])})
        low["status"] = 1
        self.app(callee, "server", start + 1, ms - 2, low, self.draw.choice([200, 200, 503, 404]), status=self.draw.choice([0, 1]))
        return 200

    def wrongly_named(self, caller, callee, start, ms, parent, path, has_sidecar):
        """The callee's span says that it is a client's."""
        if has_sidecar or self.mesh.like[callee] != "applications" or callee == caller:
            return 0
        low, code, _ = self.half(caller, callee, start, ms, parent, path, None, 200)
        self.app(callee, "client", start + 1, ms - 2, low, 200, status=0)
        return 200

    def through(self, callee, at, ms, low, path, spans):
        """One gateway or two on the way."""
        for n in range(self.draw.choice([1, 1, 2])):
            name, role = self.draw.choice([("edge", "gateway"), ("east", "gateway"), ("way", "waypoint")])
            cluster = self.draw.choice(["c1", ""])
            for kind in ("server", "client"):
                low = self.t.proxy(name + str(n), kind, at, ms, low, role=role, upstream=out(callee), cluster=cluster, namespace="istio-system",
                                   path=path if kind == "server" else "")
                spans.append(low)
                at, ms = at + 0.1, ms - 0.2
        return low, at, ms

    # -- a trace --

    def make(self):
        d, t = self.draw, self.t
        root, start, ms, parent, spans = d.choice(NAMES), 0, d.choice([60, 120, 300]), None, []
        where = d.random()
        if where < 0.2:
            for kind in ("server", "client"):
                parent = t.proxy("front", kind, start, ms, parent, role="gateway", upstream=out(root), namespace="istio-system", path="/" if kind == "server" else "")
                spans.append(parent)
                start, ms = start + 0.2, ms - 0.4
        elif where < 0.28 and self.mesh.like[root] != "sidecars":
            parent = t.client("job", start, ms, None)
            spans.append(parent)
            start, ms = start + 0.2, ms - 0.4
        elif where < 0.35 and self.mesh.like[root] != "applications":
            return self.left(root)
        elif where < 0.4:
            code, flags = d.choice([(404, "NR"), (429, "RL"), (503, "UH"), (503, "UO"), (418, "FI"), (403, "UAEX"), (503, "OM")])
            t.proxy("front", "server", 0, 5, None, role="gateway", upstream=None if flags == "NR" else out(root), code=code, flags=flags, namespace="istio-system")
            return t
        code = self.serve(root, start, ms, parent, 0, "/")
        for span in spans:
            self.answered(span, code)
        if self.mesh.zipkin:  # has no word for a step inside
            for span in t.spans:
                span["kind"] = "unset" if span["kind"] == "internal" else span["kind"]
        self.spoil()
        return t

    def left(self, root):
        """The client went away, and everybody beneath noticed, or one did not."""
        t, d = self.t, self.draw
        g = t.proxy("front", "server", 0, 100, None, role="gateway", upstream=out(root), code=0, flags="DC", namespace="istio-system")
        a = self.side(root, "server", 2, 96, g, INBOUND, 0, flags=d.choice(["DC", "DR"]), path="/")
        other = d.choice([n for n in NAMES if n != root])
        o = self.side(root, "client", 3, 90, a, out(other), d.choice([0, 200]), path="/x")
        if o["attrs"]["http.status_code"] == "0":
            o["attrs"]["response_flags"] = "DC"
        if self.mesh.like[other] != "applications":
            self.side(other, "server", 4, 88, o, INBOUND, 200, path="/x")
        return t

    def spoil(self):
        d, t = self.draw, self.t
        what = d.random()
        if self.mesh.zipkin and what < 0.06:  # a workload's proxy sends nothing
            left = [s for s in t.spans if s["service"] != d.choice([n for n in NAMES if self.mesh.like[n] == "sidecars"] or NAMES)]
            t.spans[:] = left or t.spans
        elif what < 0.25:
            for _ in range(1 if self.mesh.zipkin else d.choice([1, 1, 2, 3])):  # of shared ids two lost halves leave no way to tell
                may_go = [] if self.mesh.unset and self.mesh.zipkin else t.spans  # without kinds nobody could tell whose half is left
                if len(t.spans) > 1 and may_go:
                    t.spans.remove(d.choice(may_go))
        elif what < 0.27:
            span = d.choice([s for s in t.spans if not s["parent"]])
            if not span["shared"]:
                span["parent"] = span["id"]
        elif what < 0.285 and len(t.spans) > 2:
            ring = d.sample(t.spans, 2)
            if self.mesh.zipkin or ring[0]["id"] == ring[1]["id"]:
                return
            ring[0]["parent"], ring[1]["parent"], t.ring = ring[1]["id"], ring[0]["id"], True
        elif what < 0.32:
            t.spans += [dict(s) for s in d.sample(t.spans, len(t.spans) // 2)]
        elif what < 0.35:
            for s in t.spans:
                if not s["parent"] and s["kind"] == "server" and s["attrs"].get("component") != "proxy":
                    s["parent"] = "00000000000fffff"
                    s["attrs"]["network.peer.address"] = d.choice(["93.184.216.34", "10.0.0.5"])
        d.shuffle(t.spans)


def trace(seed, zipkin=False):
    return Maker(seed, zipkin).make()
