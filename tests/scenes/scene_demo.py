"""The first minute: `faultline demo` from outside."""
import os
import re
import signal
import sqlite3
import subprocess
import urllib.request

from lib import free_port, wait_for


class Demo:
    """The program with its terminal; every line it says is kept."""

    def __init__(self, c, *args):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FAULTLINE_")}
        environment["TMPDIR"] = c.folder
        self.out = os.path.join(c.folder, "demo.out")
        self.process = subprocess.Popen([c.program, "demo", *args], stdout=open(self.out, "wb"), stderr=subprocess.STDOUT,
                                        env=environment, start_new_session=True)

    def said(self):
        return open(self.out).read()

    def wait(self, pattern, limit=60):
        found = wait_for(lambda: re.search(pattern, self.said()) or self.ended(), limit, "'%s' in %r" % (pattern, self.said()))
        assert found is not True, "it ended: " + self.said()
        return found

    def ended(self):
        return self.process.poll() is not None

    def get(self, address, path):
        with urllib.request.urlopen("http://%s%s" % (address, path), timeout=60) as answer:
            return answer.read()

    def stop(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.process.wait(15)

    def close(self):
        if not self.ended():
            self.process.kill()
            self.process.wait()


def rows(path, query):
    db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


FREE = ["--set", "receive.otlp_grpc.listen=0", "--set", "receive.otlp_http.listen=0", "--set", "receive.zipkin.listen=0", "--set", "web.listen=0"]


def scene_the_first_minute(c):
    demo = Demo(c, "--rate", "40", *FREE)
    try:
        address = demo.wait(r"\Afaultline demo: http://(\S+)\n").group(1)
        folder = demo.wait(r"its data is in (\S+)\.").group(1)
        assert os.path.dirname(folder) == c.folder and os.path.isdir(folder)
        demo.wait("Ten minutes of past are there")
        assert demo.get(address, "/-/ready") == b"ready" and b"faultline" in demo.get(address, "/")
        db = os.path.join(folder, "demo.db")
        minutes, calls, services = rows(db, "SELECT count(DISTINCT minute_ns), sum(calls), count(DISTINCT callee_service) FROM edge_minute")[0]
        assert minutes >= 10 and calls > 20000 and services >= 18, (minutes, calls, services)
        # No piece of the past is cut while much of it is still on its way.
        assert rows(db, "SELECT avg(reopened > 0) < .01 FROM trace")[0] == (1,), rows(db, "SELECT avg(reopened > 0) FROM trace")
        began = ("SELECT sum(errors_origin) FROM edge_minute WHERE caller_service = 'cart' AND caller_version = 'v2' "
                 "AND callee_service = 'redis' AND callee_role = 'cache'")
        assert rows(db, began) == [(None,)]
        demo.wait(r"0:20  The fault: cart v2 takes 20 % of the traffic and runs out of connections to redis\.")
        demo.wait(r"Look at: cart v2 -> redis")

        wait_for(lambda: (rows(db, began)[0][0] or 0) > 2, 60, "failures that began at cart v2 -> redis")
        # The first of them may all be survived.
        overflows = "SELECT DISTINCT origin_service, origin_reason FROM trace WHERE status = 'error' AND origin_reason LIKE '%UO%'"
        found = wait_for(lambda: rows(db, overflows), 30, "requests that fail by them")
        assert found == [("redis", "UO")], found
        assert rows(db, "SELECT sum(orphan) FROM ingest_minute") == [(0,)]
        # and the terminal says what the collector itself found
        number = demo.wait(r"\n +\d:\d\d  Incident (\d): [^\n]+ began in cart[^\n]*\n +\d:\d\d  http://\S+/incident/\1\n", 120).group(1)
        assert rows(db, "SELECT service, version FROM suspect WHERE incident_id = %s AND rank = 1" % number) in ([("cart", "")], [("cart", "v2")])
        # what it shows of a failure are requests that failed, whatever stands first among its evidence
        shown = "SELECT DISTINCT t.status FROM suspect s, json_each(s.example_trace_ids) e JOIN trace t ON t.trace_id = e.value WHERE incident_id = %s AND rank = 1"
        for _ in range(4):
            assert rows(db, shown % number) == [("error",)]
            wait_for(lambda seen=rows(db, "SELECT updated FROM incident"): rows(db, "SELECT updated FROM incident") != seen, 60, "another look")
        assert demo.stop() == 0, demo.said()
        assert not os.path.exists(folder) and "is removed" in demo.said()
    finally:
        demo.close()


def scene_ports_that_are_taken(c):
    c.start()
    taken = c.otlp.split(":")[1]
    demo = Demo(c, "--rate", "1", *FREE, "--set", "receive.otlp_http.listen=" + taken)
    try:
        demo.wait(r"\Afaultline demo: http://\S+\n +Port %s is taken: receive.otlp_http.listen takes a free one" % taken)
        demo.wait("Ten minutes of past are there")
        assert demo.stop(signal.SIGTERM) == 0, demo.said()
        assert [n for n in os.listdir(c.folder) if n.startswith("faultline-demo")] == []
    finally:
        demo.close()


def scene_whatever_ends_the_collector_of_a_demo_its_folder_goes(c):
    demo = Demo(c, *FREE)
    try:
        folder = demo.wait(r"its data is in (\S+)\.").group(1)
        child = open("/proc/%d/task/%d/children" % (demo.process.pid, demo.process.pid)).read().split()
        assert len(child) == 1
        os.kill(int(child[0]), signal.SIGKILL)
        assert demo.process.wait(15) == 3
        assert "ended by signal 9" in demo.said() and not os.path.exists(folder)
    finally:
        demo.close()


def scene_what_a_demo_cannot_do_is_said(c):
    def run(*args):
        p = subprocess.run([c.program, *args], capture_output=True, text=True)
        return p.returncode, p.stderr or p.stdout
    code, text = run("demo", "--fault", "earthquake")
    assert code == 2 and "earthquake" in text and "pool-overflow" in text
    assert run("demo", "--fault", "list")[1].count("\n") >= 8
    assert run("simulate", "--mesh", "market", "--to", "http://127.0.0.1:%d" % free_port())[0] == 2
    code, text = run("simulate", "--mesh", "shop", "--speed", "fast", "--for", "1s", "--to", "http://127.0.0.1:%d" % free_port())
    assert code == 3 and "127.0.0.1" in text
    assert run("simulate", "--mesh", "shop")[0] == 2 and run("demo", "--rate", "0")[0] == 2
