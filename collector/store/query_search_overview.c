/* query_search_overview.c - the whole of a search at one look: counts, facets, points, histogram.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/store/query_search.h"
#include "collector/store/search.h"
#include "collector/store/search_facets.h"
#include "collector/store/search_sample.h"

#define POINTS 4000
#define KEPT 200 /* of the slowest, and of the failed */
#define FLAG_TRACES 4000
#define BINS_PER_DECADE 20
#define LOWEST_NS 1000.0 /* bin 0 begins at 1 µs */
#define N_BINS 180       /* nine decades: to 1,000 s */

struct overview {
    const struct search_request *request;
    struct facets facets;
    struct sample fair, slowest, failed;
    uint64_t n, n_failed, n_boxed, n_boxed_failed;
    uint64_t without[MAX_CONDITIONS]; /* traces that this condition alone keeps out */
    uint64_t bins[2][N_BINS];         /* good, failed */
};

static unsigned bin_of(uint64_t duration_ns)
{
    double bin = duration_ns <= LOWEST_NS
                     ? 0
                     : floor(log10((double)duration_ns / LOWEST_NS) * BINS_PER_DECADE);
    return bin < N_BINS - 1 ? (unsigned)bin : N_BINS - 1;
}

static void sample_trace(struct overview *all, const struct search_trace *trace)
{
    struct sampled item = {.trace_no = trace->trace_no,
                           .start_ns = trace->start_ns,
                           .duration_ns = trace->duration_ns,
                           .failed = trace->error};
    memcpy(item.id, trace->id, 16);
    item.key = sample_key(trace->id);
    sample_add(&all->fair, &item);
    if (item.failed)
        sample_add(&all->failed, &item);
    item.key = UINT64_MAX - trace->duration_ns;
    sample_add(&all->slowest, &item);
}

static bool visit(struct search *search, const struct search_trace *trace, uint32_t failed,
                  void *ctx)
{
    struct overview *all = ctx;
    facets_count(&all->facets, search, trace, failed);
    if (failed) {
        all->without[__builtin_ctz(failed)]++;
        return true;
    }
    all->n++;
    all->n_failed += trace->error;
    if (all->request->box.drawn && search_in_box(&all->request->box, trace)) {
        all->n_boxed++;
        all->n_boxed_failed += trace->error;
    }
    if (trace->duration_ns != DURATION_UNKNOWN) {
        all->bins[trace->error][bin_of(trace->duration_ns)]++;
        sample_trace(all, trace);
    }
    return true;
}

/* ---- JSON ---- */

/* The three samples as one list, each trace once. */
static size_t join_samples(struct overview *all, struct sampled *points)
{
    struct sample *samples[3] = {&all->fair, &all->slowest, &all->failed};
    struct sample joined = {.items = points};
    for (int i = 0; i < 3; i++) {
        memcpy(points + joined.n, samples[i]->items, samples[i]->n * sizeof(*points));
        joined.n += samples[i]->n;
    }
    sample_sort(&joined);
    size_t n = 0;
    for (size_t i = 0; i < joined.n; i++) {
        if (!n || points[n - 1].trace_no != points[i].trace_no)
            points[n++] = points[i];
    }
    return n;
}

static void points_json(const struct overview *all, const struct sampled *points, size_t n,
                        struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t from_ns = all->request->window.from_ns;
    buf_add_c(out, ",\"points\":{\"time_ms\":[");
    for (size_t i = 0; i < n; i++)
        buf_addf(out, i ? ",%llu" : "%llu",
                 (unsigned long long)((points[i].start_ns - from_ns) / NS_PER_MS));
    buf_add_c(out, "],\"duration_ns\":[");
    for (size_t i = 0; i < n; i++)
        buf_addf(out, i ? ",%llu" : "%llu", (unsigned long long)points[i].duration_ns);
    buf_add_c(out, "],\"failed\":[");
    for (size_t i = 0; i < n; i++)
        buf_addf(out, i ? ",%d" : "%d", points[i].failed);
    buf_add_c(out, "],\"trace_id\":[");
    for (size_t i = 0; i < n; i++) {
        char text[32];
        for (int k = 0; k < 16; k++) {
            text[2 * k] = digits[points[i].id[k] >> 4];
            text[2 * k + 1] = digits[points[i].id[k] & 15];
        }
        buf_add_c(out, i ? ",\"" : "\"");
        buf_add(out, text, 32);
        buf_add_char(out, '"');
    }
    buf_add_c(out, "]}");
}

