/* prometheus_render.c - the exposition, in text 0.0.4 and in OpenMetrics 1.0. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/version.h"
#include "exporters/prometheus_internal.h"

struct rendering {
    struct buf *out;
    bool openmetrics;
    uint64_t now_ns, expire_ns, started_ns;
};

/* A family's head. OpenMetrics names counters without _total. */
static void head(struct rendering *r, const char *name, const char *type, const char *help)
{
    size_t len = strlen(name);
    bool counter = strcmp(type, "counter") == 0;
    if (r->openmetrics && counter && len > 6)
        len -= 6;
    buf_addf(r->out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)len, name, help, (int)len, name,
             type);
}

static void seconds(struct rendering *r, uint64_t ns)
{
    buf_add_double(r->out, (double)ns / 1e9);
}

static void exemplar(struct rendering *r, const struct exemplar *exemplar)
{
    if (!r->openmetrics || (!exemplar->id.low && !exemplar->id.high))
        return;
    buf_addf(r->out, " # {trace_id=\"%016llx%016llx\"} ", (unsigned long long)exemplar->id.high,
             (unsigned long long)exemplar->id.low);
    buf_add_double(r->out, exemplar->value);
    buf_addf(r->out, " %llu.%03llu", (unsigned long long)(exemplar->at_ns / NS_PER_S),
             (unsigned long long)(exemplar->at_ns / NS_PER_MS % 1000));
}

/* A sample's name with its labels; without any there are no braces. */
static void sample(struct rendering *r, struct str name, const char *suffix, const char *labels)
{
    buf_add_str(r->out, name);
    buf_add_c(r->out, suffix);
    buf_addf(r->out, labels[0] ? "{%s} " : " ", labels);
}

static void created(struct rendering *r, const char *name, size_t base_len, const char *labels,
                    uint64_t created_ns)
{
    if (!r->openmetrics)
        return;
    sample(r, (struct str){name, base_len}, "_created", labels);
    buf_addf(r->out, "%llu.%03llu\n", (unsigned long long)(created_ns / NS_PER_S),
             (unsigned long long)(created_ns / NS_PER_MS % 1000));
}

static void counter(struct rendering *r, const char *name, const char *labels, uint64_t value,
                    const struct exemplar *with, uint64_t created_ns)
{
    sample(r, str_of(name), "", labels);
    buf_add_u64(r->out, value);
    if (with)
        exemplar(r, with);
    buf_add_char(r->out, '\n');
    created(r, name, strlen(name) - 6, labels, created_ns);
}

/* The bound as both forms write it: shortest, with .0 in OpenMetrics. */
static void bound(struct rendering *r, int k)
{
    if (k == STAT_N_BUCKETS) {
        buf_add_c(r->out, "+Inf");
        return;
    }
    double value = stat_bucket_bound(k);
    buf_add_double(r->out, value);
    if (r->openmetrics && value == (double)(long long)value)
        buf_add_c(r->out, ".0");
}

static void histogram(struct rendering *r, const char *name, const char *labels,
                      const struct latency *latency, uint64_t created_ns)
{
    const char *comma = labels[0] ? "," : "";
    uint64_t n = 0;
    for (int k = 0; k <= STAT_N_BUCKETS; k++) {
        n += latency->buckets[k];
        buf_addf(r->out, "%s_bucket{%s%sle=\"", name, labels, comma);
        bound(r, k);
        buf_addf(r->out, "\"} %llu", (unsigned long long)n);
        exemplar(r, &latency->exemplars[k]);
        buf_add_char(r->out, '\n');
    }
    sample(r, str_of(name), "_sum", labels);
    seconds(r, latency->sum_ns);
    buf_add_char(r->out, '\n');
    sample(r, str_of(name), "_count", labels);
    buf_add_u64(r->out, n);
    buf_add_char(r->out, '\n');
    created(r, name, strlen(name), labels, created_ns);
}

static bool is_fresh(const struct rendering *r, uint64_t last_ns)
{
    return last_ns + r->expire_ns > r->now_ns;
}

/* ---- edges ---- */

struct edge_counter {
    const char *name, *help;
    size_t offset;
    bool with_any, with_failed;
};

#define EDGE(field) offsetof(struct edge_series, field)

static const struct edge_counter edge_counters[] = {
    {"faultline_edge_client_errors_total", "Calls that ended in a client error.",
     EDGE(client_errors), false, false},
    {"faultline_edge_recovered_total", "Calls that a retry saved.", EDGE(recovered), false, false},
    {"faultline_edge_retries_total", "Attempts beyond the first.", EDGE(retries), false, false},
    {"traces_service_graph_request_failed_total", "Calls that failed.", EDGE(n_failed), false,
     true},
    {"traces_service_graph_request_total", "Calls between two services, retries folded.", EDGE(n),
     true, false},
};

