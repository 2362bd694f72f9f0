"""`export`, `backup` and `vacuum`, by --db, by --url and by the API: what is in the new file, and what is refused."""
import hashlib
import json
import os
import re
import sqlite3
import subprocess
import time

import lib
from scene_tls import Authority

MINUTE = 60_000


def run(c, *args, code=0):
    p = subprocess.run([c.program, *args], capture_output=True, text=True, timeout=60, env={**os.environ, "NO_COLOR": "1"})
    assert p.returncode == code, (args, p.returncode, p.stderr)
    return p


def rows(path, query, *args):
    db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    try:
        return db.execute(query, args).fetchall()
    finally:
        db.close()


def trace(n, start_ms, callee="cart", status=0):
    id = "%032x" % n
    return [lib.otlp_span(id, "%016x" % (n * 16 + 1), "", "web", "GET /", 2, start_ms, 20, status),
            lib.otlp_span(id, "%016x" % (n * 16 + 2), "%016x" % (n * 16 + 1), "web", "call", 3, start_ms + 1, 15, status),
            lib.otlp_span(id, "%016x" % (n * 16 + 3), "%016x" % (n * 16 + 2), callee, "serve", 2, start_ms + 2, 10, status)]


def same_views(ours, theirs):
    """Every view of the database is a plain table of the same columns and rows in the export."""
    views = [v for v, in rows(ours, "SELECT name FROM sqlite_schema WHERE type = 'view' AND name IN (SELECT view_name FROM help)")]
    assert len(views) == 19, views
    for view in views:
        assert rows(theirs, "SELECT type FROM sqlite_schema WHERE name = ?", view) == [("table",)], view
        columns = [r[1] for r in rows(ours, "PRAGMA table_info(%s)" % view)]
        assert columns == [r[1] for r in rows(theirs, "PRAGMA table_info(%s)" % view)], view
        a, b = (sorted(rows(path, "SELECT * FROM %s" % view), key=repr) for path in (ours, theirs))
        assert a == b, (view, a, b)


# Tables that an export leaves as a new file has them: of the program itself, of SQLite, and what only a writer goes on with.
LEFT = {"word", "help_row", "sqlite_stat1", "sqlite_sequence", "address", "proxy", "kafka_position", "edge_pair", "edge_told", "edge_told_minute", "edge_target", "replay_row"}
SAYS_ELSE = {"node", "position"}


def same_tables(ours, theirs):
    """Every private table is copied or left on purpose: one that was added and forgotten shows here, though it be empty."""
    source = open(os.path.join(lib.HERE, "..", "..", "collector", "store", "export.c")).read()
    for table, in rows(ours, "SELECT name FROM sqlite_schema WHERE type = 'table'"):
        assert table in LEFT or re.search(r"[\". ]%s[\" ]" % table, source), "export.c does not know " + table
        if table not in LEFT | SAYS_ELSE:
            a, b = (rows(path, "SELECT * FROM %s" % table) for path in (ours, theirs))
            assert sorted(a, key=repr) == sorted(b, key=repr), (table, len(a), len(b))


