/* test_series.c - labels of one series, as Istio and Envoy write them: which edge, by whose word,
 * how it ended; and a WriteRequest written out, byte for byte.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/buf.h"
#include "collector/decode/decode.h"
#include "collector/stitch/series.h"

/* Labels of both ends as Istio knows them, behind which a row puts its own. */
#define FRONT                                                                                      \
    "source_workload=front-v1 source_canonical_service=front source_canonical_revision=v1 "        \
    "source_workload_namespace=shop source_cluster=K "
#define NOBODY                                                                                     \
    "source_workload=unknown source_canonical_service=unknown source_canonical_revision=latest "   \
    "source_workload_namespace=unknown source_cluster=unknown "
#define CART                                                                                       \
    "destination_workload=cart-v2 destination_canonical_service=cart "                             \
    "destination_canonical_revision=v2 destination_workload_namespace=shop destination_cluster=K "
#define LOST                                                                                       \
    "destination_workload=unknown destination_canonical_service=unknown "                          \
    "destination_cluster=unknown "
#define CALLS "istio_requests_total reporter=destination "
#define SENT "istio_requests_total reporter=source "

static const struct row {
    const char *series; /* name, then labels */
    const char *edge; /* caller > callee, protocol, crossing, security, how it ended; NULL: none */
} rows[] = {
    {CALLS FRONT CART "request_protocol=http response_code=200 response_flags=- "
                      "connection_security_policy=mutual_tls",
     "K/shop/front v1 > K/shop/cart v2 http inside mtls callee"},
    {CALLS FRONT CART "request_protocol=grpc response_code=200 grpc_response_status=14 "
                      "connection_security_policy=none",
     "K/shop/front v1 > K/shop/cart v2 grpc inside plaintext callee failed"},
    {CALLS FRONT CART "response_code=404 response_flags=-",
     "K/shop/front v1 > K/shop/cart v2  inside  callee client_error"},
    {CALLS FRONT CART "response_code=429",
     "K/shop/front v1 > K/shop/cart v2  inside  callee failed"},
    {CALLS FRONT CART "response_code=0 response_flags=DC",
     "K/shop/front v1 > K/shop/cart v2  inside  callee gone"},
    {SENT FRONT CART "response_code=504 response_flags=UT",
     "K/shop/front v1 > K/shop/cart v2  inside  caller failed timeout"},
    {SENT FRONT CART "response_code=503 response_flags=URX,UF",
     "K/shop/front v1 > K/shop/cart v2  inside  caller failed unreached"},
    /* Whom Istio does not know: by the host that was asked for. */
    {SENT FRONT LOST
     "destination_service=cart.shop.svc.cluster.local destination_service_name=cart "
     "response_code=503 response_flags=UH",
     "K/shop/front v1 > /shop/cart   unknown  caller virtual failed unreached"},
    {SENT FRONT LOST "destination_service=api.example.com:443 "
                     "destination_service_name=PassthroughCluster response_code=200",
     "K/shop/front v1 > //api.example.com external  out  caller virtual"},
    {SENT FRONT LOST "destination_service=unknown destination_service_name=BlackHoleCluster "
                     "response_code=502",
     NULL},
    {SENT FRONT LOST "destination_service=unknown", NULL},
    {SENT FRONT LOST "destination_service=[::1]:8080 response_code=200",
     "K/shop/front v1 > //[::1]:8080 external  out  caller virtual"},
    {CALLS NOBODY CART "response_code=200", "//user user > K/shop/cart v2  in  callee virtual"},
    /* Older labels; a workload named after its version; another cluster; a waypoint. */
    {"istio_requests_total reporter=waypoint source_app=front source_version=v1 "
     "source_workload_namespace=web destination_workload=cart-v2 destination_version=v2 "
     "destination_workload_namespace=shop response_code=200",
     "/web/front v1 > /shop/cart v2  unknown  callee"},
    {CALLS FRONT "destination_app=cart destination_cluster=L response_code=200",
     "K/shop/front v1 > L//cart   cross_cluster  callee"},
    {"istio_requests_total reporter=nobody " FRONT CART, NULL},
    {"istio_requests_total " FRONT CART, NULL},
    /* Durations. */
    {"istio_request_duration_milliseconds_bucket reporter=destination le=2.5 "
     "response_code=200 " FRONT CART,
     "K/shop/front v1 > K/shop/cart v2  inside  callee bucket 2.5 ms"},
    {"istio_request_duration_milliseconds_bucket reporter=destination le=+Inf "
     "response_code=200 " FRONT CART,
     "K/shop/front v1 > K/shop/cart v2  inside  callee bucket inf ms"},
    {"istio_request_duration_milliseconds_bucket reporter=destination le=x " FRONT CART, NULL},
    {"istio_request_duration_milliseconds_bucket reporter=destination " FRONT CART, NULL},
    {"istio_request_duration_milliseconds_sum reporter=source response_code=200 " FRONT CART,
     "K/shop/front v1 > K/shop/cart v2  inside  caller sum"},
    {"istio_request_duration_milliseconds reporter=source response_code=200 " FRONT CART,
     "K/shop/front v1 > K/shop/cart v2  inside  caller times"},
    {"istio_request_duration_milliseconds_count reporter=source " FRONT CART, NULL},
    {"istio_request_bytes_sum reporter=source " FRONT CART, NULL},
    {"istio_tcp_connections_opened_total reporter=source " FRONT CART, NULL},
    /* Envoy's statistics: tags of Istio, tags of Envoy, a cluster's name that was torn apart. */
    {"envoy_cluster_upstream_rq response_code=503 cluster_name=outbound|80|v2|cart.shop.svc.k8s "
     "app=front namespace=shop version=v1",
     "/shop/front v1 > /shop/cart v2  unknown  cluster virtual failed"},
    {"envoy_cluster_shop_svc_cluster_local_upstream_rq envoy_response_code=200 "
     "envoy_cluster_name=outbound|80||cart app=front",
     "//front  > /shop/cart   unknown  cluster virtual"},
    {"envoy_cluster_upstream_rq envoy_response_code=200 envoy_cluster_name=payments",
     "//envoys  > //payments   unknown  cluster virtual"},
    {"envoy_cluster_upstream_rq_retry envoy_cluster_name=payments",
     "//envoys  > //payments   unknown  cluster virtual retries"},
    {"envoy_cluster_upstream_rq_time_bucket le=10 envoy_cluster_name=payments",
     "//envoys  > //payments   unknown  cluster virtual bucket 10 ms"},
    {"envoy_cluster_upstream_rq envoy_response_code_class=2 envoy_cluster_name=payments", NULL},
    {"envoy_cluster_external_upstream_rq envoy_response_code=200 envoy_cluster_name=payments",
     NULL},
    {"envoy_cluster_retry_upstream_rq envoy_response_code=503 envoy_cluster_name=payments", NULL},
    {"envoy_cluster_upstream_rq response_code=200 cluster_name=inbound|80||", NULL},
    {"envoy_cluster_upstream_rq response_code=200 cluster_name=xds-grpc", NULL},
    {"envoy_cluster_upstream_rq response_code=200 cluster_name=BlackHoleCluster", NULL},
    {"envoy_cluster_upstream_rq_total cluster_name=payments", NULL},
    {"envoy_cluster_upstream_rq_time_count cluster_name=payments", NULL},
    /* The same by Envoy's own sink: whose they are says the resource. */
    {"cluster.shop.svc.cluster.local.upstream_rq envoy.response_code=503 "
     "envoy.cluster_name=outbound|80|v2|cart",
     "//envoys  > /shop/cart v2  unknown  cluster virtual failed"},
    {"cluster.upstream_rq response_code=200 cluster_name=outbound|80||cart.shop.svc.cluster.local",
     "//envoys  > /shop/cart   unknown  cluster virtual"},
    {"mesh.envoy.cluster.upstream_rq envoy.response_code=429 envoy.cluster_name=my_payments",
     "//envoys  > //my_payments   unknown  cluster virtual failed"},
    {"cluster.my_zone.example.com.upstream_rq envoy.response_code=200 envoy.cluster_name=a",
     "//envoys  > //a.my_zone.example.com external  out  cluster virtual"},
    {"cluster.upstream_rq_retry envoy.cluster_name=payments",
     "//envoys  > //payments   unknown  cluster virtual retries"},
    {"cluster.upstream_rq_time envoy.cluster_name=payments",
     "//envoys  > //payments   unknown  cluster virtual times"},
    {"cluster.upstream_rq envoy.response_code_class=2 envoy.cluster_name=payments", NULL},
    {"cluster.upstream_rq_xx envoy.response_code_class=2 envoy.cluster_name=payments", NULL},
    {"cluster.external.upstream_rq envoy.response_code=200 envoy.cluster_name=payments", NULL},
    {"cluster.internal.upstream_rq_time envoy.cluster_name=payments", NULL},
    {"cluster.shop.svc.cluster.local.retry.upstream_rq envoy.response_code=503 "
     "envoy.cluster_name=outbound|80||cart",
     NULL},
    {"cluster.canary.upstream_rq envoy.response_code=200 envoy.cluster_name=payments", NULL},
    {"cluster.zone.a.b.upstream_rq envoy.response_code=200 envoy.cluster_name=payments", NULL},
    {"cluster.outbound|80||cart.shop.svc.cluster.local.upstream_rq envoy.response_code=200 "
     "envoy.cluster_name=outbound|80||cart.shop.svc.cluster.local",
     NULL},
    {"cluster.upstream_rq envoy.response_code=200 envoy.cluster_name=inbound|80||", NULL},
    {"cluster.upstream_rq envoy.response_code=200 envoy.cluster_name=xds-grpc", NULL},
    {"cluster.upstream_rq envoy.response_code=200", NULL},
    {"supercluster.upstream_rq envoy.response_code=200 envoy.cluster_name=payments", NULL},
    {"up job=front", NULL},
};

