"""One request through an application: time passes, calls are made, some fail, each side writes its spans.

Requests do not wait for each other: load shows only as a factor on every work time. Times are milliseconds since the window
began; a host's clock error is added when a span is written.
"""
import random

from spans import Words, span_text

GO, FAIL, RETURN = 0, -1, -2                             # how a list of steps ended


def log_normal(sigma, size=4096):
    """Factors around 1, drawn once: a draw from a table is much faster than a new one."""
    rng = random.Random(size)
    return [rng.lognormvariate(0, sigma) for _ in range(size)]


class Pod:
    def __init__(self, service, name, version, resource, skew_ms):
        self.service, self.name, self.version = service, name, version
        self.resource, self.skew_ms = resource, skew_ms
        self.weight, self.bad = 1.0, False
        self.out = []


class Visit:
    """One operation at one pod. `span` is the innermost open span, the parent of what comes next."""
    __slots__ = ("trace", "pod", "service", "operation", "span", "server", "struck", "event", "waited")

    def __init__(self, trace, pod, service, operation, span):
        self.trace, self.pod, self.service, self.operation = trace, pod, service, operation
        self.span = self.server = span
        self.struck = False                              # the failure began here
        self.event, self.waited = None, False


class Runtime:
    def __init__(self, shop, style, pods, rng, base_ns, speed, fault, noise):
        self.shop, self.style, self.rng = shop, style, rng
        self.base_ns, self.speed, self.fault, self.noise = base_ns, speed, fault, noise
        self.words = Words(shop.protocol, style.newer)
        self.kept, self.request = True, 0                # whether this request is sampled; its number
        self.draw = rng.random
        self.works, self.hops = log_normal(style.sigma), log_normal(0.35)
        self.ready = {service: [pod for pod in some if pod.weight > 0] for service, some in pods.items()}

    def new_id(self):
        return "%016x" % (self.rng.getrandbits(64) or 1)

    def took(self, ms):
        draw = self.draw
        ms *= self.speed * self.works[int(draw() * 4096)]
        return ms * (3 + 9 * draw()) if draw() < self.style.tail else ms

    def pick(self, service):
        pods = self.ready[service]
        return pods[0] if len(pods) == 1 else self.rng.choices(pods, [pod.weight for pod in pods])[0]

    def write(self, pod, trace, span, parent, name, kind, start, end, more, error=False, event=None):
        if not self.kept or self.draw() < self.style.lost:
            return
        start_ns = self.base_ns + int((start + pod.skew_ms) * 1e6)
        end_ns = self.base_ns + int((end + pod.skew_ms) * 1e6)
        pod.out.append((end, span_text(trace, span, parent, name, kind, start_ns, end_ns, more, error, event)))

    # One visit

    def visit(self, trace, pod, service, operation, parent, t, kind="server"):
        v = Visit(trace, pod, service, operation, self.new_id())
        start, steps = t, self.shop.programs[service, operation]
        if (service, operation) in self.noise and self.rng.random() < self.noise[service, operation]:
            t, state = t + self.took(0.4), FAIL
            v.struck, v.event = True, "InvalidArgument"
        else:
            t, state = self.steps(steps, v, t)
            if state == GO and pod.bad and self.fault.at_end(v, t):
                state = FAIL
        good = state != FAIL
        style = self.style
        error = not good and (style.status == "chain" or (style.status == "server" and v.struck))
        event = v.event if not good and style.event else None
        if kind == "consumer":
            name, more = operation, self.words.queue(operation)
        else:
            name, more = self.words.of("server", service, operation)
            if style.codes:
                more += self.words.code(operation, good)
        self.write(pod, trace, v.server, parent, name, kind, start, t, more, error, event)
        return t, good

    def steps(self, steps, v, t):
        for step in steps:
            what = step[0]
            times = 1
            if v.pod.bad:
                verdict = self.fault.before(v, step, t)
                if verdict == "skip":
                    continue
                if verdict in (FAIL, RETURN):
                    return t, verdict
                times = verdict or 1
            if what == "work":
                ms = self.took(step[1])
                if v.pod.bad:
                    ms = self.fault.work(v, ms, t)
                t, state = t + ms, GO
            elif what == "call":
                t, state = self.call(v, step, t)
            elif what == "store":
                t, state = self.store(v, step, t)
            elif what == "maybe":
                t, state = self.steps(step[2], v, t) if self.rng.random() < step[1] else (t, GO)
            elif what == "loop":
                state = GO
                rounds = meant = self.rng.randint(step[1], step[2])
                if times != 1:
                    rounds = int(meant * times + 0.5)
                    if rounds != meant:
                        self.fault.note()
                for _ in range(rounds):
                    t, state = self.steps(step[3], v, t)
                    if state != GO:
                        break
            elif what == "par":
                t, state = self.together(step[1], v, t)
            elif what == "inner":
                t, state = self.inner(v, step, t)
            else:
                t, state = self.send(v, step, t)
            if state != GO:
                return t, state
        return t, GO

    def together(self, branches, v, t):
        end, state = t, GO
        for number, branch in enumerate(branches):
            done, ended = self.steps([branch], v, t + 0.02 * number)
            end = max(end, done)
            state = state or ended
        return end, state

    def inner(self, v, step, t):
        if not self.style.internals:
            return self.steps(step[2], v, t)
        outer, start = v.span, t
        v.span = span = self.new_id()
        before = v.struck
        t, state = self.steps(step[2], v, t)
        v.span = outer
        began = state == FAIL and v.struck and not before
        error = state == FAIL and self.style.status == "chain"
        self.write(v.pod, v.trace, span, outer, step[1], "internal", start, t, "", error, v.event if began and self.style.event else None)
        return t, state

    # Calls between services

    def call(self, v, step, t):
        soft = step[3] or (v.service, step[1]) in self.style.lenient
        tries = 2 if v.service in self.style.retriers else 1
        for _ in range(tries):
            t, good = self.attempt(v, step[1], step[2], t)
            if good:
                return t, GO
        return t, GO if soft else FAIL

    def attempt(self, v, service, operation, t):
        style, fault = self.style, self.fault
        pod, start = self.pick(service), t
        client = self.new_id() if style.clients else None
        parent = client or v.span
        refused = fault.refuses(pod, t) if pod.bad else None
        event = None
        if refused is not None:                          # nobody there: no server span
            t, good, event = t + refused[1], False, refused[0]
            v.event = v.event or event
            if not style.clients:
                v.struck = True                          # the caller's own span is all that can show it
        else:
            out = self.hop(v.pod, pod, t)
            done, good = self.visit(v.trace, pod, service, operation, parent, t + out)
            t = done + self.hop(pod, v.pod, done)
            if style.timeout and t - start > style.timeout:
                t, good, event = start + style.timeout, False, "Timeout"
                v.event = v.event or event
        if client:
            name, more = self.words.of("client", service, operation)
            if style.codes:
                more += self.words.code(operation, good, event)
            error = not good and (style.status == "chain" or (style.status == "server" and event is not None))
            self.write(v.pod, v.trace, client, v.span, name, "client", start, t, more, error, event if style.event else None)
        return t, good

    def hop(self, sender, receiver, t):
        ms = self.style.hop_ms * self.hops[int(self.draw() * 4096)]
        if sender.bad or receiver.bad:
            ms += self.fault.packet(sender, receiver, t)
        return ms

    def store(self, v, step, t):
        _, node, words, ms, write = step
        start = t
        t += 2 * self.style.hop_ms * self.hops[int(self.draw() * 4096)] + self.took(ms)
        if v.pod.bad:
            t += self.fault.packet(v.pod, None, t) + self.fault.packet(None, v.pod, t)
        if self.fault is not None and self.fault.node == node:
            t += self.fault.disk(ms, write, t)
        if self.style.clients:
            name, more = self.words.store(node, self.shop.stores[node], words)
            self.write(v.pod, v.trace, self.new_id(), v.span, name, "client", start, t, more)
        return t, GO

    def send(self, v, step, t):
        _, queue, service, operation = step
        end = t + self.took(0.4)
        span = self.new_id()
        self.write(v.pod, v.trace, span, v.span, queue + " publish", "producer", t, end, self.words.queue(queue))
        self.visit(v.trace, self.pick(service), service, operation, span, end + self.took(3), "consumer")
        return end, GO
