/* bench_ways.c - the same load by every way in: bodies are made beforehand, so that what is
 * measured is the receiver beside a sender that only sends.
 *
 *   bench_ways WAY ADDRESS RECORDS
 *
 * WAY is http, gzip, json, grpc, zipkin (spans of workload W), metrics, logs, nginx (records of
 * their own), remote_write (samples of a mesh's series, scrape by scrape), to host:port; or kafka,
 * to brokers: spans of W into the topic `load` of three partitions.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "collector/base/client.h"
#include "collector/base/clock.h"
#include "collector/base/grpc_client.h"
#include "collector/decode/decode.h"
#include "collector/simulate/workload.h"
#include "exporters/otlp.h"
#include "exporters/zipkin.h"
#include "tests/bench/istio.h"

#define A_BODY 500u
#define CONNECTIONS 8
#define EXPORT "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
#define LIMIT_NS (60 * NS_PER_S)

struct body {
    char *bytes;
    size_t n_bytes;
    unsigned sender; /* its connection */
    uint32_t n_records;
};

static struct bodies {
    struct body *items;
    size_t n, cap, n_bytes;
} bodies;

static const char *address, *encoding, *type = "application/x-protobuf";
static char url[512];
static bool grpc;
static _Atomic uint64_t n_acked, n_refused;

static void die(const char *what)
{
    fprintf(stderr, "bench_ways: %s\n", what);
    exit(3);
}

static void keep(struct buf *buf, unsigned sender, uint32_t n_records)
{
    if (buf_failed(buf))
        die("memory is short");
    if (bodies.n == bodies.cap) {
        bodies.cap = bodies.cap ? 2 * bodies.cap : 1024;
        bodies.items = realloc(bodies.items, bodies.cap * sizeof(*bodies.items));
        if (!bodies.items)
            die("memory is short");
    }
    struct body *body = &bodies.items[bodies.n++];
    *body = (struct body){.sender = sender, .n_records = n_records};
    body->bytes = buf_detach(buf, &body->n_bytes);
    bodies.n_bytes += body->n_bytes;
}

/* ---- spans ---- */

static void add_gzip(struct buf *out, struct str body)
{
    z_stream stream = {0};
    if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        !buf_reserve(out, deflateBound(&stream, body.len)))
        die("memory is short");
    stream.next_in = (Bytef *)(uintptr_t)body.p;
    stream.avail_in = (uInt)body.len;
    stream.next_out = (Bytef *)out->p;
    stream.avail_out = (uInt)out->cap;
    deflate(&stream, Z_FINISH);
    out->len = stream.total_out;
    deflateEnd(&stream);
}

static void add_written(struct buf *out, struct str body,
                        void (*write)(struct buf *out, const struct batch *batch))
{
    struct batch *batch;
    struct err err = {0};
    if (decode_body(FORMAT_OTLP_PB, ENCODING_IDENTITY, body, &limits_default, &batch, &err))
        die(err.text);
    write(out, batch);
    batch_free(batch);
}

static void add_spans(const char *way, const struct workload_batch *batch)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    if (strcmp(way, "gzip") == 0)
        add_gzip(&out, batch->body);
    else if (strcmp(way, "zipkin") == 0)
        add_written(&out, batch->body, zipkin_json_write);
    else if (strcmp(way, "json") == 0)
        add_written(&out, batch->body, otlp_json_write);
    else
        buf_add_str(&out, batch->body);
    keep(&out, batch->service, batch->n_spans);
}

static void make_spans(const char *way, uint64_t n)
{
    struct workload *workload = workload_new(7, A_BODY);
    struct workload_batch batch;
    uint64_t made = 0;
    if (!workload)
        die("memory is short");
    for (; made < n; made += batch.n_spans) {
        workload_next(workload, clock_wall_ns(), &batch);
        add_spans(way, &batch);
    }
    while (workload_rest(workload, &batch))
        add_spans(way, &batch);
    workload_free(workload);
}

/* ---- records of other kinds ---- */

static void add_metric(struct buf *out, uint64_t i, uint64_t now_ns)
{
    buf_addf(out,
             "%s{\"name\":\"http.server.request.duration\",\"unit\":\"s\",\"histogram\":{"
             "\"aggregationTemporality\":2,\"dataPoints\":[{\"startTimeUnixNano\":\"1700000000\","
             "\"timeUnixNano\":\"%llu\",\"count\":\"100\",\"sum\":%llu.5,\"bucketCounts\":[\"1\","
             "\"40\",\"50\",\"9\"],\"explicitBounds\":[0.01,0.1,1],\"attributes\":[{\"key\":"
             "\"http.route\",\"value\":{\"stringValue\":\"/api/v1/items/%llu\"}},{\"key\":"
             "\"http.request.method\",\"value\":{\"stringValue\":\"GET\"}}]}]}}",
             i % A_BODY ? "," : "", (unsigned long long)(now_ns + i), (unsigned long long)i,
             (unsigned long long)(i % 100));
}

