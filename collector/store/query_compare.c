/* query_compare.c - two versions of a service side by side, in the minutes in which both took
 * calls: each measure with both numbers, the interval of the difference, and what that says.
 *
 * The tolerances are of this view: half a point of failures, a tenth of the latency, a twentieth of
 * the calls made for each call.
 */
#include <math.h>

#include "collector/model/interval.h"
#include "collector/store/query_service.h"

#define TOLERANCE_SHARE 0.005
#define TOLERANCE_LATENCY 0.10
#define TOLERANCE_CALLS 0.05
#define LATENCY_FLOOR_NS 100000.0 /* differences below a tenth of a millisecond are none */
#define NEED_POINTS 0.02          /* width of an interval that tells: for what more is needed */

static const char *const verdict_words[] = {[VERDICT_NOT_ENOUGH] = "not_enough_data",
                                            [VERDICT_SAME] = "same",
                                            [VERDICT_WORSE] = "worse",
                                            [VERDICT_BETTER] = "better"};

struct side {
    const struct slice *slice;
    const struct slices *out;
    int64_t calls, began, passed;
    struct histogram latency;
};

static bool took_calls(const struct slice *slice)
{
    return slice->traffic.calls && slice->series;
}

static const struct slice *named(const struct slices *versions, struct str name)
{
    for (uint32_t i = 0; i < versions->n; i++) {
        if (took_calls(&versions->items[i]) && str_eq(str_of(versions->items[i].name), name))
            return &versions->items[i];
    }
    return NULL;
}

static const struct slice *newest(const struct slices *versions)
{
    const struct slice *best = NULL;
    for (uint32_t i = 0; i < versions->n; i++) {
        const struct slice *slice = &versions->items[i];
        if (took_calls(slice) && (!best || slice->first_seen_ns > best->first_seen_ns ||
                                  (slice->first_seen_ns == best->first_seen_ns &&
                                   slice->traffic.calls < best->traffic.calls)))
            best = slice;
    }
    return best;
}

static const struct slice *busiest_but(const struct slices *versions, const struct slice * not )
{
    const struct slice *best = NULL;
    for (uint32_t i = 0; i < versions->n; i++) {
        const struct slice *slice = &versions->items[i];
        if (slice != not &&took_calls(slice) &&
            (!best || slice->traffic.calls > best->traffic.calls))
            best = slice;
    }
    return best;
}

/* What was asked for; else the newest version with calls, and of the others the busiest. */
static bool choose(const struct service *service, struct side sides[2])
{
    const struct slices *versions = &service->versions;
    const struct service_question *question = service->question;
    bool asked = question->baseline.len || question->candidate.len;
    const struct slice *candidate = asked ? named(versions, question->candidate) : newest(versions);
    const struct slice *baseline =
        asked ? named(versions, question->baseline) : busiest_but(versions, candidate);
    if (!candidate || !baseline || candidate == baseline)
        return false;
    sides[0] = (struct side){.slice = baseline, .out = &service->out[baseline - versions->items]};
    sides[1] = (struct side){.slice = candidate, .out = &service->out[candidate - versions->items]};
    return true;
}

static bool is_common(const struct side sides[2], uint32_t step)
{
    return sides[0].slice->series->calls[step] > 0 && sides[1].slice->series->calls[step] > 0;
}

/* A call whose attempts all fail begins several failures; of the calls it is one. */
static void count_calls_once(struct side *side)
{
    side->began = side->began < side->calls ? side->began : side->calls;
    side->passed = side->passed < side->calls ? side->passed : side->calls;
}

static uint32_t sum_common(const struct service *service, struct side sides[2])
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < service->steps.n; i++) {
        if (!is_common(sides, i))
            continue;
        n++;
        for (int k = 0; k < 2; k++) {
            const struct series *series = sides[k].slice->series;
            sides[k].calls += series->calls[i];
            sides[k].began += series->began[i];
            sides[k].passed += series->passed[i];
            histogram_merge(&sides[k].latency, &series->latency[i]);
        }
    }
    count_calls_once(&sides[0]);
    count_calls_once(&sides[1]);
    return n;
}

static int64_t common_calls_to(const struct service *service, const struct side sides[2], int side,
                               const char *callee)
{
    int64_t calls = 0;
    for (uint32_t i = 0; i < sides[side].out->n; i++) {
        const struct slice *slice = &sides[side].out->items[i];
        if (strcmp(slice->name, callee) != 0 || !slice->series)
            continue;
        for (uint32_t k = 0; k < service->steps.n; k++)
            calls += is_common(sides, k) ? slice->series->calls[k] : 0;
    }
    return calls;
}

struct check {
    const char *metric, *unit, *peer;
    struct interval interval;
    double tolerance;
};

