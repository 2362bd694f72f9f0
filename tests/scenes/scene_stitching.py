"""The traces that stitching must own (stitching_cases.py), through stitch() alone and through the whole program; in every order, split, repeated, late."""
import json
import os
import random
import subprocess

from stitching import expected_text, frames_of, graph_text, otlp, zipkin
from stitching_cases import CASES


def stitch(c, format_, bodies, *options):
    p = subprocess.run([os.path.join(c.build, "tools", "stitch_file"), *options, format_, "-"], input=frames_of(bodies), capture_output=True)
    assert p.returncode == 0, p.stderr
    return [json.loads(line) for line in p.stdout.splitlines()]


def differences(name, traces, text):
    wanted = [expected_text(part) for part in text.split("---")]
    seen = [graph_text(trace, "/" in text) for trace in traces]
    if seen == wanted:
        return ""
    return "\n%s\n--- seen\n%s\n--- expected\n%s\n" % (name, "\n".join(seen), "\n".join(wanted))


def scene_graphs(c):
    wrong = ""
    for function in CASES:
        spans, text = function()
        wrong += differences(function.__name__, stitch(c, "otlp_json", [otlp(spans)]), text)
    assert not wrong, wrong


def scene_any_order_any_split_any_repetition(c):
    draw = random.Random(20261123)
    for function in CASES:
        spans, _ = function()
        first = stitch(c, "otlp_json", [otlp(spans)])
        key = lambda s: (s["span_id"], s["kind"], s["start_ns"], s["node"])  # noqa: E731
        for trace in first:
            trace["spans"].sort(key=key)
        for _ in range(4):
            again = spans + draw.sample(spans, len(spans) // 2)
            draw.shuffle(again)
            bodies = []
            while again:
                n = draw.randint(1, len(again))
                bodies.append(otlp(again[:n]))
                again = again[n:]
            other = stitch(c, "otlp_json", bodies)
            for trace in other:
                trace["spans"].sort(key=key)
            assert other == first, function.__name__
