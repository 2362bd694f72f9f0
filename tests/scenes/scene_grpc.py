"""gRPC by raw frames: what each call is answered, floods, stalls, crowds. The numbers are those of the security cases (tests/README.md).
The real SDK and the real Envoy send by gRPC in scene_sdk and scene_envoy."""
import gzip
import os
import struct
import subprocess
import threading
import time
import zlib

import h2raw
from h2raw import (CHECK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, EXPORT, HEADERS, NO_ERROR, PING, PRIORITY, RST_STREAM, SETTINGS,
                   WINDOW_UPDATE, Peer, frame, head, message, pack)
from lib import frames, wait_for
from raw import GOOD, connect, exchange
from real import free_ports

SPAN = frames("otlp_grpc")[0]
BAD_ID = bytes.fromhex("0a0d120b12090a0301020312020102")  # resource_spans > scope_spans > a span whose ids have 3 and 2 bytes


def ok(peer):
    answer = peer.ask(message(SPAN))
    assert answer.status == 0 and answer.data == message(b"") and answer.headers[":status"] == "200", answer.headers
    return True


def scene_every_answer(c):
    c.start(receive__max_grpc_message="64KiB")
    rows = [  # name, body, headers, status, whether it may come again
        ("unknown method", message(SPAN), head(EXPORT + "2"), 12, False),
        ("unknown service", message(SPAN), head("/a.B/C"), 12, False),
        ("40 unknown encoding", message(SPAN), head(more=[("grpc-encoding", "br")]), 12, False),
        ("41 a length of 2^32-1", message(b"", length=2**32 - 1), None, 8, False),
        ("44 one byte too many", message(b"\0" * 65537), None, 8, False),
        ("43 cut within its message", message(SPAN)[:-1], None, 3, False),
        ("43 without a message", None, None, 3, False),
        ("cut within the length", b"\0\0\0", None, 3, False),
        ("two messages", message(SPAN) * 2, None, 3, False),
        ("a flag of 2", message(SPAN, 2), None, 13, False),
        ("compressed by nothing", message(gzip.compress(SPAN), 1), None, 13, False),
        ("not gzip", message(SPAN, 1), head(more=[("grpc-encoding", "gzip")]), 3, False),
        ("not protobuf", message(b"\xff" * 20), None, 3, False),
        ("a bomb", message(gzip.compress(b"\0" * (30 << 20)), 1), head(more=[("grpc-encoding", "gzip")]), 8, False),
        ("1 ns is over", message(SPAN), head(more=[("grpc-timeout", "1n")]), 4, False),
    ]
    with Peer(c.grpc) as peer:
        for name, body, headers, status, _ in rows:
            answer = peer.ask(body, headers)
            assert answer.status == status and answer.retry is None and answer.headers["grpc-message"], (name, answer.headers)
        assert "gzip" in peer.ask(message(SPAN), head(more=[("grpc-encoding", "br")])).headers["grpc-accept-encoding"]
        assert peer.ask(message(SPAN), head(kind="application/json")).headers[":status"] == "415"
        assert peer.ask(message(SPAN), head(method="PUT")).headers[":status"] == "405"
        assert ok(peer)
        for encoding, body in (("gzip", message(gzip.compress(SPAN), 1)), ("deflate", message(zlib.compress(SPAN), 1)), ("gzip", message(SPAN)),
                               ("identity", message(SPAN))):
            assert peer.ask(body, head(more=[("grpc-encoding", encoding)])).status == 0, encoding
        assert peer.ask(message(SPAN), head(kind="application/grpc+proto", more=[("grpc-timeout", "10S")])).status == 0
        assert peer.ask(message(b"")).status == 0
        partial = peer.ask(message(BAD_ID))
        assert partial.status == 0 and partial.data[5:9] == b"\x0a" + partial.data[6:7] + b"\x08\x01", (partial.headers, partial.data)
    for code in ("0", "3", "4", "8", "12", "13"):
        assert c.counter("faultline_ingest_requests_total", transport="grpc", code=code) > 0, code
    assert {i["transport"] for i in c.api("tail")["items"]} == {"grpc"}
    c.flush()
    c.check_ledger()


