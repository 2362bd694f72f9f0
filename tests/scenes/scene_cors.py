"""Browser SDKs: a real browser sends spans from a page of another origin, by fetch and by sendBeacon; only where its origin is named exactly."""
import http.server
import json
import os
import subprocess
import threading

import lib
from browse import chromium
from lib import otlp_body, otlp_span, wait_for

PAGE = """<!doctype html><title>page</title><script>
const said = {}, body = %s, url = %s;
const send = async (what, headers, more) => {
  try { const r = await fetch(url, { method: 'POST', headers, body, ...more }); said[what] = r.status + ' ' + (r.headers.get('retry-after') ?? ''); }
  catch (e) { said[what] = 'refused by the browser'; }
};
(async () => {
  await send('plain', { 'Content-Type': 'application/json' });
  await send('token', { 'Content-Type': 'application/json', Authorization: 'Bearer x', 'X-Tenant': 'shop' });
  await send('credentials', { 'Content-Type': 'application/json' }, { credentials: 'include', keepalive: true });
  await send('broken', { 'Content-Type': 'text/plain' });
  said.beacon = navigator.sendBeacon(url, new Blob([body], { type: 'application/json' }));
  await fetch('/said', { method: 'POST', body: JSON.stringify(said) });
})();
</script>"""


class Site(http.server.ThreadingHTTPServer):
    """A page on an origin of its own, and what the page says back."""

    def __init__(self, page):
        self.page, self.said = page.encode(), []
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(http.server.BaseHTTPRequestHandler):
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(self.server.page)

    def do_POST(self):
        self.server.said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(b"")

    def log_message(self, *args):
        pass


def visit(c, port):
    p = subprocess.run([chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + os.path.join(c.folder, "browser"), "--virtual-time-budget=20000",
                        "--dump-dom", "http://localhost:%d/" % port], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=90)
    assert p.returncode == 0, p.stderr[-2000:]


def scene_a_browser_sends_where_its_origin_is_named(c):
    site = Site("")
    try:
        c.start(receive__otlp_http__cors_origins="http://localhost:%d" % site.server_port)
        body = otlp_body([otlp_span("5eed" + "0" * 27 + "1", "%016x" % 1, service="page")]).decode()
        site.page = (PAGE % (json.dumps(body), json.dumps("http://%s/v1/traces" % c.otlp))).encode()
        visit(c, site.server_port)
        said = wait_for(lambda: site.said, what="what the page saw")[0]
        assert said == {"plain": "200 ", "token": "200 ", "credentials": "200 ", "broken": "415 ", "beacon": True}, said
        wait_for(lambda: c.counter("faultline_ingest_requests_total", transport="http", code="200") == 4, what="the beacon too")
        c.stop()
        c.start(receive__otlp_http__cors_origins="http://localhost:1,http://127.0.0.1:%d" % site.server_port)  # not this one
        site.said.clear()
        site.page = (PAGE % (json.dumps(body), json.dumps("http://%s/v1/traces" % c.otlp))).encode()
        visit(c, site.server_port)
        said = wait_for(lambda: site.said, what="what the page saw")[0]
        assert {v for k, v in said.items() if k != "beacon"} == {"refused by the browser"}, said
        assert c.counter("faultline_ingest_requests_total", code="200") == 0
        told = [item["reason"] for item in c.api("tail")["items"]]
        assert any("http://localhost:%d: a page of this origin may not send" % site.server_port in t and "cors_origins" in t for t in told), told
    finally:
        site.shutdown()
        site.server_close()


def scene_preflights_to_the_letter(c):
    c.start(receive__otlp_http__cors_origins="https://shop.example")
    ask = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}

    def preflight(path="/v1/traces", **more):
        status, body, answer = c.request(c.otlp, "OPTIONS", path, None, {**ask, **{k.replace("_", "-"): v for k, v in more.items()}})
        return status, body, {k[len("access-control-"):]: v for k, v in answer.items() if k.startswith("access-control-")}
    status, body, said = preflight(Access_Control_Request_Headers="x-tenant,content-type", Access_Control_Request_Private_Network="true")
    assert (status, body, said["allow-origin"], said["allow-methods"], said["allow-credentials"]) == (204, b"", "https://shop.example", "POST", "true"), said
    assert "x-tenant" in said["allow-headers"] and said["allow-private-network"] == "true" and int(said["max-age"]) > 0, said
    for odd in ("x" * 2000, "a;b", "a\tb"):  # never into our answer
        assert odd not in preflight(Access_Control_Request_Headers=odd)[2]["allow-headers"]
    for path in ("/v1/metrics", "/v1/logs", "/v1/traces/"):
        assert preflight(path)[0] == 204
    assert preflight("/v1/nothing")[0] == 404 and preflight("/")[0] == 404
    for origin in ("https://SHOP.example", "https://shop.example:443", "http://shop.example", "https://shop.example/", "null", "*"):
        status, body, said = preflight(Origin=origin)
        assert status == 403 and not said and b"cors_origins" in body, (origin, status, body, said)
    status, _, answer = c.request(c.otlp, "OPTIONS", "/v1/traces", None, {})  # no browser
    assert status == 405 and answer["allow"] == "POST" and "access-control-allow-origin" not in answer, (status, answer)
    status, _, answer = c.request(c.otlp, "POST", "/v1/traces", b"{}", {"Content-Type": "application/json", "Origin": "https://other.example"})
    assert status == 200 and not any(k.startswith("access-control") for k in answer), answer


def scene_a_page_sees_every_refusal(c):
    """Also those of the HTTP server itself: without the headers the browser hides them, and the page sees a network that failed."""
    c.start(receive__otlp_http__cors_origins="https://shop.example", receive__max_body="1KiB")
    big, chunks = b" " * 2000, (b" " * 600 for _ in range(4))
    page = {"Origin": "https://shop.example", "Content-Type": "application/json"}
    for status, body, more in ((413, big, {}), (413, chunks, {}), (417, b"{}", {"Expect": "x"}), (400, b"{", {}),
                               (415, b"{}", {"Content-Type": "text/html"})):
        got, _, answer = c.request(c.otlp, "POST", "/v1/traces", body, {**page, **more})
        assert (got, answer.get("access-control-allow-origin"), answer.get("vary")) == (status, "https://shop.example", "Origin"), (got, answer)
    got, _, answer = c.request(c.otlp, "POST", "/v1/traces", big, {**page, "Origin": "https://other.example"})
    assert got == 413 and not any(k.startswith("access-control") for k in answer), answer
