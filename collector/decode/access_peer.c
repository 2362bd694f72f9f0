/* access_peer.c - who was at the other end of a request, as Istio's proxies tell one another: what
 * an entry says of it stands where a waypoint's span has it.
 */
#include "collector/decode/access_log.h"
#include "collector/decode/json_value.h"

_Static_assert(ACCESS_SOURCE_CLUSTER - ACCESS_SOURCE_SERVICE == 3 &&
                   ACCESS_DESTINATION_CLUSTER - ACCESS_DESTINATION_SERVICE == 3,
               "one order at both ends");

enum access_field access_peer_of(struct str name)
{
    if (str_eq(name, STR("downstream_peer")))
        return ACCESS_SOURCE_SERVICE;
    return str_eq(name, STR("upstream_peer")) ? ACCESS_DESTINATION_SERVICE : N_ACCESS_FIELDS;
}

void access_set_peer(struct access *access, enum access_field first, struct str key,
                     struct str text)
{
    /* Of two names of one part the first is the canonical one. */
    static const struct {
        const char *key;
        uint8_t part;
        bool canonical;
    } rows[] = {{"service", 0, true}, {"namespace", 1, true}, {"revision", 2, true},
                {"cluster", 3, true}, {"app", 0, false},      {"workload", 0, false},
                {"version", 2, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum access_field field = (enum access_field)(first + rows[i].part);
        if (str_eq(key, str_of(rows[i].key)) && (rows[i].canonical || !access->at[field].len))
            access_set(access, field, text);
    }
}

void access_read_peer(struct decoding *decoding, struct access *access, enum access_field first,
                      struct str text)
{
    struct json json;
    struct json_text key;
    struct str name, value;
    json_init(&json, text);
    if (!json_open_object(&json))
        return;
    while (json_next_key(&json, &key)) {
        bool is_text =
            json_clean_text(decoding, &json, key, &name) && json_peek(&json) == JSON_STRING;
        if (is_text ? !json_read_text(decoding, &json, &value) : !json_skip(&json, NULL))
            return;
        if (is_text)
            access_set_peer(access, first, name, value);
    }
}
