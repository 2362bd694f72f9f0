"""Draws a case from its seed and number: an application, how its spans are written, what drifts, and what breaks.

Application, level, kind: each application is as likely; 15 % of cases are quiet, 55 % ask for a service, 15 % for a version,
15 % for an instance. Requests: 150 to 400 before, and 85 to 115 % of that during the fault (60 to 150 % when quiet); a quarter
of the cases keep only 40 to 90 % of them. Windows of 3 to 10 and 2 to 7 minutes, up to ten minutes between them. Drift: all work
times by 0.87 to 1.15, each request kind's weight by a log-normal factor (sigma 0.2, quiet 0.35); probes of /health in 40 % of
cases: as often before as after in half of those, new in a quarter, at another rate in a fifth, gone in a twentieth.
A harmless rollout, of a new version or of new pods, comes with half of the quiet cases and with 8 % of the faults, at another service.

Fairness: the service, and for defects the operation, is one that is visited 20 times or more; a defect is put only where the
spans that are written can tell it from a fault of its caller; and a case in which the fault struck fewer than 8 requests that
were kept, or added less than a millisecond to each, is drawn again. `faults.py` and `defects.py` say what a reader can see of each kind.

Seeds 1 to 99 are for development. Seeds of 100 and above are held out: run for a figure, and never looked into by case.
"""
import random

import defects
import faults
from runtime import Pod, Runtime
from shops import SHOPS
from spans import attributes, write_lines
from steps import inside, reached
from style import Style

EPOCH_NS = 1772445600 * 10**9
SLOW = [faults.Cpu, faults.Cpu, faults.Lock, faults.Delay, faults.Delay, faults.Loss, faults.Pauses, faults.Memory]
CODE = [defects.Error, defects.Error, defects.Exception_, defects.Exception_, defects.Early, defects.Missing, defects.Loop]
GONE = [defects.Refused, defects.Timeouts]
KINDS = {"service": SLOW + CODE + GONE + [faults.Disk, faults.Disk],
         "version": CODE + [faults.Cpu, faults.Lock],
         "instance": SLOW + [defects.Error, defects.Exception_, defects.Refused]}
TRIES = 200


