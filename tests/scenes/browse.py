"""Scenes of tests/ui in the system's Chromium."""
import json
import os
import shutil
import subprocess
import tempfile
import threading

import lib

UI = os.path.join(lib.HERE, "..", "ui")


def chromium():
    """The browser without a desktop, which costs half as much, else the whole one; CHROMIUM names another. As tests/ui/launch.mjs has it."""
    for path in [os.environ["CHROMIUM"]] if "CHROMIUM" in os.environ else ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"]:
        if os.path.exists(path):
            return path
    raise lib.Skip("no Chromium here: make deps installs it")


class Player:
    """Node with a browser, for the scenes of one worker after each other: either takes as long to start as many a scene lasts."""
    mine, all = threading.local(), []

    def __init__(self):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(["node", os.path.join(UI, "scenes.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        Player.all.append(self)

    @classmethod
    def of_this_worker(cls):
        if not hasattr(cls.mine, "player") or cls.mine.player.process.poll() is not None:
            cls.mine.player = cls()
        return cls.mine.player

    def play(self, **scene):
        """What the scene said; fails with what was not so. Who takes longer than 200 s is ended, and Node with it."""
        deadline = threading.Timer(200, self.process.kill)
        deadline.start()
        try:
            self.process.stdin.write(json.dumps(scene).encode() + b"\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        finally:
            deadline.cancel()
        if not answer:
            self.process.kill()
            self.process.wait()
            self.errors.seek(0)
            raise AssertionError("Node ended in the scene: %s" % self.errors.read()[-3000:].decode(errors="replace"))
        answer = json.loads(answer)
        assert not answer["failed"], answer["failed"][-3000:]
        return answer["said"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


def close():
    """Ends every worker's Node and browser."""
    for player in Player.all:
        player.close()


def play(script, name, facts):
    """Runs one scene of tests/ui/SCRIPT; gives what it said."""
    if not shutil.which("node") or not os.path.exists(os.path.join(UI, "node_modules", "playwright-core")):
        raise lib.Skip("no Node or its packages here: make deps installs them")
    chromium()
    return Player.of_this_worker().play(script=script, name=name, facts=facts)


def browse(c, script, name, **facts):
    """The same with the collector's own page."""
    if b"/assets/" not in c.get("/traces")[1]:
        raise lib.Skip("built with UI=0: there is no page")
    return play(script, name, {"base": "http://" + c.web, "otlp": "http://%s/v1/traces" % c.otlp, **facts})


def units(script):
    """Runs the tests of the page's pure parts in Node."""
    if not shutil.which("node"):
        raise lib.Skip("no Node here: make deps installs it")
    p = subprocess.run(["node", os.path.join(UI, script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert p.returncode == 0, p.stdout.decode()[-3000:]
