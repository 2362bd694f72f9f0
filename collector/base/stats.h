/* stats.h - what the program counts about itself; rendered by the Prometheus exporter.
 *
 * A family is declared once, in the file that counts, with its help line. Counters and gauges are
 * relaxed atomics; histograms have the buckets of CONTRACT §8 (0.0005 × 2^k seconds, k = 0…15).
 *
 *     static struct stat_family bytes = STAT_GAUGE("faultline_inbox_bytes", "Bytes of bodies in the
 * inbox."); static struct stat_series *n_bytes;  n_bytes = stat_get(&bytes, STAT_LABELS("format",
 * "otlp_pb"));
 *
 * stat_get() takes a lock and is for set-up or rare paths; keep the pointer. Series are never
 * removed.
 */
#ifndef BASE_STATS_H
#define BASE_STATS_H

#include "collector/base/str.h"

enum stat_type { STAT_TYPE_COUNTER, STAT_TYPE_GAUGE, STAT_TYPE_HISTOGRAM };
#define STAT_N_BUCKETS 16 /* and one more for +Inf */
#define STAT_MAX_LABELS 4

struct stat_label {
    const char *name;
    char value[96];
};

struct stat_series {
    struct stat_series *next;
    struct stat_label labels[STAT_MAX_LABELS];    /* name NULL ends them */
    _Atomic uint64_t value;                       /* counter, gauge (a double's bits if `real`) */
    _Atomic uint64_t buckets[STAT_N_BUCKETS + 1]; /* histogram: not cumulative */
    _Atomic uint64_t sum_ns;                      /* histogram */
};

struct stat_family {
    const char *name; /* with its suffix: counters end in _total */
    const char *help;
    enum stat_type type;
    bool real; /* gauge whose value is a double */
    bool registered;
    struct stat_series *series;
    struct stat_family *next;
};

#define STAT_COUNTER(n, h)                                                                         \
    {                                                                                              \
        .name = (n), .help = (h), .type = STAT_TYPE_COUNTER                                        \
    }
#define STAT_GAUGE(n, h)                                                                           \
    {                                                                                              \
        .name = (n), .help = (h), .type = STAT_TYPE_GAUGE                                          \
    }
#define STAT_REAL_GAUGE(n, h)                                                                      \
    {                                                                                              \
        .name = (n), .help = (h), .type = STAT_TYPE_GAUGE, .real = true                            \
    }
#define STAT_HISTOGRAM(n, h)                                                                       \
    {                                                                                              \
        .name = (n), .help = (h), .type = STAT_TYPE_HISTOGRAM                                      \
    }

/* The series of `family` with these labels, made at 0 when new. `labels` is name, value, name,
 * value, …, NULL. Never NULL (ends the program when memory is short: start-up only). */
struct stat_series *stat_get(struct stat_family *family, ...) __attribute__((sentinel));
void stat_add(struct stat_series *stat, uint64_t n);
void stat_set(struct stat_series *stat, uint64_t value);
void stat_set_real(struct stat_series *stat, double value);
void stat_observe_ns(struct stat_series *stat, uint64_t duration_ns);
uint64_t stat_value(const struct stat_series *stat);
double stat_value_real(const struct stat_series *stat);
/* Upper bound of bucket k in seconds, k < STAT_N_BUCKETS. */
double stat_bucket_bound(int k);
/* Calls `visit` for every family, in name order, each with its series linked from family->series.
 */
void stats_visit(void (*visit)(const struct stat_family *family, void *ctx), void *ctx);

#endif
