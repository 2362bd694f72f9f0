"""What settings do while the program runs: secrets that are not stored, reloads that take over, and documents that tell the same."""
import json
import os
import re
import signal
import subprocess

from lib import otlp_body, otlp_span, wait_for

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "README.md")


def attributes(c, trace):
    return json.loads(c.sql("SELECT attributes FROM span WHERE trace_id = ?", trace)[0][0])


def scene_secrets_are_not_stored(c):
    c.start()
    trace = "0af7651916cd43dd8448eb211c80319c"
    _, span = otlp_span(trace, "00000000000000a1", service="shop", http__request__header__Authorization="Bearer s3cret-1", DB_PASSWD="s3cret-2",
                        plain="kept", apiKey="s3cret-15", session_id="s3cret-3", url__query="a=1&token=s3cret-9&sig=s3cret-8",
                        url__full="https://ann:s3cret-4@shop.example/cart?x=1&sig=s3cret-5&X-Goog-Signature=s3cret-6&api-key=s3cret-7&y=2#z")
    span["events"] = [{"timeUnixNano": "1700000000000000000", "name": "login",
                       "attributes": [{"key": "user.token", "value": {"stringValue": "s3cret-10"}}, {"key": "user.name", "value": {"stringValue": "ann"}}]}]
    word = lambda text: {"stringValue": text}  # noqa: E731
    a_map = lambda **of: {"kvlistValue": {"values": [{"key": k, "value": v} for k, v in of.items()]}}  # noqa: E731
    deep = a_map(ok=word("1"), passWord=word("s3cret-16"), list={"arrayValue": {"values": [a_map(api_key=a_map(x=word("s3cret-17")), n={"intValue": "3"}), word("y")]}})
    span["attributes"] += [{"key": "deep", "value": deep}, {"key": "http.path", "value": word("/a?token=s3cret-18&b=1")}]
    logs = {"resourceLogs": [{"resource": {"attributes": [{"key": "service.name", "value": word("shop")}]}, "scopeLogs": [{"logRecords": [
        {"traceId": trace, "spanId": "00000000000000a1", "timeUnixNano": "1700000000000000000", "body": a_map(said=word("hi"), secret=word("s3cret-19"))}]}]}]}
    assert c.request(c.otlp, "POST", "/v1/logs", json.dumps(logs).encode(), {"Content-Type": "application/json"})[0] == 200
    body = json.loads(otlp_body([("shop", span)]))
    body["resourceSpans"][0]["resource"]["attributes"].append({"key": "cloud.private_key", "value": {"arrayValue": {"values": [{"stringValue": "s3cret-11"}]}}})
    assert c.post_otlp(json.dumps(body).encode(), True)[0] == 200
    zipkin = [{"traceId": "1af7651916cd43dd8448eb211c80319c", "id": "00000000000000b1", "kind": "CLIENT", "name": "get", "localEndpoint": {"serviceName": "shop"},
               "tags": {"Set-Cookie": "s3cret-12", "http.url": "http://s3cret-13@pay.example/?AWSAccessKeyId=s3cret-14", "lang": "de"}}]
    assert c.post_zipkin(json.dumps(zipkin).encode())[0] == 202
    c.flush()
    found = attributes(c, trace)
    assert found["plain"] == "kept" and found["http.request.header.Authorization"] == found["DB_PASSWD"] == found["session_id"] == found["apiKey"] == "REDACTED"
    assert found["url.full"] == "https://REDACTED:REDACTED@shop.example/cart?x=1&sig=REDACTED&X-Goog-Signature=REDACTED&api-key=REDACTED&y=2#z"
    assert found["url.query"] == "a=1&token=REDACTED&sig=REDACTED" and found["http.path"] == "/a?token=REDACTED&b=1"
    assert found["deep"] == {"ok": "1", "passWord": "REDACTED", "list": [{"api_key": "REDACTED", "n": 3}, "y"]}, found["deep"]
    events = json.loads(c.sql("SELECT events FROM span WHERE trace_id = ?", trace)[0][0])
    assert [e["attributes"] for e in events if e["name"] == "login"] == [{"user.token": "REDACTED", "user.name": "ann"}]
    assert [e["body"] for e in events if e.get("kind") == "log"] == [{"said": "hi", "secret": "REDACTED"}], events
    assert json.loads(c.sql("SELECT resource FROM span WHERE trace_id = ?", trace)[0][0])["cloud.private_key"] == "REDACTED"
    found = attributes(c, zipkin[0]["traceId"])
    assert found == {"Set-Cookie": "REDACTED", "http.url": "http://REDACTED:REDACTED@pay.example/?AWSAccessKeyId=REDACTED", "lang": "de"}
    # the callee is known all the same
    assert c.sql("SELECT callee_service FROM edge_minute WHERE caller_service = 'shop'") == [("pay.example",)]
    assert c.stop() == 0
    assert b"s3cret" not in open(c.db, "rb").read() and "s3cret" not in c.said()


