/* test_access.c - what readers of access logs promise, by tables: times, words, trace headers,
 * names, ids, and which OTLP log records are access logs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/decode/access_envoy.h"
#include "collector/decode/access_trace.h"
#include "collector/decode/decode.h"
#include "collector/decode/envoy_als.h"
#include "collector/decode/repeats.h"
#include "collector/model/access_id.h"

#define N(rows) (sizeof(rows) / sizeof((rows)[0]))
#define T UINT64_C(1795428000) /* 2026-11-23T10:00:00Z */
#define S UINT64_C(1000000000)

#define ODD UINT64_MAX

static void times_are_read(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns; /* 0: no time; ODD: one that is read as unknown */
    } rows[] = {
        {"2026-11-23T10:00:00Z", T * S},
        {"2026-11-23T10:00:00", T * S},
        {"2026-11-23T10:00:00.004000Z", T * S + 4000000},
        {"2026-11-23T11:30:00.5+01:30", T * S + 500000000},
        {"2026-11-23T09:00:00-0100", T * S},
        {"23/Nov/2026:10:00:00 +0000", T * S},
        {"23/Nov/2026:02:00:00 -0800", T * S},
        {"23/Nov/2026:10:00:00.655", T * S + 655000000},
        {"1795428000", T * S},
        {"1795428000.250", T * S + 250000000},
        {"2024-02-29T00:00:00Z", UINT64_C(1709164800) * S},
        {"2000-03-01T00:00:00Z", UINT64_C(951868800) * S},
        {"1970-01-01T00:00:01Z", S},
        {"2262-01-01T00:00:00Z", UINT64_C(9214646400) * S},
        {"2554-01-01T00:00:00Z", UINT64_C(18429292800) * S},
        {"1970-01-01T00:00:00Z", ODD},
        {"1970-01-01T01:00:00+02:00", ODD},
        {"1960-01-01T00:00:00Z", ODD},
        {"0000-01-01T00:00:00Z", ODD},
        {"9999-12-31T23:59:59Z", ODD},
        {"17954280009999999999", ODD},
        {"31/Feb/2026:10:00:00 +0000", 0},
        {"2025-02-29T00:00:00Z", 0},
        {"2100-02-29T00:00:00Z", 0},
        {"2026-04-31T00:00:00Z", 0},
        {"2026-13-01T00:00:00Z", 0},
        {"2026-11-23T10:00:00Zx", 0},
        {"2026-11-23", 0},
        {"23/Foo/2026:10:00:00 +0000", 0},
        {"23/Nov/2026:10:00", 0},
        {"-1795428000", 0},
        {"37954280009999999999", 0},
        {"1e9", 0},
        {"", 0},
        {"-", 0},
    };
    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        uint64_t ns = 0;
        bool read = access_time(str_of(rows[i].text), &ns);
        uint64_t wanted = rows[i].ns == ODD ? 0 : rows[i].ns;
        if (read != (rows[i].ns != 0) || (read && ns != wanted))
            fail_msg("%s: %d %llu", rows[i].text, read, (unsigned long long)ns);
    }
}

static void words_are_cut(void **state)
{
    static const struct {
        const char *line, *words; /* words joined by '|'; NULL: broken */
    } rows[] = {
        {"a b  c", "a|b|c"},
        {"a \"b c\" [d e]", "a|b c|d e"},
        {"\"say \\\"hi\\\" now\" x", "say \\\"hi\\\" now|x"},
        {"k=\"v w\" t", "k=\"v w\"|t"},
        {"\"\" []", "|"},
        {"  ", ""},
        {"", ""},
        {"\"open", NULL},
        {"[open", NULL},
        {"k=\"open", NULL},
        {"\"ends in a slash\\", NULL},
    };
    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct token tokens[8];
        char got[200] = "";
        int n = tokens_cut(str_of(rows[i].line), tokens, 8);
        for (int k = 0; k < n; k++) {
            if (k)
                strcat(got, "|");
            strncat(got, tokens[k].text.p, tokens[k].text.len);
        }
        if (!rows[i].words)
            assert_int_equal(n, -1);
        else
            assert_string_equal(got, rows[i].words);
    }
    struct token two[2];
    assert_int_equal(tokens_cut(STR("a b c"), two, 2), -1);
}