struct world {
    struct names *names;
    struct nodes *nodes;
    struct stitch *stitch;
    struct knowledge knowledge;
};

static void add_node(const struct world *world, struct buf *out, node_no no)
{
    const struct node *node = nodes_get(world->nodes, no);
    buf_addf(out, "%s/%s/%s %s%s%s", names_text(world->names, node->cluster).p,
             names_text(world->names, node->namespace).p, names_text(world->names, node->service).p,
             names_text(world->names, node->version).p, node->role && node->version ? " " : "",
             node->role ? role_word(node->role) : "");
}

static void describe(const struct world *world, struct buf *out, const struct told_edge *told)
{
    static const char *const tellers[] = {"callee", "caller", "cluster"};
    static const char *const securities[N_SECURITIES] = {"", "plaintext", "tls", "mtls"};
    static const char *const faults[N_FAULTS] = {[FAULT_ORIGIN] = " failed",
                                                 [FAULT_CLIENT_GONE] = " gone",
                                                 [FAULT_CLIENT_ERROR] = " client_error"};
    add_node(world, out, told->caller);
    buf_add_c(out, " > ");
    add_node(world, out, told->callee);
    buf_addf(out, " %s %s %s %s%s%s%s%s", names_text(world->names, told->protocol).p,
             crossing_word(told->crossing), securities[told->security], tellers[told->teller],
             told->connection_type ? " virtual" : "",
             faults[told->fault] ? faults[told->fault] : "", told->timeout ? " timeout" : "",
             told->unreached ? " unreached" : "");
    if (told->measure == SERIES_DURATION_BUCKET)
        buf_addf(out, " bucket %g ms", told->ns / 1e6);
    else if (told->measure != SERIES_CALLS)
        buf_add_c(out, told->measure == SERIES_RETRIES     ? " retries"
                       : told->measure == SERIES_DURATIONS ? " times"
                                                           : " sum");
}

