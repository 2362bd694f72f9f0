/* identity.c - one workload is one node, whatever its SDK, its sidecar and its endpoint call it. */
#include "collector/decode/identity.h"

#include "collector/base/buf.h"
#include "collector/decode/semconv.h"

#include <string.h>

#define LIST(...) ((const uint8_t[]){__VA_ARGS__, N_KNOWN_KEYS})

static bool is_unknown_service(struct str name)
{
    return name.len == 0 || str_starts(name, STR("unknown_service")) ||
           str_eq(name, STR("OTLPResourceNoServiceName"));
}

/* `reviews.default` is `reviews` where the namespace is known to be `default`. */
static struct str without_namespace(struct str name, struct str namespace)
{
    if (namespace.len && name.len > namespace.len + 1 && str_ends(name, namespace) &&
        name.p[name.len - namespace.len - 1] == '.')
        name.len -= namespace.len + 1;
    return name;
}

static bool only_of(struct str text, const char *characters)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!memchr(characters, text.p[i], strlen(characters)))
            return false;
    }
    return text.len;
}

/* Without its last part, should that be of so many of these characters: `cart-x2x7q` is `cart`. */
static bool drop_part(struct str *name, const char *characters, size_t least, size_t most)
{
    size_t dash = name->len;
    if (!dash)
        return false;
    while (dash > 0 && name->p[dash - 1] != '-')
        dash--;
    struct str part = {name->p + dash, name->len - dash};
    if (dash < 2 || part.len < least || part.len > most || !only_of(part, characters))
        return false;
    name->len = dash - 1;
    return true;
}

/* What Kubernetes draws names from: it spells no words. */
#define K8S_RANDOM "bcdfghjklmnpqrstvwxz2456789"
#define DIGITS "0123456789"

/* Of a Deployment's ReplicaSet `cart-6b9f7c5d8` the name that stays over rollouts. */
static struct str without_template_hash(struct str name)
{
    drop_part(&name, K8S_RANDOM, 6, 10);
    return name;
}

/* Of a CronJob's Job `report-28912345` the name that stays: it numbers them by the minute. */
static struct str without_run(struct str name)
{
    drop_part(&name, DIGITS, 8, 8);
    return name;
}

struct str workload_of_pod(struct str pod)
{
    if (drop_part(&pod, K8S_RANDOM, 5, 5))
        return without_run(without_template_hash(pod));
    drop_part(&pod, DIGITS, 1, 5);
    return pod;
}

/* k8s.pod.label.KEY or k8s.pod.annotation.KEY, the words of older collectors in the plural. */
static struct str of_pod(const struct resource *resource, struct str word, struct str key)
{
    for (uint32_t i = 0; i < resource->n_attrs; i++) {
        const struct attr *attr = &resource->attrs[i];
        struct str rest = attr->key;
        if (!str_starts(rest, STR("k8s.pod.")) || attr->type != VALUE_TEXT || !attr->text.len)
            continue;
        rest = str_skip(rest, 8);
        if (!str_starts(rest, word))
            continue;
        rest = str_skip(rest, word.len);
        if (str_starts(rest, STR("s")))
            rest = str_skip(rest, 1);
        if (str_starts(rest, STR(".")) && str_eq(str_skip(rest, 1), key))
            return attr->text;
    }
    return STR_NONE;
}

static struct str label(const struct resource *resource, struct str key)
{
    return of_pod(resource, STR("label"), key);
}

/* What the pod's author says of the service, in the place of its SDK. */
#define ANNOTATION(resource, key)                                                                  \
    of_pod(resource, STR("annotation"), STR("resource.opentelemetry.io/" key))

static struct str or_else(struct str first, struct str second)
{
    return first.len ? first : second;
}

static struct str unless(struct str text, struct str unknown)
{
    return str_eq(text, unknown) ? STR_NONE : text;
}