class Case:
    def __init__(self, seed, number):
        self.seed, self.number = seed, number
        for self.attempt in range(TRIES):
            rng = self.rng = random.Random("lookalike %d %d %d" % (seed, number, self.attempt))
            if self.draw(rng) and self.happen(rng):
                return
        raise RuntimeError("no fair case in %d tries" % TRIES)

    # What is drawn

    def draw(self, rng):
        first = random.Random("lookalike %d %d" % (self.seed, self.number))     # kept over tries: no kind is rarer for being hard to draw
        self.shop = first.choice(SHOPS)
        self.level = first.choices(["quiet", "service", "version", "instance"], [15, 55, 15, 15])[0]
        self.listening = {step[2:4] for program in self.shop.programs.values() for step in inside(program) if step[0] == "send"}
        quiet = self.level == "quiet"
        self.make = None if quiet else first.choice(KINDS[self.level])
        self.asked = first.choice(["service", "version", "instance"]) if quiet else self.level
        style = self.style = Style(rng, self.shop)
        style.by_version = style.by_version or self.asked == "version"
        style.by_instance = style.by_instance or (self.asked == "instance" and not style.by_pod)
        if self.make is faults.Disk:
            style.clients = True
        self.lengths = [rng.uniform(180, 600) * 1000, rng.uniform(120, 400) * 1000]
        self.requests = rng.randint(150, 400)
        self.load = rng.uniform(0.6, 1.5) if quiet else rng.uniform(0.85, 1.15)
        self.speed = rng.uniform(0.87, 1.15)
        drift = 0.35 if quiet else 0.2
        self.mixes = [self.shop.mix, {kind: share * rng.lognormvariate(0, drift) for kind, share in self.shop.mix.items()}]
        self.gap_ms = rng.uniform(0, 600) * 1000
        self.noise = {place: rng.uniform(0.002, 0.02) for place in self.shop.programs if rng.random() < 0.06}
        every = rng.uniform(5, 30) * 1000
        self.probes = rng.choices([(every, every), (0, every), (every, every * rng.uniform(0.5, 2)), (every, 0)], [50, 25, 20, 5])[0]
        self.probed = rng.sample(self.shop.services, min(6, len(self.shop.services)))
        self.service = self.place = self.fault = self.rollout = None
        if not quiet and not self.draw_fault(rng):
            return False
        if rng.random() < (0.5 if quiet else 0.08):
            self.rollout = rng.choice([service for service in self.shop.services if service != self.service])
        self.draw_pods(rng)
        return True

    def draw_fault(self, rng):
        total, visits = sum(self.shop.mix.values()), {}
        for (service, operation), share in self.shop.mix.items():
            for place, times in reached(self.shop, service, operation).items():
                visits[place] = visits.get(place, 0) + times * share / total
        enough = [place for place, times in sorted(visits.items()) if times * self.requests >= 20]
        make, window = self.make, self.lengths[1]
        if make is faults.Disk:
            self.service = rng.choice(sorted({service for service, _ in enough if service in self.shop.stores}))
            self.fault = make(rng, window, self.service)
            return True
        steps = {place: [None] for place in enough if place[0] not in self.shop.stores}
        if make in CODE:
            steps = {place: self.places(place) for place in steps}
        steps = {place: some for place, some in steps.items() if some}
        if not steps:
            return False
        self.service = rng.choice(sorted({service for service, _ in steps}))
        self.place = rng.choice([place for place in steps if place[0] == self.service])
        if make in GONE and self.service == self.shop.entry:
            return False                                 # nobody would write a span
        near = self.neighbours()
        if not self.style.clients and ((make in (faults.Delay, faults.Loss) and len(near[0] | near[1]) < 2)
                                       or (make in GONE and len(near[0]) < 2)):
            return False                                 # its only caller's fault would look the same
        if make is faults.Lock:
            self.fault = make(rng, window, self.place[1])
        elif make in CODE:
            self.fault = make(rng, window, self.place[1], rng.choice(steps[self.place]))
        else:
            self.fault = make(rng, window)
            if self.level == "instance" and make is defects.Refused and self.fault.share < 0.5:
                return False                             # no span says which pod: only that its share of the calls fell
        return True

    def neighbours(self):
        """The services that call it, and those which it calls."""
        callers, callees = set(), set()
        for (service, _), program in self.shop.programs.items():
            for step in inside(program):
                if step[0] == "call" and step[1] == self.service:
                    callers.add(service)
                elif step[0] == "call" and service == self.service:
                    callees.add(step[1])
        return callers, callees

    def spoken(self, steps):
        """Whether any of these steps would be seen in spans."""
        seen = ("call", "send", "store") if self.style.clients else ("call", "send")
        return any(step[0] in seen or (step[0] == "inner" and self.style.internals) for step in steps)

    def places(self, place):
        """The places in a program where the defect leaves a trace."""
        make = self.make
        steps = list(inside(self.shop.programs[place]))
        behind = {id(step): steps[i:] for i, step in enumerate(steps)}
        if make is defects.Loop:
            return [step for step in steps if step[0] == "loop" and self.spoken(step[3])]
        if make is defects.Missing:
            return [step for step in steps if step[0] in ("call", "send", "store") and self.spoken([step])]
        if make is defects.Early:
            return [step for step in steps if self.spoken(behind[id(step)])]
        if self.style.said(make.fails, place not in self.listening) != "nothing":
            return steps + [None]
        stopped = {service for (service, _), caller in self.shop.programs.items() if self.stops(caller, place)}
        if len(stopped) > 1:
            return steps + [None]                        # what they have in common
        half = sum(step[1] for step in steps if step[0] == "work") / 2
        short = {id(step) for step in steps if stopped and sum(s[1] for s in behind[id(step)] if s[0] == "work") > half}
        return [step for step in steps if self.spoken(behind[id(step)]) or id(step) in short]

    def stops(self, program, place):
        """Whether this caller of a place, when it fails, leaves calls undone."""
        steps = list(inside(program))
        return any(step[0] == "call" and step[1:3] == place and not step[3] and self.spoken(steps[i + 1:]) for i, step in enumerate(steps))

    # Pods

    def draw_pods(self, rng):
        hosts = [rng.gauss(0, self.style.skew_ms) for _ in range(rng.randint(3, 6))]
        self.pods, self.before, self.after = {}, {}, {}
        for service in self.shop.services:
            count = 1 if rng.random() < 0.6 else rng.randint(2, 4)
            if service == self.service and self.level == "instance":
                count = rng.randint(2, 5)
            version = "1.%d.%d" % (rng.randint(0, 9), rng.randint(0, 9))
            self.pods[service] = [self.new_pod(rng, service, version, hosts) for _ in range(count)]
        self.bad, self.fresh = [], []
        if self.service in self.pods and self.level == "service":
            self.bad = self.pods[self.service]
        elif self.level == "instance":
            self.bad = [rng.choice(self.pods[self.service])]
        elif self.level == "version":
            self.draw_version(rng, hosts)
        if self.rollout:
            old = self.pods[self.rollout]
            same = self.asked != "version" and rng.random() < 0.4           # new pods of the same version
            new = [self.new_pod(rng, self.rollout, old[0].version if same else old[0].version + "1", hosts) for _ in old]
            gone = rng.random() < 0.6                                       # else both are there
            self.fresh.append((old if gone else [], new))
            self.pods[self.rollout] = old + new

    def draw_version(self, rng, hosts):
        old = self.pods[self.service]
        self.share = rng.uniform(0.05, 0.5)
        bad = self.new_pod(rng, self.service, old[0].version + "-rc%d" % rng.randint(1, 9), hosts)
        bad.weight = len(old) * self.share / (1 - self.share)
        self.bad, self.pods[self.service] = [bad], old + [bad]
        if rng.random() < 0.7:
            self.fresh.append(([], [bad]))               # else it was there before, and well

    def new_pod(self, rng, service, version, hosts):
        style = self.style
        name = "%s-%08x-%s" % (service, rng.getrandbits(32), "".join(rng.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5)))
        pairs = [("service.name", service)]
        if style.by_version:
            pairs.append(("service.version", version))
        if style.by_pod:
            pairs.append(("k8s.pod.name", name))
        instance = name
        if style.by_instance:
            instance = "%08x-%04x-4%03x-a%03x-%012x" % tuple(rng.getrandbits(bits) for bits in (32, 16, 12, 12, 48))
            pairs.append(("service.instance.id", instance))
        pod = Pod(service, name, version, attributes(pairs), rng.choice(hosts))
        pod.instance = instance
        return pod

    # What happens

    def happen(self, rng):
        start = EPOCH_NS + rng.randrange(0, 86400) * 10**9
        starts = [start, start + int((self.lengths[0] + self.gap_ms) * 1e6)]
        self.windows, self.files = [None, None], [None, None]
        steady = {pod: pod.weight for pods in self.pods.values() for pod in pods}
        for now in (1, 0):
            everyone = [pod for pods in self.pods.values() for pod in pods]
            for pod in everyone:
                pod.out, pod.bad, pod.weight = [], False, steady[pod]
            for gone, new in self.fresh:
                for pod in gone if now else new:
                    pod.weight = 0
            for pod in self.bad if now else []:
                pod.bad = True
            self.window(rng, now, starts[now])
            self.files[now] = [(pod.resource, pod.out) for pod in everyone]
            if now and self.fault and not self.fault.visible():
                return False
        return True

    def window(self, rng, now, base_ns):
        length, style, fault = self.lengths[now], self.style, self.fault if now else None
        runtime = Runtime(self.shop, style, self.pods, rng, base_ns, self.speed if now else 1.0, fault, self.noise)
        if fault:
            fault.runtime = runtime
        kinds, weights = zip(*self.mixes[now].items())
        count = int(self.requests * (self.load if now else 1))
        for t in sorted(rng.uniform(0, length - 5000) for _ in range(count)):
            service, operation = rng.choices(kinds, weights)[0]
            runtime.kept, runtime.request = rng.random() < style.sampled, runtime.request + 1
            runtime.visit("%032x" % rng.getrandbits(128), runtime.pick(service), service, operation, "", t)
        if style.checks:
            self.check_health(rng, runtime, length, now)
        self.windows[now] = base_ns, base_ns + int(length * 1e6)

    def check_health(self, rng, runtime, length, now):
        """Probes of a few services, all by one clock."""
        every = self.probes[now]
        if not every:
            return
        for service in self.probed:
            name, more = runtime.words.of("server", service, "GET /health" if self.shop.protocol == "http" else "Check")
            for pod in self.pods[service]:
                t = rng.uniform(0, every)
                while t < length - 5000 and pod.weight:
                    runtime.kept = True
                    runtime.write(pod, "%032x" % rng.getrandbits(128), runtime.new_id(), "", name, "server", t, t + runtime.took(0.3), more)
                    t += every

    def write(self, folder):
        return [write_lines("%s/%s.json" % (folder, name), files, 5000) for name, files in zip(("baseline", "fault"), self.files)]

    def drawn(self):
        """What was drawn besides the fault, in words."""
        return "%s requests=%d load=%.2f speed=%.2f probes_ms=%d,%d" % (self.style, self.requests, self.load, self.speed, *self.probes)

    def visibility(self):
        """In what the spans say that something failed, if anything did."""
        if self.fault is None or self.fault.fails is None:
            return "no failure"
        return self.style.said(self.fault.fails, self.place not in self.listening)

    def truth(self):
        if self.fault is None:
            return {"case": self.number, "shop": self.shop.name, "kind": "quiet", "level": self.asked, "rollout": self.rollout,
                    "style": self.drawn()}
        bad = self.bad[0] if self.bad else None
        return {"case": self.number, "shop": self.shop.name, "kind": self.fault.kind, "level": self.level, "service": self.service,
                "version": bad.version if self.level == "version" else None,
                "instance": [bad.name, bad.instance] if self.level == "instance" else None,
                "place": self.place and self.place[1], "drawn": str(self.fault), "hits": self.fault.hits,
                "added_ms": round(self.fault.added / max(1, self.fault.hits), 1), "rollout": self.rollout, "style": self.drawn()}
