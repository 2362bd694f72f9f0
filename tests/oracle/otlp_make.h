/* otlp_make.h - generated trace requests: likely ones, odd ones, and what no SDK would send.
 *
 * Everything lies in the arena; abort() when it is full, 256 MiB are enough. A request may break
 * the limits, hold bad ids and bad text; it is always well-formed protobuf, and its values are
 * nested at most 34 deep.
 */
#ifndef ORACLE_OTLP_MAKE_H
#define ORACLE_OTLP_MAKE_H

#include "collector/base/arena.h"
#include "otlp_trace.pb-c.h"
#include "tests/oracle/choices.h"

Otlp__Request *otlp_make(struct choices *choices, struct arena *arena);
/* As protobuf-c writes it. */
struct str otlp_pack(const Otlp__Request *request, struct arena *arena);

#endif
