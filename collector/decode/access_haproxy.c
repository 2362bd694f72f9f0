/* access_haproxy.c - HAProxy's HTTP log (`option httplog`) and TCP log (`option tcplog`), with or
 * without syslog's head.
 *
 * client:port [accept date] frontend backend/server TR/Tw/Tc/Tr/Ta status bytes cookie cookie state
 * a/f/b/s/retries srv/backend {captures} "request" - the date has no zone: it is taken for UTC.
 * Of a connection: client:port [date] frontend backend/server Tw/Tc/Tt bytes state a/f/b/s/retries
 * srv/backend.
 */
#include "collector/decode/access_log.h"

#define NS_PER_MS UINT64_C(1000000)
#define MAX_TOKENS 64
#define LEAST 12
#define LEAST_TCP 9

/* Captured headers are one word between braces, parted by '|'; quotes in it are theirs. */
static struct str cut_captures(struct access *access, struct str line)
{
    while (line.len && line.p[0] == '{') {
        ptrdiff_t close = str_find(line, '}');
        struct str all = close < 0 ? STR_NONE : (struct str){line.p + 1, (size_t)close - 1}, one;
        while (all.len) {
            str_cut(all, '|', &one, &all);
            access_set_loose(access, str_trim(one));
        }
        if (close < 0)
            return line;
        line = str_trim(str_skip(line, (size_t)close + 1));
    }
    return line;
}

/* The head of syslog ends before the client's address: the word before the bracketed date. */
static bool skip_head(struct str *line)
{
    ptrdiff_t bracket = 0;
    struct str rest = *line;
    for (;;) {
        ptrdiff_t next = str_find(rest, '[');
        if (next < 0)
            return false;
        bracket = (rest.p - line->p) + next;
        rest = str_skip(rest, (size_t)next + 1);
        if (bracket > 1 && line->p[bracket - 1] == ' ')
            break;
    }
    size_t at = (size_t)bracket - 1;
    while (at && line->p[at - 1] != ' ')
        at--;
    *line = str_skip(*line, at);
    return true;
}

/* The last of `wanted` timers; '+' before it says that the body was still on its way. */
static bool total_ms(struct str timers, int wanted, uint64_t *ns)
{
    struct str part = STR_NONE;
    int n = 0;
    for (; timers.len && n < wanted; n++)
        str_cut(timers, '/', &part, &timers);
    if (part.len && part.p[0] == '+')
        part = str_skip(part, 1);
    return n == wanted && !timers.len && access_number_ns(part, NS_PER_MS, ns);
}

/* How the session ended and in what phase, in Envoy's words. */
static struct str flags_of(struct str state)
{
    static const struct {
        char state[3];
        const char *flag;
    } rows[] = {{"CD", "DC"},  {"CH", "DC"}, {"CQ", "DC"},  {"CC", "DC"}, {"CR", "DC"},
                {"cD", "SI"},  {"cR", "SI"}, {"cH", "SI"},  {"sH", "UT"}, {"sD", "UT"},
                {"sC", "UF"},  {"SC", "UF"}, {"SH", "UC"},  {"SD", "UC"}, {"sQ", "UO"},
                {"PR", "DPE"}, {"PT", "RL"}, {"PH", "UPE"}, {"RC", "OM"}, {"PC", "OM"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (state.len >= 2 && state.p[0] == rows[i].state[0] && state.p[1] == rows[i].state[1])
            return str_of(rows[i].flag);
    }
    return STR_NONE;
}

static void set_places(struct access *access, struct str frontend, struct str way)
{
    struct str backend, server;
    if (frontend.len && frontend.p[frontend.len - 1] == '~') {
        frontend.len--;
        access_set(access, ACCESS_SCHEME, STR("https"));
    }
    str_cut(way, '/', &backend, &server);
    access_set(access, ACCESS_SERVICE, frontend);
    bool nobody = str_starts(server, STR("<")) && !str_eq(server, STR("<NOSRV>"));
    if (str_eq(backend, STR("-")) || str_starts(backend, STR("<")) || nobody ||
        str_eq(backend, frontend))
        return; /* a statistics page, or an answer of its own */
    access_set(access, ACCESS_UPSTREAM_NAME, backend);
    if (!str_starts(server, STR("<")))
        access_set(access, ACCESS_UPSTREAM, server);
}

/* A connection: three timers, and no status behind them. */
static bool read_tcp(struct access *access, const struct token *t, int n)
{
    uint64_t lasted;
    if (n < LEAST_TCP || !total_ms(t[4].text, 3, &lasted))
        return false;
    access->tcp = true;
    access->end_ns = access->start_ns + lasted;
    access_set_address(access, ACCESS_CLIENT, t[0].text);
    set_places(access, t[2].text, t[3].text);
    access_set(access, ACCESS_BYTES_OUT,
               str_starts(t[5].text, STR("+")) ? str_skip(t[5].text, 1) : t[5].text);
    access_set(access, ACCESS_TERMINATION, t[6].text);
    access_set(access, ACCESS_FLAGS, flags_of(t[6].text));
    for (int i = LEAST_TCP; i < n; i++)
        access_set_loose(access, t[i].text);
    access->proxy = PROXY_GATEWAY;
    return true;
}

const char *access_read_haproxy(struct access *access, struct str line)
{
    struct token t[MAX_TOKENS];
    uint64_t lasted;
    bool broken = false;
    int n = 0;
    if (!skip_head(&line))
        return "no [date] behind the client's address";
    while (n < LEAST && token_next(&line, &t[n], &broken))
        n++;
    if (n < LEAST_TCP || t[1].mark != '[' || !access_time(t[1].text, &access->start_ns))
        return "neither the HTTP log format nor the TCP log format";
    if (read_tcp(access, t, n))
        return NULL;
    if (n < LEAST || !total_ms(t[4].text, 5, &lasted))
        return "not five timers (TR/Tw/Tc/Tr/Ta), nor three (Tw/Tc/Tt)";
    access->end_ns = access->start_ns + lasted;
    line = cut_captures(access, str_trim(line));
    if (!token_next(&line, &t[n], &broken) || t[n].mark != '"')
        return "no \"request\"";
    access_set_address(access, ACCESS_CLIENT, t[0].text);
    set_places(access, t[2].text, t[3].text);
    access_set(access, ACCESS_STATUS, str_eq(t[5].text, STR("-1")) ? STR("0") : t[5].text);
    access_set(access, ACCESS_BYTES_OUT, t[6].text);
    access_set(access, ACCESS_TERMINATION, t[9].text);
    access_set(access, ACCESS_FLAGS, flags_of(t[9].text));
    access_set_request(access, t[n].text);
    while (token_next(&line, &t[n], &broken))
        access_set_loose(access, t[n].text);
    access->proxy = PROXY_GATEWAY;
    return NULL;
}

const char *access_finish_haproxy(struct access *access)
{
    return access->proxy == PROXY_GATEWAY ? NULL : "a line of text is expected, not JSON";
}
