/* access_aws.c - load balancers and API Gateway of AWS (formats: ALB, NLB, API Gateway).
 *
 * What a load balancer's own codes and times say of a failure is put into Envoy's words, so that
 * one vocabulary says everywhere whose fault it was.
 */
#include "collector/decode/access_log.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
#define MAX_TOKENS 64

/* app/name/id and targetgroup/name/id: the name. */
static struct str middle_of(struct str path)
{
    struct str first, name, rest;
    if (!str_cut(path, '/', &first, &rest))
        return path;
    str_cut(rest, '/', &name, &rest);
    return name.len ? name : path;
}

static struct str group_name(struct str arn)
{
    const char *mark = arn.len ? memmem(arn.p, arn.len, "targetgroup/", 12) : NULL;
    return mark ? middle_of(str_skip(arn, (size_t)(mark - arn.p))) : STR_NONE;
}

static bool is_absent(struct str text)
{
    return str_eq(text, STR("-")) || !text.len;
}

/* Seconds with six digits; -1 was not dispatched or not answered. */
static bool add_seconds(struct str text, uint64_t *sum)
{
    uint64_t ns;
    if (str_eq(text, STR("-1")) || is_absent(text))
        return true;
    if (!access_number_ns(text, NS_PER_S, &ns))
        return false;
    *sum += ns;
    return true;
}

/* Whose fault it was, by the balancer's code while the target gave none. */
static struct str alb_flags(const struct access *access, bool no_target, bool no_answer)
{
    struct str code = access->at[ACCESS_STATUS];
    bool grouped = access->at[ACCESS_UPSTREAM_NAME].len;
    if (str_eq(code, STR("460")))
        return STR("DC");
    if (str_eq(code, STR("561")))
        return STR("UAEX");
    if (!no_answer || !grouped)
        return STR_NONE;
    if (str_eq(code, STR("504")))
        return STR("UT");
    if (str_eq(code, STR("503")) && no_target)
        return STR("UH");
    return str_eq(code, STR("502")) ? STR("UC") : STR_NONE;
}

enum alb_field {
    ALB_TYPE,
    ALB_TIME,
    ALB_ELB,
    ALB_CLIENT,
    ALB_TARGET,
    ALB_REQUEST_S,
    ALB_TARGET_S,
    ALB_RESPONSE_S,
    ALB_STATUS,
    ALB_TARGET_STATUS,
    ALB_RECEIVED,
    ALB_SENT,
    ALB_REQUEST,
    ALB_USER_AGENT,
    ALB_CIPHER,
    ALB_PROTOCOL,
    ALB_GROUP,
    ALB_TRACE,
    ALB_DOMAIN,
    ALB_CERT,
    ALB_RULE,
    ALB_CREATED,
    ALB_ACTIONS,
    ALB_REDIRECT,
    ALB_REASON,
    ALB_LEAST
};

static bool is_alb_type(struct str type)
{
    static const char *const types[] = {"http", "https", "h2", "grpcs", "ws", "wss"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (str_eq(type, str_of(types[i])))
            return true;
    }
    return false;
}

static const char *alb_times(struct access *access, const struct token *tokens)
{
    uint64_t lasted = 0;
    if (!access_time(tokens[ALB_TIME].text, &access->end_ns))
        return "the time is unreadable";
    if (!add_seconds(tokens[ALB_REQUEST_S].text, &lasted) ||
        !add_seconds(tokens[ALB_TARGET_S].text, &lasted) ||
        !add_seconds(tokens[ALB_RESPONSE_S].text, &lasted))
        return "a processing time is unreadable";
    if (!access_time(tokens[ALB_CREATED].text, &access->start_ns))
        access->start_ns = access->end_ns > lasted ? access->end_ns - lasted : 0;
    return NULL;
}

