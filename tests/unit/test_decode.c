/* test_decode.c - what the decoders promise whatever way a sender spells the same thing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/buf.h"
#include "collector/decode/decode.h"
#include "collector/decode/text.h"
#include "collector/decode/unique_keys.h"

#define IDS "\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"00000000000000a1\""
#define ZIPKIN_IDS "\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"id\":\"00000000000000a1\""

static struct batch *decode(enum format format, struct buf *body, const struct limits *limits)
{
    struct batch *batch;
    struct err err = {0};
    assert_int_equal(decode_body(format, ENCODING_IDENTITY, buf_str(body), limits, &batch, &err),
                     0);
    assert_int_equal(batch->n_spans, 1);
    return batch;
}

static void otlp_body(struct buf *body, const char *before, const char *between,
                      const char *const *keys, const char *const *texts)
{
    buf_addf(body, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{%s,\"attributes\":[", IDS);
    for (size_t i = 0; keys[i]; i++)
        buf_addf(body, "%s{%s\"key\":\"%s\",%s\"value\":{\"stringValue\":\"%s\"}}", i ? "," : "",
                 before, keys[i], between, texts[i]);
    buf_add_c(body, "]}]}]}]}");
}

static void zipkin_body(struct buf *body, const char *const *keys, const char *const *texts)
{
    buf_addf(body, "[{%s,\"tags\":{", ZIPKIN_IDS);
    for (size_t i = 0; keys[i]; i++)
        buf_addf(body, "%s\"%s\":\"%s\"", i ? "," : "", keys[i], texts[i]);
    buf_add_c(body, "}}]");
}

static void assert_same_attributes(const struct batch *a, const struct batch *b)
{
    const struct span *x = &a->spans[0], *y = &b->spans[0];
    assert_int_equal(x->n_attrs, y->n_attrs);
    for (uint32_t i = 0; i < x->n_attrs; i++) {
        assert_true(str_eq(x->attrs[i].key, y->attrs[i].key));
        assert_true(str_eq(x->attrs[i].text, y->attrs[i].text));
        assert_int_equal(x->attrs[i].type, y->attrs[i].type);
        assert_int_equal(x->attrs[i].plain, y->attrs[i].plain);
    }
    assert_int_equal(a->counts.n_cut_values, b->counts.n_cut_values);
    assert_int_equal(a->counts.n_dropped_attributes, b->counts.n_dropped_attributes);
}

static const char *const keys[] = {"http.route", "a",       "",     "a",        "odd",
                                   "quote",      "unicode", "long", "one-more", NULL};
static const char *const texts[] = {"/cart/{id}",
                                    "1",
                                    "no key",
                                    "2",
                                    "\\u0041\\n",
                                    "\\\"x\\\"",
                                    "caf\xc3\xa9 \xf0\x9f\x98\x80",
                                    "0123456789abcdef0123",
                                    "over the number",
                                    NULL};

/* The short way of the usual spelling and the general way give the same, cuts and counts included.
 */
static void attributes_are_the_same_with_and_without_blanks(void **state)
{
    static const char *const before[] = {"", " ", "\"extra\":[1,{}],", "\n\t"};
    static const char *const between[] = {"", "  ", "\"extra\":null,", "\r\n"};
    struct limits limits = limits_default;
    struct batch *first = NULL;
    struct buf bodies[4];
    (void)state;
    limits.attributes = 8;
    limits.attribute_bytes = 16;
    for (size_t i = 0; i < 4; i++) {
        buf_init(&bodies[i], 1u << 16);
        otlp_body(&bodies[i], before[i], between[i], keys, texts);
        struct batch *batch = decode(FORMAT_OTLP_JSON, &bodies[i], &limits);
        if (!first) {
            first = batch;
            assert_int_equal(batch->counts.n_cut_values, 1);
            assert_int_equal(batch->counts.n_dropped_attributes, 1);
            continue;
        }
        assert_same_attributes(first, batch);
        batch_free(batch);
    }
    struct buf zipkin;
    buf_init(&zipkin, 1u << 16);
    zipkin_body(&zipkin, keys, texts);
    struct batch *batch = decode(FORMAT_ZIPKIN_JSON, &zipkin, &limits);
    assert_same_attributes(first, batch);
    batch_free(batch);
    batch_free(first);
    buf_fini(&zipkin);
    for (size_t i = 0; i < 4; i++)
        buf_fini(&bodies[i]);
}

