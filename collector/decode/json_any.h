/* json_any.h - OTLP/JSON's AnyValue: {"stringValue":…}, {"arrayValue":{"values":[…]}}, … */
#ifndef DECODE_JSON_ANY_H
#define DECODE_JSON_ANY_H

#include "collector/decode/json_value.h"

/* Reads an AnyValue object (or null) into the attribute's value. */
bool json_any_read(struct decoding *decoding, struct json *json, struct attr *attr);
/* Reads an array of {"key","value"} into a list that may hold limits->attributes. */
bool json_any_attributes(struct decoding *decoding, struct json *json, struct attr_list *list);

#endif
