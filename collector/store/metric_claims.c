/* metric_claims.c - see metric_claims.h. */
#include "collector/store/metric_claims.h"

#include "collector/base/json.h"

/* What bears a service's name, by what is surest. A pod's name without what Kubernetes puts behind
 * it stands before the labels from AFTER_POD on: those name who scraped, or one of several
 * containers. */
static const char *const name_keys[N_CLAIMED_NAMES] = {"service.name",
                                                       "k8s.deployment.name",
                                                       "service_name",
                                                       "deployment",
                                                       "workload",
                                                       "destination_workload",
                                                       "app",
                                                       "app_kubernetes_io_name",
                                                       "k8s.statefulset.name",
                                                       "k8s.daemonset.name",
                                                       "service",
                                                       "k8s.container.name",
                                                       "container",
                                                       "container_name",
                                                       "name",
                                                       "job"};
#define AFTER_POD 10

static bool is_status(struct str key)
{
    static const char *const keys[] = {
        "status",        "code",    "status_code", "http_status_code", "http.response.status_code",
        "response_code", "outcome", "result",      "http.status_code", "http_response_status_code",
        "grpc_code",     "error"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (str_eq(key, str_of(keys[i])))
            return true;
    }
    return false;
}

static bool is_failure(struct str text)
{
    static const char *const words[] = {"SERVER_ERROR", "error",    "ERROR",   "failure",
                                        "Unavailable",  "Internal", "Unknown", "DeadlineExceeded",
                                        "true"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eq(text, str_of(words[i])))
            return true;
    }
    return text.len == 3 && text.p[0] == '5';
}

/* error.type: a class of errors, or a status, a client's own fault (4xx) among them. */
static bool is_error(struct str text)
{
    return text.len > 0 && !(text.len == 3 && text.p[0] == '4');
}

static void claim(struct claims *claims, struct str key, struct str text)
{
    for (int i = 0; i < N_CLAIMED_NAMES; i++) {
        if (str_eq(key, str_of(name_keys[i])))
            claims->names[i] = text;
    }
    if (str_eq(key, STR("pod")) || str_eq(key, STR("k8s.pod.name")) || str_eq(key, STR("pod_name")))
        claims->pod = text;
    if (str_eq(key, STR("namespace")) || str_eq(key, STR("service.namespace")) ||
        (str_eq(key, STR("k8s.namespace.name")) && !claims->namespace.len))
        claims->namespace = text;
    if (str_eq(key, STR("service.version")))
        claims->version = text;
    if (str_eq(key, STR("service.instance.id")) || str_eq(key, STR("instance")))
        claims->instance = text;
    if (str_eq(key, STR("cluster_name")) || str_eq(key, STR("envoy.cluster_name")) ||
        str_eq(key, STR("envoy_cluster_name")))
        claims->cluster_name = text;
    if (str_eq(key, STR("error.type")) ? is_error(text) : is_status(key) && is_failure(text))
        claims->failed = true;
    claims->idle = claims->idle || str_eq(text, STR("idle")) || str_eq(text, STR("free"));
}

void claims_read(struct arena *arena, struct str text, struct claims *claims)
{
    struct json json;
    struct json_text key;
    json_init(&json, text);
    if (!json_open_object(&json))
        return;
    while (json_next_key(&json, &key)) {
        struct str value;
        if (json_as_text(&json, arena, &value))
            claim(claims, key.raw, value);
    }
}

/* The callee of outbound|PORT|SUBSET|HOST; '' for another cluster's name. */
static struct str callee_of_cluster(struct str name)
{
    struct str part, rest = name;
    if (!str_starts(name, STR("outbound|")))
        return STR_NONE;
    while (str_cut(rest, '|', &part, &rest))
        ;
    str_cut(part, '.', &part, &rest);
    return part;
}

/* What Kubernetes puts behind a workload's name: a number, or letters that make no words. */
static bool is_pod_part(struct str part)
{
    bool digits = part.len > 0;
    for (size_t i = 0; i < part.len; i++) {
        char c = part.p[i];
        digits = digits && c >= '0' && c <= '9';
        bool safe = (c >= '0' && c <= '9') || (c && strchr("bcdfghjklmnpqrstvwxz", c));
        if (!safe)
            return false;
    }
    return digits || part.len >= 5;
}

