/* otlp_same.c - with the limits of the program or with tight ones. */
#include "tests/oracle/otlp_same.h"

#include "collector/base/json.h"
#include "collector/decode/decode.h"
#include "tests/oracle/batch_text.h"
#include "tests/oracle/otlp_json_text.h"
#include "tests/oracle/otlp_make.h"
#include "tests/oracle/otlp_oracle.h"

#define ARENA_BYTES ((size_t)256 << 20)
#define UNLIMITED (SIZE_MAX / 2)

static const struct limits tight = {.max_spans = 8,
                                    .attributes = 6,
                                    .attribute_bytes = 40,
                                    .name_bytes = 24,
                                    .events = 2,
                                    .links = 2,
                                    .max_decoded = (size_t)64 << 20};

/* Decodes and writes what it says; the code it was refused with. */
static int say(enum format format, struct str body, const struct limits *limits, struct buf *text)
{
    struct batch *batch;
    struct err err = {0};
    if (decode_body(format, ENCODING_IDENTITY, body, limits, &batch, &err)) {
        buf_addf(text, "refused: %s\n", err.text);
        return err.code;
    }
    batch_text_said(text, batch);
    batch_free(batch);
    return 0;
}

struct answers {
    enum oracle_answer oracle;
    int pb, json;
    struct buf oracle_text, pb_text, json_text;
};

/* JSON has no negative kinds or codes: a wrong type there is no difference. */
static bool has_negative_enum(const Otlp__Request *request)
{
    bool negative = false;
    for (size_t g = 0; g < request->n_resource_spans; g++) {
        const Otlp__ResourceSpans *group = request->resource_spans[g];
        for (size_t s = 0; s < group->n_scope_spans; s++) {
            for (size_t i = 0; i < group->scope_spans[s]->n_spans; i++)
                negative = negative || group->scope_spans[s]->spans[i]->kind < 0;
        }
    }
    return negative;
}

/* A level of an AnyValue is three of JSON: what protobuf takes may be too deep as JSON. */
static bool is_too_deep(struct str json)
{
    size_t depth = 0;
    bool in_text = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.p[i];
        if (in_text && c == '\\')
            i++;
        else if (c == '"')
            in_text = !in_text;
        else if (!in_text && (c == '{' || c == '['))
            depth++;
        else if (!in_text && (c == '}' || c == ']'))
            depth--;
        if (depth > JSON_MAX_DEPTH)
            return true;
    }
    return false;
}

static bool agree(const struct answers *answers, bool compare_json)
{
    if (answers->pb == ERR_TOO_BIG || answers->json == ERR_TOO_BIG)
        return answers->oracle != ORACLE_TAKES ||
               answers->pb != ERR_TOO_BIG; /* of the memory a request may take */
    if (answers->oracle == ORACLE_TAKES) {
        bool same =
            answers->pb == 0 && str_eq(buf_str(&answers->pb_text), buf_str(&answers->oracle_text));
        return same && (!compare_json ||
                        str_eq(buf_str(&answers->json_text), buf_str(&answers->oracle_text)));
    }
    return answers->oracle != ORACLE_REFUSES || answers->pb != 0;
}

bool otlp_same(struct choices *choices, struct buf *why)
{
    const struct limits *limits = choose(choices, 2) ? &tight : &limits_default;
    struct answers answers = {0};
    struct arena arena;
    struct buf json;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&json, UNLIMITED);
    buf_init(&answers.oracle_text, UNLIMITED);
    buf_init(&answers.pb_text, UNLIMITED);
    buf_init(&answers.json_text, UNLIMITED);
    Otlp__Request *request = otlp_make(choices, &arena);
    struct str packed = otlp_pack(request, &arena);
    otlp_json_text(request, choices, &json);
    answers.oracle = otlp_oracle(packed, limits, &answers.oracle_text);
    answers.pb = say(FORMAT_OTLP_PB, packed, limits, &answers.pb_text);
    answers.json = say(FORMAT_OTLP_JSON, buf_str(&json), limits, &answers.json_text);
    bool same = agree(&answers, !has_negative_enum(request) && !is_too_deep(buf_str(&json)));
    if (!same)
        buf_addf(why,
                 "%.*s\n-- protobuf-c: %d\n%.*s\n-- otlp_pb: %d\n%.*s\n-- otlp_json: %d\n%.*s\n",
                 STR_ARG(buf_str(&json)), answers.oracle, STR_ARG(buf_str(&answers.oracle_text)),
                 answers.pb, STR_ARG(buf_str(&answers.pb_text)), answers.json,
                 STR_ARG(buf_str(&answers.json_text)));
    arena_fini(&arena);
    buf_fini(&json);
    buf_fini(&answers.oracle_text);
    buf_fini(&answers.pb_text);
    buf_fini(&answers.json_text);
    return same;
}