#define HIGH UINT64_C(0x0af7651916cd43dd)
#define LOW UINT64_C(0x8448eb211c80319c)
#define TRACE "0af7651916cd43dd8448eb211c80319c"

static void trace_headers_are_read(void **state)
{
    static const struct {
        bool (*read)(struct str text, struct trace_context *context);
        const char *text;
        bool good;
        uint64_t header_id, parent_id;
    } rows[] = {
        {traceparent_read, "00-" TRACE "-b7ad6b7169203331-01", true, 0xb7ad6b7169203331, 0},
        {traceparent_read, "cc-" TRACE "-b7ad6b7169203331-03-what", true, 0xb7ad6b7169203331, 0},
        {traceparent_read, "00-" TRACE "-b7ad6b7169203331-01-what", false, 0, 0},
        {traceparent_read, "cc-" TRACE "-b7ad6b7169203331-01.what", false, 0, 0},
        {traceparent_read, "ff-" TRACE "-b7ad6b7169203331-01", false, 0, 0},
        {traceparent_read, "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false, 0, 0},
        {traceparent_read, "00-00000000000000000000000000000000-b7ad6b7169203331-01", false, 0, 0},
        {traceparent_read, "00-" TRACE "-0000000000000000-01", false, 0, 0},
        {traceparent_read, "00-" TRACE "-b7ad6b7169203331-0", false, 0, 0},
        {traceparent_read, "", false, 0, 0},
        {xray_read, "Root=1-0af76519-16cd43dd8448eb211c80319c", true, 0, 0},
        {xray_read, "Sampled=?; Parent=00aa11bb22cc33dd ;Root=1-0af76519-16cd43dd8448eb211c80319c",
         true, 0x00aa11bb22cc33dd, 0},
        {xray_read,
         "Self=1-6a5b4c3e-00112233445566778899aabb;Root=1-0af76519-16cd43dd8448eb211c80319c", true,
         0, 0},
        {xray_read, "1-0af76519-16cd43dd8448eb211c80319c", true, 0, 0},
        {xray_read, "Root=1-0af76519-16cd43dd8448eb211c80319", false, 0, 0},
        {xray_read, "Root=2-0af76519-16cd43dd8448eb211c80319c", false, 0, 0},
        {xray_read, "Self=1-0af76519-16cd43dd8448eb211c80319c", false, 0, 0},
        {b3_read, TRACE "-b7ad6b7169203331-1-00000000000000a1", true, 0xb7ad6b7169203331, 0},
        {b3_read, TRACE "-b7ad6b7169203331", true, 0xb7ad6b7169203331, 0},
        {b3_read, TRACE, false, 0, 0},
        {b3_read, "0", false, 0, 0},
        {b3_read, TRACE "-b7ad6b7169203331-d-xx", false, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct trace_context context = {0};
        bool good = rows[i].read(str_of(rows[i].text), &context);
        bool same = good == rows[i].good && context.header_id == rows[i].header_id &&
                    context.parent_id == rows[i].parent_id &&
                    (!good || (context.trace_id.high == HIGH && context.trace_id.low == LOW));
        if (!same)
            fail_msg("%s: %d %llx", rows[i].text, good, (unsigned long long)context.header_id);
    }
}

/* However a name is written. The table is searched by halves, so its order matters: each is asked.
 */
static void names_are_found(void **state)
{
    static const struct {
        const char *name;
        enum access_field field;
    } rows[] = {
        {"amzn_trace_id", ACCESS_XRAY},
        {"api-id", ACCESS_API},
        {"b3", ACCESS_B3},
        {"bytes_sent", ACCESS_BYTES_OUT},
        {"request_id", ACCESS_REQUEST_ID},
        {"requestId", ACCESS_REQUEST_ID},
        {"X-Request-Id", ACCESS_REQUEST_ID},
        {"http_x_request_id", ACCESS_REQUEST_ID},
        {"upstream_cluster", ACCESS_UPSTREAM_NAME},
        {"x_b3_traceid", ACCESS_TRACE_ID},
        {"otel_span_id", ACCESS_SPAN_ID},
        {"zone", ACCESS_ZONE},
        {"node_id", ACCESS_NODE_ID},
        {"Status", ACCESS_STATUS},
        {"integration.status", ACCESS_UPSTREAM_STATUS},
        {"", N_ACCESS_FIELDS},
        {"---", N_ACCESS_FIELDS},
        {"zzz", N_ACCESS_FIELDS},
        {"aaa", N_ACCESS_FIELDS},
        {"a_name_that_is_longer_than_any_name_of_the_table_could_be", N_ACCESS_FIELDS},
    };
    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        if (access_field_of(str_of(rows[i].name)) != rows[i].field)
            fail_msg("%s", rows[i].name);
    }
    assert_true(access_fields_are_in_order());
}

/* Stored ids: these numbers must never change. */
static void ids_stay_what_they_are(void **state)
{
    (void)state;
    struct str with = STR("7d3f0001-1111-9222-8333-444455556666"),
               without = STR("7d3f0001-1111-4222-8333-444455556666");
    struct trace_id a = access_trace_of_request(with), b = access_trace_of_request(without);
    assert_true(trace_id_eq(a, b));
    assert_false(
        trace_id_eq(a, access_trace_of_request(STR("7d3f0001-1111-9222-8333-444455556667"))));
    assert_false(trace_id_eq(a, access_trace_of_request(STR_NONE)));
    uint64_t id = access_id_of(STR("a line"));
    assert_true(id == UINT64_C(0x36829cb7defef653));
    assert_true(id != access_id_of(STR("a lin")) && id != access_id_of(STR("a line ")));
    assert_true(access_id_repeated(id, 0) == id && access_id_repeated(id, 1) != id &&
                access_id_repeated(id, 1) != access_id_repeated(id, 2));
    assert_true(a.high == UINT64_C(0x1f30c5cecea4f04a) && a.low == UINT64_C(0x8c4abe45be8a7dbb));
}

/* ---- lines ---- */

static struct batch *decoded(enum format format, const char *text, int n_spans, unsigned n_rejected)
{
    struct batch *batch = NULL;
    struct err err = {0};
    assert_int_equal(
        decode_body(format, ENCODING_IDENTITY, str_of(text), &limits_default, &batch, &err), 0);
    assert_int_equal(batch->n_spans, n_spans);
    assert_int_equal(batch->counts.n_rejected, n_rejected);
    return batch;
}

#define COMBINED "10.0.0.1 - - [23/Nov/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\""

static void equal_lines_are_so_many_requests(void **state)
{
    (void)state;
    struct batch *batch = decoded(FORMAT_NGINX, COMBINED "\n\r\n" COMBINED "\r\n" COMBINED, 3, 0);
    const struct span *s = batch->spans;
    assert_true(s[0].span_id != s[1].span_id && s[1].span_id != s[2].span_id &&
                s[0].span_id != s[2].span_id);
    assert_false(trace_id_eq(s[0].trace_id, s[1].trace_id));
    struct batch *again = decoded(FORMAT_NGINX, COMBINED "\n" COMBINED, 2, 0);
    assert_true(again->spans[0].span_id == s[0].span_id);
    assert_true(again->spans[1].span_id == s[1].span_id);
    batch_free(batch);
    batch_free(again);
}

/* A log in pieces: each line has the id that it has when the log comes whole. What the table has
 * forgotten is the first of its kind again; then it has been a while. */
static void equal_lines_are_counted_over_pieces(void **state)
{
    (void)state;
    static const char *const pieces[] = {COMBINED "\n\n" COMBINED "\n", COMBINED "\n",
                                         "a line of none\n" COMBINED "\r\n" COMBINED};
    static const int n[] = {2, 1, 2};
    struct batch *whole = decoded(
        FORMAT_NGINX, COMBINED "\n" COMBINED "\n" COMBINED "\n" COMBINED "\n" COMBINED, 5, 0);
    struct repeats *repeats = repeats_new();
    struct buf out;
    buf_init(&out, 1 << 26);
    assert_non_null(repeats);
    for (size_t i = 0, at = 0; i < N(pieces); i++) {
        buf_reset(&out);
        assert_true(repeats_write(repeats, str_of(pieces[i]), &out));
        buf_add_char(&out, '\0');
        struct batch *batch = decoded(FORMAT_NGINX, out.p, n[i], i == 2);
        for (int k = 0; k < n[i]; k++, at++) {
            assert_true(batch->spans[k].span_id == whole->spans[at].span_id);
            assert_true(trace_id_eq(batch->spans[k].trace_id, whole->spans[at].trace_id));
        }
        if (i == 2) /* lines are numbered as the piece has them */
            assert_true(str_starts(str_of(batch->first_reason), STR("line 1:")));
        batch_free(batch);
    }
    buf_reset(&out);
    for (uint32_t i = 0; i < 3 * REPEATS_REMEMBERED; i++)
        buf_addf(&out, "%u\n%s", i, i == REPEATS_REMEMBERED ? COMBINED "\n" : "");
    size_t len;
    char *many = buf_detach(&out, &len);
    assert_true(repeats_write(repeats, (struct str){many, len}, &out));
    struct str told = buf_str(&out);
    assert_true(told.len == len + sizeof("#repeated 5"));
    free(many);
    buf_reset(&out);
    assert_true(repeats_write(repeats, STR(COMBINED), &out) && out.len == sizeof(COMBINED) - 1);
    buf_fini(&out);
    repeats_free(repeats);
    batch_free(whole);
}

/* What each says of one kind of line. */
static void lines_say_what_they_say(void **state)
{
    static const struct {
        enum format format;
        const char *line;
        const char *service, *upstream, *flags, *operation;
        int http;
        uint64_t start_ns, duration_ns;
        uint8_t kind, proxy;
    } rows[] = {
        {FORMAT_NGINX, COMBINED, "nginx", "", "", "GET /", 200, T * S, DURATION_UNKNOWN,
         KIND_SERVER, PROXY_GATEWAY},
        {FORMAT_NGINX, COMBINED " rt=0.250 upstream_addr=10.0.0.9:80", "nginx", "10.0.0.9", "",
         "GET /", 200, T * S - S / 4, S / 4, KIND_SERVER, PROXY_GATEWAY},
        {FORMAT_NGINX, COMBINED " \"10.9.9.9\"", "nginx", "", "", "GET /", 200, T * S,
         DURATION_UNKNOWN, KIND_SERVER, PROXY_GATEWAY},
        {FORMAT_NGINX,
         "10.0.0.1 - - [23/Nov/2026:10:00:00 +0000] \"GET /a HTTP/1.1\" 499 0 \"-\" \"x\"", "nginx",
         "", "DC", "GET /a", 0, T * S, DURATION_UNKNOWN, KIND_SERVER, PROXY_GATEWAY},
        {FORMAT_APIGW,
         "{\"apiId\":\"a1\",\"requestTimeEpoch\":1795428000000,\"status\":\"504\","
         "\"responseLatency\":\"29000\",\"integrationStatus\":\"-\",\"routeKey\":\"GET /x\"}",
         "a1", "", "UT", "GET /x", 504, T * S, 29 * S, KIND_SERVER, PROXY_GATEWAY},
        {FORMAT_APIGW,
         "{\"domainName\":\"api.example.com\",\"apiId\":\"a1\",\"requestTime\":"
         "\"23/Nov/2026:10:00:00 +0000\",\"status\":200,\"error\":{\"message\":\"-\"}}",
         "api.example.com", "", "", "http", 200, T * S, DURATION_UNKNOWN, KIND_SERVER,
         PROXY_GATEWAY},
        {FORMAT_HAPROXY,
         "Nov 23 10:00:00 lb haproxy[1]: 10.0.0.1:1 [23/Nov/2026:10:00:00.000] db-in mysql/s1 "
         "0/0/+5007 +212 -- 0/0/0/0/3 0/0",
         "db-in", "mysql", "", "tcp", CODE_NONE, T * S, 5007000000, KIND_SERVER, PROXY_GATEWAY},
        {FORMAT_HAPROXY,
         "10.0.0.1:1 [23/Nov/2026:10:00:00.000] db-in mysql/<NOSRV> 0/-1/3 0 SC 0/0/0/0/3 0/0",
         "db-in", "mysql", "UF", "tcp", CODE_NONE, T * S, 3000000, KIND_SERVER, PROXY_GATEWAY},
        {FORMAT_HAPROXY,
         "10.0.0.1:1 [23/Nov/2026:10:00:00.000] in~ b/s1 0/0/0/5/+7 200 1 - - ---- 1/1/1/1/0 0/0 "
         "\"GET /x/17 HTTP/1.1\"",
         "in", "b", "", "GET /x/{}", 200, T * S, 7000000, KIND_SERVER, PROXY_GATEWAY},
        {FORMAT_HAPROXY,
         "10.0.0.1:1 [23/Nov/2026:10:00:00.000] in in/<STATS> 0/0/0/0/1 200 1 - - LR-- 1/1/1/1/0 "
         "0/0 "
         "\"GET /stats HTTP/1.1\"",
         "in", "", "", "GET /stats", 200, T * S, 1000000, KIND_SERVER, PROXY_GATEWAY},
        {FORMAT_ENVOY_LOG,
         "[2026-11-23T10:00:00.000Z] \"GET /r/1 HTTP/1.1\" 200 - via_upstream - \"-\" 0 1 5 4 "
         "\"-\" "
         "\"ua\" \"-\" \"ratings:9080\" \"10.1.0.9:9080\" "
         "outbound|9080|v1|ratings.default.svc.cluster.local 10.1.0.6:1 10.2.0.1:9080 10.1.0.6:2 - "
         "default",
         "10.1.0.6", "outbound|9080|v1|ratings.default.svc.cluster.local", "", "GET /r/{}", 200,
         T * S, 5000000, KIND_CLIENT, PROXY_SIDECAR},
        {FORMAT_ENVOY_LOG,
         "[2026-11-23T10:00:00.000Z] \"GET /r HTTP/1.1\" 0 DC - - \"-\" 0 1 5 - \"-\" \"ua\" \"-\" "
         "\"reviews.default.svc.cluster.local:9080\" \"10.1.0.6:9080\" inbound|9080|| 127.0.0.6:1 "
         "10.1.0.6:9080 10.1.0.5:2 - default service=reviews-own",
         "reviews-own", "inbound|9080||", "DC", "GET /r", 0, T * S, 5000000, KIND_SERVER,
         PROXY_SIDECAR},
        {FORMAT_ENVOY_LOG,
         "{\"start_time\":\"2026-11-23T10:00:00.000Z\",\"method\":\"GET\",\"path\":\"/r\","
         "\"response_code\":429,\"response_flags\":\"RateLimited, NewFlag,NoRouteFound\","
         "\"duration\":5,\"service\":\"r\",\"upstream_cluster\":\"inbound|9080||\"}",
         "r", "inbound|9080||", "RL,NewFlag,NR", "GET /r", 429, T * S, 5000000, KIND_SERVER,
         PROXY_SIDECAR},
    };
    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct batch *batch = decoded(rows[i].format, rows[i].line, 1, 0);
        const struct span *span = &batch->spans[0];
        const struct facts *facts = &span->facts;
        bool same = str_eq(facts->service, str_of(rows[i].service)) &&
                    str_eq(facts->upstream_cluster, str_of(rows[i].upstream)) &&
                    str_eq(facts->response_flags, str_of(rows[i].flags)) &&
                    str_eq(facts->operation, str_of(rows[i].operation)) &&
                    facts->http_status == rows[i].http && span->start_ns == rows[i].start_ns &&
                    span->duration_ns == rows[i].duration_ns && span->kind == rows[i].kind &&
                    facts->proxy == rows[i].proxy;
        if (!same)
            fail_msg("row %zu: %.*s %.*s %.*s %.*s %d %llu %llu %d %d", i, STR_ARG(facts->service),
                     STR_ARG(facts->upstream_cluster), STR_ARG(facts->response_flags),
                     STR_ARG(facts->operation), facts->http_status,
                     (unsigned long long)span->start_ns, (unsigned long long)span->duration_ns,
                     span->kind, facts->proxy);
        batch_free(batch);
    }
}

