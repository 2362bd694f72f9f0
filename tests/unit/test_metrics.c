/* test_metrics.c - metric points by hand, byte for byte: what their histograms hold, and what is
 * known of a file by its first item.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/buf.h"
#include "collector/decode/decode.h"
#include "collector/model/histogram.h"

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)

static struct batch *decode(enum signal signal, enum format format, struct str body)
{
    struct content content = {(uint8_t)signal, (uint8_t)format, ENCODING_IDENTITY};
    struct batch *batch = NULL;
    struct err err = {0};
    assert_int_equal(decode_content(content, body, &limits_default, &batch, &err), 0);
    return batch;
}

static struct batch *metric_json(const char *metric)
{
    struct buf body;
    buf_init(&body, 1u << 16);
    buf_addf(&body, "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[%s]}]}]}", metric);
    struct batch *batch = decode(SIGNAL_METRICS, FORMAT_OTLP_JSON, buf_str(&body));
    batch->bytes = buf_detach(&body, NULL); /* texts point into it */
    return batch;
}

struct row {
    uint64_t value;
    int64_t count;
};

static void holds(const struct batch *batch, const struct row *rows, size_t n)
{
    struct histogram found, wanted;
    assert_int_equal(batch->n_points, 1);
    histogram_init(&found);
    histogram_init(&wanted);
    assert_true(histogram_decode(&found, batch->points[0].histogram));
    for (size_t i = 0; i < n; i++)
        assert_true(histogram_add(&wanted, rows[i].value, rows[i].count));
    struct buf a, b;
    buf_init(&a, 1u << 16);
    buf_init(&b, 1u << 16);
    histogram_encode(&found, &a);
    histogram_encode(&wanted, &b);
    assert_int_equal(found.n, wanted.n);
    assert_true(str_eq(buf_str(&a), buf_str(&b)));
    buf_fini(&a);
    buf_fini(&b);
    histogram_fini(&found);
    histogram_fini(&wanted);
}

/* A bucket's counts lie at the ends of four equal parts of it; few at as many; the last, without an
 * end, at its beginning or at the greatest value. */
static void buckets_are_spread(void **state)
{
    (void)state;
    struct batch *batch =
        metric_json("{\"name\":\"h\",\"unit\":\"s\",\"histogram\":{\"dataPoints\":[{\"count\":19,"
                    "\"bucketCounts\":[8,1,6,4],\"explicitBounds\":[1,2,4],\"max\":9}]}}");
    holds(batch,
          (struct row[]){{S / 4, 2},
                         {S / 2, 2},
                         {3 * S / 4, 2},
                         {S, 2},
                         {2 * S, 1},
                         {5 * S / 2, 1},
                         {3 * S, 2},
                         {7 * S / 2, 1},
                         {4 * S, 2},
                         {21 * S / 4, 1},
                         {13 * S / 2, 1},
                         {31 * S / 4, 1},
                         {9 * S, 1}},
          13);
    batch_free(batch);
    batch = metric_json("{\"name\":\"h\",\"unit\":\"By\",\"histogram\":{\"dataPoints\":[{\"count\":"
                        "3,\"bucketCounts\":[0,1,2],\"explicitBounds\":[10,20]}]}}");
    holds(batch, (struct row[]){{20, 3}}, 1);
    batch_free(batch);
}

/* b = 2^(2^-scale): at scale 0 bucket 3 is (8, 16]; below 0 counts as 0. */
static void exponential_buckets(void **state)
{
    (void)state;
    struct batch *batch = metric_json(
        "{\"name\":\"e\",\"unit\":\"ms\",\"exponentialHistogram\":{\"dataPoints\":[{\"count\":9,"
        "\"scale\":0,\"zeroCount\":2,\"positive\":{\"offset\":3,\"bucketCounts\":[1,0,4]},"
        "\"negative\":{\"offset\":0,\"bucketCounts\":[2]}}]}}");
    holds(batch,
          (struct row[]){
              {0, 4}, {16 * MS, 1}, {40 * MS, 1}, {48 * MS, 1}, {56 * MS, 1}, {64 * MS, 1}},
          6);
    batch_free(batch);
    batch = metric_json("{\"name\":\"e\",\"unit\":\"\",\"exponentialHistogram\":{\"dataPoints\":[{"
                        "\"count\":5,\"scale\":4,\"positive\":{\"offset\":159,\"bucketCounts\":[5]}"
                        "}]}}");
    holds(batch, (struct row[]){{1024, 5}}, 1); /* (2^(159/16), 2^10]: too narrow to be spread */
    batch_free(batch);
}

/* Between two quantiles lie as many values as the shares say. */
static void quantiles_of_a_summary(void **state)
{
    (void)state;
    struct batch *batch =
        metric_json("{\"name\":\"q\",\"unit\":\"ms\",\"summary\":{\"dataPoints\":[{\"count\":\"8\","
                    "\"sum\":1,\"quantileValues\":[{\"quantile\":0.5,\"value\":10},{\"quantile\":"
                    "1,\"value\":18}]}]}}");
    holds(batch,
          (struct row[]){{10 * MS, 4}, {12 * MS, 1}, {14 * MS, 1}, {16 * MS, 1}, {18 * MS, 1}}, 5);
    assert_true(batch->points[0].has_sum && batch->points[0].has_count);
    assert_int_equal(batch->points[0].count, 8);
    batch_free(batch);
}