static void add_log(struct buf *out, uint64_t i, uint64_t now_ns)
{
    buf_addf(out,
             "%s{\"timeUnixNano\":\"%llu\",\"severityText\":\"ERROR\",\"body\":{\"stringValue\":"
             "\"the basket of customer %llu could not be saved: timeout\"},\"traceId\":\"%032llx\","
             "\"spanId\":\"%016llx\",\"attributes\":[{\"key\":\"code.function\",\"value\":{"
             "\"stringValue\":\"save\"}}]}",
             i % A_BODY ? "," : "", (unsigned long long)(now_ns + i), (unsigned long long)i,
             (unsigned long long)(i / 10 + 1), (unsigned long long)(i + 1));
}

static void add_line(struct buf *out, uint64_t i, uint64_t now_ns)
{
    uint64_t ms = now_ns / NS_PER_MS + i;
    buf_addf(
        out,
        "10.0.%llu.%llu - - [26/Nov/2026:10:00:00 +0000] \"GET /api/v1/items/%llu HTTP/1.1\" 200 "
        "512 \"-\" \"bench/1\" msec=%llu.%03llu rt=0.012 upstream_addr=\"10.1.0.%llu:8080\" "
        "upstream_status=\"200\" urt=\"0.010\" service=edge\n",
        (unsigned long long)(i % 200), (unsigned long long)(i % 250), (unsigned long long)i,
        (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000),
        (unsigned long long)(i % 40));
}

static void make_records(uint64_t n, const char *head, const char *tail,
                         void (*add)(struct buf *out, uint64_t i, uint64_t now_ns))
{
    uint64_t now_ns = clock_wall_ns();
    for (uint64_t i = 0; i < n;) {
        struct buf out;
        unsigned sender = (unsigned)(i / A_BODY);
        buf_init(&out, SIZE_MAX / 2);
        buf_addf(&out, head, sender % 50);
        do
            add(&out, i, now_ns);
        while (++i % A_BODY && i < n);
        buf_add_c(&out, tail);
        keep(&out, sender, (uint32_t)((i - 1) % A_BODY + 1));
    }
}

#define RESOURCE                                                                                   \
    "\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"          \
    "\"service-%u\"}}]}"

/* ---- a mesh's series ---- */

/* A mesh of 100 pairs: both proxies of each tell a total and a histogram, every 15 s. */
#define PAIRS 100u
#define SCRAPE_MS 15000u
#define CALLS_A_SCRAPE 150u

static const char *const bounds_ms[] = {
    "0.5",  "1",    "5",     "10",    "25",    "50",     "100",    "250",     "500",     "1000",
    "2500", "5000", "10000", "30000", "60000", "300000", "600000", "1800000", "3600000", "+Inf"};
#define N_BOUNDS (sizeof(bounds_ms) / sizeof(bounds_ms[0]))
#define SERIES_A_PROXY (N_BOUNDS + 3)
#define SERIES_A_SCRAPE (2 * PAIRS * SERIES_A_PROXY)

/* Sample i of all: the series stand in one order in each scrape, and their counters grow. Calls
 * take 1 to 50 ms.
 */
static void add_sample(struct buf *request, uint64_t i, uint64_t first_ms)
{
#define DURATION "istio_request_duration_milliseconds"
    uint64_t scrape = i / SERIES_A_SCRAPE, series = i % SERIES_A_SCRAPE;
    uint64_t pair = series / SERIES_A_PROXY / 2, which = series % SERIES_A_PROXY;
    double calls = (double)((scrape + 1) * (CALLS_A_SCRAPE + pair));
    char source[32], destination[32];
    snprintf(source, sizeof(source), "service-%u", (unsigned)pair / 3);
    snprintf(destination, sizeof(destination), "service-%u", (unsigned)pair + 1);
    struct istio_sample sample = {.reporter =
                                      series / SERIES_A_PROXY % 2 ? "destination" : "source",
                                  .source = source,
                                  .destination = destination,
                                  .value = calls,
                                  .at_ms = first_ms + scrape * SCRAPE_MS};
    if (which < N_BOUNDS) {
        sample.metric = DURATION "_bucket";
        sample.le = bounds_ms[which];
        sample.value = which < 5 ? calls * (double)which / 5 : calls;
    } else if (which == N_BOUNDS) {
        sample.metric = DURATION "_sum";
        sample.value = calls * 12.5;
    } else {
        sample.metric = which == N_BOUNDS + 1 ? DURATION "_count" : "istio_requests_total";
    }
    istio_add(request, &sample);
}

/* Each series goes by one connection, so that its samples come in order, as Prometheus' shards. */
static void make_samples(uint64_t n)
{
    uint64_t scrapes = (n + SERIES_A_SCRAPE - 1) / SERIES_A_SCRAPE;
    uint64_t first_ms = clock_wall_ns() / NS_PER_MS - scrapes * SCRAPE_MS;
    for (uint64_t i = 0; i < n;) {
        struct buf request, out;
        uint32_t n_samples = 0;
        unsigned sender = (unsigned)(i % SERIES_A_SCRAPE / A_BODY);
        buf_init(&request, SIZE_MAX / 2);
        buf_init(&out, SIZE_MAX / 2);
        do
            add_sample(&request, i++, first_ms);
        while (++n_samples < A_BODY && i % SERIES_A_SCRAPE && i < n);
        if (!istio_pack(&out, &request))
            die("memory is short");
        keep(&out, sender, n_samples);
        buf_fini(&request);
    }
}