static bool is_pod_of(struct str pod, struct str service)
{
    struct str part, rest = str_skip(pod, service.len + 1);
    if (!str_starts(pod, service) || pod.len <= service.len + 1 || pod.p[service.len] != '-')
        return false;
    bool more = str_cut(rest, '-', &part, &rest);
    return is_pod_part(part) && (!more || is_pod_part(rest));
}

static bool is_named(struct str name, const struct metric_subject *subject)
{
    size_t n = subject->service.len;
    if (str_eq(name, subject->service))
        return true;
    /* service.namespace, as Istio names its proxies */
    return subject->namespace.len && name.len == n + 1 + subject->namespace.len &&
           str_starts(name, subject->service) && name.p[n] == '.' &&
           str_ends(name, subject->namespace);
}

static bool differ(struct str a, struct str b)
{
    return a.len && b.len && !str_eq(a, b);
}

static bool is_other_instance(const struct claims *claims, const struct metric_subject *subject)
{
    bool says = claims->pod.len || claims->instance.len;
    return subject->instance.len && says && !str_eq(claims->pod, subject->instance) &&
           !str_eq(claims->instance, subject->instance);
}

/* What the attributes say stands before what the resource says. */
static struct str surer(struct str of_resource, struct str of_attributes)
{
    return of_attributes.len ? of_attributes : of_resource;
}

bool claims_speak_of(const struct claims both[2], const struct metric_subject *subject)
{
    struct claims claims = {
        .pod = surer(both[0].pod, both[1].pod),
        .namespace = surer(both[0].namespace, both[1].namespace),
        .version = surer(both[0].version, both[1].version),
        .instance = surer(both[0].instance, both[1].instance),
        .cluster_name = surer(both[0].cluster_name, both[1].cluster_name),
    };
    struct str callee = callee_of_cluster(claims.cluster_name);
    if (callee.len)
        return str_eq(callee, subject->service);
    if (differ(claims.namespace, subject->namespace) || differ(claims.version, subject->version) ||
        is_other_instance(&claims, subject))
        return false;
    for (int i = 0; i < N_CLAIMED_NAMES; i++) {
        if (is_named(surer(both[0].names[i], both[1].names[i]), subject))
            return true;
    }
    return is_pod_of(claims.pod, subject->service);
}

struct str claims_instance(const struct claims both[2])
{
    struct str pod = surer(both[0].pod, both[1].pod);
    return pod.len ? pod : surer(both[0].instance, both[1].instance);
}

/* ---- who it is ---- */

/* WORKLOAD-HASH-HASH, WORKLOAD-HASH, WORKLOAD-NUMBER; '' for another name. */
static struct str workload_of_pod(struct str pod)
{
    struct str workload = pod;
    for (int parts = 0; parts < 2; parts++) {
        size_t at = workload.len;
        while (at > 0 && workload.p[at - 1] != '-')
            at--;
        if (at < 2 || !is_pod_part(str_skip(workload, at)))
            break;
        workload.len = at - 1;
    }
    return workload.len < pod.len ? workload : STR_NONE;
}

/* Who stands beside a service in its pod, or around it, and is none. */
static struct str itself(struct str name)
{
    static const char *const others[] = {"istio-proxy", "linkerd-proxy", "envoy", "POD"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (str_eq(name, str_of(others[i])))
            return STR_NONE;
    }
    return name;
}

static struct str name_of(const struct claims *claims)
{
    for (int i = 0; i < N_CLAIMED_NAMES; i++) {
        struct str name = itself(claims->names[i]);
        if (i == AFTER_POD && workload_of_pod(claims->pod).len)
            return workload_of_pod(claims->pod);
        if (name.len)
            return name;
    }
    return STR_NONE;
}

struct metric_service claims_service(const struct claims both[2])
{
    struct str callee = callee_of_cluster(surer(both[0].cluster_name, both[1].cluster_name));
    struct metric_service service = {.namespace = surer(both[0].namespace, both[1].namespace),
                                     .service = callee.len ? callee : name_of(&both[1])};
    if (!service.service.len)
        service.service = name_of(&both[0]);
    /* service.namespace, as Istio names its proxies */
    size_t n = service.service.len, end = service.namespace.len;
    if (end && n > end + 1 && str_ends(service.service, service.namespace) &&
        service.service.p[n - end - 1] == '.')
        service.service.len = n - end - 1;
    return service;
}