static const struct edge_counter edge_histograms[] = {
    {"faultline_edge_transit_seconds", "Time between caller and callee.", EDGE(transit), false,
     false},
    {"traces_service_graph_request_client_seconds", "Time of a call as its caller saw it.",
     EDGE(client), false, false},
    {"traces_service_graph_request_server_seconds",
     "Time of a call as its callee saw it, of one that sends no spans as its caller did.",
     EDGE(server), false, false},
};

static void render_edge_counter(struct prometheus *p, struct rendering *r,
                                const struct edge_counter *row)
{
    head(r, row->name, "counter", row->help);
    for (uint32_t i = 0; i < p->edges.n; i++) {
        const struct edge_series *series = p->edges.series[i];
        if (!is_fresh(r, series->last_ns))
            continue;
        const struct exemplar *with = row->with_any      ? &series->any
                                      : row->with_failed ? &series->failed
                                                         : NULL;
        counter(r, row->name, series->labels,
                *(const uint64_t *)(const void *)((const char *)series + row->offset), with,
                series->created_ns);
    }
}

/* An edge's counter that has one label more. */
static void split(struct rendering *r, const char *name, const struct edge_series *series,
                  const char *label, const char *value, uint64_t n)
{
    struct buf labels;
    buf_init(&labels, LABELS_BYTES);
    buf_add_c(&labels, series->labels);
    prometheus_label(&labels, label, str_of(value));
    buf_add_char(&labels, '\0');
    if (!buf_failed(&labels))
        counter(r, name, labels.p, n, NULL, series->created_ns);
    buf_fini(&labels);
}

static void render_edge_split(struct prometheus *p, struct rendering *r)
{
    head(r, "faultline_edge_errors_total", "counter",
         "Failed calls, by whether the failure began here.");
    for (uint32_t i = 0; i < p->edges.n; i++) {
        const struct edge_series *series = p->edges.series[i];
        if (!is_fresh(r, series->last_ns))
            continue;
        split(r, "faultline_edge_errors_total", series, "fault", "origin", series->origin);
        split(r, "faultline_edge_errors_total", series, "fault", "carried", series->carried);
    }
    head(r, "faultline_edge_security_total", "counter",
         "Calls, by the security of their connection.");
    for (uint32_t i = 0; i < p->edges.n; i++) {
        const struct edge_series *series = p->edges.series[i];
        for (unsigned k = 0; k < N_SECURITIES && is_fresh(r, series->last_ns); k++) {
            if (series->security[k])
                split(r, "faultline_edge_security_total", series, "security", security_word(k),
                      series->security[k]);
        }
    }
}

/* Several edges may share client, server and gateway: the first of them speaks for all. */
static void render_hairpins(struct prometheus *p, struct rendering *r)
{
    head(r, "faultline_hairpin_requests_total", "counter",
         "Calls that left by a gateway to come back in.");
    for (uint32_t i = 0; i < p->edges.n; i++) {
        const struct edge_series *series = p->edges.series[i];
        uint64_t n = 0;
        bool first = series->pair != NULL;
        for (uint32_t k = 0; k < p->edges.n && first; k++) {
            const struct edge_series *other = p->edges.series[k];
            if (!other->pair || strcmp(other->pair, series->pair) != 0)
                continue;
            first = k >= i;
            n += other->hairpins;
        }
        if (first)
            counter(r, "faultline_hairpin_requests_total", series->pair, n, NULL,
                    series->created_ns);
    }
}

static void render_edges(struct prometheus *p, struct rendering *r)
{
    for (size_t i = 0; i < sizeof(edge_counters) / sizeof(edge_counters[0]); i++)
        render_edge_counter(p, r, &edge_counters[i]);
    for (size_t i = 0; i < sizeof(edge_histograms) / sizeof(edge_histograms[0]); i++) {
        const struct edge_counter *row = &edge_histograms[i];
        head(r, row->name, "histogram", row->help);
        for (uint32_t k = 0; k < p->edges.n; k++) {
            const struct edge_series *series = p->edges.series[k];
            if (is_fresh(r, series->last_ns))
                histogram(
                    r, row->name, series->labels,
                    (const struct latency *)(const void *)((const char *)series + row->offset),
                    series->created_ns);
        }
    }
    render_edge_split(p, r);
    render_hairpins(p, r);
}

static void render_spans(struct prometheus *p, struct rendering *r)
{
    head(r, "traces_spanmetrics_calls_total", "counter", "Spans.");
    for (uint32_t i = 0; i < p->spans.n; i++) {
        const struct span_series *series = p->spans.series[i];
        if (is_fresh(r, series->last_ns))
            counter(r, "traces_spanmetrics_calls_total", series->labels, series->n, &series->any,
                    series->created_ns);
    }
    head(r, "traces_spanmetrics_latency", "histogram", "Durations of spans in seconds.");
    for (uint32_t i = 0; i < p->spans.n; i++) {
        const struct span_series *series = p->spans.series[i];
        if (is_fresh(r, series->last_ns))
            histogram(r, "traces_spanmetrics_latency", series->labels, &series->latency,
                      series->created_ns);
    }
}