static void kinds_are_guessed(void **state)
{
    static const struct {
        const char *text;
        int format;
    } rows[] = {
        {COMBINED "\n", FORMAT_NGINX},
        {"{\"apiId\":\"x\",\"status\":\"200\"}", FORMAT_APIGW},
        {"{\"upstream_cluster\":null}", FORMAT_ENVOY_LOG},
        {"{\"resourceSpans\":[]}", FORMAT_OTLP_JSON},
        {"[{\"traceId\":\"1\"}]", FORMAT_ZIPKIN_JSON},
        {"[2026-11-23T10:00:02.000Z] \"GET / HTTP/1.1\" 503 UH 0 19 0 - \"-\" \"-\" \"-\" \"r\" "
         "\"-\"",
         FORMAT_ENVOY_LOG},
        {"hello world", -1},
        {"", -1},
    };
    (void)state;
    for (size_t i = 0; i < N(rows); i++) {
        struct content content;
        int format = decode_guess(str_of(rows[i].text), &content) ? content.format : -1;
        if (format != rows[i].format)
            fail_msg("%s: %d", rows[i].text, format);
    }
}

/* ---- records of OTLP logs ---- */

static struct attr text_attr(const char *key, const char *text)
{
    return (struct attr){.key = str_of(key), .text = str_of(text), .type = VALUE_TEXT};
}

