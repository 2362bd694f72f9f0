#!/usr/bin/env python3
"""Takes the pictures of the pages on a simulated shop with a fault: pictures.py BUILD [FOLDER]. Light, dark and phone, as a reader sees them."""
import json
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenes"))
import lib  # noqa: E402
import mesh_300  # noqa: E402
import mesh_shop  # noqa: E402
import shop  # noqa: E402

FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><include ignore_missing="yes">/etc/fonts/fonts.conf</include>
%s</fontconfig>""" % "".join('<match target="pattern"><test name="family"><string>%s</string></test><edit name="family" mode="assign" '
                             'binding="strong"><string>Inter</string></edit></match>' % f for f in ("system-ui", "sans", "sans-serif"))


def of_traces(c):
    c.start()
    maker, now = shop.Maker(4), time.time()
    shop.window(maker, now, n=7600)
    failed = shop.basket(maker, now - 39.5, 1.0, True)
    for body in maker.bodies():
        assert c.post_otlp(body, True)[0] == 200
    c.flush()
    return {"failed": failed.id, "now": now}


def of_graph(c):
    c.start()
    now = time.time()
    s = mesh_shop.Shop(1, canary=now - 18 * 60, fault=now - 17 * 60, slow=now - 29 * 60)
    mesh_shop.feed(c, s, now - 75 * 60, now, 12)
    threading.Thread(target=go_on, args=(c, now), daemon=True).start()
    return {"now": now}


def go_on(c, since):
    """Traffic while the pictures are taken, so that the last minute is no hole."""
    s = mesh_shop.Shop(2, canary=since - 18 * 60, fault=since - 17 * 60, slow=since - 29 * 60)
    while c.process:
        time.sleep(1)
        now = time.time()
        try:
            for body in s.bodies(since, now, 12):
                c.post_otlp(body, True)
            c.flush()
        except OSError:
            return
        since = now


def of_large(c):
    c.start()
    c.stop()
    mesh_300.fill(c.db, int(time.time()) // 60)
    c.start()
    return {"now": time.time()}


def take(build, out, name, fill):
    collector = lib.Collector(build)
    try:
        facts = {"set": name, "out": out, **fill(collector), "base": "http://" + collector.web}
        fonts = os.path.join(collector.folder, "fonts.conf")  # where Inter is installed it stands for the system's font
        with open(fonts, "w") as f:
            f.write(FONTS)
        has_inter = "Inter" in subprocess.run(["fc-list"], stdout=subprocess.PIPE).stdout.decode()
        subprocess.run(["node", os.path.join(HERE, "pictures.mjs"), json.dumps(facts)], check=True,
                       env={**os.environ, **({"FONTCONFIG_FILE": fonts} if has_inter else {})})
        collector.stop()
    finally:
        collector.close()


def main(build, out):
    os.makedirs(out, exist_ok=True)
    take(build, out, "traces", of_traces)
    take(build, out, "graph", of_graph)
    take(build, out, "large", of_large)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "..", "..", "web", "pictures")))