const char *access_read_alb(struct access *access, struct str line)
{
    struct token tokens[MAX_TOKENS];
    int n = tokens_cut(line, tokens, MAX_TOKENS);
    if (n < ALB_LEAST || !is_alb_type(tokens[ALB_TYPE].text))
        return "not a line of 25 or more fields that begins with http, https, h2, grpcs, ws or wss";
    if (tokens[ALB_REQUEST].mark != '"' || tokens[ALB_TRACE].mark != '"')
        return "request and trace id stand elsewhere than in fields 13 and 18";
    static const struct {
        enum alb_field from;
        enum access_field to;
    } rows[] = {
        {ALB_STATUS, ACCESS_STATUS},         {ALB_TARGET_STATUS, ACCESS_UPSTREAM_STATUS},
        {ALB_RECEIVED, ACCESS_BYTES_IN},     {ALB_SENT, ACCESS_BYTES_OUT},
        {ALB_USER_AGENT, ACCESS_USER_AGENT}, {ALB_CIPHER, ACCESS_TLS_CIPHER},
        {ALB_PROTOCOL, ACCESS_TLS_VERSION},  {ALB_TRACE, ACCESS_XRAY},
        {ALB_DOMAIN, ACCESS_SERVER_NAME},    {ALB_REASON, ACCESS_REASON},
        {ALB_ACTIONS, ACCESS_ROUTE},
    };
    access_set_request(access, tokens[ALB_REQUEST].text);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        access_set(access, rows[i].to, tokens[rows[i].from].text);
    access_set_address(access, ACCESS_CLIENT, tokens[ALB_CLIENT].text);
    access_set_address(access, ACCESS_UPSTREAM, tokens[ALB_TARGET].text);
    access->at[ACCESS_SERVICE] = middle_of(tokens[ALB_ELB].text);
    access->at[ACCESS_INSTANCE] = tokens[ALB_ELB].text;
    access->at[ACCESS_UPSTREAM_NAME] = group_name(tokens[ALB_GROUP].text);
    if (str_starts(tokens[ALB_TYPE].text, STR("grpc")))
        access_set_named(access, STR("rpc.system"), STR("grpc"));
    bool no_target = is_absent(tokens[ALB_TARGET].text);
    bool no_answer = is_absent(tokens[ALB_TARGET_STATUS].text);
    access_set(access, ACCESS_FLAGS, alb_flags(access, no_target, no_answer));
    if (str_eq(access->at[ACCESS_STATUS], STR("460"))) /* no answer was sent */
        access->at[ACCESS_STATUS] = STR("0");
    /* A redirect or a fixed response leaves the group alone. */
    if (no_target && no_answer && !access->at[ACCESS_FLAGS].len)
        access->at[ACCESS_UPSTREAM_NAME] = STR_NONE;
    access->proxy = PROXY_LOAD_BALANCER;
    return alb_times(access, tokens);
}

const char *access_finish_alb(struct access *access)
{
    return access->proxy == PROXY_LOAD_BALANCER ? NULL : "a line of text is expected, not JSON";
}

enum nlb_field {
    NLB_TYPE,
    NLB_VERSION,
    NLB_TIME,
    NLB_ELB,
    NLB_LISTENER,
    NLB_CLIENT,
    NLB_DESTINATION,
    NLB_CONNECTION_MS,
    NLB_HANDSHAKE_MS,
    NLB_RECEIVED,
    NLB_SENT,
    NLB_ALERT,
    NLB_CERT,
    NLB_SERIAL,
    NLB_CIPHER,
    NLB_PROTOCOL,
    NLB_GROUP,
    NLB_DOMAIN,
    NLB_ALPN,
    NLB_ALPN_BACK,
    NLB_ALPN_LIST,
    NLB_CREATED,
    NLB_LEAST = NLB_CREATED
};

const char *access_read_nlb(struct access *access, struct str line)
{
    struct token tokens[MAX_TOKENS];
    uint64_t lasted;
    int n = tokens_cut(line, tokens, MAX_TOKENS);
    if (n < NLB_LEAST || !str_eq(tokens[NLB_TYPE].text, STR("tls")) ||
        !str_starts(tokens[NLB_ELB].text, STR("net/")))
        return "not a line of 21 or more fields that begins with tls";
    if (!access_time(tokens[NLB_TIME].text, &access->end_ns))
        return "the time is unreadable";
    if (!access_number_ns(tokens[NLB_CONNECTION_MS].text, NS_PER_MS, &lasted))
        return "the connection time is unreadable";
    bool said = n > NLB_CREATED && access_time(tokens[NLB_CREATED].text, &access->start_ns);
    if (!said)
        access->start_ns = access->end_ns > lasted ? access->end_ns - lasted : 0;
    access_set_address(access, ACCESS_CLIENT, tokens[NLB_CLIENT].text);
    access_set_address(access, ACCESS_LOCAL, tokens[NLB_DESTINATION].text);
    access_set(access, ACCESS_LISTENER, tokens[NLB_LISTENER].text);
    access_set(access, ACCESS_BYTES_IN, tokens[NLB_RECEIVED].text);
    access_set(access, ACCESS_BYTES_OUT, tokens[NLB_SENT].text);
    access_set(access, ACCESS_TLS_CIPHER, tokens[NLB_CIPHER].text);
    access_set(access, ACCESS_TLS_VERSION, tokens[NLB_PROTOCOL].text);
    access_set(access, ACCESS_SERVER_NAME, tokens[NLB_DOMAIN].text);
    access->at[ACCESS_SERVICE] = middle_of(tokens[NLB_ELB].text);
    access->at[ACCESS_INSTANCE] = tokens[NLB_ELB].text;
    /* Without a version no handshake came to its end: the connection was refused. */
    if (!access->at[ACCESS_TLS_VERSION].len)
        access_set(access, ACCESS_FLAGS, STR("DPE"));
    access->tcp = true;
    access->proxy = PROXY_LOAD_BALANCER;
    return NULL;
}

