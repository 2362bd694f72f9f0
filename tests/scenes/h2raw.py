"""h2raw.py - HTTP/2 frames on a socket, each as the test wants it, and what comes back: for peers that no client library would be."""
import base64
import ctypes
import socket
import struct

from raw import connect

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, _, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 1, 4
NO_ERROR, PROTOCOL_ERROR, ENHANCE_YOUR_CALM = 0, 1, 11
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
CHECK = "/grpc.health.v1.Health/Check"


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def number(n, bits):
    """An integer of HPACK (RFC 7541 §5.1), the bits before it 0."""
    most = (1 << bits) - 1
    if n < most:
        return bytes([n])
    out, n = [most], n - most
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + [n])


def pack(headers):
    """Each header a literal that is not remembered."""
    return b"".join(b"\0" + number(len(n), 7) + n.encode() + number(len(v), 7) + v.encode() for n, v in headers)


def head(path=EXPORT, method="POST", kind="application/grpc", more=()):
    return [(":method", method), (":scheme", "http"), (":path", path), (":authority", "x"), ("te", "trailers"), ("content-type", kind)] + list(more)


def message(body, compressed=0, length=None):
    return struct.pack(">BI", compressed, len(body) if length is None else length) + body


class NV(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("value", ctypes.c_void_p), ("n_name", ctypes.c_size_t), ("n_value", ctypes.c_size_t),
                ("flags", ctypes.c_uint8)]


class Unpacker:
    """Header blocks by libnghttp2's own reader."""

    def __init__(self):
        self.library = ctypes.CDLL("libnghttp2.so.14")
        self.inflater = ctypes.c_void_p()
        assert self.library.nghttp2_hd_inflate_new(ctypes.byref(self.inflater)) == 0

    def unpack(self, block):
        out, at, space = [], 0, ctypes.create_string_buffer(block, len(block))
        read = self.library.nghttp2_hd_inflate_hd2
        read.argtypes = [ctypes.c_void_p, ctypes.POINTER(NV), ctypes.POINTER(ctypes.c_int), ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        read.restype = ctypes.c_ssize_t
        while True:
            nv, flags = NV(), ctypes.c_int()
            n = read(self.inflater, ctypes.byref(nv), ctypes.byref(flags), ctypes.addressof(space) + at, len(block) - at, 1)
            assert n >= 0, n
            at += n
            if flags.value & 2:
                out.append((ctypes.string_at(nv.name, nv.n_name).decode(), ctypes.string_at(nv.value, nv.n_value).decode()))
            if flags.value & 1:
                self.library.nghttp2_hd_inflate_end_headers(self.inflater)
                return dict(out)


class Answer:
    """What a stream said: headers and trailers in one, the message, how it was reset."""

    def __init__(self):
        self.headers, self.data, self.reset, self.ended = {}, b"", None, False

    @property
    def status(self):
        return int(self.headers["grpc-status"])

    @property
    def retry(self):
        """Seconds of the RetryInfo; None without."""
        details = self.headers.get("grpc-status-details-bin")
        if details is None:
            return None
        details = base64.b64decode(details + "=" * (-len(details) % 4))
        name, _, rest = details.partition(b"type.googleapis.com/google.rpc.RetryInfo")
        assert name and rest[:5] == b"\x12\x04\x0a\x02\x08" and len(rest) == 6, details
        return rest[5]


class Peer:
    def __init__(self, address, settings=b"", limit=10.0, tls=None):
        self.socket, self.got, self.unpacker = connect(address, limit), b"", Unpacker()
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.answers, self.goaway, self.closed, self.pings, self.credit = {}, None, False, 0, 0
        self.stream = -1
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def send(self, raw):
        try:
            self.socket.sendall(raw)
        except OSError:
            self.closed = True

    def call(self, body=None, headers=None, end=True, split=16384):
        """Sends a call; gives its stream's number."""
        self.stream += 2
        self.answers[self.stream] = Answer()
        raw = frame(HEADERS, END_HEADERS | (END_STREAM if body is None and end else 0), self.stream, pack(headers or head()))
        pieces = [] if body is None else [body[i:i + split] for i in range(0, len(body), split)] or [b""]
        for i, piece in enumerate(pieces):
            raw += frame(DATA, END_STREAM if end and i == len(pieces) - 1 else 0, self.stream, piece)
        self.send(raw)
        return self.stream

    def take(self, kind, flags, stream, payload):
        answer = self.answers.get(stream, Answer())
        if kind == HEADERS:
            answer.headers.update(self.unpacker.unpack(payload))
        elif kind == DATA:
            answer.data += payload
        elif kind == RST_STREAM:
            answer.reset = struct.unpack(">I", payload)[0]
        elif kind == GOAWAY:
            self.goaway = struct.unpack(">I", payload[4:8])[0]
        elif kind == PING and flags:
            self.pings += 1
        elif kind == WINDOW_UPDATE and stream == 0:
            self.credit += struct.unpack(">I", payload)[0]
        elif kind == SETTINGS and not flags:
            self.send(frame(SETTINGS, 1))
        answer.ended = answer.ended or answer.reset is not None or bool(kind in (HEADERS, DATA) and flags & END_STREAM)

    def read(self, until, limit=10.0):
        """Takes frames until the fact is true or the other side ends; gives whether it is true."""
        self.socket.settimeout(limit)
        while not until():
            while len(self.got) >= 9 and len(self.got) >= 9 + int.from_bytes(self.got[:3], "big"):
                n = int.from_bytes(self.got[:3], "big")
                self.take(self.got[3], self.got[4], int.from_bytes(self.got[5:9], "big"), self.got[9:9 + n])
                self.got = self.got[9 + n:]
            if until() or self.closed and not self.got:
                break
            try:
                part = self.socket.recv(65536)
            except socket.timeout:
                break
            except OSError:
                part = b""
            if not part:
                self.closed = True
                break
            self.got += part
        return bool(until())

    def answer(self, stream, limit=10.0):
        answer = self.answers[stream]
        assert self.read(lambda: answer.ended, limit), ("no answer", stream, self.goaway, self.closed, answer.headers)
        return answer

    def ask(self, *args, **named):
        return self.answer(self.call(*args, **named))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
