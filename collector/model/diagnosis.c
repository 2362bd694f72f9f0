/* diagnosis.c - words and JSON of a diagnosis. */
#include "collector/model/diagnosis.h"

#include <stdio.h>
#include <string.h>

static const char *const levels[] = {"service", "version", "instance", "operation", "edge", "hop"};
static const char *const kinds[] = {"self_time", "gap",    "errors", "flow",
                                    "traffic",   "metric", "change"};
static const char *const units[] = {"ns", "ratio", "count"};

const char *verdict_word(enum verdict verdict)
{
    static const char *const words[] = {"incident", "no significant change", "not enough data"};
    return words[verdict];
}

const char *suspect_level_word(enum suspect_level level)
{
    return levels[level];
}

const char *evidence_kind_word(enum evidence_kind kind)
{
    return kinds[kind];
}

const char *evidence_unit_word(enum evidence_unit unit)
{
    return units[unit];
}

int suspect_level_from_word(struct str word)
{
    for (int i = 0; i < N_SUSPECT_LEVELS; i++) {
        if (str_eq(word, str_of(levels[i])))
            return i;
    }
    return -1;
}

void node_text_json(const struct node_text *node, struct buf *out)
{
    const struct str texts[5] = {node->cluster, node->namespace, node->service, node->version,
                                 node->role};
    static const char *const names[5] = {"cluster", "namespace", "service", "version", "role"};
    for (int i = 0; i < 5; i++) {
        buf_addf(out, "%s\"%s\":", i ? "," : "{", names[i]);
        buf_add_json(out, texts[i]);
    }
    buf_add_char(out, '}');
}

struct str node_text_short(struct arena *arena, const struct node_text *node)
{
    char text[700];
    bool versioned = node->version.len > 0;
    snprintf(text, sizeof(text), "%.*s%s%.*s", STR_ARG(node->service), versioned ? "@" : "",
             STR_ARG(node->version));
    return arena_dup(arena, str_of(text));
}

