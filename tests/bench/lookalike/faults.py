"""What can break, and what a reader of the spans can see of it.

A fault is asked at the pods that have it, and notes what it did, so that a case can be drawn again when it never struck.
Its numbers are drawn when it is made and said by `str()`.
"""
from runtime import FAIL


class Fault:
    kind, node = "none", None

    def __init__(self, rng, window_ms):
        self.rng, self.words = rng, []
        self.onset = window_ms * rng.uniform(0, 0.25) if rng.random() < 0.3 else 0
        self.hits, self.added, self.runtime, self.last = 0, 0.0, None, None

    def draw(self, name, least, most, digits=2):
        value = round(self.rng.uniform(least, most), digits)
        self.words.append("%s=%g" % (name, value))
        return value

    def note(self, ms=0.0):
        """Counts requests that it struck, not how often it did."""
        if self.runtime.kept:
            self.hits += self.last != self.runtime.request
            self.last = self.runtime.request
            self.added += ms
        return ms

    def visible(self):
        """Whether what it did can be found in the spans at all: often enough, and not lost in the noise."""
        return self.hits >= 8 and self.added / self.hits >= self.least_added

    least_added = 1.0
    fails = None                                         # what the event of its failures says; "": nothing; None: nothing fails

    def __str__(self):
        return " ".join(self.words)

    def before(self, v, step, t):
        return None

    def at_end(self, v, t):
        return False

    def work(self, v, ms, t):
        return ms

    def packet(self, sender, receiver, t):
        return 0.0

    def disk(self, ms, write, t):
        return 0.0

    def refuses(self, pod, t):
        return None


class Cpu(Fault):
    """Own time grows by a factor at every operation, now and then by a throttled period as well. Callees are as fast as ever."""
    kind = "cpu"

    def __init__(self, rng, window_ms):
        super().__init__(rng, window_ms)
        self.factor, self.throttled = self.draw("factor", 2, 8), self.draw("throttled", 0, 0.25)

    def work(self, v, ms, t):
        if t < self.onset:
            return ms
        more = ms * (self.factor - 1)
        if self.rng.random() < self.throttled:
            more += self.rng.uniform(10, 80)
        return ms + self.note(more)


class Lock(Fault):
    """One operation waits in a share of its visits: two humps, or a tail, in its own time."""
    kind = "lock"

    def __init__(self, rng, window_ms, operation):
        super().__init__(rng, window_ms)
        self.operation = operation
        self.share, self.wait = self.draw("share", 0.1, 0.5), self.draw("wait_ms", 25, 400, 0)

    def work(self, v, ms, t):
        if v.operation != self.operation or t < self.onset or v.waited:
            return ms
        v.waited = True                                  # once a visit
        if self.rng.random() < self.share:
            ms += self.note(self.wait * self.rng.lognormvariate(0, 0.3))
        return ms


class Delay(Fault):
    """Every packet that leaves the pod (or comes to it as well) is late: its calls in and out are longer than what they call.

    Without CLIENT spans: its callers wait before and after its spans, and itself before and after its callees'."""
    kind = "delay"

    def __init__(self, rng, window_ms):
        super().__init__(rng, window_ms)
        self.ms, self.both = self.draw("ms", 15, 400, 0), rng.random() < 0.4
        self.words.append("both ways" if self.both else "outgoing")

    def packet(self, sender, receiver, t):
        if t < self.onset or not (self.both or (sender is not None and sender.bad)):
            return 0.0
        return self.note(self.ms * self.rng.uniform(0.8, 1.2))


class Loss(Fault):
    """A few calls from and to the service take 200 ms, 600 ms or a second more, in steps of retransmission; most are as before."""
    kind = "loss"

    def __init__(self, rng, window_ms):
        super().__init__(rng, window_ms)
        self.share, self.fresh = self.draw("share", 0.02, 0.25), self.draw("new_connections", 0, 0.2)

    def packet(self, sender, receiver, t):
        if t < self.onset or self.rng.random() >= self.share:
            return 0.0
        if self.rng.random() < self.fresh:
            return self.note(1000.0)
        more, wait = 0.0, 200.0
        while wait < 2000:
            more, wait = more + wait, wait * 2
            if self.rng.random() >= self.share:
                break
        return self.note(more * self.rng.uniform(1, 1.05))


class Pauses(Fault):
    """The process stands still some times: the few visits which were open then take up to seconds, at whatever they did."""
    kind = "pauses"

    def __init__(self, rng, window_ms):
        super().__init__(rng, window_ms)
        count, self.longest = int(self.draw("count", 8, 30, 0)), self.draw("ms", 400, 2500, 0)
        self.stops = sorted((rng.uniform(self.onset, window_ms), self.longest * rng.uniform(0.5, 1)) for _ in range(count))

    def work(self, v, ms, t):
        for start, long in self.stops:
            if start > t + ms:
                break
            if start + long > t:
                ms += self.note(start + long - max(start, t))
        return ms


class Memory(Fault):
    """Own time creeps up over the window, then some visits fail, then nobody answers until the restart; after it all is well."""
    kind, fails = "memory", "OutOfMemoryError"

    def __init__(self, rng, window_ms):
        super().__init__(rng, window_ms)
        self.factor, self.failing = self.draw("factor", 2.5, 6), self.draw("fails", 0, 0.3)
        self.dies, self.back = window_ms * self.draw("dies_at", 0.6, 1.1), self.draw("restart_s", 4, 25, 0) * 1000

    def grown(self, t):
        return 0.0 if t > self.dies + self.back or t < self.onset else (t - self.onset) / (self.dies - self.onset)

    def work(self, v, ms, t):
        return ms + self.note(ms * (self.factor - 1) * self.grown(t) + 12 * max(0.0, self.grown(t) - 0.5))

    def before(self, v, step, t):
        if step[0] == "work" and self.grown(t) > 0.7 and self.rng.random() < self.failing / 2:
            v.struck, v.event = True, self.fails
            return FAIL

    def refuses(self, pod, t):
        if self.dies < t < self.dies + self.back:
            self.note(5)
            return "ConnectException", 1.0


class Disk(Fault):
    """A store answers late, writes most: the CLIENT spans of all services that use it are longer. Only with CLIENT spans."""
    kind = "disk"

    def __init__(self, rng, window_ms, node):
        super().__init__(rng, window_ms)
        self.node = node
        self.writes, self.reads = self.draw("write_ms", 20, 250, 0), self.draw("read_ms", 2, 40, 0)

    def disk(self, ms, write, t):
        if t < self.onset:
            return 0.0
        return self.note((self.writes if write else self.reads) * self.rng.lognormvariate(0, 0.6))