static void check_json(const struct check *check, bool first, struct buf *out)
{
    const struct interval *interval = &check->interval;
    buf_add_c(out, first ? "{" : ",{");
    json_member(out, "metric", str_of(check->metric));
    json_member(out, "unit", str_of(check->unit));
    json_member(out, "peer", str_of(check->peer));
    json_member(out, "verdict",
                str_of(verdict_words[interval_verdict(interval, check->tolerance)]));
    if (interval->known) {
        const double numbers[5] = {interval->a, interval->b, interval->difference, interval->low,
                                   interval->high};
        static const char *const names[5] = {"baseline", "candidate", "difference", "low", "high"};
        for (int i = 0; i < 5; i++) {
            buf_addf(out, ",\"%s\":", names[i]);
            buf_add_double(out, numbers[i]);
        }
    }
    buf_add_c(out, ",\"tolerance\":");
    buf_add_double(out, check->tolerance);
    buf_add_char(out, '}');
}

static struct check latency_check(const struct side sides[2], const char *metric, double q)
{
    struct check check = {.metric = metric,
                          .unit = "ns",
                          .peer = "",
                          .interval =
                              interval_of_quantiles(&sides[0].latency, &sides[1].latency, q)};
    check.tolerance = fmax(TOLERANCE_LATENCY * check.interval.a, LATENCY_FLOOR_NS);
    return check;
}

static void checks_json(const struct service *service, const struct side sides[2], struct buf *out)
{
    struct check checks[4] = {
        {"began", "ratio", "",
         interval_of_shares(sides[0].began, sides[0].calls, sides[1].began, sides[1].calls),
         TOLERANCE_SHARE},
        {"passed", "ratio", "",
         interval_of_shares(sides[0].passed, sides[0].calls, sides[1].passed, sides[1].calls),
         TOLERANCE_SHARE},
        latency_check(sides, "p50_ns", 0.50),
        latency_check(sides, "p95_ns", 0.95)};
    buf_add_c(out, ",\"checks\":[");
    for (int i = 0; i < 4; i++)
        check_json(&checks[i], i == 0, out);
    for (uint32_t i = 0; i < service->answer.n_edges; i++) {
        const struct gedge *edge = &service->answer.edges[i];
        const char *callee = service->answer.nodes[edge->callee].id;
        bool had = false;
        for (uint32_t k = 0; k < i; k++)
            had = had || (service->answer.edges[k].caller == service->node &&
                          service->answer.edges[k].callee == edge->callee);
        if (edge->caller != service->node || had)
            continue;
        struct check check = {.metric = "calls", .unit = "count", .peer = callee};
        int64_t a = common_calls_to(service, sides, 0, callee);
        int64_t b = common_calls_to(service, sides, 1, callee);
        bool once = a <= sides[0].calls && b <= sides[1].calls; /* at most one for each call */
        check.interval =
            (once ? interval_of_shares : interval_of_rates)(a, sides[0].calls, b, sides[1].calls);
        check.tolerance = fmax(TOLERANCE_CALLS, TOLERANCE_CALLS * check.interval.a);
        check_json(&check, false, out);
    }
    buf_add_char(out, ']');
}

static int64_t failed(const struct side *side)
{
    int64_t all = side->began + side->passed;
    return all < side->calls ? all : side->calls;
}

/* Worse in one is worse; the same or better needs both. */
static enum verdict both(enum verdict one, enum verdict two)
{
    static const enum verdict order[] = {VERDICT_WORSE, VERDICT_NOT_ENOUGH, VERDICT_BETTER};
    for (int i = 0; i < 3; i++) {
        if (one == order[i] || two == order[i])
            return order[i];
    }
    return VERDICT_SAME;
}

/* Calls of the candidate that are missing for an interval as narrow as tells. */
static int64_t more_needed(const struct side sides[2])
{
    double p = sides[1].calls ? (double)failed(&sides[1]) / (double)sides[1].calls : 0.5;
    double need = 4 * 1.96 * 1.96 * fmax(p * (1 - p), 0.01) / (NEED_POINTS * NEED_POINTS);
    return need > (double)sides[1].calls ? (int64_t)need - sides[1].calls : 0;
}

void service_compare_json(const struct service *service, struct buf *out)
{
    struct side sides[2];
    if (!choose(service, sides)) {
        buf_add_c(out, ",\"compare\":null");
        return;
    }
    uint32_t n = sum_common(service, sides);
    struct interval failures =
        interval_of_shares(failed(&sides[0]), sides[0].calls, failed(&sides[1]), sides[1].calls);
    struct check p95 = latency_check(sides, "p95_ns", 0.95);
    enum verdict verdict = both(interval_verdict(&failures, TOLERANCE_SHARE),
                                interval_verdict(&p95.interval, p95.tolerance));
    buf_add_c(out, ",\"compare\":{");
    json_member(out, "baseline", str_of(sides[0].slice->name));
    json_member(out, "candidate", str_of(sides[1].slice->name));
    json_member(out, "verdict", str_of(verdict_words[verdict]));
    json_number_member(out, "minutes", (int64_t)n * service->steps.minutes);
    json_number_member(out, "baseline_calls", sides[0].calls);
    json_number_member(out, "candidate_calls", sides[1].calls);
    json_number_member(out, "need", verdict == VERDICT_NOT_ENOUGH ? more_needed(sides) : 0);
    checks_json(service, sides, out);
    buf_add_char(out, '}');
    histogram_fini(&sides[0].latency);
    histogram_fini(&sides[1].latency);
}