/* Who has no name of his own has his workload's (formats: service identity). */
static struct str workload_name(const struct resource *resource, const struct seen_keys *seen)
{
    struct str name = ANNOTATION(resource, "service.name");
    if (!name.len)
        name = or_else(label(resource, STR("app.kubernetes.io/instance")),
                       label(resource, STR("app.kubernetes.io/name")));
    if (!name.len)
        name = keys_first_text(seen, LIST(KEY_K8S_DEPLOYMENT_NAME));
    if (!name.len)
        name = without_template_hash(keys_first_text(seen, LIST(KEY_K8S_REPLICASET_NAME)));
    if (!name.len)
        name = keys_first_text(
            seen, LIST(KEY_K8S_STATEFULSET_NAME, KEY_K8S_DAEMONSET_NAME, KEY_K8S_CRONJOB_NAME));
    if (!name.len)
        name = without_run(keys_first_text(seen, LIST(KEY_K8S_JOB_NAME)));
    if (!name.len)
        name = workload_of_pod(keys_first_text(seen, LIST(KEY_K8S_POD_NAME)));
    if (!name.len)
        name = keys_first_text(
            seen, LIST(KEY_K8S_CONTAINER_NAME, KEY_FAAS_NAME, KEY_PROCESS_EXECUTABLE_NAME));
    return name;
}

/* A version that was written down without quotes came as a number. */
static struct str number_text(struct arena *arena, const struct attr *attr)
{
    struct str text = STR_NONE;
    struct buf digits;
    if (!attr || (attr->type != VALUE_INT && attr->type != VALUE_DOUBLE))
        return STR_NONE;
    buf_init(&digits, 64);
    if (attr->type == VALUE_INT)
        buf_add_i64(&digits, attr->integer);
    else
        buf_add_json_double(&digits, attr->real);
    if (!buf_failed(&digits))
        text = arena_dup(arena, buf_str(&digits));
    buf_fini(&digits);
    return text.p ? text : STR_NONE;
}

static struct str version_of(struct arena *arena, const struct resource *resource,
                             const struct seen_keys *seen)
{
    struct str version = keys_first_text(seen, LIST(KEY_SERVICE_VERSION));
    if (!version.len)
        version = number_text(arena, seen->at[KEY_SERVICE_VERSION]);
    if (!version.len)
        version = ANNOTATION(resource, "service.version");
    if (!version.len)
        version = unless(keys_first_text(seen, LIST(KEY_ISTIO_CANONICAL_REVISION)), STR("latest"));
    if (!version.len)
        version = label(resource, STR("app.kubernetes.io/version"));
    return or_else(version, label(resource, STR("version")));
}

void semconv_resource(struct arena *arena, struct resource *resource)
{
    struct seen_keys seen;
    keys_seen(&seen, resource->attrs, resource->n_attrs);
    struct str name = keys_first_text(&seen, LIST(KEY_SERVICE_NAME));
    if (is_unknown_service(name)) {
        struct str other = workload_name(resource, &seen);
        name = other.len ? other : name.len ? name : STR("unknown_service");
    }
    resource->namespace = keys_first_text(&seen, LIST(KEY_SERVICE_NAMESPACE));
    if (!resource->namespace.len)
        resource->namespace = ANNOTATION(resource, "service.namespace");
    if (!resource->namespace.len)
        resource->namespace =
            keys_first_text(&seen, LIST(KEY_K8S_NAMESPACE_NAME, KEY_ISTIO_NAMESPACE));
    resource->service = without_namespace(name, resource->namespace);
    resource->cluster = keys_first_text(&seen, LIST(KEY_K8S_CLUSTER_NAME, KEY_ISTIO_CLUSTER_ID));
    resource->version = version_of(arena, resource, &seen);
    resource->instance = keys_first_text(&seen, LIST(KEY_SERVICE_INSTANCE_ID));
    if (!resource->instance.len)
        resource->instance = or_else(ANNOTATION(resource, "service.instance.id"),
                                     keys_first_text(&seen, LIST(KEY_K8S_POD_NAME)));
    resource->host = keys_first_text(&seen, LIST(KEY_K8S_NODE_NAME, KEY_HOST_NAME));
    resource->host_instance = keys_first_text(&seen, LIST(KEY_HOST_NAME, KEY_NET_HOST_IP));
    resource->zone = keys_first_text(&seen, LIST(KEY_CLOUD_AVAILABILITY_ZONE, KEY_ZONE));
    resource->sdk_name = keys_first_text(&seen, LIST(KEY_TELEMETRY_SDK_NAME));
    resource->host_address =
        keys_first_text(&seen, LIST(KEY_K8S_POD_IP, KEY_NET_HOST_IP, KEY_HOST_IP));
}

