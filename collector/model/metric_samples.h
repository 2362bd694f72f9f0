/* metric_samples.h - the points of some series in two windows, as the store reads them and the
 * localiser weighs them. All memory lies in the reader's arena.
 */
#ifndef MODEL_METRIC_SAMPLES_H
#define MODEL_METRIC_SAMPLES_H

#include "collector/model/metric.h"
#include "collector/model/metric_cause.h"

struct metric_sample {
    uint64_t at_ns;
    double value;      /* of a gauge or a sum; NaN: none */
    double count, sum; /* of a histogram or a summary; NaN: none */
};

struct metric_samples {
    struct str name, unit;
    struct str instance; /* '' unknown */
    uint32_t service;    /* place in the list that was asked for */
    int64_t sender;      /* the same for all series of one resource */
    enum metric_cause cause;
    enum metric_measure measure;  /* where it is no cause and everybody was asked for */
    bool failed;                  /* of requests that failed, by an attribute */
    uint8_t type;                 /* enum metric_type */
    uint8_t temporality;          /* enum temporality */
    bool monotonic;               /* a sum that only grows */
    bool falls;                   /* trouble is less of it */
    bool grew_from_0;             /* a counter that is new while its sender is not */
    struct metric_sample *points; /* by time, each time once */
    uint32_t n;
};

struct metric_service {
    struct str namespace, service;
    bool tells_requests; /* it sends spans: known only where the stores of some were asked for */
};

struct metric_samples_list {
    struct metric_samples *items;
    uint32_t n, cap;
    /* By metric_samples.service, where everybody was asked for; where stores were, behind those. */
    struct metric_service *services;
    uint32_t n_services, cap_services;
    /* Windows of what was asked, half open. A point before the first shows what a counter was. */
    uint64_t normal_from_ns, normal_to_ns, from_ns, to_ns;
    bool cut; /* there was more than is read for one answer */
};

#endif
