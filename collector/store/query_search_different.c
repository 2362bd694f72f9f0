/* query_search_different.c - what tells the selected traces from the others: shares of attribute
 * values, tested one attribute at a time and corrected for their number.
 */
#include <math.h>
#include <stdlib.h>

#include "collector/store/difference.h"
#include "collector/store/query_search.h"
#include "collector/store/search_pairs.h"
#include "collector/store/search_sample.h"

#define SELECTED_TRACES 1500
#define OTHER_TRACES 2500
#define FALSE_RATE 0.01 /* of those shown, this share may be chance */
#define SLOWEST 0.05    /* without a box and without failures */
#define MOST_FOUND 64   /* of the significant ones, looked at for what follows */
#define MOST_SHOWN 20
#define NESTED 0.98 /* a value lies within another when so many of its traces have that one */
#define FACET_VALUES 6

struct comparing {
    const struct search_request *request;
    struct sample selected, others; /* without a box: the failed, the good */
    const char *what;               /* box failed slowest */
    uint64_t n_selected, n_others;  /* in all */
    struct sampled *traces;         /* selected first */
    size_t n_chosen, n_traces;
};

/* One dimension as it was judged. */
struct finding {
    uint32_t dimension, pair;
    double p, difference;
    bool significant;
    int rank;         /* of two as large, what is nearer to a cause */
    uint32_t follows; /* index of the finding that explains it; UINT32_MAX */
};

static bool visit(struct search *search, const struct search_trace *trace, uint32_t failed,
                  void *ctx)
{
    struct comparing *all = ctx;
    struct sampled item = {.key = sample_key(trace->id),
                           .trace_no = trace->trace_no,
                           .start_ns = trace->start_ns,
                           .duration_ns = trace->duration_ns,
                           .failed = trace->error};
    (void)search, (void)failed;
    if (trace->duration_ns == DURATION_UNKNOWN)
        return true;
    bool in = all->request->box.drawn ? search_in_box(&all->request->box, trace) : trace->error;
    sample_add(in ? &all->selected : &all->others, &item);
    return true;
}

static int slowest_first(const void *a, const void *b)
{
    const struct sampled *x = a, *y = b;
    return (x->duration_ns < y->duration_ns) - (x->duration_ns > y->duration_ns);
}

/* Puts the selected in front. Without box and failures: the slowest 5 % of the sample. */
static bool choose(struct comparing *all)
{
    struct sample *selected = &all->selected, *others = &all->others;
    all->n_traces = selected->n + others->n;
    all->n_chosen = selected->n;
    all->what = all->request->box.drawn ? "box" : "failed";
    all->n_selected = selected->n_seen;
    all->n_others = others->n_seen;
    all->traces = malloc((all->n_traces + 1) * sizeof(*all->traces));
    if (!all->traces)
        return false;
    memcpy(all->traces, selected->items, selected->n * sizeof(*all->traces));
    memcpy(all->traces + selected->n, others->items, others->n * sizeof(*all->traces));
    if (!selected->n && !all->request->box.drawn) {
        all->what = "slowest";
        qsort(all->traces, all->n_traces, sizeof(*all->traces), slowest_first);
        all->n_chosen = (size_t)ceil((double)all->n_traces * SLOWEST);
        all->n_selected = (uint64_t)ceil((double)others->n_seen * SLOWEST);
        all->n_others = others->n_seen - all->n_selected;
    }
    return true;
}

/* ---- judging ---- */

static double share(const struct pairs *pairs, const struct pair *pair, bool selected)
{
    size_t n = selected ? pairs->n_selected : pairs->n_traces - pairs->n_selected;
    return n ? (double)pair->n[selected] / (double)n : 0;
}

/* A version explains more than the flag that it brought, an instance less than its version. */
static int rank_of(const struct dimension *dimension)
{
    static const char *const keys[] = {"version", "",         "flag",   "retries",
                                       "entry",   "instance", "service"};
    for (int i = 0; i < 7; i++) {
        if (dimension->attribute ? i == 1 : str_eq(dimension->key, str_of(keys[i])))
            return i;
    }
    return 7;
}

