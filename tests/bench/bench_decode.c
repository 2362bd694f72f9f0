/* bench_decode.c - spans a second and a core, from the body's bytes to a batch with its facts.
 *
 * Bodies of 100 spans with 12 attributes each, as an SDK sends them. Every line is the median of
 * RUNS runs with the slowest and the fastest beside it; `--json` prints the same as JSON lines.
 * The same of 100 metric points (a histogram of 15 buckets, four attributes), 100 samples of
 * Istio's series as Prometheus writes them, and 100 log records. Other formats are measured by what
 * real senders sent: files of tests/golden, again and again (run from the root of the repository).
 * A figure is measured, never judged: machines differ.
 */
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "collector/base/buf.h"
#include "collector/base/clock.h"
#include "collector/base/inflate_file.h"
#include "collector/decode/decode.h"
#include "tests/bench/istio.h"

#define SPANS 100
#define RUNS 7
#define RUN_NS (200 * NS_PER_MS)
#define START_NS UINT64_C(1700000000000000000)

/* Text attributes of a span; three numbers come with them: twelve in all. */
static const struct {
    const char *key, *value;
} texts[] = {
    {"http.request.method", "GET"},
    {"url.scheme", "http"},
    {"url.path", "/api/v1/products/0PUK6V6EV0"},
    {"server.address", "productcatalog.shop.svc.cluster.local"},
    {"http.route", "/api/v1/products/{id}"},
    {"network.protocol.version", "1.1"},
    {"user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) checkout/1.4"},
    {"client.address", "10.42.3.17"},
    {"app.user.id", "e7b1c9f2-2c1d-4a7e-9c58-1d0f6a2b3c4d"},
};
#define N_TEXTS (sizeof(texts) / sizeof(texts[0]))

static const struct {
    const char *key;
    int value;
} numbers[] = {{"http.response.status_code", 200}, {"server.port", 8080}, {"thread.id", 47}};
#define N_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

/* ---- protobuf ---- */

static void pb_bytes(struct buf *out, unsigned field, struct str bytes)
{
    buf_add_varint(out, field << 3 | 2);
    buf_add_varint(out, bytes.len);
    buf_add_str(out, bytes);
}

static void pb_fixed64(struct buf *out, unsigned field, uint64_t number)
{
    buf_add_varint(out, field << 3 | 1);
    buf_add(out, &number, sizeof(number));
}

/* A KeyValue as field `field`; text NULL: the number. */
static void pb_attribute(struct buf *out, unsigned field, const char *key, const char *text,
                         int number)
{
    struct buf value, pair;
    buf_init(&value, 1 << 16);
    buf_init(&pair, 1 << 16);
    if (text) {
        pb_bytes(&value, 1, str_of(text));
    } else {
        buf_add_varint(&value, 3 << 3);
        buf_add_varint(&value, (uint64_t)number);
    }
    pb_bytes(&pair, 1, str_of(key));
    pb_bytes(&pair, 2, buf_str(&value));
    pb_bytes(out, field, buf_str(&pair));
    buf_fini(&pair);
    buf_fini(&value);
}

static void pb_span(struct buf *out, uint32_t i)
{
    struct buf span;
    uint64_t ids[4] = {UINT64_C(0x5bf31c8e9d2a4477), i / 10 + 1, (uint64_t)i + 1, i};
    buf_init(&span, 1 << 20);
    pb_bytes(&span, 1, (struct str){(char *)ids, 16});
    pb_bytes(&span, 2, (struct str){(char *)&ids[2], 8});
    if (i % 10)
        pb_bytes(&span, 4, (struct str){(char *)&ids[3], 8});
    pb_bytes(&span, 5, STR("GET /api/v1/products/{id}"));
    buf_add_varint(&span, 6 << 3);
    buf_add_varint(&span, 2 + i % 2);
    pb_fixed64(&span, 7, START_NS + i * 1000);
    pb_fixed64(&span, 8, START_NS + i * 1000 + 4200000);
    for (size_t k = 0; k < N_TEXTS; k++)
        pb_attribute(&span, 9, texts[k].key, texts[k].value, 0);
    for (size_t k = 0; k < N_NUMBERS; k++)
        pb_attribute(&span, 9, numbers[k].key, NULL, numbers[k].value);
    pb_bytes(&span, 15, STR_NONE);
    pb_bytes(out, 2, buf_str(&span));
    buf_fini(&span);
}

