#!/usr/bin/env python3
"""Takes the pictures of the pages on the simulator's shop while a fault is on: pictures.py BUILD [FOLDER]. Light, dark and phone, as a reader sees them."""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenes"))
import lib  # noqa: E402
import mesh_300  # noqa: E402
from scene_demo import FREE, Demo  # noqa: E402

FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><include ignore_missing="yes">/etc/fonts/fonts.conf</include>
%s</fontconfig>""" % "".join('<match target="pattern"><test name="family"><string>%s</string></test><edit name="family" mode="assign" '
                             'binding="strong"><string>Inter</string></edit></match>' % f for f in ("system-ui", "sans", "sans-serif"))


def take(folder, facts):
    fonts = os.path.join(folder, "fonts.conf")  # where Inter is installed it stands for the system's font
    with open(fonts, "w") as f:
        f.write(FONTS)
    has_inter = "Inter" in subprocess.run(["fc-list"], stdout=subprocess.PIPE).stdout.decode()
    subprocess.run(["node", os.path.join(HERE, "pictures.mjs"), json.dumps(facts)], check=True, env={**os.environ, **({"FONTCONFIG_FILE": fonts} if has_inter else {})})


def of_the_shop(c, out):
    """The demo's shop: ten minutes of past, then a canary that runs out of connections; looked at when the incident has a likely suspect."""
    demo = Demo(c, "--rate", "40", *FREE)
    try:
        address = demo.wait(r"http://([\d.:]+)")[1]
        api = lambda path: json.loads(demo.get(address, "/api/v1/" + path))  # noqa: E731

        def sure():
            found = api("incidents?state=open")["items"]
            return found and found[0]["suspects"] and found[0]["suspects"][0]["confidence"] >= 0.6 and found[0]["affected_calls"] >= 150 and found[0]
        incident = lib.wait_for(sure, 240, "an incident with a likely suspect")
        ids = ",".join(api("incidents/" + incident["id"])["suspects"][0]["examples"])
        longest = max(api("traces?ids=" + ids)["items"], key=lambda t: t["span_count"])
        take(c.folder, {"set": "shop", "out": out, "base": "http://" + address, "failed": longest["trace_id"], "incident": incident["id"]})
    finally:
        demo.stop()
        demo.close()


def of_three_hundred(c, out):
    c.start()
    c.stop()
    mesh_300.fill(c.db, int(time.time()) // 60)
    c.start()
    take(c.folder, {"set": "large", "out": out, "base": "http://" + c.web})
    c.stop()


def main(build, out):
    os.makedirs(out, exist_ok=True)
    for pictures in (of_the_shop, of_three_hundred):
        collector = lib.Collector(build)
        try:
            pictures(collector, out)
        finally:
            collector.close()


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "..", "..", "web", "pictures")))