def scene_42_a_message_in_any_pieces(c):
    c.start()
    with Peer(c.grpc) as peer:
        for split in (1, 4, 5, 6, 1000):
            stream = peer.call(message(SPAN), end=False, split=split)
            peer.send(frame(DATA, END_STREAM, stream))  # the end comes in a frame of its own
            assert peer.answer(stream).status == 0, split
        streams = [peer.call(message(SPAN)[:7], end=False) for _ in range(100)]
        for stream in streams:  # a hundred at once, each behind the other
            peer.send(frame(DATA, END_STREAM, stream, message(SPAN)[7:]))
        assert all(peer.answer(s).status == 0 for s in streams)


def scene_health(c):
    c.start()
    with Peer(c.grpc) as peer:
        for service, status in ((b"", 0), (EXPORT.split("/")[1].encode(), 0), (b"a.B", 5)):
            answer = peer.ask(message(b"\x0a" + bytes([len(service)]) + service), head(CHECK))
            assert answer.status == status and (status or answer.data == message(b"\x08\x01")), (service, answer.headers)
        assert peer.ask(message(b"\x0a\x50"), head(CHECK)).status == 3
        watch = peer.ask(message(b""), head(CHECK.replace("Check", "Watch")))  # then clients look no more, and take it for serving
        assert watch.status == 12 and "Health/Watch" in watch.headers["grpc-message"], watch.headers
    c.stop()
    c.start(store__min_free="1000000GiB")
    with Peer(c.grpc) as peer:
        assert peer.ask(message(b""), head(CHECK)).data == message(b"\x08\x02")
        answer = peer.ask(message(SPAN))
        assert answer.status == 14 and 1 <= answer.retry <= 30 and "disk_full" in answer.headers["grpc-message"], answer.headers


def scene_messages_wait_in_the_window_while_memory_is_short(c):
    """More than max_in_flight at once: refused with RetryInfo, or taken; what is told OK is stored."""
    c.start(receive__max_in_flight="1MiB")
    with Peer(c.grpc) as peer:
        part = message(b"\0" * 600000)[:60000]
        streams = [peer.call(part, end=False) for _ in range(30)]
        wait_for(lambda: peer.read(lambda: any(peer.answers[s].ended for s in streams), 1), what="a refusal")
        refused = [s for s in streams if peer.answers[s].ended]
        for s in refused:
            assert peer.answers[s].status == 14 and peer.answers[s].retry == 1
        for s in streams:
            peer.send(frame(RST_STREAM, 0, s, struct.pack(">I", 8)))
        assert ok(peer)


def flood(c, raw, n, end=ENHANCE_YOUR_CALM):
    """The other side ends it, in time, and serves others."""
    with Peer(c.grpc) as peer:
        assert ok(peer)
        for _ in range(n):
            peer.send(raw)
            if peer.closed:
                break
        peer.read(lambda: peer.closed, 10)
        assert peer.closed and peer.goaway in (end, None), (peer.goaway, peer.closed)  # a reset may overtake the GOAWAY
    with Peer(c.grpc) as peer:
        assert ok(peer)


def scene_38_floods_of_frames_that_bring_nothing(c):
    c.start()
    for raw in (frame(PING, 0, 0, b"12345678"), frame(SETTINGS), frame(PRIORITY, 0, 1, b"\0\0\0\0\1"), frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1")):
        flood(c, raw * 100, 100)


def opening(stream):
    return frame(HEADERS, END_HEADERS, stream, pack(head()))


def scene_34_35_resets(c):
    """Rapid reset, and "made you reset": by an update of 0, and by an overflow of the window."""
    c.start()
    makers = [lambda s: frame(RST_STREAM, 0, s, b"\0\0\0\x08"), lambda s: frame(WINDOW_UPDATE, 0, s, b"\0\0\0\0"),
              lambda s: frame(WINDOW_UPDATE, 0, s, b"\x7f\xff\xff\xff")]
    for make in makers:
        with Peer(c.grpc) as peer:
            sent = 0
            while not peer.closed and sent < 100000:
                peer.send(b"".join(opening(s) + make(s) for s in range(2 * sent + 1, 2 * sent + 201, 2)))
                sent += 100
            peer.read(lambda: peer.closed, 10)
            assert peer.closed and sent < 50000, sent
        with Peer(c.grpc) as peer:
            assert ok(peer)


def scene_36_37_heads(c):
    c.start()
    with Peer(c.grpc) as peer:  # a head without an end
        peer.send(frame(HEADERS, 0, 1, pack(head())))
        for _ in range(1000):
            peer.send(frame(CONTINUATION, 0, 1, pack([("a", "b")])))
            if peer.closed:
                break
        assert peer.read(lambda: peer.closed, 10)
    with Peer(c.grpc) as peer:  # 4 kB, named a thousand times by one byte
        bomb = b"\x40\x06cookie" + h2raw.number(4000, 7) + b"x" * 4000
        answer = h2raw.Answer()
        peer.answers[1] = answer
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, pack(head()) + bomb + b"\xbe" * 1000))
        peer.read(lambda: answer.ended or peer.closed, 10)
        assert peer.closed or answer.reset is not None or answer.status == 8, answer.headers
    with Peer(c.grpc) as peer:
        assert peer.ask(message(SPAN), head(more=[("x-long", "x" * 9000), ("x-longer", "x" * 9000)])[:7]).status == 0
        assert ok(peer)
    with Peer(c.grpc) as peer:
        long = pack(head(more=[("x-%d" % i, "x" * 5000) for i in range(4)]))
        peer.answers[1] = h2raw.Answer()
        peer.send(frame(HEADERS, END_STREAM, 1, long[:16000]) + frame(CONTINUATION, END_HEADERS, 1, long[16000:]))
        assert peer.answer(1).status == 8
        peer.stream = 1
        assert ok(peer)


