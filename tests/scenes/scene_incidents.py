"""Incidents: opened, explained, kept over a restart, closed; none in quiet traffic. Traffic of known times, steps looked at by flush."""
import json
import os
import random
import sqlite3
import sys
import time

from lib import otlp_body, otlp_span, wait_for
from scene_openapi import check

PAST = 8 * 60  # seconds of quiet past


class Shop:
    """front → cart → redis, ten requests a second; `bad` fails or slows cart."""

    def __init__(self, seed):
        self.random, self.ids = random.Random(seed), []

    def new_id(self, digits=16):
        return "%0*x" % (digits, self.random.getrandbits(4 * digits - 1) + 1)

    def request(self, at, bad):
        trace, front, call, cart = self.new_id(32), self.new_id(), self.new_id(), self.new_id()
        own = self.random.lognormvariate(1.5, 0.3) * (20 if bad == "slow" else 1)
        failed = bad == "fail" and self.random.random() < 0.6
        status = 2 if failed else 0
        self.ids.append(trace)
        return [otlp_span(trace, front, "", "front", "GET /cart", 2, at, own + 3, status),
                otlp_span(trace, call, front, "front", "call cart", 3, at + 1, own + 1.5, status),
                otlp_span(trace, cart, call, "cart", "get", 2, at + 1.5, own, status),
                otlp_span(trace, self.new_id(), cart, "cart", "GET", 3, at + 2, 0.5, 0, db__system="redis", server__address="redis")]

    def send(self, c, begin, end, bad="", rate=10):
        spans, at = [], begin
        while at < end:
            spans += self.request(at * 1000, bad)
            at += 1 / rate
            if len(spans) > 4000 or at >= end:
                assert c.post_otlp(otlp_body(spans), True)[0] == 200
                spans = []


def begun(c, seed=1, **sets):
    c.start(**{"localise__close_after": "1s", **sets})
    shop, now = Shop(seed), time.time()
    shop.send(c, now - PAST, now - 20)
    c.flush()
    return shop, now


def scene_a_fault_opens_an_incident_that_names_it(c):
    for bad, symptom in (("fail", "errors"), ("slow", "latency")):
        if c.process:
            c.close()
            c.__init__(c.build)
        shop, now = begun(c)
        assert c.api("incidents") == {"items": [], "next": None}
        shop.send(c, now - 20, time.time(), bad)
        c.flush()
        item = wait_for(lambda: c.api("incidents?state=open")["items"], 15, "an incident for " + bad)[0]
        whole, doc = c.api("incidents/" + item["id"]), json.loads(c.get("/api/v1/openapi.json")[1])
        for path, value in (("/api/v1/incidents", c.api("incidents")), ("/api/v1/incidents/{id}", whole)):
            check(value, doc["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"], doc, path)
        first = whole["suspects"][0]
        assert whole["symptom"] == symptom and whole["entry"]["operation"] == "GET /cart", whole
        assert first["node"]["service"] == "cart" and first["significant"] and len(first["examples"]) == 3 and first["contrast"], first
        assert whole["affected_calls"] >= 60 and whole["timeline"] and "cart" in whole["summary"], whole
        row = c.sql("SELECT id, state, onset_ns, closed_ns, entry_service, symptom FROM incident")[0]
        assert row[:2] == (1, "open") and row[3:] == (None, "front", symptom) and abs(row[2] / 1e9 - (now - 20)) <= 11, (row, now - 20)
        assert c.sql("SELECT service, json_array_length(example_trace_ids) FROM suspect WHERE rank = 1") == [("cart", 3)]
        assert c.sql("SELECT count(*) FROM evidence WHERE rank = 1 AND text LIKE '%cart%' OR text <> ''")[0][0] > 0
        assert c.counter("faultline_incident_active", incident="1", entry_service="front", symptom=symptom) == 1
        assert c.counter("faultline_suspect_score", rank="1", service="cart") > 0.02 and c.counter("faultline_incidents_total") == 1
    for path, status in (("incidents/9", 404), ("incidents/x", 404), ("incidents?state=new", 400), ("incidents?limit=0", 400)):
        assert c.get("/api/v1/" + path)[0] == status, path


def scene_an_incident_outlives_a_kill_and_closes(c):
    shop, now = begun(c, 2)
    shop.send(c, now - 20, time.time(), "fail")
    c.flush()
    wait_for(lambda: c.api("incidents?state=open")["items"], 15, "an incident")
    c.kill()
    c.start()
    assert [i["id"] for i in c.api("incidents?state=open")["items"]] == ["1"]
    assert c.counter("faultline_incident_active", incident="1") == 1
    begin, end = time.time(), time.time() + 75

    def closed():
        nonlocal begin
        shop.send(c, begin, time.time())
        begin = time.time()
        c.flush()
        time.sleep(1)
        return c.api("incidents?state=closed")["items"]
    item = wait_for(closed, end - time.time(), "the end")[0]
    assert item["closed"] and c.counter("faultline_incident_active") == 0
    assert len(c.api("incidents")["items"]) == 1


def scene_quiet_traffic_opens_nothing(c):
    shop, now = begun(c, 3)
    for _ in range(4):
        shop.send(c, now - 20, time.time(), rate=30)
        now = time.time() + 20
        c.flush()
    assert c.api("incidents") == {"items": [], "next": None}


def scene_traces_of_an_incident_are_pinned(c):
    shop, now = begun(c, 4)
    shop.send(c, now - 20, time.time(), "fail")
    c.flush()
    item = wait_for(lambda: c.api("incidents")["items"], 15, "an incident")[0]
    named = {t for s in item["suspects"] for t in s["examples"] + [s["contrast"]] if t}
    pinned = "SELECT lower(hex(t.id)) FROM pinned_trace p JOIN trace_row t USING (trace_no)"
    assert named and named == {t for t, in c.sql(pinned)}
    c.stop()
    db = sqlite3.connect(c.db)  # the oldest traces are named by it too, and all are too old
    db.execute("INSERT INTO pinned_trace SELECT trace_no, 1 FROM trace_row ORDER BY trace_no LIMIT 3")
    db.execute("UPDATE trace_row SET stored_s = stored_s - 600")
    db.commit()
    db.close()
    kept = {t for t, in c.sql(pinned)}
    n = c.sql("SELECT count(*) FROM trace")[0][0]
    c.start(store__retention="1m")
    wait_for(lambda: c.sql("SELECT count(*) FROM trace")[0][0] < 0.85 * n, 30, "retention")
    assert kept <= {t for t, in c.sql("SELECT trace_id FROM trace")} and c.sql("SELECT min(trace_no), max(trace_no) FROM trace_row "
                                                                              "WHERE trace_no < 10") == [(1, 3)]
    for t in kept:
        assert len(c.api("traces/" + t)["spans"]) == 4, t
