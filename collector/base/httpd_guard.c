/* httpd_guard.c - a strict look at a head that a lax parser has accepted (CONTRACT §10, Framing).
 *
 * What the parser hides cannot be seen here: a bare line feed, a folded line and what follows a NUL
 * in a value. Those are read as one request, never as two.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "collector/base/httpd_internal.h"

#define MAX_HEAD_BYTES ((size_t)16 << 10)

struct head {
    unsigned n_host, n_length, n_encoding;
    const char *host, *length, *encoding;
    size_t bytes;
    const char *bad;
};

static bool good_name(const char *name)
{
    if (!*name)
        return false;
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;
        if (c <= 0x20 || c >= 0x7f || c == ':')
            return false;
    }
    return true;
}

static bool good_value(const char *value)
{
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static enum MHD_Result look_at_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    struct head *head = ctx;
    (void)kind;
    value = value ? value : "";
    head->bytes += strlen(name) + strlen(value) + 4;
    if (!good_name(name))
        head->bad = "a header has a malformed name";
    else if (!good_value(value))
        head->bad = "a header has a control byte in its value";
    if (strcasecmp(name, "Host") == 0) {
        head->n_host++;
        head->host = value;
    } else if (strcasecmp(name, "Content-Length") == 0) {
        head->n_length++;
        head->length = value;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        head->n_encoding++;
        head->encoding = value;
    }
    return MHD_YES;
}

/* Is this name (a port aside) one of the accepted? */
static bool host_accepted(const char *const *hosts, const char *host)
{
    size_t len = strlen(host);
    if (host[0] == '[') {
        const char *close = strchr(host, ']');
        host++;
        len = close ? (size_t)(close - host) : len - 1;
    } else if (strchr(host, ':')) {
        len = (size_t)(strchr(host, ':') - host);
    }
    for (; *hosts; hosts++) {
        const char *name = *hosts;
        size_t n = strlen(name);
        if (name[0] == '[' && n > 2) {
            name++;
            n -= 2;
        }
        if (n == len && strncasecmp(name, host, len) == 0)
            return true;
    }
    return false;
}

static unsigned check_length(const struct head *head, size_t max_body, const char **reason)
{
    struct str text = str_of(head->length);
    uint64_t length;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') {
            *reason = "Content-Length is no number";
            return 400;
        }
    }
    if (!text.len) {
        *reason = "Content-Length is empty";
        return 400;
    }
    if (!str_to_u64(text, &length) || length > max_body) {
        *reason = "the body is larger than receive.max_body";
        return text.len > 20 ? 400 : 413;
    }
    return 0;
}

unsigned httpd_guard(struct http_request *request, const char *version, const char **reason)
{
    struct head head = {0};
    bool bodyless = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, look_at_header, &head);
    *reason = head.bad;
    if (head.bad)
        return 400;
    *reason = "the head of the request is larger than 16 KiB";
    if (head.bytes + strlen(request->path) > MAX_HEAD_BYTES)
        return 431;
    *reason = "more than one Host, Content-Length or Transfer-Encoding";
    if (head.n_host > 1 || head.n_length > 1 || head.n_encoding > 1)
        return 400;
    *reason = "Content-Length together with Transfer-Encoding";
    if (head.n_length && head.n_encoding)
        return 400;
    *reason = "Host is missing";
    if (!head.n_host && strcmp(version, "HTTP/1.1") == 0)
        return 400;
    *reason = "this Transfer-Encoding is not known; send chunked";
    if (head.n_encoding && strcasecmp(head.encoding, "chunked") != 0)
        return 400;
    if (head.n_length) {
        unsigned status = check_length(&head, request->httpd->settings.max_body, reason);
        if (status)
            return status;
    }
    *reason = "GET and HEAD have no body";
    if (bodyless && (head.n_encoding || (head.n_length && strcmp(head.length, "0") != 0)))
        return 400;
    *reason = "this Host is not one of web.hosts";
    if (request->httpd->settings.hosts && head.n_host &&
        !host_accepted(request->httpd->settings.hosts, head.host))
        return 421;
    *reason = NULL;
    return 0;
}
