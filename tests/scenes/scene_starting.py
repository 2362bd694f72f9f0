"""What a start refuses, with the file untouched; what it sets aside; what it says when all is well."""
import glob
import os
import re
import socket
import sqlite3
import subprocess

from lib import free_port, otlp_body, otlp_span, wait_for
from raw import connect


def start(c, code, said, **sets):
    base = {"store.path": c.db, "web.listen": "0", "receive.otlp_http.listen": "0", "receive.otlp_grpc.listen": "0", "receive.zipkin.listen": "0"}
    args = [c.program, "serve"]
    for name, value in {**base, **{k.replace("__", "."): v for k, v in sets.items()}}.items():
        args += ["--set", "%s=%s" % (name, value)]
    p = subprocess.run(args, capture_output=True, text=True, timeout=20)
    assert p.returncode == code and said in p.stderr and not p.stdout, (sets, p.returncode, p.stderr, p.stdout)
    return p.stderr


def untouched(c, path, said):
    """Refused with 3, and not a byte of it changed, nor a file beside it."""
    before, names = open(path, "rb").read(), sorted(os.listdir(c.folder))
    start(c, 3, said, store__path=path)
    assert open(path, "rb").read() == before and sorted(os.listdir(c.folder)) in (names, sorted(names + [os.path.basename(path) + "-lock"])), path


def database(path, *statements):
    db = sqlite3.connect(path)
    for sql in statements:
        db.execute(sql)
    db.commit()
    db.close()
    return path


def scene_a_start_that_cannot_be_says_why_and_changes_nothing(c):
    file = lambda name: os.path.join(c.folder, name)  # noqa: E731
    c.start()
    assert c.post_otlp(otlp_body([otlp_span("a" * 32, "b" * 16)]), True)[0] == 200
    start(c, 3, "in use by another faultline")
    start(c, 3, "Address already in use", store__path=file("other.db"), web__listen=c.web)
    c.stop()
    whole = open(c.db, "rb").read()

    untouched(c, database(file("foreign.db"), "CREATE TABLE x (a)"), "another program")
    untouched(c, database(file("newer.db"), "PRAGMA application_id = %d" % 0x664c6e31, "PRAGMA user_version = 999", "CREATE TABLE unknown (a)"),
              "schema version 999")
    open(file("ours.db"), "wb").write(whole)
    untouched(c, database(file("ours.db"), "PRAGMA user_version = 999"), "newer faultline")
    # Nobody reads it either: what its views mean now is not known.
    said = "schema version 999, this program knows"
    for args in (("traces",), ("trace", "a" * 32), ("graph",), ("diagnose",), ("compare", "--service", "a"), ("sql", "SELECT 1"), ("export", file("out.db")),
                 ("backup", file("out.db"))):
        for name in ("ours.db", "newer.db"):
            p = subprocess.run([c.program, *args, "--db", file(name)], capture_output=True, text=True, timeout=20)
            assert p.returncode == 3 and p.stderr.count(said) == 1 == p.stderr.count("\n") and not p.stdout, (args, name, p)
    open(file("notes.txt"), "w").write("no database, and longer than a head of one would be. " * 9)
    untouched(c, file("notes.txt"), "no SQLite database")
    # Another program's database stays where it is, also when it is damaged.
    rows = ("CREATE TABLE other (a)",) + ("INSERT INTO other VALUES (hex(randomblob(20000)))",) * 3
    for name, mark in (("theirs.db", 0), ("marked.db", 77)):
        theirs = bytearray(open(database(file(name), "PRAGMA application_id = %d" % mark, *rows), "rb").read())
        theirs[100:4096] = os.urandom(3996)
        open(file(name), "wb").write(theirs)
        untouched(c, file(name), "nothing shows to be faultline's")
    start(c, 3, "No such file or directory", store__path=file("no/folder.db"))
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        start(c, 3, "Address already in use", receive__zipkin__listen=str(busy.getsockname()[1]))
    open(file("tokens"), "w").write("reader abc\n")
    start(c, 2, "tokens:1", auth__tokens_file=file("tokens"))
    start(c, 2, "tokens_file", auth__tokens_file=file("none"))
    start(c, 2, "", tls__cert_file=file("tokens"))

    # What is damaged is set aside under a dated name, whatever part of it is gone, and said.
    head = bytearray(whole)
    head[:100] = b"x" * 100
    middle = bytearray(whole)
    middle[8192:5 * 8192] = os.urandom(4 * 8192)
    names = bytearray(whole)
    names[:100] = bytes(100)
    for n, damaged in enumerate((head, middle, names, whole[:5000], whole[:300])):
        c.db = file("damaged%d.db" % n)
        open(c.db, "wb").write(damaged)
        c.start()
        aside = [f for f in os.listdir(c.folder) if re.fullmatch(r"damaged%d\.db\.corrupt-\d{8}T\d{6}Z" % n, f)]
        assert len(aside) == 1 and open(file(aside[0]), "rb").read() == bytes(damaged) and "database_set_aside" in c.said(), os.listdir(c.folder)
        assert c.post_otlp(otlp_body([otlp_span("c" * 32, "d" * 16)]), True)[0] == 200
        c.flush()
        assert c.sql("SELECT count(*) FROM span") == [(1,)]
        c.stop()


