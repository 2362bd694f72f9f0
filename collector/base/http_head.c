/* http_head.c - request line, target, headers, and what they say about the body. */
#include "collector/base/http_head.h"

#define LONGEST_METHOD 32

bool http_is_token_byte(unsigned char c)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr(marks, c));
}

static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!http_is_token_byte((unsigned char)text.p[i]))
            return false;
    }
    return text.len > 0;
}

enum http_scan http_head_scan(struct str bytes, size_t *at)
{
    for (size_t i = *at; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.p[i];
        if ((c >= 0x20 && c != 0x7f) || c == '\t')
            continue;
        if (c == '\r') {
            *at = i;
            if (i + 1 == bytes.len)
                return HTTP_MORE;
            if (bytes.p[i + 1] != '\n')
                return HTTP_BAD;
            i++;
            *at = i + 1;
            if (i >= 3 && memcmp(bytes.p + i - 3, "\r\n\r\n", 4) == 0)
                return HTTP_WHOLE;
            continue;
        }
        return HTTP_BAD;
    }
    *at = bytes.len && bytes.p[bytes.len - 1] == '\r' ? bytes.len - 1 : bytes.len;
    return HTTP_MORE;
}

static unsigned bad(struct http_head *head, unsigned status, const char *reason)
{
    head->reason = reason;
    return status;
}

/* ---- the target ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decodes %XX (and '+' in queries) to *space, which moves on. False for what decodes to NUL or is
 * no escape. */
static bool decode(struct str text, bool query, char **space, struct str *decoded)
{
    char *out = *space;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.p[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.p[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && query) {
            c = ' ';
        }
        *out++ = c;
    }
    *decoded = (struct str){*space, (size_t)(out - *space)};
    *space = out;
    return true;
}

static unsigned read_query(struct http_head *head, struct str query, char **space)
{
    struct str pair, name, value;
    while (query.len && head->n_parameters < HTTP_PARAMETERS) {
        str_cut(query, '&', &pair, &query);
        if (!pair.len)
            continue;
        str_cut(pair, '=', &name, &value);
        struct http_pair *parameter = &head->parameters[head->n_parameters];
        if (!decode(name, true, space, &parameter->name) ||
            !decode(value, true, space, &parameter->value))
            return bad(head, 400, "the query has a malformed escape");
        head->n_parameters++;
    }
    return 0;
}

static unsigned read_target(struct http_head *head, struct str target, char *space)
{
    struct str path, query, authority;
    size_t scheme = str_starts(target, STR("http://"))    ? 7
                    : str_starts(target, STR("https://")) ? 8
                                                          : 0;
    if (scheme) {
        authority = target = str_skip(target, scheme);
        for (size_t i = 0; i < target.len && authority.len == target.len; i++) {
            if (target.p[i] == '/' || target.p[i] == '?')
                authority.len = i;
        }
        target = str_skip(target, authority.len);
        if (!authority.len)
            return bad(head, 400, "the target of the request names no host");
        head->host = authority;
    } else if (target.p[0] != '/' && !str_eq(target, STR("*"))) {
        return bad(head, 400, "the target of the request is no path");
    }
    str_cut(target, '?', &path, &query);
    if (!path.len)
        path = STR("/");
    if (!decode(path, false, &space, &head->path))
        return bad(head, 400, "the path has a malformed escape");
    return read_query(head, query, &space);
}

/* ---- lines ---- */

