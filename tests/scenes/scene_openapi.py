"""The OpenAPI file is served and true: it names every route of the API, and real answers have exactly the shape it says."""
import json
import os
import re
import sys

import lib

sys.path.insert(0, os.path.join(lib.HERE, "..", "ui"))
import shop  # noqa: E402

TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


def check(value, schema, doc, where):
    """The part of JSON Schema that openapi.json uses; a word it does not know is an error."""
    if "$ref" in schema:
        schema = doc["components"][schema["$ref"].split("/")[2]][schema["$ref"].split("/")[3]]
    known = {"type", "nullable", "required", "properties", "additionalProperties", "items", "enum", "format", "description", "minimum", "maximum"}
    assert set(schema) <= known, (where, set(schema) - known)
    if value is None:
        assert schema.get("nullable"), "%s is null" % where
        return
    kind = schema["type"]
    if kind == "number":
        assert isinstance(value, (int, float)) and not isinstance(value, bool), (where, value)
    else:
        assert isinstance(value, TYPES[kind]) and not (kind == "integer" and isinstance(value, bool)), (where, kind, value)
    if "enum" in schema:
        assert value in schema["enum"], (where, value)
    if schema.get("format") == "date-time":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", value), (where, value)
    if kind == "array" and "items" in schema:
        for i, item in enumerate(value):
            check(item, schema["items"], doc, "%s[%d]" % (where, i))
    if kind == "object":
        properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        missing = set(schema.get("required", ())) - set(value)
        assert not missing, "%s lacks %s" % (where, missing)
        for k, v in value.items():
            if k in properties:
                check(v, properties[k], doc, where + "." + k)
            else:
                assert more is not False, "%s has %s" % (where, k)
                if isinstance(more, dict):
                    check(v, more, doc, where + "." + k)


def check_words(schema, where):
    """What readers of OpenAPI 3.0 stumble over, wherever it stands."""
    if isinstance(schema, dict):
        assert schema.get("type") != "array" or "items" in schema, where
        assert "$ref" not in schema or "nullable" not in schema, where  # beside a reference nothing counts
    for key, one in schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ():
        check_words(one, where + [key])


def routes_of_the_server():
    text = open(os.path.join(lib.HERE, "..", "..", "web", "server.c")).read()
    return {(m, p) for m, p in re.findall(r'\{"(GET|POST)", "(/api/v1/[^"]+)"', text)}


def scene_openapi_is_served_and_true(c):
    import time
    c.start()
    maker, now = shop.Maker(1), time.time()
    shop.window(maker, now, n=150)
    failed = shop.basket(maker, now - 39, 1.0, True).id
    for body in maker.bodies():
        assert c.post_otlp(body, True)[0] == 200
    c.flush()
    status, text, headers = c.get("/api/v1/openapi.json")
    assert status == 200 and headers["content-type"] == "application/json"
    doc = json.loads(text)
    check_words(doc, [])
    described = {(m.upper(), p) for p, ms in doc["paths"].items() for m in ms}
    for method, path in routes_of_the_server():
        rest = path.endswith("/")
        assert any(m == method and (p.startswith(path) if rest else p == path) for m, p in described), "%s %s is not described" % (method, path)
    for method, path in described:
        exact, served = (method, path), routes_of_the_server()
        assert exact in served or any(m == method and p.endswith("/") and path.startswith(p) for m, p in served), "%s %s is not served" % exact
    span = c.sql("SELECT span_id FROM span WHERE trace_id = ? AND fault = 'origin' AND role = 'workload' LIMIT 1", failed)[0][0]
    queries = {"/api/v1/search": ["q=cart", "q=cart+redis", "q=GET"], "/api/v1/search/traces": ["q=status=error", "order=slow&limit=3", "order=failed"],
               "/api/v1/search/overview": ["", "q=service=cart+cart:version=v9", "sel=%d,%d,1,100" % (now - 1800, now)],
               "/api/v1/search/different": ["", "q=status=ok", "sel=%d,%d,1,100,failed" % (now - 900, now)], "/api/v1/graph": ["", "level=version", "fold=all&versions=show", "base=60m..30m&focus=cart&hops=2", "most=3"],
               "/api/v1/now": ["", "base=60m..30m"], "/api/v1/edge": ["caller=frontend&callee=cart", "caller=cart&callee=redis"],
               "/api/v1/compare": ["service=cart", "service=eu-1/shop/cart&baseline=v1&candidate=v9"],
               "/api/v1/search/sql": ["q=service=cart+took>2ms+http.route=/cart+flag=none+redis"]}
    n = 0
    for path, methods in doc["paths"].items():
        if "get" not in methods or any(skip in path for skip in ("{id}/spans", "/export", "/backup", "incidents/{id}")):
            continue
        good = methods["get"]["responses"]["200"]["content"]
        for query in queries.get(path, [""]):
            real = path.replace("{id}", failed).replace("{span}", span).replace("{cluster}/{namespace}/{service}", "eu-1/shop/cart")
            if "{" in real:
                continue
            status, text, headers = c.get(real + ("?" + query if query else ""))
            assert status == 200, (path, query, status, text)
            kind = headers["content-type"].split(";")[0]
            assert kind in good, (path, kind)
            assert kind != "application/json" or headers["etag"] and headers["cache-control"] == "no-store"
            if kind == "application/json":
                check(json.loads(text), good[kind]["schema"], doc, path)
            n += 1
    detail = doc["paths"]["/api/v1/traces/{id}/spans/{span}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    check(c.api("traces/%s/spans/%s" % (failed, span)), detail, doc, "span")
    assert n >= 15, n
    for bad in ("search/traces?limit=0", "search/overview?q=took>2", "search/traces?order=up", "search/different?sel=1,2", "traces/%s/spans/zz" % failed, "search/traces?cursor=x"):
        status, text, _ = c.get("/api/v1/" + bad)
        assert status == 400, (bad, status)
        check(json.loads(text), doc["components"]["schemas"]["Error"], doc, bad)
    assert c.get("/api/v1/service/eu-1/shop/nobody")[0] == 404 and "404" in doc["paths"]["/api/v1/service/{cluster}/{namespace}/{service}"]["get"]["responses"]
    assert c.get("/api/v1/traces/%s/spans/1" % failed)[0] == 404 and c.get("/api/v1/traces/%s/other" % failed)[0] == 404


def scene_csv_cells_do_not_run_in_spreadsheets(c):
    from lib import otlp_body, otlp_span
    import time
    now = time.time() * 1000
    c.start()
    c.post_otlp(otlp_body([otlp_span("%032x" % (i + 1), "%016x" % (i + 1), "", "=cmd()", name, 2, now - 5000, 5)
                           for i, name in enumerate(["=1+1", "+1", "-1", "@x", 'a "b", c', "plain"])]), True)
    c.flush()
    status, text, headers = c.get("/api/v1/search/traces.csv")
    assert status == 200 and headers["content-type"].startswith("text/csv") and "attachment" in headers["content-disposition"]
    import csv
    import io
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    assert len(rows) == 6 and all(r["entry_service"] == "'=cmd()" for r in rows)
    assert sorted(r["entry_operation"] for r in rows) == sorted(["'=1+1", "'+1", "'-1", "'@x", 'a "b", c', "plain"])
