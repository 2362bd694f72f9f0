"""Spans that bear no kind and no attribute, as tables of old traces have them: who did not answer leaves nothing, or a span like any other."""
import os
import random
import re

from lib import otlp_span
from scene_diagnose import BEGIN, MINUTES, asked, write_spans

# What the front does for each thing that it is asked for. The list calls the stock by itself, and the rates twice.
FRONT = {"GET /": ("list", "rate", "cart"), "GET /look": ("list", "rate", "rate", "cart", "rate"), "GET /cart": ("rate", "cart"),
         "POST /buy": ("cart", "pay", "mail")}
# For those who ask for it alone: the rates come first, and most of them behind the cart.
FRONT_ALL = {**FRONT, "GET /all": ("rate", "list", "cart", "rate", "rate", "rate", "rate")}


class Page:
    """`refused`: a service that does not answer a share of its calls, for which the caller waits in vain so many ms; `throws`: what the
    front is asked for and how many calls it makes for it before it stops by itself; `leaf`: the caller's half of a call is a span too,
    of this name or, "callee's", of that of the callee's; `forgets`: a service that mostly does no more what it does by itself; `asked`:
    what the front is asked for, `ever`: normally too, else any; `items`: so often at most does a visit note something, if it does;
    `lost`: a share of all spans; `kinds`: spans bear them."""

    def __init__(self, seed, refused="", share=1, wait=0, throws=None, leaf="", forgets="", asked=None, ever=None, items=3, lost=0, kinds=False):
        self.random, self.spans, self.leaf = random.Random(seed), [], leaf
        self.forgets, self.items, self.asked = forgets, items, asked or ever or list(FRONT)
        self.lost, self.kinds = lost, kinds
        self.refused, self.share, self.wait, self.throws = refused, share, wait, throws or {}

    def span(self, trace, service, name, parent, begin, end, kind=0):
        self.spans.append(otlp_span(trace, "%016x" % (self.random.getrandbits(63) + 1), parent, service, name, kind if self.kinds else 0, begin, end - begin, 0))
        return self.spans[-1][1]

    def call(self, trace, caller, parent, callee, at):
        """Its end, and whether it was answered."""
        begin, at = at, at + 0.2
        leaf = "do " + callee if self.leaf == "callee's" else self.leaf
        half = self.span(trace, caller, leaf, parent, begin, at, 3) if leaf else None
        if callee == self.refused and self.random.random() < self.share:
            at += self.wait
            if half:
                half["endTimeUnixNano"] = str(int(at * 1e6))
            return at, False
        at = self.visit(trace, callee, half["spanId"] if half else parent, "do " + callee, at)
        if half:
            half["endTimeUnixNano"] = str(int((at + 0.2) * 1e6))
        return at + 0.2, True

    def visit(self, trace, service, parent, name, begin):
        at = begin + self.random.lognormvariate(0, 0.4)
        own = self.span(trace, service, name, parent, begin, at, 2)
        for i, callee in enumerate(FRONT_ALL.get(name, ())):
            if self.throws.get(name) == i:
                break
            at, answered = self.call(trace, service, own["spanId"], callee, at)
            if not answered:
                break
        for step in ("find", *["note"] * self.random.choice((0, self.random.randint(1, self.items)))) if service != "front" else ():
            if step == "note" or service != self.forgets or self.random.random() > 0.7:
                at += 0.3
                self.span(trace, service, step, own["spanId"], at - 0.3, at)
        at += self.random.lognormvariate(0, 0.4)
        own["endTimeUnixNano"] = str(int(at * 1e6))
        return at


def answer_of(c, name, seed, code=1, level="service", **fault):
    paths = [os.path.join(c.folder, name + when + ".json") for when in ("base", "now")]
    for i, path in enumerate(paths):
        always = {k: fault[k] for k in ("leaf", "lost", "ever", "kinds") if k in fault}
        page = Page(seed + i, **(fault if i else always))
        for k in range(400):
            page.visit("%032x" % (page.random.getrandbits(127) + 1), "front", "", page.random.choice(page.asked), BEGIN + 600_000 * i + k * MINUTES * 150)
        write_spans(path, [span for span in page.spans if page.random.random() >= page.lost])
    return asked(c, os.path.join(c.folder, name + ".db"), *paths, level, code)