/* A service's one version, instance or number of retries says no more than that it is there. */
static bool says_nothing(const struct dimension *dimension)
{
    return dimension->dropped || (dimension->scope.len && dimension->n_values < 2);
}

/* The value that differs most; p is that of the most telling value, times the number of values. */
static bool judge(const struct pairs *pairs, uint32_t number, struct finding *finding)
{
    const struct dimension *dimension = &pairs->dimensions[number];
    uint32_t n_others = (uint32_t)(pairs->n_traces - pairs->n_selected);
    *finding =
        (struct finding){.dimension = number, .p = 1, .follows = UINT32_MAX, .pair = UINT32_MAX};
    double best = -1;
    for (uint32_t i = dimension->first_pair; i != UINT32_MAX; i = pairs->pairs[i].next) {
        const struct pair *pair = &pairs->pairs[i];
        double p = fisher_exact(pair->n[1], (uint32_t)pairs->n_selected, pair->n[0], n_others);
        double difference = share(pairs, pair, true) - share(pairs, pair, false);
        double weight =
            fabs(difference) + (difference > 0 ? 1e-6 : 0); /* of a pair, the more frequent */
        p *= dimension->n_values;
        finding->p = p < finding->p ? p : finding->p;
        if (weight > best) {
            best = weight;
            finding->pair = i;
            finding->difference = difference;
        }
    }
    return finding->pair != UINT32_MAX;
}

/* What follows from another comes behind what stands by itself; differences within a tenth are as
 * large. */
static int most_different(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;
    if (x->significant != y->significant)
        return x->significant ? -1 : 1;
    double dx = round(fabs(x->difference) * 10), dy = round(fabs(y->difference) * 10);
    if (dx != dy)
        return dx < dy ? 1 : -1;
    if (x->rank != y->rank)
        return x->rank - y->rank;
    dx = fabs(x->difference), dy = fabs(y->difference);
    return dx != dy ? (dx < dy ? 1 : -1)
                    : (x->dimension > y->dimension) - (x->dimension < y->dimension);
}

/* Does b say no more than a? Nearly all that have b have a, and among those b is no more frequent
 * here than there. */
static bool follows(const struct pairs *pairs, const struct pair *a, const struct pair *b)
{
    uint32_t both[2] = {pairs_both(pairs, a, b, false), pairs_both(pairs, a, b, true)};
    uint32_t n_b = b->n[0] + b->n[1];
    if (!n_b || both[0] + both[1] < NESTED * n_b)
        return false;
    return fisher_exact(both[1], a->n[1], both[0], a->n[0]) > FALSE_RATE;
}

/* Marks what follows from an earlier one, and puts it behind the others. */
static void find_followers(const struct pairs *pairs, struct finding *findings, size_t n)
{
    struct finding kept[MOST_FOUND];
    uint32_t place[MOST_FOUND];
    size_t n_seen = 0, n_kept = 0;
    while (n_seen < n && n_seen < MOST_FOUND && findings[n_seen].significant)
        n_seen++;
    for (size_t i = 1; i < n_seen; i++) {
        for (size_t k = 0; k < i && findings[i].follows == UINT32_MAX; k++) {
            if (findings[k].follows == UINT32_MAX &&
                follows(pairs, &pairs->pairs[findings[k].pair], &pairs->pairs[findings[i].pair]))
                findings[i].follows = (uint32_t)k;
        }
    }
    for (int later = 0; later < 2; later++) {
        for (size_t i = 0; i < n_seen; i++) {
            if ((findings[i].follows != UINT32_MAX) != later)
                continue;
            place[i] = (uint32_t)n_kept;
            kept[n_kept++] = findings[i];
        }
    }
    for (size_t i = 0; i < n_seen; i++) {
        findings[i] = kept[i];
        if (findings[i].follows != UINT32_MAX)
            findings[i].follows = place[findings[i].follows];
    }
}

