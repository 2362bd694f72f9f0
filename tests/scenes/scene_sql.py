"""POST /api/v1/sql: what is answered, what is refused and with which status, limits of time, rows and memory; answers packed with gzip."""
import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import lib
from lib import Skip, otlp_body, otlp_span, wait_for

sys.path.insert(0, lib.os.path.join(lib.HERE, "..", "ui"))


def ask(c, sql, kind="application/json", **more):
    headers = {"Content-Type": kind} if kind else {}
    status, text, _ = c.request(c.web, "POST", "/api/v1/sql", json.dumps({"sql": sql, **more}).encode(), headers)
    return status, json.loads(text)


def fill(c, n=50):
    now = time.time() * 1000
    spans = [otlp_span("%032x" % (i + 1), "%016x" % (i + 1), "", "a" if i % 2 else "b", "GET /é", 2, now - 5000 + i, 5 + i, 2 if i % 5 == 0 else 0) for i in range(n)]
    assert c.post_otlp(otlp_body(spans), True)[0] == 200
    c.flush()


def scene_sql_answers_as_the_file_does(c):
    c.start()
    fill(c)
    for sql in ("SELECT trace_id, duration_ns, start_ns, status FROM trace ORDER BY start_ns", "SELECT service, count(*) AS n, avg(duration_ns) FROM span GROUP BY 1 ORDER BY 1",
                "WITH x(n) AS (VALUES (1), (2)) SELECT n, n * 1.5, 'a' || n, NULL FROM x; -- the end", "SELECT * FROM help WHERE view_name = 'trace'"):
        status, got = ask(c, sql)
        exact = [[v if not isinstance(v, int) or abs(v) < 2 ** 53 else str(v) for v in r] for r in c.sql(sql)]
        assert status == 200 and got["rows"] == exact and not got["truncated"] and got["elapsed_ms"] >= 0, (sql, got)
    status, got = ask(c, "SELECT 1 AS a, 1.5 AS b, 'x' AS c, x'00ff' AS d, NULL AS e, 9007199254740993 AS f")
    assert got["columns"] == [{"name": n, "type": t} for n, t in zip("abcdef", ["integer", "real", "text", "blob", "", "integer"])], got
    assert got["rows"] == [[1, 1.5, "x", "(2 bytes)", None, "9007199254740993"]]
    for sql, wanted in (("SELECT instr('aéb', 'b'), instr('abc', ''), instr('a', 'x'), instr(x'c3a962', x'62'), instr(NULL, 'a')", [3, 1, 0, 3, None]),
                        ("SELECT replace('aXbX', 'X', 'yy'), replace('a', '', 'z'), replace(NULL, 'a', 'b'), replace(121, 1, 0)", ["ayybyy", "a", None, "020"]),
                        ("SELECT trim('éxé', 'é'), ltrim('xxa', 'x'), rtrim('axx', 'x'), trim('  a '), trim('', 'x'), trim('xx', 'x')", ["x", "a", "a", "a", "", ""])):
        assert ask(c, sql)[1]["rows"] == [wanted] == [list(lib.sqlite3.connect(":memory:").execute(sql).fetchone())], sql