/* How a request went is read however many attributes stand before it; no more are kept. */
static void what_has_a_meaning_is_read_beyond_the_limit(void **state)
{
    static const char *const many[] = {"a", "b",     "http.method", "c", "d", "http.status_code",
                                       "e", "error", NULL};
    static const char *const values[] = {"1", "2", "GET", "3", "4", "503", "5", "x", NULL};
    static const char *const kept[] = {"a", "error", "http.method", "http.status_code"};
    struct limits limits = limits_default;
    (void)state;
    limits.attributes = 4;
    for (int i = 0; i < 3; i++) {
        struct buf body;
        buf_init(&body, 1u << 16);
        if (i == 2)
            zipkin_body(&body, many, values);
        else
            otlp_body(&body, i ? " " : "", "", many, values);
        enum format format = i == 2 ? FORMAT_ZIPKIN_JSON : FORMAT_OTLP_JSON;
        struct batch *batch = decode(format, &body, &limits);
        const struct span *span = &batch->spans[0];
        assert_int_equal(span->facts.http_status, 503);
        assert_true(span->facts.error_tag);
        assert_int_equal(span->n_attrs, 4);
        for (int k = 0; k < 4; k++)
            assert_true(str_eq(span->attrs[k].key, str_of(kept[k])));
        assert_int_equal(batch->counts.n_dropped_attributes, 4);
        batch_free(batch);
        buf_fini(&body);
    }
}

static void an_object_has_each_key_once(void **state)
{
    static const char *const rows[][2] = {
        {"{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}"},
        {"{\"a\":{\"a\":1,\"a\":[]},\"a\":{\"a\":[1,2],\"a\":\"},{\\\"a\\\":1\"},\"c\":[]}",
         "{\"a\":{\"a\":\"},{\\\"a\\\":1\"},\"c\":[]}"},
        {"[{\"a\":1},{\"a\":1},\"a\",\"a\",{\"\":{},\"\":[\"\"],\"\":null}]",
         "[{\"a\":1},{\"a\":1},\"a\",\"a\",{\"\":null}]"},
        {"{}", "{}"},
        {"[]", "[]"},
    };
    struct buf many, one;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_init(&one, 1u << 16);
        buf_add_c(&one, rows[i][0]);
        unique_keys(&one);
        buf_add_char(&one, '\0');
        assert_string_equal(one.p, rows[i][1]);
        buf_fini(&one);
    }
    /* More keys than a mask tells apart, each twice. */
    buf_init(&many, 1u << 20);
    buf_init(&one, 1u << 20);
    for (int i = 0; i < 2000; i++)
        buf_addf(&many, "%s\"k%d\":%d", i ? "," : "{", i % 1000, i);
    for (int i = 1000; i < 2000; i++)
        buf_addf(&one, "%s\"k%d\":%d", i > 1000 ? "," : "{", i - 1000, i);
    buf_add_char(&many, '}');
    buf_add_char(&one, '}');
    unique_keys(&many);
    assert_int_equal(many.len, one.len);
    assert_memory_equal(many.p, one.p, one.len);
    buf_fini(&many);
    buf_fini(&one);
}

static void a_map_as_a_value_keeps_the_last_of_equal_keys(void **state)
{
    struct buf body;
    (void)state;
    buf_init(&body, 1u << 16);
    buf_addf(&body,
             "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{%s,\"attributes\":[{\"key\":"
             "\"m\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"a\",\"value\":{"
             "\"intValue\":1}},{\"key\":\"a\",\"value\":{\"intValue\":2}}]}}}]}]}]}]}",
             IDS);
    struct batch *batch = decode(FORMAT_OTLP_JSON, &body, &limits_default);
    const struct attr *attr = &batch->spans[0].attrs[0];
    assert_int_equal(attr->type, VALUE_JSON);
    assert_true(str_eq(attr->text, STR("{\"a\":2}")));
    batch_free(batch);
    buf_fini(&body);
}

