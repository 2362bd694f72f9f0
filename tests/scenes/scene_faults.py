"""File operations that fail: a part of what `make torture` goes through (faults.py)."""
import glob
import os
import re
import resource
import shutil
import time

import remote_write as rw
from faults import DB, EIO, ENOSPC, INBOX, WAL, load, run_case, run_reread_case, start_with_fault
from faults import check as check_whole
from lib import otlp_body, otlp_span, wait_for


def check(c, *case):
    assert run_case(c, case, 1), "the fault did not come to pass"


def scene_a_failed_write_of_the_inbox_refuses_that_request_alone(c):
    check(c, "write", INBOX, 5, 1, EIO)


def scene_a_full_disk_under_the_inbox_is_waited_out(c):
    check(c, "write", INBOX, 3, 20, ENOSPC)


def scene_a_failed_sync_of_the_inbox_ends_the_process_and_answers_nobody(c):
    check(c, "sync", INBOX, 4, 1, EIO)


def scene_a_failed_write_of_the_database_is_done_again(c):
    check(c, "write", WAL, 20, 1, EIO)


def scene_a_failed_sync_of_the_database_ends_the_process(c):
    check(c, "sync", WAL, 3, 1, EIO)


def scene_a_failed_read_of_the_database_loses_nothing(c):
    check(c, "read", DB, 5, 1, EIO)


def scene_an_inbox_that_cannot_be_read_for_a_while_is_read_later(c):
    """Before, what could not be read was taken for damaged, and passed over."""
    assert run_reread_case(c, ("read", INBOX, 40, 3, EIO), 1), "the fault did not come to pass"
    assert "inbox_waits" in c.said()


def scene_a_stored_trace_that_cannot_be_read_keeps_its_spans(c):
    """Before, a late span took what was read of its trace until then for all of it."""
    check(c, "read", WAL, 50, 1, EIO)


def scene_a_moment_without_the_disk_sets_no_database_aside(c):
    """SQLite calls a file damaged whose log cannot be read: a start looks again before it believes that."""
    acked = os.path.join(c.folder, "acked")
    for at in (1, 2, 3, 5, 7, 9):
        c.start()
        load(c, acked, at, 8000)
        c.kill()
        if start_with_fault(c, ("read", WAL, at, 1, EIO), os.path.join(c.folder, "told")):
            c.stop()
        else:
            assert c.process.wait(20) == 3, c.said()
        strangers = [name for name in os.listdir(c.folder) if name.startswith("f.db") and name not in
                     ("f.db", "f.db-wal", "f.db-shm", "f.db-lock", "f.db-inbox")]
        assert not strangers, (at, strangers, c.said())
    check_whole(c, acked)


def scene_what_keeps_the_writer_is_said(c):
    """Before, whatever it was, the disk was called full."""
    c.start()
    c.stop()
    for times, errno, word in ((3, EIO, "store_failed"), (3, ENOSPC, "disk_full")):
        assert start_with_fault(c, ("write", WAL, 8, times, errno), os.path.join(c.folder, "told%d" % errno)), c.said()
        assert c.post_otlp(otlp_body([otlp_span("%032x" % errno, "b" * 16)]), True)[0] == 200
        wait_for(lambda: c.get("/-/ready")[0] == 503 and c.get("/-/ready")[1].decode().strip() == word, 15, word)
        wait_for(lambda: c.get("/-/ready")[0] == 200, 15, "the next try")
        c.flush()
        c.stop()


def scene_not_ready_until_the_inbox_can_be_written(c):
    """Before, free space above store.min_free was taken for a disk that takes writes: ready came and went each second, and a line of the log with it."""
    c.start()
    send = lambda n: c.post_otlp(otlp_body([otlp_span("%032x" % n, "b" * 16)]), True)[0]  # noqa: E731
    assert send(1) == 200
    prlimit = lambda most: resource.prlimit(c.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))  # noqa: E731
    for n in range(2):
        c.flush()  # the writer has nothing to write meanwhile
        said = os.path.getsize(os.path.join(c.folder, "stderr"))
        prlimit(said + 2000)  # the log goes on
        big = otlp_body([otlp_span("%032x" % (10 + n), "b" * 16, text="x" * 4000) for _ in range(3)])
        assert c.post_otlp(big, True)[0] == 503
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            status, word, _ = c.get("/-/ready")
            assert (status, word.strip()) == (503, b"disk_full"), (status, word, c.said())
            time.sleep(0.05)
        assert send(2 + n) == 503
        prlimit(resource.RLIM_INFINITY)
        wait_for(lambda: c.get("/-/ready")[0] == 200, 15, "ready")
        assert send(2 + n) == 200
        assert c.said().count("inbox_refuses") == c.said().count("inbox_takes") == n + 1, c.said()
        assert "disk_has_room" not in c.said()
    c.flush()
    c.check_ledger()
    assert c.sql("SELECT count(*) FROM trace") == [(3,)]


