"""The stitcher against a second reading of the document (stitch_model.py) over random traces (stitch_random.py): the same calls, blame and trace.
By hand, for many more:  python3 tests/scenes/scene_model.py BUILD TRACES [FIRST_SEED]"""
import json
import os
import random
import subprocess
import sys
import time

import stitch_model
import stitch_random
from stitching import frames_of, graph_text, otlp, zipkin

BODY = 100


def stitched(build, format_, traces, *options):
    """Graphs by trace id, as the program gives them."""
    write, spans = {"otlp_json": otlp, "zipkin_json": zipkin}[format_], [t.spans for t in traces]
    return graphs_of(build, format_, [write(sum(spans[i:i + BODY], [])) for i in range(0, len(spans), BODY)], *options)


def graphs_of(build, format_, bodies, *options):
    p = subprocess.run([os.path.join(build, "tools", "stitch_file"), *options, format_, "-"], input=frames_of(bodies), capture_output=True)
    assert p.returncode == 0, p.stderr
    graphs = {}
    for line in p.stdout.splitlines():
        trace = json.loads(line)
        trace["origin_reason"] = ""
        graphs[trace["trace_id"]] = graph_text(trace, True).replace(" reason=", "")
    return graphs


def differences(build, format_, seeds, untold=False):
    """A text for every trace that the two read differently. `untold`: no proxy says what it is, and both learn it from all of the traces."""
    traces = {seed: stitch_random.trace(seed, format_ == "zipkin_json") for seed in seeds}
    for span in (s for t in traces.values() if untold for s in t.spans):
        span["attrs"].pop("node_id", None)
    kinds = stitch_model.learn([t.spans for t in traces.values()]) if untold else None
    seen, texts = stitched(build, format_, traces.values(), *["--learn", "1"] * untold), []
    for seed, trace in traces.items():
        wanted = stitch_model.graph(trace.spans, kinds=kinds)
        # of a ring STITCHING wants only that it is marked
        same = seen[trace.id].endswith(" incomplete") == wanted.endswith(" incomplete") if trace.ring else seen[trace.id] == wanted
        if not same:
            texts.append("\n%s, seed %d\n--- seen\n%s\n--- the model\n%s\n" % (format_, seed, seen[trace.id], wanted))
    return texts


def scene_a_second_reading_gives_the_same_graphs(c):
    wrong = differences(c.build, "otlp_json", range(1, 401)) + differences(c.build, "zipkin_json", range(1, 401))
    assert not wrong, "%d of 800 traces are read differently: %s" % (len(wrong), "".join(wrong[:5]))


def scene_a_second_reading_learns_the_same_of_proxies(c):
    wrong = differences(c.build, "otlp_json", range(401, 601), True) + differences(c.build, "zipkin_json", range(401, 601), True)
    assert not wrong, "%d of 400 traces are read differently: %s" % (len(wrong), "".join(wrong[:5]))


def scene_random_traces_in_any_order_any_split_any_repetition(c):
    for format_, write in (("otlp_json", otlp), ("zipkin_json", zipkin)):
        traces = [stitch_random.trace(seed, format_ == "zipkin_json") for seed in range(2001, 2301)]
        first = stitched(c.build, format_, traces)
        draw, spans = random.Random(7), sum((t.spans for t in traces), [])
        for _ in range(2):
            again = spans + draw.sample(spans, len(spans) // 2)
            draw.shuffle(again)
            bodies = []
            while again:
                n = draw.randint(1, 2000)
                bodies.append(write(again[:n]))
                again = again[n:]
            other = graphs_of(c.build, format_, bodies)
            wrong = [(first[i], other[i]) for i in first if first[i] != other[i]]
            assert not wrong, "%d traces depend on the order, one of them:\n%s\n---\n%s" % (len(wrong), *wrong[0])


def many(build, n, first):
    begin, wrong = time.monotonic(), []
    for seed in range(first, first + n, 2000):
        for format_ in ("otlp_json", "zipkin_json"):
            for untold in (False, True):
                wrong += differences(build, format_, range(seed, min(seed + 2000, first + n)), untold)
    print("%s%d traces from seed %d in both formats, with proxies that say what they are and with such that do not, %d read differently, %.0f s" % ("".join(wrong[:20]), n, first, len(wrong), time.monotonic() - begin))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(many(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else int(time.time())))
