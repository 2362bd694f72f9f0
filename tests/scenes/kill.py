"""kill.py - kill -9 at random points under load; the oracle is the set of acknowledged spans. kill.py BUILD N"""
import os
import random
import subprocess
import sys
import time

import lib


def one_round(c, rounds, seed, acked_file):
    """Load, kill, start again; the load generator sees its connections break and ends."""
    c.start(receive__otlp_http__listen="0", stitch__trace_idle="300ms", store__commit_interval="200ms")
    load = subprocess.Popen([c.program, "simulate", "--to", "http://" + c.otlp, "--spans", "2000000", "--rate", "40000",
                             "--batch", "100", "--seed", str(seed), "--acked", acked_file],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lib.wait_for(lambda: os.path.exists(acked_file) and os.path.getsize(acked_file) > rounds * 20000, 30, "load")
    time.sleep(random.Random(seed).random() * 0.8)  # the random point, not a wait for a fact
    c.kill()
    load.wait(60)


def check(c, acked_file):
    begin = time.monotonic()
    c.start()
    ready = time.monotonic() - begin
    c.flush()
    c.check_ledger()
    stored = c.sql("SELECT trace_id || ' ' || span_id FROM span")
    keys = {row[0] for row in stored}
    assert len(keys) == len(stored), "%d spans are stored twice" % (len(stored) - len(keys))
    acked = set(open(acked_file).read().split("\n")) - {""}
    lost = acked - keys
    assert not lost, "%d of %d acknowledged spans are lost" % (len(lost), len(acked))
    assert ready < 5, "ready after %.1f s" % ready
    c.stop()
    return len(acked), ready


def run(c, n, seed=0):
    acked_file = os.path.join(c.folder, "acked")
    worst = 0
    for i in range(n):
        one_round(c, i + 1, seed * 1000 + i + 1, acked_file)
        if i % 5 == 4 or i == n - 1:
            n_acked, ready = check(c, acked_file)
            worst = max(worst, ready)
    return n_acked, worst


def main():
    build, n = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    total, failed, done = 0, 0, 0
    while done < n:
        c = lib.Collector(build)
        try:
            acked, worst = run(c, min(10, n - done), seed=done + 1)
            total += acked
            print("%d kills: %d spans acknowledged, none lost, none doubled; ready in %.2f s at worst" %
                  (min(10, n - done), acked, worst), flush=True)
        except AssertionError as e:
            failed += 1
            print("failed: %s" % e, flush=True)
        finally:
            c.close()
        done += 10
    print("%d passed, %d failed" % ((done + 9) // 10 - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