def scene_one_file_has_one_collector_whatever_it_is_called(c):
    """Before, the lock and the inbox were beside a symbolic link, the database where it leads."""
    file = lambda name: os.path.join(c.folder, name)  # noqa: E731
    span = lambda n: otlp_body([otlp_span("%032x" % n, "%016x" % n)])  # noqa: E731
    os.mkdir(file("links"))
    os.symlink("../f.db", file("links/first.db"))
    os.symlink("first.db", file("links/second.db"))
    real, c.db = c.db, file("links/second.db")  # there is no file yet
    c.start(store__commit_interval="60s")
    assert c.post_otlp(span(1), True)[0] == 200
    for path in (real, file("links/first.db")):
        start(c, 3, "in use by another faultline", store__path=path)
    for path in (real, c.db):  # each finds the collector by the lock
        to = file("copy of %s" % os.path.basename(path))
        p = subprocess.run([c.program, "backup", to, "--db", path], capture_output=True, text=True, timeout=20)
        assert p.returncode == 0, p
        assert sqlite3.connect(to).execute("SELECT count(*) FROM span").fetchone() == (1,)
        p = subprocess.run([c.program, "replay", to, "--db", path], capture_output=True, text=True, timeout=20)
        assert p.returncode == 3 and "f.db is in use by another faultline" in p.stderr, p
    assert c.post_otlp(span(2), True)[0] == 200
    c.kill()
    c.db = real
    c.start()  # with the inbox of the one that came by the link
    c.flush()
    assert c.sql("SELECT count(*) FROM span") == [(2,)]
    os.link(real, file("links/hard.db"))
    start(c, 3, "has 2 names (hard links)", store__path=file("links/hard.db"))
    c.stop()
    assert sorted(os.listdir(file("links"))) == ["first.db", "hard.db", "second.db"]
    start(c, 3, "has 2 names (hard links)")
    os.unlink(file("links/hard.db"))
    c.start()
    assert c.stop() == 0


def scene_who_reads_the_file_while_it_is_opened_is_waited_for(c):
    """A shell, or a scrape of the file, at the moment when it is made or opened again."""
    body = os.path.join(c.folder, "body.json")
    with open(body, "wb") as f:
        f.write(otlp_body([otlp_span("a" * 32, "b" * 16)]))
    reader = sqlite3.connect(database(c.db, "PRAGMA journal_mode = DELETE"))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    p = subprocess.Popen([c.program, "replay", body, "--db", c.db], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    opened = lambda: c.db in [os.readlink(fd) for fd in glob.glob("/proc/%d/fd/*" % p.pid) if os.path.exists(fd)]  # noqa: E731
    wait_for(lambda: opened() or p.poll() is not None, what="the file is opened")
    reader.close()
    out, said = p.communicate(timeout=20)
    assert (p.returncode, said) == (0, "") and '"accepted":1,' in out, (p.returncode, out, said)


def scene_the_ready_line_and_the_service_manager(c):
    where = os.path.join(c.folder, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(where)
        manager.settimeout(10)
        c.environment = {"NOTIFY_SOCKET": where}
        port = free_port()
        c.start(web__extra_listen="127.0.0.1:%d,0" % port, receive__zipkin__listen="off", listen__host="localhost", receive__max_in_flight="1MiB")
        assert manager.recv(100) == b"READY=1"
    assert re.fullmatch(r"faultline ready pid=%d otlp_grpc=127\.0\.0\.1:\d+ otlp_http=127\.0\.0\.1:\d+ zipkin=off web=127\.0\.0\.1:\d+ web=127\.0\.0\.1:%d "
                        r"web=127\.0\.0\.1:\d+ db=%s\n" % (c.process.pid, port, re.escape(c.db)), c.ready), c.ready
    first = re.search(r" web=(\S+)", c.ready).group(1)
    for path, text in (("/-/healthy", b"ok"), ("/healthz", b"ok"), ("/livez", b"ok"), ("/-/ready", b"ready"), ("/readyz", b"ready")):
        for address in (first, "127.0.0.1:%d" % port):
            status, body, _ = c.request(address, "GET", path)
            assert (status, body) == (200, text), (path, status, body)
    # While bodies take all the memory that they may, nobody new is sent here.
    ready = lambda: c.request(first, "GET", "/-/ready")[:2]  # noqa: E731
    with connect(c.otlp) as sender:
        sender.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n" + b" " * 1000000)
        wait_for(lambda: ready() == (503, b"memory"), 10, "memory to be short")
    wait_for(lambda: ready() == (200, b"ready"), 10, "memory to be free")
    process = c.process
    c.process = None
    process.terminate()
    assert process.stdout.read() == b"" and process.wait(20) == 0
    process.stdout.close()