def scene_sql_says_numbers_alike_by_file_and_by_url(c):
    """A real is a real, to its last digit, and what JSON has no number for is a text."""
    c.start()
    c.flush()
    sql = "SELECT 2.0 AS a, 1e300 AS b, 1e-9 AS c, 0.1 + 0.2 AS d, 9e999 AS e, -9e999 AS f, 3 AS g, NULL AS h"
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i * 0.5 AS x, i / 3.0 AS y FROM n"
    assert len(json.loads(subprocess.run([c.program, "sql", "--db", c.db, "--format", "json", many], stdout=subprocess.PIPE, check=True).stdout)) == 100
    for form in ("table", "csv", "json", "ndjson", "markdown"):
        told = [subprocess.run([c.program, "sql", "--format", form, *where, sql], stdout=subprocess.PIPE, check=True).stdout.decode()
                for where in (("--db", c.db), ("--url", "http://" + c.web))]
        assert told[0] == told[1], told
    assert told[0].splitlines()[-1] == "| 2.0 | 1e+300 | 1e-09 | 0.30000000000000004 | Inf | -Inf | 3 |  |", told
    cells = subprocess.run([c.program, "sql", "--db", c.db, "--format", "markdown", "SELECT 'a|b' x, 'c' || char(10) || 'd' y"], stdout=subprocess.PIPE, check=True)
    assert cells.stdout.decode() == "| x | y |\n|---|---|\n| a\\|b | c<br>d |\n", cells
    for form, names in (("table", "a                   b,c\n"), ("csv", 'a,"b,c"\n'), ("json", "[]\n"), ("ndjson", ""), ("markdown", "| a | b,c |\n|---|---|\n")):
        for where in (("--db", c.db), ("--url", "http://" + c.web)):  # no rows: the columns have names all the same
            told = subprocess.run([c.program, "sql", "--format", form, *where, "SELECT 1 AS a, 2 AS 'b,c' WHERE 0"], stdout=subprocess.PIPE, check=True).stdout.decode()
            assert told == names, (form, where, told)
    # CSV is for programs: nothing is put before what a spreadsheet would run.
    cells = subprocess.run([c.program, "sql", "--db", c.db, "--format", "csv", "SELECT '=1+1' x, -5 y, '-5' z, '@a,b' w"], stdout=subprocess.PIPE, check=True)
    assert cells.stdout.decode() == 'x,y,z,w\n=1+1,-5,-5,"@a,b"\n', cells
    row = json.loads(subprocess.run([c.program, "sql", "--db", c.db, "--format", "json", sql], stdout=subprocess.PIPE, check=True).stdout)[0]
    assert list(row.values()) == [2.0, 1e300, 1e-9, 0.1 + 0.2, "Inf", "-Inf", 3, None] == ask(c, sql)[1]["rows"][0] and isinstance(row["a"], float), row


def scene_a_file_where_nothing_can_be_written_is_read(c):
    """A collector's own file, with names that mean something in a URI, in a file system that was mounted to read."""
    c.start()
    fill(c)
    c.stop()
    place = os.path.join(c.folder, "place")
    os.mkdir(place)
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "none", place], stderr=subprocess.DEVNULL).returncode:
        raise Skip("nothing can be mounted here")
    try:
        path = shutil.copy(c.db, os.path.join(place, "a?b#c%20.db"))
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        for command in (["sql", "--format", "csv", "SELECT count(*) AS n FROM span"], ["traces", "--from", "0", "--limit", "1000"]):
            p = subprocess.run([c.program, command[0], "--db", path, *command[1:]], capture_output=True, text=True)
            assert p.returncode == 0 and not p.stderr and p.stdout, p
    finally:
        subprocess.run(["umount", place], check=True)


def scene_percentile_interpolates_as_sqlite_s_own(c):
    c.start()
    c.flush()
    for values, p, wanted in (([1, 2, 3, 4], 50, 2.5), ([10, 20], 50, 15), ([4, 1, 3, 2], 25, 1.75), ([7], 99, 7), ([1, 2, 3], 0, 1), ([1, 2, 3], 100, 3), ([None, 5], 50, 5), ([None], 50, None)):
        status, got = ask(c, "SELECT percentile(value, %d) FROM json_each('%s')" % (p, json.dumps(values)))
        assert status == 200 and got["rows"] == [[wanted]], (values, p, got)
    assert ask(c, "SELECT percentile(9e999, 50) FROM json_each('[1,2]')")[1]["rows"] == [["Inf"]]


def scene_sql_takes_parameters(c):
    c.start()
    fill(c)
    assert ask(c, "SELECT :a, @b, $c, :a", params={"a": 1, "b": "é\"", "c": None, "unused": 2})[1]["rows"] == [[1, "é\"", None, 1]]
    assert ask(c, "SELECT ?, ?2, ?", params=[1.5, True, "x"])[1]["rows"] == [[1.5, 1, "x"]]
    assert ask(c, "SELECT :n", params={"n": 1732615200123456789})[1]["rows"] == [["1732615200123456789"]]
    for sql, params in (("SELECT ?", [1, 2]), ("SELECT ?, ?", [1]), ("SELECT :a", {}), ("SELECT :a", {"a": [1]}), ("SELECT 1", "x"), ("SELECT 1", 7)):
        status, got = ask(c, sql, params=params)
        assert (status, got["error"]["code"]) == (400, "invalid"), (sql, params, status, got)