def write(c, text):
    with open(c.config, "w") as out:
        out.write(text)


def scene_a_reload_takes_over_what_it_can(c):
    c.config = os.path.join(c.folder, "faultline.yml")
    write(c, "redact:\n  keys: [colour]\nlog.level: info\n")
    c.start()

    def send(n):
        trace = "%032x" % n
        spans = [otlp_span(trace, "%016x" % (n * 16 + 1), "", "edge", ms=50, colour="red", shape="round", component="proxy"),
                 otlp_span(trace, "%016x" % (n * 16 + 2), "%016x" % (n * 16 + 1), "edge", kind=3, ms=40, component="proxy"),
                 otlp_span(trace, "%016x" % (n * 16 + 3), "%016x" % (n * 16 + 2), "shop", ms=30)]
        assert c.post_otlp(otlp_body(spans), True)[0] == 200
        c.flush()
        return trace

    first = send(1)
    assert attributes(c, first) == {"colour": "REDACTED", "shape": "round", "component": "proxy"}
    write(c, "redact: {keys: [shape]}\nstitch.gateways: [edge]\n")
    assert c.request(c.web, "POST", "/-/reload")[0] == 200
    second = send(2)
    assert attributes(c, second) == {"colour": "red", "shape": "REDACTED", "component": "proxy"}
    roles = "SELECT DISTINCT role FROM span WHERE trace_id = ? AND service = 'edge'"
    assert c.sql(roles, first) == [("sidecar",)] and c.sql(roles, second) == [("gateway",)]
    # a mistake changes nothing, and says which and where
    write(c, "redact: {keys: [colour]}\nstitch.gatewais: [edge]\nstore.retention: 5\n")
    status, text, _ = c.request(c.web, "POST", "/-/reload")
    assert status == 400 and b"faultline.yml:2" in text and b"stitch.gateways" in text and b"faultline.yml:3" in text, text
    assert attributes(c, send(3)) == {"colour": "red", "shape": "REDACTED", "component": "proxy"}
    assert c.counter("faultline_config_last_reload_successful") == 0
    write(c, "redact: {keys: []}\n")
    for _ in range(100):  # a storm of reloads
        status, text, _ = c.request(c.web, "POST", "/-/reload")
        assert status == 200, text
    assert attributes(c, send(4)) == {"colour": "red", "shape": "round", "component": "proxy"}
    assert c.counter("faultline_config_last_reload_successful") == 1
    # what only a start reads is named, however it is spelt; what is as it was is not
    write(c, "store: {retention: 90m, max_size: 10240MiB}\nweb.sql: false\nlog.level: info\n")
    assert c.request(c.web, "POST", "/-/reload")[0] == 200
    assert [line for line in c.said().splitlines() if "needs_restart" in line][-1].endswith("settings=store.retention,web.sql")


def scene_mistakes_of_a_reload_are_lines_of_the_log(c):
    c.config = os.path.join(c.folder, "faultline.yml")
    write(c, "log.format: json\n")
    c.start()
    write(c, "log.format: json\nstore.retention: 5\nstitch.gatewais: [ü]\n")
    c.process.send_signal(signal.SIGHUP)
    lines = wait_for(lambda: c.said().count('"mistake"') == 2 and [json.loads(line) for line in c.said().splitlines()])
    said = [line["text"] for line in lines if line["event"] == "mistake"]
    assert "faultline.yml:2: store.retention" in said[0] and "faultline.yml:3" in said[1] and "stitch.gateways" in said[1], said


