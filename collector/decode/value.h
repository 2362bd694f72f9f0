/* value.h - OTLP values from protobuf: scalars as they are, arrays and maps as JSON text. */
#ifndef DECODE_VALUE_H
#define DECODE_VALUE_H

#include "collector/base/buf.h"
#include "collector/base/wire.h"
#include "collector/decode/text.h"

#define MAX_VALUE_DEPTH 32

/* What decoding of one body needs everywhere. */
struct decoding {
    struct batch *batch;
    const struct limits *limits;
    struct err *err;
    struct buf json;         /* scratch for rendered values, events, links */
    struct senders *senders; /* of access logs; NULL where none can come */
};

/* Reads an AnyValue into the attribute's value. False: the body is malformed, too deep or too big
 * (err says). */
bool value_read_pb(struct decoding *decoding, struct str any, struct attr *attr);
/* Reads one KeyValue into a list that may hold limits->attributes; more are counted and dropped. */
bool value_read_attribute(struct decoding *decoding, struct str key_value, struct attr_list *list);
/* A list is full: counts one that is left out. Where the key means something to the call graph,
 * that is the last one that does not, and its place is given; else it is the key's own, and NULL.
 */
struct attr *value_beyond(struct decoding *decoding, struct attr_list *list, struct str key);
/* Cleans and cuts a text value; sets text and plain. */
bool value_set_text(struct decoding *decoding, struct attr *attr, struct str text);
/* Cleans and cuts a key. */
bool value_set_key(struct decoding *decoding, struct attr *attr, struct str key);
/* Sets a text whose key and value are printable ASCII without quotes and backslashes already, when
 * they need no cutting. False: the general way is to be taken. */
static inline bool value_set_plain(const struct decoding *decoding, struct attr *attr,
                                   struct str key, struct str text)
{
    if (key.len > MAX_KEY_BYTES || text.len > decoding->limits->attribute_bytes)
        return false;
    *attr = (struct attr){.key = key, .text = text, .type = VALUE_TEXT, .plain = true};
    return true;
}
/* Adds text as a JSON string, cleaned when it is not valid UTF-8. */
bool value_json_text(struct decoding *decoding, struct str text);
/* Adds `"attributes":{…}` of a list. */
void value_json_attributes(struct decoding *decoding, const struct attr_list *list);
/* Copies the scratch into the arena. False when there is no room. */
bool value_take_json(struct decoding *decoding, struct str *text);
/* The same as an attribute's value. What has to be cut is no JSON any more and becomes a text. */
bool value_set_json(struct decoding *decoding, struct attr *attr);
/* Adds bytes as a base64 string. */
void value_json_base64(struct buf *json, struct str bytes);

/* There is no room for more of this body: ERR_TOO_BIG, or ERR_BUSY when it is the process that has
 * no memory. */
int decoding_too_big(struct decoding *decoding);

#endif