/* Cut anywhere, the usual spelling is refused and read within its bytes. */
/* Field names as the .proto files have them; what stands in texts is no name. */
static void snake_case_is_read_too(void **state)
{
    static const char *const heads[] = {
        "{\"resourceSpans\":[{\"resource\":{\"droppedAttributesCount\":1},\"scopeSpans\":[{"
        "\"spans\":[{"
        "\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"00000000000000a1\","
        "\"parentSpanId\":\"00000000000000a0\",\"startTimeUnixNano\":\"1795428000000000000\","
        "\"endTimeUnixNano\":\"1795428001000000000\",\"attributes\":[{\"key\":\"a_b\",\"value\":"
        "{\"stringValue\":",
        "{\"resource_spans\" : "
        "[{\"resource\":{\"dropped_attributes_count\":1},\"scope_spans\":[{\"spans\":[{"
        "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"00000000000000a1\","
        "\"parent_span_id\":\"00000000000000a0\",\"start_time_unix_nano\":\"1795428000000000000\","
        "\"end_time_unix_nano\" "
        ":\"1795428001000000000\",\"attributes\":[{\"key\":\"a_b\",\"value\":"
        "{\"string_value\":"};
    struct batch *batches[2];
    struct buf bodies[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        buf_init(&bodies[i], 1 << 16);
        buf_add_c(&bodies[i], heads[i]);
        buf_add_c(&bodies[i], "\"the_text\\\\ \\\"trace_id\\\":\"}},{\"key\":\"c_d:\"}]}]}]}]}");
        batches[i] = decode(FORMAT_OTLP_JSON, &bodies[i], &limits_default);
    }
    const struct span *a = &batches[0]->spans[0], *b = &batches[1]->spans[0];
    assert_same_attributes(batches[0], batches[1]);
    assert_int_equal(b->n_attrs, 2);
    assert_true(str_eq(b->attrs[0].text, STR("the_text\\ \"trace_id\":")));
    assert_true(a->span_id == b->span_id && a->parent_id == b->parent_id);
    assert_true(a->start_ns == b->start_ns && a->duration_ns == b->duration_ns);
    for (int i = 0; i < 2; i++) {
        batch_free(batches[i]);
        buf_fini(&bodies[i]);
    }
}

static void a_cut_body_is_refused(void **state)
{
    struct buf body;
    (void)state;
    buf_init(&body, 1u << 16);
    otlp_body(&body, "", "", keys, texts);
    for (size_t n = 1; n < body.len; n++) {
        struct batch *batch = NULL;
        struct err err = {0};
        char *exact = malloc(n);
        memcpy(exact, body.p, n);
        assert_int_equal(decode_body(FORMAT_OTLP_JSON, ENCODING_IDENTITY, (struct str){exact, n},
                                     &limits_default, &batch, &err),
                         ERR_INVALID);
        free(exact);
    }
    buf_fini(&body);
}

/* Every byte at every place of every length, among digits that are good. */
static void only_hexadecimal_digits_are_a_number(void **state)
{
    (void)state;
    static const char good[] = "0123456789abcdefABCDEF";
    for (size_t len = 0; len <= 17; len++) {
        for (size_t at = 0; at < (len ? len : 1); at++) {
            for (int byte = 0; byte < 256; byte++) {
                char text[18] = "", c = (char)byte;
                for (size_t i = 0; i < len; i++)
                    text[i] = i == at ? c : good[(i * 7 + len) % (sizeof(good) - 1)];
                bool digit =
                    (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
                uint64_t number = 0;
                bool read = hex_to_u64((struct str){text, len}, &number);
                assert_int_equal(read, len > 0 && len <= 16 && digit);
                if (read)
                    assert_int_equal(number, strtoull(text, NULL, 16));
            }
        }
    }
}

/* Every byte at every place of every length that the steps of sixteen, eight and one can meet. */
static void plain_ends_at_the_first_byte_that_is_not(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 41; len++) {
        for (size_t at = 0; at < (len ? len : 1); at++) {
            for (int byte = 0; byte < 256; byte++) {
                char text[42], c = (char)byte;
                memset(text, 'a' + (int)(at % 26), sizeof(text));
                text[at] = c;
                if (at + 3 < len)
                    text[at + 3] = '"';
                bool odd = len && (byte < 0x20 || byte > 0x7e || c == '"' || c == '\\');
                size_t end = odd ? at : at + 3 < len ? at + 3 : len;
                assert_ptr_equal(plain_end(text, text + len), text + end);
                assert_int_equal(plain_text((struct str){text, len}), end == len);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_are_the_same_with_and_without_blanks),
        cmocka_unit_test(what_has_a_meaning_is_read_beyond_the_limit),
        cmocka_unit_test(an_object_has_each_key_once),
        cmocka_unit_test(a_map_as_a_value_keeps_the_last_of_equal_keys),
        cmocka_unit_test(snake_case_is_read_too),
        cmocka_unit_test(a_cut_body_is_refused),
        cmocka_unit_test(only_hexadecimal_digits_are_a_number),
        cmocka_unit_test(plain_ends_at_the_first_byte_that_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
