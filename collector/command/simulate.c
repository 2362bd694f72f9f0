/* simulate.c - sends workload W to an OTLP/HTTP receiver and says how it was answered.
 *
 * Each service's bodies go over one connection, in order; a refused body is sent again as its
 * answer says, and counted.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#include "collector/base/client.h"
#include "collector/base/clock.h"
#include "collector/base/queue.h"
#include "collector/command/command.h"
#include "collector/model/histogram.h"
#include "collector/simulate/workload.h"

#define MAX_SENDERS 64
#define SEND_LIMIT_NS (30 * NS_PER_S)

struct parcel {
    char *bytes;
    size_t n_bytes;
    uint32_t n_spans;
    struct workload_span *spans; /* for --acked */
};

struct load {
    char url[1024];
    bool gzip;
    FILE *acked;
    pthread_mutex_t mutex; /* guards acked and latencies */
    struct histogram latencies;
    _Atomic uint64_t n_acked, n_refused, n_failed, n_bytes;
    _Atomic bool stop;
};

struct sender {
    struct load *load;
    struct queue *queue;
    pthread_t thread;
};

static void parcel_free(struct parcel *parcel)
{
    free(parcel->bytes);
    free(parcel->spans);
    free(parcel);
}

static void note_acked(struct load *load, const struct parcel *parcel, uint64_t took_ns)
{
    load->n_acked += parcel->n_spans;
    pthread_mutex_lock(&load->mutex);
    histogram_add(&load->latencies, took_ns, 1);
    for (uint32_t i = 0; load->acked && i < parcel->n_spans; i++)
        fprintf(load->acked, "%016llx%016llx %016llx\n",
                (unsigned long long)parcel->spans[i].trace_id.high,
                (unsigned long long)parcel->spans[i].trace_id.low,
                (unsigned long long)parcel->spans[i].span_id);
    if (load->acked)
        fflush(load->acked);
    pthread_mutex_unlock(&load->mutex);
}

/* Until it is taken; the receiver's silence ends the run. */
static void send_parcel(struct load *load, struct client *client, const struct parcel *parcel)
{
    struct client_request request = {.method = "POST",
                                     .url = load->url,
                                     .content_type = "application/x-protobuf",
                                     .encoding = load->gzip ? "gzip" : NULL,
                                     .body = {parcel->bytes, parcel->n_bytes}};
    while (!load->stop) {
        unsigned status = 0;
        struct err err = {0};
        uint64_t begin_ns = clock_mono_ns();
        if (client_send(client, &request, &status, NULL, &err)) {
            load->n_failed++;
            load->stop = true;
        } else if (status == 200) {
            note_acked(load, parcel, clock_mono_ns() - begin_ns);
            load->n_bytes += parcel->n_bytes;
            return;
        } else if (status == 429 || status == 503) {
            load->n_refused += parcel->n_spans;
            nanosleep(&(struct timespec){.tv_nsec = 100 * 1000000}, NULL);
        } else {
            load->n_failed++;
            return;
        }
    }
}

static void *run_sender(void *arg)
{
    struct sender *sender = arg;
    struct client *client = client_new(SEND_LIMIT_NS);
    for (;;) {
        struct parcel *parcel = queue_pop(sender->queue, NS_PER_S);
        if (!parcel && queue_closed(sender->queue) && !queue_length(sender->queue))
            break;
        if (!parcel)
            continue;
        if (client)
            send_parcel(sender->load, client, parcel);
        parcel_free(parcel);
    }
    client_free(client);
    return NULL;
}

static bool pack_gzip(struct parcel *parcel, struct str body)
{
    z_stream stream = {0};
    if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t bound = deflateBound(&stream, body.len);
    parcel->bytes = malloc(bound);
    stream.next_in = (Bytef *)(uintptr_t)body.p;
    stream.avail_in = (uInt)body.len;
    stream.next_out = (Bytef *)parcel->bytes;
    stream.avail_out = (uInt)bound;
    bool good = parcel->bytes && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    parcel->n_bytes = bound - stream.avail_out;
    deflateEnd(&stream);
    return good;
}

static struct parcel *make_parcel(const struct load *load, const struct workload_batch *batch)
{
    struct parcel *parcel = calloc(1, sizeof(*parcel));
    if (!parcel)
        return NULL;
    parcel->n_spans = batch->n_spans;
    bool good = load->gzip ? pack_gzip(parcel, batch->body)
                           : (parcel->bytes = malloc(batch->body.len)) != NULL;
    if (good && !load->gzip) {
        memcpy(parcel->bytes, batch->body.p, batch->body.len);
        parcel->n_bytes = batch->body.len;
    }
    if (good && load->acked) {
        parcel->spans = malloc(batch->n_spans * sizeof(*parcel->spans));
        good = parcel->spans != NULL;
        if (good)
            memcpy(parcel->spans, batch->spans, batch->n_spans * sizeof(*parcel->spans));
    }
    if (good)
        return parcel;
    parcel_free(parcel);
    return NULL;
}