/* ---- the program itself ---- */

static void stat_labels(const struct stat_series *series, struct buf *labels)
{
    buf_reset(labels);
    for (int i = 0; i < STAT_MAX_LABELS && series->labels[i].name; i++)
        prometheus_label(labels, series->labels[i].name, str_of(series->labels[i].value));
    buf_add_char(labels, '\0');
}

static void render_stat_histogram(struct rendering *r, const char *name, const char *labels,
                                  const struct stat_series *series)
{
    struct latency latency = {.sum_ns = series->sum_ns};
    for (int k = 0; k <= STAT_N_BUCKETS; k++)
        latency.buckets[k] = series->buckets[k];
    histogram(r, name, labels, &latency, r->started_ns);
}

static void render_family(const struct stat_family *family, void *ctx)
{
    struct rendering *r = ctx;
    static const char *const types[] = {"counter", "gauge", "histogram"};
    struct buf labels;
    buf_init(&labels, 4096);
    head(r, family->name, types[family->type], family->help);
    for (const struct stat_series *series = family->series; series; series = series->next) {
        stat_labels(series, &labels);
        if (family->type == STAT_TYPE_HISTOGRAM) {
            render_stat_histogram(r, family->name, labels.p, series);
        } else if (family->type == STAT_TYPE_COUNTER) {
            counter(r, family->name, labels.p, stat_value(series), NULL, r->started_ns);
        } else {
            sample(r, str_of(family->name), "", labels.p);
            if (family->real)
                buf_add_double(r->out, stat_value_real(series));
            else
                buf_add_u64(r->out, stat_value(series));
            buf_add_char(r->out, '\n');
        }
    }
    buf_fini(&labels);
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        n++;
    if (folder)
        closedir(folder);
    return n > 3 ? n - 3 : 0;
}

static void gauge(struct rendering *r, const char *name, const char *help, double value)
{
    head(r, name, "gauge", help);
    buf_addf(r->out, "%s ", name);
    buf_add_double(r->out, value);
    buf_add_char(r->out, '\n');
}

static void render_process(struct rendering *r)
{
    unsigned long long user = 0, system = 0, size = 0, resident = 0;
    FILE *stat_file = fopen("/proc/self/stat", "r"), *statm = fopen("/proc/self/statm", "r");
    if (stat_file &&
        fscanf(stat_file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
               &system) != 2)
        user = system = 0;
    if (statm && fscanf(statm, "%llu %llu", &size, &resident) != 2)
        size = resident = 0;
    if (stat_file)
        fclose(stat_file);
    if (statm)
        fclose(statm);
    double page = (double)sysconf(_SC_PAGESIZE);
    head(r, "process_cpu_seconds_total", "counter", "CPU time used.");
    buf_add_c(r->out, "process_cpu_seconds_total ");
    buf_add_double(r->out, (double)(user + system) / (double)sysconf(_SC_CLK_TCK));
    buf_add_char(r->out, '\n');
    gauge(r, "process_resident_memory_bytes", "Resident memory.", (double)resident * page);
    gauge(r, "process_virtual_memory_bytes", "Virtual memory.", (double)size * page);
    gauge(r, "process_open_fds", "Open file descriptors.", open_descriptors());
    gauge(r, "process_start_time_seconds", "Start of the process, Unix time.",
          (double)r->started_ns / 1e9);
}

void prometheus_render(struct prometheus *prometheus, bool openmetrics, uint64_t now_ns,
                       struct buf *out)
{
    struct rendering r = {out, openmetrics, now_ns, prometheus->settings.expire_ns,
                          prometheus->started_ns};
    pthread_mutex_lock(&prometheus->mutex);
    render_edges(prometheus, &r);
    render_spans(prometheus, &r);
    pthread_mutex_unlock(&prometheus->mutex);
    stats_visit(render_family, &r);
    if (prometheus->ingested)
        ingested_render(prometheus->ingested, openmetrics, now_ns, out);
    if (prometheus->settings.judged)
        prometheus->settings.judged(out, prometheus->settings.ctx);
    render_process(&r);
    head(&r, "faultline_build_info", "gauge", "Version of this program.");
    buf_addf(out, "faultline_build_info{version=\"%s\",sqlite=\"%s\",revision=\"%s\"} 1\n",
             FAULTLINE_VERSION, prometheus->settings.sqlite_version, FAULTLINE_REVISION);
    if (openmetrics)
        buf_add_c(out, "# EOF\n");
}