/* METHOD SP TARGET SP HTTP/1.x; *minor is x. */
static unsigned read_request_line(struct http_head *head, struct str line, char *space,
                                  unsigned *minor)
{
    struct str target, version, rest;
    if (!str_cut(line, ' ', &head->method, &rest) || !str_cut(rest, ' ', &target, &version))
        return bad(head, 400, "the request line is not METHOD TARGET HTTP/1.1");
    if (!is_token(head->method) || head->method.len > LONGEST_METHOD || !target.len) {
        head->method = STR_NONE;
        return bad(head, 400, "the request line is not METHOD TARGET HTTP/1.1");
    }
    bool http = version.len == 8 && str_starts(version, STR("HTTP/")) && version.p[6] == '.' &&
                version.p[5] >= '0' && version.p[5] <= '9' && version.p[7] >= '0' &&
                version.p[7] <= '9';
    if (!http)
        return bad(head, 400, "the request line is not METHOD TARGET HTTP/1.1");
    if (version.p[5] != '1')
        return bad(head, 505, "this port speaks HTTP/1.1 only");
    *minor = (unsigned)(version.p[7] - '0');
    return read_target(head, target, space);
}

static struct str trim_blanks(struct str text)
{
    while (text.len && (text.p[0] == ' ' || text.p[0] == '\t'))
        text = (struct str){text.p + 1, text.len - 1};
    while (text.len && (text.p[text.len - 1] == ' ' || text.p[text.len - 1] == '\t'))
        text.len--;
    return text;
}

static unsigned read_header(struct http_head *head, struct str line)
{
    struct str name, value;
    if (line.p[0] == ' ' || line.p[0] == '\t')
        return bad(head, 400, "a header is folded over two lines");
    if (!str_cut(line, ':', &name, &value))
        return bad(head, 400, "a header has no colon");
    if (!is_token(name))
        return bad(head, 400, "a header has a malformed name");
    if (head->n_headers == HTTP_HEADERS)
        return bad(head, 431, "the request has more than 100 headers");
    value = trim_blanks(value);
    head->headers[head->n_headers++] = (struct http_pair){name, value.p ? value : STR("")};
    return 0;
}

/* ---- what the headers say ---- */

struct counted {
    unsigned n_host, n_length, n_encoding;
    struct str host, length, encoding, connection, expect;
};

static void count_headers(const struct http_head *head, struct counted *counted)
{
    for (unsigned i = 0; i < head->n_headers; i++) {
        struct str name = head->headers[i].name, value = head->headers[i].value;
        if (str_eq_nocase(name, STR("Host"))) {
            counted->n_host++;
            counted->host = value;
        } else if (str_eq_nocase(name, STR("Content-Length"))) {
            counted->n_length++;
            counted->length = value;
        } else if (str_eq_nocase(name, STR("Transfer-Encoding"))) {
            counted->n_encoding++;
            counted->encoding = value;
        } else if (str_eq_nocase(name, STR("Connection"))) {
            counted->connection = value;
        } else if (str_eq_nocase(name, STR("Expect"))) {
            counted->expect = value;
        }
    }
}

static bool lists(struct str list, struct str word)
{
    struct str item;
    while (list.len) {
        str_cut(list, ',', &item, &list);
        if (str_eq_nocase(trim_blanks(item), word))
            return true;
    }
    return false;
}

static bool is_host(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("/?#@\\,\"<>", c))
            return false;
    }
    return true;
}

static unsigned read_length(struct http_head *head, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return bad(head, 400, "Content-Length is no number");
    }
    if (!text.len)
        return bad(head, 400, "Content-Length is empty");
    if (!str_to_u64(text, &head->length))
        return bad(head, 400, "Content-Length is too large for a number");
    head->has_length = true;
    return 0;
}