/* ---- sending ---- */

static bool post(struct client *client, struct grpc_client *caller, const struct body *body)
{
    struct err err = {0};
    struct str bytes = {body->bytes, body->n_bytes};
    unsigned status = 0;
    struct client_request request = {
        .method = "POST", .url = url, .content_type = type, .encoding = encoding, .body = bytes};
    int code = grpc ? grpc_client_call(caller, EXPORT, bytes, &status, &err)
                    : client_send(client, &request, &status, NULL, &err);
    if (code)
        die(err.text);
    return grpc ? status == 0 : status / 100 == 2;
}

static void *run_connection(void *arg)
{
    size_t number = (size_t)arg;
    struct client *client = client_new(LIMIT_NS);
    struct grpc_client *caller = grpc_client_new(address, LIMIT_NS);
    if (!client || !caller)
        die("memory is short");
    for (size_t i = 0; i < bodies.n; i++) {
        const struct body *body = &bodies.items[i];
        if (body->sender % CONNECTIONS != number)
            continue;
        if (post(client, caller, body))
            n_acked += body->n_records;
        else
            n_refused += body->n_records;
    }
    client_free(client);
    grpc_client_free(caller);
    return NULL;
}

static void send_all(void)
{
    pthread_t threads[CONNECTIONS];
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (pthread_create(&threads[i], NULL, run_connection, (void *)i) != 0)
            die("no threads");
    }
    for (size_t i = 0; i < CONNECTIONS; i++)
        pthread_join(threads[i], NULL);
}

static void produce_all(void)
{
    char reason[300];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", address, reason, sizeof(reason));
    rd_kafka_conf_set(conf, "queue.buffering.max.kbytes", "2000000", reason, sizeof(reason));
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (!producer)
        die(reason);
    for (size_t i = 0; i < bodies.n; i++) {
        const struct body *body = &bodies.items[i];
        rd_kafka_resp_err_t code;
        while ((code = rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("load"),
                                         RD_KAFKA_V_PARTITION((int32_t)(body->sender % 3)),
                                         RD_KAFKA_V_VALUE(body->bytes, body->n_bytes),
                                         RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(producer, 100);
        if (code)
            die(rd_kafka_err2str(code));
        n_acked += body->n_records;
    }
    if (rd_kafka_flush(producer, 120000))
        die("the broker does not take everything");
    rd_kafka_destroy(producer);
}

/* ---- the ways ---- */

static void make(const char *way, uint64_t n)
{
    const char *path = "/v1/traces";
    if (strcmp(way, "metrics") == 0) {
        make_records(n, "{\"resourceMetrics\":[{" RESOURCE ",\"scopeMetrics\":[{\"metrics\":[",
                     "]}]}]}", add_metric);
        path = "/v1/metrics";
        type = "application/json";
    } else if (strcmp(way, "logs") == 0) {
        make_records(n, "{\"resourceLogs\":[{" RESOURCE ",\"scopeLogs\":[{\"logRecords\":[",
                     "]}]}]}", add_log);
        path = "/v1/logs";
        type = "application/json";
    } else if (strcmp(way, "nginx") == 0) {
        make_records(n, "", "", add_line);
        path = "/v1/access-logs/nginx";
        type = "text/plain";
    } else if (strcmp(way, "remote_write") == 0) {
        make_samples(n);
        path = "/api/v1/write";
        encoding = "snappy";
    } else {
        make_spans(way, n);
        encoding = strcmp(way, "gzip") == 0 ? "gzip" : NULL;
        grpc = strcmp(way, "grpc") == 0;
    }
    if (strcmp(way, "zipkin") == 0)
        path = "/api/v2/spans";
    if (strcmp(way, "zipkin") == 0 || strcmp(way, "json") == 0)
        type = "application/json";
    snprintf(url, sizeof(url), "http://%s%s", address, path);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        die("bench_ways WAY ADDRESS RECORDS");
    address = argv[2];
    make(argv[1], strtoull(argv[3], NULL, 10));
    uint64_t begin_ns = clock_mono_ns();
    if (strcmp(argv[1], "kafka") == 0)
        produce_all();
    else
        send_all();
    double seconds = (double)(clock_mono_ns() - begin_ns) / 1e9;
    printf(
        "{\"way\":\"%s\",\"acked\":%llu,\"refused\":%llu,\"seconds\":%.3f,\"records_per_s\":%.0f,"
        "\"bytes_per_record\":%.0f}\n",
        argv[1], (unsigned long long)n_acked, (unsigned long long)n_refused, seconds,
        (double)n_acked / seconds,
        (double)bodies.n_bytes / (double)(n_acked + n_refused ? n_acked + n_refused : 1));
    return 0;
}
