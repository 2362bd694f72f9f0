/* decoders.c - invariants of a batch, and of decoding when memory is short. */
#include "tests/fuzz/decoders.h"

#include <math.h>

#include "collector/base/clock.h"
#include "collector/base/crc.h"
#include "collector/base/json.h"
#include "collector/decode/move_times.h"
#include "collector/model/histogram.h"
#include "tests/fuzz/fuzz.h"
#include "tests/oracle/batch_text.h"
#include "tests/oracle/naive_text.h"

#define MADE_ATTRIBUTES 4 /* of a Zipkin span: the peer's, its own endpoint's */
#define UNLIMITED (SIZE_MAX / 2)

const struct limits decoders_tight = {
    .max_spans = 8,
    .attributes = 6,
    .attribute_bytes = 40,
    .name_bytes = 24,
    .events = 3,
    .links = 2,
    .max_decoded = (size_t)1 << 20,
};

static void check_text(struct str text, size_t max, const char *what)
{
    FUZZ_CHECK(text.len <= max, "%s has %zu bytes: %.*s", what, text.len, STR_ARG(text));
    for (size_t i = 0; i < text.len;) {
        size_t n = naive_character((const unsigned char *)text.p + i, text.len - i);
        FUZZ_CHECK(n, "%s is no clean text", what);
        i += n;
    }
}

static void check_json(struct str text, char begin, const char *what)
{
    struct json json;
    if (!text.len)
        return;
    check_text(text, UNLIMITED, what);
    json_init(&json, text);
    FUZZ_CHECK(!begin || text.p[0] == begin, "%s: %.*s", what, STR_ARG(text));
    FUZZ_CHECK(json_skip(&json, NULL) && json_end(&json), "%s: %s in %.*s", what, json.error,
               STR_ARG(text));
}

static void check_attrs(const struct attr *attrs, uint32_t n, const struct limits *limits)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct attr *attr = &attrs[i];
        check_text(attr->key, 256, "a key");
        FUZZ_CHECK(attr->type <= VALUE_JSON, "type %u", attr->type);
        if (attr->type == VALUE_TEXT)
            check_text(attr->text, limits->attribute_bytes, "a value");
        if (attr->type == VALUE_JSON) {
            check_text(attr->text, limits->attribute_bytes, "a rendered value");
            check_json(attr->text, 0, "a rendered value");
        }
        for (size_t k = 0; attr->plain && k < attr->key.len; k++)
            FUZZ_CHECK((attr->key.p[k] & 0x80) == 0 && attr->key.p[k] != '"', "not plain");
        for (uint32_t k = 0; k < i; k++)
            FUZZ_CHECK(!str_eq(attrs[k].key, attr->key), "%.*s twice", STR_ARG(attr->key));
    }
}

static void check_facts(const struct span *span)
{
    const struct facts *facts = &span->facts;
    const struct str texts[] = {
        facts->cluster,          facts->namespace,      facts->service,
        facts->version,          facts->instance,       facts->zone,
        facts->operation,        facts->peer,           facts->peer_address,
        facts->upstream_cluster, facts->peer_namespace, facts->url_host,
        facts->protocol,         facts->request_id,     facts->response_flags};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        check_text(texts[i], UNLIMITED, "a fact");
    FUZZ_CHECK(facts->weight >= 1 && isfinite(facts->weight), "weight %g", (double)facts->weight);
    FUZZ_CHECK(facts->http_status >= -1 && facts->http_status <= 999, "http %d",
               facts->http_status);
    FUZZ_CHECK(facts->grpc_status >= -1 && facts->grpc_status <= 16, "grpc %d", facts->grpc_status);
    FUZZ_CHECK(facts->service.len, "a span without a service");
}

