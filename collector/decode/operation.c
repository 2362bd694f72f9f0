/* operation.c - names of proxies' spans are the same for every path, so their URLs are read
 * instead. */
#include "collector/decode/operation.h"

#include "collector/base/utf8.h"

#define LIST(...) ((const uint8_t[]){__VA_ARGS__, N_KNOWN_KEYS})
#define MAX_OPERATION 256

bool segment_is_id(struct str segment)
{
    size_t n_digits = 0, n_hex = 0, n_dashes = 0;
    for (size_t i = 0; i < segment.len; i++) {
        unsigned char c = (unsigned char)segment.p[i];
        n_digits += c >= '0' && c <= '9';
        n_hex += (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
        n_dashes += c == '-';
        if (n_hex + n_dashes <= i)
            return false;
    }
    if (n_digits == 0)
        return false;
    return n_digits == segment.len || (n_hex >= 8 && (n_dashes == 0 || n_dashes == 4));
}

/* The path of a URL or target, without query. */
static struct str path_of(struct str url)
{
    const char *mark = url.len > 3 ? memmem(url.p, url.len, "://", 3) : NULL;
    struct str rest = mark ? str_skip(url, (size_t)(mark - url.p) + 3) : url;
    ptrdiff_t slash = str_find(rest, '/');
    if (slash < 0)
        return STR("/");
    rest = str_skip(rest, (size_t)slash);
    size_t end = 0;
    while (end < rest.len && rest.p[end] != '?' && rest.p[end] != '#')
        end++;
    rest.len = end;
    return rest;
}

/* "GET /items/42" -> "GET /items/{}" */
static size_t write_template(char out[MAX_OPERATION], struct str method, struct str path)
{
    size_t n = 0;
    if (method.len && method.len < 32) {
        memcpy(out, method.p, method.len);
        n = method.len;
        out[n++] = ' ';
    }
    while (path.len && n + 3 < MAX_OPERATION) {
        size_t len = 1;
        while (len < path.len && path.p[len] != '/')
            len++;
        struct str segment = {path.p + 1, len - 1};
        out[n++] = '/';
        if (segment_is_id(segment))
            segment = STR("{}");
        segment = utf8_cut(segment, MAX_OPERATION - n);
        memcpy(out + n, segment.p, segment.len);
        n += segment.len;
        path = str_skip(path, len);
    }
    return n;
}

bool operation_of_span(struct batch *batch, struct span *span, const struct seen_keys *seen)
{
    struct facts *facts = &span->facts;
    struct str method = keys_first_text(seen, LIST(KEY_HTTP_REQUEST_METHOD, KEY_HTTP_METHOD));
    facts->operation = span->name.len ? span->name : method.len ? method : facts->protocol;
    if (facts->proxy == PROXY_NONE)
        return true;
    struct str grpc = keys_first_text(seen, LIST(KEY_GRPC_PATH));
    struct str url =
        keys_first_text(seen, LIST(KEY_URL_FULL, KEY_HTTP_URL, KEY_URL_PATH, KEY_HTTP_TARGET));
    if (grpc.len) {
        facts->operation = grpc;
        return true;
    }
    if (!url.len)
        return true;
    char text[MAX_OPERATION];
    size_t n = write_template(text, method, path_of(url));
    char *copy = arena_alloc_aligned(&batch->arena, n, 1);
    if (!copy)
        return false;
    memcpy(copy, text, n);
    facts->operation = (struct str){copy, n};
    return true;
}
