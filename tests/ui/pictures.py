#!/usr/bin/env python3
"""Takes the pictures of the pages on a simulated shop with a fault: pictures.py BUILD [FOLDER]. Light, dark and phone, as a reader sees them."""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scenes"))
import lib  # noqa: E402
import shop  # noqa: E402

FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><include ignore_missing="yes">/etc/fonts/fonts.conf</include>
%s</fontconfig>""" % "".join('<match target="pattern"><test name="family"><string>%s</string></test><edit name="family" mode="assign" '
                             'binding="strong"><string>Inter</string></edit></match>' % f for f in ("system-ui", "sans", "sans-serif"))


def main(build, out):
    collector = lib.Collector(build)
    try:
        collector.start()
        maker, now = shop.Maker(4), time.time()
        shop.window(maker, now, n=7600)
        failed = shop.basket(maker, now - 39.5, 1.0, True)
        for body in maker.bodies():
            assert collector.post_otlp(body, True)[0] == 200
        collector.flush()
        fonts = os.path.join(collector.folder, "fonts.conf")  # where Inter is installed it stands for the system's font
        with open(fonts, "w") as f:
            f.write(FONTS)
        os.makedirs(out, exist_ok=True)
        facts = {"base": "http://" + collector.web, "out": out, "failed": failed.id, "now": now}
        has_inter = "Inter" in subprocess.run(["fc-list"], stdout=subprocess.PIPE).stdout.decode()
        subprocess.run(["node", os.path.join(HERE, "pictures.mjs"), json.dumps(facts)], check=True,
                       env={**os.environ, **({"FONTCONFIG_FILE": fonts} if has_inter else {})})
        collector.stop()
    finally:
        collector.close()


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "..", "..", "web", "pictures")))