/* "name k=v k=v" */
static struct metric_point point_of(const char *series, struct metric *metric, struct attr *attrs)
{
    struct str rest = str_of(series), word;
    struct metric_point point = {.metric = metric, .attrs = attrs};
    str_cut(rest, ' ', &metric->name, &rest);
    while (str_cut(rest, ' ', &word, &rest) || word.len) {
        struct attr *attr = &attrs[point.n_attrs++];
        *attr = (struct attr){.type = VALUE_TEXT};
        str_cut(word, '=', &attr->key, &attr->text);
        if (!rest.len)
            break;
    }
    return point;
}

static void edges_of_series(void **state)
{
    struct world world = {.names = names_new(1000, 1u << 20), .nodes = nodes_new(1000)};
    struct resource resource = {.service = STR("envoys")};
    (void)state;
    world.stitch = stitch_new(world.names, world.nodes);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct metric metric = {.resource = &resource};
        struct attr attrs[40];
        struct told_edge told;
        struct buf found;
        struct metric_point point = point_of(rows[i].series, &metric, attrs);
        buf_init(&found, 4096);
        bool tells = series_read(world.stitch, &point, &world.knowledge, &told);
        if (tells)
            describe(&world, &found, &told);
        buf_add_char(&found, '\0');
        if (tells != (rows[i].edge != NULL) || (tells && strcmp(found.p, rows[i].edge) != 0))
            fail_msg("%s:\n%s\n%s", rows[i].series, found.p, rows[i].edge ? rows[i].edge : "none");
        buf_fini(&found);
    }
    stitch_free(world.stitch);
    nodes_free(world.nodes);
    names_free(world.names);
}

