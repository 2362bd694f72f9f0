"""Kafka: a consumer group against librdkafka's mock cluster (tests/tools/kafka_mock.c), with kills, brokers that go and errors."""
import base64
import json
import os
import socket
import subprocess
import threading
import uuid

from lib import Skip, otlp_body, otlp_span, wait_for
from real import free_ports, installed

ZIPKIN = b'[{"traceId":"%032x","id":"%016x","name":"n","kind":"SERVER","timestamp":1790000000000000,"duration":5000,"localEndpoint":{"serviceName":"z"}}]'


class Cluster:
    """The mock cluster; or what speaks to the real one at `brokers`."""

    def __init__(self, c, *brokers):
        if os.path.basename(c.build) == "tsan":
            raise Skip("librdkafka makes its threads by thrd_create, which the thread sanitizer does not know")
        self.folder = c.folder
        self.process = subprocess.Popen([os.path.join(c.build, "tools", "kafka_mock"), *brokers], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.brokers = self.process.stdout.readline().decode().split()[1]
        self.n, self.lock = 0, threading.Lock()

    def ask(self, *words):
        with self.lock:
            return self.answer(words)

    def answer(self, words):
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.process.stdin.flush()
        return self.process.stdout.readline().decode().strip()

    def topic(self, name, partitions=1):
        assert self.ask("topic", name, partitions) == "NO_ERROR"

    def produce(self, topic, body, partition=0):
        path = os.path.join(self.folder, "message")
        with open(path, "wb") as out:
            out.write(body)
        said = self.ask("produce", topic, partition, path)
        assert said == "NO_ERROR", said

    def committed(self, topic, partition=0, group="faultline"):
        return int(self.ask("committed", group, topic, partition))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def start(c, cluster, topics, **more):
    """As a static member, so that who was killed need not be waited for."""
    more.setdefault("receive__kafka__instance", "one")
    c.start(receive__kafka__options="session.timeout.ms=6000,heartbeat.interval.ms=300", receive__kafka__brokers=cluster.brokers, receive__kafka__topics=topics, stitch__trace_idle="100ms", store__commit_interval="50ms", **more)


def body(*numbers):
    return otlp_body([otlp_span("%032x" % n, "%016x" % n, start=1_790_000_000_000) for n in numbers])


def received(c):
    """Records and duplicates by the ledger, and spans: what is not pending any more."""
    rows = c.sql("SELECT coalesce(sum(received), 0), coalesce(sum(duplicate), 0), coalesce(sum(pending), 0) FROM ingest_minute WHERE transport = 'kafka'")
    return rows[0][0], rows[0][1], c.sql("SELECT count(*) FROM span")[0][0]


def arrive(c, n, limit=40):
    wait_for(lambda: received(c)[0] >= n and received(c)[2] >= n, limit, "%d records, there are %s" % (n, received(c)))


def scene_every_format_and_its_guess(c):
    with Cluster(c) as cluster:
        for name in ("json", "zipkin", "any", "pb"):
            cluster.topic(name)
        start(c, cluster, "json=otlp_json,zipkin=zipkin_json,any=auto,^p.=otlp_pb")
        cluster.produce("json", body(1, 2))
        cluster.produce("json", body(3) + b"\n" + body(4) + b"\n")  # JSON lines
        cluster.produce("zipkin", ZIPKIN % (5, 5))
        cluster.produce("any", body(6))
        cluster.produce("any", ZIPKIN % (7, 7))
        cluster.ask("null", "any", 0)
        cluster.produce("any", body(8))
        arrive(c, 8)
        assert c.sql("SELECT format, sum(received) FROM ingest_minute GROUP BY 1 ORDER BY 1") == [("otlp_json", 6), ("zipkin_json", 2)]
        wait_for(lambda: (cluster.committed("any"), cluster.committed("json")) == (4, 2), 20, "commits to the broker")
        sender = [item["sender"] for item in c.api("tail")["items"] if item["transport"] == "kafka"]
        assert "any/0@3" in sender, sender
        assert c.counter("faultline_ingest_records_total", transport="kafka", outcome="accepted") == 8
        c.check_ledger()


def scene_messages_that_cannot_be_read_are_set_aside(c):
    with Cluster(c) as cluster:
        cluster.topic("spans")
        start(c, cluster, "spans=otlp_json", receive__max_body="100kB")
        cluster.produce("spans", body(1))
        cluster.produce("spans", b"{not JSON")
        cluster.produce("spans", body(2) + b" " * 200000)
        bad = json.loads(body(3, 4))
        bad["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] = "0" * 32
        cluster.produce("spans", json.dumps(bad).encode())  # a part of it is good
        arrive(c, 2)
        wait_for(lambda: c.counter("faultline_kafka_unreadable_total") == 2, 10, "two set aside")
        wait_for(lambda: cluster.committed("spans") == 4, 20, "all passed over")
        assert open(c.db + "-unreadable/spans-0-1", "rb").read() == b"{not JSON"
        assert sorted(os.listdir(c.db + "-unreadable")) == ["spans-0-1", "spans-0-2"]
        assert c.sql("SELECT sum(received), sum(rejected) FROM ingest_minute WHERE transport = 'kafka'") == [(3, 1)]
        reasons = " ".join(item["reason"] for item in c.api("tail")["items"])
        assert "receive.max_body" in reasons and "malformed" in reasons, reasons
        c.check_ledger()


def scene_kills_lose_and_double_nothing(c):
    """The broker is told of nothing here (its commits fail): the database alone says where to go on."""
    with Cluster(c) as cluster:
        cluster.topic("spans", 3)
        number = 0
        for round_no in range(3):
            start(c, cluster, "spans=otlp_json")
            for _ in range(20):
                number += 1
                cluster.produce("spans", body(*range(number * 10, number * 10 + 10)), number % 3)
            wait_for(lambda: received(c)[0] > round_no * 200, 40, "some of them")
            c.kill()
        start(c, cluster, "spans=otlp_json")
        arrive(c, number * 10)
        c.flush()
        assert received(c) == (number * 10, 0, number * 10)
        c.check_ledger()


def scene_a_restart_goes_on_where_it_was_although_the_broker_forgot(c):
    with Cluster(c) as cluster:
        cluster.topic("spans")
        start(c, cluster, "spans=otlp_json")
        cluster.produce("spans", body(1, 2, 3))
        arrive(c, 3)
        c.stop()
        cluster.produce("spans", body(4))
        start(c, cluster, "spans=otlp_json", receive__kafka__group="another")  # a group that never committed
        arrive(c, 4)
        c.flush()
        assert received(c) == (4, 0, 4)


def scene_brokers_that_go_and_come(c):
    with Cluster(c) as cluster:
        cluster.topic("spans", 2)
        start(c, cluster, "spans=otlp_json")
        cluster.produce("spans", body(1))
        arrive(c, 1)
        cluster.ask("broker", "down")
        cluster.ask("broker", "up")
        cluster.produce("spans", body(2), 1)
        arrive(c, 2, 60)
        cluster.ask("error", 1, 6, 3)   # fetch: not the leader
        cluster.ask("error", 8, 16, 2)  # commit: not the coordinator
        cluster.produce("spans", body(3))
        arrive(c, 3, 60)
        c.check_ledger()
        assert received(c) == (3, 0, 3)


def scene_a_topic_may_be_made_after_the_start(c):
    with Cluster(c) as cluster:
        cluster.topic("spans")
        cluster.topic("later")
        cluster.ask("missing", "later", "yes")
        start(c, cluster, "spans=otlp_json,later=otlp_json")
        cluster.produce("spans", body(1))
        arrive(c, 1)
        cluster.ask("missing", "later", "no")
        cluster.produce("later", body(2))
        arrive(c, 2, 60)


def scene_two_collectors_share_the_partitions(c):
    import lib
    other = lib.Collector(c.build)
    try:
        with Cluster(c) as cluster:
            cluster.topic("spans", 4)
            start(c, cluster, "spans=otlp_json")
            start(other, cluster, "spans=otlp_json", receive__kafka__instance="other")
            wait_for(lambda: "partitions=2" in c.said() and "partitions=2" in other.said(), 60, "two partitions each")
            for n in range(1, 41):
                cluster.produce("spans", body(n), n % 4)
            wait_for(lambda: received(c)[0] + received(other)[0] >= 40, 40, "all of them")
            assert received(c)[0] == received(other)[0] == 20
            other.stop()  # leaves the group: its partitions come to us, from where it was
            for n in range(41, 61):
                cluster.produce("spans", body(n), n % 4)
            wait_for(lambda: received(c)[0] >= 40, 60, "the rest")
            c.flush()
            assert received(c) == (40, 0, 40)
    finally:
        other.close()


PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:%(controller)d
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:%(port)d,CONTROLLER://127.0.0.1:%(controller)d
advertised.listeners=PLAINTEXT://127.0.0.1:%(port)d
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=%(folder)s/log
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
num.partitions=3
offsets.topic.num.partitions=1
"""


class Broker:
    """A real one, in KRaft mode, on a free port; its data lie in the scene's folder."""

    def __init__(self, c):
        self.folder = os.path.join(c.folder, "kafka")
        os.mkdir(self.folder)
        port, controller = free_ports(2)
        self.address, self.process = "127.0.0.1:%d" % port, None
        self.java = ["java", "-Xmx256m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", installed("kafka", "libs") + "/*"]
        self.properties = os.path.join(self.folder, "server.properties")
        with open(self.properties, "w") as out:
            out.write(PROPERTIES % {"port": port, "controller": controller, "folder": self.folder})
        # A name that began with a dash would be an option.
        name = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        assert self.run("kafka.tools.StorageTool", "format", "--standalone", "-t", name, "-c", self.properties).wait(120) == 0, "no storage"

    def run(self, *what):
        return subprocess.Popen(self.java + list(what), cwd=self.folder, stdout=open(os.path.join(self.folder, "said"), "ab"), stderr=subprocess.STDOUT)

    def start(self):
        self.process = self.run("kafka.Kafka", self.properties)
        wait_for(self.listens, 150, "a broker that listens")

    def listens(self):
        assert self.process.poll() is None, "the broker ended: " + open(os.path.join(self.folder, "said"), errors="replace").read()[-2000:]
        host, port = self.address.split(":")
        with socket.socket() as s:
            return s.connect_ex((host, int(port))) == 0

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()


class Load(threading.Thread):
    """A message of its own number every 20 ms, into all partitions, whatever the cluster does; what it could not take is tried again."""

    def __init__(self, cluster, first):
        super().__init__(daemon=True)
        self.cluster, self.next, self.ended = cluster, first, threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.02):
            try:
                self.cluster.produce("spans", body(self.next), self.next % 3)
                self.next += 1
            except AssertionError:  # no broker is there
                pass

    def stop(self):
        self.ended.set()
        self.join(90)
        return self.next


def scene_a_real_broker_that_goes_and_comes(c):
    """Restarts of the broker, a kill of the collector, and partitions that go to another collector and come back, all under load."""
    import lib
    other = lib.Collector(c.build)
    count = "SELECT count(*) FROM span"
    try:
        with Broker(c) as broker, Cluster(c, broker.address) as cluster:
            start(c, cluster, "spans=otlp_json")
            load = Load(cluster, 1)
            arrive(c, 30)
            broker.process.terminate()
            broker.process.wait(30)
            broker.start()
            before = load.next
            wait_for(lambda: load.next > before + 20, 60, "messages after the restart")
            c.kill()
            start(c, cluster, "spans=otlp_json")
            mark = load.next  # what a kill left uncommitted the broker would give to another one too
            wait_for(lambda: sum(cluster.committed("spans", p) for p in range(3)) >= mark, 90, "commits after the kill")
            start(other, cluster, "spans=otlp_json", receive__kafka__instance="other")
            wait_for(lambda: other.sql(count)[0][0] > 10, 60, "partitions for the other one")
            other.stop()  # leaves the group; what it had comes back
            last = load.stop()
            numbers = set(range(1, last))

            def stored(collector):
                return [int(row[0], 16) for row in collector.sql("SELECT trace_id FROM span")]
            wait_for(lambda: set(stored(c)) | set(stored(other)) >= numbers, 60, "every message in one of the two")
            c.flush()
            for collector in (c, other):
                assert len(stored(collector)) == len(set(stored(collector)))
                collector.check_ledger()
            twice = set(stored(c)) & set(stored(other))
            assert not twice or "SESSTMOUT" in c.said() + other.said(), "%d of %d messages came to both" % (len(twice), last - 1)
            assert received(c)[1] == received(other)[1] == 0
    finally:
        other.close()


def scene_bad_settings_of_kafka_are_named(c):
    base = [c.program, "serve", "--set", "store.path=" + c.db, "--set", "web.listen=0", "--set", "receive.otlp_http.listen=0", "--set",
            "receive.otlp_grpc.listen=0", "--set", "receive.zipkin.listen=0", "--set", "receive.kafka.brokers=127.0.0.1:1", "--set"]
    for setting, said in (("receive.kafka.topics=", "receive.kafka.topics is empty"), ("receive.kafka.topics=x", "topic=format"),
                          ("receive.kafka.topics=x=thrift", "no format that Kafka brings"), ("receive.kafka.topics=^(=auto", "no pattern")):
        told = subprocess.run(base + [setting], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
        assert told.returncode == 2 and said in told.stderr.decode(), (setting, told)
    for never in ("remote_write", "envoy_als", "access_log_otlp", "jaeger_json"):  # these have other ways in
        told = subprocess.run([c.program, "check-config", "--set", "receive.kafka.topics=x=" + never], capture_output=True, text=True)
        assert told.returncode == 2 and never in told.stderr and told.stderr.count("\n") == 1, told
    for option, said in (("no.such=1", "no.such"), ("fetch.min.bytes=x", "fetch.min.bytes"), ("enable.auto.commit=true", "cannot be set")):
        told = subprocess.run(base + ["receive.kafka.topics=x=auto", "--set", "receive.kafka.options=" + option], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=20)
        assert told.returncode == 2 and said in told.stderr.decode(), (option, told)
    c.config = os.path.join(c.folder, "settings.yaml")
    with open(c.config, "w") as out:
        out.write("receive:\n  kafka:\n    topics:\n    - {topic: a, format: otlp_pb}\n    - topic: b\n      format: auto\n"
                  "    options: {security.protocol: ssl, ssl.ca.location: /x, sasl.password: hidden}\n")
    asked = subprocess.run([c.program, "check-config", "--config", c.config], stdout=subprocess.PIPE, check=True, text=True).stdout
    assert "receive.kafka.topics = [a=otlp_pb, b=auto]" in asked, asked
    assert "receive.kafka.options = {security.protocol=ssl, ssl.ca.location=/x, sasl.password=…}" in asked
    values = {"debug": "broker,security", "client.id": "a\\\\b\\,c", "sasl.kerberos.principal": "x=1,y=2,"}
    with open(c.config, "w") as out:  # a value may have commas and backslashes
        out.write("receive: {kafka: {brokers: '127.0.0.1:1', topics: [{topic: x, format: auto}], options: %s}}\n" % json.dumps(values))
    printed = r"{'debug=broker,security', 'client.id=a\\b\,c', 'sasl.kerberos.principal=x=1,y=2,'}"
    text = r"debug=broker\,security,client.id=a\\\\b\\\,c,sasl.kerberos.principal=x=1\,y=2\,"
    for more, environment in (([], {}), (["--set", "receive.kafka.options=" + text], {}), ([], {"FAULTLINE_RECEIVE_KAFKA_OPTIONS": text})):
        asked = subprocess.run([c.program, "check-config", "--config", c.config, *more], stdout=subprocess.PIPE, check=True, text=True,
                               env={**os.environ, **environment}).stdout
        assert "receive.kafka.options = " + printed in asked, (more, asked)
    told = subprocess.run(base + ["receive.kafka.topics=x=auto", "--set", r"receive.kafka.options=debug=broker\,nonsense"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=20)
    assert told.returncode == 2 and b"nonsense" in told.stderr, told
    with open(c.config, "w") as out:
        out.write("receive:\n  kafka:\n    topics:\n    - {topic: a, encoding: otlp_pb}\n")
    told = subprocess.run([c.program, "check-config", "--config", c.config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert told.returncode == 2 and ":4: an item of this list takes topic and format" in told.stderr, told