def scene_export_holds_what_was_accepted_and_no_more(c):
    now = int(time.time() * 1000)
    early, late = (now // MINUTE - 30) * MINUTE, (now // MINUTE - 10) * MINUTE
    out = lambda name: os.path.join(c.folder, name)  # noqa: E731
    c.start(store__commit_interval="60s", stitch__trace_idle="60s", stitch__trace_max_age="10m")
    for body in ([trace(1, early), trace(2, early, "stock"), trace(3, late, status=2)]):
        assert c.post_otlp(lib.otlp_body(body), True)[0] == 200
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "stock"}}]}
    for path, body in (("metrics", {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [
            {"name": "load", "unit": "1", "gauge": {"dataPoints": [{"timeUnixNano": str(early * 1_000_000), "asDouble": 1.5}]}}]}]}]}),
            ("logs", {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [
                {"timeUnixNano": str(early * 1_000_000), "traceId": "%032x" % 2, "spanId": "%016x" % 35, "body": {"stringValue": "hello"}}]}]}]})):
        status, text, _ = c.request(c.otlp, "POST", "/v1/" + path, json.dumps(body), {"Content-Type": "application/json"})
        assert status == 200 and text == b"{}", (path, status, text)
    assert c.sql("SELECT count(*) FROM span") == [(0,)], "nothing was cut yet"

    run(c, "export", out("all.db"), "--db", c.db, "--from", "40m")
    same_views(c.db, out("all.db"))
    same_tables(c.db, out("all.db"))
    assert rows(out("all.db"), "PRAGMA integrity_check") == [("ok",)] and rows(out("all.db"), "SELECT count(*) FROM span") == [(9,)]
    assert rows(out("all.db"), "PRAGMA application_id") == [(0x664c6e31,)]
    assert "began at cart" in run(c, "trace", "3", "--db", out("all.db")).stdout
    assert "cart" in run(c, "graph", "--db", out("all.db"), "--from", "40m").stdout
    run(c, "diagnose", "--db", out("all.db"), code=4)
    assert run(c, "sql", "--db", out("all.db"), "--format", "csv", "SELECT count(*) AS n FROM trace").stdout == "n\n3\n"
    refused = run(c, "serve", "--set", "store.path=" + out("all.db"), "--set", "web.listen=0", code=3)
    assert "made by 'faultline export'" in refused.stderr, refused.stderr

    # Windows are half open; by the address of the collector it is the same file.
    window = ("--from", "%d" % (early // 1000), "--to", "%d" % (late // 1000))
    run(c, "export", out("early.db"), "--url", "http://" + c.web, *window)
    assert rows(out("early.db"), "SELECT trace_id FROM trace ORDER BY 1") == [("%032x" % 1,), ("%032x" % 2,)]
    assert rows(out("early.db"), "SELECT DISTINCT minute_ns FROM edge_minute") == [(early * 1_000_000,)]
    run(c, "export", out("stock.db"), "--db", c.db, "--from", "40m", "--service", "stock")
    assert rows(out("stock.db"), "SELECT trace_id FROM trace") == [("%032x" % 2,)]
    assert rows(out("stock.db"), "SELECT caller_service, callee_service FROM edge_minute") == [("web", "stock")]
    assert rows(out("stock.db"), "SELECT service FROM service ORDER BY 1") == [("stock",), ("web",)]
    assert rows(out("stock.db"), "SELECT DISTINCT service FROM operation") == [("stock",)]
    assert rows(out("stock.db"), "SELECT name, value FROM metric_point JOIN metric_series USING (series_id)") == [("load", 1.5)]
    assert "hello" in rows(out("stock.db"), "SELECT events FROM span WHERE service = 'stock'")[0][0]
    run(c, "export", out("again.db"), "--db", out("stock.db"), "--from", "40m")
    assert rows(out("again.db"), "SELECT * FROM span") == rows(out("stock.db"), "SELECT * FROM span")

    status, body, headers = c.get("/api/v1/export?from=40m&service=stock")
    assert status == 200 and headers["content-type"] == "application/vnd.sqlite3" and headers["cache-control"] == "no-store", headers
    assert headers["content-disposition"].startswith('attachment; filename="faultline-2') and headers["content-disposition"].endswith('Z.db"')
    open(out("got.db"), "wb").write(body)
    assert rows(out("got.db"), "SELECT * FROM span") == rows(out("stock.db"), "SELECT * FROM span")
    assert c.request(c.web, "HEAD", "/api/v1/export?from=40m")[0] == 200

    assert c.get("/api/v1/export?from=40m", **{"Sec-Fetch-Site": "cross-site"})[0] == 403 == c.get("/api/v1/backup", **{"Sec-Fetch-Site": "cross-site"})[0]

    # Refusals leave no file behind.
    before = sorted(os.listdir(c.folder))
    for query, code in (("incident=7", 404), ("incident=x", 400), ("incident=0", 400), ("service=nobody", 404), ("service=a/b/c/d", 400),
                        ("from=now&to=1h", 400), ("from=yesterday", 400)):
        status, body, _ = c.get("/api/v1/export?" + query)
        assert status == code, (query, status, body)
    size = os.path.getsize(out("all.db"))
    assert "exists" in run(c, "export", out("all.db"), "--db", c.db, code=2).stderr and os.path.getsize(out("all.db")) == size
    assert "exists" in run(c, "export", out("all.db"), "--url", "http://" + c.web, code=2).stderr
    assert "nobody" in run(c, "export", out("x.db"), "--db", c.db, "--service", "nobody", code=3).stderr
    for args in (("export", out("x.db")), ("traces",)):  # all of it is sent, and the collector says that it is too much
        assert "16 KiB" in run(c, *args, "--url", "http://%s/" % c.web, "--service", 20000 * "a", code=2).stderr
    assert "no incident 7" in run(c, "export", out("x.db"), "--url", "http://" + c.web, "--incident", "7", code=3).stderr
    assert "disk is short" in run(c, "export", out("x.db"), "--db", c.db, "--set", "store.min_free=1000000GiB", code=3).stderr
    assert "disk is short" in run(c, "backup", out("x.db"), "--db", c.db, "--set", "store.min_free=1000000GiB", code=3).stderr
    run(c, "export", os.path.join(c.folder, "no", "x.db"), "--db", c.db, code=3)
    for args in ((), ("a", "b"), ("a", "--db", c.db, "--url", "http://" + c.web), ("a", "--from", "now", "--to", "1h"), ("a", "--incident", "x")):
        run(c, "export", *args, code=2)
    assert sorted(os.listdir(c.folder)) == before, (before, os.listdir(c.folder))

    # A backup is the whole; also of what a killed collector had accepted.
    run(c, "backup", out("b1.db"), "--db", c.db)
    run(c, "backup", out("b2.db"), "--url", "http://" + c.web)
    assert c.post_otlp(lib.otlp_body(trace(4, now)), True)[0] == 200
    c.kill()
    run(c, "backup", out("b3.db"), "--db", c.db)
    for name, n in (("b1.db", 9), ("b2.db", 9), ("b3.db", 12)):
        assert rows(out(name), "PRAGMA integrity_check") == [("ok",)] and rows(out(name), "SELECT count(*) FROM span") == [(n,)], name
        assert rows(out(name), "PRAGMA journal_mode") == [("delete",)]
    c.db = out("b3.db")
    c.start()
    assert c.api("traces/4")["trace"]["span_count"] == 3


def scene_a_copy_holds_what_was_accepted_or_is_not_made(c):
    """Before, beside a collector that could not be asked to flush, it was made without, with a warning and 0."""
    body, n = lib.otlp_body(trace(1, time.time() * 1000)), 0
    tokens, socket = os.path.join(c.folder, "tokens"), os.path.join(c.folder, "web")
    with open(tokens, "w") as out:
        out.write("admin %s x\n" % hashlib.sha256(b"t0ken").hexdigest())
    authority = Authority(c.folder)
    cert, key = authority.issue("server")
    new = os.path.join(c.folder, "new.db")

    def copy(command, spans, *args, code=0):
        p = run(c, command, new, "--db", c.db, *args, code=code)
        assert os.path.exists(new) == (code == 0), (command, args)
        assert not [name for name in os.listdir(c.folder) if "partial" in name], os.listdir(c.folder)
        if code == 0:
            assert rows(new, "SELECT count(*) FROM span") == [(spans,)], (command, args)
            os.unlink(new)
        return p.stderr

    # Where it listens and by which name it answers: all of these are asked.
    for sets in ({}, {"listen__host": "0.0.0.0"}, {"web__hosts": "faultline.example"}, {"web__hosts": "[::1]"}, {"web__listen": "unix:" + socket},
                 {"tls__cert_file": cert, "tls__key_file": key}):
        c.start(store__commit_interval="60s", stitch__trace_idle="60s", **sets)
        c.tls = authority.trusting() if "tls__cert_file" in sets else None
        n += 1
        assert c.post_otlp(body.replace(b"000001", b"%06d" % n), True)[0] == 200
        for command in ("backup", "export"):
            copy(command, 3 * n, *(("--ca-file", authority.path) if c.tls else ()))
        c.stop()
        for name in sets:
            c.sets.pop(name.replace("__", "."))
    # These are not.
    for sets, said in (({"web__listen": "off"}, "web is off"), ({"auth__tokens_file": tokens}, "token is needed"),
                       ({"tls__cert_file": cert, "tls__key_file": key}, "certificate")):
        c.start(store__commit_interval="60s", stitch__trace_idle="60s", **sets)
        c.tls = authority.trusting() if "tls__cert_file" in sets else None
        c.headers = {"Authorization": "Bearer t0ken"} if "auth__tokens_file" in sets else {}
        n += 1
        assert c.post_otlp(body.replace(b"000001", b"%06d" % n), True)[0] == 200
        for command in ("backup", "export"):
            told = copy(command, 0, code=3)
            assert said in told and "--url" in told and told.endswith("file now\n"), told
            copy(command, 3 * (n - 1), "--without-flush")
        if c.headers:
            run(c, "backup", new, "--url", "http://any:t0ken@" + c.web)
            os.unlink(new)
            run(c, "backup", new, "--url", "http://any:t0ken@" + c.web, "--without-flush", code=2)
        c.stop()
        for name in sets:
            c.sets.pop(name.replace("__", "."))
    c.tls, c.headers = None, {}
    # What a killed one left is brought in, or left alone.
    c.start(store__commit_interval="60s", stitch__trace_idle="60s")
    assert c.post_otlp(body.replace(b"000001", b"%06d" % (n + 1)), True)[0] == 200
    c.kill()
    copy("backup", 3 * n, "--without-flush")
    assert os.path.exists(c.db + "-inbox")
    copy("backup", 3 * n + 3)
    assert not os.path.exists(c.db + "-inbox")


def scene_vacuum_gives_disk_back(c):
    """By the collector that runs, and without one."""
    c.start()
    size = lambda: os.path.getsize(c.db)  # noqa: E731
    for url in (True, False):
        c.stop()
        db = sqlite3.connect(c.db)
        db.execute("CREATE TABLE filler AS WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) SELECT randomblob(8000) FROM n")
        db.execute("DROP TABLE filler")
        db.commit()
        db.close()
        before = size()
        assert before > 3_000_000, before
        if url:
            c.start()
            assert "3 MiB given back" in run(c, "vacuum", "--db", c.db).stdout
            assert run(c, "vacuum", "--url", "http://" + c.web).stdout.startswith("0 MiB given back")
            assert c.get("/-/vacuum")[0] == 405
        else:
            run(c, "vacuum", "--db", c.db)
            assert run(c, "vacuum", "--db", c.db).stdout.startswith("0 MiB given back")
        assert size() < before - 3_000_000, (before, size())
    assert sorted(os.listdir(c.folder)) == ["f.db", "stderr"], os.listdir(c.folder)
    run(c, "vacuum", "--db", os.path.join(c.folder, "none"), code=3)
    run(c, "vacuum", "--db", "x", "--url", "y", code=2)


def scene_shells_complete_every_command(c):
    """From the same table as the help; the shells that are here take it."""
    shown = {line.split()[1] for line in run(c, "help").stdout.split("\n\n")[1].splitlines()}
    for shell in ("bash", "zsh", "fish", "man"):
        text = run(c, "completion", shell).stdout
        assert all(name in text for name in shown) and "baseline" in text and "connections" not in text, shell
    script = run(c, "completion", "bash").stdout + "COMP_WORDS=(faultline graph --l) COMP_CWORD=2; _faultline; echo ${COMPREPLY[@]}"
    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout.split() == ["--level", "--layer", "--local"]
    run(c, "completion", "csh", code=2)
    run(c, "completion", code=2)