/* A metric with one histogram of 15 buckets and four attributes: a record. */
static void pb_histogram(struct buf *out, uint32_t i)
{
    struct buf metric, data, point, counts, bounds;
    buf_init(&metric, 1 << 16);
    buf_init(&data, 1 << 16);
    buf_init(&point, 1 << 16);
    buf_init(&counts, 1 << 10);
    buf_init(&bounds, 1 << 10);
    pb_fixed64(&point, 3, START_NS + i);
    pb_fixed64(&point, 4, 15 * 40);
    for (uint64_t k = 0; k < 15; k++) {
        uint64_t count = 40;
        double bound = 0.005 * (double)(UINT64_C(1) << k);
        buf_add(&counts, &count, sizeof(count));
        if (k < 14)
            buf_add(&bounds, &bound, sizeof(bound));
    }
    pb_bytes(&point, 6, buf_str(&counts));
    pb_bytes(&point, 7, buf_str(&bounds));
    for (size_t k = 0; k < 4; k++)
        pb_attribute(&point, 9, texts[k].key, texts[k].value, 0);
    pb_bytes(&data, 1, buf_str(&point));
    pb_bytes(&metric, 1, STR("http.server.request.duration"));
    pb_bytes(&metric, 3, STR("s"));
    pb_bytes(&metric, 9, buf_str(&data));
    pb_bytes(out, 2, buf_str(&metric));
    buf_fini(&metric);
    buf_fini(&data);
    buf_fini(&point);
    buf_fini(&counts);
    buf_fini(&bounds);
}

static void pb_log(struct buf *out, uint32_t i)
{
    struct buf record;
    uint64_t ids[3] = {UINT64_C(0x5bf31c8e9d2a4477), i / 10 + 1, (uint64_t)i + 1};
    buf_init(&record, 1 << 16);
    pb_fixed64(&record, 1, START_NS + i);
    pb_bytes(&record, 5,
             STR("\x0a\x1f"
                 "product 0PUK6V6EV0 not in cache"));
    for (size_t k = 0; k < 4; k++)
        pb_attribute(&record, 6, texts[k].key, texts[k].value, 0);
    pb_bytes(&record, 9, (struct str){(char *)ids, 16});
    pb_bytes(&record, 10, (struct str){(char *)&ids[2], 8});
    pb_bytes(out, 2, buf_str(&record));
    buf_fini(&record);
}

static void make_pb(struct buf *body, void (*add)(struct buf *out, uint32_t i))
{
    struct buf resource, scope_spans, resource_spans;
    buf_init(&resource, 1 << 16);
    buf_init(&scope_spans, 16 << 20);
    buf_init(&resource_spans, 16 << 20);
    pb_attribute(&resource, 1, "service.name", "frontend", 0);
    pb_attribute(&resource, 1, "service.namespace", "shop", 0);
    pb_attribute(&resource, 1, "service.version", "1.4.2", 0);
    pb_attribute(&resource, 1, "k8s.pod.name", "frontend-6d4cf56db6-8xqjk", 0);
    pb_bytes(&scope_spans, 1,
             STR("\x0a\x08http.lib\x12\x05"
                 "1.2.3"));
    for (uint32_t i = 0; i < SPANS; i++)
        add(&scope_spans, i);
    pb_bytes(&resource_spans, 1, buf_str(&resource));
    pb_bytes(&resource_spans, 2, buf_str(&scope_spans));
    pb_bytes(body, 1, buf_str(&resource_spans));
    buf_fini(&resource_spans);
    buf_fini(&scope_spans);
    buf_fini(&resource);
}

