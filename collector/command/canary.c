/* canary.c - the verdicts of /metrics: of each service that two versions took calls of in the last
 * half hour, the newest against the busiest other.
 *
 * They are computed when somebody asks, at most every ten seconds, for at most MOST_SERVICES and so
 * long that a scrape does not wait: the services with the most calls of a second version come
 * first.
 */
#include <pthread.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/command/compare_internal.h"
#include "exporters/prometheus.h"

#define MOST_SERVICES 50
#define FRESH_NS (10 * NS_PER_S)
#define BUDGET_NS (500 * NS_PER_MS)
#define TEXT_BYTES ((size_t)1 << 20)

struct canary {
    pthread_mutex_t mutex; /* guards all that follows */
    const char *db_path;
    uint32_t min_calls;
    struct query *query; /* opened when first asked */
    struct buf text;
    uint64_t made_ns; /* monotonic; 0: not made */
};

struct canary *canary_new(const char *db_path, uint32_t min_calls)
{
    struct canary *canary = calloc(1, sizeof(*canary));
    if (!canary)
        return NULL;
    canary->db_path = db_path;
    canary->min_calls = min_calls;
    pthread_mutex_init(&canary->mutex, NULL);
    buf_init(&canary->text, TEXT_BYTES);
    return canary;
}

void canary_free(struct canary *canary)
{
    if (!canary)
        return;
    query_close(canary->query);
    buf_fini(&canary->text);
    pthread_mutex_destroy(&canary->mutex);
    free(canary);
}

void canary_forget(struct canary *canary)
{
    pthread_mutex_lock(&canary->mutex);
    canary->made_ns = 0;
    pthread_mutex_unlock(&canary->mutex);
}

/* A series: a service of one name in several namespaces has one, for the labels know no namespace.
 */
struct judged {
    struct str labels;
    enum compared verdict;
};

struct judging {
    struct judged judged[MOST_SERVICES];
    size_t n;
    struct arena arena; /* of the labels */
};

/* Of several namespaces the series has the worst: who is alerted by it or rolls a version out by it
 * must not miss the one that suffers. What was not judged yet stands before "same" and "better",
 * for nobody can say that of all of them. */
static bool is_worse_news(enum compared a, enum compared b)
{
    static const int rank[] = {[COMPARED_WORSE] = 3,
                               [COMPARED_NOT_ENOUGH] = 2,
                               [COMPARED_SAME] = 1,
                               [COMPARED_BETTER] = 0};
    return rank[a] > rank[b];
}

static void judge(struct judging *judging, const struct comparison *comparison)
{
    struct buf labels;
    size_t i = 0;
    buf_init(&labels, 16384);
    prometheus_label(&labels, "service", comparison->service.service);
    prometheus_label(&labels, "baseline", comparison->sides[0].version);
    prometheus_label(&labels, "candidate", comparison->sides[1].version);
    while (i < judging->n && !str_eq(judging->judged[i].labels, buf_str(&labels)))
        i++;
    struct judged *judged = &judging->judged[i];
    if (i == judging->n) {
        *judged =
            (struct judged){arena_dup(&judging->arena, buf_str(&labels)), comparison->verdict};
        judging->n += judged->labels.p && !buf_failed(&labels);
    } else if (is_worse_news(comparison->verdict, judged->verdict)) {
        judged->verdict = comparison->verdict;
    }
    buf_fini(&labels);
}

/* A service that cannot be compared just now has no series. */
static void compare_one(struct canary *canary, const struct cohort_service *service,
                        struct window window, struct judging *judging)
{
    struct comparison_request request = {.cluster = service->cluster,
                                         .namespace = service->namespace,
                                         .service = service->service,
                                         .from_ns = window.from_ns,
                                         .to_ns = window.to_ns,
                                         .min_calls = canary->min_calls};
    struct comparing comparing;
    struct err err = {0};
    if (comparing_init(&comparing) &&
        compare_versions(canary->query, &request, &comparing, &err) == 0)
        judge(judging, comparing.comparison);
    comparing_fini(&comparing);
}

static void compare_all(struct canary *canary)
{
    struct cohort_service services[MOST_SERVICES];
    struct judging judging = {.n = 0};
    struct names *names = names_new(MOST_SERVICES * 4, TEXT_BYTES);
    uint64_t now_ns = clock_wall_ns(), begin_ns = clock_mono_ns();
    struct window window = {(now_ns - COMPARE_WINDOW_NS) / NS_PER_MINUTE * NS_PER_MINUTE,
                            (now_ns / NS_PER_MINUTE + 1) * NS_PER_MINUTE};
    struct err err = {0};
    size_t n = 0;
    arena_init(&judging.arena, TEXT_BYTES);
    if (names &&
        query_cohort_services(canary->query, window, names, services, MOST_SERVICES, &n, &err) == 0)
        for (size_t i = 0; i < n && clock_mono_ns() - begin_ns < BUDGET_NS; i++)
            compare_one(canary, &services[i], window, &judging);
    for (size_t i = 0; i < judging.n; i++)
        buf_addf(&canary->text, "faultline_canary_verdict{%.*s,verdict=\"%s\"} 1\n",
                 STR_ARG(judging.judged[i].labels), compared_word(judging.judged[i].verdict));
    arena_fini(&judging.arena);
    names_free(names);
}

void canary_metrics(struct canary *canary, struct buf *out)
{
    struct err err = {0};
    pthread_mutex_lock(&canary->mutex);
    bool fresh = canary->made_ns && clock_mono_ns() - canary->made_ns < FRESH_NS;
    if (!fresh && (canary->query || query_open(canary->db_path, &canary->query, &err) == 0)) {
        buf_reset(&canary->text);
        buf_add_c(&canary->text, "# HELP faultline_canary_verdict 1 for what a service's newest "
                                 "version is beside the busiest other.\n"
                                 "# TYPE faultline_canary_verdict gauge\n");
        compare_all(canary);
        canary->made_ns = clock_mono_ns();
    }
    buf_add_str(out, buf_str(&canary->text));
    pthread_mutex_unlock(&canary->mutex);
}