static void bins_json(const struct overview *all, struct buf *out)
{
    static const char *const names[2] = {"good", "failed"};
    buf_addf(out, ",\"histogram\":{\"lowest_ns\":%d,\"bins_per_decade\":%d", (int)LOWEST_NS,
             BINS_PER_DECADE);
    for (int k = 0; k < 2; k++) {
        buf_addf(out, ",\"%s\":[", names[k]);
        for (int i = 0; i < N_BINS; i++)
            buf_addf(out, i ? ",%llu" : "%llu", (unsigned long long)all->bins[k][i]);
        buf_add_char(out, ']');
    }
    buf_add_char(out, '}');
}

static void conditions_json(const struct overview *all, const struct search *search,
                            struct buf *out)
{
    buf_add_c(out, ",\"conditions\":[");
    for (unsigned c = 0; c < search->text.n; c++) {
        const struct search_condition *condition = &search->text.conditions[c];
        buf_add_c(out, c ? ",{" : "{");
        json_member(out, "key", condition->field == FIELD_WORD ? STR_NONE : condition->key);
        json_member(out, "op", str_of(search_op_word(condition->op)));
        json_member(out, "value", condition->value);
        json_number_member(out, "count_without", (int64_t)(all->n + all->without[c]));
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void head_json(const struct overview *all, const struct search *search, struct buf *out)
{
    struct window window = all->request->window;
    buf_add_c(out, "{\"from\":\"");
    buf_add_time(out, window.from_ns);
    buf_add_c(out, "\",\"to\":\"");
    buf_add_time(out, window.to_ns);
    buf_addf(out, "\",\"count\":%llu,\"failed\":%llu,\"counted_from\":", (unsigned long long)all->n,
             (unsigned long long)all->n_failed);
    if (search->stopped) {
        buf_add_char(out, '"');
        buf_add_time(out, search->stopped_at_ns);
        buf_add_char(out, '"');
    } else {
        buf_add_c(out, "null");
    }
    if (all->request->box.drawn)
        buf_addf(out, ",\"selected\":{\"count\":%llu,\"failed\":%llu}",
                 (unsigned long long)all->n_boxed, (unsigned long long)all->n_boxed_failed);
    else
        buf_add_c(out, ",\"selected\":null");
}

/* Flags are on spans: they are counted in a part of the fair sample. */
static uint64_t count_flags(struct overview *all, struct search *search)
{
    size_t n = all->fair.n < FLAG_TRACES ? all->fair.n : FLAG_TRACES;
    struct sampled *items = all->fair.items;
    for (size_t i = 0; i < n; i++)
        facets_count_flags(&all->facets, search, items[all->fair.n * i / n].trace_no);
    return n;
}

static void write_answer(struct overview *all, struct search *search, struct sampled *points,
                         struct buf *out)
{
    uint64_t n_flags = count_flags(all, search);
    size_t n = join_samples(all, points);
    head_json(all, search, out);
    buf_add_char(out, ',');
    facets_json(&all->facets, search, n_flags, all->n, out);
    conditions_json(all, search, out);
    points_json(all, points, n, out);
    bins_json(all, out);
    buf_add_char(out, '}');
}

int query_search_overview_json(struct query *query, const struct search_request *request,
                               struct buf *out, struct err *err)
{
    struct search search;
    struct overview *all = calloc(1, sizeof(*all));
    struct sampled *points = malloc((POINTS + 2 * KEPT) * sizeof(*points));
    bool good = all && points && sample_init(&all->fair, POINTS) &&
                sample_init(&all->slowest, KEPT) && sample_init(&all->failed, KEPT);
    if (!good)
        err_set(err, ERR_BUSY, "memory is short");
    else if (search_open(&search, query, request->window, request->q, err) == 0) {
        all->request = request;
        if (facets_open(&all->facets, &search, err) == 0 &&
            search_scan(&search, false, visit, all, err) == 0)
            write_answer(all, &search, points, out);
        facets_close(&all->facets);
        search_close(&search);
    }
    if (all) {
        sample_fini(&all->fair);
        sample_fini(&all->slowest);
        sample_fini(&all->failed);
    }
    free(points);
    free(all);
    return err->code;
}
