/* otlp_oracle.h - what a trace request says, by another way: protobuf-c reads it, plain code that
 * shares nothing with collector/decode applies the limits and writes it as batch_text_said() does.
 *
 * Documented differences, where the oracle says nothing:
 *   - groups, and field number 0: protobuf-c refuses the first and takes the second;
 *   - tags and lengths written in more than five bytes, varints over 64 bits: protobuf-c refuses
 * the first two and takes the third;
 *   - a known field with another wire type: protobuf-c refuses the body; this program skips the
 * field as unknown, but refuses a value (AnyValue) that is written so;
 *   - a message that may stand once and stands twice, a oneof with several members: protobuf-c
 * merges, this program takes the last;
 *   - messages nested deeper than 100: protobuf-c recurses and would end the process.
 */
#ifndef ORACLE_OTLP_ORACLE_H
#define ORACLE_OTLP_ORACLE_H

#include "collector/base/buf.h"
#include "collector/model/batch.h"
#include "otlp_trace.pb-c.h"

enum oracle_answer {
    ORACLE_SAYS_NOTHING,
    ORACLE_TAKES,   /* `text` is what the body says */
    ORACLE_REFUSES, /* as a whole */
    /* As a whole, if what is wrong was read: a decoder does not read what it drops. */
    ORACLE_REFUSES_WHAT_IS_READ
};

enum oracle_answer otlp_oracle(struct str body, const struct limits *limits, struct buf *text);
/* The same for a request that is unpacked already. */
enum oracle_answer otlp_oracle_request(const Otlp__Request *request, const struct limits *limits,
                                       struct buf *text);

#endif
