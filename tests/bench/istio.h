/* istio.h - samples of Istio's standard metrics as a Prometheus that scrapes the sidecars writes
 * them: 26 labels a series (25 where there is no bucket), remote write 1.0.
 */
#pragma once

#include <snappy-c.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/buf.h"

struct istio_sample {
    const char *metric;
    const char *le; /* the bucket's bound, ms; NULL: no bucket */
    const char *reporter;
    const char *source, *destination; /* services, of version v1 in the namespace default */
    double value;
    uint64_t at_ms; /* Unix time */
};

static inline void istio_field(struct buf *out, unsigned field, struct str bytes)
{
    buf_add_varint(out, field << 3 | 2);
    buf_add_varint(out, bytes.len);
    buf_add_str(out, bytes);
}

/* A label; its value is prefix, middle and suffix. */
static inline void istio_label(struct buf *series, const char *name, const char *prefix,
                               const char *middle, const char *suffix)
{
    char value[160];
    struct buf label;
    buf_init(&label, 1 << 10);
    snprintf(value, sizeof(value), "%s%s%s", prefix, middle, suffix);
    istio_field(&label, 1, str_of(name));
    istio_field(&label, 2, str_of(value));
    istio_field(series, 1, buf_str(&label));
    buf_fini(&label);
}

/* Adds a series with its sample to a WriteRequest, labels in the order of their names. */
static inline void istio_add(struct buf *request, const struct istio_sample *sample)
{
    const char *to = sample->destination, *from = sample->source;
    const char *labels[][4] = {
        {"__name__", sample->metric, "", ""},
        {"connection_security_policy",
         strcmp(sample->reporter, "source") ? "mutual_tls" : "unknown", "", ""},
        {"destination_app", "", to, ""},
        {"destination_canonical_revision", "v1", "", ""},
        {"destination_canonical_service", "", to, ""},
        {"destination_cluster", "Kubernetes", "", ""},
        {"destination_principal", "spiffe://cluster.local/ns/default/sa/bookinfo-", to, ""},
        {"destination_service", "", to, ".default.svc.cluster.local"},
        {"destination_service_name", "", to, ""},
        {"destination_service_namespace", "default", "", ""},
        {"destination_version", "v1", "", ""},
        {"destination_workload", "", to, "-v1"},
        {"destination_workload_namespace", "default", "", ""},
        {"instance", "10.42.0.7:15020", "", ""},
        {"job", "kubernetes-pods", "", ""},
        {"le", sample->le, "", ""},
        {"reporter", sample->reporter, "", ""},
        {"request_protocol", "http", "", ""},
        {"response_code", "200", "", ""},
        {"response_flags", "-", "", ""},
        {"source_app", "", from, ""},
        {"source_canonical_service", "", from, ""},
        {"source_cluster", "Kubernetes", "", ""},
        {"source_version", "v1", "", ""},
        {"source_workload", "", from, "-v1"},
        {"source_workload_namespace", "default", "", ""},
    };
    struct buf series, point;
    buf_init(&series, 1 << 16);
    buf_init(&point, 1 << 8);
    for (size_t k = 0; k < sizeof(labels) / sizeof(labels[0]); k++) {
        if (labels[k][1])
            istio_label(&series, labels[k][0], labels[k][1], labels[k][2], labels[k][3]);
    }
    buf_add_varint(&point, 1 << 3 | 1);
    buf_add(&point, &sample->value, sizeof(sample->value));
    buf_add_varint(&point, 2 << 3);
    buf_add_varint(&point, sample->at_ms);
    istio_field(&series, 2, buf_str(&point));
    istio_field(request, 1, buf_str(&series));
    buf_fini(&series);
    buf_fini(&point);
}

/* The request in snappy's block format, as it goes over the wire. False: memory is short. */
static inline bool istio_pack(struct buf *body, const struct buf *request)
{
    size_t n = snappy_max_compressed_length(request->len);
    if (buf_failed(request) || !buf_reserve(body, n) ||
        snappy_compress(request->p, request->len, body->p, &n) != SNAPPY_OK)
        return false;
    body->len = n;
    return true;
}