static size_t judge_all(const struct pairs *pairs, struct finding *findings)
{
    size_t n = 0;
    for (uint32_t i = 0; i < pairs->n_dimensions; i++) {
        if (!says_nothing(&pairs->dimensions[i]) && judge(pairs, i, &findings[n])) {
            findings[n].rank = rank_of(&pairs->dimensions[i]);
            n++;
        }
    }
    double *p = malloc((n + 1) * sizeof(*p));
    bool *keep = malloc(n + 1);
    for (size_t i = 0; p && keep && i < n; i++)
        p[i] = findings[i].p;
    if (p && keep) {
        benjamini_hochberg(p, n, FALSE_RATE, keep);
        for (size_t i = 0; i < n; i++)
            findings[i].significant =
                keep[i] && pairs->n_selected && pairs->n_traces > pairs->n_selected;
    }
    free(p);
    free(keep);
    qsort(findings, n, sizeof(*findings), most_different);
    find_followers(pairs, findings, n);
    return n;
}

/* ---- JSON ---- */

static void dimension_json(const struct dimension *dimension, struct buf *out)
{
    json_member(out, "key", dimension->key);
    json_member(out, "scope", dimension->scope);
    buf_addf(out, ",\"attribute\":%s", dimension->attribute ? "true" : "false");
}

static void number_json(struct buf *out, const char *name, double number)
{
    buf_addf(out, ",\"%s\":", name);
    buf_add_double(out, number);
}

static void finding_json(const struct pairs *pairs, const struct finding *all,
                         const struct finding *finding, struct buf *out)
{
    const struct pair *pair = &pairs->pairs[finding->pair];
    dimension_json(&pairs->dimensions[finding->dimension], out);
    json_member(out, "value", pair->value);
    number_json(out, "selected", share(pairs, pair, true));
    number_json(out, "others", share(pairs, pair, false));
    number_json(out, "p", finding->p);
    buf_add_c(out, ",\"follows\":");
    if (finding->follows == UINT32_MAX) {
        buf_add_c(out, "null");
        return;
    }
    const struct finding *cause = &all[finding->follows];
    const struct pair *first = &pairs->pairs[cause->pair];
    buf_add_char(out, '{');
    dimension_json(&pairs->dimensions[cause->dimension], out);
    json_member(out, "value", first->value);
    for (int k = 1; k >= 0; k--)
        number_json(out, k ? "selected" : "others",
                    first->n[k] ? (double)pairs_both(pairs, first, pair, k) / first->n[k] : 0);
    buf_add_char(out, '}');
}

