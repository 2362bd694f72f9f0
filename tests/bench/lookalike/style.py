"""How a case's spans are written, and how noisy its machines are.

Seven in ten cases have CLIENT spans. Failures show in no status, on the span where they began, or all the way up; with or
without an `exception` event; and in a third of the cases in the protocol's code as an attribute. Up to 2 % of the spans are lost
in half of the cases; clocks of hosts differ by up to some milliseconds. Some clients give up after 2 to 8 s, some try twice, and
one in eight pairs of caller and callee goes on without the answer.
"""
from steps import inside


class Style:
    """How this case's spans are written, and how noisy its machines are."""

    def __init__(self, rng, shop):
        self.clients, self.internals = rng.random() < 0.7, rng.random() < shop.internals
        self.status = rng.choices(["none", "server", "chain"], [35, 25, 40])[0]
        self.event, self.codes = rng.random() < 0.4, rng.random() < 0.35
        self.newer = rng.random() < 0.6
        self.lost = 0 if rng.random() < 0.5 else rng.uniform(0, 0.02)
        self.skew_ms = 0 if rng.random() < 0.4 else rng.uniform(0.2, 3)
        self.sigma, self.tail = rng.uniform(0.2, 0.5), rng.uniform(0.001, 0.01)
        self.hop_ms = rng.uniform(0.15, 0.8)
        self.timeout = 0 if rng.random() < 0.7 else rng.uniform(2000, 8000)
        self.sampled = 1.0 if rng.random() < 0.75 else rng.uniform(0.4, 0.9)
        self.retriers = {rng.choice(shop.services)} if rng.random() < 0.15 else set()
        pairs = sorted({(caller, step[1]) for (caller, _), program in shop.programs.items() for step in inside(program) if step[0] == "call"})
        self.lenient = {pair for pair in pairs if rng.random() < 0.12}
        self.by_version, self.by_pod, self.by_instance = rng.random() < 0.6, rng.random() < 0.7, rng.random() < 0.5
        self.checks = rng.random() < 0.4

    def said(self, fails, server=True):
        """By what the spans say that a visit failed; `fails`: the word of its exception, `server`: an answer to a call."""
        if self.status != "none":
            return "status"
        return "code" if self.codes and server else "event" if self.event and fails else "nothing"

    def __str__(self):
        words = ["client spans" if self.clients else "no client spans"]
        words += [name for name in ("internals", "event", "codes", "by_version", "by_pod", "by_instance", "checks") if getattr(self, name)]
        words += ["status=" + self.status, "lost=%.3f" % self.lost, "skew_ms=%.1f" % self.skew_ms, "sigma=%.2f" % self.sigma,
                  "timeout_ms=%d" % self.timeout, "sampled=%.2f" % self.sampled, "retries=%s" % ",".join(self.retriers),
                  "goes_on=%s" % ",".join(">".join(pair) for pair in sorted(self.lenient))]
        return " ".join(words)