/* Envoy's sink without a word of whose it is: several may count in one series. */
static void a_sender_without_a_name_tells_of_no_edge(void **state)
{
    struct world world = {.names = names_new(1000, 1u << 20), .nodes = nodes_new(1000)};
    struct resource resource = {.service = STR("unknown_service:envoy")};
    struct metric metric = {.resource = &resource};
    struct attr attrs[40];
    struct told_edge told;
    (void)state;
    world.stitch = stitch_new(world.names, world.nodes);
    struct metric_point point = point_of(
        "cluster.upstream_rq envoy.response_code=200 envoy.cluster_name=payments", &metric, attrs);
    assert_false(series_read(world.stitch, &point, &world.knowledge, &told));
    resource = (struct resource){.service = STR("front"),
                                 .namespace = STR("shop"),
                                 .cluster = STR("K"),
                                 .version = STR("v3")};
    assert_true(series_read(world.stitch, &point, &world.knowledge, &told));
    const struct node *caller = nodes_get(world.nodes, told.caller);
    assert_int_equal(caller->namespace, names_find(world.names, STR("shop")));
    assert_int_equal(caller->cluster, names_find(world.names, STR("K")));
    assert_int_equal(caller->version, names_find(world.names, STR("v3")));
    stitch_free(world.stitch);
    nodes_free(world.nodes);
    names_free(world.names);
}

/* stitch.gateways and stitch.alias hold for these names too. */
static void settings_hold(void **state)
{
    struct world world = {.names = names_new(1000, 1u << 20), .nodes = nodes_new(1000)};
    const struct str gateways[] = {STR("edge/ingress")};
    const struct renaming alias[] = {{STR("cart-old"), STR("cart")}};
    struct metric metric = {0};
    struct attr attrs[40];
    struct told_edge told;
    (void)state;
    world.knowledge =
        (struct knowledge){.gateways = gateways, .n_gateways = 1, .alias = alias, .n_alias = 1};
    world.stitch = stitch_new(world.names, world.nodes);
    struct metric_point point =
        point_of(CALLS "source_canonical_service=ingress source_workload_namespace=edge "
                       "destination_canonical_service=cart-old response_code=200",
                 &metric, attrs);
    assert_true(series_read(world.stitch, &point, &world.knowledge, &told));
    assert_int_equal(nodes_get(world.nodes, told.caller)->role, ROLE_GATEWAY);
    assert_int_equal(nodes_get(world.nodes, told.callee)->service,
                     names_find(world.names, STR("cart")));
    stitch_free(world.stitch);
    nodes_free(world.nodes);
    names_free(world.names);
}

static void a_request_byte_for_byte(void **state)
{
    static const char body[] = "\x0a\x36"                            /* timeseries */
                               "\x0a\x0f\x0a\x08__name__\x12\x03x_s" /* the name */
                               "\x0a\x05\x0a\x01"
                               "a\x12\x00"                    /* no value: no label */
                               "\x0a\x08\x0a\x03job\x12\x01j" /* the resource */
                               "\x12\x10"                     /* sample: -1 at 1001 ms */
                               "\x09\x00\x00\x00\x00\x00\x00\xf0\xbf"
                               "\x10\xe9\x07\x18\x01\x1a\x00" /* a field nobody knows */
                               "\x1a\x00"                     /* exemplar */
                               "\x1a\x0c\x08\x01\x12\x01x\x22\x01h\x2a\x02ms"; /* metadata */
    (void)state;
    struct str bytes = {body, sizeof(body) - 1};
    struct content content = {SIGNAL_METRICS, FORMAT_REMOTE_WRITE, ENCODING_IDENTITY};
    struct batch *batch = NULL;
    struct err err = {0};
    if (decode_content(content, bytes, &limits_default, &batch, &err))
        fail_msg("%s", err.text);
    assert_int_equal(batch->n_points, 1);
    const struct metric_point *point = &batch->points[0];
    assert_true(str_eq(point->metric->name, STR("x_s")));
    assert_true(str_eq(point->metric->resource->service, STR("j")));
    assert_int_equal(point->n_attrs, 0);
    assert_int_equal(point->at_ns, UINT64_C(1001000000));
    assert_true(point->real <= -1 && point->real >= -1);
    assert_int_equal(batch->counts.n_dropped_exemplars, 1);
    assert_int_equal(batch->n_families, 1);
    assert_int_equal(batch->families[0].type, FAMILY_COUNTER);
    assert_true(str_eq(batch->families[0].name, STR("x")));
    assert_true(str_eq(batch->families[0].description, STR("h")));
    assert_true(str_eq(batch->families[0].unit, STR("ms")));
    batch_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_of_series),
        cmocka_unit_test(a_sender_without_a_name_tells_of_no_edge),
        cmocka_unit_test(settings_hold),
        cmocka_unit_test(a_request_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