static void check_span(const struct span *span, const struct limits *limits)
{
    FUZZ_CHECK((span->trace_id.high || span->trace_id.low) && span->span_id, "a zero id");
    FUZZ_CHECK(span->kind < N_KINDS && span->status < N_STATUSES, "kind %u status %u", span->kind,
               span->status);
    FUZZ_CHECK(span->start_ns <= INT64_MAX, "start beyond the database's integers");
    FUZZ_CHECK(span->duration_ns == DURATION_UNKNOWN || span->duration_ns <= INT64_MAX,
               "duration beyond the database's integers");
    check_text(span->name, limits->name_bytes, "the name");
    check_text(span->status_message, UNLIMITED, "the message");
    check_text(span->trace_state, UNLIMITED, "the tracestate");
    check_text(span->scope_name, UNLIMITED, "the scope");
    check_text(span->scope_version, UNLIMITED, "the scope's version");
    FUZZ_CHECK(span->n_attrs <= limits->attributes + MADE_ATTRIBUTES, "%u attributes",
               span->n_attrs);
    FUZZ_CHECK(span->resource->n_attrs <= limits->attributes + MADE_ATTRIBUTES, "%u of a resource",
               span->resource->n_attrs);
    check_attrs(span->attrs, span->n_attrs, limits);
    check_attrs(span->resource->attrs, span->resource->n_attrs, limits);
    check_json(span->events, '[', "the events");
    check_json(span->links, '[', "the links");
    check_facts(span);
}

static void check_point(const struct metric_point *point, const struct limits *limits)
{
    const struct metric *metric = point->metric;
    struct histogram histogram;
    FUZZ_CHECK(metric->type < N_METRIC_TYPES && metric->temporality < N_TEMPORALITIES, "type %u",
               metric->type);
    FUZZ_CHECK(metric->name.len && metric->resource, "a point of nothing");
    check_text(metric->name, limits->name_bytes, "the name");
    check_text(metric->unit, limits->name_bytes, "the unit");
    check_text(metric->description, limits->name_bytes, "the description");
    check_text(metric->scope_name, UNLIMITED, "the scope");
    FUZZ_CHECK(point->n_attrs <= limits->attributes, "%u attributes", point->n_attrs);
    check_attrs(point->attrs, point->n_attrs, limits);
    check_attrs(metric->resource->attrs, metric->resource->n_attrs, limits);
    for (uint32_t i = 1; i < point->n_attrs; i++)
        FUZZ_CHECK(str_cmp(point->attrs[i - 1].key, point->attrs[i].key) < 0, "not in order");
    FUZZ_CHECK(point->at_ns <= INT64_MAX && point->count <= INT64_MAX,
               "beyond the database's integers");
    histogram_init(&histogram);
    FUZZ_CHECK(histogram_decode(&histogram, point->histogram), "no histogram of the house");
    FUZZ_CHECK(!point->histogram.len || histogram.n > 0, "a histogram of nothing");
    histogram_fini(&histogram);
}

static void check_family(const struct metric_family *family, const struct limits *limits)
{
    FUZZ_CHECK(family->type < N_FAMILY_TYPES && family->name.len, "type %u", family->type);
    check_text(family->name, limits->name_bytes, "a family's name");
    check_text(family->unit, limits->name_bytes, "a family's unit");
    check_text(family->description, limits->name_bytes, "a family's sentence");
}

static void check_log(const struct log_record *record)
{
    FUZZ_CHECK(record->trace_id.high || record->trace_id.low, "a zero id");
    FUZZ_CHECK(record->at_ns <= INT64_MAX, "a time beyond the database's integers");
    FUZZ_CHECK(record->json.len, "a record without its text");
    check_json(record->json, '{', "the record");
}

static void check_batch(const struct batch *batch, const struct limits *limits)
{
    FUZZ_CHECK(batch_records(batch) + batch->counts.n_rejected <= limits->max_spans, "%u records",
               batch_records(batch));
    FUZZ_CHECK(batch->counts.n_rejected == 0 || batch->first_reason[0], "rejected without reason");
    FUZZ_CHECK(batch->arena.used <= batch->arena.ceiling, "%zu bytes", batch->arena.used);
    for (uint32_t i = 0; i < batch->n_spans; i++)
        check_span(&batch->spans[i], limits);
    for (uint32_t i = 0; i < batch->n_points; i++)
        check_point(&batch->points[i], limits);
    for (uint32_t i = 0; i < batch->n_families; i++)
        check_family(&batch->families[i], limits);
    for (uint32_t i = 0; i < batch->n_logs; i++)
        check_log(&batch->logs[i]);
}

struct trial {
    struct content content;
    struct str body;
    const struct limits *limits;
    int code;         /* with enough memory */
    struct buf text;  /* of the batch then */
    struct buf again; /* room for the text of another trial, allocated beforehand */
};