static unsigned read_framing(struct http_head *head, const struct counted *counted, unsigned minor)
{
    if (counted->n_host > 1 || counted->n_length > 1 || counted->n_encoding > 1)
        return bad(head, 400, "more than one Host, Content-Length or Transfer-Encoding");
    if (counted->n_length && counted->n_encoding)
        return bad(head, 400, "Content-Length together with Transfer-Encoding");
    if (!counted->n_host && minor > 0)
        return bad(head, 400, "Host is missing");
    if (counted->n_host && !is_host(counted->host))
        return bad(head, 400, "Host is no name");
    if (counted->n_encoding && minor == 0)
        return bad(head, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (counted->n_encoding && !str_eq_nocase(counted->encoding, STR("chunked")))
        return bad(head, 400, "this Transfer-Encoding is not known; send chunked");
    head->chunked = counted->n_encoding;
    return counted->n_length ? read_length(head, counted->length) : 0;
}

static unsigned read_meaning(struct http_head *head, unsigned minor)
{
    struct counted counted = {0};
    count_headers(head, &counted);
    unsigned status = read_framing(head, &counted, minor);
    if (status)
        return status;
    bool bodyless = str_eq(head->method, STR("GET")) || str_eq(head->method, STR("HEAD"));
    if (bodyless && (head->chunked || head->length > 0))
        return bad(head, 400, "GET and HEAD have no body");
    if (!head->host.p)
        head->host = counted.host;
    head->keep_alive = minor > 0 ? !lists(counted.connection, STR("close"))
                                 : lists(counted.connection, STR("keep-alive"));
    if (counted.expect.len && !str_eq_nocase(counted.expect, STR("100-continue")))
        return bad(head, 417, "Expect may be 100-continue");
    head->expects_continue = counted.expect.len && minor > 0;
    return 0;
}

unsigned http_head_read(struct str bytes, char *space, struct http_head *head)
{
    struct str line;
    unsigned minor = 1, status;
    head->method = head->path = head->host = STR_NONE;
    head->n_headers = head->n_parameters = 0;
    head->has_length = head->chunked = head->keep_alive = head->expects_continue = false;
    head->length = 0;
    head->reason = NULL;
    bytes.len -= 2; /* the blank line */
    str_cut(bytes, '\r', &line, &bytes);
    status = read_request_line(head, line, space, &minor);
    bytes = str_skip(bytes, 1);
    while (bytes.len) { /* also after a refusal: its answer depends on the content type */
        str_cut(bytes, '\r', &line, &bytes);
        unsigned of_line = read_header(head, line);
        status = status ? status : of_line;
        bytes = str_skip(bytes, 1);
    }
    return status ? status : read_meaning(head, minor);
}

struct str http_head_get(const struct http_head *head, struct str name)
{
    for (unsigned i = 0; i < head->n_headers; i++) {
        if (str_eq_nocase(head->headers[i].name, name))
            return head->headers[i].value;
    }
    return STR_NONE;
}

/* Nothing, or a colon and digits? */
static bool is_port(struct str text)
{
    if (text.len && text.p[0] != ':')
        return false;
    for (size_t i = 1; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
    }
    return true;
}

struct str http_bare_host(struct str host)
{
    if (host.len && host.p[0] == '[') {
        ptrdiff_t close = str_find(host, ']');
        bool good = close > 0 && is_port(str_skip(host, (size_t)close + 1));
        return good ? (struct str){host.p + 1, (size_t)close - 1} : STR_NONE;
    }
    ptrdiff_t colon = str_find(host, ':');
    if (colon < 0 || str_find(str_skip(host, (size_t)colon + 1), ':') >= 0)
        return host; /* several colons: an address of IPv6 */
    return is_port(str_skip(host, (size_t)colon)) ? (struct str){host.p, (size_t)colon} : STR_NONE;
}

bool http_host_is(struct str host, const char *const *names)
{
    host = http_bare_host(host);
    for (; *names; names++) {
        if (str_eq_nocase(host, http_bare_host(str_of(*names))))
            return true;
    }
    return false;
}

double http_weight(struct str header, struct str name)
{
    struct str one, named, rest;
    while (header.len) {
        double q = 1;
        str_cut(header, ',', &one, &header);
        str_cut(one, ';', &named, &rest);
        if (!str_eq_nocase(str_trim(named), name))
            continue;
        while (rest.len) {
            str_cut(rest, ';', &one, &rest);
            one = str_trim(one);
            bool weight = one.len > 1 && (one.p[0] | 0x20) == 'q' && one.p[1] == '=';
            if (weight && !str_to_double(str_skip(one, 2), &q))
                q = 0;
        }
        return q;
    }
    return -1;
}