def scene_slow_and_mute_peers_end_while_others_are_served(c):
    """26, 39: a peer that says nothing, one that stops within a head, a window that stays shut."""
    c.start()
    begin = time.monotonic()
    mute, half = connect(c.grpc, 20), connect(c.grpc, 20)
    half.sendall(h2raw.PREFACE + frame(SETTINGS) + frame(HEADERS, 0, 1, pack(head())))
    with Peer(c.grpc, struct.pack(">HI", 4, 0)) as shut:  # no window for answers
        streams = [shut.call(message(SPAN)) for _ in range(50)]
        assert shut.read(lambda: all(shut.answers[s].headers for s in streams))
        with Peer(c.grpc) as peer:
            assert ok(peer)
        assert not any(shut.answers[s].data for s in streams)
        shut.send(b"".join(frame(WINDOW_UPDATE, 0, s, b"\0\0\1\0") for s in streams))
        assert all(shut.answer(s).status == 0 for s in streams)
    while mute.recv(4096):
        pass
    assert 4.5 < time.monotonic() - begin < 9
    while half.recv(4096):
        pass
    assert 9 < time.monotonic() - begin < 16
    half.close()
    mute.close()


def scene_connections_are_counted_over_all_listeners(c):
    c.start(receive__max_connections="8")
    held = [connect(c.otlp) for _ in range(8)]
    for s in held:  # answered once, so that it is counted, and then within a request, so that it is not idle
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200")
        s.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\n")
    wait_for(lambda: not reached(c), what="no place for a ninth")
    held.pop().close()
    wait_for(lambda: reached(c), what="a place")
    for s in held:
        s.close()


def scene_many_connections_make_room_for_each_other(c):
    """Twice as many as there are places: those that wait longest without a call go, no call is lost."""
    c.start(receive__max_connections="60")
    peers = []
    try:
        for i in range(120):
            peers.append(Peer(c.grpc))
            assert ok(peers[-1]), i
        gone = [peer.read(lambda: peer.closed, 0.01) for peer in peers]  # noqa: B023
        assert 60 <= sum(gone) <= 62 and not any(gone[62:]), (sum(gone), gone)
        assert all(ok(peer) for peer in peers[62:])
    finally:
        for peer in peers:
            peer.socket.close()
    wait_for(lambda: c.request(c.web, "GET", "/-/healthy")[0] == 200, 10, "a place for another connection")
    c.flush()
    assert c.sql("SELECT sum(received - duplicate) FROM ingest_minute") == c.sql("SELECT count(*) FROM span")
    c.check_ledger()