const char *access_finish_nlb(struct access *access)
{
    return access->proxy == PROXY_LOAD_BALANCER ? NULL : "a line of text is expected, not JSON";
}

/* ---- API Gateway: whatever names the operator gave its variables ---- */

/* Its own domain is the API's id; a custom one is a better name. */
static struct str api_name(const struct access *access)
{
    struct str domain = access->at[ACCESS_HOST], first, rest;
    bool own = str_contains(domain, STR(".execute-api."));
    if (domain.len && !own)
        return domain;
    if (access->at[ACCESS_API].len)
        return access->at[ACCESS_API];
    str_cut(domain, '.', &first, &rest);
    return first.len ? first : STR("apigw");
}

/* 5xx of its own: the integration did not answer in time, or not at all. */
static struct str apigw_flags(const struct access *access)
{
    struct str code = access->at[ACCESS_STATUS];
    bool failed = code.len == 3 && code.p[0] == '5';
    if (failed && !access->at[ACCESS_UPSTREAM_STATUS].len)
        return str_eq(code, STR("504")) ? STR("UT") : STR_NONE;
    bool denied = str_eq(code, STR("401")) || str_eq(code, STR("403"));
    if (denied && !access->at[ACCESS_UPSTREAM_STATUS].len)
        return STR("UAEX");
    return str_eq(code, STR("429")) && !access->at[ACCESS_UPSTREAM_STATUS].len ? STR("RL")
                                                                               : STR_NONE;
}

/* "GET /pets/{id}" of an HTTP API has the method; one of a WebSocket ($connect) has none. */
static void set_route(struct access *access)
{
    struct str method, path;
    if (access->at[ACCESS_METHOD].len || !str_cut(access->at[ACCESS_ROUTE], ' ', &method, &path))
        return;
    access_set(access, ACCESS_METHOD, method);
    if (!access->at[ACCESS_PATH].len)
        access_set(access, ACCESS_PATH, path);
}

const char *access_finish_apigw(struct access *access)
{
    const struct str *at = access->at;
    uint64_t lasted;
    bool timed = (at[ACCESS_EPOCH_MS].len &&
                  access_number_ns(at[ACCESS_EPOCH_MS], NS_PER_MS, &access->start_ns)) ||
                 access_time(at[ACCESS_REQUEST_TIME], &access->start_ns) ||
                 access_time(at[ACCESS_TIME], &access->start_ns);
    if (!timed)
        return "no requestTimeEpoch or requestTime";
    if (!at[ACCESS_STATUS].len && !at[ACCESS_ROUTE].len)
        return "neither status nor routeKey";
    if (access_number_ns(at[ACCESS_DURATION], NS_PER_MS, &lasted))
        access->end_ns = access->start_ns + lasted;
    set_route(access);
    if (!at[ACCESS_PATH].len)
        access->at[ACCESS_PATH] = at[ACCESS_ROUTE];
    if (!at[ACCESS_SERVICE].len)
        access->at[ACCESS_SERVICE] = api_name(access);
    if (!at[ACCESS_FLAGS].len)
        access_set(access, ACCESS_FLAGS, apigw_flags(access));
    access_set(access, ACCESS_SCHEME, STR("https")); /* it speaks nothing else */
    access->proxy = PROXY_GATEWAY;
    return NULL;
}
