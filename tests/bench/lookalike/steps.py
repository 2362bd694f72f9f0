"""What a service does to answer: the steps that a program is made of, and what an application is made of.

A program is a list of steps, each a tuple whose first word says what it is:

  ("work", ms)                       own work; ms is the median on a quiet machine
  ("call", service, operation, soft) a request to another service; soft: the caller goes on without when it fails
  ("store", node, words, ms, write)  a request to a database or a cache, which writes no spans of its own
  ("send", queue, service, operation) a message; the consumer's work is in the same trace, and nobody waits for it
  ("par", [step, ...])               all at once, ends with the last
  ("maybe", share, [step, ...])      in this share of visits
  ("loop", least, most, [step, ...]) so many times, drawn at each visit
  ("inner", name, [step, ...])       a function with an INTERNAL span where the case has such
"""


def work(ms):
    return ("work", ms)


def call(service, operation, soft=False):
    return ("call", service, operation, soft)


def store(node, words, ms, write=False):
    return ("store", node, words, ms, write)


def send(queue, service, operation):
    return ("send", queue, service, operation)


def par(*steps):
    return ("par", list(steps))


def maybe(share, *steps):
    return ("maybe", share, list(steps))


def loop(least, most, *steps):
    return ("loop", least, most, list(steps))


def inner(name, *steps):
    return ("inner", name, list(steps))


class Shop:
    """An application: programs by (service, operation), kinds of requests with their weights, what its stores are."""

    def __init__(self, name, protocol, entry, programs, mix, stores, internals):
        self.name, self.protocol, self.entry = name, protocol, entry
        self.programs, self.mix, self.stores = programs, mix, stores
        self.internals = internals                       # share of cases with INTERNAL spans
        self.services = sorted({service for service, _ in programs})


def inside(steps):
    """Every step, those within others too."""
    for step in steps:
        yield step
        if step[0] in ("par", "maybe", "loop", "inner"):
            yield from inside(step[-1])


def reached(shop, service, operation, share=1.0, depth=0, found=None):
    """How often one visit of an operation leads to each other one, about: {(service, operation): visits}."""
    found = {} if found is None else found
    found[service, operation] = found.get((service, operation), 0) + share

    def walk(steps, share):
        for step in steps:
            if step[0] == "call":
                reached(shop, step[1], step[2], share, depth + 1, found)
            elif step[0] == "send":
                reached(shop, step[2], step[3], share, depth + 1, found)
            elif step[0] == "store":
                found[step[1], ""] = found.get((step[1], ""), 0) + share
            elif step[0] == "maybe":
                walk(step[2], share * step[1])
            elif step[0] == "loop":
                walk(step[3], share * (step[1] + step[2]) / 2)
            elif step[0] in ("par", "inner"):
                walk(step[-1], share)
    walk(shop.programs[service, operation], share)
    return found