def scene_a_load_generator_of_somebody_elses(c):
    """nghttp2's h2load: twenty connections, ten calls at a time on each; every call is answered OK, and the same message again adds no span."""
    c.start()
    body = os.path.join(c.folder, "body")
    with open(body, "wb") as f:
        f.write(message(SPAN))
    p = subprocess.run(["h2load", "-n", "4000", "-c", "20", "-m", "10", "-d", body, "-H", "content-type: application/grpc", "-H", "te: trailers",
                        "http://%s%s" % (c.grpc, EXPORT)], capture_output=True, text=True, timeout=60)
    assert "4000 succeeded, 0 failed, 0 errored, 0 timeout" in p.stdout and "status codes: 4000 2xx" in p.stdout, p.stdout + p.stderr
    c.flush()
    received, duplicate = c.sql("SELECT sum(received), sum(duplicate) FROM ingest_minute")[0]
    spans = c.sql("SELECT count(*) FROM span")[0][0]
    assert received == 4000 * spans and duplicate == received - spans, (received, duplicate, spans)


def reached(c):
    with Peer(c.grpc, limit=2) as peer:
        stream = peer.call(message(SPAN))
        return peer.read(lambda: peer.answers[stream].ended, 2)


def scene_other_protocols_are_told(c):
    c.start()
    answers, closed = exchange(c.grpc, b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(GOOD) + GOOD, ends=True)
    assert closed and answers[0].status == 400 and b"gRPC" in answers[0].body
    with Peer(c.grpc) as peer:
        peer.send(frame(DATA, 0, 0, b"x"))  # no such stream
        assert peer.read(lambda: peer.closed) and peer.goaway not in (None, NO_ERROR)


def scene_a_stop_says_goodbye(c):
    c.start()
    with Peer(c.grpc) as peer:
        assert ok(peer)
        half = peer.call(message(SPAN)[:20], end=False)
        peer.send(frame(PING, 0, 0, b"it came?"))
        assert peer.read(lambda: peer.pings == 1)
        c.process.terminate()
        assert peer.read(lambda: peer.goaway is not None) and peer.goaway == NO_ERROR, peer.goaway
        peer.send(frame(DATA, END_STREAM, half, message(SPAN)[20:]))
        assert peer.answer(half).status == 0  # it was begun before
        assert peer.read(lambda: peer.closed)
    assert c.process.wait(20) == 0
    c.start()
    c.flush()
    c.check_ledger()


class Sender(threading.Thread):
    """Spans by gRPC, four calls at a time, each span until it is told OK; those that were."""

    def __init__(self, where, name, ended):
        super().__init__(daemon=True)
        self.where, self.name_byte, self.ended, self.acked, self.next = where, name, ended, set(), 1
        self.start()

    def run(self):
        waiting = []
        while not self.ended.is_set():
            try:
                with Peer(self.where, limit=5) as peer:
                    while not self.ended.is_set():
                        while len(waiting) < 4:
                            waiting.append("%032x" % (self.name_byte << 64 | self.next))
                            self.next += 1
                        streams = [(trace, peer.call(message(span(trace)))) for trace in waiting]
                        for trace, stream in streams:
                            if peer.answer(stream, 5).status == 0:
                                self.acked.add(trace)
                                waiting.remove(trace)
            except (OSError, AssertionError, KeyError):
                time.sleep(0.02)  # it is away


def span(trace):
    """One span as OTLP protobuf."""
    def part(field, raw):
        return bytes([field << 3 | 2, len(raw)]) + raw
    start = struct.pack("<Q", 1_700_000_000_000_000_000)
    inner = part(1, bytes.fromhex(trace)) + part(2, bytes.fromhex(trace)[8:]) + part(5, b"op") + b"\x39" + start + b"\x41" + start
    return part(1, part(2, part(2, inner)))


def scene_kills_under_load_lose_and_double_nothing(c):
    c.start(receive__otlp_grpc__listen=str(free_ports(1)[0]), stitch__trace_idle="300ms", store__commit_interval="200ms")
    ended = threading.Event()
    senders = [Sender(c.grpc, i + 1, ended) for i in range(4)]
    for _ in range(5):
        before = sum(len(s.acked) for s in senders)
        wait_for(lambda: sum(len(s.acked) for s in senders) > before + 200, 30, "two hundred answers")
        c.kill()
        c.start()
    ended.set()
    for sender in senders:
        sender.join(20)
    c.flush()
    c.check_ledger()
    stored = [row[0] for row in c.sql("SELECT trace_id FROM span")]
    acked = set().union(*(s.acked for s in senders))
    assert len(stored) == len(set(stored)) and len(acked) > 1000
    assert not acked - set(stored), "%d of %d are lost" % (len(acked - set(stored)), len(acked))