static void make_otlp_pb(struct buf *body)
{
    make_pb(body, pb_span);
}

static void make_metrics(struct buf *body)
{
    make_pb(body, pb_histogram);
}

static void make_logs(struct buf *body)
{
    make_pb(body, pb_log);
}

/* ---- remote write ---- */

static void make_remote_write(struct buf *body)
{
    struct buf plain;
    buf_init(&plain, 64 << 20);
    for (uint32_t i = 0; i < SPANS; i++) {
        char le[16];
        snprintf(le, sizeof(le), "%u", 10 * i + 5);
        istio_add(&plain, &(struct istio_sample){"istio_request_duration_milliseconds_bucket", le,
                                                 "destination", "productpage", "reviews", 100,
                                                 START_NS / NS_PER_MS});
    }
    if (!istio_pack(body, &plain))
        exit(1);
    buf_fini(&plain);
}

/* ---- JSON ---- */

static void json_attribute(struct buf *out, const char *key, const char *text, int number)
{
    buf_addf(out, "{\"key\":\"%s\",\"value\":{", key);
    if (text)
        buf_addf(out, "\"stringValue\":\"%s\"}}", text);
    else
        buf_addf(out, "\"intValue\":\"%d\"}}", number);
}

static void make_otlp_json(struct buf *body)
{
    buf_add_c(body, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    json_attribute(body, "service.name", "frontend", 0);
    buf_add_c(body, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"http.lib\"},\"spans\":[");
    for (uint32_t i = 0; i < SPANS; i++) {
        buf_addf(body, "%s{\"traceId\":\"5bf31c8e9d2a4477%016x\",\"spanId\":\"%016x\",",
                 i ? "," : "", i / 10 + 1, i + 1);
        if (i % 10)
            buf_addf(body, "\"parentSpanId\":\"%016x\",", i);
        buf_addf(body,
                 "\"name\":\"GET /api/v1/products/{id}\",\"kind\":%u,\"startTimeUnixNano\":\"%llu\""
                 ",\"endTimeUnixNano\":\"%llu\",\"attributes\":[",
                 2 + i % 2, (unsigned long long)(START_NS + i * 1000),
                 (unsigned long long)(START_NS + i * 1000 + 4200000));
        for (size_t k = 0; k < N_TEXTS; k++) {
            json_attribute(body, texts[k].key, texts[k].value, 0);
            buf_add_char(body, ',');
        }
        for (size_t k = 0; k < N_NUMBERS; k++) {
            json_attribute(body, numbers[k].key, NULL, numbers[k].value);
            buf_add_char(body, k + 1 < N_NUMBERS ? ',' : ']');
        }
        buf_add_c(body, ",\"status\":{}}");
    }
    buf_add_c(body, "]}]}]}");
}

static void make_zipkin_json(struct buf *body)
{
    buf_add_char(body, '[');
    for (uint32_t i = 0; i < SPANS; i++) {
        buf_addf(body, "%s{\"traceId\":\"5bf31c8e9d2a4477%016x\",\"id\":\"%016x\",", i ? "," : "",
                 i / 10 + 1, i + 1);
        if (i % 10)
            buf_addf(body, "\"parentId\":\"%016x\",", i);
        buf_addf(body,
                 "\"name\":\"get /api/v1/products/{id}\",\"kind\":\"%s\",\"timestamp\":%llu,"
                 "\"duration\":4200,\"localEndpoint\":{\"serviceName\":\"frontend\",\"ipv4\":"
                 "\"10.42.0.7\"},\"tags\":{",
                 i % 2 ? "CLIENT" : "SERVER", (unsigned long long)(START_NS / 1000 + i));
        for (size_t k = 0; k < N_TEXTS; k++)
            buf_addf(body, "\"%s\":\"%s\",", texts[k].key, texts[k].value);
        for (size_t k = 0; k < N_NUMBERS; k++)
            buf_addf(body, "\"%s\":\"%d\"%s", numbers[k].key, numbers[k].value,
                     k + 1 < N_NUMBERS ? "," : "}}");
    }
    buf_add_char(body, ']');
}

static void make_gzip(struct buf *body)
{
    struct buf plain;
    z_stream stream = {0};
    buf_init(&plain, 64 << 20);
    make_otlp_pb(&plain);
    if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        exit(1);
    buf_reserve(body, deflateBound(&stream, plain.len));
    stream.next_in = (Bytef *)plain.p;
    stream.avail_in = (uInt)plain.len;
    stream.next_out = (Bytef *)body->p;
    stream.avail_out = (uInt)body->cap;
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END)
        exit(1);
    body->len = stream.total_out;
    deflateEnd(&stream);
    buf_fini(&plain);
}

