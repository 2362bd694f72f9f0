"""Tokens and CORS: who may send, read and change something, on every listener. The numbers are those of the security cases."""
import base64
import hashlib
import os
import subprocess

from raw import GOOD

TOKENS = {"ingest": "s3nd", "read": "r3ad", "admin": "adm1n"}
HEALTH = ["/-/healthy", "/-/ready", "/healthz", "/readyz", "/livez"]


def write(path, tokens):
    with open(path, "w") as out:
        out.write("# role, SHA-256 of the token, whose it is\n\n")
        for role, token in tokens.items():
            out.write("%s %s the one of %s\n" % (role, hashlib.sha256(token.encode()).hexdigest(), role))


def bearer(token):
    return {"Authorization": "Bearer " + token}


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def post_otlp(c, headers, where=None, path="/v1/traces"):
    return c.request(where or c.otlp, "POST", path, GOOD, {"Content-Type": "application/json", **headers})


def scene_each_role_may_what_is_its(c):
    path = os.path.join(c.folder, "tokens")
    write(path, TOKENS)
    c.start(auth__tokens_file=path)
    for role, token in TOKENS.items():
        for headers in (bearer(token), basic("ann:" + token)):
            assert post_otlp(c, headers)[0] == (403 if role == "read" else 200), role
            assert c.request(c.zipkin, "POST", "/api/v2/spans", b"[]", headers)[0] == (403 if role == "read" else 202), role
            for page in ("/metrics", "/api/v1/status", "/graph", "/api/v1/export"):
                assert c.get(page, **headers)[0] == (403 if role == "ingest" else 200), (role, page)
            assert c.request(c.web, "POST", "/api/v1/sql", b'{"sql":"SELECT 1"}', {"Content-Type": "application/json", **headers})[0] == (403 if role == "ingest" else 200), role
            for action in ("/-/flush", "/-/reload", "/-/vacuum"):
                assert c.request(c.web, "POST", action, None, headers)[0] == (200 if role == "admin" else 403), (role, action)
    # Commands take it in the address.
    for token, code in ((TOKENS["read"], 0), ("wrong", 2)):
        p = subprocess.run([c.program, "traces", "--url", "http://any:%s@%s" % (token, c.web)], capture_output=True, text=True, timeout=30)
        assert p.returncode == code and token not in p.stderr, p
    for page in HEALTH:
        assert c.get(page)[0] == 200, page
    assert c.request(c.zipkin, "GET", "/health")[0] == 200
    assert "s3nd" not in c.said() and "adm1n" not in c.said()


def scene_commands_say_which_token_is_missing(c):
    """Refusals in protobuf were printed as bytes, a replay's flush went without its token, and who asked by the file was not told how to bring one."""
    path, body = os.path.join(c.folder, "tokens"), os.path.join(c.folder, "spans")
    write(path, TOKENS)
    c.start(auth__tokens_file=path)
    with open(body + ".json", "wb") as out:
        out.write(GOOD)
    subprocess.run([c.program, "simulate", "--mesh", "shop", "--speed", "fast", "--from", "2026-11-28T10:00:00Z", "--for", "2s", "--out", body + ".pb"],
                   check=True, stdout=subprocess.DEVNULL)

    def run(*args):
        p = subprocess.run([c.program, *args], capture_output=True, text=True, timeout=60)
        return p.returncode, p.stderr
    for kind in (".json", ".pb"):
        code, said = run("replay", "--to", "http://" + c.otlp, body + kind)
        assert code == 3 and "answered 401: no token came; one of the role ingest is needed" in said, said
        assert said.strip().isprintable(), said
    for role, reason in (("ingest", "answered 403: this needs a token of the role admin"), ("admin", None)):
        code, said = run("replay", "--to", "http://any:%s@%s" % (TOKENS[role], c.otlp), body + ".json")
        assert code == 0 and (reason in said if reason else not said) and TOKENS[role] not in said, said
    for command in (["vacuum"], ["backup", c.db + "-copy"]):
        code, said = run(*command, "--db", c.db)
        assert code == 3 and "http://any:TOKEN@host:4319" in said, said
    assert run("vacuum", "--url", "http://any:%s@%s" % (TOKENS["admin"], c.web))[0] == 0


