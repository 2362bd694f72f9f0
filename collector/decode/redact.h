/* redact.h - values that must not be stored: attributes by the words in their keys (redact.keys),
 * and what URLs carry (user information, signatures, parameters by the same words).
 *
 * Facts are read before: who was called is known, the secret is not kept. The inbox holds bodies as
 * they came until they are stored.
 */
#ifndef DECODE_REDACT_H
#define DECODE_REDACT_H

#include "collector/model/batch.h"

struct redaction; /* immutable */

/* `words`: parts of keys, any case, '-' and '_' alike. NULL when memory is short. */
struct redaction *redaction_new(const char *const *words, size_t n);
void redaction_free(struct redaction *redaction);
bool redaction_same(const struct redaction *a, const struct redaction *b);

/* Puts REDACTED in the place of values; new texts lie in the batch's arena. False when it is full.
 */
bool redact(struct batch *batch, struct attr *attrs, uint32_t n);
/* All spans and resources of a batch. */
bool redact_batch(struct batch *batch);

#endif
