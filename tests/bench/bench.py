#!/usr/bin/env python3
"""The table of figures: the real program under workload W, the sender beside it. bench.py BUILD [million spans | ways | counting | normal]

Prints each figure with its limit and writes all of them to BUILD/bench.json. A figure is measured and never judged by an exit
code: machines differ. Uncompressed bodies, eight connections, durability `power`, unless a line says otherwise.
"""
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenes"))
import browse  # noqa: E402
import lib  # noqa: E402
import otlp  # noqa: E402

build = os.path.abspath(sys.argv[1])
MILLIONS = int(sys.argv[2]) if sys.argv[2:] and sys.argv[2].isdigit() else 10
TICKS = os.sysconf("SC_CLK_TCK")
figures = []


def note(name, value, unit, limit="", spread=""):
    figures.append({"name": name, "value": value, "unit": unit, "limit": limit, "spread": spread})
    shown = "%.0f" % value if abs(value) >= 1000 else "%.3g" % value
    print("%-58s %12s %-10s %-14s %s" % (name, shown, unit, limit, spread), flush=True)


def status(pid, key):
    return int(re.search(r"%s:\s+(\d+)" % key, open("/proc/%d/status" % pid).read())[1]) / 1024


def cpu(pid, *which):
    """Seconds of CPU so far: user, system, or both."""
    fields = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    return sum(int(fields[{"user": 11, "system": 12}[w]]) for w in which or ("user", "system")) / TICKS


def threads(pid):
    found = {}
    for task in os.listdir("/proc/%d/task" % pid):
        text = open("/proc/%d/task/%s/stat" % (pid, task)).read()
        name, fields = text[text.index("(") + 1:text.rindex(")")], text.rsplit(")", 1)[1].split()
        found[name] = found.get(name, 0) + (int(fields[11]) + int(fields[12])) / TICKS
    return found


def simulate(collector, spans, rate, *more):
    p = subprocess.run([collector.program, "simulate", "--to", "http://" + collector.otlp, "--spans", str(spans), "--rate", str(rate),
                        *more], stdout=subprocess.PIPE, check=True)
    return json.loads(p.stdout)


def sizes(collector):
    return sum(os.path.getsize(collector.db + end) for end in ("", "-wal") if os.path.exists(collector.db + end))


def disk():
    """MB/s and µs of one synced MiB, of this disk in this run."""
    took, block = [], b"x" * (1 << 20)
    path = os.path.join(build, "disk.tmp")
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for i in range(64):
        begin = time.monotonic()
        os.pwrite(fd, block, i << 20)
        os.fdatasync(fd)
        took.append(time.monotonic() - begin)
    os.close(fd)
    os.unlink(path)
    note("disk: one MiB written and synced", statistics.median(took) * 1e6, "us", "", "%.0f..%.0f" % (min(took) * 1e6, max(took) * 1e6))


def pure():
    for line in subprocess.check_output([os.path.join(build, "bench", "bench_decode"), "--json"]).splitlines():
        row = json.loads(line)
        limit = {"otlp_pb": ">= 2 M", "otlp_json": ">= 0.6 M", "zipkin_json": ">= 0.8 M"}.get(row["body"], "")
        note("decode %s" % row["body"], row["spans_per_s"], "spans/s", limit, "%.0f..%.0f ns" % (row["fastest"], row["slowest"]))
    row = json.loads(subprocess.check_output([os.path.join(build, "bench", "bench_stitch")]))
    note("stitch alone", row["spans_per_s"], "spans/s", ">= 1 M", "%.0f..%.0f ns" % (row["fastest"], row["slowest"]))
    row = json.loads(subprocess.check_output([os.path.join(build, "bench", "bench_simulate")]))
    note("simulator alone", row["spans_per_s"], "spans/s", ">= 0.1 M", "%.0f..%.0f ns" % (row["fastest"], row["slowest"]))