struct plan {
    uint64_t n_spans, rate, seed, n_connections, batch;
};

static bool read_number(const struct options *options, const char *name, uint64_t value,
                        uint64_t least, uint64_t most, uint64_t *number)
{
    const char *text = option(options, name);
    *number = value;
    if (!text || (str_to_u64(str_of(text), number) && *number >= least && *number <= most))
        return true;
    fprintf(stderr, "faultline simulate: --%s is a number from %llu to %llu\n", name,
            (unsigned long long)least, (unsigned long long)most);
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

static uint64_t run_load(struct load *load, const struct plan *plan, struct workload *workload,
                         struct sender *senders)
{
    uint64_t sent = 0, begin_ns = clock_mono_ns();
    struct workload_batch batch;
    while (sent < plan->n_spans && !load->stop) {
        workload_next(workload, clock_wall_ns(), &batch);
        struct parcel *parcel = make_parcel(load, &batch);
        if (!parcel || !queue_push(senders[batch.service % plan->n_connections].queue, parcel, 0))
            break;
        sent += batch.n_spans;
        keep_pace(plan, begin_ns, sent);
    }
    while (!load->stop && workload_rest(workload, &batch)) {
        struct parcel *parcel = make_parcel(load, &batch);
        if (!parcel || !queue_push(senders[batch.service % plan->n_connections].queue, parcel, 0))
            break;
        sent += batch.n_spans;
    }
    return sent;
}

static void print_result(struct load *load, uint64_t sent, uint64_t n_traces, uint64_t took_ns)
{
    double seconds = (double)took_ns / 1e9;
    printf("{\"sent\":%llu,\"traces\":%llu,\"acked\":%llu,\"refused\":%llu,\"failed\":%llu,"
           "\"seconds\":%.3f,"
           "\"spans_per_second\":%.0f,\"bytes\":%llu,\"ack_p50_ms\":%.2f,\"ack_p99_ms\":%.2f}\n",
           (unsigned long long)sent, (unsigned long long)n_traces,
           (unsigned long long)load->n_acked, (unsigned long long)load->n_refused,
           (unsigned long long)load->n_failed, seconds, (double)load->n_acked / seconds,
           (unsigned long long)load->n_bytes,
           load->n_acked ? (double)histogram_quantile(&load->latencies, 0.5) / 1e6 : 0,
           load->n_acked ? (double)histogram_quantile(&load->latencies, 0.99) / 1e6 : 0);
}

int command_simulate(const struct options *options)
{
    static struct sender senders[MAX_SENDERS];
    const char *to = option(options, "to"), *encoding = option(options, "encoding"),
               *acked = option(options, "acked");
    const char *name = option(options, "load");
    struct plan plan;
    struct load load = {.gzip = encoding && strcmp(encoding, "gzip") == 0};
    if (!to || (name && strcmp(name, "W") != 0) ||
        (encoding && !load.gzip && strcmp(encoding, "none") != 0)) {
        fprintf(stderr,
                "faultline simulate: --load W --to http://host:4318; --encoding is none or gzip\n");
        return EXIT_USAGE;
    }
    if (!read_number(options, "spans", 100000, 1, UINT64_MAX, &plan.n_spans) ||
        !read_number(options, "rate", 0, 0, 100000000, &plan.rate) ||
        !read_number(options, "seed", 1, 0, UINT64_MAX, &plan.seed) ||
        !read_number(options, "connections", 8, 1, MAX_SENDERS, &plan.n_connections) ||
        !read_number(options, "batch", 500, 20, 50000, &plan.batch))
        return EXIT_USAGE;
    snprintf(load.url, sizeof(load.url), "%s/v1/traces", to);
    pthread_mutex_init(&load.mutex, NULL);
    histogram_init(&load.latencies);
    load.acked = acked ? fopen(acked, "a") : NULL;
    struct workload *workload = workload_new(plan.seed, (uint32_t)plan.batch);
    for (uint64_t i = 0; i < plan.n_connections; i++) {
        senders[i] = (struct sender){.load = &load, .queue = queue_new(4, 0)};
        pthread_create(&senders[i].thread, NULL, run_sender, &senders[i]);
    }
    uint64_t begin_ns = clock_mono_ns();
    uint64_t sent = workload ? run_load(&load, &plan, workload, senders) : 0;
    for (uint64_t i = 0; i < plan.n_connections; i++) {
        queue_close(senders[i].queue);
        pthread_join(senders[i].thread, NULL);
        queue_free(senders[i].queue);
    }
    print_result(&load, sent, workload ? workload_traces(workload) : 0, clock_mono_ns() - begin_ns);
    workload_free(workload);
    histogram_fini(&load.latencies);
    pthread_mutex_destroy(&load.mutex);
    if (load.acked)
        fclose(load.acked);
    return load.n_failed ? EXIT_NOT_DONE : EXIT_GOOD;
}
