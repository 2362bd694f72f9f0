/* body.c - a body's memory. */
#include "collector/model/body.h"

#include <stdlib.h>

struct body *body_new(char *bytes, size_t n_bytes)
{
    struct body *body = calloc(1, sizeof(*body));
    if (body) {
        body->bytes = bytes;
        body->n_bytes = n_bytes;
    }
    return body;
}

void body_free(struct body *body)
{
    if (!body)
        return;
    batch_free(body->batch);
    free(body->bytes);
    free(body);
}
