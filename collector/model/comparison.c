/* comparison.c - words and JSON of a comparison. */
#include "collector/model/comparison.h"

static const char *const verdicts[] = {"not_enough_data", "same", "worse", "better"};
static const char *const metrics[] = {"errors", "latency", "downstream_errors",
                                      "flow",   "began",   "passed"};

const char *compared_word(enum compared verdict)
{
    return verdicts[verdict];
}

const char *compared_metric_word(enum compared_metric metric)
{
    return metrics[metric];
}

static void number_or_null(const char *name, bool known, uint64_t number, struct buf *out)
{
    buf_addf(out, ",\"%s\":", name);
    if (known)
        buf_add_u64(out, number);
    else
        buf_add_c(out, "null");
}

static void side_json(const char *name, const struct compared_side *side, struct buf *out)
{
    buf_addf(out, ",\"%s\":{\"version\":", name);
    buf_add_json(out, side->version);
    buf_addf(out, ",\"calls\":%lld,\"errors\":%lld,\"error_share\":", (long long)side->calls,
             (long long)side->errors);
    buf_add_double(out, side->calls ? (double)side->errors / (double)side->calls : 0);
    number_or_null("p50_ns", side->p50_ns != UINT64_MAX, side->p50_ns, out);
    number_or_null("p95_ns", side->p95_ns != UINT64_MAX, side->p95_ns, out);
    number_or_null("p99_ns", side->p99_ns != UINT64_MAX, side->p99_ns, out);
    buf_add_char(out, '}');
}

static void check_json(const struct compared_check *check, struct buf *out)
{
    buf_addf(out, "{\"metric\":\"%s\",\"peer\":", metrics[check->metric]);
    if (check->has_peer)
        node_text_json(&check->peer, out);
    else
        buf_add_c(out, "null");
    buf_addf(out, ",\"test\":\"%s\"", check->test);
    for (int k = 0; k < 2; k++) {
        buf_addf(out, ",\"%s\":", k ? "candidate" : "baseline");
        if (check->has_sides)
            buf_add_double(out, check->sides[k]);
        else
            buf_add_c(out, "null");
    }
    buf_add_c(out, ",\"effect\":");
    buf_add_double(out, check->effect);
    buf_add_c(out, ",\"interval\":[");
    buf_add_double(out, check->low);
    buf_add_char(out, ',');
    buf_add_double(out, check->high);
    buf_addf(out, "],\"unit\":\"%s\",\"margin\":", evidence_unit_word(check->unit));
    buf_add_double(out, check->margin);
    buf_addf(out, ",\"verdict\":\"%s\"", verdicts[check->verdict]);
    number_or_null("need", check->need > 0, (uint64_t)check->need, out);
    buf_add_char(out, '}');
}

void comparison_json(const struct comparison *comparison, struct buf *out)
{
    buf_add_c(out, "{\"version\":1,\"service\":");
    node_text_json(&comparison->service, out);
    buf_add_c(out, ",\"window\":{\"from\":\"");
    buf_add_time(out, comparison->from_ns);
    buf_add_c(out, "\",\"to\":\"");
    buf_add_time(out, comparison->to_ns);
    buf_addf(out, "\"},\"minutes\":%lld,\"verdict\":\"%s\",\"confidence_level\":0.95",
             (long long)comparison->minutes, verdicts[comparison->verdict]);
    side_json("baseline", &comparison->sides[0], out);
    side_json("candidate", &comparison->sides[1], out);
    buf_add_c(out, ",\"checks\":[");
    for (unsigned i = 0; i < comparison->n_checks; i++) {
        if (i)
            buf_add_char(out, ',');
        check_json(&comparison->checks[i], out);
    }
    if (comparison->has_parts) {
        buf_add_c(out, "],\"parts\":[");
        check_json(&comparison->parts[0], out);
        buf_add_char(out, ',');
        check_json(&comparison->parts[1], out);
    }
    buf_add_c(out, "],\"examples\":[");
    for (unsigned i = 0; i < comparison->n_examples; i++)
        buf_addf(out, "%s\"%s\"", i ? "," : "", comparison->examples[i]);
    buf_add_c(out, "]}");
}
