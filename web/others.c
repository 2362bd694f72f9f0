/* others.c - what the query APIs of Jaeger, Tempo and Zipkin share. */
#include "web/others.h"

#include "collector/base/clock.h"
#include "collector/store/spans.h"

#define TRACE_BYTES ((size_t)512 << 20)
#define MS_PER_DAY UINT64_C(86400000)

const char *others_word_error(struct str path, unsigned status, const char *code, struct str text,
                              struct buf *body)
{
    if (str_starts(path, STR("/api/v2/"))) { /* Zipkin's, and Tempo's */
        buf_add_str(body, text);
        buf_add_char(body, '\n');
        return "text/plain; charset=utf-8";
    }
    if (str_starts(path, STR("/api/v3/"))) { /* Jaeger's */
        buf_addf(body, "{\"error\":{\"grpcCode\":0,\"httpCode\":%u,\"message\":", status);
        buf_add_json(body, text);
        buf_addf(body, ",\"httpStatus\":\"%s\"}}", code);
        return "application/json";
    }
    bool own = !str_starts(path, STR("/api/")) || str_starts(path, STR("/api/v1/"));
    if (own)
        buf_addf(body, "{\"error\":{\"code\":\"%s\",\"message\":", code);
    else
        buf_addf(body,
                 "{\"data\":null,\"total\":0,\"limit\":0,\"offset\":0,\"errors\":[{\"code\":%u,"
                 "\"msg\":",
                 status);
    buf_add_json(body, text);
    buf_add_c(body, own ? "}}" : "}]}");
    return "application/json";
}

void others_answer(struct web *web, struct http_request *request, others_ask_f *answer)
{
    struct err err = {0};
    struct buf out;
    buf_init(&out, ANSWER_BYTES);
    struct others_ask ask = {.request = request, .out = &out, .type = "application/json"};
    ask.query = web_query_take(web, &err);
    if (ask.query)
        answer(&ask, &err);
    web_query_give(web, ask.query);
    web_apart_ends(web);
    if (err.code)
        web_answer_error(request, &err);
    else
        web_answer(request, ask.type, &out);
    buf_fini(&out);
}

/* ---- parameters ---- */

bool others_time(const struct http_request *request, const char *name, uint64_t unit_ns,
                 uint64_t fallback_ns, uint64_t *ns, struct err *err)
{
    struct str text = http_query(request, name);
    uint64_t number;
    *ns = fallback_ns;
    if (!text.len)
        return true;
    if (!str_to_u64(text, &number) || number > (uint64_t)INT64_MAX / unit_ns - 1)
        return !err_set(err, ERR_INVALID, "%s is a whole number of %s", name,
                        unit_ns == NS_PER_US ? "microseconds" : "milliseconds");
    *ns = number * unit_ns;
    return true;
}

bool others_limit(const struct http_request *request, uint32_t fallback, uint32_t *limit,
                  struct err *err)
{
    struct str text = http_query(request, "limit");
    uint64_t number = fallback;
    if (text.len && (!str_to_u64(text, &number) || number < 1 || number > MOST_TRACES))
        return !err_set(err, ERR_INVALID, "limit is 1 to %d", MOST_TRACES);
    *limit = (uint32_t)number;
    return true;
}

bool others_window(const struct http_request *request, struct window *window, struct err *err)
{
    uint64_t lookback_ns;
    if (!others_time(request, "endTs", NS_PER_MS, clock_wall_ns(), &window->to_ns, err) ||
        !others_time(request, "lookback", NS_PER_MS, MS_PER_DAY * NS_PER_MS, &lookback_ns, err))
        return false;
    window->from_ns = window->to_ns > lookback_ns ? window->to_ns - lookback_ns : 0;
    window->to_ns += NS_PER_US; /* the end is in: times of spans are whole microseconds there */
    return true;
}

/* ---- lists ---- */

bool others_add_name(const struct query_rows *rows, void *ctx)
{
    struct others_list *list = ctx;
    struct buf *out = list->out;
    size_t from = out->len;
    if (list->n)
        buf_add_char(out, ',');
    size_t text = out->len;
    buf_add_json(out, (struct str){rows->values[0], (size_t)rows->lengths[0]});
    struct str last = {out->p + list->last, from - list->last},
               own = {out->p + text, out->len - text};
    if (list->n && str_eq(last, own)) { /* of another kind */
        out->len = from;
        return true;
    }
    list->last = text;
    list->n++;
    return !buf_failed(out);
}

void others_begin_dependency(struct others_list *list, const struct query_rows *rows)
{
    buf_add_c(list->out, list->n++ ? ",{\"parent\":" : "{\"parent\":");
    buf_add_json(list->out, str_of(rows->values[0]));
    buf_add_c(list->out, ",\"child\":");
    buf_add_json(list->out, str_of(rows->values[1]));
    buf_addf(list->out, ",\"callCount\":%s", rows->values[2]);
}

void others_warn_stopped(struct others_ask *ask, const struct span_found *found)
{
    struct buf text;
    if (!found->stopped)
        return;
    buf_init(&text, 256);
    buf_add_c(&text, "199 faultline \"the search took too long: traces before ");
    buf_add_time(&text, found->stopped_at_ns);
    buf_add_c(&text, " were not looked at\"");
    buf_add_char(&text, '\0');
    http_add_header(ask->request, "Warning", text.p);
    buf_fini(&text);
}

/* Takes the batch; writes what is in it. */
static int write_batch(struct others_ask *ask, struct batch *batch,
                       void (*write)(struct buf *out, const struct batch *batch), struct err *err)
{
    if (!err->code && batch->n_spans)
        write(ask->out, batch);
    if (!err->code && buf_failed(ask->out))
        err_set(err, ERR_TOO_BIG, "the answer is too large; ask for fewer traces");
    batch_free(batch);
    return err->code;
}

int others_write_traces(struct others_ask *ask, const struct span_found *found,
                        void (*write)(struct buf *out, const struct batch *batch), uint32_t *n,
                        struct err *err)
{
    *n = 0;
    for (uint32_t i = 0; i < found->n && !err->code; i++) {
        struct batch *batch = batch_new(TRACE_BYTES);
        if (!batch)
            return err_set(err, ERR_BUSY, "memory is short");
        spans_of_number(ask->query, found->numbers[i], batch, err);
        bool any = batch->n_spans > 0; /* else it went meanwhile */
        if (any && *n)
            buf_add_char(ask->out, ',');
        *n += any;
        write_batch(ask, batch, write, err);
    }
    return err->code;
}

int others_write_trace(struct others_ask *ask, struct str id,
                       void (*write)(struct buf *out, const struct batch *batch), struct err *err)
{
    struct batch *batch = batch_new(TRACE_BYTES);
    if (!batch)
        return err_set(err, ERR_BUSY, "memory is short");
    spans_of_trace(ask->query, id, batch, err);
    return write_batch(ask, batch, write, err);
}
