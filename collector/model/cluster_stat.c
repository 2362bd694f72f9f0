/* cluster_stat.c - see cluster_stat.h. */
#include "collector/model/cluster_stat.h"

/* ---- the series' name ---- */

/* Leaves what stands behind `cluster`. */
static bool cut_front(struct str text, struct cluster_stat_name *name)
{
    static const struct str scraped = STR("envoy_cluster_"), own = STR("cluster.");
    name->dotted = !str_starts(text, scraped);
    if (!name->dotted) {
        name->rest = str_skip(text, scraped.len);
        return true;
    }
    /* The sink can be told to put a prefix before all names. */
    while (!str_starts(text, own)) {
        struct str part;
        if (!str_cut(text, '.', &part, &text))
            return false;
    }
    name->rest = str_skip(text, own.len);
    return true;
}

static bool cut_stat(struct cluster_stat_name *name)
{
    static const struct {
        struct str end;
        enum cluster_stat stat;
    } rows[] = {{STR("upstream_rq"), CLUSTER_CALLS},
                {STR("upstream_rq_retry"), CLUSTER_RETRIES},
                {STR("upstream_rq_time"), CLUSTER_TIMES},
                {STR("upstream_rq_time_bucket"), CLUSTER_TIME_BUCKET},
                {STR("upstream_rq_time_sum"), CLUSTER_TIME_SUM},
                {STR("upstream_rq_time_count"), CLUSTER_TIME_COUNT}};
    struct str *rest = &name->rest;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!str_ends(*rest, rows[i].end))
            continue;
        name->stat = rows[i].stat;
        rest->len -= rows[i].end.len;
        rest->len -= rest->len > 0;
        return true;
    }
    return false;
}

/* Takes the last part away. */
static struct str last_part(struct str *rest, char separator)
{
    size_t at = rest->len;
    while (at > 0 && rest->p[at - 1] != separator)
        at--;
    struct str part = {rest->p + at, rest->len - at};
    rest->len = at ? at - 1 : 0;
    return part;
}

static bool is_variant(struct str rest, bool dotted)
{
    static const struct str variants[] = {STR("external"), STR("internal"), STR("canary"),
                                          STR("retry")};
    if (!dotted && str_contains(rest, STR("zone_")))
        return true;
    struct str last = last_part(&rest, dotted ? '.' : '_');
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        if (str_eq(last, variants[i]))
            return true;
    }
    /* zone.FROM.TO */
    last_part(&rest, '.');
    return dotted && str_eq(last_part(&rest, '.'), STR("zone"));
}

bool cluster_stat_read(struct str text, struct cluster_stat_name *name)
{
    /* Names that were not freed of their tags hold the cluster's name as it is. */
    return cut_front(text, name) && cut_stat(name) && !is_variant(name->rest, name->dotted) &&
           str_find(name->rest, '|') < 0;
}

/* ---- its attributes ---- */

int cluster_label(struct str key)
{
    static const struct {
        struct str key;
        int label;
    } rows[] = {{STR("cluster_name"), CLUSTER_NAME},
                {STR("envoy_cluster_name"), CLUSTER_NAME},
                {STR("envoy.cluster_name"), CLUSTER_NAME},
                {STR("response_code"), CLUSTER_CODE},
                {STR("envoy_response_code"), CLUSTER_CODE},
                {STR("envoy.response_code"), CLUSTER_CODE},
                {STR("service_istio_io_canonical_name"), CLUSTER_SERVICE},
                {STR("app_kubernetes_io_name"), CLUSTER_SERVICE + 1},
                {STR("app"), CLUSTER_SERVICE + 2},
                {STR("namespace"), CLUSTER_NAMESPACE},
                {STR("kubernetes_namespace"), CLUSTER_NAMESPACE + 1},
                {STR("service_istio_io_canonical_revision"), CLUSTER_VERSION},
                {STR("app_kubernetes_io_version"), CLUSTER_VERSION + 1},
                {STR("version"), CLUSTER_VERSION + 2}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_eq(key, rows[i].key))
            return rows[i].label;
    }
    return N_CLUSTER_LABELS;
}

struct str cluster_label_known(const struct str labels[N_CLUSTER_LABELS], int first, int end)
{
    for (int i = first; i < end; i++) {
        struct str text = labels[i];
        if (text.len && !str_eq(text, STR("unknown")) && !str_eq(text, STR("latest")))
            return text;
    }
    return STR_NONE;
}

/* ---- the cluster's name ---- */

struct str cluster_whole_name(const struct cluster_stat_name *name, struct str label,
                              char text[CLUSTER_NAME_BYTES])
{
    struct str rest = name->rest, whole = {text, label.len + (rest.len > 0) + rest.len};
    if (!label.len || whole.len > CLUSTER_NAME_BYTES)
        return STR_NONE;
    memcpy(text, label.p, label.len);
    if (rest.len)
        text[label.len] = '.';
    /* Prometheus has no dots in names. */
    for (size_t i = 0; i < rest.len; i++)
        text[label.len + 1 + i] = rest.p[i] == '_' && !name->dotted ? '.' : rest.p[i];
    return whole;
}

bool cluster_cut(struct str name, struct str *direction, struct str *subset, struct str *host)
{
    struct str port, rest = name;
    if (str_starts(name, STR("outbound_.")) || str_starts(name, STR("inbound_."))) {
        str_cut(rest, '_', direction, &rest);
        str_cut(str_skip(rest, 1), '_', &port, &rest);
        str_cut(str_skip(rest, 1), '_', subset, &rest);
        *host = str_skip(rest, 1);
        return true;
    }
    if (!str_cut(rest, '|', direction, &rest))
        return false;
    str_cut(rest, '|', &port, &rest);
    str_cut(rest, '|', subset, host);
    return true;
}

bool cluster_is_special(struct str name)
{
    return str_contains(name, STR("PassthroughCluster")) ||
           str_contains(name, STR("BlackHoleCluster"));
}

bool cluster_is_machinery(struct str name)
{
    static const struct str names[] = {STR("xds-grpc"), STR("sds-grpc"), STR("prometheus_stats"),
                                       STR("agent"), STR("zipkin")};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq(name, names[i]))
            return true;
    }
    return false;
}

bool cluster_host_cut(struct str host, struct str *service, struct str *namespace)
{
    struct str svc, rest;
    if (!str_cut(host, '.', service, &rest) || !str_cut(rest, '.', namespace, &rest))
        return false;
    str_cut(rest, '.', &svc, &rest);
    return str_eq(svc, STR("svc"));
}