def timed(collector, *args):
    begin = time.monotonic()
    subprocess.run([collector.program, *args], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def idle():
    collector = lib.Collector(build).start()
    time.sleep(1)
    pid = collector.process.pid
    note("memory idle, RssAnon", status(pid, "RssAnon"), "MB", "<= 12")
    note("memory idle, RSS", status(pid, "VmRSS"), "MB", "<= 24")
    collector.stop()
    collector.close()


def paced(rate, spans, name, *more, **sets):
    collector = lib.Collector(build).start(**sets)
    pid = collector.process.pid
    before = cpu(pid)
    result = simulate(collector, spans, rate, *more)
    collector.flush()
    per_million = (cpu(pid) - before) / result["acked"] * 1e6
    note(name + ": CPU a million spans", per_million, "s", "<= 6")
    note(name + ": spans/s", result["spans_per_second"], "", ">= %d" % rate if rate else "")
    note(name + ": refused", result["refused"] + result["failed"], "bodies", "0")
    note(name + ": acknowledged, p50", result["ack_p50_ms"], "ms")
    note(name + ": acknowledged, p99", result["ack_p99_ms"], "ms", "<= 250")
    note(name + ": memory, peak RSS", status(pid, "VmHWM"), "MB")
    for thread, seconds in sorted(threads(pid).items(), key=lambda t: -t[1]):
        if seconds > 0.01 * per_million * result["acked"] / 1e6:
            note(name + ": CPU of " + thread, seconds / result["acked"] * 1e6, "s/M")
    code = collector.stop(60)
    assert code == 0, code
    spans_stored = collector.sql("SELECT n_spans FROM position")[0][0]
    assert spans_stored == result["acked"], (spans_stored, result)
    note(name + ": disk a span", os.path.getsize(collector.db) / spans_stored, "B", "<= 300")
    collector.close()


def way(kind, records):
    """One way in at full speed, with bodies made beforehand: records a second, and the collector's CPU a million."""
    collector = lib.Collector(build).start()
    where = collector.grpc if kind == "grpc" else collector.zipkin if kind == "zipkin" else collector.otlp
    before = cpu(collector.process.pid)
    row = json.loads(subprocess.check_output([os.path.join(build, "bench", "bench_ways"), kind, where, str(records)]))
    collector.flush()
    took = cpu(collector.process.pid) - before
    assert row["refused"] == 0, row
    collector.check_ledger()
    assert collector.stop(60) == 0
    collector.close()
    return row["records_per_s"], took / row["acked"] * 1e6


def kafka(spans):
    """What waits in a real broker beside it, from the first message that came to the last."""
    import scene_kafka
    collector = lib.Collector(build)
    try:
        with scene_kafka.Broker(collector) as broker:
            n = json.loads(subprocess.check_output([os.path.join(build, "bench", "bench_ways"), "kafka", broker.address, str(spans)]))["acked"]
            collector.start(receive__kafka__brokers=broker.address, receive__kafka__topics="load=otlp_pb")
            before, came, times = cpu(collector.process.pid), 0, []
            while came < n:
                time.sleep(0.01)
                came = collector.counter("faultline_ingest_records_total", transport="kafka")
                times += [time.monotonic()] if came else []
            collector.flush()
            took = cpu(collector.process.pid) - before
            collector.check_ledger()
            assert collector.stop(60) == 0
        return n / (times[-1] - times[0]), took / n * 1e6
    except lib.Skip as why:
        print("from Kafka: %s" % why)
        return None
    finally:
        collector.close()


WAYS = (("grpc", "OTLP by gRPC", ">= 0.8"), ("zipkin", "Zipkin JSON", ">= 0.4"), ("json", "OTLP JSON", ""), ("gzip", "OTLP protobuf with gzip", ""))


def ways(spans):
    """Each way beside OTLP/HTTP protobuf, thrice in turns, all bodies made beforehand."""
    rates = {}
    for _ in range(3):
        for kind in ("http",) + tuple(w[0] for w in WAYS):
            rates.setdefault(kind, []).append(way(kind, spans))
    middle = {kind: [statistics.median(r[i] for r in each) for i in (0, 1)] for kind, each in rates.items()}
    note("OTLP/HTTP protobuf, bodies made beforehand", middle["http"][0], "spans/s", "", "%.0f..%.0f" % (min(rates["http"])[0], max(rates["http"])[0]))
    note("the same: CPU a million", middle["http"][1], "s", "<= 6")
    found = kafka(spans)
    more = [("kafka", "from Kafka, a real broker beside it", ">= 1")] if found else []
    if found:
        middle["kafka"], rates["kafka"] = list(found), [found]
    for kind, name, limit in list(WAYS) + more:
        note(name + ": share of that", middle[kind][0] / middle["http"][0], "x", limit, "%.0f..%.0f spans/s" % (min(rates[kind])[0], max(rates[kind])[0]))
        note(name + ": CPU a million", middle[kind][1], "s")
    for kind, name in (("metrics", "metric points (histograms, OTLP JSON), end to end"), ("logs", "log records (OTLP JSON), end to end"),
                       ("nginx", "lines of an access log (nginx), end to end"),
                       ("remote_write", "samples of Istio's series (remote write), end to end")):
        each = [way(kind, spans // 2) for _ in range(3)]
        note(name, statistics.median(r[0] for r in each), "/s", "", "%.0f..%.0f" % (min(each)[0], max(each)[0]))
        note(name + ": CPU a million", statistics.median(r[1] for r in each), "s")


def cost(program, localiser):
    """CPU a million spans of workload W, of the program built so."""
    collector = lib.Collector(build)
    collector.program = program
    collector.start(localise__enabled=localiser)
    before = cpu(collector.process.pid)
    result = simulate(collector, 500000, 50000)
    collector.flush()
    per_million = (cpu(collector.process.pid) - before) / result["acked"] * 1e6
    assert collector.stop(60) == 0
    collector.close()
    return per_million


def counting(rounds=3):
    """What the localiser costs, and what counting costs: the same load, by turns, with it and without."""
    faultline, uncounted = os.path.join(build, "faultline"), os.path.join(build, "bench", "uncounted")
    each = [(cost(faultline, "true"), cost(faultline, "false"), cost(uncounted, "false")) for _ in range(rounds)]
    for name, a, b in (("localiser (localise.enabled): of the CPU of ingest", 0, 1), ("counting and localiser: of the CPU of ingest", 0, 2)):
        shares = [100 * (row[a] - row[b]) / row[b] for row in each]
        note(name, statistics.median(shares), "%", "<= 10", " ".join("%.1f" % s for s in shares))


def diagnosing():
    """An hour of 50 services at 10 requests a second, a fault in its last five minutes, half a dozen series of each."""
    begin, folder = 1760000040, lib.Collector(build)
    spans = os.path.join(folder.folder, "spans")
    subprocess.run([folder.program, "simulate", "--mesh", "50", "--fault", "slow-service", "--seed", "3", "--out", spans, "--from", str(begin),
                    "--past", "55m", "--for", "5m", "--at", "1s", "--rate", "10"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run([folder.program, "replay", "--db", folder.db, spans], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    names = [row[0] for row in folder.sql("SELECT DISTINCT service FROM service WHERE role = 'workload'")]
    metrics = os.path.join(folder.folder, "metrics")
    with open(metrics, "wb") as out:
        for service in names:
            rows = [otlp.metric_json(name, otlp.GAUGE, [otlp.number_json(0.2 + i % 7 / 100, at=(begin + 60 * i) * 10**9) for i in range(60)])
                    for name in ("process.cpu.utilization", "jvm.memory.used", "jvm.thread.count", "db.client.connections.usage", "queue.depth", "go.gc.pause")]
            out.write(otlp.request_json("Metrics", rows, service) + b"\n")
    subprocess.run([folder.program, "replay", "--db", folder.db, metrics], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder.start(store__retention="87600h", store__minute_retention="87600h")
    took, before = [], cpu(folder.process.pid)
    for _ in range(21):
        at = time.monotonic()
        code, text, _ = folder.get("/api/v1/diagnose?from=%d&to=%d&baseline=%d..%d" % (begin + 3300, begin + 3600, begin, begin + 3300))
        took.append((time.monotonic() - at) * 1e3)
        assert code == 200 and json.loads(text)["verdict"] == "incident", text
    note("diagnose, an hour of %d services" % len(names), statistics.median(took), "ms", "<= 50", "%.1f..%.1f, CPU %.1f" % (
        min(took), max(took), 1e3 * (cpu(folder.process.pid) - before) / len(took)))
    folder.stop()
    folder.close()


def memory():
    collector = lib.Collector(build).start(stitch__trace_idle="10s")
    simulate(collector, 1500000, 50000)
    note("memory at 50,000 spans/s, idle window 10 s, peak RSS", status(collector.process.pid, "VmHWM"), "MB", "<= 500")
    collector.stop(60)
    collector.close()


def normal():
    """An hour of 400 services, more counters than the localiser keeps: what a start that reads it has in memory, with it and without."""
    c, anon = lib.Collector(build).start(), {}
    subprocess.run([c.program, "simulate", "--mesh", "400", "--past", "62m", "--for", "0s", "--rate", "15", "--to", "http://" + c.otlp],
                   stdout=subprocess.DEVNULL, check=True)
    c.flush()
    c.stop(60)
    for on in ("true", "false"):
        c.start(localise__enabled=on)
        time.sleep(3)
        anon[on] = status(c.process.pid, "RssAnon")
        assert (c.counter("faultline_series_limited_total", family="localise") > 0) == (on == "true")
        c.stop(60)
    c.close()
    note("memory of what is normal, at its bound of 500,000 counters", anon["true"] - anon["false"], "MB", "", "%.0f with, %.0f without" % (
        anon["true"], anon["false"]))


def millions():
    """One file grows; each million's cost, then the questions that people ask of it."""
    collector = lib.Collector(build).start()
    costs = {"user": [], "system": []}
    for i in range(MILLIONS):
        before = {which: cpu(collector.process.pid, which) for which in costs}
        simulate(collector, 1000000, 100000, "--seed", str(i + 1))
        collector.flush()
        for which in costs:
            costs[which].append(cpu(collector.process.pid, which) - before[which])
    both = [u + s for u, s in zip(costs["user"], costs["system"])]
    note("million %d to million 1, CPU" % MILLIONS, both[-1] / both[0], "x", "<= 1.2", " ".join("%.1f" % c for c in both))
    for which, each in costs.items():
        note("million %d to million 1, CPU in %s" % (MILLIONS, which), each[-1] / each[0], "x", "", " ".join("%.1f" % c for c in each))
    ids = [row[0] for row in collector.sql("SELECT trace_id FROM trace WHERE start_ns > 0 LIMIT 40")]

    def by_id(source):
        took = []
        for trace in ids:
            begin = time.monotonic()
            assert collector.get("/api/v1/traces/" + trace)[0] == 200
            took.append((time.monotonic() - begin) * 1e3)
        note("a trace by id in %d million spans, %s" % (MILLIONS, source), statistics.median(took), "ms", "<= 5",
             "%.1f..%.1f" % (min(took), max(took)))

    def ask(name, path, limit):
        took = []
        for _ in range(5):
            begin = time.monotonic()
            code, text, _ = collector.get(path)
            assert code == 200, (path, text)
            took.append((time.monotonic() - begin) * 1e3)
        note(name, statistics.median(took), "ms", limit, "%.1f..%.1f" % (min(took), max(took)))

    by_id("warm")
    service = collector.sql("SELECT service FROM service WHERE role = 'workload' ORDER BY service LIMIT 1")[0][0]
    ask("search errors of a service, last hour", "/api/v1/traces?status=error&from=1h&service=" + service, "<= 100")
    ask("graph of an hour", "/api/v1/graph?from=1h", "<= 50")
    ask("/metrics", "/metrics", "")
    assert collector.stop(60) == 0
    begin = time.monotonic()
    collector.start()
    note("start on a file of %.1f GB" % (os.path.getsize(collector.db) / 1e9), time.monotonic() - begin, "s", "<= 0.2")
    by_id("reopened")
    # killed with ten seconds of load in the inbox
    sender = subprocess.Popen([collector.program, "simulate", "--to", "http://" + collector.otlp, "--spans", "1000000", "--rate",
                               "100000", "--seed", "99"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(6)
    collector.kill()
    sender.kill()
    sender.wait()
    begin = time.monotonic()
    collector.start()
    note("start after kill -9", time.monotonic() - begin, "s", "<= 2")
    begin = time.monotonic()
    collector.flush()
    took, read = time.monotonic() - begin, collector.counter("faultline_inbox_replay_bytes")
    note("the inbox read again and stitched", read / 650 / took, "spans/s", ">= 300000", "%.0f MB in %.1f s" % (read / 1e6, took))
    # retention while new spans come
    collector.stop(60)
    before = collector.sql("SELECT n_spans FROM position")[0][0]
    size = os.path.getsize(collector.db)
    collector.start(store__max_size="%dMiB" % (size // 2 >> 20))
    sender = subprocess.Popen([collector.program, "simulate", "--to", "http://" + collector.otlp, "--spans", "1000000", "--rate", "50000",
                               "--seed", "77"], stdout=subprocess.PIPE)
    seen = []
    while sender.poll() is None:
        seen.append((time.monotonic(), collector.counter("faultline_store_deleted_spans_total")))
        time.sleep(0.25)
    result = json.loads(sender.communicate()[0])
    at_work = [(t, n) for (t, n), (_, after) in zip(seen, seen[1:]) if after > n]
    rate = (at_work[-1][1] - at_work[0][1]) / (at_work[-1][0] - at_work[0][0])
    note("retention at work, while 50,000 spans/s come", rate, "spans/s", ">= 150000",
         "%d of %d deleted, %d refused" % (seen[-1][1], before, result["refused"]))
    collector.stop(60)
    collector.close()


def page():
    """The page in the system's Chromium: shop data, a trace of 10,000 spans; five new browsers."""
    ui = browse.UI
    try:
        browse.chromium()
    except lib.Skip as why:
        print("page: %s" % why)
        return
    if not os.path.exists(os.path.join(ui, "node_modules")):
        print("page: no npm packages here; make deps installs them")
        return
    sys.path.insert(0, ui)
    import shop
    c = lib.Collector(build).start()
    maker = shop.Maker(1)
    shop.window(maker, time.time(), n=4000)
    trace = shop.large(maker, time.time() - 60, 10000)
    for body in maker.bodies():
        c.post_otlp(body, True)
    c.flush()
    p = subprocess.run(["node", os.path.join(ui, "measure.mjs"), "http://" + c.web, trace.id, "5"], stdout=subprocess.PIPE, check=True)
    c.stop()
    c.close()
    found = json.loads(p.stdout)
    for key, name, unit, limit in (("first_paint_ms", "page: first paint of Traces", "ms", "<= 300"), ("content_ms", "page: Traces with 4,000 traces drawn", "ms", ""),
                                   ("open_trace_ms", "page: a trace of 10,000 spans opens", "ms", "<= 1000"), ("frames_per_s", "page: frames while scrolling it", "/s", ">= 50")):
        values = found[key]
        note(name, statistics.median(values), unit, limit, "%.0f-%.0f in %d runs" % (min(values), max(values), len(values)))
    note("page: script and stylesheet, gzipped", found["bytes"], "B", "<= 60000")


def main():
    alone = {"ways": lambda: ways(500000), "counting": counting, "normal": normal}.get("".join(sys.argv[2:]))
    if alone:
        alone()
        return
    print("%-58s %12s %-10s %-14s %s" % ("figure", "value", "unit", "limit", "spread"))
    disk()
    pure()
    idle()
    paced(100000, 3000000, "OTLP protobuf at 100,000/s")
    paced(0, 2000000, "OTLP protobuf, as fast as it goes")
    paced(50000, 1000000, "the same with gzip at 50,000/s", "--encoding", "gzip")
    ways(500000)
    counting()
    diagnosing()
    normal()
    page()
    memory()
    millions()
    with open(os.path.join(build, "bench.json"), "w") as out:
        json.dump({"version": subprocess.check_output([os.path.join(build, "faultline"), "version"]).decode().splitlines()[0],
                   "processors": os.cpu_count(), "figures": figures}, out, indent=1)


signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
main()
