"""store.keep: the spans of ordinary traces go once nothing late can reopen them; what is worth a look stays, and everything is counted."""
import json
import random
import re
import subprocess

from lib import otlp_body, otlp_span, wait_for


def two_calls(number, kind, backend="backend", ms=10.0, status=0):
    trace = "%08x%024x" % (kind, random.Random(number * 7 + kind).getrandbits(96) | 1)
    start = 1_790_000_000_000 + number * 10
    return [otlp_span(trace, "00000000000000a1", service="frontend", start=start, ms=ms, status=status),
            otlp_span(trace, "00000000000000a2", "00000000000000a1", service=backend, start=start + 1, ms=ms - 2)]


def traffic():
    for n in range(1000):
        yield two_calls(n, 1, ms=10 + n % 7 / 10)
        if n >= 500 and n % 50 == 0:
            yield two_calls(n, 2, status=2)
            yield two_calls(n, 3, ms=4000)
    yield two_calls(1001, 4, backend="never-seen-before")


def post_in_turns(c, traces):
    """In the order given: a flush between batches gives their trace numbers that order."""
    traces = list(traces)
    for at in range(0, len(traces), 200):
        c.post_otlp(otlp_body([span for trace in traces[at:at + 200] for span in trace]), True)
        c.flush()


def kept(c, kind):
    return dict(c.sql("SELECT kept, count(*) FROM trace WHERE trace_id LIKE ? GROUP BY 1", "%08x%%" % kind))


def scene_keep_drops_the_spans_of_ordinary_traces_alone(c):
    c.start(store__keep="10%", stitch__reopen_window="1s")
    post_in_turns(c, traffic())
    counted = c.sql("SELECT sum(calls), sum(errors) FROM edge_minute")
    assert kept(c, 1) == {1: 1000}
    wait_for(lambda: c.sql("SELECT kept_to = next_trace_no FROM position") == [(1,)], 30, "a look at all of them")
    # the first hundred of an entry are learnt from, the others stay by share
    ordinary = kept(c, 1)
    assert 790 <= ordinary[0] <= 870, ordinary
    assert kept(c, 2) == kept(c, 3) == {1: 10}, (kept(c, 2), kept(c, 3))
    assert kept(c, 4) == {1: 1}
    assert c.sql("SELECT count(*) FROM span WHERE trace_id IN (SELECT trace_id FROM trace WHERE NOT kept)") == [(0,)]
    assert c.sql("SELECT count(*) FROM span") == [(2 * (1021 - ordinary[0]),)] == c.sql("SELECT n_spans FROM position")
    assert c.sql("SELECT sum(calls), sum(errors) FROM edge_minute") == counted
    assert c.counter("faultline_store_deleted_spans_total") == 2 * ordinary[0]
    c.check_ledger(dropped=2 * ordinary[0])


def at(ms):
    return "%d.%03d" % divmod(ms, 1000)


def scene_what_is_named_as_an_example_has_its_spans(c):
    """A fault behind a caller that gets over it: each request goes well, a call in it failed."""
    c.start(store__keep="10%", stitch__reopen_window="1s")
    begin, traces = 1_790_000_040_000, []
    for n in range(1200):
        kind = 6 if n >= 900 and n % 2 else 5
        trace, start = "%08x%024x" % (kind, random.Random(n).getrandbits(96) | 1), begin + n * 400
        traces.append([otlp_span(trace, "00000000000000a1", service="frontend", start=start, ms=10),
                       otlp_span(trace, "00000000000000a2", "00000000000000a1", service="backend", start=start + 1, ms=8, status=2 if kind == 6 else 0)])
    post_in_turns(c, traces)
    named = lambda: set(re.findall(r' # \{trace_id="([0-9a-f]{32})"', c.request(c.web, "GET", "/metrics", headers={"Accept": "application/openmetrics-text"})[1].decode()))  # noqa: E731
    window = ["--from", at(begin + 360_000), "--to", at(begin + 480_000), "--format", "json", "--db", c.db]
    ask = lambda *args: json.loads(subprocess.run([c.program, *args, *window], stdout=subprocess.PIPE).stdout)  # noqa: E731
    suspects = lambda: ask("diagnose", "--baseline", "%s..%s" % (at(begin), at(begin + 360_000)))["suspects"]  # noqa: E731
    contrasts, exemplars = {s["contrast"] for s in suspects()}, named()
    assert exemplars and None not in contrasts, (exemplars, contrasts)
    wait_for(lambda: c.sql("SELECT kept_to = next_trace_no FROM position") == [(1,)], 30, "a look at all of them")
    assert kept(c, 6) == {1: 150} and kept(c, 5)[0] > 700, (kept(c, 6), kept(c, 5))
    there = {i for i, in c.sql("SELECT trace_id FROM trace WHERE kept")}
    # what was named before the look, and what is now
    assert contrasts <= there and exemplars <= there, (contrasts - there, exemplars - there)
    edges = ask("graph")["edges"]
    errors = [i for e in edges for i in e["examples"]["error"]]
    assert len(errors) >= 3 and set(errors) | {i for e in edges for i in e["examples"]["slow"]} <= there, edges
    for suspect in suspects():
        assert suspect["examples"] and {*suspect["examples"], suspect["contrast"]} <= there, suspect


def scene_a_trace_whose_spans_went_says_so(c):
    c.start(store__keep="1%", stitch__reopen_window="1s")
    post_in_turns(c, (two_calls(n, 1) for n in range(300)))
    wait_for(lambda: c.sql("SELECT kept_to = next_trace_no FROM position") == [(1,)], 30, "a look at all of them")
    gone, = c.sql("SELECT trace_id FROM trace WHERE NOT kept LIMIT 1")[0]
    answer = c.api("traces/" + gone)
    assert answer["spans"] == [] and answer["trace"]["kept"] == 0 and answer["trace"]["span_count"] == 2
    shown = subprocess.run([c.program, "trace", gone, "--db", c.db], stdout=subprocess.PIPE, check=True).stdout.decode()
    assert "store.keep" in shown, shown
    # what comes late for it is a trace of its own, under the same id
    before = c.sql("SELECT sum(calls) FROM edge_minute")[0][0]
    c.post_otlp(otlp_body([otlp_span(gone, "00000000000000a3", "00000000000000a1", service="late", start=1_790_000_000_000)]), True)
    c.flush()
    assert c.sql("SELECT kept, span_count FROM trace WHERE trace_id = ? ORDER BY 1", gone) == [(0, 2), (1, 1)]
    assert c.counter("faultline_stitch_too_late_total") == 1
    # nor is one that was kept opened any more, once the window is over
    kept = c.sql("SELECT trace_id FROM trace WHERE kept AND span_count = 2 ORDER BY trace_no LIMIT 1".replace("FROM trace ", "FROM trace_numbered "))[0][0]
    c.post_otlp(otlp_body([otlp_span(kept, "00000000000000a3", "00000000000000a1", service="late", start=1_790_000_000_000)]), True)
    c.flush()
    assert c.sql("SELECT span_count FROM trace WHERE trace_id = ? ORDER BY 1", kept) == [(1,), (2,)] and c.counter("faultline_stitch_too_late_total") == 2
    assert c.sql("SELECT sum(calls) FROM edge_minute")[0][0] == before
    c.check_ledger(dropped=int(c.counter("faultline_store_deleted_spans_total")))
    # a restart goes on where it was
    looked_at = c.sql("SELECT kept_to FROM position")
    c.stop()
    assert c.sql("SELECT kept_to FROM position")[0][0] >= looked_at[0][0]
    assert c.sql("PRAGMA integrity_check") == [("ok",)]
