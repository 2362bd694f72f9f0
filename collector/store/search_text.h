/* search_text.h - what people type to find traces, as a list of conditions that must all hold.
 *
 *     service=cart status=error took>200ms http.route=/cart cart:version=v2 began="cart v2→redis"
 * redis
 *
 * A condition is key, operator (= != > >= < <= ~), value; a value with blanks or operators stands
 * in quotes, as in JSON. `SERVICE:key` asks it of that service's spans, `CALLER→CALLEE:retries` of
 * that call. A quoted key is an attribute's, whatever it looks like. A bare word is in a service's
 * or an operation's name.
 */
#ifndef STORE_SEARCH_TEXT_H
#define STORE_SEARCH_TEXT_H

#include "collector/base/arena.h"
#include "collector/base/err.h"

#define MAX_CONDITIONS 24

enum search_field {
    /* of the trace's row */
    FIELD_STATUS,   /* number: 1 error, 0 ok */
    FIELD_TOOK,     /* number: ns */
    FIELD_SPANS,    /* number */
    FIELD_SERVICES, /* number */
    FIELD_COMPLETE, /* number: 0, 1 */
    FIELD_ENTRY,    /* the entry's operation */
    FIELD_BEGAN,    /* [CALLER [VERSION]→]CALLEE [VERSION] */
    FIELD_REASON,
    /* of a node in it */
    FIELD_SERVICE,
    FIELD_NAMESPACE,
    FIELD_CLUSTER,
    FIELD_VERSION,
    FIELD_RETRIES, /* number, of a call */
    /* of a span in it */
    FIELD_OPERATION,
    FIELD_INSTANCE,
    FIELD_FLAG, /* one response flag of Envoy's; none: no span has one */
    FIELD_CODE, /* HTTP or gRPC status */
    FIELD_ATTRIBUTE,
    FIELD_WORD,
    N_FIELDS
};
#define FIRST_NODE_FIELD FIELD_SERVICE
#define FIRST_SPAN_FIELD FIELD_OPERATION

enum search_op { OP_EQUAL, OP_NOT, OP_MORE, OP_LEAST, OP_LESS, OP_MOST, OP_LIKE, N_OPS };

struct search_condition {
    uint8_t field, op;
    struct str scope, peer; /* SERVICE of `SERVICE:key`; peer: the callee of `CALLER→CALLEE:key` */
    struct str key;         /* as typed, without scope; of an attribute its name */
    struct str value;       /* unquoted */
    double number;          /* of value, where it is one */
    bool is_number;
};

struct search_text {
    struct search_condition conditions[MAX_CONDITIONS];
    unsigned n;
};

/* Reads `q`; texts live in the arena or in `q`. ERR_INVALID says which part cannot be read. */
int search_text_read(struct str q, struct arena *arena, struct search_text *text, struct err *err);
/* As it is typed. */
const char *search_op_word(enum search_op op);
/* One of the four that compare numbers, which SQL writes as the line does? */
bool search_op_orders(enum search_op op);
/* The word for a field, as typed and as facets name it. */
const char *search_field_word(enum search_field field);
/* Does `text` satisfy the operator and value of a condition on texts? ~ is "contains", not minding
 * case. */
bool search_text_fits(const struct search_condition *condition, struct str text);
/* The same for numbers. */
bool search_number_fits(const struct search_condition *condition, double number);
/* Does it contain the other, not minding ASCII case? */
bool search_contains(struct str text, struct str part);

#endif