static void findings_json(const struct pairs *pairs, const struct finding *findings, size_t n,
                          struct buf *out)
{
    size_t n_significant = 0, shown = 0;
    while (n_significant < n && findings[n_significant].significant)
        n_significant++;
    buf_addf(out, ",\"compared\":%zu,\"differing\":%zu,\"different\":[", n, n_significant);
    for (size_t i = 0; i < n_significant && i < MOST_SHOWN; i++) {
        buf_add_c(out, i ? ",{" : "{");
        finding_json(pairs, findings, &findings[i], out);
        buf_add_char(out, '}');
    }
    buf_add_c(out, "],\"same\":[");
    for (size_t i = n_significant; i < n; i++) {
        buf_add_c(out, shown++ ? ",{" : "{");
        dimension_json(&pairs->dimensions[findings[i].dimension], out);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static int most_frequent(const void *a, const void *b)
{
    const struct pair *x = *(const struct pair *const *)a, *y = *(const struct pair *const *)b;
    uint32_t nx = x->n[0] + x->n[1], ny = y->n[0] + y->n[1];
    return nx != ny ? (nx < ny ? 1 : -1) : str_cmp(x->value, y->value);
}

/* Values of every attribute in the sample: further facets. */
static void attributes_json(const struct pairs *pairs, struct buf *out)
{
    const struct pair *list[MOST_VALUES_A_DIMENSION];
    bool first = true;
    buf_add_c(out, ",\"attributes\":[");
    for (uint32_t d = 0; d < pairs->n_dimensions; d++) {
        const struct dimension *dimension = &pairs->dimensions[d];
        size_t n = 0;
        if (!dimension->attribute || dimension->dropped)
            continue;
        for (uint32_t i = dimension->first_pair; i != UINT32_MAX; i = pairs->pairs[i].next)
            list[n++] = &pairs->pairs[i];
        qsort(list, n, sizeof(*list), most_frequent);
        buf_add_c(out, first ? "{" : ",{");
        first = false;
        dimension_json(dimension, out);
        buf_add_c(out, ",\"values\":[");
        for (size_t i = 0; i < n && i < FACET_VALUES; i++) {
            buf_add_c(out, i ? ",{" : "{");
            json_member(out, "value", list[i]->value);
            json_number_member(out, "count", list[i]->n[0] + list[i]->n[1]);
            buf_add_char(out, '}');
        }
        buf_addf(out, "],\"more\":%zu}", n > FACET_VALUES ? n - FACET_VALUES : 0);
    }
    buf_add_char(out, ']');
}

static int by_duration(const void *a, const void *b)
{
    return slowest_first(b, a);
}

static void group_json(const char *name, uint64_t n, struct sampled *traces, size_t n_sampled,
                       struct buf *out)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[3] = {{"p50_ns", .50}, {"p95_ns", .95}, {"p99_ns", .99}};
    size_t n_failed = 0;
    for (size_t i = 0; i < n_sampled; i++)
        n_failed += traces[i].failed;
    qsort(traces, n_sampled, sizeof(*traces), by_duration);
    buf_addf(out, "\"%s\":{\"count\":%llu,\"sampled\":%zu,\"failed\":%zu", name,
             (unsigned long long)n, n_sampled, n_failed);
    for (int i = 0; i < 3; i++) {
        size_t at = (size_t)(quantiles[i].q * (double)(n_sampled ? n_sampled - 1 : 0) + .5);
        if (n_sampled)
            buf_addf(out, ",\"%s\":%llu", quantiles[i].name,
                     (unsigned long long)traces[at].duration_ns);
        else
            buf_addf(out, ",\"%s\":null", quantiles[i].name);
    }
    buf_add_char(out, '}');
}

static int answer(struct comparing *all, struct search *search, struct buf *out, struct err *err)
{
    struct pairs pairs;
    pairs_open(&pairs, search, all->request->about, all->n_chosen, all->n_traces);
    for (size_t i = 0; i < all->n_traces; i++)
        pairs_add_trace(&pairs, all->traces[i].trace_no, i);
    struct finding *findings = malloc((pairs.n_dimensions + 1) * sizeof(*findings));
    if (!findings) {
        pairs_close(&pairs);
        return err_set(err, ERR_BUSY, "memory is short");
    }
    size_t n = judge_all(&pairs, findings);
    buf_addf(out, "{\"what\":\"%s\",", all->what);
    group_json("selected", all->n_selected, all->traces, all->n_chosen, out);
    buf_add_char(out, ',');
    group_json("others", all->n_others, all->traces + all->n_chosen, all->n_traces - all->n_chosen,
               out);
    findings_json(&pairs, findings, n, out);
    attributes_json(&pairs, out);
    buf_add_char(out, '}');
    free(findings);
    pairs_close(&pairs);
    return 0;
}

int query_search_different_json(struct query *query, const struct search_request *request,
                                struct buf *out, struct err *err)
{
    struct comparing all = {.request = request};
    struct search search;
    if (search_open(&search, query, request->window, request->q, err))
        return err->code;
    uint32_t most = request->sample;
    if (!sample_init(&all.selected, most ? most : SELECTED_TRACES) ||
        !sample_init(&all.others, most ? most : OTHER_TRACES))
        err_set(err, ERR_BUSY, "memory is short");
    else if (search_scan(&search, true, visit, &all, err) == 0) {
        if (choose(&all))
            answer(&all, &search, out, err);
        else
            err_set(err, ERR_BUSY, "memory is short");
    }
    sample_fini(&all.selected);
    sample_fini(&all.others);
    free(all.traces);
    search_close(&search);
    return err->code;
}
