/* flag_words.c - one table: a flag, its note, its reason, its sentence. */
#include "collector/model/flag_words.h"

#include <stdio.h>

enum who { OF_CALLER, OF_CALLEE };

static const struct {
    struct str flag;
    const char *note, *reason;
    const char *before; /* the sentence: text, then a name, then text */
    enum who who;
    const char *behind;
    bool names_callee; /* and the callee's name behind that */
    bool unseen;       /* the callee never saw the call */
} rows[] = {
    {STR("UO"), "overflow", "connection pool full", "The sidecar of ", OF_CALLER,
     " refused the connection: its limit was reached", false, true},
    {STR("UF"), "no connection", "no connection", "The sidecar of ", OF_CALLER,
     " could not connect to ", true, true},
    {STR("UH"), "none healthy", "no healthy instance", "No instance of ", OF_CALLEE, " was healthy",
     false, true},
    {STR("UT"), "timeout", "no answer in time", "", OF_CALLEE, " did not answer in time", false,
     false},
    {STR("UC"), "connection cut", "connection cut", "The connection to ", OF_CALLEE, " was cut",
     false, false},
    {STR("UR"), "reset", "reset by the callee", "", OF_CALLEE, " reset the call", false, false},
    {STR("LR"), "local reset", "reset", "The sidecar of ", OF_CALLER, " reset the call", false,
     false},
    {STR("NR"), "no route", "no route", "The proxy of ", OF_CALLER, " had no route for this call",
     false, true},
    {STR("NC"), "no cluster", "no such cluster", "The proxy of ", OF_CALLER,
     " knew no such cluster", false, true},
    {STR("URX"), "retries used up", "retries used up", "Every attempt to reach ", OF_CALLEE,
     " failed", false, false},
    {STR("RL"), "rate limit", "rate limit", "The proxy of ", OF_CALLER,
     " let no more calls through", false, true},
    {STR("RLSE"), "rate limiter failed", "rate limiter failed", "The rate limiter of ", OF_CALLER,
     " failed", false, true},
    {STR("UAEX"), "not authorised", "not authorised", "The proxy of ", OF_CALLER,
     " did not allow this call", false, true},
    {STR("FI"), "fault injected", "fault injected", "The proxy of ", OF_CALLER,
     " was told to inject this fault", false, true},
    {STR("DPE"), "bad request", "malformed request", "The proxy of ", OF_CALLER,
     " could not read the request", false, true},
    {STR("SI"), "idle", "idle too long", "The stream to ", OF_CALLEE, " was idle too long", false,
     false},
    {STR("DT"), "too long", "took too long", "", OF_CALLEE, " took longer than the proxy allows",
     false, false},
    {STR("UPE"), "bad answer", "malformed answer", "The answer of ", OF_CALLEE,
     " could not be read", false, false},
    {STR("OM"), "overload", "overload", "The proxy of ", OF_CALLER, " was overloaded", false, true},
    {STR("DF"), "name not resolved", "name not resolved", "The name of ", OF_CALLEE,
     " was not resolved", false, true},
    {STR("NFCF"), "no filter config", "proxy misconfigured", "The proxy of ", OF_CALLER,
     " lacks a filter's configuration", false, true},
    {STR("DC"), "client gone", "caller gone", "The caller went before ", OF_CALLEE, " answered",
     false, false},
};
enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

/* The first flag of a list that the table knows; −1. */
static int find(struct str flags, struct str *found)
{
    while (flags.len) {
        str_cut(flags, ',', found, &flags);
        for (int i = 0; i < N_ROWS; i++) {
            if (str_eq(*found, rows[i].flag))
                return i;
        }
    }
    *found = STR_NONE;
    return -1;
}

const char *flag_note(struct str flag)
{
    struct str found;
    int row = find(flag, &found);
    return row < 0 ? NULL : rows[row].note;
}

const char *flag_reason(struct str flags)
{
    struct str found;
    int row = find(flags, &found);
    return row < 0 ? NULL : rows[row].reason;
}

void reason_words(struct str reason, struct buf *out)
{
    struct str found, last = reason;
    uint64_t code;
    for (ptrdiff_t at; (at = str_find(last, ' ')) >= 0;) /* "503 UO": the flag says more */
        last = str_skip(last, (size_t)at + 1);
    int row = find(last, &found);
    if (row >= 0) {
        buf_add_c(out, rows[row].reason);
        return;
    }
    if (reason.len == 3 && str_to_u64(reason, &code))
        buf_add_c(out, "answered ");
    buf_add_str(out, reason);
}

static void add_code(const struct began_here *began, struct buf *text)
{
    if (began->http_status >= 400)
        buf_addf(text, " answered %lld", (long long)began->http_status);
    else if (began->grpc_status > 0)
        buf_addf(text, " answered gRPC %lld", (long long)began->grpc_status);
    else
        buf_add_c(text, " failed");
}

static void add_flagged(const struct began_here *began, int row, struct str flag, struct buf *text,
                        struct buf *out)
{
    struct str caller = began->caller.len ? began->caller : began->callee;
    buf_add_c(text, rows[row].before);
    buf_add_str(text, rows[row].who == OF_CALLER ? caller : began->callee);
    buf_add_c(text, rows[row].behind);
    if (rows[row].names_callee)
        buf_add_str(text, began->callee);
    buf_add_c(text, " (");
    if (began->http_status > 0)
        buf_addf(text, "%lld ", (long long)began->http_status);
    buf_add_json(out, buf_str(text));
    buf_add_char(out, ',');
    buf_add_json(out, flag);
    buf_reset(text);
    buf_add_c(text, ").");
    if (rows[row].unseen && began->caller.len) {
        buf_add_char(text, ' ');
        buf_add_str(text, began->callee);
        buf_add_c(text, " never saw the call.");
    }
    buf_add_char(out, ',');
}

void began_here_json(const struct began_here *began, struct buf *out)
{
    struct buf text;
    struct str flag;
    int row = find(began->flags, &flag);
    buf_init(&text, 1u << 16);
    buf_add_char(out, '[');
    if (row >= 0) {
        add_flagged(began, row, flag, &text, out);
    } else {
        buf_add_str(&text, began->callee);
        add_code(began, &text);
        buf_add_c(&text, began->callee_spoke
                             ? ", and nothing that it called failed."
                             : ", as its caller saw it; it sent no span of its own.");
    }
    buf_add_json(out, buf_str(&text));
    buf_add_char(out, ']');
    buf_fini(&text);
}
