"""What the store does by itself: retention by size and age, and search that stays quick."""
import json
import os
import re
import subprocess
import time

from lib import otlp_body, otlp_span, wait_for


def simulate(c, spans, seed=1):
    out = subprocess.run([c.program, "simulate", "--to", "http://" + c.otlp, "--spans", str(spans), "--seed", str(seed)],
                         stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)


def scene_retention_by_size_takes_the_oldest_and_gives_the_disk_back(c):
    c.start()
    simulate(c, 120000)
    c.flush()
    c.stop()
    size, newest = os.path.getsize(c.db), c.sql("SELECT max(trace_no), count(*) FROM trace_row")[0]
    limit = 16 << 20
    assert size > limit * 1.5, size
    c.start(store__max_size="16MiB")
    wait_for(lambda: c.counter("faultline_store_deleted_spans_total") > 0, 30, "a deletion")
    wait_for(lambda: c.api("status")["store"]["bytes"] < limit * 1.1 and
             not c.sql("SELECT 1 FROM trace_row WHERE trace_no < 100"), 30, "a smaller file")
    simulate(c, 5000, seed=2)
    c.flush()
    last, n = c.sql("SELECT max(trace_no), count(*) FROM trace_row")[0]
    assert last > newest[0] and 0 < n < newest[1]
    assert c.sql("SELECT min(trace_no) FROM span_row") == c.sql("SELECT min(trace_no) FROM trace_row")
    assert c.sql("SELECT n_spans FROM position")[0] == c.sql("SELECT count(*) FROM span_row")[0]
    # the graph still counts what went
    assert c.sql("SELECT sum(received) FROM ingest_minute")[0][0] >= 125000
    c.stop()
    assert os.path.getsize(c.db) < size
    assert c.sql("PRAGMA integrity_check") == [("ok",)]


def scene_failed_traces_are_found_among_many(c):
    c.start()
    simulate(c, 20000)
    bad = "0af7651916cd43dd8448eb211c80319c"
    now = int(c.sql("SELECT unixepoch()")[0][0]) * 1000
    c.post_otlp(otlp_body([otlp_span(bad, "00000000000000a1", service="odd", start=now, status=2)]), True)
    simulate(c, 20000, seed=2)
    c.flush()
    assert [t["trace_id"] for t in c.api("traces?status=error&service=odd")["items"]] == [bad]
    assert [t["trace_id"] for t in c.api("traces?status=error&service=odd&from=5m&to=now")["items"]] == [bad]
    assert c.api("traces?status=error&service=nobody")["items"] == []
    plan = c.sql("EXPLAIN QUERY PLAN SELECT trace_no FROM trace_row INDEXED BY trace_failed WHERE bits & 1 ORDER BY trace_no DESC")
    assert "trace_failed" in plan[0][3]


def scene_what_was_stored_before_a_kill_is_needed_no_more(c):
    """A flush of a process that took no body yet: positions stay where they are, and a clean stop leaves one file."""
    c.start()
    for i in range(3):
        assert c.post_otlp(otlp_body([otlp_span("%032x" % (i + 1), "%016x" % (i + 1))]), True)[0] == 200
    c.flush()
    position = "SELECT booked_to, needed_from FROM position"
    assert c.sql(position) == [(3, 4)]
    c.kill()
    c.start()
    c.flush()
    assert c.sql(position) == [(3, 4)], c.sql(position)
    assert c.stop() == 0
    assert c.sql(position) == [(3, 4)] and not os.path.exists(c.db + "-inbox"), os.listdir(c.folder)


def scene_what_is_older_than_retention_goes_at_once(c):
    """In one look, all that this process stored itself; of what was there before, a tenth at most, for nobody saw the clock meanwhile."""
    c.start(store__retention="1h")
    give = lambda first: (c.post_otlp(otlp_body([otlp_span("%032x" % i, "%016x" % i) for i in range(first, first + 300)]), True), c.flush())  # noqa: E731
    give(1)
    c.stop()
    c.start(store__retention="1s")
    give(1001)
    wait_for(lambda: c.counter("faultline_store_deleted_spans_total") > 0, 20, "a look")
    assert 0 < c.sql("SELECT count(*) FROM span WHERE span_id < '%016x'" % 1000)[0][0] < 300
    c.stop()
    os.remove(c.db)
    c.start(store__retention="1s")
    give(1)
    wait_for(lambda: c.sql("SELECT count(*) FROM span") == [(0,)], 20, "an empty file")
    assert c.counter("faultline_store_deleted_spans_total") == 300


def scene_a_clock_that_jumps_deletes_nothing_early(c):
    """What was just stored stays when the clock is set forward, and when it comes back; how long the process runs is told by another clock."""
    clock = os.path.join(c.folder, "clock")

    def ahead(seconds):
        open(clock + "-new", "w").write(str(seconds))
        os.rename(clock + "-new", clock)

    def jumps():
        return re.findall(r"event=clock_jumped by_s=(-?\d+)", c.said())

    ahead(0)
    c.environment = {"ASAN_OPTIONS": "verify_asan_link_order=0", "LD_PRELOAD": os.path.join(c.build, "shims", "clock.so"), "CLOCK_AHEAD": clock}
    c.start(store__retention="1h", store__minute_retention="2h", store__commit_interval="50ms")
    simulate(c, 3000)
    c.flush()
    stored = c.sql("SELECT (SELECT count(*) FROM span), (SELECT count(*) FROM trace), (SELECT sum(calls) FROM edge_minute)")
    day = 86400
    for n, seconds in ((1, 400 * day), (2, -day)):
        ahead(seconds)
        wait_for(lambda: len(jumps()) == n, 30, "jump %d" % n)
        now = time.monotonic()
        assert 0 <= c.api("status")["uptime_s"] < 600, c.api("status")["uptime_s"]
        wait_for(lambda: time.monotonic() > now + 0.5, 20)  # a pass deletes at once, in slices
        assert c.sql("SELECT (SELECT count(*) FROM span), (SELECT count(*) FROM trace), (SELECT sum(calls) FROM edge_minute)") == stored, seconds
    assert [round(int(by) / day) for by in jumps()] == [400, -401] and c.counter("faultline_store_deleted_spans_total") == 0
