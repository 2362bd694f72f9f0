#!/usr/bin/env python3
"""Runs every test and ends with the plain line of counts. run.py BUILD [name ...]; `slow` is the name of those that have a target of
their own.

Five at a time, each in a process of its own: what scenes make and read by themselves is a fifth of all work, and Python's threads would
wait for each other with it. Two are of those that mostly wait as long as there are any. What takes long begins first, and a worker keeps
its Node and browser from one scene of the page to the next.
"""
import concurrent.futures
import glob
import importlib
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import traceback

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "scenes"))
import browse  # noqa: E402
import lib  # noqa: E402

build, only = os.path.abspath(sys.argv[1]), sys.argv[2:]
counts = {"passed": 0, "failed": 0, "skipped": 0}


WORKERS = 5
# Scenes that wait for others for most of their time: Envoy's buffers, deadlines, brokers, a demo's fault.
WAITING = ("scene_slow", "scene_demo", "scene_kafka", "scene_envoy", "scene_sdk", "scene_kill")
# Of the others those that take long. Begun last, they would be waited for alone.
LONG = ("scene_page", "scene_rest_page", "scene_graph_page", "scene_faults", "scene_incidents", "scene_metrics", "scene_search", "scene_diagnose", "scene_keep")


def report(kind, name, seconds, text=""):
    counts[kind] += 1
    print("%-7s %-60s %6.1f s%s" % (kind[:-2] if kind != "skipped" else "skip", name, seconds, "  " + text if text else ""), flush=True)


def run(*command):
    """Whether it was good, and what it said."""
    p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    return p.returncode == 0, p.stdout.decode(errors="replace")


def unit(path):
    begin = time.monotonic()
    good, said = run(path)
    return "passed" if good else "failed", "unit " + os.path.basename(path), time.monotonic() - begin, "" if good else "\n" + said[-4000:]


def replay(path):
    """A fuzz target without its fuzzer: its corpus, and each input again with memory short (tests/fuzz/replay.c)."""
    begin, name = time.monotonic(), os.path.basename(path)[len("fuzz_"):]
    good, said = run(path, os.path.join(here, "fuzz", "corpus", name))
    good = good and said.strip().endswith("inputs")
    return "passed" if good else "failed", "fuzz " + name + (": " + said.strip() if good else ""), time.monotonic() - begin, "" if good else "\n" + said[-4000:]


def scene(module, function):
    begin = time.monotonic()
    name = "%s %s" % (module, function[len("scene_"):])
    collector = lib.Collector(build)
    try:
        getattr(sys.modules[module], function)(collector)
        if collector.process:
            code = collector.stop()
            assert code == 0, "the collector ended with %d: %s" % (code, collector.said()[-2000:])
        return "passed", name, time.monotonic() - begin, ""
    except lib.Skip as why:
        return "skipped", name, time.monotonic() - begin, "SKIP: %s" % why
    except Exception:
        said = collector.said()[-3000:] if collector.process or hasattr(collector, "errors") else ""
        return "failed", name, time.monotonic() - begin, "\n" + traceback.format_exc() + said
    finally:
        collector.close()


def programs(pattern):
    return [p for p in sorted(glob.glob(pattern)) if os.access(p, os.X_OK) and (not only or any(o in p for o in only))]


def waits(work):
    return work[0] is scene and work[1] in WAITING


def begins(work):
    """The place in its line."""
    name = work[1] if work[0] is scene else ""
    return next((line.index(name) for line in (WAITING, LONG) if name in line), len(LONG))


class Lines:
    """Those that mostly wait, and the others: two of the one and three of the other at a time, and five of what is left of either."""

    def __init__(self, work):
        self.lock, self.waits = threading.Lock(), 0
        self.workers = [concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork")) for _ in range(WORKERS)]
        self.waiting, self.working = ([w for w in sorted(work, key=begins) if waits(w) == kind] for kind in (True, False))

    def next(self):
        with self.lock:
            idle = bool(self.waiting) and (self.waits < 2 or not self.working)
            self.waits += idle
            work = (self.waiting if idle else self.working).pop(0)
            worker = self.workers.pop()
        try:
            return worker.submit(*work).result()
        finally:
            with self.lock:
                self.waits -= idle
                self.workers.append(worker)

    def close(self):
        for worker in self.workers:
            worker.submit(browse.close).result()
            worker.shutdown()


def main():
    work = [(unit, p) for p in programs(os.path.join(build, "unit", "test_*"))]
    work += [(replay, p) for p in programs(os.path.join(here, "..", "build", "replay", "fuzz", "fuzz_*"))]
    slow = glob.glob(os.path.join(here, "scenes", "slow_*.py")) if "slow" in only else []
    for path in sorted(slow or glob.glob(os.path.join(here, "scenes", "scene_*.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        work += [(scene, module.__name__, f) for f in dir(module) if f.startswith("scene_") and (not only or any(o in f or o in module.__name__ for o in only))]
    lines = Lines(work)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for result in concurrent.futures.as_completed([pool.submit(lines.next) for _ in work]):
            report(*result.result())
    lines.close()
    ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    if counts["skipped"] and ci:
        print("the run fails: under CI everything that a test needs must be there, and %(skipped)d are skipped" % counts)
    if not counts["passed"] + counts["failed"]:
        print("the run fails: no test ran")
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts)
    return 0 if counts["passed"] and not counts["failed"] and not (ci and counts["skipped"]) else 1


sys.exit(main())