static void evidence_json(const struct suspect *suspect, struct buf *out)
{
    buf_add_c(out, ",\"evidence\":[");
    for (unsigned i = 0; i < suspect->n_evidence; i++) {
        const struct evidence *evidence = &suspect->evidence[i];
        buf_addf(out, "%s{\"kind\":\"%s\",\"metric\":", i ? "," : "", kinds[evidence->kind]);
        buf_add_json(out, evidence->metric);
        buf_addf(out, ",\"unit\":\"%s\",\"baseline\":", units[evidence->unit]);
        buf_add_double(out, evidence->baseline);
        buf_add_c(out, ",\"observed\":");
        buf_add_double(out, evidence->observed);
        buf_add_c(out, ",\"deviation\":");
        buf_add_double(out, evidence->deviation);
        buf_add_c(out, ",\"text\":");
        buf_add_json(out, evidence->text);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void narrowed_json(const struct suspect *suspect, struct buf *out)
{
    buf_add_c(out, ",\"narrowed\":[");
    for (unsigned i = 0; i < suspect->n_narrowed; i++) {
        const struct narrowed *narrowed = &suspect->narrowed[i];
        buf_addf(out, "%s{\"dimension\":\"%s\",\"name\":", i ? "," : "", narrowed->dimension);
        buf_add_json(out, narrowed->name);
        buf_add_c(out, ",\"value\":");
        buf_add_json(out, narrowed->value);
        buf_add_c(out, ",\"share\":");
        buf_add_double(out, narrowed->share);
        buf_add_c(out, ",\"effect\":");
        buf_add_double(out, narrowed->effect);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

void suspect_json(const struct suspect *suspect, bool whole, struct buf *out)
{
    buf_addf(out, "{\"rank\":%u,\"kind\":\"%s\",\"node\":", suspect->rank, levels[suspect->level]);
    node_text_json(&suspect->node, out);
    buf_add_c(out, ",\"instance\":");
    buf_add_json(out, suspect->instance);
    buf_add_c(out, ",\"operation\":");
    buf_add_json(out, suspect->operation);
    buf_add_c(out, ",\"peer\":");
    if (suspect->has_peer)
        node_text_json(&suspect->peer, out);
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"score\":");
    buf_add_double(out, suspect->score);
    buf_add_c(out, ",\"confidence\":");
    buf_add_double(out, suspect->confidence);
    buf_addf(out, ",\"significant\":%s,\"reason\":", suspect->significant ? "true" : "false");
    buf_add_json(out, suspect->reason);
    narrowed_json(suspect, out);
    if (whole)
        evidence_json(suspect, out);
    buf_add_c(out, ",\"effects\":[");
    for (unsigned i = 0; i < suspect->n_effects; i++) {
        buf_add_c(out, i ? "," : "");
        node_text_json(&suspect->effects[i], out);
    }
    buf_add_c(out, "],\"examples\":[");
    for (unsigned i = 0; i < suspect->n_examples; i++)
        buf_addf(out, "%s\"%s\"", i ? "," : "", suspect->examples[i]);
    buf_addf(out, "],\"contrast\":%s%s%s", suspect->contrast[0] ? "\"" : "",
             suspect->contrast[0] ? suspect->contrast : "null", suspect->contrast[0] ? "\"" : "");
    buf_add_c(out, ",\"not\":[");
    for (unsigned i = 0; i < suspect->n_not; i++) {
        buf_add_c(out, i ? "," : "");
        buf_add_json(out, suspect->not_[i]);
    }
    buf_add_c(out, "]}");
}

static void requests_json(const struct request_numbers *numbers, struct buf *out)
{
    buf_addf(out, "{\"n\":%lld,\"failed\":%lld,\"mean_ns\":", (long long)numbers->n,
             (long long)numbers->failed);
    if (numbers->mean_ns > 0 || numbers->p95_ns != UINT64_MAX)
        buf_addf(out, "%lld", (long long)numbers->mean_ns);
    else
        buf_add_c(out, "null");
    buf_add_c(out, ",\"p95_ns\":");
    if (numbers->p95_ns != UINT64_MAX)
        buf_addf(out, "%llu", (unsigned long long)numbers->p95_ns);
    else
        buf_add_c(out, "null");
    buf_add_char(out, '}');
}

static void window_json(const char *name, uint64_t from_ns, uint64_t to_ns, struct buf *out)
{
    buf_addf(out, "\"%s\":{\"from\":\"", name);
    buf_add_time(out, from_ns);
    buf_add_c(out, "\",\"to\":\"");
    buf_add_time(out, to_ns);
    buf_add_c(out, "\"}");
}

void diagnosis_json(const struct diagnosis *diagnosis, struct buf *out)
{
    buf_add_c(out, "{\"version\":1,");
    window_json("window", diagnosis->from_ns, diagnosis->to_ns, out);
    buf_add_char(out, ',');
    window_json("baseline", diagnosis->baseline_from_ns, diagnosis->baseline_to_ns, out);
    buf_addf(out,
             ",\"verdict\":\"%s\",\"requests\":{\"baseline\":", verdict_word(diagnosis->verdict));
    requests_json(&diagnosis->baseline, out);
    buf_add_c(out, ",\"now\":");
    requests_json(&diagnosis->now, out);
    buf_add_c(out, "},\"onset\":");
    buf_add_json_time(out, diagnosis->onset_ns);
    if (diagnosis->incident)
        buf_addf(out, ",\"incident\":\"%llu\"", (unsigned long long)diagnosis->incident);
    else
        buf_add_c(out, ",\"incident\":null");
    buf_add_c(out, ",\"suspects\":[");
    for (uint32_t i = 0; i < diagnosis->n_suspects; i++) {
        buf_add_c(out, i ? "," : "");
        suspect_json(&diagnosis->suspects[i], true, out);
    }
    if (diagnosis->need_requests)
        buf_addf(out, "],\"need\":{\"requests\":%lld}}", (long long)diagnosis->need_requests);
    else
        buf_add_c(out, "],\"need\":null}");
}
