#!/usr/bin/env python3
"""Runs every test: units, then scenes (four at a time), and ends with the plain line of counts. run.py BUILD [name ...]; `slow` is the name of those that
have a target of their own."""
import concurrent.futures
import glob
import importlib
import os
import subprocess
import sys
import time
import traceback

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "scenes"))
import lib  # noqa: E402

build, only = os.path.abspath(sys.argv[1]), sys.argv[2:]
counts = {"passed": 0, "failed": 0, "skipped": 0}


def report(kind, name, seconds, text=""):
    counts[kind] += 1
    print("%-7s %-60s %6.1f s%s" % (kind[:-2] if kind != "skipped" else "skip", name, seconds, "  " + text if text else ""), flush=True)


def unit(path):
    begin = time.monotonic()
    p = subprocess.run([path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    good = p.returncode == 0
    report("passed" if good else "failed", "unit " + os.path.basename(path), time.monotonic() - begin)
    if not good:
        print(p.stdout.decode(errors="replace")[-4000:])


def replay(path):
    """A fuzz target without its fuzzer: its corpus, and each input again with memory short (tests/fuzz/replay.c)."""
    begin, name = time.monotonic(), os.path.basename(path)
    corpus = os.path.join(here, "fuzz", "corpus", name[len("fuzz_"):])
    p = subprocess.run([path, corpus], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    good = p.returncode == 0 and p.stdout.strip().endswith(b"inputs")
    report("passed" if good else "failed", "fuzz " + name[len("fuzz_"):] + ": " + (p.stdout.decode(errors="replace").strip() if good else ""),
           time.monotonic() - begin)
    if not good:
        print(p.stdout.decode(errors="replace")[-4000:])


def scene(module, function):
    begin = time.monotonic()
    name = "%s %s" % (module.__name__, function[len("scene_"):])
    collector = lib.Collector(build)
    try:
        getattr(module, function)(collector)
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


def main():
    for path in sorted(glob.glob(os.path.join(build, "unit", "test_*"))):
        if os.access(path, os.X_OK) and (not only or any(o in path for o in only)):
            unit(path)
    for path in sorted(glob.glob(os.path.join(here, "..", "build", "replay", "fuzz", "fuzz_*"))):
        if os.access(path, os.X_OK) and (not only or any(o in path for o in only)):
            replay(path)
    work = []
    slow = glob.glob(os.path.join(here, "scenes", "slow_*.py")) if "slow" in only else []
    for path in sorted(slow or glob.glob(os.path.join(here, "scenes", "scene_*.py"))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        work += [(module, f) for f in dir(module) if f.startswith("scene_") and (not only or any(o in f or o in module.__name__ for o in only))]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for result in concurrent.futures.as_completed([pool.submit(scene, *w) for w in work]):
            report(*result.result())
    ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    if counts["skipped"] and ci:
        print("the run fails: under CI everything that a test needs must be there, and %(skipped)d are skipped" % counts)
    if not counts["passed"] + counts["failed"]:
        print("the run fails: no test ran")
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts)
    return 0 if counts["passed"] and not counts["failed"] and not (ci and counts["skipped"]) else 1


sys.exit(main())