/* Refused as busy, or just as if nothing had happened. */
static void try_short(void *ctx)
{
    struct trial *trial = ctx;
    struct batch *batch = NULL;
    struct err err = {0};
    int code = decode_content(trial->content, trial->body, trial->limits, &batch, &err);
    if (code == ERR_BUSY)
        return;
    FUZZ_CHECK(code == trial->code, "code %d instead of %d: %s", code, trial->code, err.text);
    if (code)
        return;
    buf_reset(&trial->again);
    batch_text_all(&trial->again, batch);
    FUZZ_CHECK(buf_failed(&trial->again) || str_eq(buf_str(&trial->again), buf_str(&trial->text)),
               "another text:\n%.*s\n%.*s", STR_ARG(buf_str(&trial->text)),
               STR_ARG(buf_str(&trial->again)));
    batch_free(batch);
}

struct batch *decoders_try_content(struct content content, struct str body,
                                   const struct limits *limits, int *code)
{
    struct batch *batch = NULL;
    struct err err = {0};
    struct trial trial = {.content = content, .body = body, .limits = limits};
    trial.code = *code = decode_content(content, body, limits, &batch, &err);
    FUZZ_CHECK(*code == 0 || *code == ERR_INVALID || *code == ERR_TOO_BIG, "code %d: %s", *code,
               err.text);
    FUZZ_CHECK(*code == 0 || ((int)err.code == *code && err.text[0]), "code %d without a text",
               *code);
    if (*code == 0)
        check_batch(batch, limits);
    if (fuzz_shortage == FUZZ_MEMORY_IS_THERE)
        return batch;
    buf_init(&trial.text, UNLIMITED);
    buf_init(&trial.again, UNLIMITED);
    if (*code == 0)
        batch_text_all(&trial.text, batch);
    buf_reserve(&trial.again, trial.text.len + 4096);
    fuzz_short(try_short, &trial, crc32c(0, body.p, body.len));
    buf_fini(&trial.text);
    buf_fini(&trial.again);
    return batch;
}

struct batch *decoders_try(enum format format, enum encoding encoding, struct str body,
                           const struct limits *limits, int *code)
{
    struct content content = {SIGNAL_TRACES, (uint8_t)format, (uint8_t)encoding};
    return decoders_try_content(content, body, limits, code);
}

/* A body that decodes does so with its times moved, and by nothing at all it is the same. */
static void check_moved(struct content content, struct str body, const struct batch *was)
{
    for (int seconds = 0; seconds < 2; seconds++) {
        struct buf moved, texts[2];
        struct batch *batch = NULL;
        struct err err = {0};
        buf_init(&moved, UNLIMITED);
        if (move_times(content, body, seconds * (int64_t)NS_PER_S, &moved)) {
            int code = decode_content(content, buf_str(&moved), &limits_default, &batch, &err);
            FUZZ_CHECK(code == 0, "moved: %s", err.text);
            FUZZ_CHECK(batch_records(batch) == batch_records(was), "moved: other records");
            for (int k = 0; k < 2; k++) {
                buf_init(&texts[k], UNLIMITED);
                batch_text_all(&texts[k], k ? was : batch);
            }
            FUZZ_CHECK(seconds || str_eq(buf_str(&texts[0]), buf_str(&texts[1])), "moved by 0");
            buf_fini(&texts[0]);
            buf_fini(&texts[1]);
            batch_free(batch);
        }
        buf_fini(&moved);
    }
}

void decoders_fuzz(enum signal signal, enum format format, struct str body)
{
    const struct limits *const limits[] = {&limits_default, &decoders_tight};
    struct content content = {(uint8_t)signal, (uint8_t)format, ENCODING_IDENTITY}, guess;
    decode_guess(body, &guess);
    for (int i = 0; i < 2; i++) {
        struct buf texts[2];
        for (int k = 0; k < 2; k++) {
            int code;
            struct batch *batch = decoders_try_content(content, body, limits[i], &code);
            buf_init(&texts[k], UNLIMITED);
            buf_addf(&texts[k], "%d\n", code);
            if (batch)
                batch_text_all(&texts[k], batch);
            if (batch && i == 0 && k == 0)
                check_moved(content, body, batch);
            batch_free(batch);
        }
        FUZZ_CHECK(str_eq(buf_str(&texts[0]), buf_str(&texts[1])), "not the same twice");
        buf_fini(&texts[0]);
        buf_fini(&texts[1]);
    }
}
