/* config_items.c - what an item of a list must look like: told with the file's line, before anybody
 * uses it. */
#include "collector/config_internal.h"
#include "collector/model/words.h"
#include "collector/stitch/stitch.h"

static int bad(struct str item, const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, "'%.*s' is no %s", STR_ARG(item), what);
}

bool config_cut_pair(struct str item, struct str *one, struct str *other)
{
    bool two = str_cut(item, '=', one, other);
    *one = str_trim(*one);
    *other = str_trim(*other);
    return two && one->len && other->len;
}

/* The others have ways of their own: gRPC, HTTP, replayed files, records within OTLP logs. */
static bool comes_from_kafka(int format)
{
    return format >= 0 && format != FORMAT_JAEGER_JSON && format != FORMAT_ENVOY_ALS &&
           format != FORMAT_ACCESS_LOG_OTLP && format != FORMAT_REMOTE_WRITE;
}

static int check_topic(struct str item, struct err *err)
{
    struct str rest = item, format = STR_NONE;
    for (ptrdiff_t at; (at = str_find(rest, '=')) >= 0;) {
        rest = str_skip(rest, (size_t)at + 1);
        format = rest;
    }
    if (!format.len || item.len < format.len + 2)
        return bad(item, "topic=format", err);
    return str_eq(format, STR("auto")) || comes_from_kafka(format_from_word(format))
               ? 0
               : bad(format,
                     "format that Kafka brings: auto, otlp_pb, otlp_json, zipkin_json, zipkin_pb, "
                     "alb, nlb, apigw, nginx, haproxy, envoy_log",
                     err);
}

static bool is_node(struct str item)
{
    unsigned slashes = 0;
    for (size_t i = 0; i < item.len; i++)
        slashes += item.p[i] == '/';
    return item.len && slashes <= 2;
}

static bool is_rule(struct str item)
{
    const char *arrow = item.len ? memmem(item.p, item.len, "->", 2) : NULL;
    return arrow && str_trim((struct str){item.p, (size_t)(arrow - item.p)}).len &&
           str_trim(str_skip(item, (size_t)(arrow - item.p) + 2)).len;
}

/* What browsers send in Origin: another spelling would never be found equal. */
static bool is_origin(struct str item)
{
    struct str scheme, host;
    return str_cut(item, ':', &scheme, &host) && scheme.len && str_starts(host, STR("//")) &&
           host.len > 2 && str_find((struct str){host.p + 2, host.len - 2}, '/') < 0;
}

int config_item_check(enum setting_type type, struct str item, struct err *err)
{
    struct cidr network;
    struct str one, other;
    switch (type) {
    case SETTING_NETWORKS:
        return cidr_parse(item, &network) ? 0 : bad(item, "network (10.0.0.0/8)", err);
    case SETTING_NODES:
        return is_node(item)
                   ? 0
                   : bad(item, "node (service, namespace/service or cluster/namespace/service)",
                         err);
    case SETTING_ZONES:
        return config_cut_pair(item, &one, &other) && cidr_parse(other, &network)
                   ? 0
                   : bad(item, "zone=network (eu-1a=10.0.0.0/8)", err);
    case SETTING_PAIRS:
        return config_cut_pair(item, &one, &other) ? 0 : bad(item, "name=value", err);
    case SETTING_TOPICS:
        return check_topic(item, err);
    case SETTING_RULES:
        return is_rule(item) ? 0 : bad(item, "'caller -> callee'", err);
    case SETTING_LISTENS:
        return config_listen_check(item, err);
    case SETTING_ORIGINS:
        return is_origin(item) ? 0 : bad(item, "origin (https://shop.example)", err);
    default:
        return 0;
    }
}