def scene_sql_only_reads(c):
    c.start()
    fill(c)
    for sql in ("DELETE FROM trace_row", "INSERT INTO name (text) VALUES ('x')", "UPDATE name SET text = ''", "CREATE TABLE t (a)", "CREATE TEMP TABLE t (a)", "DROP VIEW span", "BEGIN",
                "COMMIT", "ROLLBACK", "SAVEPOINT a", "RELEASE a", "ATTACH ':memory:' AS m", "ATTACH '/tmp/x' AS m", "DETACH main", "VACUUM", "VACUUM INTO '/tmp/x'", "REINDEX", "ANALYZE", "PRAGMA user_version = 7",
                "PRAGMA journal_mode = DELETE", "PRAGMA query_only = 0", "PRAGMA cache_size = 1000000", "PRAGMA wal_checkpoint", "PRAGMA integrity_check", "PRAGMA writable_schema = 1",
                "SELECT load_extension('x')", "SELECT * FROM pragma_integrity_check", "SELECT json_patch('{}', '{}')", "EXPLAIN DELETE FROM trace_row", "DELETE FROM span", "UPDATE trace SET status = ''", "INSERT INTO edge_minute (calls) VALUES (1)", "DELETE FROM sqlite_master", "CREATE VIRTUAL TABLE v USING fts5(a)"):
        status, got = ask(c, sql)
        assert (status, got["error"]["code"]) == (403, "forbidden"), (sql, status, got)
    for sql in ("PRAGMA user_version", "PRAGMA application_id", "PRAGMA table_info(trace)", "SELECT name FROM pragma_table_info('span')", "EXPLAIN QUERY PLAN SELECT * FROM span", "SELECT count(*) FROM sqlite_master", "SELECT value FROM json_each('[1]')", "SELECT count(*) FROM span, json_each(span.attributes) a"):
        status, got = ask(c, sql)
        assert status == 200 and got["rows"], (sql, got)
    assert c.sql("SELECT count(*) FROM trace") == [(50,)]


