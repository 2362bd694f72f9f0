"""Scenes of tests/ui in the system's Chromium."""
import json
import os
import shutil
import subprocess

import lib

UI = os.path.join(lib.HERE, "..", "ui")


def chromium():
    """The browser without a desktop, which costs half as much, else the whole one; CHROMIUM names another. As tests/ui/launch.mjs has it."""
    for path in [os.environ["CHROMIUM"]] if "CHROMIUM" in os.environ else ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"]:
        if os.path.exists(path):
            return path
    raise lib.Skip("no Chromium here: make deps installs it")


def browse(c, script, name, **facts):
    """Runs one scene of tests/ui/SCRIPT; gives what it printed."""
    if not shutil.which("node") or not os.path.exists(os.path.join(UI, "node_modules", "playwright-core")):
        raise lib.Skip("no Node or its packages here: make deps installs them")
    chromium()
    if b"/assets/" not in c.get("/traces")[1]:
        raise lib.Skip("built with UI=0: there is no page")
    path = os.path.join(c.folder, name + ".json")
    with open(path, "w") as f:
        json.dump({"base": "http://" + c.web, "otlp": "http://%s/v1/traces" % c.otlp, **facts}, f)
    p = subprocess.run(["node", os.path.join(UI, script), name, path], env=c.page_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=200)
    assert p.returncode == 0, p.stderr.decode(errors="replace")[-3000:]
    return p.stdout.decode()


def units(script):
    """Runs the tests of the page's pure parts in Node."""
    if not shutil.which("node"):
        raise lib.Skip("no Node here: make deps installs it")
    p = subprocess.run(["node", os.path.join(UI, script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert p.returncode == 0, p.stdout.decode()[-3000:]