def scene_75_bad_credentials_are_told_what_is_needed(c):
    path = os.path.join(c.folder, "tokens")
    write(path, TOKENS)
    c.start(auth__tokens_file=path)
    rows = [{}, bearer(""), bearer("s3n"), bearer("s3nd x"), bearer("x" * 6000), bearer(hashlib.sha256(b"s3nd").hexdigest()), basic("s3nd"), basic("s3nd:"),
            basic(":S3ND"), {"Authorization": "Basic !!"}, {"Authorization": "s3nd"}, {"Authorization": "Digest s3nd"}, {"Authorization": ""}]
    for headers in rows:
        status, _, answer = post_otlp(c, headers)
        assert status == 401 and answer["www-authenticate"].startswith("Bearer"), (headers, status)
        status, text, answer = c.get("/api/v1/status", **headers)
        assert status == 401 and answer["www-authenticate"].startswith("Basic") and b"unauthorized" in text, (headers, status, text)
    status, body, answer = c.request(c.otlp, "POST", "/v1/traces", b"", {"Content-Type": "application/x-protobuf"})
    assert status == 401 and body[:2] == b"\x08\x10" and answer["content-type"] == "application/x-protobuf"  # Status, UNAUTHENTICATED
    assert post_otlp(c, bearer(" s3nd "))[0] == 200


def scene_78_a_reload_takes_a_token_away(c):
    path = os.path.join(c.folder, "tokens")
    write(path, TOKENS)
    c.start(auth__tokens_file=path)
    assert post_otlp(c, bearer("s3nd"))[0] == 200
    write(path, {"ingest": "other", "admin": "adm1n"})
    assert c.request(c.web, "POST", "/-/reload", None, bearer("adm1n"))[0] == 200
    assert post_otlp(c, bearer("s3nd"))[0] == 401 and post_otlp(c, bearer("other"))[0] == 200
    with open(path, "a") as out:
        out.write("ingest 12345 too short\n")
    status, text, _ = c.request(c.web, "POST", "/-/reload", None, bearer("adm1n"))
    assert status == 400 and b"tokens:5" in text, text
    assert post_otlp(c, bearer("other"))[0] == 200  # the old ones stay
    for said in ("reader %s x" % ("0" * 64), "read %s x" % ("0" * 63), "read", "", "read %s x" % ("g" * 64)):
        with open(path, "w") as out:
            out.write(said + "\n")
        p = subprocess.run([c.program, "serve", "--set", "store.path=" + c.db + "2", "--set", "auth.tokens_file=" + path, "--set", "web.listen=0"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
        assert p.returncode == 2 and path.encode() in p.stderr and not os.path.exists(c.db + "2"), (said, p)


def scene_a_page_of_another_site_changes_nothing(c):
    """Before, a browser that sends Origin alone was believed, and flushed what a stranger's page asked for."""
    c.start()
    port, evil = c.web.split(":")[1], "http://evil.example"
    for good, rows in ((False, ({"Sec-Fetch-Site": "cross-site"}, {"Origin": evil}, {"Origin": "null"}, {"Origin": "http://localhost.evil.example:" + port},
                                {"Origin": "http://evil.example:" + port, "Sec-Fetch-Site": "same-site"}, {"Origin": "localhost"}, {"Origin": "http://"},
                                {"Origin": "http://localhost@evil.example"}, {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"})),
                       (True, ({}, {"Origin": "http://localhost:" + port}, {"Origin": "https://LOCALHOST"}, {"Origin": "http://127.0.0.1:" + port},
                               {"Origin": "http://[::1]:" + port}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"},
                               {"Origin": evil, "Sec-Fetch-Site": "same-origin"}))):  # a proxy that names another Host
        for headers in rows:
            for path in ("/-/flush", "/-/reload", "/-/vacuum"):
                status, text, _ = c.request(c.web, "POST", path, headers=headers)
                assert status == (200 if good else 403), (path, headers, status, text)
            asked = c.request(c.web, "POST", "/api/v1/sql", b'{"sql":"SELECT 1"}', {"Content-Type": "application/json", **headers})
            assert asked[0] == (200 if good else 403), (headers, asked)
            assert c.get("/api/v1/status", **headers)[0] == 200


def scene_70_browsers_of_listed_origins_may_send(c):
    path = os.path.join(c.folder, "tokens")
    write(path, TOKENS)
    c.start(auth__tokens_file=path, receive__otlp_http__cors_origins="https://shop.example,http://localhost:3000")
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for origin, good in (("https://shop.example", True), ("http://localhost:3000", True), ("https://evil.example", False),
                         ("https://shop.example.evil", False), ("null", False)):
        status, _, answer = c.request(c.otlp, "OPTIONS", "/v1/traces", None, {"Origin": origin, **asks})
        assert answer.get("access-control-allow-origin") == (origin if good else None), (origin, answer)
        assert (status == 204) == good and ("authorization" in answer.get("access-control-allow-headers", "")) == good, (origin, status)
        status, _, answer = post_otlp(c, {"Origin": origin, **bearer("s3nd")})
        assert status == 200 and answer.get("access-control-allow-origin") == (origin if good else None), (origin, answer)
        status, _, answer = post_otlp(c, {"Origin": origin})  # the page is told why
        assert status == 401 and answer.get("access-control-allow-origin") == (origin if good else None), (origin, answer)