/* ---- measuring ---- */

static const struct bench_row {
    const char *name;
    struct content content;
    void (*make)(struct buf *body); /* or from `file` */
    const char *file;
    bool framed; /* messages of gRPC, packed with gzip */
} rows[] = {
    {"otlp_pb", {SIGNAL_TRACES, FORMAT_OTLP_PB, ENCODING_IDENTITY}, make_otlp_pb, NULL, false},
    {"otlp_pb gzip", {SIGNAL_TRACES, FORMAT_OTLP_PB, ENCODING_GZIP}, make_gzip, NULL, false},
    {"otlp_json",
     {SIGNAL_TRACES, FORMAT_OTLP_JSON, ENCODING_IDENTITY},
     make_otlp_json,
     NULL,
     false},
    {"zipkin_json",
     {SIGNAL_TRACES, FORMAT_ZIPKIN_JSON, ENCODING_IDENTITY},
     make_zipkin_json,
     NULL,
     false},
    {"otlp_pb metrics",
     {SIGNAL_METRICS, FORMAT_OTLP_PB, ENCODING_IDENTITY},
     make_metrics,
     NULL,
     false},
    {"remote_write",
     {SIGNAL_METRICS, FORMAT_REMOTE_WRITE, ENCODING_SNAPPY},
     make_remote_write,
     NULL,
     false},
    {"otlp_pb logs", {SIGNAL_LOGS, FORMAT_OTLP_PB, ENCODING_IDENTITY}, make_logs, NULL, false},
    {"otlp_json metrics",
     {SIGNAL_METRICS, FORMAT_OTLP_JSON, ENCODING_IDENTITY},
     NULL,
     "otel_js/json/metrics.backend.json",
     false},
    {"access_log_otlp",
     {SIGNAL_LOGS, FORMAT_OTLP_PB, ENCODING_IDENTITY},
     NULL,
     "envoy/otlp_http_logs.frames.gz",
     true},
    {"zipkin_pb",
     {SIGNAL_TRACES, FORMAT_ZIPKIN_PB, ENCODING_IDENTITY},
     NULL,
     "envoy/zipkin_pb.frames.gz",
     true},
    {"envoy_als",
     {SIGNAL_TRACES, FORMAT_ENVOY_ALS, ENCODING_IDENTITY},
     NULL,
     "envoy/als.frames.gz",
     true},
    {"jaeger_json",
     {SIGNAL_TRACES, FORMAT_JAEGER_JSON, ENCODING_IDENTITY},
     NULL,
     "jaeger/checkout.json",
     false},
    {"alb", {SIGNAL_TRACES, FORMAT_ALB, ENCODING_IDENTITY}, NULL, "access_logs/alb.log", false},
    {"nlb", {SIGNAL_TRACES, FORMAT_NLB, ENCODING_IDENTITY}, NULL, "access_logs/nlb.log", false},
    {"apigw",
     {SIGNAL_TRACES, FORMAT_APIGW, ENCODING_IDENTITY},
     NULL,
     "access_logs/apigw.log",
     false},
    {"nginx",
     {SIGNAL_TRACES, FORMAT_NGINX, ENCODING_IDENTITY},
     NULL,
     "access_logs/real/nginx.log",
     false},
    {"haproxy",
     {SIGNAL_TRACES, FORMAT_HAPROXY, ENCODING_IDENTITY},
     NULL,
     "access_logs/real/haproxy.log",
     false},
    {"envoy_log",
     {SIGNAL_TRACES, FORMAT_ENVOY_LOG, ENCODING_IDENTITY},
     NULL,
     "access_logs/envoy.log",
     false},
};

