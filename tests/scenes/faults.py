"""faults.py - file operations that fail, one at a time, under load (tests/shims/faults.c). faults.py BUILD [LIMIT]

A case is (operation, file, how-manieth, how often, errno). Whatever fails: no crash; a failed sync ends the process and nothing else does; no
span that was acknowledged is lost or doubled, as the next start without faults shows.
"""
import os
import signal
import subprocess
import sys

import lib

EIO, ENOSPC = 5, 28
INBOX, DB, WAL = "-inbox/", "f.db", "f.db-wal"
GOOD, NOT_DONE = 0, 3


def cases(limit):
    """At the 1st, 2nd, 3rd … operation, further apart as it goes; a full disk stays full for a while."""
    steps = [1, 2, 3, 4, 5, 7, 10, 15, 22, 33, 50, 75, 110, 165, 250, 375, 560, 840]
    for op, path in (("write", INBOX), ("sync", INBOX), ("allocate", INBOX), ("truncate", INBOX), ("read", INBOX), ("write", WAL), ("sync", WAL),
                     ("read", WAL), ("write", DB), ("sync", DB), ("read", DB), ("truncate", DB), ("truncate", WAL)):
        for at in steps:
            if at <= limit:
                yield op, path, at, 1, EIO
        for at in steps:
            if at <= limit and (op in ("write", "allocate") or (op, path) == ("read", INBOX)):
                yield op, path, at, 20, EIO if op == "read" else ENOSPC


def load(c, acked_file, seed, spans=30000):
    """Ends when all is sent, or when the collector is gone."""
    subprocess.run([c.program, "simulate", "--to", "http://" + c.otlp, "--spans", str(spans), "--rate", "30000", "--batch", "100",
                    "--seed", str(seed), "--acked", acked_file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)


def start_with_fault(c, case, told, **sets):
    op, path, at, times, number = case
    c.environment = {"ASAN_OPTIONS": "verify_asan_link_order=0", "LD_PRELOAD": os.path.join(c.build, "shims", "faults.so"), "FAULT_OP": op, "FAULT_PATH": path, "FAULT_AT": str(at),
                     "FAULT_TIMES": str(times), "FAULT_ERRNO": str(number), "FAULT_TOLD": told}
    try:
        c.start(stitch__trace_idle="100ms", store__commit_interval="50ms", **sets)
        return True
    except AssertionError:
        return False
    finally:
        c.environment = {}


def end(c):
    """0 when it lived and stopped by itself, else how it ended."""
    if c.process.poll() is None:
        return c.stop()
    return c.process.returncode


def run_case(c, case, seed):
    """Says whether the fault came to pass."""
    acked_file, told = os.path.join(c.folder, "acked"), os.path.join(c.folder, "told")
    open(acked_file, "w").close()
    started = start_with_fault(c, case, told)
    if started:
        load(c, acked_file, seed)
    code = c.process.wait(20) if not started else end(c)
    failed_sync = case[0] == "sync" and os.path.exists(told)
    assert code in (GOOD, NOT_DONE), "it ended with %d\n%s" % (code, c.said())
    early = "stopped_early" in c.said()  # twenty writes that fail may take longer than a stop waits
    assert code == GOOD or failed_sync or early or not started, "it ended although no sync failed\n%s" % c.said()
    assert not (failed_sync and code == GOOD), "it went on behind a failed sync\n%s" % c.said()
    check(c, acked_file)
    return os.path.exists(told)


def run_reread_case(c, case, seed):
    """The faults meet a start that reads again what the inbox holds."""
    acked_file, told = os.path.join(c.folder, "acked"), os.path.join(c.folder, "told")
    c.start(store__commit_interval="1m", stitch__trace_idle="1m")
    load(c, acked_file, seed)
    c.kill()
    assert start_with_fault(c, case, told), c.said()
    c.flush()
    check_stored(c, acked_file)
    c.stop()
    return os.path.exists(told)


def check(c, acked_file):
    c.start()
    c.flush()
    check_stored(c, acked_file)
    c.stop()


def check_stored(c, acked_file):
    c.check_ledger()
    stored = c.sql("SELECT trace_id || ' ' || span_id FROM span")
    keys = {row[0] for row in stored}
    assert len(keys) == len(stored), "%d spans are stored twice" % (len(stored) - len(keys))
    lost = (set(open(acked_file).read().split("\n")) - {""}) - keys
    assert not lost, "%d acknowledged spans are lost\n%s" % (len(lost), c.said())


def main():
    build, limit = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    met = failed = total = 0
    for total, case in enumerate(cases(limit), 1):
        c = lib.Collector(build)
        try:
            met += (run_reread_case if case[:2] == ("read", INBOX) else run_case)(c, case, total)
        except (AssertionError, subprocess.TimeoutExpired) as e:
            failed += 1
            print("failed: %s\n%s" % (case, e), flush=True)
        finally:
            c.close()
    print("%d faults (%d came to pass): %d passed, %d failed" % (total, met, total - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(main())
