/* decoders.h - what must hold of any body that a decoder is given. */
#ifndef FUZZ_DECODERS_H
#define FUZZ_DECODERS_H

#include "collector/base/buf.h"
#include "collector/decode/decode.h"

/* Small limits, so that a small body meets them. */
extern const struct limits decoders_tight;

/* Decodes and checks: a known code; of what is taken, texts that are UTF-8 without NUL and within
 * their limits, JSON that is JSON, counts within their limits. With memory short: refused as busy,
 * or taken just the same. Gives the batch, NULL when it was refused (*code says how). */
struct batch *decoders_try_content(struct content content, struct str body,
                                   const struct limits *limits, int *code);
/* The same for traces. */
struct batch *decoders_try(enum format format, enum encoding encoding, struct str body,
                           const struct limits *limits, int *code);

/* A whole target: the body by both sets of limits, twice each, which gives the same. */
void decoders_fuzz(enum signal signal, enum format format, struct str body);

#endif
