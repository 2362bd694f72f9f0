/* otlp_json_text.h - a trace request as OTLP/JSON, in the spellings that senders use. */
#ifndef ORACLE_OTLP_JSON_TEXT_H
#define ORACLE_OTLP_JSON_TEXT_H

#include "collector/base/buf.h"
#include "otlp_trace.pb-c.h"
#include "tests/oracle/choices.h"

/* `choices` decides what JSON leaves open: numbers as strings, enums as words, members in another
 * order, defaults left out. Text goes out as it is, so it may be no UTF-8. */
void otlp_json_text(const Otlp__Request *request, struct choices *choices, struct buf *out);

#endif
