/* otlp_logs_json.c - ExportLogsServiceRequest as one JSON document (formats: OTLP/JSON). */
#include "collector/decode/access_log.h"
#include "collector/decode/decode.h"
#include "collector/decode/log_records.h"
#include "collector/decode/otlp_json_walk.h"

#define SCRATCH_BYTES ((size_t)32 << 20)

/* Nought of any length says that there is no id. */
static bool is_zero(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] != '0')
            return false;
    }
    return true;
}

static void take_ids(struct raw_log *raw, struct str trace_id, struct str span_id)
{
    uint64_t halves[2];
    raw->has_trace_id = !is_zero(trace_id);
    raw->has_span_id = !is_zero(span_id);
    if (raw->has_span_id && !otlp_json_id_halves(span_id, 8, halves))
        raw->bad_id = "spanId is not 16 hexadecimal digits";
    else if (raw->has_span_id)
        raw->span_id = halves[1];
    if (raw->has_trace_id && !otlp_json_id_halves(trace_id, 16, halves))
        raw->bad_id = "traceId is not 32 hexadecimal digits";
    else if (raw->has_trace_id)
        raw->trace_id = (struct trace_id){halves[0], halves[1]};
}

#define FOUR(name) name, name "2", name "3", name "4"
static const char *const severities[] = {"UNSPECIFIED", FOUR("TRACE"), FOUR("DEBUG"), FOUR("INFO"),
                                         FOUR("WARN"),  FOUR("ERROR"), FOUR("FATAL")};
#define N_SEVERITIES (sizeof(severities) / sizeof(severities[0]))

static bool read_member(struct decoding *decoding, struct json *json, const struct json_text *key,
                        struct raw_log *raw)
{
    if (key_is(key, STR("timeUnixNano")))
        return json_read_u64(json, &raw->at_ns);
    if (key_is(key, STR("observedTimeUnixNano")))
        return json_read_u64(json, &raw->observed_ns);
    if (key_is(key, STR("severityText")))
        return otlp_json_name(decoding, json, &raw->severity_text);
    if (key_is(key, STR("eventName")))
        return otlp_json_name(decoding, json, &raw->event_name);
    if (key_is(key, STR("severityNumber")))
        return otlp_json_enum(json, STR("SEVERITY_NUMBER_"), severities, N_SEVERITIES,
                              &raw->severity);
    if (key_is(key, STR("body"))) {
        raw->body = (struct attr){0};
        return json_any_read(decoding, json, &raw->body);
    }
    if (key_is(key, STR("attributes")))
        return json_any_attributes(decoding, json, &raw->attributes);
    return otlp_json_pass(json, key);
}

static bool read_record(struct decoding *decoding, struct json *json,
                        const struct resource *resource, const struct scope *scope)
{
    struct raw_log raw = {.resource = resource, .scope = scope};
    struct json_text key;
    struct str trace_id = STR_NONE, span_id = STR_NONE;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool ok = key_is(&key, STR("traceId"))  ? otlp_json_id(decoding, json, &trace_id)
                  : key_is(&key, STR("spanId")) ? otlp_json_id(decoding, json, &span_id)
                                                : read_member(decoding, json, &key, &raw);
        if (!ok)
            return false;
    }
    if (json->error)
        return false;
    take_ids(&raw, trace_id, span_id);
    return log_record_take(decoding, &raw) || json_wrong(json, "memory");
}

int decode_otlp_logs_json(struct str input, const struct limits *limits, struct batch *batch,
                          struct err *err)
{
    const struct otlp_json_kind kind = {STR("resourceLogs"), STR("scopeLogs"),
                                        STR("instrumentationLibraryLogs"), STR("logRecords"),
                                        read_record};
    struct senders senders;
    struct decoding decoding = {.batch = batch, .limits = limits, .err = err, .senders = &senders};
    err->code = ERR_NONE;
    senders_init(&senders);
    buf_init(&decoding.json, SCRATCH_BYTES);
    int code = otlp_json_walk(&decoding, input, &kind);
    buf_fini(&decoding.json);
    senders_fini(&senders);
    return code;
}