def first_of(c, name, seed, **fault):
    answer = answer_of(c, name, seed, **fault)
    return answer["suspects"][0]["node"]["service"], [(s["node"]["service"], round(s["score"], 3)) for s in answer["suspects"]]


def scene_what_several_things_end_right_before_is_to_blame(c):
    """They come to different places, and no further than the same callee; one that ends somewhere is its caller's own."""
    for name, wanted, fault in (("cart", "cart", {"refused": "cart"}), ("rate", "rate", {"refused": "rate"}), ("waited", "rate", {"refused": "rate", "wait": 1500}),
                                ("own", "front", {"throws": {"GET /": 2}}), ("first", "front", {"throws": {"POST /buy": 0}})):
        first, all_of_them = first_of(c, name, 700, **fault)
        assert first == wanted, (name, all_of_them)
    suspects = answer_of(c, "versions", 700, level="version", refused="rate", wait=1500)["suspects"]
    assert (suspects[0]["node"]["service"], suspects[0]["node"]["version"]) == ("rate", "v1"), [(s["node"], s["score"]) for s in suspects]
    suspects = answer_of(c, "instances", 700, level="instance", refused="rate", wait=1500)["suspects"]
    assert (suspects[0]["node"]["service"], suspects[0]["instance"]) == ("rate", "rate-0"), [(s["node"], s["instance"], s["score"]) for s in suspects]


def scene_a_step_that_was_never_made_before_is_a_call_without_an_answer(c):
    """The caller's half was never alone before. Without it the caller has stopped before it called."""
    for name, wanted, fault in (("pay", "pay", {"refused": "pay"}), ("list", "list", {"refused": "list"}),
                                ("few", "rate", {"refused": "rate", "share": 0.1}),
                                ("waited", "rate", {"refused": "rate", "share": 0.4, "wait": 4500, "lost": 0.01}), ("own", "front", {"throws": {"POST /buy": 1}})):
        first, all_of_them = first_of(c, "leaf" + name, 800, leaf="GET", **fault)
        assert first == wanted, (name, all_of_them)


def scene_the_name_of_such_a_step_tells_whose_call_it_is(c):
    """The rates come first, and most of them not any more: they would be behind the cart. So of a client that says nothing of whom it calls."""
    for name, kinds in (("step", False), ("client", True)):
        first, all_of_them = first_of(c, name, 900, leaf="callee's", refused="cart", ever=["GET /all"], kinds=kinds)
        assert first == "cart", (name, all_of_them)


def scene_what_a_service_does_no_more_is_told(c):
    """No call tells of it. That other things are asked for than before, for which it is not done, is no such fault, nor that it is done for fewer items of one visit."""
    first = answer_of(c, "forgets", 1000, forgets="rate")["suspects"][0]
    told = [e["text"] for e in first["evidence"] if e["metric"] == "step_share"]
    assert first["node"]["service"] == "rate" and first["significant"] and told and re.fullmatch(r"rate do rate: [0-9.]+ % of visits do find \(normal 100 %\)", told[0]), first
    for level, wanted in (("version", ("v1", "")), ("instance", ("", "rate-0"))):
        first = answer_of(c, "forgets" + level, 1000, level=level, forgets="rate")["suspects"][0]
        assert (first["node"]["service"], first["node"]["version"], first["instance"]) == ("rate",) + wanted, first
    others = answer_of(c, "others", 1010, code=0, asked=["GET /cart", "GET /cart", "GET /look", "POST /buy", "GET /"])
    assert "no significant change" == others["verdict"], others["suspects"][0]
    fewer = answer_of(c, "fewer", 1020, code=0, items=1)
    assert "no significant change" == fewer["verdict"], fewer["suspects"][0]