def scene_documents_tell_what_the_program_does(c):
    """The README's table of settings is the code's; check-config prints it all; each command is helped."""
    table = subprocess.run([c.program, "help", "settings"], stdout=subprocess.PIPE, check=True, text=True).stdout
    readme = open(README).read()
    found = re.search(r"<!-- settings: made by `faultline help settings` -->\n(.*?)<!-- end of settings -->", readme, re.S)
    assert found and found.group(1) == table, "README's settings differ from `faultline help settings`"
    for name in re.findall(r"^  faultline ([a-z-]+)\s", subprocess.run([c.program, "help"], stdout=subprocess.PIPE, check=True, text=True).stdout, re.M):
        subprocess.run([c.program, "help", name], stdout=subprocess.DEVNULL, check=True)
        assert subprocess.run([c.program, name, "--help"], stdout=subprocess.PIPE, check=True, text=True).stdout.startswith("faultline " + name)
    asked = subprocess.run([c.program, "check-config", "--set", "store.path=x.db"], stdout=subprocess.PIPE, check=True, text=True).stdout
    assert len(asked.splitlines()) == len(table.splitlines()) - 2 and "store.path = x.db  # flag" in asked


# As the public contract writes them.
DEFAULTS = """
listen.host = 127.0.0.1 | receive.otlp_grpc.listen = 4317 | receive.otlp_http.listen = 4318 | receive.otlp_http.cors_origins = []
receive.zipkin.listen = 9411 | receive.max_body = 16MiB | receive.max_decoded = 20MiB | receive.max_grpc_message = 4MiB
receive.max_spans = 50000 | receive.max_connections = 1024 | receive.max_in_flight = 64MiB | receive.kafka.brokers = '' | receive.kafka.group = faultline
receive.kafka.instance = '' | receive.kafka.topics = [] | receive.kafka.options = {} | store.path = faultline.db | store.durability = power
store.commit_interval = 1s | store.group_max = 16MiB | store.inbox_max = 4GiB | store.retention = 72h | store.max_size = 10GiB
store.minute_retention = 30d | store.min_free = 256MiB | store.keep = all | store.spans = rows | store.cache = 64MiB | stitch.trace_idle = 6s
stitch.trace_max_age = 30s | stitch.memory = 256MiB | stitch.max_spans_per_trace = 100000 | stitch.reopen_window = 24h | stitch.reopen_memory = 64MiB
stitch.gateways = [] | stitch.sidecars = [] | stitch.zones = {} | stitch.alias = {}
stitch.inside = [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7] | security.allow_plaintext = [] | limit.attributes = 128
limit.attribute_bytes = 4096 | limit.name_bytes = 1024 | limit.events = 128 | limit.links = 128 | limit.services = 5000 | limit.operations = 500
limit.edges = 20000 | localise.enabled = true | localise.window = 10s | localise.baseline = 30m | localise.min_requests = 30
localise.close_after = 5m | export.prometheus.expire = 1h | export.prometheus.max_series = 50000 | export.prometheus.ingested = false
web.listen = 4319 | web.extra_listen = [] | web.hosts = [localhost, 127.0.0.1, '::1'] | web.sql = true | web.sql_timeout = 2s | web.sql_rows = 10000
web.log_link = '' | auth.tokens_file = '' | tls.cert_file = '' | tls.key_file = '' | tls.client_ca_file = ''
redact.keys = [authorization, cookie, set-cookie, passw, secret, token, api_key, private_key, session] | log.level = info | log.format = logfmt
"""


