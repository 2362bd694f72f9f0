"""Faults of code, at one place of one operation's program, and a service that cannot be reached."""
from faults import Fault
from runtime import FAIL, RETURN


class Defect(Fault):
    """`place` is a step of the operation's program, or None: behind the last."""
    least_added = 0.0

    def __init__(self, rng, window_ms, operation, place):
        super().__init__(rng, window_ms)
        self.operation, self.place = operation, place
        self.share = 1.0 if rng.random() < 0.35 else self.draw("share", 0.08, 0.9)
        self.words.append("at %s" % operation)

    def here(self, v, step, t):
        return (step is self.place and v.operation == self.operation and t >= self.onset and self.rng.random() < self.share)


class Error(Defect):
    """The visit ends before it calls what it would, and fails; its caller stops too, or goes on without.

    With a status the failing spans say so; without, what it would have called is missing, and its own time is short."""
    kind, fails = "error", ""

    def strike(self, v):
        v.struck, v.event = True, self.fails or None
        self.note()
        return FAIL

    def before(self, v, step, t):
        return self.strike(v) if self.place is not None and self.here(v, step, t) else None

    def at_end(self, v, t):
        return self.place is None and self.here(v, None, t) and self.strike(v) == FAIL


class Exception_(Error):
    """As Error; the innermost span has an `exception` event in those cases where the SDK records exceptions."""
    kind, fails = "exception", "NullPointerException"


class Early(Defect):
    """Answers well without doing the rest: calls that always followed are missing, no span says that anything is wrong."""
    kind = "early return"

    def before(self, v, step, t):
        if self.here(v, step, t):
            self.note()
            return RETURN


class Missing(Defect):
    """One call is left out, the rest goes on."""
    kind = "missing call"

    def before(self, v, step, t):
        if self.here(v, step, t):
            self.note()
            return "skip"


class Loop(Defect):
    """A loop runs too often or too seldom: more or fewer calls a visit to the callee, which is as fast as ever."""
    kind = "loop"

    def __init__(self, rng, *more):
        super().__init__(rng, *more)
        self.times = self.draw("times", 2, 5) if rng.random() < 0.75 else self.draw("times", 0.1, 0.4)

    def before(self, v, step, t):
        return self.times if self.here(v, step, t) else None


class Refused(Fault):
    """A share of the calls find nobody: no SERVER span below a short CLIENT span that failed, at all of its callers.

    Without CLIENT spans: the service is missing where it always was, and its callers stop."""
    kind, least_added, fails = "refused", 0.0, "ConnectException"

    def __init__(self, rng, window_ms):
        super().__init__(rng, window_ms)
        self.share = 1.0 if rng.random() < 0.25 else self.draw("share", 0.1, 0.9)

    def refuses(self, pod, t):
        if t >= self.onset and self.rng.random() < self.share:
            self.note()
            return self.fails, self.rng.uniform(0.3, 3)


class Timeouts(Refused):
    """The same, but callers wait for seconds before they give up."""
    kind, fails = "timeouts", "TimeoutException"

    def __init__(self, rng, window_ms):
        super().__init__(rng, window_ms)
        self.ms = self.draw("ms", 800, 5000, 0)

    def refuses(self, pod, t):
        if t >= self.onset and self.rng.random() < self.share:
            self.note()
            return self.fails, self.ms
