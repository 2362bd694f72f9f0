/* access_nginx.c - nginx: `combined`, `main`, ingress-nginx, each with whatever stands behind it;
 * JSON with nginx's variables as names.
 *
 * $time_local is the end of a request, to the second; $msec and $request_time make it exact.
 */
#include "collector/decode/access_log.h"

#define NS_PER_S UINT64_C(1000000000)
#define MAX_TOKENS 64
#define COMBINED                                                                                   \
    9 /* $remote_addr - $remote_user [$time_local] "$request" $status $bytes "…" "…"           \
       */
#define INGRESS 18

/* $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name]
 * $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id */
static void set_ingress(struct access *access, const struct token *tokens)
{
    static const uint8_t fields[] = {
        ACCESS_BYTES_IN,         ACCESS_REQUEST_TIME,    ACCESS_UPSTREAM_NAME,
        N_ACCESS_FIELDS,         ACCESS_UPSTREAM,        N_ACCESS_FIELDS,
        ACCESS_UPSTREAM_SECONDS, ACCESS_UPSTREAM_STATUS, ACCESS_REQUEST_ID};
    for (size_t i = 0; i < sizeof(fields); i++) {
        if (fields[i] != N_ACCESS_FIELDS)
            access_set(access, (enum access_field)fields[i], tokens[COMBINED + i].text);
    }
}

static bool is_combined(const struct token *tokens, int n)
{
    return n >= COMBINED && tokens[3].mark == '[' && tokens[4].mark == '"' && !tokens[5].mark &&
           !tokens[6].mark && tokens[7].mark == '"' && tokens[8].mark == '"';
}

const char *access_read_nginx(struct access *access, struct str line)
{
    struct token tokens[MAX_TOKENS];
    int n = tokens_cut(line, tokens, MAX_TOKENS), at = COMBINED;
    if (!is_combined(tokens, n))
        return "not the combined format, nor one that begins with it";
    access_set(access, ACCESS_CLIENT, tokens[0].text);
    access_set(access, ACCESS_TIME, tokens[3].text);
    access_set_request(access, tokens[4].text);
    access_set(access, ACCESS_STATUS, tokens[5].text);
    access_set(access, ACCESS_BYTES_OUT, tokens[6].text);
    access_set(access, ACCESS_REFERER, tokens[7].text);
    access_set(access, ACCESS_USER_AGENT, tokens[8].text);
    bool ingress = n >= INGRESS && tokens[11].mark == '[' && tokens[12].mark == '[';
    if (ingress) {
        set_ingress(access, tokens);
        at = INGRESS;
    } else if (n > COMBINED && tokens[at].mark == '"' && str_find(tokens[at].text, '=') < 0 &&
               str_find(tokens[at].text, '-') < 0) {
        access_set(access, ACCESS_FORWARDED_FOR, tokens[at++].text); /* `main` */
    }
    for (; at < n; at++)
        access_set_loose(access, tokens[at].text);
    return NULL;
}

/* "0.003, 0.010" and "10.0.0.1:80 : 10.0.0.2:80": the last upstream that was tried. */
static struct str last_of(struct str list)
{
    while (list.len) {
        size_t i = list.len;
        while (i && list.p[i - 1] != ',' && list.p[i - 1] != ' ')
            i--;
        struct str last = str_skip(list, i);
        if (last.len && !str_eq(last, STR("-")) && !str_eq(last, STR(":")))
            return last;
        list.len = i ? i - 1 : 0;
    }
    return STR_NONE;
}

static struct str without_port(struct str address)
{
    size_t i = address.len;
    while (i && address.p[i - 1] >= '0' && address.p[i - 1] <= '9')
        i--;
    return i > 1 && i < address.len && address.p[i - 1] == ':' ? (struct str){address.p, i - 1}
                                                               : address;
}

/* Whose fault it was, in Envoy's words: 499 is nginx's own code for a client that left. */
static struct str flags_of(const struct access *access)
{
    struct str code = access->at[ACCESS_STATUS],
               upstream = last_of(access->at[ACCESS_UPSTREAM_STATUS]);
    if (str_eq(code, STR("499")))
        return STR("DC");
    if (!access->at[ACCESS_UPSTREAM].len && !access->at[ACCESS_UPSTREAM_NAME].len)
        return STR_NONE;
    bool own = !str_eq(upstream, code); /* else the upstream may have said so itself */
    if (str_eq(code, STR("504")) && own)
        return STR("UT");
    return str_eq(code, STR("502")) && own ? STR("UF") : STR_NONE;
}

static bool set_times(struct access *access)
{
    const struct str *at = access->at;
    uint64_t lasted;
    if (!access_time(at[ACCESS_TIME], &access->end_ns))
        return false;
    if (access_number_ns(at[ACCESS_REQUEST_TIME], NS_PER_S, &lasted) && access->end_ns > lasted) {
        access->start_ns = access->end_ns - lasted;
    } else { /* how long it took is not known */
        access->start_ns = access->end_ns;
        access->end_ns = 0;
    }
    return true;
}

const char *access_finish_nginx(struct access *access)
{
    struct str *at = access->at;
    if (at[ACCESS_REQUEST].len)
        access_set_request(access, at[ACCESS_REQUEST]);
    if (!set_times(access))
        return "no time that can be read (time_local, time_iso8601 or msec)";
    if (!at[ACCESS_STATUS].len)
        return "no status";
    struct str upstream = last_of(at[ACCESS_UPSTREAM]);
    if (!at[ACCESS_FLAGS].len)
        access_set(access, ACCESS_FLAGS, flags_of(access));
    if (str_eq(at[ACCESS_STATUS], STR("499"))) /* no answer was sent */
        at[ACCESS_STATUS] = STR("0");
    /* A block named `upstream` has its name in $upstream_addr while none of it could be tried. */
    if (!at[ACCESS_UPSTREAM_NAME].len && upstream.len)
        at[ACCESS_UPSTREAM_NAME] = without_port(upstream);
    at[ACCESS_UPSTREAM] = upstream;
    if (!at[ACCESS_SERVICE].len)
        at[ACCESS_SERVICE] = STR("nginx");
    access->proxy = PROXY_GATEWAY;
    return NULL;
}
