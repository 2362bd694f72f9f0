"""kill.py - kill -9 at random points under load that comes by HTTP, gRPC and Kafka at once; the oracle is the set of spans that were acknowledged, or
produced. kill.py BUILD N"""
import os
import random
import subprocess
import sys
import threading
import time

import lib
import scene_kafka

BATCH = 100  # spans of a message


class Producer:
    """Messages into the mock broker, which outlives the kills; what it took must come, once."""

    def __init__(self, cluster):
        self.cluster, self.ended, self.n, self.failure = cluster, threading.Event(), 0, None
        cluster.topic("load", 3)

    def keys(self):
        return {"%032x %016x" % (self.trace(i), i + 1) for i in range(self.n * BATCH)}

    @staticmethod
    def trace(i):
        return 0xcafe << 112 | i // 4 + 1

    def run(self):
        try:
            while not self.ended.wait(0.01):
                numbers = range(self.n * BATCH, (self.n + 1) * BATCH)
                spans = [lib.otlp_span("%032x" % self.trace(i), "%016x" % (i + 1), service="k%d" % (i % 4), start=1_790_000_000_000) for i in numbers]
                self.cluster.produce("load", lib.otlp_body(spans), self.n % 3)
                self.n += 1
        except (AssertionError, OSError) as failure:
            self.failure = failure


def start(c, cluster):
    c.start(receive__otlp_http__listen="0", receive__otlp_grpc__listen="0", stitch__trace_idle="300ms", store__commit_interval="200ms",
            receive__kafka__brokers=cluster.brokers, receive__kafka__topics="load=otlp_json", receive__kafka__instance="one",
            receive__kafka__options="session.timeout.ms=6000,heartbeat.interval.ms=300")


def one_round(c, cluster, rounds, seed, files):
    """Load, kill, start again; the load generators see their connections break and end."""
    start(c, cluster)
    loads = [subprocess.Popen([c.program, "simulate", "--to", to, "--spans", "2000000", "--rate", "20000", "--batch", "100", "--seed", str(2 * seed + i),
                               "--acked", files[i]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
             for i, to in enumerate(("http://" + c.otlp, "grpc://" + c.grpc))]
    for path in files:
        lib.wait_for(lambda: os.path.exists(path) and os.path.getsize(path) > rounds * 10000, 30, "load")  # noqa: B023
    time.sleep(random.Random(seed).random() * 0.8)  # the random point, not a wait for a fact
    c.kill()
    for load in loads:
        load.wait(60)


def check(c, cluster, producer, files):
    begin = time.monotonic()
    start(c, cluster)
    ready = time.monotonic() - begin
    n, of_kafka = producer.n, "SELECT coalesce(sum(received), 0) FROM ingest_minute WHERE transport = 'kafka'"
    lib.wait_for(lambda: c.sql(of_kafka)[0][0] >= n * BATCH, 60, "all %d messages of Kafka" % n)
    assert not producer.failure, producer.failure
    c.flush()
    c.check_ledger()
    stored = c.sql("SELECT trace_id || ' ' || span_id FROM span")
    keys = {row[0] for row in stored}
    assert len(keys) == len(stored), "%d spans are stored twice" % (len(stored) - len(keys))
    acked = [set(open(path).read().split("\n")) - {""} for path in files] + [producer.keys()]
    for way, some in zip(("HTTP", "gRPC", "Kafka"), acked):
        lost = some - keys
        assert some and not lost, "%d of %d spans by %s are lost" % (len(lost), len(some), way)
    assert c.sql("SELECT sum(received), sum(duplicate) FROM ingest_minute WHERE transport = 'kafka'") == [(producer.n * BATCH, 0)]
    assert ready < 5, "ready after %.1f s" % ready
    c.stop()
    return sum(map(len, acked)), ready


def run(c, n, seed=0):
    files = [os.path.join(c.folder, "acked.http"), os.path.join(c.folder, "acked.grpc")]
    worst = n_acked = 0
    with scene_kafka.Cluster(c) as cluster:
        producer = Producer(cluster)
        for i in range(0, n, 5):
            producer.ended.clear()
            thread = threading.Thread(target=producer.run, daemon=True)
            thread.start()
            for k in range(i, min(i + 5, n)):
                one_round(c, cluster, k + 1, seed * 1000 + k + 1, files)
            producer.ended.set()
            thread.join(60)
            n_acked, ready = check(c, cluster, producer, files)
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
            print("%d kills: %d spans by HTTP, gRPC and Kafka, none lost, none doubled; ready in %.2f s at worst" %
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
