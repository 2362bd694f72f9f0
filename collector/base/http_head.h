/* http_head.h - the head of an HTTP/1.1 request, read strictly (RFC 9112): what may be read in two
 * ways is refused.
 *
 * Pure: bytes in, a struct or a refusal out. Texts of the struct point into the bytes, decoded ones
 * into a space that the caller gives.
 */
#ifndef BASE_HTTP_HEAD_H
#define BASE_HTTP_HEAD_H

#include "collector/base/str.h"

#define HTTP_HEAD_BYTES ((size_t)16 << 10) /* most of a head; beyond: 431 */
#define HTTP_HEADERS 100                   /* beyond: 431 */
#define HTTP_PARAMETERS 64                 /* beyond: ignored */

struct http_pair {
    struct str name, value;
};

struct http_head {
    struct str method;
    struct str path; /* percent-decoded, without query */
    struct str host; /* of Host, or of a target that names it; p NULL: none */
    struct http_pair headers[HTTP_HEADERS];
    unsigned n_headers;
    struct http_pair parameters[HTTP_PARAMETERS]; /* of the query, decoded */
    unsigned n_parameters;
    bool has_length, chunked; /* a body follows: of `length` bytes, or in chunks */
    uint64_t length;
    bool keep_alive;
    bool expects_continue;
    const char *reason; /* of a refusal, for people */
};

enum http_scan { HTTP_MORE, HTTP_WHOLE, HTTP_BAD };

/* Is the head whole? Looks from *at on (0 at first) and moves it, so that no byte is looked at
 * twice; when HTTP_WHOLE, *at is the head's length with its blank line. HTTP_BAD: a byte that no
 * head has (controls, a line feed or a carriage return alone). */
enum http_scan http_head_scan(struct str bytes, size_t *at);

/* Reads a whole head. `space` has bytes.len bytes. 0, or the status to refuse with: 400, 417, 431,
 * 505; what was read until then is in *head. */
unsigned http_head_read(struct str bytes, char *space, struct http_head *head);

/* May it stand in a method, or in a header's name? */
bool http_is_token_byte(unsigned char c);
/* The first header of this name; '' with p NULL when absent. */
struct str http_head_get(const struct http_head *head, struct str name);
/* What an Accept header of any kind gives a name: 1 where it stands without q; -1 where it does not
 * stand. Case does not count. */
double http_weight(struct str header, struct str name);
/* The name or the address in `host`, without brackets and without a port; '' when it holds none. */
struct str http_bare_host(struct str host);
/* Is `host`, a port aside, one of the names? */
bool http_host_is(struct str host, const char *const *names);

#endif