def spare_of(c):
    return os.path.exists(c.db + "-inbox/spare")


def scene_the_inbox_gives_its_ballast_for_the_database(c):
    """Before, the spare lay there while the writer had no room, until the inbox was closed."""
    c.start()
    c.stop()
    assert start_with_fault(c, ("write", WAL, 8, 3, ENOSPC), os.path.join(c.folder, "told")), c.said()
    wait_for(lambda: spare_of(c), 10, "the ballast")
    assert c.post_otlp(otlp_body([otlp_span("%032x" % 1, "b" * 16)]), True)[0] == 200
    wait_for(lambda: c.get("/-/ready")[:2] == (503, b"disk_full"), 15, "a full disk")
    assert not spare_of(c)
    time.sleep(0.5)  # the inbox looks five times a second
    assert not spare_of(c) and c.said().count("inbox_gives_room") == 1, c.said()
    c.flush()
    assert c.post_otlp(otlp_body([otlp_span("%032x" % 2, "b" * 16)]), True)[0] == 200
    c.flush()
    wait_for(lambda: spare_of(c), 10, "the ballast, once there is room")
    c.check_ledger()


def scene_a_start_without_room_gives_the_ballast(c):
    """Before, the collector that was killed on a full disk could not start on it."""
    c.start()
    for n in range(1, 4):
        told = os.path.join(c.folder, "told%d" % n)
        assert c.post_otlp(otlp_body([otlp_span("%032x" % n, "b" * 16)]), True)[0] == 200
        c.flush()
        wait_for(lambda: spare_of(c), 10, "the ballast")
        c.kill()
        assert start_with_fault(c, ("write", WAL, n, 1, ENOSPC), told), (n, c.said())
        assert os.path.exists(told) and c.said().count("inbox_gives_room") == n, (n, c.said())
    c.flush()
    assert c.sql("SELECT count(*) FROM span") == [(3,)]


def scene_what_retention_deleted_is_counted_once_it_is_gone(c):
    """Before, each transaction that was taken back counted what it had deleted."""
    deleted = lambda: c.counter("faultline_store_deleted_spans_total")  # noqa: E731
    c.start()
    assert c.post_otlp(otlp_body([otlp_span("%032x" % 7, "%016x" % n) for n in range(1, 301)]), True)[0] == 200
    c.stop()
    time.sleep(2)  # what retention deletes is older than its limit
    told = os.path.join(c.folder, "told")
    assert start_with_fault(c, ("write", WAL, 8, 2, ENOSPC), told, store__retention="1s"), c.said()
    wait_for(lambda: os.path.exists(told), 10, "a write that fails")
    wait_for(lambda: c.sql("SELECT count(*) FROM span") == [(0,)] or deleted(), 25, "the next tries")
    assert c.sql("SELECT count(*) FROM span") == [(0,)], (deleted(), c.said())
    wait_for(lambda: deleted() == 300, 10, "their count")
    c.post_otlp(otlp_body([otlp_span("%032x" % 1, "%016x" % 1)]), True)
    c.flush()
    assert deleted() == 300 and c.counter("faultline_store_spans") == 1


def scene_a_commit_that_fails_counts_no_rate_twice(c):
    """Rates of a transaction that is taken back are counted again from the same points."""
    labels = rw.istio("front", "cart")
    told = os.path.join(c.folder, "told")
    c.start()
    c.stop()
    assert start_with_fault(c, ("write", WAL, 40, 1, EIO), told), c.said()
    for i in range(1, 13):
        assert rw.post(c, rw.calls(10 * i, rw.T0 + 5000 * i, 20, **labels))[0] == 204
        c.flush()
    assert os.path.exists(told) and "store_rolled_back" in c.said(), c.said()
    assert c.sql("SELECT sum(calls), sum(mtls), sum(server_ns_sum) FROM edge_minute") == [(110, 110, 110 * 20 * 10**6)]
    assert c.sql("SELECT count(*) FROM metric_point") == [(12 * 17,)]
    c.check_ledger()


def scene_a_flipped_bit_in_the_inbox_takes_one_body(c):
    """Before, all that stood behind it in its segment went with it, and in silence when the segment was the last."""
    c.start(store__commit_interval="60s")
    for n in range(1, 401, 10):
        assert c.post_otlp(otlp_body([otlp_span("%032x" % i, "%016x" % i) for i in range(n, n + 10)]), True)[0] == 200
    c.kill()
    (segment,) = glob.glob(c.db + "-inbox/*.seg")
    content = open(segment, "rb").read()
    at = len(content.rstrip(b"\0")) // 4
    damaged = content[:at] + bytes([content[at] ^ 1]) + content[at + 1:]
    open(segment, "wb").write(damaged)
    for again in range(2):  # found again after a kill, it is set aside once
        c.start()
        wait_for(lambda: c.said().count("event=inbox_damaged") == again + 1, 10, "the line that says so")
        if not again:
            c.kill()
    c.flush()
    assert c.sql("SELECT count(*) FROM span") == [(390,)]
    assert re.search(r"level=error event=inbox_damaged seq=(\d+) skipped_to=\d+ lost=1 bytes=\d+ copy=", c.said()), c.said()
    assert "inbox_damaged" in c.api("status")["last_errors"][0]
    assert c.post_otlp(otlp_body([otlp_span("%032x" % 401, "%016x" % 401)]), True)[0] == 200
    c.flush()
    c.check_ledger()
    assert c.stop() == 0
    assert not os.path.exists(c.db + "-inbox")
    (aside,) = glob.glob(c.db + "-inbox.corrupt-*Z-0000000000000001.seg")
    assert open(aside, "rb").read() == damaged
    assert aside in c.said()


