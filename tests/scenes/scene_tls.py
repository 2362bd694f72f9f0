"""TLS on every listener: by whom, with what, what a reload changes, and what who comes without it is told."""
import http.client
import os
import socket
import ssl
import subprocess

from h2raw import CHECK, Peer, head, message
from lib import otlp_body, otlp_span
from raw import GOOD, connect, parse


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Authority:
    """A CA of the test's own, with certificates for localhost and for a client."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                "-keyout", name + ".key", "-out", name + ".pem")
        self.path = os.path.join(folder, name + ".pem")

    def issue(self, name, kind=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"), days="2", usage=""):
        openssl(self.folder, "req", "-newkey", *kind, "-nodes", "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr")
        with open(os.path.join(self.folder, name + ".ext"), "w") as ext:
            ext.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n" + usage)
        openssl(self.folder, "x509", "-req", "-in", name + ".csr", "-CA", self.name + ".pem", "-CAkey", self.name + ".key", "-CAcreateserial",
                "-days", days, "-extfile", name + ".ext", "-out", name + ".pem")
        return os.path.join(self.folder, name + ".pem"), os.path.join(self.folder, name + ".key")

    def trusting(self, *client, alpn=None):
        context = ssl.create_default_context(cafile=self.path)
        if client:
            context.load_cert_chain(*client)
        if alpn:
            context.set_alpn_protocols([alpn])
        return context


def start(c, **more):
    authority = Authority(c.folder)
    cert, key = authority.issue("server")
    c.start(tls__cert_file=cert, tls__key_file=key, **more)
    c.tls = authority.trusting()
    return authority


def scene_every_listener_takes_tls(c):
    authority = start(c)
    assert c.post_otlp(GOOD, True)[0] == 200
    assert c.post_zipkin(b'[{"traceId":"1","id":"2","name":"n","localEndpoint":{"serviceName":"z"}}]')[0] == 202
    with Peer(c.grpc, tls=authority.trusting(alpn="h2")) as peer:
        assert peer.socket.selected_alpn_protocol() == "h2" and peer.socket.version() == "TLSv1.3"
        assert peer.ask(message(b"")).status == 0
        assert peer.ask(message(b""), head(CHECK)).status == 0
    c.flush()
    assert c.sql("SELECT service FROM span ORDER BY 1") == [("a",), ("z",)]
    assert b"faultline_build_info" in c.get("/metrics")[1]
    assert c.api("services")["items"]
    # commands trust what SSL_CERT_FILE names
    for trusted, code in ((authority.path, 0), ("/dev/null", 3)):
        asked = subprocess.run([c.program, "traces", "--url", "https://" + c.web], env={**os.environ, "SSL_CERT_FILE": trusted},
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert asked.returncode == code, asked


def scene_large_bodies_and_answers_go_through(c):
    start(c)
    spans = [otlp_span("%032x" % 7, "%016x" % (i + 1), "" if i == 0 else "%016x" % 1, service="s%d" % (i % 7), ms=1000, text="x" * 900)
             for i in range(8000)]
    body = otlp_body(spans)
    assert len(body) > 8 << 20
    assert c.post_otlp(body, True)[0] == 200
    c.flush()
    status, text, _ = c.get("/api/v1/traces/%032x" % 7)
    assert status == 200 and len(text) > 8 << 20 and text.endswith(b"}\n" if text.endswith(b"\n") else b"}")
    # many requests on one connection
    connection = c.connection(c.otlp)
    for _ in range(50):
        connection.request("POST", "/v1/traces", GOOD, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()[:1]) == (200, b"{")
    connection.close()


def scene_tls_1_2_with_rsa_and_resumed_sessions(c):
    authority = Authority(c.folder)
    cert, key = authority.issue("rsa", ("rsa:2048",))
    c.start(tls__cert_file=cert, tls__key_file=key)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context, session = authority.trusting(), None
        context.minimum_version = context.maximum_version = version
        for resumed in (False, True):
            with context.wrap_socket(connect(c.web), server_hostname="localhost", session=session) as s:
                s.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert b"200 OK" in s.recv(4096)
                assert s.session_reused == resumed, version
                session = s.session
    old = authority.trusting()
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    try:
        old.wrap_socket(connect(c.web), server_hostname="localhost")
        raise AssertionError("TLS 1.1 was taken")
    except OSError:
        pass
    # 33: who asks for another handshake in the middle is not given one
    again = subprocess.run(["openssl", "s_client", "-connect", c.web, "-tls1_2", "-legacy_renegotiation"], input=b"R\n" * 3, capture_output=True, timeout=20)
    assert b"RENEGOTIATING" in again.stderr and b"eof" in again.stderr, again.stderr
    c.tls = authority.trusting()
    assert c.get("/-/healthy")[0] == 200


def scene_who_comes_in_clear_text_is_told(c):
    start(c)
    for where in (c.otlp, c.zipkin, c.web, c.grpc):
        with connect(where) as s:
            s.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            got = b""
            while part := s.recv(4096):
                got += part
        answer, = parse(got)
        assert answer.status == 400 and b"https:" in answer.body, (where, got)
        assert b"X-Content-Type-Options: nosniff\r\n" in got, (where, got)
    # and whoever stalls in the handshake holds up nobody
    stalled = [connect(c.otlp) for _ in range(20)]
    for s in stalled:
        s.sendall(b"\x16\x03\x01\x02\x00")
    assert c.post_otlp(GOOD, True)[0] == 200
    for s in stalled:
        s.close()
    assert c.post_otlp(GOOD, True)[0] == 200


def scene_a_client_must_show_its_certificate(c):
    authority, strangers = Authority(c.folder), Authority(c.folder, "strangers")
    cert, key = authority.issue("server")
    c.start(tls__cert_file=cert, tls__key_file=key, tls__client_ca_file=authority.path)
    c.tls = authority.trusting(*authority.issue("client"))
    assert c.post_otlp(GOOD, True)[0] == 200
    with Peer(c.grpc, tls=c.tls) as peer:
        assert peer.ask(message(b"")).status == 0
    # 77: of nobody, of another CA, over already, made for servers alone, signed by itself
    for name, context in (("none", authority.trusting()), ("stranger", authority.trusting(*strangers.issue("stranger"))),
                          ("late", authority.trusting(*authority.issue("late", days="-1"))),
                          ("server's", authority.trusting(*authority.issue("servers", usage="extendedKeyUsage=serverAuth\n"))),
                          ("its own", authority.trusting(strangers.path, strangers.path.replace(".pem", ".key")))):
        c.tls = context
        for where in (c.otlp, c.web):
            try:
                status = c.request(where, "GET", "/")[0]
                raise AssertionError("%s was let in: %d" % (name, status))
            except (OSError, http.client.HTTPException):
                pass


def scene_commands_show_a_certificate(c):
    """Before, with tls.client_ca_file no command could ask a collector."""
    authority = Authority(c.folder)
    cert, key = authority.issue("server")
    c.start(tls__cert_file=cert, tls__key_file=key, tls__client_ca_file=authority.path)
    own, its_key = authority.issue("client")
    c.tls = authority.trusting(own, its_key)
    both = os.path.join(c.folder, "both.pem")
    with open(both, "w") as out:
        out.write(open(own).read() + open(its_key).read())
    spans = os.path.join(c.folder, "spans.json")
    with open(spans, "wb") as out:
        out.write(GOOD)
    web, made = "https://" + c.web, iter(range(100))

    def run(*args, code=0, shown=("--ca-file", authority.path, "--cert-file", own, "--key-file", its_key)):
        p = subprocess.run([c.program, *args, *shown], capture_output=True, text=True, timeout=60)
        assert p.returncode == code, (args, p)
        return p

    def new():
        return os.path.join(c.folder, "new%d.db" % next(made))

    assert '"accepted":1' in run("replay", spans, "--to", "https://" + c.otlp).stdout
    assert c.sql("SELECT count(*) FROM span") == [(1,)], "replay flushed"
    run("simulate", "--to", "https://" + c.otlp, "--spans", "100")
    for args in (("sql", "SELECT 1"), ("traces",), ("trace", "1"), ("graph",), ("tail",), ("export", new(), "--from", "1000h"), ("backup", new()), ("vacuum",)):
        run(*args, "--url", web, code=3 if args[0] == "trace" else 0)
        if args[0] in ("export", "backup", "vacuum"):  # the collector is found by its file
            run(args[0], *(() if args[0] == "vacuum" else (new(),)), "--db", c.db)
    for command, code in (("diagnose", 4), ("compare", 2)):
        assert "http" not in run(command, "--url", web, code=code).stderr
    run("traces", "--url", web, shown=("--ca-file", authority.path, "--cert-file", both))
    assert "clear text" in run("simulate", "--to", "grpc://" + c.grpc, code=2).stderr
    # Who shows none is told why, and a token in the address is in no text.
    for args, to in ((("traces", "--url"), c.web), (("sql", "SELECT 1", "--url"), c.web), (("backup", new(), "--url"), c.web), (("replay", spans, "--to"), c.otlp),
                     (("simulate", "--spans", "1", "--to"), c.otlp)):
        for token in ("t0ken", "a/t0ken"):
            said = run(*args, "https://any:%s@%s" % (token, to), code=3, shown=("--ca-file", authority.path)).stderr
            assert "t0ken" not in said and ("https://" + to in said or "/" in token), said
    assert "t0ken" not in run("simulate", "--spans", "1", "--to", "grpc://any:t0ken@127.0.0.1:1", code=3, shown=()).stderr
    for shown, said in ((("--key-file", its_key), "needs --cert-file"), (("--ca-file", "none.pem"), "none.pem"), (("--cert-file", "none.pem"), "none.pem")):
        assert said in run("traces", "--url", web, code=2, shown=shown).stderr


def scene_a_reload_shows_another_certificate_and_drops_nobody(c):
    authority = Authority(c.folder)
    first, second = authority.issue("first"), authority.issue("second")
    c.config = os.path.join(c.folder, "settings.yaml")

    def settings(cert, key):
        with open(c.config, "w") as out:
            out.write("tls: {cert_file: %s, key_file: %s}\n" % (cert, key))

    def name():
        with authority.trusting().wrap_socket(connect(c.web), server_hostname="localhost") as s:
            return s.getpeercert()["subject"][0][0][1]

    settings(*first)
    c.start()
    c.tls = authority.trusting()
    kept = c.connection(c.web)
    kept.request("GET", "/-/healthy")
    assert kept.getresponse().read() and name() == "first"
    settings(second[0], first[1])  # not its key: the old one stays
    status, text, _ = c.request(c.web, "POST", "/-/reload")
    assert status == 400 and b"is not the key of" in text, text
    assert name() == "first"
    settings(*second)
    for _ in range(3):
        assert c.request(c.web, "POST", "/-/reload")[0] == 200
    assert name() == "second"
    kept.request("GET", "/-/healthy")
    answer = kept.getresponse()
    assert answer.status == 200 and answer.read()
    kept.close()


def scene_bad_files_are_named(c):
    authority = Authority(c.folder)
    cert, key = authority.issue("server")
    tokens = os.path.join(c.folder, "tokens")
    with open(tokens, "w") as out:
        out.write("read 123 too short\n")
    for sets, said in (({"auth.tokens_file": tokens}, tokens + ":1"), ({"auth.tokens_file": tokens + "2"}, tokens + "2"),
                       ({"tls.cert_file": cert}, "go together"),
                       ({"tls.client_ca_file": cert}, "needs both"),
                       ({"tls.cert_file": cert, "tls.key_file": key + ".not"}, key + ".not"),
                       ({"tls.cert_file": key, "tls.key_file": key}, key),
                       ({"tls.cert_file": cert, "tls.key_file": key, "tls.client_ca_file": key}, key)):
        args = [c.program, "serve", "--set", "store.path=" + c.db, "--set", "web.listen=0"]
        for item in sets.items():
            args += ["--set", "%s=%s" % item]
        told = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
        assert told.returncode == 2 and said in told.stderr.decode(), (sets, told)
        assert told.stdout == b""
        checked = subprocess.run([c.program, "check-config", *args[2:]], capture_output=True, timeout=20)
        assert (checked.returncode, checked.stdout, checked.stderr) == (2, b"", told.stderr), (sets, checked)
    # The check names both at once.
    checked = subprocess.run([c.program, "check-config", "--set", "auth.tokens_file=" + tokens, "--set", "tls.cert_file=" + cert], capture_output=True, text=True)
    assert checked.returncode == 2 and "go together" in checked.stderr and tokens + ":1" in checked.stderr, checked
    good = ["--set", "tls.cert_file=" + cert, "--set", "tls.key_file=" + key, "--set", "tls.client_ca_file=" + authority.path]
    assert subprocess.run([c.program, "check-config", *good], stdout=subprocess.DEVNULL).returncode == 0