static bool record_is_log(const struct access_record *record, struct span *span,
                          struct batch **batch)
{
    struct err err = {0};
    struct senders senders;
    *batch = batch_new((size_t)1 << 20);
    struct decoding decoding = {.batch = *batch, .limits = &limits_default, .err = &err};
    senders_init(&senders);
    bool is = access_record_span(&decoding, &senders, record, span);
    senders_fini(&senders);
    assert_int_equal(err.code, 0);
    return is;
}

static void otlp_records_are_told_apart(void **state)
{
    const struct attr resource[] = {
        text_attr("node_name", "sidecar~10.1.0.6~reviews-v2.default~default.svc.x"),
        text_attr("cluster_name", "reviews.default"), text_attr("zone_name", "z1")};
    const struct attr labels[] = {text_attr("upstream_cluster", "inbound|9080||"),
                                  text_attr("response_code", "503"),
                                  text_attr("response_flags", "UC"),
                                  text_attr("method", "GET"),
                                  text_attr("path", "/r?a=1"),
                                  text_attr("duration", "12")};
    const struct attr other[] = {text_attr("path", "/x"), text_attr("level", "info")};
    const char *line = "[2026-11-23T10:00:00.000Z] \"GET /r/1 HTTP/1.1\" 200 - via_upstream - "
                       "\"-\" 0 1 5 4 \"-\" \"ua\" \"-\" \"reviews:9080\" \"10.1.0.6:9080\" "
                       "inbound|9080|| 127.0.0.6:1 10.1.0.6:9080 10.1.0.5:2 - default\n";
    struct span span = {.name = STR("untouched")};
    struct batch *batch;
    (void)state;
    struct access_record record = {.attrs = labels,
                                   .n_attrs = N(labels),
                                   .resource_attrs = resource,
                                   .n_resource_attrs = N(resource),
                                   .trace_id = STR(TRACE),
                                   .span_id = STR("00000000000000a1"),
                                   .time_ns = T * S};
    assert_true(record_is_log(&record, &span, &batch));
    assert_int_equal(span.format, FORMAT_ACCESS_LOG_OTLP);
    assert_true(span.trace_id.high == HIGH && span.span_id == 0xa1 && span.start_ns == T * S);
    assert_int_equal(span.duration_ns, 12000000);
    assert_int_equal(span.facts.http_status, 503);
    assert_int_equal(span.facts.flags, FLAG_BIT(FLAG_UC));
    assert_int_equal(span.facts.proxy, PROXY_SIDECAR);
    assert_int_equal(span.facts.log, LOG_OF_SPAN);
    assert_true(str_eq(span.facts.service, STR("reviews")));
    assert_true(str_eq(span.facts.namespace, STR("default")));
    batch_free(batch);

    record = (struct access_record){.body = str_of(line), .time_ns = T * S};
    assert_true(record_is_log(&record, &span, &batch));
    assert_int_equal(span.facts.log, LOG_ALONE);
    assert_int_equal(span.duration_ns, 5000000);
    assert_true(str_eq(span.facts.service, STR("reviews")));
    uint64_t id = span.span_id;
    batch_free(batch);
    assert_true(record_is_log(&record, &span, &batch));
    assert_true(span.span_id == id);
    batch_free(batch);

    record = (struct access_record){
        .body_map = STR("{\"start_time\":\"2026-11-23T10:00:00.000Z\",\"response_code\":503,"
                        "\"response_flags\":\"UF,URX\",\"duration\":\"7\",\"method\":\"GET\","
                        "\"upstream_cluster\":\"outbound|80||pay.shop.svc.cluster.local\"}"),
        .resource_attrs = resource,
        .n_resource_attrs = N(resource),
        .time_ns = T * S};
    assert_true(record_is_log(&record, &span, &batch));
    assert_int_equal(span.kind, KIND_CLIENT);
    assert_int_equal(span.duration_ns, 7000000);
    assert_int_equal(span.facts.http_status, 503);
    assert_true(str_eq(span.facts.service, STR("reviews")));
    assert_true(span.span_id != id);
    batch_free(batch);

    record.body = record.body_map; /* a line of a file, as a collector sends it on */
    record.body_map = STR_NONE;
    assert_true(record_is_log(&record, &span, &batch));
    assert_int_equal(span.facts.http_status, 503);
    assert_int_equal(span.duration_ns, 7000000);
    batch_free(batch);

    span = (struct span){.name = STR("untouched")};
    record = (struct access_record){
        .body_map = STR("{\"method\":\"GET\",\"status\":200,\"duration\":5,\"user\":\"x\"}"),
        .time_ns = T * S};
    assert_false(record_is_log(&record, &span, &batch)); /* an application's own */
    assert_true(str_eq(span.name, STR("untouched")));
    batch_free(batch);
    record.body = record.body_map;
    record.body_map = STR_NONE;
    assert_false(record_is_log(&record, &span, &batch));
    batch_free(batch);

    record = (struct access_record){.attrs = other,
                                    .n_attrs = N(other),
                                    .body = STR("[main] hello"),
                                    .trace_id = STR(TRACE),
                                    .time_ns = T * S};
    assert_false(record_is_log(&record, &span, &batch));
    assert_true(str_eq(span.name, STR("untouched")));
    batch_free(batch);
}