def scene_sql_says_what_is_wrong(c):
    c.start()
    fill(c)
    for sql, words in (("SELECT 1; SELECT 2", "one statement"), ("SELECT 1; DROP TABLE trace_row", "one statement"), ("SELECT 1; nonsense", "one statement"), ("", "empty"), (" -- nothing", "empty"), ("SELEC 1", "syntax"),
                       ("SELECT 1,\n 2,\n began\nFROM trace", "line 3: no such column: began"), ("SELECT * FROM nowhere", "no such table"), ("SELECT abs(-9223372036854775808)", "overflow"), ("SELECT 1 FROM trace LIMIT 'x'", "mismatch")):
        status, got = ask(c, sql)
        assert (status, got["error"]["code"]) == (400, "invalid") and words in got["error"]["message"], (sql, status, got)
    for body in (b"", b"{}", b"[]", b'{"sql":1}', b'{"sql":"SELECT 1"', b'{"sql":"SELECT 1"} x', b'{"sql":"SELECT 1","limit":0}', b'{"sql":"SELECT 1","limit":"x"}', b'{"sql":"SELECT 1","limit":-1}', b"[" * 100):
        status, text, _ = c.request(c.web, "POST", "/api/v1/sql", body, {"Content-Type": "application/json"})
        assert status == 400 and json.loads(text)["error"]["code"] == "invalid", (body, status, text)
    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        assert ask(c, "SELECT 1", kind)[0] == 415, kind
    assert all(ask(c, "SELECT 1", kind)[0] == 200 for kind in ("application/json; charset=utf-8", "APPLICATION/JSON"))
    assert ask(c, "SELECT cast(x'41ff' AS text)")[1]["rows"] == [["A\ufffd"]]
    status, _, headers = c.request(c.web, "GET", "/api/v1/sql")
    assert status == 405 and headers["allow"] == "POST"
    assert c.request(c.web, "POST", "/api/v1/sql", b'{"sql":"SELECT 1"}', {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"})[0] == 403
    for path in ("/api/v1/graph", "/nosuch", "/v1/traces"):  # nor does it learn what is there
        assert c.request(c.web, "POST", path, b"{}", {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"})[0] == 403, path
    assert c.request(c.web, "POST", "/api/v1/sql", b'{"sql":"SELECT 1 -- ' + b"x" * (1 << 20) + b'"}', {"Content-Type": "application/json"})[0] == 413


def scene_sql_ends_alike_by_file_and_by_url(c):
    """A mistake of who asks is 2, also one that shows only while it is computed; what takes too long is no mistake."""
    c.start(web__sql_timeout="100ms")
    for sql, code in (("SELECT 1", 0), ("SELECT ns('bogus')", 2), ("SELECT json('{')", 2), ("SELECT abs(-9223372036854775808)", 2), ("", 2), ("  ", 2), ("SELECT", 2),
                      ("DELETE FROM span", 2), ("VACUUM", 2), ("SELECT percentile(value, 101) FROM json_each('[1]')", 2), ("SELECT percentile(value, 50) FROM json_each('[\"x\"]')", 2)):
        for where in (("--db", c.db), ("--url", "http://" + c.web)):
            p = subprocess.run([c.program, "sql", sql, *where], capture_output=True, text=True)
            assert p.returncode == code and bool(p.stderr) == bool(code), (sql, where, p)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    p = subprocess.run([c.program, "sql", endless, "--url", "http://" + c.web], capture_output=True, text=True, timeout=30)
    assert p.returncode == 3 and "web.sql_timeout" in p.stderr, p


def scene_sql_has_limits(c):
    c.start(web__sql_timeout="300ms", web__sql_rows=20)
    fill(c)
    status, got = ask(c, "SELECT trace_id FROM trace ORDER BY 1")
    assert status == 200 and len(got["rows"]) == 20 and got["truncated"]
    assert len(ask(c, "SELECT trace_id FROM trace", limit=7)[1]["rows"]) == 7 and len(ask(c, "SELECT trace_id FROM trace", limit=1000000)[1]["rows"]) == 20
    status, got = ask(c, "SELECT trace_id FROM trace LIMIT 20")
    assert len(got["rows"]) == 20 and not got["truncated"]
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "
    for sql in (endless + "count(*) FROM n", endless + "i FROM n WHERE i < 0", endless + "instr(hex(zeroblob(1000000)), hex(zeroblob(500000)) || '1') FROM n WHERE i < 0",
                endless + "count(trim(hex(zeroblob(1000000)), '0')) FROM n", endless + "sum(hex(zeroblob(1000000)) LIKE '%0%0%0%0%0%0%1') FROM n"):
        begin = time.monotonic()
        status, got = ask(c, sql)
        assert (status, got["error"]["code"]) == (408, "timeout") and "web.sql_timeout" in got["error"]["message"], (sql, status, got)
        assert time.monotonic() - begin < 1.3, (sql, time.monotonic() - begin)
    c.stop()
    c.start(web__sql_timeout="20s")
    many = endless + ", ".join("percentile(i + %d, 50)" % k for k in range(24))
    for sql in ("SELECT length(printf('%.*c', 1000000000, 'x'))", "SELECT format('%2000000000d', 1), format('%.2000000000c', 'x')", "SELECT printf('%.*f', 100000000, 1.5)",
                "SELECT zeroblob(1000000000)", "SELECT hex(zeroblob(500000000))", many + " FROM n", endless + "group_concat(hex(randomblob(1000))) FROM (SELECT 1 FROM n LIMIT 5000)", endless + "replace(hex(zeroblob(1000000)), '0', 'long') FROM n",
                "SELECT 1 WHERE 'a' LIKE '" + "%a" * 60 + "'", "SELECT " + ", ".join("1" for _ in range(300))):
        status, got = ask(c, sql)
        assert status in (413, 400) and (status == 413 or "too" in got["error"]["message"]), (sql[:80], status, got)
    assert ask(c, "SELECT zeroblob(1000000000)")[0] == 413 and ask(c, many + " FROM n")[0] == 413
    # whoever comes after them on the same connections has the usual limits
    assert c.api("traces?limit=3")["items"] and c.api("graph?from=15m")["nodes"]
    assert ask(c, "SELECT count(*) FROM trace")[1]["rows"] == [[50]]


def scene_many_questions_at_once_wait_for_their_turn(c):
    """Eight run, the others wait; what would wait for long is told to come again, and a stop waits for none of them."""
    c.start()
    slow = "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a LIMIT %d) SELECT count(*) FROM a"
    with ThreadPoolExecutor(24) as pool:
        assert [status for status, _ in pool.map(lambda i: ask(c, slow % 20000), range(24))] == [200] * 24
        endless = sorted(status for status, _ in pool.map(lambda i: ask(c, slow % 10 ** 12), range(24)))
        assert set(endless) == {408, 503} and endless.count(408) >= 8, endless


def scene_sql_can_be_switched_off(c):
    c.start(web__sql="false")
    status, got = ask(c, "SELECT 1")
    assert (status, got["error"]["code"]) == (404, "not_found")
    assert b'content="off"' in c.get("/sql")[1] or b"/assets/" not in c.get("/sql")[1]


def scene_answers_are_packed_for_who_takes_gzip(c):
    c.start()
    fill(c, 300)
    path = "/api/v1/traces?limit=200&from=1h"
    now = "%.3f" % time.time()
    path += "&to=" + now
    _, plain, h = c.get(path)
    assert "content-encoding" not in h and h["vary"] == "Accept-Encoding" and len(plain) > 20000
    status, packed, hz = c.get(path, **{"Accept-Encoding": "br, gzip"})
    assert status == 200 and hz["content-encoding"] == "gzip" and gzip.decompress(packed) == plain and len(packed) < len(plain) / 4, (len(packed), len(plain))
    assert hz["etag"] != h["etag"] and hz["content-length"] == str(len(packed))
    for tag, accept, wanted in ((h["etag"], "", 304), (hz["etag"], "gzip", 304), (hz["etag"], "", 200), (h["etag"], "gzip", 200), ("W/" + hz["etag"] + ', "x"', "gzip", 304)):
        status, body, again = c.get(path, **{"If-None-Match": tag, "Accept-Encoding": accept})
        assert status == wanted and (status == 200 or not body and again["etag"] in tag), (tag, accept, status)
    for accept in ("gzip;q=0", "identity", "br", ""):
        assert "content-encoding" not in c.get(path, **{"Accept-Encoding": accept})[2], accept
    small = c.get("/api/v1/incidents", **{"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small[2] and json.loads(small[1]) == {"items": [], "next": None}
    assert wait_for(lambda: c.get("/-/ready")[0] == 200)


def scene_traces_by_their_ids(c):
    c.start()
    fill(c)
    ids = ["%032x" % i for i in (7, 3, 12)]
    assert [t["trace_id"] for t in c.api("traces?ids=" + ",".join(ids))["items"]] == ids
    assert [t["trace_id"] for t in c.api("traces?ids=3,%s,fff" % ids[0])["items"]] == [ids[1], ids[0]]
    assert c.api("traces?ids=" + ids[0])["items"][0] == c.api("traces?ids=7")["items"][0]
    for bad in ("x", "1," * 21 + "1", "1" * 33):
        assert c.get("/api/v1/traces?ids=" + bad)[0] == 400, bad


def scene_a_view_is_read_once_whatever_is_asked_of_it(c):
    """The planner, which knows no sizes, began with a table of names and read all spans again for each: counting spans by service had no end."""
    c.start()
    fill(c)
    c.stop()
    db = sqlite3.connect(c.db)
    views = [name for name, in db.execute("SELECT DISTINCT view_name FROM help")]
    assert "span" in views and "edge_violation" in views
    for view in views:
        for column in [row[1] for row in db.execute("PRAGMA table_info(%s)" % view)]:
            for sql in ("SELECT {0}, count(*) FROM {1} GROUP BY 1", "SELECT * FROM {1} WHERE {0} = 'x'", "SELECT DISTINCT {0} FROM {1} WHERE {0} IN ('x', 'y')"):
                nests = {}
                for _, parent, _, step in db.execute("EXPLAIN QUERY PLAN " + sql.format(column, view)):
                    if step.startswith(("SCAN", "SEARCH")):
                        nests.setdefault(parent, []).append(step)
                for steps in nests.values():
                    assert not [s for s in steps[1:] if s.startswith("SCAN") or "AUTOMATIC" in s], (sql.format(column, view), steps)