/* One gauge in protobuf, written out. */
static void a_point_byte_for_byte(void **state)
{
    static const char body[] = "\x0a\x38"                                   /* resource_metrics */
                               "\x0a\x0a\x0a\x08\x0a\x01k\x12\x03\x0a\x01v" /* resource: k = v */
                               "\x12\x2a"                                   /* scope_metrics */
                               "\x0a\x03\x0a\x01s"                          /* scope: name */
                               "\x12\x23"                                   /* metric */
                               "\x0a\x01m\x1a\x01g"                         /* name, unit */
                               "\x2a\x1b\x0a\x19"                           /* gauge, data point */
                               "\x19\x01\x00\x00\x00\x00\x00\x00\x00"       /* time 1 */
                               "\x31\xfe\xff\xff\xff\xff\xff\xff\xff"       /* as_int -2 */
                               "\x3a\x05\x0a\x01\x61\x12\x00";              /* a, empty */
    (void)state;
    struct str bytes = {body, sizeof(body) - 1};
    struct content content;
    struct batch *batch = decode(SIGNAL_METRICS, FORMAT_OTLP_PB, bytes);
    assert_int_equal(batch->n_points, 1);
    const struct metric_point *point = &batch->points[0];
    assert_int_equal(point->metric->type, METRIC_GAUGE);
    assert_true(str_eq(point->metric->name, STR("m")) && str_eq(point->metric->unit, STR("g")));
    assert_true(str_eq(point->metric->scope_name, STR("s")));
    assert_true(str_eq(point->metric->resource->attrs[0].text, STR("v")));
    assert_int_equal(point->at_ns, 1);
    assert_int_equal(point->value_type, METRIC_INT);
    assert_int_equal(point->integer, -2);
    assert_int_equal(point->n_attrs, 1);
    assert_int_equal(point->attrs[0].type, VALUE_EMPTY);
    assert_int_equal(point->histogram.len, 0);
    batch_free(batch);
    assert_true(decode_guess(bytes, &content));
    assert_int_equal(content.signal, SIGNAL_METRICS);
    assert_int_equal(content.format, FORMAT_OTLP_PB);
}

static void content_is_guessed(void **state)
{
    static const struct {
        const char *text;
        int signal, format; /* −1: nothing known */
    } rows[] = {
        {"{\"resourceSpans\":[]}", SIGNAL_TRACES, FORMAT_OTLP_JSON},
        {" \n{\"x\":[1,{}],\"resourceMetrics\":[]}", SIGNAL_METRICS, FORMAT_OTLP_JSON},
        {"{\"resourceLogs\":[", SIGNAL_LOGS, FORMAT_OTLP_JSON},
        {"{\"data\":[]}", SIGNAL_TRACES, FORMAT_JAEGER_JSON},
        {"{\"traceID\":\"1\"}", SIGNAL_TRACES, FORMAT_JAEGER_JSON},
        {"[{\"traceID\":\"1\"}]", SIGNAL_TRACES, FORMAT_JAEGER_JSON},
        {"[{\"name\":\"x\",\"traceId\":\"1\"}]", SIGNAL_TRACES, FORMAT_ZIPKIN_JSON},
        {"[]", SIGNAL_TRACES, FORMAT_ZIPKIN_JSON},
        {"{}", SIGNAL_TRACES, FORMAT_OTLP_JSON},
        {"{\"a\":1}", -1, -1},
        {"x", -1, -1},
        {"", -1, -1},
        {"\x0a\x14\x0a\x08\x01\x01\x01\x01\x01\x01\x01\x01\x1a\x08\x01\x01\x01\x01\x01\x01\x01\x01",
         SIGNAL_TRACES, FORMAT_ZIPKIN_PB},
        {"\x0a\x0d\x12\x0b\x12\x09\x09\x01\x01\x01\x01\x01\x01\x01\x01", SIGNAL_LOGS,
         FORMAT_OTLP_PB},
        {"\x0a\x0d\x12\x0b\x12\x09\x39\x01\x01\x01\x01\x01\x01\x01\x01", SIGNAL_TRACES,
         FORMAT_OTLP_PB},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct content content = {0};
        bool known = decode_guess(str_of(rows[i].text), &content);
        if (known != (rows[i].signal >= 0) ||
            (known && (content.signal != rows[i].signal || content.format != rows[i].format)))
            fail_msg("%s: %d %u %u", rows[i].text, known, content.signal, content.format);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_spread),     cmocka_unit_test(exponential_buckets),
        cmocka_unit_test(quantiles_of_a_summary), cmocka_unit_test(a_point_byte_for_byte),
        cmocka_unit_test(content_is_guessed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