def check_config(c, *args, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FAULTLINE_")}
    p = subprocess.run([c.program, "check-config", *args], capture_output=True, text=True, env={**clean, **environment}, cwd=c.folder)
    return p.returncode, p.stdout.splitlines(), p.stderr.splitlines()


def scene_every_setting_has_its_default_and_says_where_it_is_from(c):
    code, said, _ = check_config(c)
    assert code == 0 and said == sorted(said)
    wanted = {line.strip() + "  # default" for line in DEFAULTS.replace("\n", " | ").split(" | ") if line.strip()}
    assert wanted <= set(said), wanted - set(said)
    with open(os.path.join(c.folder, "f.yml"), "w") as out:
        out.write("store: {path: a.db}\nstitch.trace_idle: 3s\nstitch:\n  zones:\n    z1: [10.0.0.0/8, 10.1.0.0/16]\n"
                  "security.allow_plaintext: ['* -> legacy/ftp']\nstore.max_size: 10GB\n")
    with open(os.path.join(c.folder, "secret"), "w") as out:
        out.write("https://logs\n")
    code, said, _ = check_config(c, "--set", "web.sql=false", FAULTLINE_CONFIG="f.yml", FAULTLINE_WEB_SQL="true", FAULTLINE_WEB_HOSTS="a, b",
                                 FAULTLINE_STITCH_TRACE_IDLE="4s", FAULTLINE_WEB_LOG_LINK_FILE="secret")
    changed = [line for line in said if not line.endswith("# default")]
    # what Kubernetes tells of services that are named faultline and faultline-web is no setting
    assert check_config(c, FAULTLINE_SERVICE_HOST="10.0.0.1", FAULTLINE_SERVICE_PORT_WEB="4319", FAULTLINE_PORT="tcp://10.0.0.1:4318",
                        FAULTLINE_PORT_4318_TCP_ADDR="10.0.0.1", FAULTLINE_WEB_PORT="tcp://10.0.0.1:4319")[0] == 0
    unknown = check_config(c, FAULTLINE_STORE_TCP="1", FAULTLINE_PORT="4318", FAULTLINE_PORT_X="1")[2]
    assert [line.split(";")[0] for line in unknown] == ["environment FAULTLINE_%s: unknown setting" % name for name in ("STORE_TCP", "PORT", "PORT_X")], unknown
    code, said, _ = check_config(c, FAULTLINE_CONFIG="")
    assert code == 0 and all(line.endswith("# default") for line in said), said
    for command in ("check-config", "version", "help"):
        with open("/dev/full", "w") as full:
            p = subprocess.run([c.program, command], stdout=full, stderr=subprocess.PIPE, text=True, cwd=c.folder)
        assert p.returncode == 3 and "could not be written: No space left" in p.stderr, (command, p)
    assert code == 0 and changed == [
        "security.allow_plaintext = ['* -> legacy/ftp']  # f.yml:6", "stitch.trace_idle = 4s  # environment",
        "stitch.zones = {z1=10.0.0.0/8, z1=10.1.0.0/16}  # f.yml:4", "store.max_size = 10GB  # f.yml:7", "store.path = a.db  # f.yml:1",
        "web.hosts = [a, b]  # environment", "web.log_link = https://logs  # environment", "web.sql = false  # flag"], changed


def scene_a_list_is_read_as_it_is_printed(c):
    for shown in ("stitch.gateways = [a, x/b, 'c,d']", "stitch.gateways = []", "web.hosts = ['[::1]', '::1']", "stitch.zones = {z1=10.0.0.0/8, z2=10.1.0.0/16}",
                  "security.allow_plaintext = ['* -> legacy/ftp', a -> b]"):
        assert shown + "  # flag" in check_config(c, "--set", shown.replace(" = ", "=", 1))[1], shown
    for bare in ("[::1]", "[::1],[::2]"):  # addresses are no brackets around a list
        assert "web.hosts = [%s]  # flag" % ", ".join("'%s'" % one for one in bare.split(",")) in check_config(c, "--set", "web.hosts=" + bare)[1], bare


def scene_all_mistakes_are_told_at_once(c):
    with open(os.path.join(c.folder, "f.yml"), "w") as out:
        out.write("store: {path: a.db}\nstore.path: b.db\nstitch.trace_idel: 1s\nlimit.events: -1\nstitch.inside: [x]\nstore.retention: 5\n")
    code, said, mistakes = check_config(c, "--config", "f.yml", "--set", "log.level=loud", "--set", "stitch.trace_idle=99ms", FAULTLINE_FOO="1")
    assert code == 2 and not said and len(mistakes) == 8, mistakes
    with open(os.path.join(c.folder, "keys.yml"), "w") as out:
        out.write("store.retention: 5\nauth.tokens_file: none\ntls.cert_file: a.pem\ntls.key_file: b.pem\n")
    for command in ("check-config", "serve"):
        p = subprocess.run([c.program, command, "--config", "keys.yml"], capture_output=True, text=True, cwd=c.folder)
        assert p.returncode == 2 and [line.split(": ")[:2] for line in p.stderr.splitlines()] == [
            ["keys.yml:1", "store.retention"], ["keys.yml:2", "auth.tokens_file"], ["keys.yml:4", "tls.key_file"]], p
    twice = check_config(c, FAULTLINE_STORE_PATHH="x", FAULTLINE_STORE_PATH="a", FAULTLINE_STORE_PATH_FILE="f.yml")[2]
    assert sorted(line.split(": ", 1)[1] for line in twice) == ["store.path: is set twice, by itself and by a file", "unknown setting; did you mean FAULTLINE_STORE_PATH?"], twice
    for line, start in zip(mistakes, ("f.yml:2: store.path: is set twice", "f.yml:3: stitch.trace_idel: unknown setting; did you mean stitch.trace_idle?",
                                      "f.yml:4: limit.events: '-1'", "f.yml:5: stitch.inside: 'x' is no network", "f.yml:6: store.retention: '5' is no duration",
                                      "environment FAULTLINE_FOO: unknown", "--set: log.level: 'loud' is not one of",
                                      "--set: stitch.trace_idle: '99ms' is out of bounds (100ms to 10m)")):
        assert line.startswith(start), (line, start)
    for bad in ("store.path=", "store.keep=0%", "store.keep=100%", "store.spans=blocks", "store.commit_interval=61s", "receive.kafka.topics=a=thrift",
                "receive.kafka.options=a", "stitch.gateways=a/b/c/d", "stitch.sidecars=[a, b/c/d/e]", "stitch.zones=a=b", "stitch.alias=a", "security.allow_plaintext=a", "web.extra_listen=x",
                "receive.zipkin.listen=70000", "receive.otlp_http.cors_origins=x", "receive.otlp_http.cors_origins=https://a.example/", "receive.otlp_http.cors_origins=a.example:443", "web.log_link=javascript:alert(1)", "web.sql=maybe", "store.cache=64", "receive.max_body=1.5MiB", "nope"):
        code, _, mistakes = check_config(c, "--set", bad)
        assert code == 2 and len(mistakes) == 1, (bad, mistakes)
    assert "did you mean" not in mistakes[0], mistakes  # nothing is like it
    assert check_config(c, "--config", "none.yml")[0] == 2
    with open(os.path.join(c.folder, "f.yml"), "w") as out:
        out.write("store.path: [a, b]\nlimit.attributes: [5]\nlog.level: [debug]\nstore.cache: ~\nstitch.zones:\n  a: null\nstitch.inside: [~]\nredact.keys: ['null']\nweb: ~\n")
    assert [re.match(r"f\.yml:(\d): (\S+): (\S+) ", line).groups() for line in check_config(c, "--config", "f.yml")[2]] == [
        ("1", "store.path", "takes"), ("2", "limit.attributes", "takes"), ("3", "log.level", "takes"), ("4", "store.cache", "null"), ("6", "stitch.zones", "null"), ("7", "stitch.inside", "null")]


def scene_57_settings_files_that_mean_harm(c):
    bomb = "a: &a [x, x]\n" + "".join("%s: &%s [*%s, *%s]\n" % (n, n, p, p) for p, n in zip("abcdefgh", "bcdefghi")) + "web.hosts: *i\n"
    for text, said in ((bomb, ":2: aliases are not taken"), ("store:\n\tpath: x\n", ":2: "), ("store.path: a\nstore.path: b\n", "is set twice"),
                       ("store: {path: a\n", ":2"), ("- a\n- b\n", ":1"), ("store: " * 40 + "1\n", ":1"), ("web: " + "{a: " * 30 + "1" + "}" * 30 + "\n", ":1"),
                       ("x" * 500 + ": 1\n", "too long"), ("log.level: [info, [warn]]\n", ":1"), ('store.path: "x/a\\0b"\n', ":1: a text with a null byte"), ("\x00\n", ":")):
        with open(os.path.join(c.folder, "f.yml"), "w") as out:
            out.write(text)
        code, said_all, mistakes = check_config(c, "--config", "f.yml")
        assert code == 2 and not said_all and mistakes and any(said in line for line in mistakes), (text[:60], mistakes)
    with open(os.path.join(c.folder, "f.yml"), "w") as out:
        out.write("store:\n  # path: x\nreceive:\n  kafka:\nlog:\n  level: warn\n")  # sections whose lines are comments
    code, said_all, mistakes = check_config(c, "--config", "f.yml")
    assert code == 0 and not mistakes and "log.level = warn  # f.yml:6" in "\n".join(said_all), (mistakes, said_all)