def scene_a_database_that_is_taken_away_is_missed(c):
    """Before, all went into a file that no start finds: taken, flushed, ready, and gone."""
    span = lambda *numbers: otlp_body([otlp_span("%032x" % n, "%016x" % n) for n in numbers])  # noqa: E731
    refused = lambda: c.get("/-/ready")[0] == 503  # noqa: E731
    old = os.path.join(c.folder, "old.db")
    c.start(store__commit_interval="100ms", stitch__trace_idle="100ms")
    assert c.post_otlp(span(1, 2), True)[0] == 200
    c.flush()
    assert c.stop() == 0
    shutil.copy(c.db, old)
    for n, take_away in ((10, lambda: os.unlink(c.db)), (20, lambda: os.rename(old, c.db))):
        c.start()
        assert c.post_otlp(span(n), True)[0] == 200
        c.flush()
        take_away()
        posted = [m for m in (n + 1, n + 2, n + 3) if c.post_otlp(span(m), True)[0] == 200]
        wait_for(refused, 5, "not ready")
        assert c.get("/-/ready")[1].strip() == b"store_failed"
        status, text, _ = c.post_otlp(span(n + 4), True)
        assert status == 503 and b"store_failed" in text, (status, text)
        assert c.request(c.web, "POST", "/-/flush")[0] == 503
        time.sleep(2)
        assert c.said().count("event=database_taken_away") == n // 10 and "restart" in c.said(), c.said()
        if n == 10:
            c.kill()
        assert c.stop() == (0 if n == 10 else 3)
        c.start()
        c.flush()
        assert c.sql("PRAGMA integrity_check") == [("ok",)]
        count = c.sql("SELECT count(*) FROM span")[0][0]
        assert count == len(posted) + 1 + (2 if n == 20 else 0), (posted, count)
        c.check_ledger()
        assert c.stop() == 0 and not os.path.exists(c.db + "-inbox")
    # The log of a file that was replaced is not taken for that of the other, also when nothing was left to be written.
    shutil.copy(c.db, old)
    c.start()
    for n in range(30, 60):
        assert c.post_otlp(span(n), True)[0] == 200
        c.flush()
    os.rename(old, c.db)
    wait_for(lambda: refused() and os.path.getsize(c.db + "-wal") == 0, 5, "the log is empty")
    c.kill()
    c.start()
    c.flush()
    assert c.sql("PRAGMA integrity_check") == [("ok",)]
    assert c.sql("SELECT count(*) FROM span") == [(count + 30,)]
    c.check_ledger()
    # Back at its place it is written again.
    os.rename(c.db, old)
    wait_for(refused, 5, "not ready")
    os.rename(old, c.db)
    wait_for(lambda: not refused(), 5, "ready")
    assert c.post_otlp(span(60), True)[0] == 200
    c.flush()
    assert c.stop() == 0


def scene_an_inbox_that_is_taken_away_takes_nothing(c):
    """Before, bodies were acknowledged that a kill lost."""
    span = lambda n: otlp_body([otlp_span("%032x" % n, "%016x" % n)])  # noqa: E731
    for n, take_away in ((1, shutil.rmtree), (11, lambda folder: os.rename(folder, folder + "-elsewhere"))):
        c.start(store__commit_interval="100ms", stitch__trace_idle="60s")
        assert c.post_otlp(span(n), True)[0] == 200
        take_away(c.db + "-inbox")
        assert c.post_otlp(span(n + 1), True)[0] == 503
        status, word, _ = c.get("/-/ready")
        assert (status, word.strip()) == (503, b"store_failed"), (status, word)
        time.sleep(1)
        assert c.post_otlp(span(n + 1), True)[0] == 503
        assert c.said().count("event=inbox_refuses") == n // 10 + 1 and "was removed or replaced" in c.said(), c.said()
        assert c.stop() == 0  # what was taken is in memory, and is stored
        c.start()
        assert c.post_otlp(span(n + 1), True)[0] == 200
        c.flush()
        assert c.sql("SELECT count(*) FROM span") == [(n // 10 * 2 + 2,)]
        c.check_ledger()
        c.stop()