/* ---- bodies of real senders ---- */

static void die(const char *name, const char *what)
{
    fprintf(stderr, "%s: %s\n", name, what);
    exit(1);
}

static char *read_golden(const struct bench_row *row, size_t *n)
{
    char path[200];
    struct inflate_file *file;
    struct err err = {0};
    struct buf buf;
    size_t got;
    buf_init(&buf, 64 << 20);
    snprintf(path, sizeof(path), "tests/golden/%s", row->file);
    if (inflate_file_open(path, &file, &err))
        die(path, err.text);
    do {
        if (!buf_reserve(&buf, 65536) ||
            inflate_file_read(file, buf.p + buf.len, 65536, &got, &err))
            die(path, err.text);
        buf.len += got;
    } while (got);
    inflate_file_close(file);
    return buf_detach(&buf, n);
}

/* Protobuf messages one behind the other are one message with all their items. */
static void add_frames(struct buf *body, const char *bytes, size_t n)
{
    for (size_t at = 0; at + 5 <= n;) {
        const unsigned char *head = (const unsigned char *)bytes + at;
        size_t size =
            (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        buf_add(body, bytes + at + 5, size);
        at += 5 + size;
    }
}

/* A file of lines until it has some hundred, a document once. */
static void add_lines(struct buf *body, const struct bench_row *row, const char *bytes, size_t n)
{
    size_t times = format_is_lines((enum format)row->content.format) ? 50 : 1;
    for (size_t i = 0; i < times; i++) {
        buf_add(body, bytes, n);
        if (times > 1 && n && bytes[n - 1] != '\n')
            buf_add_char(body, '\n');
    }
}

static void make_body(const struct bench_row *row, struct buf *body)
{
    size_t n;
    if (row->make) {
        row->make(body);
        return;
    }
    char *bytes = read_golden(row, &n);
    if (row->framed)
        add_frames(body, bytes, n);
    else
        add_lines(body, row, bytes, n);
    free(bytes);
}

/* Nanoseconds a record over one run; *n of them in a body. */
static double run(const struct bench_row *row, struct str body, uint32_t *n)
{
    uint64_t begin = clock_mono_ns(), now, n_records = 0;
    do {
        struct batch *batch;
        struct err err = {0};
        if (decode_content(row->content, body, &limits_default, &batch, &err))
            die(row->name, err.text);
        *n = batch_records(batch) + batch->counts.n_rejected;
        if (!batch_records(batch))
            die(row->name, batch->first_reason);
        n_records += *n;
        batch_free(batch);
        now = clock_mono_ns();
    } while (now - begin < RUN_NS);
    return (double)(now - begin) / (double)n_records;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    if (!json)
        printf("%-16s %10s %12s %12s %28s\n", "body", "bytes/span", "spans/s", "ns/span",
               "ns/span fastest..slowest");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf body;
        double ns[RUNS];
        buf_init(&body, 64 << 20);
        uint32_t n = 0;
        make_body(&rows[i], &body);
        for (int k = 0; k < RUNS; k++)
            ns[k] = run(&rows[i], buf_str(&body), &n);
        qsort(ns, RUNS, sizeof(ns[0]), by_size);
        double middle = ns[RUNS / 2];
        printf(json ? "{\"bench\":\"decode\",\"body\":\"%s\",\"bytes_per_span\":%zu,"
                      "\"spans_per_s\":%.0f,\"ns_per_span\":%.1f,\"fastest\":%.1f,"
                      "\"slowest\":%.1f}\n"
                    : "%-16s %10zu %12.0f %12.1f %18.1f..%.1f\n",
               rows[i].name, body.len / n, 1e9 / middle, middle, ns[0], ns[RUNS - 1]);
        buf_fini(&body);
    }
    return 0;
}