/* Every cut of a message is taken apart within its bytes; an identity is the same the second time.
 */
static void messages_may_be_cut_anywhere(void **state)
{
    static const char whole[] = "\x0a\x10\x0a\x0b\x0a\x02id\x12\x01"
                                "c\x62\x02xx\x12\x01"
                                "n"
                                "\x12\x04\x0a\x02\x10\x02";
    struct buf identity, again, body;
    (void)state;
    for (size_t n = 0; n < sizeof(whole); n++) {
        char *exact = malloc(n ? n : 1);
        memcpy(exact, whole, n);
        buf_init(&identity, 1000);
        buf_init(&again, 1000);
        buf_init(&body, 1000);
        if (als_identity((struct str){exact, n}, &identity) &&
            als_body((struct str){exact, n}, buf_str(&identity), &body)) {
            assert_true(als_identity(buf_str(&body), &again));
            assert_true(str_eq(buf_str(&identity), buf_str(&again)));
            assert_false(str_contains(buf_str(&body), STR("xx")));
        }
        buf_fini(&identity);
        buf_fini(&again);
        buf_fini(&body);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(words_are_cut),
        cmocka_unit_test(trace_headers_are_read),
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(ids_stay_what_they_are),
        cmocka_unit_test(equal_lines_are_so_many_requests),
        cmocka_unit_test(equal_lines_are_counted_over_pieces),
        cmocka_unit_test(lines_say_what_they_say),
        cmocka_unit_test(kinds_are_guessed),
        cmocka_unit_test(otlp_records_are_told_apart),
        cmocka_unit_test(messages_may_be_cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