struct node_id node_id_parse(struct str text)
{
    struct node_id id = {0};
    struct str rest, pod;
    if (!str_cut(text, '~', &id.type, &rest) || !str_cut(rest, '~', &id.ip, &rest) ||
        !str_cut(rest, '~', &pod, &rest))
        return (struct node_id){0};
    str_cut(rest, '.', &id.namespace, &rest);
    id.pod = without_namespace(pod, id.namespace);
    return id;
}

static uint8_t proxy_of_scope(struct str scope)
{
    static const struct {
        struct str prefix;
        uint8_t proxy;
    } rows[] = {
        {{"nginx", 5}, PROXY_GATEWAY},          {{"haproxy", 7}, PROXY_GATEWAY},
        {{"traefik", 7}, PROXY_GATEWAY},        {{"github.com/traefik", 18}, PROXY_GATEWAY},
        {{"kong-internal", 13}, PROXY_GATEWAY}, {{"envoy", 5}, PROXY_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_starts(scope, rows[i].prefix))
            return rows[i].proxy;
    }
    return PROXY_NONE;
}

static uint8_t proxy_of(const struct span *span, const struct seen_keys *seen, struct str node_type)
{
    if (str_eq(node_type, STR("sidecar")))
        return PROXY_SIDECAR;
    if (str_eq(node_type, STR("router")))
        return PROXY_GATEWAY;
    if (str_eq(node_type, STR("waypoint")))
        return PROXY_WAYPOINT;
    if (span->proxy != PROXY_NONE)
        return span->proxy;
    const struct attr *component = seen->at[KEY_COMPONENT];
    if ((component && str_eq(component->text, STR("proxy"))) ||
        str_eq(span->resource->sdk_name, STR("envoy")) || seen->at[KEY_NODE_ID] ||
        seen->at[KEY_UPSTREAM_CLUSTER] || seen->at[KEY_RESPONSE_FLAGS] ||
        seen->at[KEY_ISTIO_CANONICAL_SERVICE] || seen->at[KEY_ISTIO_MESH_ID])
        return PROXY_UNKNOWN;
    return span->scope_name.len ? proxy_of_scope(span->scope_name) : PROXY_NONE;
}

/* Istio calls a proxy `app.namespace` unless told otherwise; its clusters' names betray it. */
static struct str split_istio_name(struct str name, const struct seen_keys *seen,
                                   struct str *namespace)
{
    struct str cluster = keys_first_text(seen, LIST(KEY_UPSTREAM_CLUSTER));
    bool istio = str_starts(cluster, STR("outbound|")) || str_starts(cluster, STR("inbound|"));
    struct str service, rest;
    if (!istio || !str_cut(name, '.', &service, &rest) || !service.len || !rest.len ||
        str_find(rest, '.') >= 0)
        return name;
    *namespace = rest;
    return service;
}

void identity_of_span(struct span *span, const struct seen_keys *seen)
{
    const struct resource *resource = span->resource;
    struct facts *facts = &span->facts;
    struct node_id id = {0};
    if (seen->at[KEY_NODE_ID])
        id = node_id_parse(seen->at[KEY_NODE_ID]->text);
    facts->proxy = proxy_of(span, seen, id.type);
    struct str service =
        unless(keys_first_text(seen, LIST(KEY_ISTIO_CANONICAL_SERVICE)), STR("unknown"));
    struct str namespace = or_else(keys_first_text(seen, LIST(KEY_ISTIO_NAMESPACE)), id.namespace);
    struct str version =
        unless(keys_first_text(seen, LIST(KEY_ISTIO_CANONICAL_REVISION)), STR("latest"));
    struct str cluster = unless(keys_first_text(seen, LIST(KEY_ISTIO_CLUSTER_ID)), STR("unknown"));
    facts->namespace = or_else(namespace, resource->namespace);
    if (!service.len && id.pod.len && is_unknown_service(resource->service))
        service = workload_of_pod(id.pod);
    facts->service = service.len ? service : without_namespace(resource->service, facts->namespace);
    if (facts->proxy != PROXY_NONE && !facts->namespace.len)
        facts->service = split_istio_name(facts->service, seen, &facts->namespace);
    facts->version = or_else(version, resource->version);
    facts->cluster = or_else(cluster, resource->cluster);
    facts->instance = or_else(or_else(resource->instance, id.pod), resource->host_instance);
    facts->host = or_else(resource->host, facts->instance);
    facts->address = or_else(id.ip, resource->host_address);
    facts->zone = or_else(resource->zone, keys_first_text(seen, LIST(KEY_ZONE)));
}
