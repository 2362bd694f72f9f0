/* cors.h - cross-origin requests of browser SDKs (Fetch standard): only origins that were named
 * exactly are told that they may, and may then send credentials, as sendBeacon always does.
 */
#ifndef RECEIVE_CORS_H
#define RECEIVE_CORS_H

#include "collector/base/httpd.h"

enum cors {
    CORS_NONE,     /* no browser asks from another origin */
    CORS_REFUSED,  /* from an origin that is not named */
    CORS_ALLOWED,  /* the answer says so already */
    CORS_PREFLIGHT /* … and it is a question beforehand: cors_answer_preflight() answers it */
};

/* Looks at a request and adds the headers that every answer to it needs. `origins`: ended by NULL,
 * or NULL. */
enum cors cors_begin(struct http_request *request, const char *const *origins);
/* Is it a question beforehand, whoever asks? */
bool cors_is_preflight(const struct http_request *request);
void cors_answer_preflight(struct http_request *request);

#endif
