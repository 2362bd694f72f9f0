"""What settings do while the program runs: secrets that are not stored, reloads that take over, and documents that tell the same."""
import json
import os
import re
import subprocess

from lib import otlp_body, otlp_span

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "README.md")


def attributes(c, trace):
    return json.loads(c.sql("SELECT attributes FROM span WHERE trace_id = ?", trace)[0][0])


def scene_secrets_are_not_stored(c):
    c.start()
    trace = "0af7651916cd43dd8448eb211c80319c"
    _, span = otlp_span(trace, "00000000000000a1", service="shop", http__request__header__Authorization="Bearer s3cret-1", DB_PASSWD="s3cret-2",
                        plain="kept", session_id="s3cret-3", url__query="a=1&token=s3cret-9&sig=s3cret-8",
                        url__full="https://ann:s3cret-4@shop.example/cart?x=1&sig=s3cret-5&X-Goog-Signature=s3cret-6&api-key=s3cret-7&y=2#z")
    span["events"] = [{"timeUnixNano": "1700000000000000000", "name": "login",
                       "attributes": [{"key": "user.token", "value": {"stringValue": "s3cret-10"}}, {"key": "user.name", "value": {"stringValue": "ann"}}]}]
    body = json.loads(otlp_body([("shop", span)]))
    body["resourceSpans"][0]["resource"]["attributes"].append({"key": "cloud.private_key", "value": {"arrayValue": {"values": [{"stringValue": "s3cret-11"}]}}})
    assert c.post_otlp(json.dumps(body).encode(), True)[0] == 200
    zipkin = [{"traceId": "1af7651916cd43dd8448eb211c80319c", "id": "00000000000000b1", "kind": "CLIENT", "name": "get", "localEndpoint": {"serviceName": "shop"},
               "tags": {"Set-Cookie": "s3cret-12", "http.url": "http://s3cret-13@pay.example/?AWSAccessKeyId=s3cret-14", "lang": "de"}}]
    assert c.post_zipkin(json.dumps(zipkin).encode())[0] == 202
    c.flush()
    found = attributes(c, trace)
    assert found["plain"] == "kept" and found["http.request.header.Authorization"] == found["DB_PASSWD"] == found["session_id"] == "REDACTED"
    assert found["url.full"] == "https://REDACTED:REDACTED@shop.example/cart?x=1&sig=REDACTED&X-Goog-Signature=REDACTED&api-key=REDACTED&y=2#z"
    assert found["url.query"] == "a=1&token=REDACTED&sig=REDACTED"
    events = json.loads(c.sql("SELECT events FROM span WHERE trace_id = ?", trace)[0][0])
    assert events[0]["attributes"] == {"user.token": "REDACTED", "user.name": "ann"}
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
    for _ in range(40):  # a storm of reloads
        status, text, _ = c.request(c.web, "POST", "/-/reload")
        assert status == 200, text
    assert attributes(c, send(4)) == {"colour": "red", "shape": "round", "component": "proxy"}
    assert c.counter("faultline_config_last_reload_successful") == 1


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
