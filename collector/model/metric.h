/* metric.h - a point of a metric as a decoder gives it; texts point into the body or its batch.
 *
 * A series is known by resource, scope, name, type, unit, how it adds up, and attributes; a point
 * by its series and its time.
 */
#ifndef MODEL_METRIC_H
#define MODEL_METRIC_H

#include "collector/model/span.h"
#include "collector/model/told_edge.h"

enum metric_type {
    METRIC_GAUGE,
    METRIC_SUM,
    METRIC_HISTOGRAM,
    METRIC_EXPONENTIAL_HISTOGRAM,
    METRIC_SUMMARY,
    N_METRIC_TYPES
};

/* How the numbers of a sum or a histogram go on from point to point, as OTLP numbers it. */
enum temporality { TEMPORALITY_UNSAID, TEMPORALITY_DELTA, TEMPORALITY_CUMULATIVE, N_TEMPORALITIES };

/* What the points of one metric of one sender share. */
struct metric {
    struct str name, unit, description;
    struct str scope_name, scope_version;
    const struct resource *resource;
    uint8_t type;        /* enum metric_type */
    uint8_t temporality; /* enum temporality */
    bool monotonic;      /* a sum that only grows */
};

enum metric_value { METRIC_NOTHING, METRIC_INT, METRIC_REAL };

struct metric_point {
    const struct metric *metric;
    const struct told_edge *told; /* what it tells of an edge; NULL: nothing. In the arena */
    struct attr *attrs;           /* by key */
    uint32_t n_attrs;
    uint8_t value_type; /* enum metric_value: of a gauge or a sum */
    bool has_count, has_sum;
    bool duplicate; /* it was stored before: told by the writer */
    union {
        int64_t integer;
        double real;
    };
    uint64_t at_ns;
    uint64_t count;
    double sum;
    struct str histogram; /* the house's blob (histogram.h), of values in ns where the unit is a
                             time, else in the unit; '' without buckets */
};

/* What a sender tells of all metrics of a name, apart from their points: they are no records. */
struct metric_family {
    struct str name, unit, description;
    uint8_t type; /* enum family_type */
};

/* As Prometheus' remote write numbers them. Stored in the database. */
enum family_type {
    FAMILY_UNKNOWN,
    FAMILY_COUNTER,
    FAMILY_GAUGE,
    FAMILY_HISTOGRAM,
    FAMILY_GAUGE_HISTOGRAM,
    FAMILY_SUMMARY,
    FAMILY_INFO,
    FAMILY_STATE_SET,
    N_FAMILY_TYPES
};

const char *metric_type_word(unsigned type);

#endif
