"""mesh_faults.py - real faults in the real Envoy mesh, one after the other. mesh_faults.py BUILD [KIND ...]

The collector learns five quiet minutes; then each kind is put in until its incident is there and a while longer, and taken out
until that is closed. Each incident must name its fault: the service first among the suspects, and what else the kind says. Prints
what was found; ends with 1 when something was not. About two minutes a fault, six before.
"""
import calendar
import concurrent.futures
import http.client
import json
import os
import random
import sys
import threading
import time

import lib
from real import REAL, Process, installed

LEARN_S = 330
RATE = 8  # requests a second
OPEN_LIMIT_S, STAY_S, CLOSE_LIMIT_S = 90, 25, 120
CANARY = {"x-details-version": "canary"}


class Load:
    """Requests through the gateway, as many a second whether or not those before are answered; the fault says what is sent with each."""

    def __init__(self, gateway):
        self.gateway, self.random = gateway, random.Random(1)
        self.fault = lambda r: [{}]  # the headers of requests that are sent at once
        self.stop, self.n, self.failed = threading.Event(), 0, 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def send(self, headers):
        c = http.client.HTTPConnection("127.0.0.1", self.gateway, timeout=30)
        try:
            c.request("GET", "/productpage", headers={"host": "bookinfo.example.com", "user-agent": "load/1", **headers})
            answer = c.getresponse()
            answer.read()
            return answer.status
        except OSError:
            return 599
        finally:
            c.close()

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            at, sent = time.monotonic(), []
            while not self.stop.is_set():
                group = self.fault(self.random)
                sent += [pool.submit(self.send, headers) for headers in group]
                at = max(at + len(group) / RATE, time.monotonic() - 1)
                time.sleep(max(0, at - time.monotonic()))
                answered, sent = [f for f in sent if f.done()], [f for f in sent if not f.done()]
                self.n += len(answered)
                self.failed += sum(f.result() >= 500 for f in answered)


# kind: what requests bear, who must be named, symptoms it may show as, and what must stand somewhere in the first suspect
KINDS = {
    "slow": (lambda r: [{"x-fault": "details=sleep:300"}], "details", {"latency"}, "own time"),
    "failing": (lambda r: [{"x-fault": "details=status:500"} if r.random() < 0.4 else {}], "details", {"errors"}, "500"),
    "overflow": (lambda r: [{}] * 10, "ratings", {"errors", "latency"}, "UO"),
    "canary": (lambda r: [{**CANARY, **({"x-fault": "details-v2=status:500"} if r.random() < 0.6 else {})} if r.random() < 0.25 else {}],
               "details", {"errors"}, '"value":"v2"'),
}


def wait_for(fact, limit, what):
    """As lib.wait_for, once a second: a question more often would be load of its own."""
    return lib.wait_for(lambda: fact() or time.sleep(1), limit, what)


def seconds(text):
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def incidents(c, state):
    return c.api("incidents?state=" + state)["items"]


def check(c, load, kind):
    """Puts the fault in and takes it out; gives whether the incident named it."""
    fault, service, symptoms, told = KINDS[kind]
    begin, before = time.time(), {i["id"] for i in incidents(c, "all")}
    load.fault = fault
    try:
        new = wait_for(lambda: [i for i in incidents(c, "open") if i["id"] not in before], OPEN_LIMIT_S, "an incident for " + kind)
        opened = time.time() - begin
        time.sleep(STAY_S)
        whole = c.api("incidents/" + new[0]["id"])
    finally:
        load.fault = lambda r: [{}]
    first, text = whole["suspects"][0], json.dumps(whole["suspects"][0], separators=(",", ":"), ensure_ascii=False)
    named = first["node"]["service"] == service and first["significant"]
    good = named and whole["symptom"] in symptoms and told in text
    print("%s %-9s opened after %2.0f s, onset %+.0f s, %s, %.0f %%: %s" % (
        "pass" if good else "FAIL", kind, opened, seconds(whole["onset"]) - begin, whole["symptom"], 100 * whole["failed_share"], whole["summary"]))
    for s in whole["suspects"][:3]:
        print("       %d %s %s%s %.3f" % (s["rank"], s["kind"], s["node"]["service"], "" if s["significant"] else " (hint)", s["score"]),
              [(n["dimension"], n["value"]) for n in s["narrowed"]])
        for e in s["evidence"]:
            print("           %-9s %s" % (e["kind"], e["text"]))
    wait_for(lambda: not incidents(c, "open"), CLOSE_LIMIT_S, "the end of " + kind)
    more = [i for i in incidents(c, "all") if i["id"] not in before | {new[0]["id"]}]
    for i in more:
        print("FAIL   another incident:", i["summary"])
    sys.stdout.flush()
    return good and not more


def main():
    build, kinds = os.path.abspath(sys.argv[1]), sys.argv[2:] or list(KINDS)
    envoy = installed("envoy", "lib/python3*/site-packages/envoy/_bin/envoy")
    c = lib.Collector(build)
    c.start(localise__close_after="20s")
    settings = {"provider": "otlp_grpc", "canary": 1, "stats": 5, "otlp_http": c.otlp.split(":")[1], "otlp_grpc": c.grpc.split(":")[1]}
    args = [sys.executable, os.path.join(REAL, "envoy-mesh", "mesh.py"), envoy, os.path.join(c.folder, "mesh")]
    good = True
    try:
        with Process(args + ["%s=%s" % s for s in settings.items()], os.path.join(c.folder, "mesh.err")) as mesh:
            load = Load(json.load(open(mesh.line()))["gateway"])
            time.sleep(float(os.environ.get("LEARN_S", LEARN_S)))
            quiet = incidents(c, "all")
            print("%s quiet     %d requests, %d failed, %d incidents" % ("FAIL" if quiet or load.failed else "pass", load.n, load.failed, len(quiet)), flush=True)
            good = not quiet and not load.failed
            wait_for(lambda: not incidents(c, "open"), CLOSE_LIMIT_S, "calm")
            for kind in kinds:
                good = check(c, load, kind) and good
            load.stop.set()
            load.thread.join()
            mesh.stop()
        c.flush()
        c.check_ledger()
        c.stop()
    except lib.Skip as why:
        print("skip: %s" % why)
    finally:
        if os.environ.get("KEEP"):
            print("kept:", c.folder)
        else:
            c.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
