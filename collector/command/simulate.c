/* simulate.c - sends what never happened: workload W of the figures, or a mesh with a fault, to an
 * OTLP/HTTP receiver, and says how it was answered.
 */
#include "collector/command/simulate.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/times.h"
#include "collector/command/post.h"
#include "collector/simulate/workload.h"

_Static_assert(sizeof(struct posted_span) == sizeof(struct workload_span), "one is the other");

struct plan {
    uint64_t n_spans, rate, seed, n_connections, batch;
};

bool simulate_number(const struct options *options, const char *name, struct bounds bounds,
                     uint64_t *number)
{
    const char *text = option(options, name);
    *number = bounds.value;
    if (!text ||
        (str_to_u64(str_of(text), number) && *number >= bounds.least && *number <= bounds.most))
        return true;
    fprintf(stderr, "faultline %s: --%s is a number from %llu to %llu\n", options->command->name,
            name, (unsigned long long)bounds.least, (unsigned long long)bounds.most);
    return false;
}

static void keep_pace(const struct plan *plan, uint64_t begin_ns, uint64_t sent)
{
    if (!plan->rate)
        return;
    uint64_t due_ns = begin_ns + sent * NS_PER_S / plan->rate, now_ns = clock_mono_ns();
    if (due_ns > now_ns)
        nanosleep(&(struct timespec){.tv_sec = (time_t)((due_ns - now_ns) / NS_PER_S),
                                     .tv_nsec = (long)((due_ns - now_ns) % NS_PER_S)},
                  NULL);
}

static bool post_batch(struct post *post, const struct workload_batch *batch)
{
    struct parcel parcel = {.sender = batch->service,
                            .n_spans = batch->n_spans,
                            .body = batch->body,
                            .spans = (const struct posted_span *)batch->spans};
    return post_send(post, &parcel);
}

static uint64_t run_load(struct post *post, const struct plan *plan, struct workload *workload)
{
    uint64_t sent = 0, begin_ns = clock_mono_ns();
    struct workload_batch batch;
    while (sent < plan->n_spans) {
        workload_next(workload, clock_wall_ns(), &batch);
        if (!post_batch(post, &batch))
            return sent;
        sent += batch.n_spans;
        keep_pace(plan, begin_ns, sent);
    }
    while (workload_rest(workload, &batch)) {
        if (!post_batch(post, &batch))
            return sent;
        sent += batch.n_spans;
    }
    return sent;
}

int simulate_result(struct post *post, uint64_t sent, uint64_t n_traces, uint64_t took_ns)
{
    struct post_counts counts;
    post_count(post, &counts);
    double seconds = (double)took_ns / 1e9;
    printf("{\"sent\":%llu,\"traces\":%llu,\"acked\":%llu,\"refused\":%llu,\"failed\":%llu,"
           "\"seconds\":%.3f,\"spans_per_second\":%.0f,\"bytes\":%llu,\"ack_p50_ms\":%.2f,"
           "\"ack_p99_ms\":%.2f}\n",
           (unsigned long long)sent, (unsigned long long)n_traces, (unsigned long long)counts.acked,
           (unsigned long long)counts.refused, (unsigned long long)counts.failed, seconds,
           (double)counts.acked / seconds, (unsigned long long)counts.bytes, counts.ack_p50_ms,
           counts.ack_p99_ms);
    if (!counts.failed)
        return EXIT_GOOD;
    fprintf(stderr, "faultline simulate: %s\n", post_reason(post));
    return EXIT_NOT_DONE;
}

static int simulate_load(const struct options *options)
{
    const char *to = option(options, "to"), *encoding = option(options, "encoding"),
               *acked = option(options, "acked"), *name = option(options, "load");
    struct plan plan;
    bool gzip = encoding && strcmp(encoding, "gzip") == 0;
    if (!to || (name && strcmp(name, "W") != 0) ||
        (encoding && !gzip && strcmp(encoding, "none") != 0)) {
        fprintf(stderr, "faultline simulate: --to http://host:4318 with --mesh NAME or --load W; "
                        "--encoding is none or gzip\n");
        return EXIT_USAGE;
    }
    if (!simulate_number(options, "spans", (struct bounds){100000, 1, UINT64_MAX}, &plan.n_spans) ||
        !simulate_number(options, "rate", (struct bounds){0, 0, 100000000}, &plan.rate) ||
        !simulate_number(options, "seed", (struct bounds){1, 0, UINT64_MAX}, &plan.seed) ||
        !simulate_number(options, "connections", (struct bounds){8, 1, POST_CONNECTIONS},
                         &plan.n_connections) ||
        !simulate_number(options, "batch", (struct bounds){500, 20, 50000}, &plan.batch))
        return EXIT_USAGE;
    struct post_settings settings = {.to = to,
                                     .n_connections = (unsigned)plan.n_connections,
                                     .gzip = gzip,
                                     .acked = acked ? fopen(acked, "a") : NULL};
    struct workload *workload = workload_new(plan.seed, (uint32_t)plan.batch);
    struct post *post = workload ? post_start(&settings) : NULL;
    int code = EXIT_NOT_DONE;
    if (post) {
        uint64_t begin_ns = clock_mono_ns(), sent = run_load(post, &plan, workload);
        post_join(post);
        code = simulate_result(post, sent, workload_traces(workload), clock_mono_ns() - begin_ns);
    }
    post_free(post);
    workload_free(workload);
    if (settings.acked)
        fclose(settings.acked);
    return code;
}

/* Who names files of TLS does not mean to send in clear text. */
static bool would_be_clear_text(const struct options *options)
{
    const char *to = option(options, "to");
    return to && str_starts(str_of(to), STR("grpc://")) &&
           (option(options, "ca-file") || option(options, "cert-file"));
}

int command_simulate(const struct options *options)
{
    if (would_be_clear_text(options)) {
        fprintf(stderr, "faultline simulate: grpc:// is clear text; use https://host:4318\n");
        return EXIT_USAGE;
    }
    return option(options, "mesh") || option(options, "fault") ? simulate_mesh(options)
                                                               : simulate_load(options);
}
