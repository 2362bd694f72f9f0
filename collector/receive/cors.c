/* cors.c - the headers of the Fetch standard. */
#include "collector/receive/cors.h"

#include <stdio.h>

#define MOST_HEADERS 300 /* bytes of their names */
#define USUAL "content-type, content-encoding, authorization"

bool cors_is_preflight(const struct http_request *request)
{
    return str_eq(http_method(request), STR("OPTIONS")) && http_header(request, "Origin").len &&
           http_header(request, "Access-Control-Request-Method").len;
}

enum cors cors_begin(struct http_request *request, const char *const *origins)
{
    struct str origin = http_header(request, "Origin");
    if (!origin.len)
        return CORS_NONE;
    for (; origins && *origins; origins++) {
        if (!str_eq(origin, str_of(*origins)))
            continue;
        http_add_header(request, "Access-Control-Allow-Origin", *origins);
        http_add_header(request, "Access-Control-Allow-Credentials", "true");
        http_add_header(request, "Access-Control-Expose-Headers", "Retry-After");
        http_add_header(request, "Vary", "Origin");
        return cors_is_preflight(request) ? CORS_PREFLIGHT : CORS_ALLOWED;
    }
    return CORS_REFUSED;
}

/* Names of headers and nothing else: they go into a header of the answer. */
static bool is_list_of_names(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '-' && c != '_' && c != ',' && c != ' ')
            return false;
    }
    return text.len > 0 && text.len + sizeof(USUAL) + 2 < MOST_HEADERS;
}

/* With credentials `*` is no wildcard, so what the page asks for is what it may send; the origin is
 * trusted by name. */
void cors_answer_preflight(struct http_request *request)
{
    char names[MOST_HEADERS];
    struct str asked = http_header(request, "Access-Control-Request-Headers");
    bool good = is_list_of_names(asked);
    snprintf(names, sizeof(names), USUAL "%s%.*s", good ? ", " : "", good ? (int)asked.len : 0,
             asked.p ? asked.p : "");
    http_add_header(request, "Access-Control-Allow-Methods", "POST");
    http_add_header(request, "Access-Control-Allow-Headers", names);
    http_add_header(request, "Access-Control-Max-Age", "600");
    if (http_header(request, "Access-Control-Request-Private-Network").len)
        http_add_header(request, "Access-Control-Allow-Private-Network", "true");
    httpd_answer(request, 204, NULL, STR_NONE, false);
}
