/* metric_cause.h - what a metric's name says about why somebody is in trouble: a closed list of
 * causes. Metrics of what a service does for others (its requests, their failures, their times) are
 * effects and name none.
 */
#ifndef MODEL_METRIC_CAUSE_H
#define MODEL_METRIC_CAUSE_H

#include "collector/base/str.h"

enum metric_cause {
    CAUSE_NONE,
    CAUSE_POOL_OVERFLOW,
    CAUSE_RESTARTS,
    CAUSE_OUT_OF_MEMORY,
    CAUSE_THROTTLING,
    CAUSE_GARBAGE,
    CAUSE_CPU,
    CAUSE_MEMORY,
    CAUSE_EJECTIONS,
    CAUSE_CONNECT_FAILURES,
    CAUSE_QUEUE,
    CAUSE_CONNECTIONS,
    CAUSE_PACKETS,
    CAUSE_DISK,
    CAUSE_THREADS,
    CAUSE_FILES,
    CAUSE_CACHE,
    CAUSE_LOCKS,
    N_METRIC_CAUSES
};

/* By the words of the name, whatever stands between them: process.cpu.time, container_cpu_usage.
 * CAUSE_NONE also for what was set and not measured (limits, capacities). */
enum metric_cause metric_cause_of(struct str name);
/* Does less of it mean trouble (free memory)? */
bool metric_falls(struct str name);

/* What a metric's name says of what a service does for others. */
enum metric_measure {
    MEASURE_NONE, /* or a cause */
    MEASURE_TIME, /* of its requests: a mean, a quantile */
    MEASURE_TIME_SUM,
    MEASURE_TIME_COUNT, /* of a histogram or a summary of such times, as Prometheus parts them */
    MEASURE_REQUESTS,
    MEASURE_FAILURES,
    N_METRIC_MEASURES
};

/* What it asks of others is measured at these: MEASURE_NONE, as are buckets. */
enum metric_measure metric_measure_of(struct str name);
/* SERVICE_WHAT: the service that stands before a name of a cause or a measure, '' for none. A name
 * in a network has no '_', nor '.', ':' or '/'. */
struct str metric_service_of(struct str name);
/* As a sentence begins with it: "CPU", "pool overflow". */
const char *metric_cause_word(enum metric_cause cause);

#endif
