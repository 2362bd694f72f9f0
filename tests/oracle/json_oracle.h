/* json_oracle.h - one JSON document read by jansson and by base/json: both take it and say the
 * same, or both refuse it.
 *
 * Documented differences, where nothing is compared:
 *   - text that is not UTF-8, lone surrogates, \u0000: jansson refuses, base/json replaces (its
 * user sees U+FFFD);
 *   - numbers beyond 64 bits or a double: jansson refuses, base/json gives their digits;
 *   - nesting: base/json refuses beyond 64, jansson beyond 2048;
 *   - a key twice: jansson keeps the last, base/json shows both.
 */
#ifndef ORACLE_JSON_ORACLE_H
#define ORACLE_JSON_ORACLE_H

#include "collector/base/buf.h"
#include "tests/oracle/choices.h"

/* True when they agree, or the difference is one of the above; else what they said is in *why. */
bool json_oracle_agrees(struct str text, struct buf *why);
/* A document that is well-formed as a rule, and broken in one place sometimes. */
void json_make(struct choices *choices, struct buf *out);

#endif
